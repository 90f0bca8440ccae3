package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// A webhook may ask for every kind of event that there is.
func TestEveryKindOfEventCanBeAskedFor(t *testing.T) {
	var kinds []string
	for _, k := range evaluator.EventKinds() {
		kinds = append(kinds, fmt.Sprintf("%q", k))
	}
	path := filepath.Join(t.TempDir(), "config.toml")
	place(t, path, plainConfig+fmt.Sprintf("\n[webhooks.ops]\nurl = \"https://ops.example.com/\"\nevents = [%s]\n", strings.Join(kinds, ", ")))
	if _, problems := config.Load(path); config.Errors(problems) != 0 {
		t.Errorf("events = %v: %v", kinds, problems)
	}
}

// A webhook may ask for every type that an event can have.
func TestEveryTypeOfEventCanBeAskedFor(t *testing.T) {
	states := map[evaluator.EventKind][]string{
		evaluator.RuleEvent: {
			string(evaluator.RuleIdle), string(evaluator.RuleClear), string(evaluator.RuleBreaching), string(evaluator.RuleFired),
			string(evaluator.RuleSilent), string(evaluator.RuleWarning), string(evaluator.RuleHolding),
		},
		evaluator.SignalEvent: {"ok"}, evaluator.CommandEvent: {"applied", "refused"}, evaluator.PlanEvent: {"edited"},
		evaluator.CommunicationEvent: {"due", "skipped"},
	}
	real := func(s fmt.Stringer) bool { return !strings.HasPrefix(s.String(), "invalid") }
	for s := rules.Waiting; real(s); s++ {
		states[evaluator.RunEvent] = append(states[evaluator.RunEvent], s.String())
		states[evaluator.PhaseEvent] = append(states[evaluator.PhaseEvent], s.String())
	}
	for v := rules.Unknown; real(v); v++ {
		states[evaluator.VerdictEvent] = append(states[evaluator.VerdictEvent], v.String())
		if v != rules.Rollback {
			states[evaluator.RuleEvent] = append(states[evaluator.RuleEvent], v.String())
		}
	}
	for f := rules.OK + 1; real(f); f++ {
		states[evaluator.SignalEvent] = append(states[evaluator.SignalEvent], f.String())
	}
	var types []string
	for _, kind := range evaluator.EventKinds() {
		for _, to := range states[kind] {
			types = append(types, fmt.Sprintf("%q", wire.EventType(&evaluator.Event{Kind: kind, To: to})))
		}
	}
	path := filepath.Join(t.TempDir(), "config.toml")
	place(t, path, plainConfig+fmt.Sprintf("\n[webhooks.ops]\nurl = \"https://ops.example.com/\"\ntypes = [%s]\n", strings.Join(types, ", ")))
	if _, problems := config.Load(path); config.Errors(problems) != 0 || len(types) < 40 || len(types) > 60 {
		t.Errorf("types = %v: %v", types, problems)
	}
}
