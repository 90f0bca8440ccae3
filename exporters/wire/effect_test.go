package wire_test

import (
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

func TestAnEffectIsWritten(t *testing.T) {
	f := &fact.Effect{Rule: "errors", Name: "alias", Do: "revert", To: "alias", Command: "aws", Link: "https://x", Slow: true, Within: "5m0s", Fault: t0}
	e := wire.Event(plan(), &fact.Event{Kind: fact.EffectEvent, Subject: "errors/alias", To: fact.Intended, Effect: f}, nil)
	if e.Type != "relgate.effect.intended" || e.Severity != "warning" || e.Effect == nil || *e.Effect.WithinSeconds != 300 || !e.Effect.FaultAt.Equal(t0) || !e.Effect.Slow {
		t.Errorf("got %+v, %+v", e, e.Effect)
	}
	f.Within, f.Fault = "", time.Time{}
	if e := wire.Event(plan(), &fact.Event{Kind: fact.EffectEvent, Effect: f}, nil).Effect; e.WithinSeconds != nil || e.FaultAt != nil {
		t.Errorf("what is not known is written: %+v", e)
	}
	if e := wire.Event(plan(), &fact.Event{Kind: fact.EffectEvent, To: fact.Safe}, nil); e.Effect != nil || e.Type != "relgate.effect.safe" {
		t.Errorf("got %+v", e)
	}
}

func TestTheWayBackIsSafeOrStopped(t *testing.T) {
	s := &fact.Snapshot{Effects: fact.Effects{Rolled: t0, Back: t0.Add(time.Minute), Steps: []fact.EffectView{{Rule: "errors", Name: "alias", State: fact.Done, At: t0, Told: 2, Sink: "alias"}}}}
	if e := wire.EffectsOf(s); e.SafeSince != nil || e.StoppedSince != nil || !e.WayTakenAt.Equal(t0.Add(time.Minute)) || len(e.Steps) != 1 || e.Steps[0].Told != 2 || e.Steps[0].Due != nil {
		t.Errorf("got %+v", e)
	}
	s.Effects.Ended = t0.Add(time.Hour)
	if e := wire.EffectsOf(s); e.StoppedSince != nil || !e.SafeSince.Equal(s.Effects.Ended) {
		t.Errorf("got %+v", e)
	}
	s.Effects.Stopped = true
	if e := wire.EffectsOf(s); e.SafeSince != nil || !e.StoppedSince.Equal(s.Effects.Ended) {
		t.Errorf("what has only stopped is called safe: %+v", e)
	}
	if e := wire.EffectsOf(new(fact.Snapshot)); e.Steps == nil || e.RolledBackAt != nil {
		t.Errorf("got %+v", e)
	}
}

// A step reaches the one who does it; what becomes of it reaches those who answer for the rule.
func TestAStepReachesWhoIsToldOfIt(t *testing.T) {
	p := plan()
	p.Manager, p.Rules[0].Owner = "Manager", "ops"
	p.Roles = []rules.Role{
		{Name: "ops", Tell: rules.Address{Sink: "slack", Target: "#ops"}, Page: rules.Address{Sink: "slack", Target: "#pager"}},
		{Name: "Mobile", Tell: rules.Address{Sink: "mail", Target: "mobile@x.example"}},
		{Name: "Manager", Tell: rules.Address{Sink: "mail", Target: "boss@x.example"}},
	}
	for _, tt := range []struct {
		to, sink string
		effect   *fact.Effect
		want     string
	}{
		{fact.Intended, "slack", &fact.Effect{Rule: "errors", To: "slack #deploys"}, "#deploys"},
		{fact.Intended, "alias", &fact.Effect{Rule: "errors", To: "alias"}, ""},
		{fact.Intended, "mail", &fact.Effect{Rule: "errors", By: "Mobile"}, "mobile@x.example"},
		{fact.Escalated, "mail", &fact.Effect{Rule: "errors", By: "Mobile"}, "boss@x.example, mobile@x.example"},
		{fact.Escalated, "slack", &fact.Effect{Rule: "errors", To: "slack #deploys"}, "#pager"},
		{fact.Safe, "mail", &fact.Effect{}, "boss@x.example"},
		{fact.Safe, "mail", nil, "boss@x.example"},
		{fact.Escalated, "mail", &fact.Effect{Rule: "gone", By: "nobody"}, ""},
	} {
		e := &fact.Event{Kind: fact.EffectEvent, Subject: "errors/x", To: tt.to, Effect: tt.effect}
		m := wire.MessageOf(p, e, words.Text{Sentence: "Said.", Do: "revert", Command: "aws"}, tt.sink, "", "")
		if m.Target != tt.want || m.Text != "Said. To do: revert. Command: aws" {
			t.Errorf("%s at %s: got %q, %q", tt.to, tt.sink, m.Target, m.Text)
		}
	}
}
