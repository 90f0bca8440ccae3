package words

import (
	"cmp"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// effectGround says why something of the way back is as it is, empty for any other ground.
func effectGround(plan *rules.Plan, w *fact.Why, at time.Time) string {
	switch w.Code {
	case fact.WhyRollbackOverridden:
		return "the rollback was overridden" + by(w.By, w.Text)
	case fact.WhyRollbackDone:
		return "the rollback has been carried out" + by(w.By, w.Text)
	case fact.WhyRollbackTaken:
		return "every step of the way back is done"
	case fact.WhyNoSuchEffect:
		return fmt.Sprintf("the way back has no step %q: `relgate effects` lists them", w.State)
	case fact.WhyEffectIs:
		return fmt.Sprintf("step %s of the way back is %s", w.Phase, w.State)
	case fact.WhyEffectDue:
		return fmt.Sprintf("rule %s fires", titleOf(plan, w.Rule))
	case fact.WhyEffectOwn:
		return "relgate does it itself"
	case fact.WhyEffectTaken:
		return "whoever does it has it"
	case fact.WhyEffectDone:
		return "the sink has done it, and has read back that it is so"
	case fact.WhyEffectFailed:
		return cmp.Or(w.Text, "it did not arrive, or could not be done")
	case fact.WhyEffectReported:
		return "said" + by(cmp.Or(w.By, "a person"), w.Text)
	case fact.WhyEffectDropped:
		return "the rule is good again"
	case fact.WhyEffectGone:
		return "the plan was changed, and has it no more"
	case fact.WhyEffectUnanswered:
		return fmt.Sprintf("asked at %s, told others %s", clock(w.Since, at), times(w.N))
	case fact.WhyEffectUnsigned:
		return fmt.Sprintf("due since %s, and signatures are missing: %s; told others %s", clock(w.Since, at), w.Text, times(w.N))
	case fact.WhyEffectRejected:
		return fmt.Sprintf("%s does not want it%s", w.State, by(w.By, ""))
	case fact.WhyWayAsked:
		return fmt.Sprintf("it is asked whether step %s of the way back could be taken", w.State)
	case fact.WhyWayReady:
		said := "it could be done"
		if w.Text != "" {
			said += ": " + w.Text
		}
		return said
	case fact.WhyWayMissing:
		return fmt.Sprintf("step %s of the way back cannot be taken: %s", w.State, cmp.Or(w.Text, "no reason was given"))
	case fact.WhyNotRehearsed:
		return notRehearsed(w, at)
	case fact.WhyRehearsed:
		return fmt.Sprintf("the way back was rehearsed in %s: %d of %d steps answered%s", w.State, w.N, w.Of, by(w.By, w.Text))
	case fact.WhyWayWaived:
		return "the release goes on though the way back is not known to exist" + by(w.By, w.Text)
	case fact.WhyWayVoid:
		return "the plan was changed: that a person went on without a way back counts no more"
	case fact.WhySafe:
		return "users are safe since " + clock(w.Since, at)
	case fact.WhyStopped:
		said := "it spreads no further since " + clock(w.Since, at)
		if w.Text != "" {
			said += "; " + w.Text
		}
		return said
	case fact.WhyUnproven:
		return "rolled back at " + clock(w.Since, at) + "; the signals were not seen to be good since"
	}
	return ""
}

// notRehearsed says why the way back does not count as rehearsed.
func notRehearsed(w *fact.Why, at time.Time) string {
	switch {
	case w.Since.IsZero():
		return "the way back was never rehearsed: no drill is known"
	case w.Text != "":
		return "the way back was not rehearsed as a whole by the drill of " + clock(w.Since, at) + ": " + w.Text
	}
	return "the newest drill of the way back is too old: it was at " + clock(w.Since, at)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
