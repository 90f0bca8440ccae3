package gate

import (
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// board is everything that can be answered after a tick. It never changes once
// it is published; what it holds is made at most once, by the first who asks.
type board struct {
	plans   map[string]*planBoard // :: plan name → its runs
	names   []string              // of the plans, in the order they were given
	runs    map[string]*runBoard  // :: id → a live run
	trouble Trouble
	changed chan struct{} // closed when the next board has taken its place
}

// planBoard is one plan of a board.
type planBoard struct {
	view PlanView
	live []*runBoard          // newest first
	of   map[string]*runBoard // :: version → the newest of its live tries
}

func newBoard(v Views, base string, old *board) *board {
	b := &board{
		plans: make(map[string]*planBoard, len(v.Plans)), runs: map[string]*runBoard{},
		trouble: v.Trouble, changed: make(chan struct{}),
	}
	for _, p := range v.Plans {
		if _, twice := b.plans[p.Name]; !twice {
			b.names = append(b.names, p.Name)
		}
		plan := &planBoard{view: p, of: map[string]*runBoard{}}
		for _, r := range p.Runs {
			run := old.runs[r.ID()]
			if run == nil || run.trouble != v.Trouble || !run.shows(&r) {
				run = newRunBoard(r, base, v.Trouble)
			}
			b.runs[r.ID()] = run
			plan.live = append(plan.live, run)
			if other := plan.of[run.version]; other == nil || other.try() < run.try() {
				plan.of[run.version] = run
			}
		}
		b.plans[p.Name] = plan
	}
	return b
}

// underWay is the live run that may still change by itself, nil when there is none.
func (p *planBoard) underWay() *runBoard {
	for _, r := range p.live {
		if s := &r.view.Snapshot; !s.Over && (!wire.Decided(s.State) || s.Accused) {
			return r
		}
	}
	return nil
}

// runBoard is the answers of one run.
type runBoard struct {
	view    wire.RunView
	version string
	site    wire.Site
	trouble Trouble
	index   map[string]int // :: phase name, run or current → place in answers
	ages    [wire.Ahead + 1]answers

	gateRun, gateVersion []string // header values
}

// answers is what a run says at an age of its snapshot.
type answers struct {
	passed []gateAnswer // of the phases, then of run and of current
	entry  []gateAnswer // of the phases, then of run
	page   pageAnswer
}

// newRunBoard lays out the answers of a run.
func newRunBoard(v wire.RunView, base string, t Trouble) *runBoard {
	n := len(v.Snapshot.Phases)
	r := &runBoard{
		view: v, version: v.Plan.Version, site: wire.Site{Base: base, Digest: v.Digest}, trouble: t, index: make(map[string]int, n+2),
		gateRun: []string{v.ID()}, gateVersion: []string{v.Plan.Version},
	}
	for i := range v.Snapshot.Phases {
		r.index[v.Snapshot.Phases[i].Name] = i
	}
	r.index[wire.WholeRun], r.index[wire.Current] = n, n+1
	for i := range r.ages {
		r.ages[i] = answers{passed: make([]gateAnswer, n+2), entry: make([]gateAnswer, n+1)}
	}
	return r
}

// shows reports whether the answers are those of a view.
func (r *runBoard) shows(v *wire.RunView) bool {
	return r.view.Plan == v.Plan && sameTick(&r.view.Snapshot, &v.Snapshot)
}

func sameTick(a, b *fact.Snapshot) bool {
	return a.Seq == b.Seq && a.At.Equal(b.At) && a.Generation == b.Generation && a.Seq != 0
}

func (r *runBoard) try() int { return r.view.Plan.Binding.Try }

// started reports whether a tick has been seen.
func (r *runBoard) started() bool { return !r.view.Snapshot.At.IsZero() }

// endedOpen reports whether the run has ended so that its version may be tried again.
func (r *runBoard) endedOpen() bool {
	s := r.view.Snapshot.State
	return wire.Decided(s) && s != rules.Passed
}

// answer is what the gate at a place says at an age.
func (r *runBoard) answer(q wire.Question, i int, age wire.Age) wire.Answer {
	n := len(r.view.Snapshot.Phases)
	var a wire.Answer
	switch {
	case q == wire.Entry && i == n:
		a = r.view.PhaseEntry(0)
		a.Phase = -1
	case q == wire.Entry:
		a = r.view.PhaseEntry(i)
	case i == n:
		a = r.view.RunPassed()
	case i == n+1:
		a = r.view.CurrentPassed()
	default:
		a = r.view.PhasePassed(i)
	}
	a = a.Believed(&r.view.Snapshot, age)
	if r.trouble != (Trouble{}) {
		a = a.Troubled(r.trouble.Cause, r.trouble.Says)
	}
	return a
}

// gate is the answer of a place at a time, made by the first who asks.
func (r *runBoard) gate(q wire.Question, i int, now time.Time) *gateAnswer {
	age := wire.AgeOf(&r.view.Snapshot, now)
	a := &r.ages[age].passed[i]
	if q == wire.Entry {
		a = &r.ages[age].entry[i]
	}
	a.once.Do(func() {
		said := r.answer(q, i, age)
		a.fill(&said, r.site.Body(&r.view, &said), r.view.Snapshot.Interval)
		a.gateRun, a.gateVersion = r.gateRun, r.gateVersion
	})
	return a
}

// page is the whole run at a time.
func (r *runBoard) page(now time.Time) *payload {
	age := wire.AgeOf(&r.view.Snapshot, now)
	a := &r.ages[age].page
	a.once.Do(func() { a.json = jsonPayload(r.pageBody(age)) })
	return &a.json
}

func (r *runBoard) pageBody(age wire.Age) wire.PlanBody {
	n := len(r.view.Snapshot.Phases)
	return r.site.Plan(&r.view, r.answer(wire.Passed, n, age), func(k int) wire.Answer { return r.answer(wire.Passed, k, age) })
}

// stale reports whether what the run says cannot be believed now.
func (r *runBoard) stale(now time.Time) bool {
	return r.answer(wire.Passed, len(r.view.Snapshot.Phases), wire.AgeOf(&r.view.Snapshot, now)).Stale
}
