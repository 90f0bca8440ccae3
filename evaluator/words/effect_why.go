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

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
