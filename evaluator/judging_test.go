package evaluator

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// oldRun is a run as a program of judging 1 kept it: see testdata/judging-1.jsonl.gz.
// The file has two, each a line with the plan and then a line for every tick: with
// thresholds, a level of which M of N count, evidence with a baseline and with earlier
// releases, groups, a hold of a person and a hole in the data. The first passes, the
// second is rolled back by evidence.
type oldRun struct {
	plan   *rules.Plan
	kept   []fact.Kept
	states [][]byte // after each tick
}

func oldRuns(t *testing.T) (runs []oldRun) {
	t.Helper()
	f, err := os.Open("testdata/judging-1.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(bufio.NewReader(z))
	for {
		var l struct {
			Plan   *rules.Plan
			Tick   fact.Tick
			Events []json.RawMessage
			State  []byte
		}
		if err := lines.Decode(&l); errors.Is(err, io.EOF) {
			return runs
		} else if err != nil {
			t.Fatal(err)
		}
		if l.Plan != nil {
			runs = append(runs, oldRun{plan: l.Plan})
			continue
		}
		r := &runs[len(runs)-1]
		k := fact.Kept{Seq: uint64(len(r.kept) + 1), Entry: fact.Entry{Run: r.plan.Binding.Run, Digest: "one", Tick: l.Tick}}
		for _, raw := range l.Events {
			var e fact.Event
			if err := json.Unmarshal(raw, &e); err != nil {
				t.Fatal(err)
			}
			k.Events, k.Raw = append(k.Events, e), append(k.Raw, raw)
		}
		r.kept, r.states = append(r.kept, k), append(r.states, l.State)
	}
}

func read(t *testing.T, b []byte) *State {
	t.Helper()
	s := new(State)
	if err := s.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return s
}

// whereItStands is where the run and its phases stand.
func whereItStands(plan *rules.Plan, s *State) (all []string) {
	v := Look(plan, s)
	all = append(all, v.State.String()+" "+v.Verdict.String())
	for _, p := range v.Phases {
		all = append(all, p.Name+" "+p.State.String()+" "+p.Verdict.String()+" "+p.Started.Format(time.TimeOnly)+" "+p.Decided.Format(time.TimeOnly))
	}
	return all
}

func TestUpgradeInMidRun(t *testing.T) {
	for _, r := range oldRuns(t) {
		for i := range r.kept {
			straight := read(t, r.states[i])
			was := Look(r.plan, straight)
			again, anew := straight, 0
			until := min(len(r.kept), i+12)
			if i%10 == 0 {
				until = len(r.kept)
			}
			for n, k := range r.kept[i+1 : until] {
				tick := k.Tick
				tick.Judging = Judging
				next, events := Step(r.plan, straight, tick)
				straight = next
				if n%5 == 2 {
					again = read(t, store(t, again))
				}
				again, _ = Step(r.plan, again, tick)
				for _, e := range events {
					if e.Why.Code != fact.WhyJudgedAnew {
						continue
					}
					if anew++; n != 0 || e.Kind != fact.PlanEvent || e.Subject != "shop" || e.From != "1" || e.To != "judged_anew" || e.Why.N != Judging || e.Why.Of != 1 || e.N != was.Generation+1 {
						t.Errorf("tick %d after %d: %+v", n, i, e)
					}
				}
			}
			if i+1 < until && anew != 1 {
				t.Errorf("after %d: %d events say that it is judged anew", i, anew)
			}
			if !bytes.Equal(store(t, straight), store(t, again)) {
				t.Errorf("after %d: a restart makes a difference", i)
			}
			now := Look(r.plan, straight)
			for k, p := range was.Phases {
				if q := now.Phases[k]; p.State > rules.Held && (q.State != p.State || !q.Decided.Equal(p.Decided)) {
					t.Errorf("after %d: phase %s was %s, is %s", i, p.Name, p.State, q.State)
				}
			}
			if was.State > rules.Held && now.State != was.State {
				t.Errorf("after %d: the run was %s, is %s", i, was.State, now.State)
			}
		}
	}
}

// Where ticks of an older judging are run again, the run stands where their events
// say, whatever this program makes of them.
func TestOlderTicksAreFollowed(t *testing.T) {
	for _, r := range oldRuns(t) {
		s := Begin(r.plan)
		for i, k := range r.kept {
			s = follow(r.plan, s, k)
			old := read(t, r.states[i])
			if got, want := whereItStands(r.plan, s), whereItStands(r.plan, old); !slices.Equal(got, want) {
				t.Fatalf("tick %d: it stands at %q, and stood at %q", k.Seq, got, want)
			}
			if s.n != old.n {
				t.Fatalf("tick %d: %d events, and there were %d", k.Seq, s.n, old.n)
			}
		}
		// What was weighed meanwhile is not lost.
		for i := range s.rules {
			if ev := read(t, r.states[len(r.states)-1]).rules[i].Ev; (ev == nil) != (s.rules[i].Ev == nil) {
				t.Errorf("rule %s has weighed %v, and had %v", r.plan.Rules[i].Name, s.rules[i].Ev, ev)
			}
		}
	}
}

func TestOlderDifferencesAreListed(t *testing.T) {
	r := oldRuns(t)[0]
	again := Rerun{Load: loadOnly(r.plan)}
	if err := again.Start(fact.Recovery{Digest: "one"}); err != nil {
		t.Fatal(err)
	}
	differ := 0
	for i, k := range r.kept {
		if k.Tick.At.Equal(r.plan.Start.Add(25 * time.Minute)) { // the phase "ten" has failed, say
			for n := range k.Events {
				if e := &k.Events[n]; e.Kind == fact.PhaseEvent {
					e.To, e.Cause = "failed", rules.CauseEvidence
					k.Raw[n], _ = json.Marshal(e)
				}
			}
		}
		d, err := again.Next(k)
		if err != nil {
			t.Fatal(err)
		}
		if d == nil {
			continue
		}
		if differ++; !d.Older || d.Seq != uint64(i+1) || !strings.Contains(d.String(), "now it is") {
			t.Errorf("a difference: %v", d)
		}
		if again.State.n != read(t, r.states[i]).n {
			t.Errorf("tick %d: %d events, and the journal has %d", k.Seq, again.State.n, read(t, r.states[i]).n)
		}
	}
	if v := Look(r.plan, again.State); differ == 0 || v.Phases[0].State != rules.Failed {
		t.Errorf("%d ticks differ, the phase is %s", differ, v.Phases[0].State)
	}
}

// An older judging decided what a later one would not: rules that fired, policies that
// acted, messages that were sent or not.
func TestDecidedTakesOverEveryKindOfEvent(t *testing.T) {
	p := smallPlan()
	w := newWorld(t, p)
	w.run(T.Add(3 * time.Minute))
	with := func(e ...fact.Event) *State {
		for i := range e {
			e[i].N = w.state.n + uint64(i) + 1
		}
		return follow(p, w.state, fact.Kept{Entry: fact.Entry{Tick: fact.Tick{At: w.now}, Events: e}})
	}
	rule := func(name, phase, to string) fact.Event {
		return fact.Event{Kind: fact.RuleEvent, Subject: name, Phase: phase, To: to, Cause: rules.CauseNoData}
	}
	s := with(rule("high", "ten", "silent"), rule("few", "ten", "pass"), rule("nobody", "ten", "silent"), rule("nobody", "ten", "fail"), rule("few", "gone", "pass"))
	if rs := &s.rules[1]; rs.State.Name() != fact.RuleSilent || rs.silent != s.At || s.phases[0].success[0].verdict != rules.Pass {
		t.Errorf("the rules stand at %v and %v", rs, s.phases[0].success[0].verdict)
	}
	s = with(rule("high", "ten", "fired"), rule("few", "ten", "pass"))
	if s.fired == nil || s.fired.Subject != "high" || len(s.frozen) != 1 || s.n != w.state.n+2 {
		t.Errorf("fired: %+v", s.fired)
	}
	s = with(rule("few", "ten", "rollback"))
	if s.fired == nil || s.fired.Subject != "few" {
		t.Errorf("a policy rolled it back: %+v", s.fired)
	}
	s = with(
		rule("high", "ten", "holding"),
		fact.Event{Kind: fact.RunEvent, Subject: "REL", To: "held", Why: fact.Why{Code: fact.WhyHeldByRule, Rule: "high"}, Because: "REL/3"},
		fact.Event{Kind: fact.VerdictEvent, Subject: "ten", Phase: "ten", To: "unknown"},
		fact.Event{Kind: fact.CommunicationEvent, Subject: "live", To: "skipped"},
	)
	if v := Look(p, s); v.State != rules.Held || v.Holder.By != "high" || v.Phases[0].Verdict != rules.Unknown || v.People.Messages[1].State != fact.Skipped {
		t.Errorf("%s by %q, %s, %v", v.State, v.Holder.By, v.Phases[0].Verdict, v.People.Messages)
	}
	failed := with(fact.Event{Kind: fact.RunEvent, Subject: "REL", To: "failed"})
	failed.run.accused = true
	w.state = failed
	if v := Look(p, with(fact.Event{Kind: fact.RunEvent, Subject: "REL", From: "failed", To: fact.Over})); v.State != rules.Failed || v.Accused || !v.Over {
		t.Errorf("%s, accused %v, over %v", v.State, v.Accused, v.Over)
	}
	if n := fact.Ordinal("REL/3"); n != 3 {
		t.Errorf("the ordinal is %d", n)
	}
}

// A hold closes the gate of a phase that has passed, and takes nothing from its verdict.
func TestAFollowedPassOutlastsAHold(t *testing.T) {
	p := smallPlan()
	w := newWorld(t, p)
	w.run(T.Add(18 * time.Minute)) // the phase has passed
	held := []fact.Event{
		{Kind: fact.RuleEvent, Subject: "high", To: "holding", Cause: rules.CauseEvidence},
		{Kind: fact.RunEvent, Subject: "REL", To: "held", Why: fact.Why{Code: fact.WhyHeldByRule, Rule: "high"}},
		{Kind: fact.VerdictEvent, Subject: "ten", Phase: "ten", From: "pass", To: "pending"},
	}
	for i := range held {
		held[i].N = w.state.n + uint64(i) + 1
	}
	w.state = follow(p, w.state, fact.Kept{Entry: fact.Entry{Tick: fact.Tick{At: w.now}, Events: held}})
	if v := w.phaseNow(); v.State != rules.Passed || v.Verdict != rules.Pending {
		t.Fatalf("while it is held the phase is %v, %v", v.State, v.Verdict)
	}
	w.command(fact.Command{Kind: fact.Resume})
	if v := w.phaseNow(); v.State != rules.Passed || v.Verdict != rules.Pass {
		t.Errorf("then the phase is %v, %v\n%s", v.State, v.Verdict, w.lines())
	}
}

// A command that an older judging refused stays refused.
func TestAFollowedRefusalStands(t *testing.T) {
	p := smallPlan()
	w := newWorld(t, p)
	w.run(T.Add(3 * time.Minute))
	w.state.run.held, w.state.run.hold = true, fact.Why{Code: fact.WhyHeldByRule, Rule: "high", Cause: rules.CauseBaseline}
	for to, want := range map[string]string{"refused": "high", "applied": "ann"} {
		e := fact.Event{Kind: fact.CommandEvent, Subject: "hold", To: to, N: w.state.n + 1, Why: fact.Why{Code: fact.WhyHeldAlready}}
		tick := fact.Tick{At: w.now, Commands: []fact.Command{{ID: "1", Kind: fact.Hold, By: "ann", Why: "lunch"}}}
		s := follow(p, w.state, fact.Kept{Entry: fact.Entry{Tick: tick, Events: []fact.Event{e}}})
		if got := Look(p, s).Holder.By; got != want || s.n != w.state.n+1 {
			t.Errorf("%s: it is held by %q after %d events", to, got, s.n-w.state.n)
		}
	}
}

// A run that failed under an older judging was over, and stays so.
func TestAnUpgradeOpensNoRunThatWasOver(t *testing.T) {
	for _, differs := range []bool{false, true} {
		w := failing(t, 12, 60)
		again := Rerun{Load: loadOnly(w.plan)}
		if err := again.Start(fact.Recovery{Digest: "one"}); err != nil {
			t.Fatal(err)
		}
		for seq := uint64(1); Look(w.plan, w.state).State != rules.Failed; seq++ {
			tick := fact.Tick{At: w.now}
			for _, q := range Wants(w.plan, w.state, w.now) {
				tick.Readings = append(tick.Readings, w.answer(q))
			}
			state, events := Step(w.plan, w.state, tick)
			w.state, w.now = state, w.now.Add(w.plan.Interval)
			k := fact.Kept{Seq: seq, Entry: fact.Entry{Digest: "one", Tick: tick, Events: events}}
			for i := range events {
				if e := &events[i]; differs && e.To == "failed" {
					e.Cause = rules.CauseManual
				}
				raw, err := json.Marshal(&events[i])
				if err != nil {
					t.Fatal(err)
				}
				k.Raw = append(k.Raw, raw)
			}
			if _, err := again.Next(k); err != nil {
				t.Fatal(err)
			}
		}
		if s := Look(w.plan, again.State); s.State != rules.Failed || !s.Over || s.Accused {
			t.Errorf("differs %v: it is %v, over %v, accused %v", differs, s.State, s.Over, s.Accused)
		}
	}
}

// A run whose ticks are followed remembers of its people what one that was stepped does: what
// a person undid, and what was sent.
func TestPeopleAreFollowed(t *testing.T) {
	p := peoplePlan()
	p.Approvals = nil
	p.Communications = []rules.Communication{
		{Name: "held", On: rules.Wanted{States: []rules.State{rules.Held}}, To: rules.Address{Sink: "slack"}, Text: "x"},
		{Name: "soon", At: -2 * time.Minute, To: rules.Address{Sink: "slack"}, Text: "x"},
	}
	stepped, followed := Begin(p), Begin(p)
	at, id := T.Add(-5*time.Minute), ""
	for i, tick := range []fact.Tick{
		{Begin: &fact.Begun{By: "ada"}}, {}, {}, {}, {},
		{Commands: []fact.Command{command(fact.Hold, "ada", "")}}, {},
		{Commands: []fact.Command{command(fact.Resume, "ada", "")}},
		{Commands: []fact.Command{command(fact.Hold, "ada", "")}},
		{Commands: []fact.Command{command(fact.Resume, "ada", "")}},
		{Commands: []fact.Command{command(fact.Abort, "ada", "")}},
		{Commands: []fact.Command{command(fact.SignReview, "kim", "", role("Manager"))}},
		{Commands: []fact.Command{command(fact.Override, "ada", "", verdict(rules.Pass))}},
		{Commands: []fact.Command{command(fact.Override, "ada", "", verdict(rules.Pass), inPhase("ten"))}},
		{Commands: []fact.Command{command(fact.Override, "ada", "", verdict(rules.Pass), inPhase("all"))}},
		{At: T.Add(3 * time.Hour)},
	} {
		if tick.Judging = Judging; tick.At.IsZero() {
			tick.At = at.Add(time.Duration(i) * time.Minute)
		}
		if i == 6 {
			tick.Results = []fact.Result{{Event: id, Sink: "slack", Reason: "gone"}}
		}
		next, events := Step(p, stepped, tick)
		for _, e := range events {
			if e.Subject == "held" && e.To == fact.Due {
				id = e.ID
			}
		}
		stepped, followed = next, follow(p, followed, fact.Kept{Entry: fact.Entry{Tick: tick, Events: events}})
		got, want := Look(p, followed).People, Look(p, stepped).People
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("tick %d: followed it is\n%+v, stepped\n%+v", i, got, want)
		}
	}
	if v := Look(p, followed).People; v.Messages[0].State != fact.Due || v.Criteria[0].State != fact.CriterionNotMet || v.Criteria[1].State != fact.CriterionNotMet || v.Criteria[3].State != fact.CriterionNotMet {
		t.Errorf("got %+v", v)
	}
}
