package runner_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal/journaltest"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/rules"
)

func TestRunsToItsEnd(t *testing.T) {
	for _, c := range []struct {
		name  string
		bad   func(int64) float64
		want  rules.Verdict
		ticks uint64
	}{
		{"healthy", healthy, rules.Pass, 26},
		{"spike", spike, rules.Rollback, 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := open(t, journaltest.NewFile(t))
			r := newRunner(t, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Journal: j, Fetcher: &world{bad: c.bad}, Clock: newClock(20)})
			if err := r.Run(t.Context()); !errors.Is(err, errEnd) {
				t.Fatalf("Run: %v", err)
			}
			if got := view(t, r, "p").Verdict; got != c.want {
				t.Errorf("verdict: got %s, want %s; events:\n%q", got, c.want, said(t, j))
			}
			if got := uint64(replays(t, j, "p@1")); got != c.ticks {
				t.Errorf("got %d ticks, want %d: a decided run gets no more", got, c.ticks)
			}
			if s := r.Stats(); s.Ticks != c.ticks || s.Missed != 0 || s.Commit.Count != c.ticks || s.Evaluate.Count != c.ticks || len(s.Events) == 0 {
				t.Errorf("stats: %+v", s)
			}
			if err := j.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCrashes lets every commit fail in every way. After a fault that the process
// outlives the run goes on by itself, after a crash it is started again; either
// way the events are those of the undisturbed run.
func TestCrashes(t *testing.T) {
	const minutes = 14
	faults := map[string]journaltest.Fault{
		"failed": journaltest.Failed, "failed but happened": journaltest.Happened,
		"crashed before": journaltest.Crashed, "crashed after": journaltest.Survived,
	}
	for world, w := range map[string]*world{"healthy": {bad: healthy}, "spike": {bad: spike}} {
		want := undisturbed(t, w, minutes, plan("p", 30*time.Second))
		for name, fault := range faults {
			for _, every := range []int{1, 3, 100} {
				for at := 1; at <= minutes; at++ {
					synctest.Test(t, func(t *testing.T) {
						m := &crash{store: new(journaltest.Memory), world: w, clock: newClock(minutes), every: every}
						if !m.run(t, fault, at) {
							m.run(t, journaltest.Sound, 0)
						}
						sameEvents(t, world+", "+name, events(t, open(t, m.store)), want)
					})
					if t.Failed() {
						t.Fatalf("%s, %s at commit %d, a state every %d ticks", world, name, at, every)
					}
				}
			}
		}
	}
}

// crash is a store that runners use one after the other.
type crash struct {
	store journaltest.Store
	world *world
	clock *clock
	every int
}

// run runs to the end of time, and lets the commit number at meet its fault. It
// reports whether the end was reached: a crash ends the process.
func (c *crash) run(t *testing.T, fault journaltest.Fault, at int) bool {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	commits := 0
	j := &journaltest.Faulty{Journal: open(t, c.store), Fault: func(method string) journaltest.Fault {
		if method != "Commit" {
			return journaltest.Sound
		}
		if commits++; commits != at {
			return journaltest.Sound
		}
		if fault == journaltest.Crashed || fault == journaltest.Survived {
			kill()
		}
		return fault
	}}
	r := newRunner(t, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Journal: j, Fetcher: c.world, Clock: c.clock, SnapshotEvery: c.every})
	err := r.Run(ctx)
	if err != nil && !errors.Is(err, errEnd) {
		t.Errorf("Run: %v", err)
	}
	return err != nil
}

// TestRestartAtEveryTick stops gracefully after every single tick.
func TestRestartAtEveryTick(t *testing.T) {
	restartAtEveryTick(t, &world{bad: spike}, plan("p", 30*time.Second))
}

// The same of a run whose second phase begins by the share that is seen, which is another
// than planned later and holds the run.
func TestRestartAtEveryTickWithAShare(t *testing.T) {
	p := plan("p", 30*time.Second)
	p.Signals = append(p.Signals, rules.Signal{Name: "share", Source: "s", Kind: rules.Gauge, Unit: rules.Percent, Period: time.Minute, Every: time.Minute, Keep: 30, Of: -1})
	half := p.Phases[0]
	half.Name, half.Traffic, half.Advance = "half", .5, rules.Observed
	p.Phases[0].Traffic = .1
	p.Phases = append(p.Phases, half)
	for k := range p.Phases {
		p.Phases[k].Observe, p.Phases[k].OnMismatch, p.Phases[k].MismatchFor = "share", rules.HoldOnIt, 2*time.Minute
	}
	w := &world{bad: healthy, odd: func(r *rules.Reading) {
		for i := range r.Points {
			if minute := (r.Points[i].At - start.Unix()) / 60; r.Signal == 1 {
				r.Points[i].Value = []float64{.1, .5, .3}[min(max(minute, 0)/3, 2)]
			}
		}
	}}
	events := strings.Join(restartAtEveryTick(t, w, p), "\n")
	for _, code := range []fact.Code{fact.WhyStartedByShare, fact.WhyShareDiffers, fact.WhyHeldByMismatch} {
		if !strings.Contains(events, `"code":"`+string(code)+`"`) {
			t.Errorf("nothing was %s:\n%s", code, events)
		}
	}
}

// restartAtEveryTick compares a run under restarts with one that is left alone, and gives
// its events.
func restartAtEveryTick(t *testing.T, w *world, p *rules.Plan) []string {
	t.Helper()
	const minutes = 14
	want := undisturbed(t, w, minutes, p)
	store := new(journaltest.Memory)
	c := newClock(minutes)
	for restarts := 0; ; restarts++ {
		j := open(t, store)
		ctx, cancel := context.WithCancel(t.Context())
		stop := &journaltest.Faulty{Journal: j, Fault: func(method string) journaltest.Fault {
			if method == "Commit" {
				cancel()
			}
			return journaltest.Sound
		}}
		r := newRunner(t, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{p}}, Journal: stop, Fetcher: w, Clock: c})
		err := r.Run(ctx)
		cancel()
		if errors.Is(err, errEnd) {
			if restarts < 15 {
				t.Fatalf("only %d restarts", restarts)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := j.Recover(t.Context(), "p"); err != nil || len(got.Later) != 0 {
			t.Fatalf("a graceful end left %d ticks to be run again (%v)", len(got.Later), err)
		}
	}
	sameEvents(t, "restarted at every tick", events(t, open(t, store)), want)
	return want
}

// TestMissedRange lets the daemon be down for five minutes: it must decide as if
// it had been there, later.
func TestMissedRange(t *testing.T) {
	store := new(journaltest.Memory)
	c := newClock(5)
	w := &world{bad: spike}
	p := []*rules.Plan{plan("p", 30*time.Second)}
	for range 2 {
		r := newRunner(t, runner.Config{Policies: runner.Policies{Plans: p}, Journal: open(t, store), Fetcher: w, Clock: c})
		if err := r.Run(t.Context()); !errors.Is(err, errEnd) {
			t.Fatalf("Run: %v", err)
		}
		c.now, c.end = start.Add(10*time.Minute), start.Add(12*time.Minute)
		if r.Stats().Missed != 0 {
			if got := view(t, r, "p"); got.Verdict != rules.Rollback {
				t.Errorf("verdict after the outage: got %s (%s), want rollback", got.Verdict, got.Why.Code)
			}
			if got := r.Stats().Missed; got != 9 {
				t.Errorf("missed: got %d, want 9", got)
			}
			return
		}
	}
	t.Error("no slot was missed")
}

func TestPlansOfDifferentPace(t *testing.T) {
	j := open(t, new(journaltest.Memory))
	plans := []*rules.Plan{plan("fast", 30*time.Second), plan("slow", 2*time.Minute)}
	r := newRunner(t, runner.Config{Policies: runner.Policies{Plans: plans}, Journal: j, Fetcher: &world{bad: healthy}, Clock: newClock(19)})
	if err := r.Run(t.Context()); !errors.Is(err, errEnd) {
		t.Fatalf("Run: %v", err)
	}
	fast, err := j.Entries(t.Context(), "fast@1", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	slow, err := j.Entries(t.Context(), "slow@1", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	together := 0
	for i, s := range slow {
		if i > 1 && s.Tick.At.Unix()%120 != 0 { // the first two are the beginning and the slot that it lies in
			t.Errorf("slow ticked at %s, off its grid", s.Tick.At)
		}
		together += len(slices.DeleteFunc(slices.Clone(fast), func(f kept) bool { return f.Seq != s.Seq }))
	}
	if len(fast) != 26 || len(slow) != 9 || together != 9 {
		t.Errorf("got %d fast and %d slow ticks, %d in one batch; want 26, 9 and 9", len(fast), len(slow), together)
	}
	for _, name := range []string{"fast", "slow"} {
		if got := view(t, r, name).Verdict; got != rules.Pass {
			t.Errorf("plan %q: got %s, want pass", name, got)
		}
	}
}

// TestOddReadings sends what JSON cannot hold. The run must go on, never pass on
// it, and be the same when it is read back.
func TestOddReadings(t *testing.T) {
	for name, odd := range map[string]func(*rules.Reading){
		"NaN":            func(r *rules.Reading) { setAll(r, nan, 100) },
		"infinite":       func(r *rules.Reading) { setAll(r, 0, 1/zero) },
		"invalid UTF-8":  func(r *rules.Reading) { r.Fault, r.Detail, r.Points = rules.Unavailable, "\xff\xfe", nil },
		"another signal": func(r *rules.Reading) { r.Signal, r.Points = 77, nil },
	} {
		t.Run(name, func(t *testing.T) {
			j := open(t, journaltest.NewFile(t))
			r := newRunner(t, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Journal: j, Fetcher: &world{bad: healthy, odd: odd}, Clock: newClock(20)})
			if err := r.Run(t.Context()); !errors.Is(err, errEnd) {
				t.Fatalf("Run: %v", err)
			}
			replays(t, j, "p@1")
			if got := view(t, r, "p").Verdict; got == rules.Pass {
				t.Error("it passed without data")
			}
		})
	}
}

func TestNoAnswers(t *testing.T) {
	j := open(t, new(journaltest.Memory))
	r := newRunner(t, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Journal: j, Fetcher: mute{}, Clock: newClock(20)})
	if err := r.Run(t.Context()); !errors.Is(err, errEnd) {
		t.Fatalf("Run: %v", err)
	}
	if got := view(t, r, "p"); got.Verdict != rules.Unknown || got.Signals[0].Fault != rules.Unavailable {
		t.Errorf("got %s, signal %s; want unknown and unavailable", got.Verdict, got.Signals[0].Fault)
	}
}

// TestARunThatWasOnlyBegunIsWatchedFromThatSlotOn ends the process between the tick
// that begins a run and the next: what is asked first, and when, stays the same.
func TestARunThatWasOnlyBegunIsWatchedFromThatSlotOn(t *testing.T) {
	store, c := new(journaltest.Memory), newClock(3)
	var asked []time.Time
	fetch := fetcher(func(now time.Time) { asked = append(asked, now) })
	ctx, stop := context.WithCancel(t.Context())
	begun := &journaltest.Faulty{Journal: open(t, store), Fault: func(method string) journaltest.Fault {
		if method == "Commit" {
			stop()
		}
		return journaltest.Sound
	}}
	config := runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Journal: begun, Fetcher: fetch, Clock: c}
	if err := newRunner(t, config).Run(ctx); err != nil || len(asked) != 0 {
		t.Fatalf("Run: %v, asked %d times before the end", err, len(asked))
	}
	config.Journal = open(t, store)
	if err := newRunner(t, config).Run(t.Context()); !errors.Is(err, errEnd) {
		t.Fatalf("Run: %v", err)
	}
	if want := start.Add(-time.Minute); len(asked) == 0 || !asked[0].Equal(want) {
		t.Errorf("first asked at %v, want %v, when the run began", asked[:min(1, len(asked))], want)
	}
}

// fetcher is told when the sources are asked, and answers nothing.
type fetcher func(now time.Time)

func (f fetcher) Fetch(_ context.Context, now time.Time, _ []runner.Want) []rules.Reading {
	f(now)
	return nil
}
