package main

import (
	"context"
	"errors"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// summary is the last word of a demo.
type summary struct {
	Plan       string            `json:"plan"`
	Run        string            `json:"run"`
	Scenario   string            `json:"scenario"`
	Faults     string            `json:"faults"` // of the receivers: what --receivers says
	State      rules.State       `json:"state"`
	Verdict    rules.Verdict     `json:"verdict"`
	Headline   string            `json:"headline"`
	Sentence   string            `json:"sentence"`
	Do         string            `json:"do"`      // empty where there is nothing to do
	Command    string            `json:"command"` // the rehearsed command
	Who        string            `json:"who"`
	Ended      time.Time         `json:"ended"`  // virtual
	Offset     string            `json:"offset"` // of the end, from T
	Events     uint64            `json:"events"`
	Phases     []phaseSummary    `json:"phases"`
	Rollback   []rollbackSummary `json:"rollback"`
	Deliveries []deliverySummary `json:"deliveries"`
	Requests   map[string]int    `json:"requests"` // what the upstreams were asked
	People     wire.People       `json:"people"`   // signatures, messages, the review, and the pass criteria one by one
	Receivers  []receiverSummary `json:"receivers"`
	Attempts   []attempts        `json:"attempts"` // what was not delivered at once
	Banner     []bannerShown     `json:"banner"`   // what the app has shown
}

type phaseSummary struct {
	Phase    string        `json:"phase"`
	State    rules.State   `json:"state"`
	Verdict  rules.Verdict `json:"verdict"`
	Headline string        `json:"headline"`
}

// rollbackSummary is what became of a rollback rule.
type rollbackSummary struct {
	Rule       string         `json:"rule"`
	State      fact.RuleState `json:"state"`
	FirstEvent *moment        `json:"firstEvent"` // null when nothing ever changed
	Warning    *moment        `json:"warning"`    // the first one; null when it never warned
	Holding    *moment        `json:"holding"`    // since when it first held the run; null when it never did
	Fired      *moment        `json:"fired"`      // null when it did not
}

// moment is an event in virtual time.
type moment struct {
	At     time.Time `json:"at"`
	Offset string    `json:"offset"` // from T
	From   string    `json:"from"`
	To     string    `json:"to"`
}

// deliverySummary is what one endpoint of the standard format was sent and what it verified.
type deliverySummary struct {
	tally
	Made uint64 `json:"made"` // attempts of this process that were answered with 2xx
}

func (d *demo) summary(ctx context.Context) (*summary, error) {
	u := d.release()
	if u == nil {
		return nil, errors.New("no run has begun") // unreachable: the run ended the demo
	}
	snap, text := &u.Snapshot, words.Run(u.Plan, &u.Snapshot)
	s := &summary{
		Plan: snap.Plan, Run: u.Record.ID, Scenario: d.scenario.Name, Faults: d.Receivers, State: snap.State, Verdict: snap.Verdict,
		Headline: text.Headline, Sentence: text.Sentence, Do: text.Do, Command: text.Command, Who: text.Who,
		Ended: snap.At, Offset: offset(snap.Start, snap.At), Events: snap.Generation, Requests: d.world.simulator.Stats().Requests,
		People: wire.PeopleOf(new(runView(u))), Receivers: d.receivers.summary(), Attempts: d.receivers.failures(), Banner: append([]bannerShown{}, d.app.shown...),
	}
	if d.app.base != "" {
		s.Receivers = append(s.Receivers, receiverSummary{Sink: bannerOf(d.config).Name, Type: "banner", Took: len(d.app.shown), Wrong: append([]string{}, d.app.wrong...)})
	}
	for k, p := range snap.Phases {
		s.Phases = append(s.Phases, phaseSummary{Phase: p.Name, State: p.State, Verdict: p.Verdict, Headline: words.Phase(u.Plan, snap, k).Headline})
	}
	if err := d.summariseRollback(ctx, s, snap); err != nil {
		return nil, err
	}
	return s, d.summariseDeliveries(s)
}

func (d *demo) summariseRollback(ctx context.Context, s *summary, snap *fact.Snapshot) error {
	at := map[string]int{} // rule → index in s.Rollback
	for i, r := range snap.Rollback {
		at[r.Name] = i
		s.Rollback = append(s.Rollback, rollbackSummary{Rule: r.Name, State: r.State})
	}
	events, err := d.daemon.journal.Events(ctx, s.Run, 0, -1)
	if err != nil {
		return err
	}
	for i := range events {
		e := &events[i].Event
		k, known := at[e.Subject]
		if e.Kind != fact.RuleEvent || !known {
			continue
		}
		s.Rollback[k].note(&moment{At: e.At, Offset: offset(snap.Start, e.At), From: e.From, To: e.To})
	}
	return nil
}

// note keeps what happened for the first time.
func (r *rollbackSummary) note(m *moment) {
	first := func(slot **moment) {
		if *slot == nil {
			*slot = m
		}
	}
	first(&r.FirstEvent)
	switch fact.RuleState(m.To) {
	case fact.RuleWarning:
		// A hold that a person resumed leaves a warning behind: not a first one.
		if m.From != string(fact.RuleHolding) {
			first(&r.Warning)
		}
	case fact.RuleHolding:
		first(&r.Holding)
	case fact.RuleFired:
		first(&r.Fired)
	}
}

// against is what a rule has said against the release, the gravest last; nil when
// it said nothing.
func (r *rollbackSummary) against() []*moment {
	var said []*moment
	for _, m := range []*moment{r.Warning, r.Holding, r.Fired} {
		if m != nil {
			said = append(said, m)
		}
	}
	return said
}

func (d *demo) summariseDeliveries(s *summary) error {
	stats := d.daemon.hooks.Load().Stats()
	tallies, err := d.receiver.tallies(webhookNames(d.config))
	if err != nil {
		return err
	}
	for i, t := range tallies {
		if !hooked(d.config.Webhooks[i].Format) {
			s.Deliveries = append(s.Deliveries, deliverySummary{tally: t, Made: stats[i].Delivered})
		}
	}
	return nil
}
