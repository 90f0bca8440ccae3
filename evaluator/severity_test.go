package evaluator_test

import (
	"testing"

	"github.com/relgate/relgate/evaluator"
)

func TestSeverityAndOrdersFollowFromWhatAnEventLeadsTo(t *testing.T) {
	for _, tt := range []struct {
		kind              evaluator.EventKind
		subject, from, to string
		severity          evaluator.Severity
		order             bool
	}{
		{evaluator.RunEvent, "shop", "monitoring", "rolled_back", evaluator.Critical, true},
		{evaluator.RunEvent, "shop", "held", "rolled_back", evaluator.Critical, true},
		{evaluator.RunEvent, "shop", "monitoring", "held", evaluator.Warning, true},
		{evaluator.RunEvent, "shop", "held", "monitoring", evaluator.Info, true},
		{evaluator.RunEvent, "shop", "monitoring", "failed", evaluator.Critical, false},
		{evaluator.RunEvent, "shop", "monitoring", "superseded", evaluator.Warning, false},
		{evaluator.RunEvent, "shop", "monitoring", "passed", evaluator.Info, false},
		{evaluator.PhaseEvent, "ten", "monitoring", "rolled_back", evaluator.Critical, false},
		{evaluator.PhaseEvent, "ten", "monitoring", "failed", evaluator.Warning, false},
		{evaluator.PhaseEvent, "ten", "waiting", "monitoring", evaluator.Info, false},
		{evaluator.VerdictEvent, "ten", "wait", "rollback", evaluator.Critical, false},
		{evaluator.VerdictEvent, "ten", "pass", "unknown", evaluator.Warning, false},
		{evaluator.VerdictEvent, "ten", "wait", "fail", evaluator.Warning, false},
		{evaluator.VerdictEvent, "ten", "wait", "pass", evaluator.Info, false},
		{evaluator.RuleEvent, "errors", "breaching", "fired", evaluator.Critical, true},
		{evaluator.RuleEvent, "errors", "clear", "breaching", evaluator.Warning, false},
		{evaluator.RuleEvent, "errors", "clear", "holding", evaluator.Warning, false},
		{evaluator.RuleEvent, "errors", "clear", "silent", evaluator.Warning, false},
		{evaluator.RuleEvent, "errors", "silent", "clear", evaluator.Info, false},
		{evaluator.SignalEvent, "5xx", "ok", "no_data", evaluator.Warning, false},
		{evaluator.SignalEvent, "5xx", "no_data", "ok", evaluator.Info, false},
		{evaluator.CommunicationEvent, "banner", "waiting", "skipped", evaluator.Warning, false},
		{evaluator.CommunicationEvent, "banner", "waiting", "due", evaluator.Info, false},
		{evaluator.CommandEvent, "abort", "", "applied", evaluator.Info, true},
		{evaluator.CommandEvent, "hold", "", "applied", evaluator.Info, true},
		{evaluator.CommandEvent, "resume", "", "applied", evaluator.Info, true},
		{evaluator.CommandEvent, "hold", "", "refused", evaluator.Warning, false},
		{evaluator.CommandEvent, "override", "", "applied", evaluator.Info, false},
		{evaluator.PlanEvent, "shop", "", "amended", evaluator.Info, false},
	} {
		e := evaluator.Event{Kind: tt.kind, Subject: tt.subject, From: tt.from, To: tt.to}
		if got := e.Severity(); got != tt.severity {
			t.Errorf("%s %s: %s => %s: severity %s, want %s", tt.kind, tt.subject, tt.from, tt.to, got, tt.severity)
		}
		if got := e.Order(); got != tt.order {
			t.Errorf("%s %s: %s => %s: order %v, want %v", tt.kind, tt.subject, tt.from, tt.to, got, tt.order)
		}
	}
}

func TestSeveritiesAreOrdered(t *testing.T) {
	all := evaluator.Severities()
	for i, s := range all {
		for k, o := range all {
			if got, want := s.AtLeast(o), i >= k; got != want {
				t.Errorf("%s at least %s: %v, want %v", s, o, got, want)
			}
		}
	}
	if evaluator.Severity("").AtLeast(evaluator.Warning) || !evaluator.Critical.AtLeast("") {
		t.Error("an empty severity is the least")
	}
}
