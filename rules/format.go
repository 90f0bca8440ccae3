package rules

import (
	"regexp"
	"slices"
)

// WebhookFormat is what a config knows of a form in which a webhook sends events.
type WebhookFormat struct {
	Name    string       // as format has it
	Doc     string       // a sentence for the manual
	Keys    []AccountKey // of its own in `[webhooks.NAME]`
	URL     string       // where it goes if url is left out; empty: url is required
	Types   []string     // types of events that it can tell; nil: all
	Starts  bool         // each event has something done, so that the config must name the types
	Signed  bool         // the keys in secrets sign it; else it has credentials of its own
	Headers bool         // its credentials may be headers: class action needs no secrets then

	// Escalations reports whether it can tell, with these keys, that another webhook's
	// events do not arrive; nil: never.
	Escalations func(own FormatKeys) bool

	// Check reports what is wrong with the values of its keys, those that are secrets
	// left out; nil where nothing else can be.
	Check func(c Checker, own FormatKeys)
}

// FormatKeys are the values of the keys of a format.
type FormatKeys struct {
	Texts  map[string]string            // :: key → text
	Tables map[string]map[string]string // :: key → table of texts
}

// alertLabels are those that alerts to Alertmanager have by themselves.
var alertLabels = []string{"alertname", "severity", "plan", "run", "version", "rule", "phase", "endpoint", "type"}

var alertLabelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// CheckAlertLabels reports labels that an alert to Alertmanager cannot have beside its
// own. c is where their table stands.
func CheckAlertLabels(c Checker, labels map[string]string) {
	for name, value := range labels {
		at := c.At(name)
		switch {
		case !alertLabelName.MatchString(name):
			at.Fail("bad-value", "", `want a name of letters, digits and "_", the first no digit`)
		case slices.Contains(alertLabels, name):
			at.Fail("conflict", "give it another name", "alerts have a label of that name by themselves")
		case value == "":
			at.Fail("bad-value", "leave it out", "a label without a value is none")
		}
	}
}
