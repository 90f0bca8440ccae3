package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// The share that is seen stands beside the planned one; what is not known is null.
func TestTheShareThatIsSeen(t *testing.T) {
	v := &wire.RunView{Plan: plan(), Snapshot: fact.Snapshot{Phases: []fact.PhaseView{{Name: "ten", Traffic: .1}}}}
	traffic := func() wire.Traffic {
		t.Helper()
		b, status := new(wire.Site).Body(v, &wire.Answer{}).Traffic, wire.StatusOf(v, wire.Answer{}, wire.Answer{}).Traffic
		if (b.ObservedPercent == nil) != (status.ObservedPercent == nil) {
			t.Errorf("the phase says %+v, the status %+v", b, status)
		}
		return b
	}
	if got := traffic(); *got.TargetPercent != 10 || got.ObservedPercent != nil || got.ObservedAt != nil || got.MismatchSince != nil {
		t.Errorf("no signal tells it: %+v", got)
	}
	o := &fact.Observed{Cause: rules.CauseStale, Share: .3, Mismatch: t0}
	v.Snapshot.Phases[0].Observed = o
	if got := traffic(); got.ObservedPercent != nil || got.ObservedSince != nil || !got.MismatchSince.Equal(t0) {
		t.Errorf("not known: %+v", got)
	}
	*o = fact.Observed{Known: true, Share: .0912345678, Since: t0, At: t0.Add(time.Minute)}
	if got := traffic(); *got.ObservedPercent != 9.123 || !got.ObservedSince.Equal(t0) || !got.ObservedAt.Equal(t0.Add(time.Minute)) || got.MismatchSince != nil {
		t.Errorf("known: %+v", got)
	}
}

func TestEventsOfTheTraffic(t *testing.T) {
	e := &fact.Event{Kind: fact.RolloutEvent, Subject: "ten", Phase: "ten", From: fact.Match, To: fact.Mismatch, Cause: rules.CauseThreshold,
		Why: fact.Why{Code: fact.WhyShareDiffers, Phase: "ten", Observed: .005, Planned: .1, Since: t0}}
	if got := wire.Event(plan(), e, nil); got.Type != "relgate.rollout.mismatch" || got.Severity != "warning" || !strings.Contains(got.Sentence, "0.5 % of the traffic has it, 10 % planned") {
		t.Errorf("%+v", got)
	}
	hold := &fact.Event{Kind: fact.RunEvent, Subject: "shop", Phase: "ten", From: "monitoring", To: "held", Because: "x/1", Cause: rules.CauseThreshold,
		Why: fact.Why{Code: fact.WhyHeldByMismatch, Phase: "ten", Observed: .005, Planned: .1, Since: t0}}
	if got := wire.Event(plan(), hold, e); got.Headline != "HOLD: phase ten: 0.5 % of the traffic has it, 10 % planned" {
		t.Errorf("%q\n%q", got.Headline, got.Sentence)
	}
}
