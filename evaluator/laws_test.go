package evaluator

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// subject names what an event is about.
func subject(e *fact.Event) string {
	if e.Kind == fact.RuleEvent || e.Kind == fact.PhaseEvent || e.Kind == fact.VerdictEvent {
		return string(e.Kind) + " " + e.Subject
	}
	return string(e.Kind) + " " + e.Subject
}

// stands maps each subject of a run to where it stands, from a snapshot alone.
func stands(plan *rules.Plan, v *fact.Snapshot) map[string]string {
	m := map[string]string{"run " + plan.Name: v.State.String()}
	for i := range v.Phases {
		p := &v.Phases[i]
		m["phase "+p.Name] = p.State.String()
		m["verdict "+p.Name] = p.Verdict.String()
		for j := range p.Success {
			m["rule "+p.Name+" "+p.Success[j].Name] = p.Success[j].Verdict.String()
		}
	}
	for i := range v.Rollback {
		m["rule "+v.Rollback[i].Name] = string(v.Rollback[i].State)
	}
	for i := range v.Phases {
		m["rollout "+v.Phases[i].Name] = fact.Match
		if o := v.Phases[i].Observed; o != nil && !o.Mismatch.IsZero() {
			m["rollout "+v.Phases[i].Name] = fact.Mismatch
		}
	}
	for i := range v.Signals {
		m["signal "+v.Signals[i].Name] = fact.FaultName(v.Signals[i].Fault)
	}
	return m
}

func isRollback(plan *rules.Plan, name string) bool {
	for i := range plan.Rules {
		if plan.Rules[i].Name == name {
			return plan.Rules[i].Kind == rules.RollbackRule
		}
	}
	return false
}

// An event exists if and only if a state changed: the events alone, played on
// the standing before, give the standing after.
func TestEventsAreChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newDrawnRun(t)
		v := Look(r.plan, r.state)
		known := stands(r.plan, &v)
		n := uint64(0)
		for range rapid.IntRange(1, 120).Draw(t, "ticks") {
			tick := r.next(t, true)
			next, events := checkedStep(t, r.plan, r.state, tick)
			accused := Look(r.plan, r.state).Accused
			r.state = next
			for i := range events {
				e := &events[i]
				n++
				if e.N != n || e.ID != fmt.Sprintf("P/%d", n) {
					t.Fatalf("event %d has N %d and ID %q", n, e.N, e.ID)
				}
				if e.Why.Code == "" {
					t.Fatalf("no ground: %s", line(*e))
				}
				failed := e.To == fact.Failed && (e.Kind == fact.CommunicationEvent || e.Kind == fact.ReviewEvent || e.Kind == fact.EffectEvent) // says what a sink said, which no event does
				failed = failed || e.Kind == fact.EffectEvent && (e.To == fact.Missing || e.To == fact.Ready || e.To == fact.Unknown)
				if e.Because != "" && !failed && (e.Evidence != nil || e.By != "" || e.Why.By != "" || e.Why.Text != "") {
					t.Fatalf("it has a root and copies its facts: %+v", e)
				}
				if e.Because == e.ID || e.Because > e.ID && len(e.Because) >= len(e.ID) {
					t.Fatalf("%s goes back to %s, which does not come before it", e.ID, e.Because)
				}
				switch {
				case e.Kind == fact.CommandEvent || e.Kind == fact.CommunicationEvent || e.Kind == fact.PlanEvent:
					continue
				case e.Kind == fact.ApprovalEvent || e.Kind == fact.ReviewEvent || e.Kind == fact.EffectEvent:
					played(t, known, e)
					continue
				case e.Begun != nil && n == 1:
					known["run P"] = "" // a run that begins stood nowhere
				}
				key := subject(e)
				if e.Kind == fact.RuleEvent && !isRollback(r.plan, e.Subject) {
					key = "rule " + e.Phase + " " + e.Subject
				}
				if e.Kind == fact.RolloutEvent && e.To == fact.Over && known[key] == e.From {
					known[key] = fact.Match // what is not looked at is told as it began
					continue
				}
				if e.To == fact.Over { // the end of what a snapshot says beside the state
					if known[key] != e.From || e.From != "failed" || !accused || Look(r.plan, r.state).Accused {
						t.Fatalf("%s stood at %q: %s", key, known[key], line(*e))
					}
					accused = false
					continue
				}
				if known[key] != e.From || e.From == e.To {
					t.Fatalf("%s stood at %q: %s", key, known[key], line(*e))
				}
				known[key] = e.To
			}
			v = Look(r.plan, r.state)
			if accused && v.State == rules.Failed && !v.Accused && len(tick.Commands) == 0 {
				t.Fatalf("at %v the run is not accused any more, and nothing says so", tick.At)
			}
			if v.Generation != n {
				t.Fatalf("Generation %d after %d events", v.Generation, n)
			}
			for key, want := range peopleStand(&v) {
				if was, met := known[key]; met && was != want || !met && want != fact.Unasked && want != "" {
					t.Fatalf("at %v %s stands at %q, its events say %q", tick.At, key, want, was)
				}
			}
			for key, want := range stands(r.plan, &v) {
				if known[key] != want {
					t.Fatalf("at %v %s stands at %q, its events say %q", tick.At, key, want, known[key])
				}
			}
		}
	})
}

// A decision stands until a command moves it.
func TestDecisionsStand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newDrawnRun(t)
		for range rapid.IntRange(1, 120).Draw(t, "ticks") {
			before := Look(r.plan, r.state)
			tick := r.next(t, true)
			r.state, _ = Step(r.plan, r.state, tick)
			after := Look(r.plan, r.state)
			if len(tick.Commands) > 0 {
				continue
			}
			if before.Over && (after.State != before.State || after.Verdict != before.Verdict || !after.Over) {
				t.Fatalf("the run was over as %v %v and became %v %v", before.State, before.Verdict, after.State, after.Verdict)
			}
			for i := range before.Phases {
				b, a := &before.Phases[i], &after.Phases[i]
				rolled := after.State == rules.RolledBack && before.State != rules.RolledBack
				closed := after.State == rules.Held && a.Verdict == rules.Pending // a hold closes every gate
				if b.Verdict == rules.Rollback && a.Verdict != b.Verdict || !b.Decided.IsZero() && (a.State != b.State || !a.Decided.Equal(b.Decided)) ||
					!rolled && !closed && !b.Decided.IsZero() && a.Verdict != b.Verdict {
					t.Fatalf("phase %s was %v %v and became %v %v", b.Name, b.State, b.Verdict, a.State, a.Verdict)
				}
			}
		}
	})
}

// A superseded run stays so, whatever comes; and no command brings an ended run
// back to life while another is under way.
func TestEndedRunsStayEnded(t *testing.T) {
	supersedes := 0
	checkUntil(t, func() bool { return supersedes > 0 }, func(t *rapid.T) {
		r := newDrawnRun(t)
		for range rapid.IntRange(1, 80).Draw(t, "ticks") {
			before := Look(r.plan, r.state)
			tick := r.next(t, true)
			for range rapid.IntRange(0, 3).Draw(t, "more") {
				tick.Commands = append(tick.Commands, genCommand(t, r.plan))
			}
			for i := range tick.Commands {
				tick.Commands[i].Blocked = "P@2"
			}
			r.state, _ = Step(r.plan, r.state, tick)
			after := Look(r.plan, r.state)
			ended := func(s rules.State) bool { return s > rules.Held }
			if ended(before.State) && !ended(after.State) || before.State == rules.Superseded && after.State != rules.Superseded {
				t.Fatalf("the run was %v and became %v", before.State, after.State)
			}
			if after.State != rules.Superseded {
				continue
			}
			supersedes++
			for _, p := range after.Phases {
				if p.Verdict != rules.Fail || p.State == rules.Waiting || p.State == rules.Monitoring {
					t.Fatalf("the run is superseded, its phase %s is %v %v", p.Name, p.State, p.Verdict)
				}
			}
			if !after.Over || after.Verdict != rules.Fail || Wants(r.plan, r.state, r.now) != nil {
				t.Fatalf("the run is superseded: over %v, verdict %v", after.Over, after.Verdict)
			}
		}
	})
}

// A held run has not passed, no gate of it says pass, and no gate says anything but its phase's
// own verdict while it is not.
func TestAHoldClosesEveryGate(t *testing.T) {
	closed := 0
	checkUntil(t, func() bool { return closed > 0 }, func(t *rapid.T) {
		r := newDrawnRun(t)
		v := Look(r.plan, r.state)
		for range rapid.IntRange(1, 120).Draw(t, "ticks") {
			tick := r.next(t, true)
			passed := slices.ContainsFunc(v.Phases, func(p fact.PhaseView) bool { return p.Verdict == rules.Pass })
			if passed && rapid.Bool().Draw(t, "hold") {
				tick.Commands = append(tick.Commands, fact.Command{Kind: fact.Hold, By: "ann", Why: "because"})
			}
			r.state, _ = Step(r.plan, r.state, tick)
			v = Look(r.plan, r.state)
			if v.Held && (v.State == rules.Passed || v.Verdict == rules.Pass) {
				t.Fatalf("a held run is %v, verdict %v", v.State, v.Verdict)
			}
			for k, p := range v.Phases {
				own := r.state.phases[k].verdict
				if p.Why.Code == fact.WhyNextTick && !p.Started.IsZero() {
					t.Fatalf("phase %s is %v, %v, and nothing says for what it waits", p.Name, p.State, p.Verdict)
				}
				if v.Held && own == rules.Pass && p.Verdict == rules.Pending {
					closed++
				} else if p.Verdict != own || v.Held && p.Verdict == rules.Pass {
					t.Fatalf("held %v: phase %s is %v, its gate says %v", v.Held, p.Name, own, p.Verdict)
				}
			}
		}
	})
}

// A list of runs says of each what its snapshot says.
func TestAnOutlineIsThatOfTheSnapshot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newDrawnRun(t)
		if o := Outlined(r.plan, r.state); !o.At.IsZero() || o.Idle {
			t.Fatalf("before the first tick: %+v", o)
		}
		for range rapid.IntRange(1, 60).Draw(t, "ticks") {
			r.state, _ = Step(r.plan, r.state, r.next(t, true))
			o, v := Outlined(r.plan, r.state), Look(r.plan, r.state)
			if !o.At.Equal(v.At) || o.N != v.Generation || o.State != v.State || o.Verdict != v.Verdict || o.Over != v.Over {
				t.Fatalf("the outline is %+v, the snapshot at %v, %d events, %v %v, over %v", o, v.At, v.Generation, v.State, v.Verdict, v.Over)
			}
			if o.Idle && len(Wants(r.plan, r.state, r.now.Add(time.Hour))) > 0 {
				t.Fatalf("an idle run asks for %v", Wants(r.plan, r.state, r.now.Add(time.Hour)))
			}
			if decided := v.State > rules.Held; decided != Decided(v.State) {
				t.Fatalf("state %v: decided %v, want %v", v.State, Decided(v.State), decided)
			}
		}
	})
}

// What is published never holds a number that JSON cannot.
func TestSnapshotsAreFinite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newDrawnRun(t)
		for range rapid.IntRange(1, 60).Draw(t, "ticks") {
			var events []fact.Event
			r.state, events = Step(r.plan, r.state, r.next(t, true))
			if _, err := json.Marshal(events); err != nil {
				t.Fatalf("events: %v", err)
			}
			if _, err := json.Marshal(Look(r.plan, r.state)); err != nil {
				t.Fatalf("snapshot: %v", err)
			}
		}
	})
}

// ledger is a slow and simple memory of everything that the sources ever said.
type ledger struct {
	plan    *rules.Plan
	points  []map[int64]rules.Point // :: signal → period → point
	best    []map[int64]rules.Point // the same, as it was when it spoke best for the release: what is taken in for good stays
	settled []int64
	empties []bool          // by signal: a period without samples is seen as well, since all rules on it weigh evidence
	seen    map[[2]int]bool // :: phase, rollback rule → its window was covered once it had settled
}

func newLedger(p *rules.Plan) *ledger {
	l := &ledger{plan: p, settled: make([]int64, len(p.Signals)), empties: make([]bool, len(p.Signals)), seen: map[[2]int]bool{}}
	for i := range l.empties {
		l.empties[i] = !slices.ContainsFunc(p.Rules, func(r rules.Rule) bool { return r.Signal == i && r.Method != rules.Sequential })
	}
	for range p.Signals {
		l.points = append(l.points, map[int64]rules.Point{})
		l.best = append(l.best, map[int64]rules.Point{})
	}
	return l
}

func (l *ledger) take(tick fact.Tick, at int64) {
	for _, rd := range tick.Readings {
		sig := &l.plan.Signals[rd.Signal]
		for _, p := range rd.Points {
			end := p.At + series.Secs(sig.Period)
			bad := p.At > at || math.IsNaN(p.Value) || math.IsInf(p.Value, 0) || math.IsNaN(p.Samples) || math.IsInf(p.Samples, 0) || p.Samples < 0
			bad = bad || sig.Kind == rules.Ratio && (p.Value < 0 || p.Value > p.Samples) || sig.Kind == rules.Alarm && p.Value != 0 && p.Value != 1
			if bad {
				continue
			}
			if end > at && sig.Kind != rules.Gauge && sig.Kind != rules.Alarm {
				delete(l.points[rd.Signal], p.At)
				continue
			}
			l.points[rd.Signal][p.At] = p
			if k, known := l.best[rd.Signal][p.At]; !known || p.Value*k.Samples < k.Value*p.Samples {
				l.best[rd.Signal][p.At] = p
			}
		}
		if rd.Fault == rules.OK || rd.Fault == rules.NoData {
			l.settled[rd.Signal] = max(l.settled[rd.Signal], min(rd.SettledUntil, at))
		}
	}
}

// covered says whether a signal is known over a stretch of event time.
func (l *ledger) covered(signal int, from, to int64, share float64) bool {
	sig := &l.plan.Signals[signal]
	w := series.Secs(sig.Period)
	from, to = series.AlignUp(from, w), series.AlignDown(to, w)
	buckets := map[int64]bool{}
	for at, p := range l.points[signal] {
		if at >= from && at+w <= to && (p.Samples > 0 || l.empties[signal] || sig.Kind == rules.Gauge || sig.Kind == rules.Alarm) {
			buckets[at/w] = true
		}
	}
	return l.settled[signal] >= to && to > from && len(buckets) > 0 && float64(len(buckets)) >= share*float64((to-from)/w)-1e-6
}

// good says whether a success rule is known to hold.
func (l *ledger) good(r *rules.Rule, started, end, deadline int64) bool {
	from := started
	if r.Over > 0 {
		from = end - series.Secs(r.Over)
	}
	weighs := r.Method == rules.Sequential
	if !weighs && !l.covered(r.Signal, from, end, r.Coverage) {
		return false
	}
	if r.Alarm >= 0 {
		if !l.covered(r.Alarm, started, end, r.Coverage) {
			return false
		}
		w := series.Secs(l.plan.Signals[r.Alarm].Period)
		spoke := l.speaks(r.Alarm, started, func(v float64) bool { return v == 0 })
		for at, p := range l.points[r.Alarm] {
			if at >= max(series.AlignUp(started, w), spoke) && at+w <= series.AlignDown(end, w) && p.Value != 0 {
				return false
			}
		}
	}
	sig := &l.plan.Signals[r.Signal]
	w := series.Secs(sig.Period)
	from, end = series.AlignUp(from, w), series.AlignDown(end, w)
	if sig.Kind == rules.Alarm {
		from = max(from, l.speaks(r.Signal, started, r.When.Holds))
	}
	if weighs {
		return l.settled[r.Signal] >= end && l.proven(r, sig, from, deadline)
	}
	var sum, n float64
	all, hits := 0, 0
	worst, newest := math.Inf(-1), int64(0)
	var level float64
	for at, p := range l.points[r.Signal] {
		if at < from || at+w > end {
			continue
		}
		if p.Samples == 0 && sig.Kind != rules.Gauge && sig.Kind != rules.Alarm {
			continue
		}
		sum, n, all = sum+p.Value, n+p.Samples, all+1
		worst = max(worst, p.Value)
		if r.When.Holds(p.Value) {
			hits++
		}
		if at > newest {
			newest, level = at, p.Value
		}
	}
	if n < r.MinSamples {
		return false
	}
	switch sig.Kind {
	case rules.Ratio:
		if sig.Good {
			return r.When.Holds(1 - sum/n)
		}
		return r.When.Holds(sum / n)
	case rules.Mean:
		return r.When.Holds(sum / n)
	case rules.Gauge, rules.Percentile:
		switch r.Way(sig.Kind).Aggregate {
		case rules.Share:
			return float64(hits) >= r.MinShare*float64(all)
		case rules.Average:
			return r.When.Holds(sum / float64(all))
		case rules.Last:
			return r.When.Holds(level)
		}
		return hits == all
	}
	return r.When.Holds(worst)
}

// speaks is since when an alarm speaks of a release: one that was bad when its phase
// began says nothing of it until it has been good once.
func (l *ledger) speaks(signal int, started int64, good func(float64) bool) int64 {
	w := series.Secs(l.plan.Signals[signal].Period)
	first, before, ok := int64(math.MaxInt64), int64(math.MinInt64), int64(math.MaxInt64)
	for at, p := range l.points[signal] {
		if at < started {
			before = max(before, at)
			continue
		}
		first = min(first, at)
		if good(p.Value) {
			ok = min(ok, at)
		}
	}
	switch {
	case first == math.MaxInt64 || good(l.points[signal][first].Value):
		return started
	case before > math.MinInt64 && good(l.points[signal][before].Value), before == math.MinInt64 && first >= started+w:
		return started
	}
	return ok
}

// proven says whether all that is known of a signal since a time speaks for a
// release, one period at a time and without what the evaluator discounts it by.
func (l *ledger) proven(r *rules.Rule, sig *rules.Signal, from, to int64) bool {
	var bad, n float64
	for at, p := range l.best[r.Signal] {
		if at >= from && at+series.Secs(sig.Period) <= to && p.Samples > 0 {
			bad, n = bad+p.Value, n+p.Samples
		}
	}
	if sig.Kind != rules.Ratio {
		return n > 0
	}
	if n < r.MinSamples {
		return false
	}
	return evidence.NewBelow(r.Trigger).LogE(math.Floor(bad), n, 1) >= math.Log(20)
}

// Unknown is never a pass: whatever passes without a person's word is known to
// be good by the slow ledger too: complete to its window's end, covered, thick
// enough and on the right side; and so are its rollback rules.
func TestUnknownNeverPasses(t *testing.T) {
	passes := 0
	checkUntil(t, func() bool { return passes > 0 }, func(t *rapid.T) {
		r := newDrawnRun(t)
		l := newLedger(r.plan)
		for range rapid.IntRange(1, 150).Draw(t, "ticks") {
			before := Look(r.plan, r.state)
			tick := r.next(t, true)
			r.state, _ = Step(r.plan, r.state, tick)
			after := Look(r.plan, r.state)
			l.take(tick, after.At.Unix())
			l.watch(&after)
			for k := range after.Phases {
				if a := &after.Phases[k]; a.State == rules.Passed && before.Phases[k].State != rules.Passed && r.state.phases[k].why.Code != fact.WhyOverridden {
					passes++
					l.justify(t, k, a, &after)
				}
			}
		}
	})
	t.Logf("%d passes", passes)
}

// watch notes which rollback rules have seen the windows of the begun phases.
func (l *ledger) watch(v *fact.Snapshot) {
	for k := range v.Phases {
		if p := &v.Phases[k]; !p.Started.IsZero() && !v.At.Before(p.WindowEnd) {
			for _, ri := range l.plan.Phases[k].Rollback {
				r := &l.plan.Rules[ri]
				w := series.Secs(l.plan.Signals[r.Signal].Period)
				end := p.WindowEnd.Unix()
				if r.Method == rules.Sequential { // it goes on while the phase waits
					end = max(end, min(l.settled[r.Signal], end+series.Secs(l.plan.Phases[k].Extend)))
				}
				from, to := series.AlignUp(p.Started.Unix(), w), series.AlignDown(end, w)
				// Where the plan says what missing periods are, it is enough to know which are.
				told := judge.GapsSpeak(r) && l.settled[r.Signal] >= to && to > from
				if told || l.covered(r.Signal, p.Started.Unix(), end, r.Coverage) {
					l.seen[[2]int{k, ri}] = true
				}
			}
		}
	}
}

func (l *ledger) justify(t *rapid.T, k int, v *fact.PhaseView, s *fact.Snapshot) {
	p := &l.plan.Phases[k]
	start, end := v.Started.Unix(), v.WindowEnd.Unix()
	if s.At.Unix() < end || s.Held {
		t.Fatalf("phase %s passed at %v: window ends %v, held %v, run %v", p.Name, s.At, v.WindowEnd, s.Held, s.State)
	}
	judged := 0
	for i, ri := range p.Success {
		r := &l.plan.Rules[ri]
		if v.Success[i].Verdict == rules.Pass {
			judged++
			if !l.good(r, start, end, end+series.Secs(p.Extend)) {
				t.Fatalf("phase %s passed at %v, but rule %s is not known to be good: %s", p.Name, s.At, r.Name, factsOf(v.Success[i].Why, &v.Success[i].Evidence))
			}
		} else if r.Gate == rules.Advisory || r.Gate == rules.Veto && (l.settled[r.Signal] >= series.AlignDown(end, series.Secs(l.plan.Signals[r.Signal].Period)) || s.At.Unix() >= end+series.Secs(r.Grace)) && v.Success[i].Verdict != rules.Fail {
			continue
		} else if r.OnNoData != rules.PolicyIgnore && r.OnError != rules.PolicyIgnore {
			t.Fatalf("phase %s passed without rule %s: %v", p.Name, r.Name, v.Success[i].Verdict)
		}
	}
	for _, ri := range p.Rollback {
		r := &l.plan.Rules[ri]
		if l.seen[[2]int{k, ri}] {
			judged++
		} else if r.OnNoData != rules.PolicyIgnore && r.OnError != rules.PolicyIgnore {
			t.Fatalf("phase %s passed at %v, but rollback rule %s did not see its window: settled %d, window %d to %d, points %v", p.Name, s.At, r.Name, l.settled[r.Signal], start, end, l.points[r.Signal])
		}
	}
	if judged == 0 {
		t.Fatalf("phase %s passed and nothing was judged", p.Name)
	}
}
