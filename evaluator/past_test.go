package evaluator

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// genPast draws the releases before: not looked up, none, or some whose signals
// are perhaps those of the plan, with totals that perhaps cannot be.
func genPast(t *rapid.T) []fact.Past {
	n := rapid.IntRange(-1, 3).Draw(t, "earlier releases")
	if n < 0 {
		return nil
	}
	past := make([]fact.Past, n)
	for i := range past {
		past[i] = fact.Past{Run: fmt.Sprintf("E%d", i), At: T.Add(-time.Duration(i+1) * 24 * time.Hour)}
		for s := range rapid.IntRange(0, 4).Draw(t, "totals") {
			samples := rapid.SampledFrom([]float64{0, -1, 1, 1000, 1e6, 1e13, 1e300}).Draw(t, "samples")
			past[i].Totals = append(past[i].Totals, fact.Total{
				Signal: fmt.Sprintf("s%d", s), Samples: samples, Bad: samples * rapid.SampledFrom([]float64{0, 0, .001, .1, 1, 2}).Draw(t, "rate"),
			})
		}
	}
	return past
}

// Earlier releases warn, and do no more: but for warnings and words, a run has
// the same events with them as without. Few drawn runs are warned of, so that
// TestWorseThanEarlierReleases shows that warnings come at all.
func TestPastOnlyWarns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newDrawnRun(t)
		if rapid.Bool().Draw(t, "ratios") {
			for i := range r.plan.Signals {
				sig := &r.plan.Signals[i]
				sig.Kind, sig.Good, sig.Baseline, sig.BaselineOf, r.truth.bad[i] = rules.Ratio, false, 0, "", false
			}
		}
		for i := range r.plan.Rules {
			if rl := &r.plan.Rules[i]; r.plan.Signals[rl.Signal].Kind == rules.Ratio {
				rl.Method, rl.Limit, rl.Trigger, rl.Alpha, rl.Datapoints, rl.KeepFiring = rules.Sequential, .3, .6, .01, rules.Datapoints{}, 0
			}
		}
		r.state = Begin(r.plan)
		bare := Begin(r.plan)
		for range rapid.IntRange(1, 80).Draw(t, "ticks") {
			tick := r.next(t, true)
			if tick.Past != nil && rapid.Bool().Draw(t, "all good") {
				tick.Past = []fact.Past{earlier(fact.Total{Signal: "s0", Bad: 0, Samples: 1e6}, fact.Total{Signal: "s1", Bad: 0, Samples: 1e6}, fact.Total{Signal: "s2", Bad: 0, Samples: 1e6})}
			}
			var with, without []fact.Event
			r.state, with = checkedStep(t, r.plan, r.state, tick)
			tick.Past = nil
			bare, without = Step(r.plan, bare, tick)
			a, b := decisions(with), decisions(without)
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("with earlier releases:\n%s\nwithout:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
			}
		}
		if a, b := Look(r.plan, r.state), Look(r.plan, bare); a.State != b.State || a.Verdict != b.Verdict || a.Held != b.Held {
			t.Fatalf("with earlier releases %v %v, without %v %v", a.State, a.Verdict, b.State, b.Verdict)
		}
	})
}

// A release that is warned of because of earlier ones runs as it would have run
// without them.
func TestWarnedByPastRunsAlike(t *testing.T) {
	with, without := pastWorld(t, .003, []fact.Past{earlier(fact.Total{Signal: "errors", Bad: 20, Samples: 100_000})}), pastWorld(t, .003, nil)
	with.run(T.Add(2 * time.Hour))
	without.run(T.Add(2 * time.Hour))
	with.want("rule high: clear => warning (baseline)")
	without.never("warning")
	if a, b := decisions(with.events), decisions(without.events); !reflect.DeepEqual(a, b) {
		t.Errorf("with earlier releases:\n%s\nwithout:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

// decisions lists events without what is only said: a rule that warns counts as
// clear.
func decisions(events []fact.Event) (list []string) {
	plain := strings.NewReplacer("warning", "clear")
	for _, e := range events {
		from, to := plain.Replace(e.From), plain.Replace(e.To)
		if from == to {
			continue
		}
		cause := e.Cause
		if e.Kind == fact.RuleEvent && (to == "clear" || to == "idle") {
			cause = 0
		}
		list = append(list, fmt.Sprintf("%v %s %s %s: %s => %s (%v)", e.At, e.Kind, e.Subject, e.Phase, from, to, cause))
	}
	return list
}

// pastWorld is a canary of 600 requests a minute, so many of a thousand of which
// fail, after the releases of past.
func pastWorld(t *testing.T, rate float64, past []fact.Past) *world {
	p := weighPlan(30 * time.Minute)
	w := newWorld(t, p)
	w.value = binomials(7, 600, func(int, int64) float64 { return rate })
	w.state, _ = checkedStep(t, p, w.state, fact.Tick{At: w.now, Past: past})
	return w
}

func earlier(totals ...fact.Total) fact.Past {
	return fact.Past{Run: "OLD", At: T.Add(-time.Hour), Totals: totals}
}

// A release that keeps its limit by far, and yet fails ten times as often as those
// before, is warned of: and it passes.
func TestWorseThanEarlierReleases(t *testing.T) {
	good := []fact.Past{
		earlier(fact.Total{Signal: "errors", Bad: 12, Samples: 60_000}), earlier(fact.Total{Signal: "other", Bad: 5, Samples: 10}), earlier(fact.Total{Signal: "errors", Bad: 8, Samples: 40_000}, fact.Total{Signal: "errors", Bad: 9, Samples: 9}),
	}
	w := pastWorld(t, .003, good)
	w.run(T.Add(2 * time.Hour))
	w.want("rule high: idle => clear", "rule high: clear => warning (baseline) measured ", "run REL: monitoring => passed")
	var warning *fact.Event
	for i := range w.events {
		if e := &w.events[i]; e.To == "warning" {
			warning = e
		}
	}
	d := warning.Evidence.Weighed
	if e := d.Past; e == nil || e.Releases != 2 || e.Bad != 20 || e.Samples != 100_000 || e.Worse < d.Bound || d.Warning >= d.Bound {
		t.Errorf("evidence %+v, past %+v", d, d.Past)
	}
	if d.Past.Looked != 3 || d.Rung != fact.WarnRung || d.Rests != rules.CauseBaseline {
		t.Errorf("it looked at %d releases and came to %q (%v)", d.Past.Looked, d.Rung, d.Rests)
	}
	if got := Look(w.plan, w.state).Phases[0].Success[0]; got.Verdict != rules.Pass || got.Evidence.Weighed.Past.Worse < d.Bound {
		t.Errorf("the success rule is %v, past %+v", got.Verdict, got.Evidence.Weighed.Past)
	}
}

func TestAsGoodAsEarlierReleases(t *testing.T) {
	w := pastWorld(t, .003, []fact.Past{earlier(fact.Total{Signal: "errors", Bad: 200, Samples: 100_000})})
	w.run(T.Add(2 * time.Hour))
	w.never("warning")
	w.want("run REL: monitoring => passed")
	got := *Look(w.plan, w.state).Rollback[0].Evidence.Weighed.Past
	if got.Worse > 0 {
		t.Errorf("a release as good as the one before is worse: %v", got.Worse)
	}
	if want := (fact.Earlier{Looked: 1, Releases: 1, Bad: 200, Samples: 100_000, Worse: got.Worse}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestNoBaselineYet(t *testing.T) {
	for _, tt := range []struct {
		name string
		past []fact.Past
		want *fact.Earlier
	}{
		{"nothing was looked for", nil, nil},
		{"none", []fact.Past{}, &fact.Earlier{}},
		{"one of other signals", []fact.Past{earlier(fact.Total{Signal: "other", Bad: 0, Samples: 9})}, &fact.Earlier{Looked: 1}},
		{"two with nothing", []fact.Past{earlier(), earlier(fact.Total{Signal: "errors", Bad: 0, Samples: 0})}, &fact.Earlier{Looked: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := pastWorld(t, .003, tt.past)
			w.run(T.Add(20 * time.Minute))
			v := Look(w.plan, w.state)
			for _, r := range []fact.RuleView{v.Rollback[0], v.Phases[0].Success[0]} {
				if e := r.Evidence.Weighed.Past; !reflect.DeepEqual(e, tt.want) {
					t.Errorf("%s: past %+v, want %+v", r.Name, e, tt.want)
				}
			}
		})
	}
}

// Where something runs beside the release, earlier releases are not asked for.
func TestConcurrentBaselineComesFirst(t *testing.T) {
	p := weighPlan(30 * time.Minute)
	p.Signals[0].Baseline = 1
	w := newWorld(t, p)
	w.value = binomials(7, 600, func(int, int64) float64 { return .003 })
	w.state, _ = checkedStep(t, p, w.state, fact.Tick{At: w.now, Past: []fact.Past{earlier(fact.Total{Signal: "errors", Bad: 1, Samples: 1e6})}})
	w.run(T.Add(20 * time.Minute))
	if r := Look(p, w.state).Rollback[0]; r.State != fact.RuleClear || r.Evidence.Weighed.Past != nil {
		t.Errorf("%s %+v", r.State, r.Evidence.Weighed.Past)
	}
}

// What a run that passes tells of itself is what its sources told it.
func TestTotals(t *testing.T) {
	totals := func(w *world) []fact.Total {
		for _, e := range w.events {
			if e.Kind == fact.RunEvent && e.To == "passed" {
				return e.Totals
			}
		}
		t.Fatalf("it did not pass:\n%s", w.lines())
		return nil
	}
	counted := func(w *world, until time.Duration) fact.Total {
		total := fact.Total{Signal: "errors"}
		for at := T; at.Before(T.Add(until)); at = at.Add(time.Minute) {
			bad, n, _ := w.value(0, at.Unix())
			total.Bad, total.Samples = total.Bad+bad, total.Samples+n
		}
		return total
	}
	t.Run("of the rollback rule, once a bucket", func(t *testing.T) {
		w := pastWorld(t, .003, nil)
		w.plan.Phases = append(w.plan.Phases, rules.Phase{Name: "all", Traffic: 1, Start: 30 * time.Minute, Window: 30 * time.Minute, Extend: time.Hour, Success: []int{0}, Rollback: []int{1}})
		w.state = Begin(w.plan)
		w.run(T.Add(2 * time.Hour))
		got := totals(w)
		passed := w.events[len(w.events)-1].At.Sub(T).Truncate(time.Minute)
		if want := counted(w, passed); len(got) != 1 || got[0].Samples < 60*600 || got[0].Samples > want.Samples || got[0].Bad > want.Bad || got[0].Signal != "errors" {
			t.Errorf("got %+v, at most %+v", got, want)
		}
	})
	t.Run("of the success rule in its phases where no rule rolls back", func(t *testing.T) {
		w := pastWorld(t, .003, nil)
		p := w.plan
		p.Phases[0].Rollback = nil
		p.Phases = append(p.Phases, p.Phases[0])
		p.Phases[1].Name, p.Phases[1].Start = "all", 40*time.Minute
		w.state = Begin(p)
		w.run(T.Add(3 * time.Hour))
		if got := totals(w); len(got) != 1 || got[0].Samples < 60*600 || got[0].Samples > 66*600 {
			t.Errorf("got %+v, want those of two windows of 30 minutes", got)
		}
	})
	for _, rate := range []float64{.003, .02} {
		t.Run(fmt.Sprintf("not of a rule in shadow, at %g", rate), func(t *testing.T) {
			w := pastWorld(t, rate, nil)
			p := w.plan
			tried := p.Rules[1]
			tried.Name, tried.Shadow = "tried", true
			first := p.Rules[0]
			first.Name, first.Shadow = "first", true
			plain := smallPlan().Rules[0]
			plain.Name, plain.When = "plain", pct("< 50 %")
			p.Rules = append(p.Rules, tried, first, plain)
			p.Rules[0].Limit, p.Rules[0].Trigger, p.Rules[1].Limit, p.Rules[1].Trigger = .05, .1, .05, .1 // those that act have nothing against it
			p.Phases[0].Success, p.Phases[0].Rollback = []int{0, 3, 4}, []int{1, 2}
			w.state = Begin(p)
			w.run(T.Add(2 * time.Hour))
			if got := totals(w); len(got) != 1 || got[0].Signal != "errors" || got[0].Samples < 30*600 {
				t.Errorf("got %+v, want what the rules that act have counted", got)
			}
			p.Phases[0].Success, p.Phases[0].Rollback = []int{3, 4}, []int{2}
			w.state, w.events, w.now = Begin(p), nil, T
			w.run(T.Add(2 * time.Hour))
			if got := totals(w); got != nil {
				t.Errorf("got %+v, and no rule that acts has counted any", got)
			}
		})
	}
	t.Run("not where a person had to decide", func(t *testing.T) {
		w := pastWorld(t, .02, nil)
		w.run(T.Add(40 * time.Minute))
		w.want("rule high: ")
		w.command(fact.Command{Kind: fact.Override, Phase: "ten", Verdict: rules.Pass})
		w.command(fact.Command{Kind: fact.Resume})
		w.run(T.Add(50 * time.Minute))
		if got := totals(w); got != nil {
			t.Errorf("got %+v, want none of a release that missed its limit", got)
		}
	})
}

// After a release at 0.1 %, one that is as good is hardly ever warned of within a
// day, and one at 5 % soon: docs/deciding.md has the table.
func TestHistoryKeepsItsPromise(t *testing.T) {
	const runs, perMinute = 300, 12
	p := judge.Pool(&rules.Signal{Name: "s", Kind: rules.Ratio}, []fact.Past{{Totals: []fact.Total{{Signal: "s", Bad: 100, Samples: 1e5}}}})
	w := &judge.Watch{Past: &p, Sig: &rules.Signal{}}
	test := evidence.NewTest(.01, .03)
	r := rand.New(rand.NewPCG(1, 2))
	warned := func(rate float64, minutes int64) (share float64) {
		for range runs {
			var z judge.Weighed
			for m := int64(0); m < minutes; m++ {
				var bad float64
				for range perMinute {
					if r.Float64() < rate {
						bad++
					}
				}
				test.Look(&z.Track, m, evidence.Minute{N: perMinute, Bad: bad}, 0)
				if w.Worse(&z) >= math.Log(100) {
					share += 1. / runs
					break
				}
			}
		}
		return share
	}
	if got := warned(.001, 1440); got > .011 {
		t.Errorf("%.1f %% of releases that are as good are warned of", 100*got)
	}
	if got := warned(.05, 6); got < .5 {
		t.Errorf("%.0f %% of releases at 5 %% are warned of within 6 minutes", 100*got)
	}
	if got := warned(.05, 16); got < .95 {
		t.Errorf("%.0f %% of releases at 5 %% are warned of within 16 minutes", 100*got)
	}
}

// A changed plan keeps what earlier releases counted of the signals that it has.
func TestAdoptPast(t *testing.T) {
	w := pastWorld(t, .003, []fact.Past{earlier(fact.Total{Signal: "errors", Bad: 200, Samples: 100_000})})
	p := *w.plan
	p.Signals = append([]rules.Signal{{Name: "new", Kind: rules.Ratio}}, p.Signals...)
	st := Adopt(w.plan, &p, w.state)
	if st.PastOf(0) != nil || st.PastOf(1) == nil || st.PastOf(1).Sum != (judge.Tally{Bad: 200, N: 100_000}) {
		t.Errorf("got %+v", st.Past)
	}
	if again := new(State); again.UnmarshalBinary(store(t, st)) != nil || !reflect.DeepEqual(again.Past, st.Past) {
		t.Errorf("stored %+v, read %+v", st.Past, again.Past)
	}
}

// Any byte of what is stored of earlier releases is refused when it is another, or
// makes a state that works.
func TestStoredPast(t *testing.T) {
	w := pastWorld(t, .003, []fact.Past{earlier(fact.Total{Signal: "errors", Bad: 20, Samples: 100_000})})
	w.run(T.Add(20 * time.Minute))
	stored := store(t, w.state)
	body := stored[:len(stored)-4]
	read := 0
	for i := len(body) - 60; i < len(body); i++ { // they are at the end
		for v := range 256 {
			b := bytes.Clone(body)
			b[i] = byte(v)
			b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
			s := new(State)
			if s.UnmarshalBinary(b) != nil {
				continue
			}
			read++
			if err := new(State).UnmarshalBinary(store(t, s)); err != nil {
				t.Fatalf("byte %d as %d: reading what was stored: %v", i, v, err)
			}
			next, _ := Step(w.plan, s, fact.Tick{At: w.now.Add(time.Minute)})
			for _, r := range Look(w.plan, next).Rollback {
				if p := r.Evidence.Weighed.Past; p != nil && !series.Finite(p.Worse) {
					t.Fatalf("byte %d as %d: past %+v", i, v, p)
				}
			}
		}
	}
	if read < 60 {
		t.Errorf("only %d were read, not even those that were not changed", read)
	}
}

// The first tick alone is asked; nil and empty differ, also in the journal.
func TestPastOfFirstTick(t *testing.T) {
	for _, past := range [][]fact.Past{nil, {}, {earlier()}} {
		raw, err := json.Marshal(fact.Tick{At: T, Past: past})
		var back fact.Tick
		if err == nil {
			err = json.Unmarshal(raw, &back)
		}
		if err != nil || (back.Past == nil) != (past == nil) || len(back.Past) != len(past) {
			t.Errorf("%v became %v by way of %s (%v)", past, back.Past, raw, err)
		}
	}
	w := pastWorld(t, .003, nil)
	w.state, _ = Step(w.plan, w.state, fact.Tick{At: w.now, Past: []fact.Past{earlier()}})
	if w.state.Past != nil {
		t.Error("a later tick brought earlier releases")
	}
}

func TestPooled(t *testing.T) {
	sig := &rules.Signal{Name: "errors", Kind: rules.Ratio}
	many := make([]fact.Past, 1000)
	for i := range many {
		many[i] = earlier(fact.Total{Signal: "errors", Bad: 1, Samples: 100})
	}
	if p := judge.Pool(sig, many[:judge.MostPast]); p.Had != judge.MostPast || p.Sum != (judge.Tally{Bad: judge.MostPast, N: 100 * judge.MostPast}) || !(p.Bound > .01 && p.Bound < .0125) {
		t.Errorf("got %+v", p)
	}
	var st State
	st.Past = judge.PoolAll(&rules.Plan{Signals: []rules.Signal{*sig}}, many)
	if st.Past[0].Looked != judge.MostPast {
		t.Errorf("looked at %d", st.Past[0].Looked)
	}
	odd := []fact.Past{earlier(fact.Total{Signal: "errors", Bad: -1, Samples: 5}), earlier(fact.Total{Signal: "errors", Bad: 6, Samples: 5}), earlier(fact.Total{Signal: "errors", Bad: math.NaN(), Samples: 5}), earlier(fact.Total{Signal: "errors", Bad: 1, Samples: math.Inf(1)})}
	if p := judge.Pool(sig, odd); p.Had != 0 || p.Looked != 4 || p.Bound != 1 {
		t.Errorf("got %+v", p)
	}
	if p := judge.Pool(&rules.Signal{Name: "errors", Kind: rules.Mean}, many); p.Had != 0 {
		t.Errorf("a mean was pooled: %+v", p)
	}
}

// A warning by earlier releases stays while they still speak against this one,
// and passes when they do not.
func TestWarningByThePastLingers(t *testing.T) {
	p := weighPlan(24 * time.Hour)
	w := newWorld(t, p)
	w.value = binomials(7, 600, func(_ int, minute int64) float64 {
		if minute < 30 {
			return .003
		}
		return 0
	})
	w.state, _ = checkedStep(t, p, w.state, fact.Tick{At: w.now, Past: []fact.Past{earlier(fact.Total{Signal: "errors", Bad: 20, Samples: 100_000})}})
	lingered := false
	for w.run(T.Add(30 * time.Minute)); w.now.Before(T.Add(20 * time.Hour)); w.now = w.now.Add(p.Interval) {
		w.tick()
		v := Look(p, w.state).Rollback[0]
		e := v.Evidence.Weighed
		lingered = lingered || v.State == fact.RuleWarning && e.Past.Worse < e.Bound && v.Cause == rules.CauseBaseline
	}
	if !lingered {
		t.Error("it never stayed below its bound")
	}
	w.want("rule high: clear => warning (baseline) measured ", "rule high: warning => clear (evidence) ")
}

// A state under a plan with more signals than its own keeps its past.
func TestPastUnderALongerPlan(t *testing.T) {
	w := pastWorld(t, .003, []fact.Past{earlier(fact.Total{Signal: "errors", Bad: 20, Samples: 100_000})})
	p := weighPlan(30 * time.Minute)
	p.Signals = append(p.Signals, p.Signals[0])
	st, _ := Step(p, w.state, fact.Tick{At: w.now})
	if len(st.Past) != len(p.Signals) || st.Past[0].Had != 1 {
		t.Errorf("got %+v", st.Past)
	}
}
