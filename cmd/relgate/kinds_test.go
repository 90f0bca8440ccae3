package main

import (
	"fmt"
	"path/filepath"
	"slices"
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

// eventsThereAre is one event for everything that an event can say: of each kind, from
// each state to each other, about each command.
func eventsThereAre() (all []evaluator.Event) {
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
	commands := []evaluator.CommandKind{
		evaluator.StartPhase, evaluator.Hold, evaluator.Resume, evaluator.Override, evaluator.Abort, evaluator.RollbackDone, evaluator.Supersede,
	}
	for _, kind := range evaluator.EventKinds() {
		for _, from := range states[kind] {
			for _, to := range states[kind] {
				for _, about := range commands {
					all = append(all, evaluator.Event{Kind: kind, From: from, To: to, Subject: string(about)})
				}
			}
		}
	}
	return all
}

// A webhook may ask for every type that an event can have, and for no other.
func TestTheTypesOfEventsCanBeAskedForAndNoOthers(t *testing.T) {
	real, asked, ends := map[string]bool{}, []string(nil), map[string]bool{}
	for _, e := range eventsThereAre() {
		real[wire.EventType(&e)], ends[e.To] = true, true
	}
	for _, kind := range evaluator.EventKinds() {
		for to := range ends {
			asked = append(asked, wire.EventType(&evaluator.Event{Kind: kind, To: to}))
		}
	}
	path := filepath.Join(t.TempDir(), "config.toml")
	place(t, path, plainConfig+fmt.Sprintf("\n[webhooks.ops]\nurl = \"https://ops.example.com/\"\ntypes = [\"%s\"]\n", strings.Join(asked, `", "`)))
	_, problems := config.Load(path)
	for i, name := range asked {
		at := fmt.Sprintf("webhooks.ops.types[%d]", i)
		refused := slices.ContainsFunc(problems, func(p config.Problem) bool { return p.Path == at })
		if refused == real[name] {
			t.Errorf("%s: refused %v, but that there are such events is %v", name, refused, real[name])
		}
	}
	if len(real) < 40 || len(real) > 60 {
		t.Errorf("%d types of events: want about 50", len(real))
	}
}

// A webhook that acts is warned of if, and only if, no event that it selects is an order.
func TestWhoSelectsNoOrderIsWarned(t *testing.T) {
	orders, selections := map[string]bool{}, map[string]bool{} // :: name of a webhook
	text := plainConfig
	webhook := func(name, keys string) {
		if !selections[name] {
			selections[name] = true
			text += fmt.Sprintf("\n[webhooks.%s]\nclass = \"action\"\nurl = \"https://ops.example.com/\"\nsecrets = [{ env = \"S\" }]\n%s\n", name, keys)
		}
	}
	for _, e := range eventsThereAre() {
		for _, least := range evaluator.Severities() {
			of := wire.EventType(&e)
			byType, byKind := strings.ReplaceAll(of, ".", "-")+"-"+string(least), string(e.Kind)+"-"+string(least)
			webhook(byType, fmt.Sprintf("types = [%q]\nseverity = %q", of, least))
			webhook(byKind, fmt.Sprintf("events = [%q]\nseverity = %q", e.Kind, least))
			if e.Order() && e.Severity().AtLeast(least) {
				orders[byType], orders[byKind] = true, true
			}
		}
	}
	path := filepath.Join(t.TempDir(), "config.toml")
	place(t, path, text)
	_, problems := config.Load(path)
	warned := map[string]bool{}
	for _, p := range problems {
		if name, ok := strings.CutPrefix(p.Path, "webhooks."); ok && p.ID == "no-orders" {
			warned[name] = true
		}
	}
	for name := range selections {
		if warned[name] == orders[name] {
			t.Errorf("%s: warned %v, but that it can be sent an order is %v", name, warned[name], orders[name])
		}
	}
	if len(orders) < 10 || len(orders) == len(selections) {
		t.Errorf("%d of %d selections hold orders", len(orders), len(selections))
	}
}
