package runner_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/journal/journaltest"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/rules"
)

// TestARunGoesOnWhenTheClockIsSet: whichever way the wall clock is set, and by how
// much, ticks come, their stamps never go back, what is shown is not stale, and
// the run is decided.
func TestARunGoesOnWhenTheClockIsSet(t *testing.T) {
	type set struct {
		at int           // second after T, by the bubble's clock
		by time.Duration // how far the wall clock is set then
	}
	for name, steps := range map[string][]set{
		"back by an hour":                    {{125, -time.Hour}},
		"back by 40 s":                       {{125, -40 * time.Second}},
		"40 s ahead, then right":             {{95, 40 * time.Second}, {245, -40 * time.Second}},
		"forward by two hours":               {{125, 2 * time.Hour}},
		"back before T, by a day":            {{-20, -24 * time.Hour}},
		"an hour forward, and back again":    {{121, time.Hour}, {145, -time.Hour}},
		"back by a minute, three times over": {{100, -time.Minute}, {200, -time.Minute}, {300, -time.Minute}},
	} {
		for kind, w := range map[string]*world{"healthy": {bad: healthy}, "spike": {bad: spike}} {
			synctest.Test(t, func(t *testing.T) {
				until(-60)
				var offset atomic.Int64
				told := make(chan time.Duration, 10)
				begun := time.Now()
				clock := runner.SteadyOn(func() (time.Time, time.Duration) {
					return time.Now().Add(time.Duration(offset.Load())), time.Since(begun)
				}, func(by, _ time.Duration) { told <- by })
				l := goLive(t, new(journaltest.Memory), runner.Config{
					Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Fetcher: w, Clock: clock,
				})
				alive := func(until int) {
					t.Helper()
					for time.Since(start) < time.Duration(until)*time.Second {
						time.Sleep(10 * time.Second)
						synctest.Wait()
						if err := l.Healthy(clock.Now()); err != nil {
							t.Errorf("%s, %s, at T+%s: %v", name, kind, time.Since(start), err)
						}
						s := view(t, l.Runner, "p")
						if age := clock.Now().Sub(s.At); !evaluator.Decided(s.State) && (age > 40*time.Second || age < 0) {
							t.Errorf("%s, %s, at T+%s: the newest tick is %s old", name, kind, time.Since(start), age)
						}
					}
				}
				for _, s := range steps {
					alive(s.at - 10)
					until(s.at)
					offset.Add(int64(s.by))
				}
				alive(25 * 60)
				if got, want := view(t, l.Runner, "p").Verdict, map[string]rules.Verdict{"healthy": rules.Pass, "spike": rules.Rollback}[kind]; got != want {
					t.Errorf("%s, %s: got %s, want %s", name, kind, got, want)
				}
				if err := l.stop(); err != nil {
					t.Error(err)
				}
				if len(told) != len(steps) {
					t.Errorf("%s, %s: %d steps were told, want %d", name, kind, len(told), len(steps))
				}
				entries, err := l.j.Entries(t.Context(), "p@1", 0, -1)
				if err != nil {
					t.Fatal(err)
				}
				for i := 1; i < len(entries); i++ {
					if entries[i].Tick.At.Before(entries[i-1].Tick.At) {
						t.Errorf("%s, %s: tick %d is stamped %s, the one before %s", name, kind, i+1, entries[i].Tick.At, entries[i-1].Tick.At)
					}
				}
				replays(t, l.j, "p@1")
			})
		}
	}
}
