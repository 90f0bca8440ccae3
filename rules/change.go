package rules

// Change is one difference between two versions of a plan.
type Change struct {
	Path string `json:"path"`           // key path: "rollback.api-5xx-high.when"
	From string `json:"from,omitempty"` // as the plan writes it; empty where it was not there
	To   string `json:"to,omitempty"`   // empty where it is not there any more
}
