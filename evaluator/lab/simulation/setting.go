package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator/datapoints"
	"github.com/relgate/relgate/rules"
)

// Setting is a rollback rule of a plan in one of its phases, ready to be
// simulated.
type Setting struct {
	Plan, Phase, Rule string
	Sequential        *Sequential // the rule weighing evidence; nil where the plan gives it no bounds to
	Threshold         Rule        // the same rule comparing shares with its threshold
	Method            rules.Method
	Good              bool          // the plan writes the rule's shares as those of good events
	Beside            bool          // the signal has a baseline
	Period            time.Duration // of one look
	Looks             int           // in the phase's window
	Rate              float64       // events a second of the whole service; 0 where the plan does not say
	Share             float64       // of them that the release gets in this phase, 0..1
	Limit, Trigger    float64       // bad share of a good release, and of one to be rolled back
}

// Rules is the rule as the plan judges it, and after it the rule judged the
// other way, where there is one.
func (s *Setting) Rules() []Rule {
	var list []Rule
	if s.Sequential != nil {
		list = append(list, s.Sequential)
	}
	if s.Threshold != nil {
		list = append(list, s.Threshold)
	}
	if s.Method == rules.ByThreshold {
		slices.Reverse(list)
	}
	return list
}

// OfPlan takes a rollback rule from a plan as it stands in a phase that names
// it, the first one where phase is empty. The error says why a rule cannot be
// simulated: it is not on counts, or there is no such rule or phase.
//
// Of a rule that several phases name, the evidence of earlier ones is left out:
// it is watched from the start of the phase, with the part of the prior that the
// evaluator gives to that.
func OfPlan(plan *rules.Plan, rule, phase string) (*Setting, error) {
	i, err := ruleNamed(plan, rule)
	if err != nil {
		return nil, err
	}
	k, err := phaseOf(plan, i, phase)
	if err != nil {
		return nil, err
	}
	r, p := &plan.Rules[i], &plan.Phases[k]
	sig := &plan.Signals[r.Signal]
	switch {
	case sig.Kind != rules.Ratio:
		return nil, fmt.Errorf("rule %q is not on counts: only how many of how many can be drawn at random", rule)
	case sig.Period <= 0 || p.Window < sig.Period:
		return nil, fmt.Errorf("phase %q has a window shorter than a look of rule %q", p.Name, rule)
	}
	s := &Setting{
		Plan: plan.Name, Phase: p.Name, Rule: r.Name, Method: r.Method, Good: sig.Good, Period: sig.Period, Looks: int(p.Window / sig.Period),
		Rate: sig.Rate, Share: p.Traffic, Beside: sig.Baseline > 0,
	}
	s.bounds(plan, i)
	s.Threshold = s.threshold(r, sig)
	if s.Limit > 0 && s.Trigger < 1 {
		s.Sequential = s.sequential(plan, i, k)
	}
	return s, nil
}

func ruleNamed(plan *rules.Plan, name string) (int, error) {
	var known []string
	for i := range plan.Rules {
		r := &plan.Rules[i]
		switch {
		case r.Name == name && r.Kind == rules.RollbackRule:
			return i, nil
		case r.Kind == rules.RollbackRule:
			known = append(known, r.Name)
		}
	}
	return 0, fmt.Errorf("plan %q has no rollback rule %q: it has %q", plan.Name, name, known)
}

// phaseOf is the phase of that name, or the first, that names the rule.
func phaseOf(plan *rules.Plan, rule int, name string) (int, error) {
	var known []string
	for k := range plan.Phases {
		p := &plan.Phases[k]
		if !slices.Contains(p.Rollback, rule) {
			continue
		}
		if name == "" || p.Name == name {
			return k, nil
		}
		known = append(known, p.Name)
	}
	return 0, fmt.Errorf("no phase %q of plan %q names rule %q: these do: %q", name, plan.Name, plan.Rules[rule].Name, known)
}

// bounds takes limit and trigger from the rule, or, where it compares with a
// threshold, from that and from the success rule on the same signal.
func (s *Setting) bounds(plan *rules.Plan, i int) {
	r := &plan.Rules[i]
	if r.Method == rules.Sequential {
		s.Limit, s.Trigger = r.Limit, r.Trigger
		return
	}
	s.Trigger = badShare(plan, r)
	s.Limit = s.Trigger
	for k := range plan.Rules {
		if o := &plan.Rules[k]; o.Kind == rules.Success && o.Signal == r.Signal {
			s.Limit = min(s.Limit, badShare(plan, o))
		}
	}
}

// badShare is a condition's threshold as a share of bad events.
func badShare(plan *rules.Plan, r *rules.Rule) float64 {
	if plan.Signals[r.Signal].Good {
		return 1 - r.When.Threshold
	}
	return r.When.Threshold
}

// threshold leaves out what does not bear on when a rule fires, which is how long
// it keeps firing.
func (s *Setting) threshold(r *rules.Rule, sig *rules.Signal) Rule {
	if r.Datapoints.N > 0 {
		d := &Datapoints{When: r.When, Good: sig.Good, MinEvents: r.MinSamples, Spec: datapoints.Spec{M: r.Datapoints.M, N: r.Datapoints.N}}
		if d.Missing.UnmarshalText([]byte(r.Datapoints.Missing)) != nil {
			d.Missing = datapoints.Missing // unreachable unless the plan was not compiled
		}
		return d
	}
	return &Threshold{
		Label: thresholdLabel(r), When: r.When, Good: sig.Good, For: s.looks(r.For), Over: s.looks(r.Over),
		Coverage: r.Coverage, MinEvents: r.MinSamples, Thin: r.Over > 0,
	}
}

func thresholdLabel(r *rules.Rule) string {
	text := r.ShownWhen.String()
	if text == "" {
		text = r.When.String()
	}
	if r.Over > 0 {
		text += " over " + rules.Duration{Duration: r.Over}.String()
	}
	if r.For > 0 {
		text += " for " + rules.Duration{Duration: r.For}.String()
	}
	return text
}

// looks is a time in looks, rounded up.
func (s *Setting) looks(d time.Duration) int { return int((d + s.Period - 1) / s.Period) }

// sequential is the rule weighing evidence, with the start weights that the
// evaluator gives it in this phase.
func (s *Setting) sequential(plan *rules.Plan, i, k int) *Sequential {
	r := &plan.Rules[i]
	q := &Sequential{
		Label: "evidence", Limit: s.Limit, Trigger: s.Trigger, Alpha: r.Alpha, Looks: s.horizon(plan, i), First: .5, Rest: .5,
		Aside: plan.BurstPeriods(r), MinEvents: r.MinSamples, MinLooks: s.looks(r.For), Beside: s.Beside, Cluster: plan.Signals[r.Signal].Cluster,
	}
	if s.Beside {
		b := &plan.Signals[plan.Signals[r.Signal].Baseline]
		q.Grace = float64(b.Settle+2*b.Every+b.Period+max(time.Minute, plan.Interval)) / float64(s.Period)
	}
	if r.Method != rules.Sequential { // its floors are those of a threshold
		q.Alpha, q.MinEvents, q.MinLooks, q.Aside = DefaultAlpha, 0, 0, UsualAside(s.Period)
	}
	first, later := k, 0
	for j := range plan.Phases {
		if slices.Contains(plan.Phases[j].Rollback, i) {
			first, later = min(first, j), later+1
		}
	}
	if later--; later > 0 {
		q.First, q.Rest = .4, .3
		if k != first {
			q.First = .3 / float64(later)
		}
	}
	return q
}

// DefaultAlpha is the budget of a rule that is simulated without a plan.
const DefaultAlpha = 0.01

// UsualAside is how many looks of a length a burst touches that is as long as a rule
// rides out by default; 0 where one look is longer.
func UsualAside(look time.Duration) int {
	if look > rules.DefaultRideOut || look <= 0 {
		return 0
	}
	return int((rules.DefaultRideOut+look-1)/look) + 1
}

// horizon is the looks over which the evaluator spreads a rule's prior: from the
// first phase that names it to the end of the last.
func (s *Setting) horizon(plan *rules.Plan, i int) int {
	first, last := time.Duration(-1), time.Duration(0)
	for k := range plan.Phases {
		p := &plan.Phases[k]
		if first < 0 && (slices.Contains(p.Rollback, i) || slices.Contains(p.Success, i)) {
			first = p.Start
		}
		last = max(last, p.Start+p.Window)
	}
	return int(max(last-first, 0) / s.Period)
}
