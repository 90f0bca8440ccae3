package evaluator

import (
	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// rung is how far the evidence against a release has come.
type rung uint8

const (
	rungNone     rung = iota
	rungWarn          // worth a message: it may be a burst
	rungHold          // the release misses its limit: nothing goes on
	rungRollback      // and by so much that it is rolled back
)

func (r rung) name() Rung { return [...]Rung{NoRung, WarnRung, HoldRung, RollbackRung}[r] }

// weighing is what the evidence of a rule says at one look.
type weighing struct {
	rung  rung
	cause rules.Cause

	bad, n   float64          // of the suspect stretch; of all where nothing is suspect
	from, to int64            // its event time
	miss     evidence.Segment // what speaks most clearly of a missed limit
	missBase tally            // the baseline over its minutes
	points   int              // periods with a value, of all

	warn, hold, mid float64 // log e-values; hold is the one that is shown
	pair, confirm   float64 // the same against "no worse than the baseline": warns, and confirms a rollback
	bound           float64 // at which it acts
	base            tally   // the baseline over the same minutes
	baseTo          int64   // end of the last of them
	compared        bool    // there is one
	past            *pooled // what earlier releases counted
	worse           float64 // log e-value against "no worse than those": warns
	stars           [5]float64
	gap             *evidence.Disparity
	groups          []rules.Group // what the gap lies between
	names           [2]string     // the groups between which the gap lies
	small           []string      // the groups with hardly anything in them
	looks           int           // answers with groups so far
	thin            bool          // a group is smaller than its query allows
}

// weigh judges what a rollback rule has seen.
func (st *State) weigh(w *watch, z *weighed) weighing {
	switch w.sig.Kind {
	case rules.Ratio:
		return w.weighCounts(z)
	case rules.Mean:
		return w.weighStars(z)
	}
	return st.weighGap(w, z, int(z.looks))
}

// weighCounts climbs the rungs: see docs/deciding.md.
func (w *watch) weighCounts(z *weighed) weighing {
	v := w.suspect(z)
	t := w.lay.test
	v.warn, v.hold, v.mid = t.Warn(&z.track), t.Hold(&z.track), t.Midpoint(&z.track)
	if v.compared {
		vs := z.against()
		v.pair, v.confirm = w.lay.pair.LogE(&vs.pair), w.lay.pair.Confirm(&vs.pair)
	}
	v.past, v.worse = w.past, w.worse(z)
	seen := t.Persists(&z.track)
	long := v.to-v.from >= w.lay.floor && v.n >= w.rule.MinSamples
	held := seen && v.hold >= v.bound
	confirmed := !v.compared || v.confirm >= evidence.ConfirmAt
	switch {
	case held && long && confirmed && v.mid >= evidence.MidpointAt:
		v.rung, v.cause = rungRollback, rules.CauseEvidence
	case held && !confirmed && v.base.bad > w.rule.Limit*v.base.n:
		v.rung, v.cause = rungHold, rules.CauseBaseline
	case held:
		v.rung, v.cause = rungHold, rules.CauseEvidence
	case v.warn >= v.bound:
		v.rung, v.cause = rungWarn, rules.CauseEvidence
	case v.compared && v.pair >= v.bound, v.worse >= v.bound:
		v.rung, v.cause = rungWarn, rules.CauseBaseline
	}
	return v
}

// suspect fills in the stretch that speaks most clearly of a fault, or all that
// was seen where none does.
func (w *watch) suspect(z *weighed) weighing {
	v := weighing{bound: w.lay.bound, points: int(z.points), from: w.from, to: max(z.newest, w.from)}
	v.bad, v.n = z.track.Bad, z.track.N
	j := bestOf(&z.track)
	seg := &z.track.Segments[j]
	vs := z.against()
	v.base, v.baseTo = vs.beside[j], vs.compared
	v.miss, v.missBase = z.track.Miss, vs.beside[len(z.track.Segments)]
	if seg.LLR > 0 {
		v.bad, v.n, v.from = seg.Bad, seg.N, seg.Start
	} else {
		v.base = tally{bad: vs.pair.BaseX, n: vs.pair.BaselineN}
	}
	// Where the baseline has ended, the limit alone decides, unless it was seen to
	// fail as well: a known outage is not forgotten.
	v.compared = w.awaited(z) || vs.compared > seg.Start+(z.newest-seg.Start)/2 || v.base.bad > w.rule.Limit*v.base.n
	return v
}

// shown is a weighing as people should see it: a hold, or a failure, names the
// stretch that speaks, where all that was seen would not.
func (w *watch) shown(v *weighing) *weighing {
	speaks := v.rung >= rungHold && v.miss.LLR > 0 && v.miss.Start > v.from
	if !speaks || v.from > w.from || w.rule.Kind == rules.Success && !w.meets(v) {
		return v
	}
	s := *v
	s.bad, s.n, s.from, s.base = v.miss.Bad, v.miss.N, v.miss.Start, v.missBase
	return &s
}

// awaited reports whether the baseline may only be behind, or cannot be asked:
// what hits both is told of the release first then, and must not roll it back.
func (w *watch) awaited(z *weighed) bool {
	return w.deaf || w.sig.Baseline > 0 && max(z.against().compared, w.from)+w.lay.grace > z.newest
}

func bestOf(t *evidence.Track) int {
	j := 0
	for i := range t.Segments {
		if t.Segments[i].LLR > t.Segments[j].LLR {
			j = i
		}
	}
	return j
}

// value is the weighed value in the signal's own terms.
func (v *weighing) value(sig *rules.Signal) (float64, bool) {
	switch {
	case v.gap != nil:
		return v.gap.Gap, true
	case v.n <= 0:
		return 0, false
	case sig.Kind == rules.Ratio && sig.Good:
		return 1 - v.bad/v.n, true
	}
	return v.bad / v.n, true
}

// judgeEvidence judges a rollback rule by what it has weighed.
func (s *stepper) judgeEvidence(i int) {
	r, old := &s.plan.Rules[i], s.st.rules[i]
	sr, sl := &s.st.signals[r.Signal], &s.lay.signals[r.Signal]
	w := s.st.rollbackWatch(s.lay, i)
	rs := old
	rs.ev = s.st.fold(&w, s.st.look(&w, old.ev), s.st.foldedUntil(s.lay, &w, s.at), 0)
	rs.soft = s.st.now(&w, rs.ev, old.soft, s.changed(&w), 0)
	v := s.st.weigh(&w, rs.soft)
	newest := stretch{known: v.points > 0, newest: v.to}
	silent := s.lay.silence(r.Signal, sr, old.since, s.evidenceGap(i, sr.bucket(sl)), newest, s.at)
	rs.state, rs.cause = old.climb(&v, silent.cause)
	rs.next = silent.next
	p := s.policy(r, &rs)
	if rs != old {
		*s.rule(i) = rs
	}
	switch {
	case v.rung == rungRollback:
		s.fire(i, old.state, v.cause, s.st.weighedEvidence(s.lay, &w, &v), Why{Code: WhyMeasured})
		return
	case p == rules.PolicyRollback:
		s.fire(i, old.state, rs.cause, s.evidence(r, stretch{}), s.policyWhy(r, rs.silent, rs.cause))
		return
	}
	if rs.state != old.state {
		e, root := s.emit(s.evidenceEvent(i, old.state, &rs, &w, &v), 0)
		if rs.state == codeHolding {
			s.holdRun(*e, root)
		}
	}
	if p == rules.PolicyFail {
		s.failPhases(i, &rs)
	}
}

// evidenceGap is how long a rule that weighs evidence puts up with a stretch in
// which nothing happened.
func (s *stepper) evidenceGap(i int, width int64) int64 {
	return max(secs(s.plan.Rules[i].For), 5*width)
}

// climb gives the state of a rule at a rung. What holds stays so until a command
// says otherwise; a warning passes when the evidence has gone.
func (old *ruleState) climb(v *weighing, silent rules.Cause) (ruleCode, rules.Cause) {
	switch {
	case old.state == codeHolding:
		return codeHolding, old.cause
	case v.rung == rungHold && !old.acked:
		return codeHolding, v.cause
	case silent != rules.CauseNone:
		return codeSilent, silent
	case v.rung == rungWarn:
		return codeWarning, v.cause
	case v.rung > rungWarn:
		return codeWarning, rules.CauseEvidence
	case old.lingers(v) && v.past != nil:
		return codeWarning, old.cause
	case old.lingers(v):
		return codeWarning, rules.CauseEvidence
	case v.points == 0:
		return codeIdle, rules.CauseNone
	}
	return codeClear, rules.CauseNone
}

// holdRun keeps the run from going on until a person resumes it.
func (s *stepper) holdRun(rule Event, root uint64) {
	if s.settledRun() || s.st.run.held {
		return
	}
	s.hold(true, Why{Code: WhyHeldByRule, Rule: rule.Subject, Cause: rule.Cause}, rule.Evidence,
		Event{Phase: rule.Phase, Cause: rule.Cause, Notify: rule.Notify}, root)
}

// acknowledge lets a run go on that rules have held. Each of them may still roll it
// back, but does not hold it again.
func (s *stepper) acknowledge(root uint64) {
	for _, i := range s.lay.weighing {
		if s.st.rules[i].state != codeHolding {
			continue
		}
		rs := s.rule(int(i))
		rs.acked, rs.state, rs.next = true, codeWarning, 0
		s.emit(Event{
			Kind: RuleEvent, Subject: s.plan.Rules[i].Name, Phase: s.phaseOfRule(int(i)), From: string(RuleHolding), To: string(RuleWarning),
			Cause: rules.CauseManual, Why: Why{Code: WhyResumed},
		}, root)
	}
}

func (s *stepper) evidenceEvent(i int, from ruleCode, rs *ruleState, w *watch, v *weighing) Event {
	ev := s.st.weighedEvidence(s.lay, w, v)
	e := Event{
		Kind: RuleEvent, Subject: w.rule.Name, Phase: s.phaseOfRule(i), From: string(from.name()), To: string(rs.state.name()),
		Cause: rs.cause, Why: rs.ground(), Evidence: &ev, Notify: w.rule.Notify,
	}
	if rs.state == codeClear {
		e.Cause = rules.CauseEvidence
	}
	return e
}

// stretch is what a weighing judged, in the form that all evidence has.
func (w *watch) stretch(v *weighing) stretch {
	s := stretch{from: w.from, to: v.to, points: v.points, samples: v.n, newest: v.to}
	s.expected = max(int((v.to-w.from)/w.w), v.points)
	if v.from > w.from {
		s.from = v.from
		s.expected = int((v.to - v.from) / w.w)
		s.points = min(s.points, s.expected)
	}
	s.value, s.known = v.value(w.sig)
	s.known = s.known && finite(s.value)
	return s
}
