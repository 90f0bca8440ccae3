package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// A webhook may ask for every kind of event that there is.
func TestEveryKindOfEventCanBeAskedFor(t *testing.T) {
	var kinds []string
	for _, k := range fact.EventKinds() {
		kinds = append(kinds, fmt.Sprintf("%q", k))
	}
	path := filepath.Join(t.TempDir(), "config.toml")
	place(t, path, plainConfig+fmt.Sprintf("\n[webhooks.ops]\nurl = \"https://ops.example.com/\"\nevents = [%s]\n", strings.Join(kinds, ", ")))
	if _, problems := configs().Load(path); config.Errors(problems) != 0 {
		t.Errorf("events = %v: %v", kinds, problems)
	}
}

// eventsThereAre is one event for everything that an event can say: of each kind, from
// each state to each other, about each command.
func eventsThereAre() (all []fact.Event) {
	states := map[fact.EventKind][]string{
		fact.RuleEvent: {
			string(fact.RuleIdle), string(fact.RuleClear), string(fact.RuleBreaching), string(fact.RuleFired),
			string(fact.RuleSilent), string(fact.RuleWarning), string(fact.RuleHolding),
			string(fact.RuleWouldFire), string(fact.RuleWouldHold),
		},
		fact.SignalEvent: {"ok"}, fact.CommandEvent: {"applied", "refused"}, fact.PlanEvent: {"edited", "judged_anew", "late"},
		fact.CommunicationEvent: {"due", "sent", "failed", "skipped"},
		fact.ApprovalEvent:      {"asked", "approved", "rejected", "void", "expired", "overridden"},
		fact.EffectEvent:        {"intended", "acknowledged", "done", "failed", "skipped", "dropped", "escalated", "taken", "safe", "stopped", "unproven", "ready", "missing", "unknown", "rehearsed", "overridden"},
		fact.ReviewEvent:        {"open", "reminded", "edited", "approved", "void", "complete", "archived", "failed"},
	}
	real := func(s fmt.Stringer) bool { return !strings.HasPrefix(s.String(), "invalid") }
	for s := rules.Waiting; real(s); s++ {
		states[fact.RunEvent] = append(states[fact.RunEvent], s.String())
		states[fact.PhaseEvent] = append(states[fact.PhaseEvent], s.String())
	}
	for v := rules.Unknown; real(v); v++ {
		states[fact.VerdictEvent] = append(states[fact.VerdictEvent], v.String())
		if v != rules.Rollback {
			states[fact.RuleEvent] = append(states[fact.RuleEvent], v.String())
		}
	}
	for f := rules.OK + 1; real(f); f++ {
		states[fact.SignalEvent] = append(states[fact.SignalEvent], f.String())
	}
	commands := []fact.CommandKind{
		fact.StartPhase, fact.Hold, fact.Resume, fact.Override, fact.Abort, fact.RollbackDone, fact.Supersede,
	}
	for _, kind := range fact.EventKinds() {
		for _, from := range states[kind] {
			for _, to := range states[kind] {
				for _, about := range commands {
					all = append(all, fact.Event{Kind: kind, From: from, To: to, Subject: string(about)})
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
	for _, kind := range fact.EventKinds() {
		for to := range ends {
			asked = append(asked, wire.EventType(&fact.Event{Kind: kind, To: to}))
		}
	}
	path := filepath.Join(t.TempDir(), "config.toml")
	place(t, path, plainConfig+fmt.Sprintf("\n[webhooks.ops]\nurl = \"https://ops.example.com/\"\ntypes = [\"%s\"]\n", strings.Join(asked, `", "`)))
	_, problems := configs().Load(path)
	for i, name := range asked {
		at := fmt.Sprintf("webhooks.ops.types[%d]", i)
		refused := slices.ContainsFunc(problems, func(p config.Problem) bool { return p.Path == at })
		if refused == real[name] {
			t.Errorf("%s: refused %v, but that there are such events is %v", name, refused, real[name])
		}
	}
	if len(real) < 60 || len(real) > 80 {
		t.Errorf("%d types of events: want about 70", len(real))
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
		for _, least := range fact.Severities() {
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
	_, problems := configs().Load(path)
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
