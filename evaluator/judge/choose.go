package judge

import (
	"math"
	"slices"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// NewLayout lays out a plan: what follows from it alone, and which judge each rule has.
func NewLayout(plan *rules.Plan) *Layout {
	l := &Layout{Plan: plan, Start: plan.Start.Unix(), Signals: make([]series.Layout, len(plan.Signals))}
	for i := range plan.Signals {
		l.Signals[i] = series.NewLayout(&plan.Signals[i])
	}
	l.Rules = make([]RuleLayout, len(plan.Rules))
	for i := range plan.Rules {
		r := &plan.Rules[i]
		l.Rules[i].Judge = alarmed(judgeFor(r, &plan.Signals[r.Signal]), r, plan)
		if r.Kind != rules.RollbackRule {
			continue
		}
		l.Roll = append(l.Roll, int32(i))
		sig := &l.Signals[r.Signal]
		judged, need := l.Rules[i].Judge.Needs(r, sig)
		sig.Judges(judged)
		sig.Keep = max(sig.Keep, int32(min(need, series.MaxKeep)))
		if r.Method != rules.Sequential && r.For > 0 && r.Over == 0 && r.Datapoints.M == 0 {
			sig.Thick = max(sig.Thick, r.MinSamples)
		}
		sig.Gaps = sig.Gaps || r.Datapoints.M > 0
		if r.Method != rules.Sequential {
			sig.Keep = max(sig.Keep, spacedEnough+1)
		}
		if r.Method != rules.Sequential && (sig.Level || sig.Settle > 0) {
			sig.Ripens = true
			sig.Keep = max(sig.Keep, settledFew)
		}
		if j, ok := l.Rules[i].Judge.(Alarmed); ok {
			j.layOut(l)
		}
	}
	for i := range l.Signals {
		sig := &l.Signals[i]
		sig.Keep += int32(min(sig.Settle/sig.Period, series.MaxKeep)) + 1
	}
	l.nameRules()
	l.weighRules()
	return l
}

// weighRules lays out the rules that weigh evidence. A period is folded when no
// correction reaches it any more, and must be kept until then.
func (l *Layout) weighRules() {
	plain := make([]bool, len(l.Signals))
	for i := range l.Plan.Rules {
		r := &l.Plan.Rules[i]
		if r.Method != rules.Sequential {
			plain[r.Signal], l.Signals[r.Signal].Empties = true, false
			continue
		}
		l.Signals[r.Signal].Empties = !plain[r.Signal]
		how := newWeighLayout(l.Plan, i)
		l.Rules[i].Weigh = how
		if b := l.Plan.Signals[r.Signal].Baseline; b > 0 {
			l.Rules[i].Beside = int32(b)
			if how.rule != nil {
				how.rule.Grace = l.allowance(b, 0)
			}
		}
		if r.Kind == rules.RollbackRule {
			l.Weighing = append(l.Weighing, int32(i))
		}
		for _, s := range [...]int{r.Signal, l.Plan.Signals[r.Signal].Baseline} {
			if sig := &l.Signals[s]; s > 0 || s == r.Signal {
				lag := max(sig.Settle, series.Secs(r.For))
				sig.Judges(lag)
				sig.Keep = max(sig.Keep, int32(min((2*sig.Settle+max(lag, series.Secs(r.ResumeAfter)))/sig.Period+recent, series.MaxKeep)))
			}
		}
	}
}

// judgeFor chooses how a rule is judged. Zeros may stand for missing values of a ratio.
func judgeFor(r *rules.Rule, sig *rules.Signal) Judge {
	j := kindOf(r, sig)
	if sig.Kind == rules.Ratio {
		return sighted[j]
	}
	return j
}

// sighted are the judges of ratios. A judge has no state, so that all rules share them.
var sighted = map[Judge]Judge{
	CountsJudge: Sighted{CountsJudge}, Datapoints{}: Sighted{Datapoints{}}, Threshold{}: Sighted{Threshold{}},
}

func kindOf(r *rules.Rule, sig *rules.Signal) Judge {
	switch {
	case r.Method == rules.Sequential && sig.Kind == rules.Ratio:
		return CountsJudge
	case r.Method == rules.Sequential && sig.Kind == rules.Mean:
		return starsJudge
	case r.Method == rules.Sequential:
		return gapJudge
	case r.Datapoints.M > 0:
		return Datapoints{}
	case sig.Kind == rules.Gauge || sig.Kind == rules.Alarm:
		return Gauge{}
	}
	return Threshold{}
}

func newWeighLayout(plan *rules.Plan, i int) *WeighLayout {
	r := &plan.Rules[i]
	l := &WeighLayout{floor: series.Secs(r.For), bound: -math.Log(r.Alpha), pass: -math.Log(plan.FalsePass), Goal: GoalOf(plan, r)}
	sig := &plan.Signals[r.Signal]
	if sig.Kind == rules.Ratio {
		l.rule = evidence.NewRule(Terms(plan, r))
		l.keeps, l.spared, l.misses = evidence.NewBelow(r.Limit), evidence.NewBelow(r.Trigger), evidence.NewAbove(r.Limit)
	}
	first, last := int64(math.MaxInt64), int64(0)
	for k := range plan.Phases {
		p := &plan.Phases[k]
		if slices.Contains(p.Rollback, i) || slices.Contains(p.Success, i) {
			first = min(first, series.Secs(p.Start))
		}
		last = max(last, series.Secs(p.Start)+series.Secs(p.Window))
	}
	l.horizon = max(last-first, 0)
	return l
}

// Terms are what a rule on counts weighs evidence by, but for how far its baseline may
// be behind.
func Terms(plan *rules.Plan, r *rules.Rule) evidence.Terms {
	sig := &plan.Signals[r.Signal]
	period := max(series.Secs(sig.Period), 1)
	return evidence.Terms{
		Limit: r.Limit, Trigger: r.Trigger, Alpha: r.Alpha, Cluster: sig.Cluster, Beside: sig.Baseline > 0,
		Aside: plan.BurstPeriods(r), Period: period, Least: r.MinSamples, Floor: series.Secs(r.For),
	}
}

// GoalOf is how a good value of a rule compares with its limit. A rollback rule
// has the limit of a success rule, or else of its own condition.
func GoalOf(plan *rules.Plan, r *rules.Rule) rules.Op {
	sig := &plan.Signals[r.Signal]
	if r.Kind == rules.Success {
		return r.When.Op
	}
	for i := range plan.Rules {
		o := &plan.Rules[i]
		if o.Kind == rules.Success && o.Method == rules.Sequential && o.Signal == r.Signal && o.Limit == r.Limit {
			return o.When.Op
		}
	}
	switch {
	case r.Limit == r.Trigger && r.When.Op != rules.NoOp:
		return r.When.Op.Opposite()
	case sig.Good || sig.Kind == rules.Mean:
		return rules.GreaterOrEqual
	}
	return rules.LessOrEqual
}
