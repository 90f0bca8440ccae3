package runner_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal/journaltest"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/rules"
)

// pushedClock lets something be pushed at times, in order, while the runner waits.
type pushedClock struct {
	*clock
	at   []time.Time
	push func(n int)
	n    int
}

func (c *pushedClock) WaitUntil(ctx context.Context, t time.Time) error {
	for c.n < len(c.at) && !c.at[c.n].After(t) {
		c.NotBefore(c.at[c.n])
		c.n++
		c.push(c.n)
		select { // the runner has heard of it, or has nothing to do earlier
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond): // of a bubble's time: when all others wait
		}
	}
	return c.clock.WaitUntil(ctx, t)
}

// set sets the time.
func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// pushedPlan has a rollback rule that names an alarm. It ticks every minute.
func pushedPlan() *rules.Plan {
	p := plan("p", time.Minute)
	p.Signals = append(p.Signals, rules.Signal{Name: "pager", Source: "am", Kind: rules.Alarm, Period: time.Minute, Every: 10 * time.Second, Keep: 1, Of: -1})
	p.Rules[1].Alarm = 1
	p.Communications = nil
	return p
}

// ticksOf lists a run's ticks off the grid of a minute, with the next one after each, and
// the signals that had been pushed to.
func ticksOf(t *testing.T, j journaltest.Journal) string {
	t.Helper()
	origin, err := j.Origin(t.Context(), "p@1")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := j.Entries(t.Context(), "p@1", origin.Seq, -1)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	after := false
	for _, k := range kept {
		off := k.Tick.At.Unix()%60 != 0
		if off || after || len(k.Tick.Woken) > 0 {
			list = append(list, strings.TrimSpace(fmt.Sprintf("%v %s", k.Tick.At.Sub(start), strings.Join(k.Tick.Woken, " "))))
		}
		after = off
	}
	return strings.Join(list, ", ")
}

// A push brings the next tick forward, once a second at most, and the grid stays where it
// is. What was not pushed brings none.
func TestAPushWakesItsRuns(t *testing.T) {
	at := func(d time.Duration) time.Time { return start.Add(d) }
	pager := func(s *rules.Signal) bool { return s.Name == "pager" }
	for _, tt := range []struct {
		name  string
		at    []time.Time
		tells func(*rules.Signal) bool
		want  string
	}{
		{"between two ticks", []time.Time{at(90*time.Second + 300*time.Millisecond)}, pager, "1m31s pager, 2m0s"},
		{"in the second of a tick", []time.Time{at(2*time.Minute + 100*time.Millisecond)}, pager, "2m1s pager, 3m0s"},
		{"at the instant of a tick", []time.Time{at(2 * time.Minute)}, pager, "2m1s pager, 3m0s"},
		{"just before a tick", []time.Time{at(2*time.Minute - 100*time.Millisecond)}, pager, "2m0s pager"},
		{"twice in a second", []time.Time{at(90*time.Second + 100*time.Millisecond), at(90*time.Second + 800*time.Millisecond)}, pager, "1m31s pager, 2m0s"},
		{"in two seconds", []time.Time{at(90*time.Second + 100*time.Millisecond), at(91*time.Second + 800*time.Millisecond)}, pager, "1m31s pager, 1m32s pager, 2m0s"},
		{"a heartbeat", []time.Time{at(90*time.Second + 300*time.Millisecond)}, func(*rules.Signal) bool { return false }, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			j := open(t, new(journaltest.Memory))
			c := &pushedClock{clock: newClock(4), at: tt.at}
			w := &world{bad: healthy}
			w.odd = func(r *rules.Reading) {
				if r.Signal == 1 {
					r.Points, r.SettledUntil = nil, r.To
				}
			}
			r := newRunner(t, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{pushedPlan()}}, Journal: j, Fetcher: w, Clock: c})
			c.push = func(int) { r.Wake(tt.tells) }
			if err := r.Run(t.Context()); !errors.Is(err, errEnd) {
				t.Fatalf("%s: Run: %v", tt.name, err)
			}
			if got := ticksOf(t, j); got != tt.want {
				t.Errorf("%s: ticks at %s, want %s", tt.name, got, tt.want)
			}
			replays(t, j, "p@1")
		})
	}
}

// A push while the sources are asked is read by a tick soon after.
func TestAPushDuringATick(t *testing.T) {
	j := open(t, new(journaltest.Memory))
	c := newClock(4)
	w := &world{bad: healthy}
	var r *runner.Runner
	w.hook = func(ctx context.Context, now time.Time) {
		if now.Equal(start.Add(2 * time.Minute)) {
			c.set(now.Add(-500 * time.Millisecond)) // it came just before, and is heard of now
			r.Wake(func(s *rules.Signal) bool { return s.Name == "pager" })
			c.set(now)
			// The loop takes what it is told while it waits: a command shows that it has.
			_, _ = r.Command(ctx, "p", "", fact.Command{Kind: fact.Resume, By: "ann", Why: "it is refused"})
		}
	}
	r = newRunner(t, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{pushedPlan()}}, Journal: j, Fetcher: w, Clock: c})
	if err := r.Run(t.Context()); !errors.Is(err, errEnd) {
		t.Fatalf("Run: %v", err)
	}
	if got, want := ticksOf(t, j), "2m1s pager, 3m0s"; got != want {
		t.Errorf("ticks at %s, want %s", got, want)
	}
	replays(t, j, "p@1")
}

// The alarm is on: by the tick that the push brought the run is rolled back, once, and a
// restart before that tick changes nothing of it but the time.
func TestAPushedAlarmRollsBackAtOnce(t *testing.T) {
	pushed := start.Add(3*time.Minute + 20*time.Second)
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store := new(journaltest.Memory)
			w := &world{bad: healthy}
			c := &pushedClock{clock: newClock(8), at: []time.Time{pushed}}
			w.odd = func(r *rules.Reading) {
				if r.Signal != 1 {
					return
				}
				r.Points, r.SettledUntil = nil, r.To
				for at := r.From / 60 * 60; at < r.To; at += 60 {
					on := !c.Now().Before(pushed) && at+60 > pushed.Unix()
					r.Points = append(r.Points, rules.Point{At: at, Value: map[bool]float64{true: 1}[on], Samples: 1})
				}
			}
			j := open(t, store)
			ctx, stop := context.WithCancel(t.Context())
			var r *runner.Runner
			c.push = func(int) {
				if restart {
					stop()
					return
				}
				r.Wake(func(s *rules.Signal) bool { return s.Name == "pager" })
			}
			config := runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{pushedPlan()}}, Journal: j, Fetcher: w, Clock: c}
			r = newRunner(t, config)
			err := r.Run(ctx)
			want := "3m21s"
			if restart {
				config.Journal = open(t, store)
				j = config.Journal.(journaltest.Journal)
				err, want = newRunner(t, config).Run(t.Context()), "4m0s"
			}
			stop()
			if !errors.Is(err, errEnd) {
				t.Fatalf("Run: %v", err)
			}
			var orders []string
			stored, err := j.Events(t.Context(), "p@1", 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range stored {
				if e.Event.To == "rolled_back" && e.Event.Kind == fact.RunEvent || e.Event.To == "fired" {
					orders = append(orders, string(e.Event.Kind)+" "+e.Event.At.Sub(start).String())
				}
			}
			if got := strings.Join(orders, ", "); got != "rule "+want+", run "+want {
				t.Errorf("restart %t: got %s, want one order at %s", restart, got, want)
			}
			replays(t, j, "p@1")
		})
	}
}
