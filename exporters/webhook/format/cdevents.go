package format

import (
	"net/url"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// cdevents is CDEvents 0.5.1 in CloudEvents' binary mode: what happened to the service
// that a plan releases, and the incident that a release was.
var cdevents = Format{
	WebhookFormat: rules.WebhookFormat{
		Name: "cdevents", Doc: "CDEvents: `service.deployed`, `.upgraded` and `.rolledback`, `incident.detected` and `.resolved`, `approval.created`, `.updated` and `.closed`",
		Keys: []rules.AccountKey{
			{Key: "environment", Required: true, Example: `"production"`, Doc: "Format cdevents: id of the environment that the service runs in. Required there."},
			{Key: "artifact", Required: true, Example: `"pkg:oci/shop"`, Doc: "Format cdevents: package URL of what is released, without its version, which is the run's. Required there."},
			{Key: "service", Doc: "Format cdevents: id of the service. Default: the name of the plan."},
		},
		Signed: true, Check: checkArtifact,
		Types: []string{
			"relgate.run.monitoring", "relgate.run.waiting", "relgate.run.held", "relgate.run.passed", "relgate.run.failed", "relgate.run.rolled_back", "relgate.run.superseded",
			"relgate.command.applied", "relgate.effect.taken",
			"relgate.approval.asked", "relgate.approval.approved", "relgate.approval.rejected", "relgate.approval.void", "relgate.approval.expired", "relgate.approval.overridden",
		},
	},
	Needs: NeedsBeginning,
	Open: func(e Endpoint) Maker {
		return func(f Facts) (*Call, error) { return cdeventsCall(e, f) }
	},
}

func checkArtifact(c rules.Checker, own rules.FormatKeys) {
	if a := own.Texts["artifact"]; a != "" && (!strings.HasPrefix(a, "pkg:") || strings.Contains(a, "@")) {
		c.At("artifact").Fail("bad-value", `write it as "pkg:oci/shop"`, "want a package URL without a version")
	}
}

const cdeventsVersion = "0.5.1"

// The types that are sent, with the version of each.
const (
	serviceDeployed   = "dev.cdevents.service.deployed.0.3.0"
	serviceUpgraded   = "dev.cdevents.service.upgraded.0.3.0"
	serviceRolledback = "dev.cdevents.service.rolledback.0.3.0"
	incidentDetected  = "dev.cdevents.incident.detected.0.3.0"
	incidentResolved  = "dev.cdevents.incident.resolved.0.3.0"
)

type cdevent struct {
	Context               cdeventContext `json:"context"`
	Subject               cdeventSubject `json:"subject"`
	CustomData            wire.EventBody `json:"customData"` // the event that it was made from
	CustomDataContentType string         `json:"customDataContentType"`
}

type cdeventContext struct {
	Version   string    `json:"specversion"`
	ID        string    `json:"id"`
	ChainID   string    `json:"chainId"` // the run
	Source    string    `json:"source"`
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
}

type cdeventSubject struct {
	ID      string `json:"id"`
	Content any    `json:"content"`
}

type cdeventContent struct {
	Description string     `json:"description,omitempty"` // of an incident
	Environment reference  `json:"environment"`
	Service     *reference `json:"service,omitempty"` // of an incident
	Artifact    string     `json:"artifactId,omitempty"`
}

type reference struct {
	ID string `json:"id"`
}

func cdeventsCall(e Endpoint, f Facts) (*Call, error) {
	ev := &f.Event
	if ev.Kind == "approval" && ev.Run != "" {
		return cdeventApproval(e, f)
	}
	kind := cdeventType(ev)
	if kind == "" || ev.Run == "" {
		return nil, nil
	}
	service := reference{e.Texts["service"]}
	if service.ID == "" {
		service.ID = ev.Plan
	}
	content := cdeventContent{Environment: reference{e.Texts["environment"]}, Artifact: versioned(e.Texts["artifact"], ev.Version)}
	if kind == serviceRolledback {
		// What runs then is the version before. Where it is not known, all that can be
		// said is that the incident is over.
		if content.Artifact = ""; len(f.Earlier) > 0 && f.Earlier[0].Begun != nil && f.Earlier[0].Begun.Previous.Version != "" {
			content.Artifact = versioned(e.Texts["artifact"], f.Earlier[0].Begun.Previous.Version)
		} else {
			kind = incidentResolved
		}
	}
	subject := cdeventSubject{ID: service.ID}
	if kind == incidentDetected || kind == incidentResolved {
		subject.ID = ev.Run
		content.Service, content.Description = &service, ev.Headline
	}
	subject.Content = content
	return cdeventCall(e, f, cdeventsVersion, kind, subject)
}

// cdeventCall sends an event about a subject.
func cdeventCall(e Endpoint, f Facts, version, kind string, subject cdeventSubject) (*Call, error) {
	ev := &f.Event
	source := "/plans/" + url.PathEscape(ev.Plan)
	if e.External != "" {
		site := wire.Site{Base: e.External}
		source = site.Link("v1", "plans", ev.Plan)
	}
	event := cdevent{
		Context: cdeventContext{Version: version, ID: f.ID, ChainID: chain(f.ID), Source: source, Type: kind, Timestamp: when(ev)},
		Subject: subject, CustomData: *ev, CustomDataContentType: "application/json",
	}
	body, err := encode(event)
	return &Call{URL: e.URL, Body: body, Header: map[string]string{
		"Ce-Specversion": "1.0", "Ce-Id": HeaderText(f.ID), "Ce-Source": source, "Ce-Type": kind, "Ce-Subject": HeaderText(subject.ID), "Ce-Time": when(ev).Format(time.RFC3339Nano),
	}}, err
}

// cdeventType is what an event is in CDEvents' terms; empty where it is nothing. A
// rollback that is ordered is an incident; the service is rolled back when that has been
// done.
func cdeventType(e *wire.EventBody) string {
	trouble := func(state string) bool { return state == "held" || state == "failed" || state == "rolled_back" }
	switch {
	case e.Kind == "command" && e.Subject == "rollback_done" && e.To == "applied":
		return serviceRolledback
	case e.Kind == "effect" && e.To == "taken":
		return serviceRolledback
	case e.Kind != "run":
		return ""
	case trouble(e.To):
		return incidentDetected
	case e.To == "passed":
		return serviceUpgraded
	case trouble(e.From):
		return incidentResolved
	case e.From == "waiting" && e.To == "monitoring":
		return serviceDeployed
	}
	return ""
}

// versioned is a package URL with a version.
func versioned(purl, version string) string {
	base, rest := purl, ""
	if i := strings.IndexAny(purl, "?#"); i >= 0 {
		base, rest = purl[:i], purl[i:]
	}
	return base + "@" + strings.ReplaceAll(url.PathEscape(version), ":", "%3A") + rest
}

// chain is the run of an event, as its id has it.
func chain(id string) string {
	if i := strings.LastIndexByte(id, '/'); i > 0 {
		return id[:i]
	}
	return id
}
