package format

import (
	"cmp"
	"net/url"

	"github.com/relgate/relgate/exporters/wire"
)

// approvalsVersion is the draft of the specification that has approvals.
const approvalsVersion = "0.6.0-draft"

// The types of events about approvals.
const (
	approvalCreated = "dev.cdevents.approval.created.0.1.0"
	approvalUpdated = "dev.cdevents.approval.updated.0.1.0"
	approvalClosed  = "dev.cdevents.approval.closed.0.1.0"
)

type approvalContent struct {
	Details   string `json:"approvalDetailsUrl"`
	Resource  string `json:"resourceTargetUrl"`
	Requestor string `json:"requestor,omitempty"` // of created
	Responder string `json:"responder,omitempty"` // of the others
	Decision  string `json:"decision,omitempty"`
	Status    string `json:"status,omitempty"` // of closed
}

// cdeventApproval says where the signature of a role stands. Each role of an approval is one of
// CDEvents' approvals. A signature that counts no more is asked for again: what was decided
// is deferred then, not closed.
func cdeventApproval(e Endpoint, f Facts) (*Call, error) {
	ev := &f.Event
	site := wire.Site{Base: e.External}
	content := approvalContent{Details: site.Link("v1", "runs", ev.Run), Resource: site.Link("v1", "plans", ev.Plan)}
	role, name := "", ""
	if s := ev.Signature; s != nil {
		role, name = s.Role, s.Name
	}
	kind := approvalClosed
	switch ev.To {
	case "asked":
		kind, content.Requestor = approvalCreated, person("relgate")
	case "approved", "rejected":
		content.Decision, content.Status = ev.To, ev.To
	case "overridden":
		content.Decision, content.Status = "escalated", "cancelled"
	default:
		kind, content.Decision = approvalUpdated, "deferred"
	}
	if kind != approvalCreated {
		content.Responder = person(cmp.Or(name, ev.By, "relgate"))
	}
	id := ev.Run + "/" + ev.Subject
	if role != "" {
		id += "/" + role
	}
	return cdeventCall(e, f, approvalsVersion, kind, cdeventSubject{ID: id, Content: content})
}

// person is the URN of a person, or of a program.
func person(name string) string { return "urn:relgate:" + url.PathEscape(name) }
