package evaluator_test

import (
	"testing"

	"github.com/relgate/relgate/evaluator/fact"
)

func TestSeverityAndOrdersFollowFromWhatAnEventLeadsTo(t *testing.T) {
	for _, tt := range []struct {
		kind              fact.EventKind
		subject, from, to string
		severity          fact.Severity
		order             bool
	}{
		{fact.RunEvent, "shop", "monitoring", "rolled_back", fact.Critical, true},
		{fact.RunEvent, "shop", "held", "rolled_back", fact.Critical, true},
		{fact.RunEvent, "shop", "monitoring", "held", fact.Warning, true},
		{fact.RunEvent, "shop", "held", "monitoring", fact.Info, true},
		{fact.RunEvent, "shop", "monitoring", "failed", fact.Critical, false},
		{fact.RunEvent, "shop", "monitoring", "superseded", fact.Warning, false},
		{fact.RunEvent, "shop", "monitoring", "passed", fact.Info, false},
		{fact.PhaseEvent, "ten", "monitoring", "rolled_back", fact.Critical, false},
		{fact.PhaseEvent, "ten", "monitoring", "failed", fact.Warning, false},
		{fact.PhaseEvent, "ten", "waiting", "monitoring", fact.Info, false},
		{fact.VerdictEvent, "ten", "wait", "rollback", fact.Critical, false},
		{fact.VerdictEvent, "ten", "pass", "unknown", fact.Warning, false},
		{fact.VerdictEvent, "ten", "wait", "fail", fact.Warning, false},
		{fact.VerdictEvent, "ten", "wait", "pass", fact.Info, false},
		{fact.RuleEvent, "errors", "breaching", "fired", fact.Critical, true},
		{fact.RuleEvent, "errors", "clear", "breaching", fact.Warning, false},
		{fact.RuleEvent, "errors", "clear", "holding", fact.Warning, false},
		{fact.RuleEvent, "errors", "clear", "silent", fact.Warning, false},
		{fact.RuleEvent, "errors", "silent", "clear", fact.Info, false},
		{fact.SignalEvent, "5xx", "ok", "no_data", fact.Warning, false},
		{fact.SignalEvent, "5xx", "no_data", "ok", fact.Info, false},
		{fact.CommunicationEvent, "banner", "waiting", "skipped", fact.Warning, false},
		{fact.CommunicationEvent, "banner", "waiting", "due", fact.Info, false},
		{fact.CommandEvent, "abort", "", "applied", fact.Info, true},
		{fact.CommandEvent, "hold", "", "applied", fact.Info, true},
		{fact.CommandEvent, "resume", "", "applied", fact.Info, true},
		{fact.CommandEvent, "hold", "", "refused", fact.Warning, false},
		{fact.CommandEvent, "override", "", "applied", fact.Info, false},
		{fact.PlanEvent, "shop", "", "amended", fact.Info, false},
		{fact.RolloutEvent, "ten", "match", "mismatch", fact.Warning, false},
		{fact.RolloutEvent, "ten", "mismatch", "match", fact.Info, false},
		{fact.EffectEvent, "high/alias", "planned", "intended", fact.Warning, true},
		{fact.EffectEvent, "high/alias", "intended", "failed", fact.Critical, false},
		{fact.EffectEvent, "high/alias", "intended", "escalated", fact.Critical, false},
		{fact.EffectEvent, "shop", "done", "unproven", fact.Critical, false},
		{fact.EffectEvent, "shop", "done", "safe", fact.Info, false},
	} {
		e := fact.Event{Kind: tt.kind, Subject: tt.subject, From: tt.from, To: tt.to}
		if got := e.Severity(); got != tt.severity {
			t.Errorf("%s %s: %s => %s: severity %s, want %s", tt.kind, tt.subject, tt.from, tt.to, got, tt.severity)
		}
		if got := e.Order(); got != tt.order {
			t.Errorf("%s %s: %s => %s: order %v, want %v", tt.kind, tt.subject, tt.from, tt.to, got, tt.order)
		}
	}
}

func TestSeveritiesAreOrdered(t *testing.T) {
	all := fact.Severities()
	for i, s := range all {
		for k, o := range all {
			if got, want := s.AtLeast(o), i >= k; got != want {
				t.Errorf("%s at least %s: %v, want %v", s, o, got, want)
			}
		}
	}
	if fact.Severity("").AtLeast(fact.Warning) || !fact.Critical.AtLeast("") {
		t.Error("an empty severity is the least")
	}
}
