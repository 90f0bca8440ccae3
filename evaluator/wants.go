package evaluator

import (
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/rollout"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

const (
	// lead is how long before a phase its signals are asked already, so that a
	// source that does not answer is known before it matters.
	lead = 2 * 60
	// afterlife is how long after the horizon an undecided run is still asked for.
	afterlife = 24 * 60 * 60
)

// Wants lists the questions that are due at a time: which signals are to be asked for
// which range. It depends on plan and state alone, so that a daemon that
// was restarted asks what the undisturbed one would have asked.
func Wants(plan *rules.Plan, state *State, now time.Time) []fact.Want {
	st := fit(plan, state)
	lay := st.Lay
	at := now.Unix()
	if !st.watched(plan, lay, at) {
		return nil
	}
	needs := st.needs(lay, at)
	var wants []fact.Want
	for i := range plan.Signals {
		if needs[i] == judge.Unneeded || at < st.Signals[i].Next {
			continue
		}
		if from := st.AskFrom(i, needs[i], at); from < at {
			wants = append(wants, fact.Want{Signal: i, From: from, To: at})
		}
	}
	return wants
}

// watched reports whether anything is asked for at all.
func (s *State) watched(plan *rules.Plan, lay *judge.Layout, at int64) bool {
	if !s.run.judged() {
		return s.people.Way().Watches()
	}
	_, horizon := s.ends(plan, lay)
	return at < horizon+afterlife
}

// needs gives for each signal the earliest event time that its rules rest on,
// judge.Unneeded for the signals that nothing judges now.
func (s *State) needs(lay *judge.Layout, at int64) []int64 {
	plan := lay.Plan
	needs := make([]int64, len(plan.Signals))
	for i := range needs {
		needs[i] = judge.Unneeded
	}
	for _, i := range lay.Roll {
		if rs := &s.rules[i]; rs.active {
			judge.Need(plan, &plan.Rules[i], rs.since, needs)
		}
	}
	rollout.Need(plan, at, needs)
	if s.run.state == rules.RolledBack {
		return needs // whether users are safe does not rest on what let phases pass
	}
	for k := range plan.Phases {
		p, ph := &plan.Phases[k], &s.phases[k]
		start := lay.Start + series.Secs(p.Start)
		switch {
		case ph.state == rules.Monitoring || ph.state == rules.RolledBack && ph.begun:
			s.needSuccess(plan, k, needs)
		case ph.state == rules.Waiting && plan.Clocked(k) && at >= start-lead && !s.doomed(k):
			needSoon(plan, p, min(start, at), needs)
		}
	}
	return needs
}

func (s *State) needSuccess(plan *rules.Plan, k int, needs []int64) {
	for _, i := range plan.Phases[k].Success {
		r := &plan.Rules[i]
		judge.Need(plan, r, s.successFrom(plan, k, r), needs)
	}
}

// successFrom is the earliest event time that a success rule needs in a phase.
func (s *State) successFrom(plan *rules.Plan, k int, r *rules.Rule) int64 {
	start := s.phases[k].started
	if over := series.Secs(r.Over); over > 0 {
		return min(start, s.windowEnd(plan, k)-over)
	}
	return start
}

// needSoon asks for the signals of a phase that is about to begin.
func needSoon(plan *rules.Plan, p *rules.Phase, from int64, needs []int64) {
	for _, list := range [...][]int{p.Success, p.Rollback} {
		for _, i := range list {
			judge.Need(plan, &plan.Rules[i], from, needs)
		}
	}
}

// windowNeeds looks at the success rules of the phases that are not decided, and
// at what rules that weigh evidence have not taken in yet.
func (s *State) windowNeeds(lay *judge.Layout) judge.WindowStarts {
	n := s.evidenceNeeds(lay)
	for k := range s.phases {
		ph := &s.phases[k]
		if !ph.begun || ph.state != rules.Monitoring && ph.state != rules.RolledBack || len(ph.success) == 0 {
			continue
		}
		if n == nil {
			n = s.noNeeds()
		}
		s.keepSuccess(lay, k, n)
	}
	return n
}

func (s *State) noNeeds() judge.WindowStarts {
	n := make(judge.WindowStarts, len(s.Signals))
	for i := range n {
		n[i] = judge.Unneeded
	}
	return n
}

// evidenceNeeds is what rollback rules that weigh evidence have not taken in; nil
// when there are none.
func (s *State) evidenceNeeds(lay *judge.Layout) judge.WindowStarts {
	if len(lay.Weighing) == 0 {
		return nil
	}
	n := s.noNeeds()
	for _, i := range lay.Weighing {
		if rs := &s.rules[i]; rs.active && rs.State != judge.Fired {
			n.Weigh(&lay.Plan.Signals[lay.Plan.Rules[i].Signal], lay.Plan.Rules[i].Signal, rs.since, rs.Ev, false)
		}
	}
	return n
}

// keepSuccess is needSuccess without the periods that were folded.
func (s *State) keepSuccess(lay *judge.Layout, k int, n judge.WindowStarts) {
	plan, ph := lay.Plan, &s.phases[k]
	for i, ri := range plan.Phases[k].Success {
		r := &plan.Rules[ri]
		from := s.successFrom(plan, k, r)
		if lay.Rules[ri].Weigh != nil {
			n.Weigh(&plan.Signals[r.Signal], r.Signal, ph.started, ph.success[i].Ev, true)
		} else {
			n[r.Signal] = min(n[r.Signal], from)
		}
		if r.Alarm >= 0 && r.Alarm < len(n) {
			n[r.Alarm] = min(n[r.Alarm], from)
		}
	}
}
