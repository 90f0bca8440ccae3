package runner_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal/journaltest"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/rules"
)

// live runs a runner on the bubble's clock until the test ends or stops it.
type live struct {
	*runner.Runner
	j    journaltest.Journal
	stop func() error // ends the run and gives its error
}

func goLive(t *testing.T, store journaltest.Store, c runner.Config) live {
	t.Helper()
	var l live
	if c.Journal == nil {
		l.j = open(t, store)
		c.Journal = l.j
	}
	l.Runner = newRunner(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	l.stop = func() error { cancel(); return <-done }
	return l
}

// until sleeps in the bubble to a second after T.
func until(second int) {
	time.Sleep(time.Until(start.Add(time.Duration(second) * time.Second)))
	synctest.Wait()
}

func hold(id string) fact.Command {
	return fact.Command{ID: id, Kind: fact.Hold, By: "ann", Why: "lunch"}
}

// TestCommandBetweenTicks: a command is durable and visible when it is answered.
func TestCommandBetweenTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Fetcher: &world{bad: healthy}})
		until(70)
		watch := l.Watch()
		e, err := l.Command(t.Context(), "p", "", hold("1"))
		if err != nil || e.Kind != fact.CommandEvent || e.To != "applied" || e.By != "ann" || !e.At.Equal(start.Add(70*time.Second)) {
			t.Errorf("got %+v, %v", e, err)
		}
		select {
		case <-watch:
		default:
			t.Error("those who watch were not woken")
		}
		if !view(t, l.Runner, "p").Held {
			t.Error("the answer came before the run was seen to be held")
		}
		if got := said(t, l.j); !slices.Contains(got, "command hold:  => applied") {
			t.Errorf("the journal has %q", got)
		}
		e, err = l.Command(t.Context(), "p", "", hold("1"))
		if err != nil || e.To != "applied" || e.ID != "" || e.Why.Code != fact.WhyAppliedEarlier {
			t.Errorf("a repeated command: got %+v, %v", e, err)
		}
		e, err = l.Command(t.Context(), "p", "", fact.Command{ID: "2", Kind: fact.Hold})
		if err != nil || e.To != "refused" {
			t.Errorf("a command without an author: got %+v, %v; want it refused", e, err)
		}
		if _, err := l.Command(t.Context(), "q", "", hold("1")); !errors.Is(err, runner.ErrUnknownPlan) {
			t.Errorf("unknown plan: got %v", err)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
		if _, err := l.Command(t.Context(), "p", "", hold("3")); !errors.Is(err, runner.ErrStopped) {
			t.Errorf("after the end: got %v", err)
		}
		replays(t, l.j, "p@1")
		if got := l.Stats().Commands; got != 3 {
			t.Errorf("counted %d commands, want 3", got)
		}
	})
}

// TestCommandDuringFetch: a source that hangs delays no command, and the tick
// that it belongs to is not older than the command's.
func TestCommandDuringFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		w := &world{bad: healthy, hook: func(ctx context.Context, now time.Time) {
			if now.Equal(start.Add(time.Minute)) {
				<-ctx.Done() // it hangs until its deadline, 24 s
			}
		}}
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Fetcher: w})
		until(65)
		asked := time.Now()
		if e, err := l.Command(t.Context(), "p", "", hold("1")); err != nil || e.To != "applied" {
			t.Errorf("got %+v, %v", e, err)
		}
		if took := time.Since(asked); took != 0 {
			t.Errorf("the command waited %s for a source", took)
		}
		until(119)
		if got := view(t, l.Runner, "p").At; !got.Equal(start.Add(90 * time.Second)) {
			t.Errorf("newest tick: got %s, want T+90s", got)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
		replays(t, l.j, "p@1")
		kept, err := l.j.Entries(t.Context(), "p@1", 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(kept); i++ {
			if kept[i].Tick.At.Before(kept[i-1].Tick.At) {
				t.Errorf("tick %d at %s comes after one at %s", i, kept[i].Tick.At, kept[i-1].Tick.At)
			}
		}
	})
}

// TestStopDuringFetch: the end does not wait for a source, and the tick that was
// cut short never happened.
func TestStopDuringFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		w := &world{bad: healthy, hook: func(ctx context.Context, now time.Time) {
			if !now.Before(start) {
				<-ctx.Done()
			}
		}}
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Fetcher: w})
		until(5)
		began := time.Now()
		if err := l.stop(); err != nil || time.Since(began) != 0 {
			t.Errorf("stopping took %s and gave %v", time.Since(began), err)
		}
		if got := replays(t, l.j, "p@1"); got != 3 {
			t.Errorf("got %d ticks, want the first one and the two before T", got)
		}
	})
}

// TestStopAtTheStart: a supervisor may stop what has not read its journal yet. That is an
// end like any other.
func TestStopAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRunner(t, runner.Config{
			Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Fetcher: &world{bad: healthy},
			Journal: interrupted{open(t, new(journaltest.Memory))},
		})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Run(ctx); err != nil {
			t.Errorf("stopped at once, it gave %v", err)
		}
	})
}

// interrupted is a journal as a database driver makes it: a query ends with its context.
type interrupted struct{ runner.Journal }

func (j interrupted) Runs(ctx context.Context, f fact.RunFilter) ([]fact.RunRecord, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("reading runs: %w", err)
	}
	return j.Journal.Runs(ctx, f)
}

// TestCommandNotCommitted: what the journal did not take is told to the sender, is
// not seen, and the runner goes on from what the journal has.
func TestCommandNotCommitted(t *testing.T) {
	for _, fault := range []journaltest.Fault{journaltest.Failed, journaltest.Happened} {
		synctest.Test(t, func(t *testing.T) {
			until(-60)
			store := new(journaltest.Memory)
			var broken atomic.Bool
			j := &journaltest.Faulty{Journal: open(t, store), Fault: func(string) journaltest.Fault {
				if broken.Load() {
					return fault
				}
				return journaltest.Sound
			}}
			l := goLive(t, store, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Fetcher: &world{bad: healthy}, Journal: j})
			until(70)
			broken.Store(true)
			if _, err := l.Command(t.Context(), "p", "", hold("1")); !errors.Is(err, runner.ErrJournal) || !errors.Is(err, journaltest.ErrInjected) {
				t.Errorf("Command: got %v, want the journal's error", err)
			}
			synctest.Wait()
			if view(t, l.Runner, "p").Held {
				t.Error("what the journal did not take was published")
			}
			if err := l.Ready(); !errors.Is(err, runner.ErrJournal) || l.Published().Trouble == nil {
				t.Errorf("ready: got %v, trouble %v", err, l.Published().Trouble)
			}
			if err := l.Healthy(time.Now().Add(time.Hour)); err != nil {
				t.Errorf("a restart would not mend the journal, and healthy says %v", err)
			}
			if _, err := l.Command(t.Context(), "p", "", hold("2")); !errors.Is(err, runner.ErrJournal) {
				t.Errorf("a command meanwhile: got %v", err)
			}
			until(100)
			broken.Store(false)
			until(200)
			if err := l.Ready(); err != nil || l.Published().Trouble != nil {
				t.Errorf("after the journal came back: %v, trouble %v", err, l.Published().Trouble)
			}
			if got, want := view(t, l.Runner, "p").Held, fault == journaltest.Happened; got != want {
				t.Errorf("after the journal came back: held %t, want %t", got, want)
			}
			if got := view(t, l.Runner, "p").At; got.Before(start.Add(150 * time.Second)) {
				t.Errorf("it does not tick any more: newest at %s", got)
			}
			if err := l.stop(); err != nil {
				t.Error(err)
			}
			replays(t, j.Journal, "p@1")
		})
	}
}

func TestHealthyAndReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		w := &world{bad: healthy, hook: func(ctx context.Context, now time.Time) { time.Sleep(5 * time.Second) }}
		late := plan("p", 30*time.Second)
		late.Start = start.Add(-time.Minute) // it asks from its first tick on
		store := new(journaltest.Memory)
		l := goLive(t, store, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{late}}, Fetcher: w})
		synctest.Wait()
		if err := l.Ready(); err == nil {
			t.Error("ready before any source has answered")
		}
		if err := l.Healthy(time.Now()); err != nil {
			t.Errorf("not healthy at the start: %v", err)
		}
		until(6)
		if err := l.Ready(); err != nil {
			t.Errorf("not ready after the first tick: %v", err)
		}
		if err := l.Healthy(time.Now().Add(80 * time.Second)); err != nil {
			t.Errorf("not healthy within three intervals: %v", err)
		}
		if err := l.Healthy(time.Now().Add(5 * time.Minute)); err == nil {
			t.Error("healthy though the newest tick is older than three intervals")
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
		if err := l.Healthy(time.Now()); !errors.Is(err, runner.ErrStopped) {
			t.Errorf("healthy after the end: %v", err)
		}
		again := goLive(t, store, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{late}}, Fetcher: w})
		synctest.Wait()
		if err := again.Ready(); err != nil {
			t.Errorf("a run that was recovered is not ready: %v", err)
		}
		if err := again.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A release that begins does not take the daemon out of a load balancer: it is ready
// for the others, and the gates of that one are closed.
func TestARunThatBeginsLaterLeavesItReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		slow := &world{bad: healthy, hook: func(context.Context, time.Time) { time.Sleep(5 * time.Second) }}
		template := plan("p", 30*time.Second)
		template.Version, template.Start = "", time.Time{}
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{template, plan("q", 30*time.Second)}}, Fetcher: slow})
		until(70)
		if err := l.Ready(); err != nil {
			t.Fatal(err)
		}
		l.begin(t, runner.Start{Version: "1"})
		if u, ok := l.Published().Run("p@1"); !ok || u.Record.Seq != 1 {
			t.Fatalf("the run is %+v, want one that has only begun", u)
		}
		if err := l.Ready(); err != nil {
			t.Errorf("a run that begins: %v", err)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A run that a file begins is waited for at the start: else it would be ready, and then
// not.
func TestItIsReadyOnlyOnceTheRunsOfItsFilesHaveBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		var r *runner.Runner
		commits, ready := 0, false
		j := &journaltest.Faulty{Journal: open(t, new(journaltest.Memory)), Fault: func(method string) journaltest.Fault {
			if method == "Commit" {
				commits++
				ready = ready || commits == 1 && r.Ready() == nil
			}
			return journaltest.Sound
		}}
		r = newRunner(t, runner.Config{Journal: j, Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Fetcher: &world{bad: healthy}})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		synctest.Wait()
		if commits == 0 || ready {
			t.Errorf("%d commits, ready before the first: %v; want a run that has begun, and not ready before", commits, ready)
		}
		if err := r.Ready(); err != nil {
			t.Errorf("not ready after its tick: %v", err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
