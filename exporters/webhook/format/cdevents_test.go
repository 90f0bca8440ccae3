package format

import (
	"encoding/json"
	"testing"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// That the events keep the specification's schemas is tested in bench, by its own library.
func TestWhatCDEventsSay(t *testing.T) {
	begun := func(previous string) wire.EventBody {
		return wire.EventBody{Kind: "run", Subject: "REL", To: "waiting", Begun: &wire.Begun{Try: 1, Previous: wire.Previous{Version: previous}}}
	}
	done := wire.EventBody{Kind: "command", Subject: "rollback_done", To: "applied"}
	own := rules.FormatKeys{Texts: map[string]string{"environment": "production", "artifact": "pkg:oci/shop?arch=amd64"}}
	for _, tt := range []struct {
		name              string
		event             wire.EventBody
		previous          string
		kind              string // empty: nothing is sent
		subject, artifact string
	}{
		{"the first phase begins", run("waiting", "monitoring"), "0.9.0", serviceDeployed, "REL", "pkg:oci/shop@1.0.0?arch=amd64"},
		{"the release is done", run("monitoring", "passed"), "0.9.0", serviceUpgraded, "REL", "pkg:oci/shop@1.0.0?arch=amd64"},
		{"it is held", run("monitoring", "held"), "0.9.0", incidentDetected, "REL@1.0.0", "pkg:oci/shop@1.0.0?arch=amd64"},
		{"it is resumed", run("held", "monitoring"), "0.9.0", incidentResolved, "REL@1.0.0", "pkg:oci/shop@1.0.0?arch=amd64"},
		{"it has failed", run("monitoring", "failed"), "0.9.0", incidentDetected, "REL@1.0.0", "pkg:oci/shop@1.0.0?arch=amd64"},
		{"a rollback is ordered: nothing has been rolled back yet", run("held", "rolled_back"), "0.9.0", incidentDetected, "REL@1.0.0", "pkg:oci/shop@1.0.0?arch=amd64"},
		{"the rollback is carried out: the version before runs", done, "sha256:0.9", serviceRolledback, "REL", "pkg:oci/shop@sha256%3A0.9?arch=amd64"},
		{"the way back is taken: the version before runs", wire.EventBody{Kind: "effect", Subject: "REL", From: "intended", To: "taken"}, "sha256:0.9", serviceRolledback, "REL", "pkg:oci/shop@sha256%3A0.9?arch=amd64"},
		{"who has the version keeps it", wire.EventBody{Kind: "effect", Subject: "REL", From: "done", To: "stopped"}, "0.9.0", "", "", ""},
		{"the version before is not known", done, "", incidentResolved, "REL@1.0.0", ""},
		{"a run begins and nothing is deployed", run("", "waiting"), "0.9.0", "", "", ""},
		{"another command", wire.EventBody{Kind: "command", Subject: "hold", To: "applied"}, "0.9.0", "", "", ""},
		{"a rule breaches", rule("5xx", "clear", "breaching"), "0.9.0", "", "", ""},
	} {
		tt.event.Headline = "what has happened"
		f := factsOf(history(begun(tt.previous), tt.event))
		for _, external := range []string{"", "https://relgate.example"} {
			call, err := cdevents.Open(Endpoint{URL: "https://a", External: external, FormatKeys: own})(f)
			if err != nil || (call == nil) != (tt.kind == "") {
				t.Errorf("%s: got %v, %v", tt.name, call, err)
			}
			if call == nil {
				continue
			}
			content := new(cdeventContent)
			got := cdevent{Subject: cdeventSubject{Content: content}}
			if err := json.Unmarshal(call.Body, &got); err != nil {
				t.Fatal(err)
			}
			if got.Context.Type != tt.kind || got.Subject.ID != tt.subject || content.Artifact != tt.artifact || got.Context.ChainID != "REL@1.0.0.k7q" || got.CustomData.ID != f.ID {
				t.Errorf("%s: got %s", tt.name, call.Body)
			}
			for header, want := range map[string]string{"Ce-Type": tt.kind, "Ce-Id": f.ID, "Ce-Subject": tt.subject, "Ce-Source": got.Context.Source, "Ce-Specversion": "1.0"} {
				if call.Header[header] != want {
					t.Errorf("%s: header %s is %q, want %q", tt.name, header, call.Header[header], want)
				}
			}
		}
	}
}

// Each role of an approval is one of CDEvents' approvals, as the draft of 0.6 has them.
func TestWhatCDEventsSayOfApprovals(t *testing.T) {
	own := rules.FormatKeys{Texts: map[string]string{"environment": "production", "artifact": "pkg:oci/shop"}}
	for _, tt := range []struct {
		to, by, kind, subject, content string
	}{
		{"asked", "", approvalCreated, "REL@1.0.0/start/Chief of X", `{"approvalDetailsUrl":"https://a/v1/runs/REL@1.0.0","resourceTargetUrl":"https://a/v1/plans/REL","requestor":"urn:relgate:relgate"}`},
		{"approved", "Kim Lee", approvalClosed, "REL@1.0.0/start/Chief of X", `{"approvalDetailsUrl":"https://a/v1/runs/REL@1.0.0","resourceTargetUrl":"https://a/v1/plans/REL","responder":"urn:relgate:Kim%20Lee","decision":"approved","status":"approved"}`},
		{"rejected", "Kim Lee", approvalClosed, "REL@1.0.0/start/Chief of X", `{"approvalDetailsUrl":"https://a/v1/runs/REL@1.0.0","resourceTargetUrl":"https://a/v1/plans/REL","responder":"urn:relgate:Kim%20Lee","decision":"rejected","status":"rejected"}`},
		{"void", "", approvalUpdated, "REL@1.0.0/start/Chief of X", `{"approvalDetailsUrl":"https://a/v1/runs/REL@1.0.0","resourceTargetUrl":"https://a/v1/plans/REL","responder":"urn:relgate:relgate","decision":"deferred"}`},
		{"overridden", "", approvalClosed, "REL@1.0.0/start", `{"approvalDetailsUrl":"https://a/v1/runs/REL@1.0.0","resourceTargetUrl":"https://a/v1/plans/REL","responder":"urn:relgate:relgate","decision":"escalated","status":"cancelled"}`},
	} {
		e := wire.EventBody{Kind: "approval", Subject: "start", To: tt.to}
		if tt.to != "overridden" {
			e.Signature = &wire.Signature{Role: "Chief of X", Name: tt.by}
		}
		call, err := cdevents.Open(Endpoint{URL: "https://a", External: "https://a", FormatKeys: own})(factsOf(history(e)))
		if err != nil || call == nil {
			t.Fatalf("%s: got %v, %v", tt.to, call, err)
		}
		content := new(json.RawMessage)
		got := cdevent{Subject: cdeventSubject{Content: content}}
		if err := json.Unmarshal(call.Body, &got); err != nil {
			t.Fatal(err)
		}
		if got.Context.Type != tt.kind || got.Context.Version != approvalsVersion || got.Subject.ID != tt.subject || string(*content) != tt.content {
			t.Errorf("%s: got %s", tt.to, call.Body)
		}
	}
}
