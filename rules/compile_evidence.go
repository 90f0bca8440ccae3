package rules

import "slices"

const (
	defaultFalseRollback = 0.01
	defaultFalsePass     = 0.05
	// evidenceCoverage is the share of the periods that a rule which weighs
	// evidence demands. It is low because quiet periods have no data, and because
	// the evidence itself demands samples.
	evidenceCoverage = 0.5
)

// weighable reports whether a signal's points are counts that can be weighed.
func (c *compiler) weighable(sig *Signal) bool {
	switch sig.Kind {
	case Ratio:
		return true
	case Mean:
		return c.spec.Bare || sig.counted()
	case Gauge:
		return c.spec.Bare && sig.Unit != Seconds || sig.counted()
	}
	return false
}

// counted reports whether the source's points of the signal carry counts.
func (s *Signal) counted() bool { return slices.Contains(s.Query.Facts().Counted, s.Kind) }

// method is how a rule is judged: as it says, else as the release says where its
// signal has counts. A gauge whose rule says how its levels are put together has
// none to weigh. A gauge or a mean of a plan without queries weighs only when it
// says so itself.
func (c *compiler) method(s RuleSpec, sig *Signal) Method {
	switch {
	case s.Evidence != nil:
		return *s.Evidence
	case sig.Kind == Gauge && value(s.Aggregate) != Pooled:
		return ByThreshold
	case value(c.spec.Release.Evidence) == Sequential && c.weighable(sig) && (!c.spec.Bare || sig.Kind == Ratio):
		return Sequential
	}
	return ByThreshold
}

// weigh gives every rule that weighs evidence its two bounds and its share of the
// budget: the success rules' limits and the rollback rules' triggers on the same
// signal belong together.
func (c *compiler) weigh() {
	c.plan.FalseRollback, c.plan.FalsePass = defaultFalseRollback, defaultFalsePass
	if f := c.spec.Release.FalseRollback; f != nil {
		c.plan.FalseRollback = f.Value
	}
	if f := c.spec.Release.FalsePass; f != nil {
		c.plan.FalsePass = f.Value
	}
	watched, weights := c.watched(), 0.0
	for _, s := range c.spec.Rollback {
		if r := &c.plan.Rules[c.rollback[s.Name]]; r.Method == Sequential {
			r.Weight = 1
			if s.Weight != nil {
				r.Weight = *s.Weight
			}
			if watched[s.Name] && !r.Shadow {
				weights += r.Weight
			}
		}
	}
	for _, s := range c.spec.Rollback {
		if r := &c.plan.Rules[c.rollback[s.Name]]; r.Method == Sequential {
			all := weights
			if !watched[s.Name] || r.Shadow {
				all += r.Weight // it never fires, and takes nothing from those that may
			}
			c.weighRollback(r, s, all)
		}
	}
	for _, s := range c.spec.Success {
		if r := &c.plan.Rules[c.success[s.Name]]; r.Method == Sequential {
			c.weighSuccess(r, s)
		}
	}
}

// watched says which rollback rules the phases name.
func (c *compiler) watched() map[string]bool {
	names := map[string]bool{}
	for _, p := range c.spec.Phases {
		for _, n := range p.Rollback {
			names[n] = true
		}
	}
	return names
}

func (c *compiler) weighRollback(r *Rule, s RollbackSpec, weights float64) {
	sig := &c.plan.Signals[r.Signal]
	r.Trigger = sig.badBound(r.When)
	r.Limit = c.plan.pairedLimit(r)
	if s.Limit != nil {
		r.Limit = sig.badBound(*s.Limit)
	}
	if !sig.beyond(r.Trigger, r.Limit) {
		r.Limit = r.Trigger // reported
	}
	if weights > 0 {
		r.Alpha = c.plan.FalseRollback * r.Weight / weights
	}
}

// pairedLimit is the limit of a rollback rule that says none: a success rule's on
// this signal, else its own trigger.
func (p *Plan) pairedLimit(r *Rule) float64 {
	if limit, ok := p.partner(r, Success); ok && p.Signals[r.Signal].beyond(r.Trigger, limit) {
		return limit
	}
	return r.Trigger
}

// pairedTrigger is the trigger of a success rule that says none: a rollback rule's
// on this signal, else its own limit.
func (p *Plan) pairedTrigger(r *Rule) float64 {
	if trigger, ok := p.partner(r, RollbackRule); ok && p.Signals[r.Signal].beyond(trigger, r.Limit) {
		return trigger
	}
	return r.Limit
}

func (c *compiler) weighSuccess(r *Rule, s SuccessSpec) {
	sig := &c.plan.Signals[r.Signal]
	r.Limit = sig.badBound(r.When)
	r.Trigger = c.plan.pairedTrigger(r)
	if s.Trigger != nil {
		r.Trigger = sig.badBound(*s.Trigger)
	}
	if !sig.beyond(r.Trigger, r.Limit) {
		r.Trigger = r.Limit // reported
	}
	r.Alpha = c.plan.FalseRollback
	for i := range c.plan.Rules {
		if o := &c.plan.Rules[i]; o.Kind == RollbackRule && o.Method == Sequential && o.Signal == r.Signal && o.Alpha > 0 && o.counts(r) {
			r.Alpha = min(r.Alpha, o.Alpha)
		}
	}
	r.Proof = value(s.Proof)
}

// partner gives the bound of the rules of the other kind on a rule's signal that
// favours the release: of several limits the widest, of several triggers the
// nearest. A rule that says no bound to weigh against has no part in it.
func (p *Plan) partner(r *Rule, kind RuleKind) (bound float64, found bool) {
	sig := &p.Signals[r.Signal]
	for i := range p.Rules {
		o := &p.Rules[i]
		if o.Kind != kind || o.Signal != r.Signal || !sig.bounded(o) || !o.counts(r) {
			continue
		}
		b := sig.badBound(o.When)
		wider := !found || sig.beyond(b, bound)
		if kind == RollbackRule {
			wider = !found || sig.beyond(bound, b)
		}
		if wider {
			bound, found = b, true
		}
	}
	return bound, found
}

// counts reports whether a rule has a say in what another one does: a rule in
// shadow has none in one that acts.
func (r *Rule) counts(in *Rule) bool { return !r.Shadow || in.Shadow }

// bounded reports whether a rule's condition is a bound on the side of its kind
// that evidence can be weighed against.
func (s *Signal) bounded(r *Rule) bool {
	low, high := s.extent()
	return r.When.bound() && r.When.Unit == s.Unit && r.When.Threshold > low && r.When.Threshold < high &&
		r.When.upper() == (s.lowIsGood() == (r.Kind == Success))
}

// badBound is a condition's threshold as a bound on what is bad: for a ratio the
// share of bad ones, also where the condition is on the good share.
func (s *Signal) badBound(when Condition) float64 {
	if s.Kind == Ratio && s.Good {
		return rest(when.Threshold)
	}
	return when.Threshold
}

// beyond reports whether bound a is as bad as b, or worse.
func (s *Signal) beyond(a, b float64) bool {
	if s.Kind == Mean {
		return a <= b
	}
	return a >= b
}
