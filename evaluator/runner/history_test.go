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

// weighed is a version of a plan with rules that weigh evidence, so many minutes
// later.
func weighed(version string, later int) *rules.Plan {
	p := plan("p", 30*time.Second)
	p.Version = version
	p.Start = start.Add(time.Duration(later) * time.Minute)
	p.FalseRollback, p.FalsePass, p.Communications = .01, .05, nil
	for i := range p.Rules {
		r := &p.Rules[i]
		r.Method, r.Limit, r.Trigger, r.Alpha, r.For = rules.Sequential, .01, .03, .01, 0
	}
	return p
}

// released runs versions one after the other in a journal, for half an hour each,
// each under a runner of its own.
func released(t *testing.T, store journaltest.Store, history int, w *world, plans ...*rules.Plan) {
	t.Helper()
	for _, p := range plans {
		c := &clock{now: p.Start.Add(-time.Minute), end: p.Start.Add(29 * time.Minute)}
		r := newRunner(t, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{p}}, Journal: open(t, store), Fetcher: w, Clock: c, History: history})
		if err := r.Run(t.Context()); !errors.Is(err, errEnd) {
			t.Fatalf("version %s: %v", p.Version, err)
		}
		replays(t, open(t, store), "p@"+p.Version)
	}
}

// pasts lists what the first tick of a version brought.
func pasts(t *testing.T, store journaltest.Store, version string) (first []fact.Past) {
	t.Helper()
	kept, err := open(t, store).Entries(t.Context(), "p@"+version, 0, -1)
	if err != nil || len(kept) == 0 {
		t.Fatalf("version %s: %d ticks, %v", version, len(kept), err)
	}
	for _, k := range kept[1:] {
		if k.Tick.Past != nil {
			t.Errorf("version %s: the tick at %v brings earlier releases", version, k.Tick.At)
		}
	}
	return kept[0].Tick.Past
}

func TestHistory(t *testing.T) {
	store := new(journaltest.Memory)
	w := &world{bad: func(minute int64) float64 {
		if minute%3 == 0 && minute > 60 && minute < 90 || minute > 160 && minute < 164 {
			return 1
		} else if minute >= 120 && minute < 150 {
			return 50 // version d is rolled back
		}
		return 0
	}}
	released(t, store, 2, w, weighed("a", 0), weighed("b", 30), weighed("c", 60), weighed("d", 120), weighed("e", 150))
	names := func(past []fact.Past) string {
		var list []string
		for _, p := range past {
			if len(p.Totals) != 1 || p.Totals[0].Signal != "errors" || p.Totals[0].Samples < 1000 || p.Totals[0].Samples > 1400 {
				t.Errorf("run %s has totals %v", p.Run, p.Totals)
			}
			list = append(list, fmt.Sprintf("%s with %v", strings.TrimPrefix(p.Run, "p@"), p.Totals[0].Bad))
		}
		return strings.Join(list, ", ")
	}
	for name, want := range map[string]string{"a": "", "b": "a with 0", "c": "b with 0, a with 0", "d": "c with 3, b with 0", "e": "c with 3, b with 0"} {
		if got := pasts(t, store, name); names(got) != want || got == nil {
			t.Errorf("version %s begins with %q, want %q", name, names(got), want)
		}
	}
}

// A run whose history is switched off says nothing of it.
func TestNoHistory(t *testing.T) {
	store := new(journaltest.Memory)
	released(t, store, 0, &world{bad: healthy}, weighed("a", 0), weighed("b", 30))
	if got := pasts(t, store, "b"); got != nil {
		t.Errorf("the first tick brought %v", got)
	}
	for _, s := range events(t, open(t, store)) {
		if strings.Contains(s, `"past"`) {
			t.Errorf("it says %s", s)
		}
	}
}

// TestKilledAtTheBeginning ends a run at one of its first commits: the run that
// goes on has the events of an undisturbed one, and one first tick.
func TestKilledAtTheBeginning(t *testing.T) {
	w := &world{bad: healthy}
	whole := new(journaltest.Memory)
	released(t, whole, 5, w, weighed("a", 0), weighed("z", 30))
	want := events(t, open(t, whole))
	for _, fault := range []journaltest.Fault{journaltest.Crashed, journaltest.Survived} {
		for at := 1; at <= 4; at++ {
			store := new(journaltest.Memory)
			released(t, store, 5, w, weighed("a", 0))
			p := weighed("z", 30)
			c := &clock{now: p.Start.Add(-time.Minute), end: p.Start.Add(29 * time.Minute)}
			ctx, kill := context.WithCancel(t.Context())
			commits := 0
			j := &journaltest.Faulty{Journal: open(t, store), Fault: func(method string) journaltest.Fault {
				if method != "Commit" {
					return journaltest.Sound
				}
				if commits++; commits != at {
					return journaltest.Sound
				}
				kill()
				return fault
			}}
			r := newRunner(t, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{p}}, Journal: j, Fetcher: w, Clock: c, History: 5, SnapshotEvery: 2})
			if err := r.Run(ctx); err != nil {
				t.Fatalf("Run: %v", err)
			}
			kill()
			before := len(events(t, open(t, store)))
			r = newRunner(t, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{p}}, Journal: open(t, store), Fetcher: w, Clock: c, History: 5})
			if err := r.Run(t.Context()); !errors.Is(err, errEnd) {
				t.Fatalf("Run: %v", err)
			}
			what := fmt.Sprintf("fault %d at commit %d, after %d events", fault, at, before)
			sameEvents(t, what, events(t, open(t, store)), want)
			if got := pasts(t, store, "z"); len(got) != 1 || got[0].Run != "p@a" {
				t.Errorf("%s: the first tick has %v", what, got)
			}
		}
	}
}

// unreadable is a journal that cannot tell what passed.
type unreadable struct{ journaltest.Journal }

var errUnreadable = errors.New("unreadable")

func (j unreadable) Passed(context.Context, string, string, int) ([]fact.Past, error) {
	return nil, errUnreadable
}

// A run never begins without the earlier releases that it is to be compared with.
func TestARunWaitsForItsHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		j := open(t, new(journaltest.Memory))
		l := goLive(t, nil, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{weighed("a", 0)}}, Journal: unreadable{j}, Fetcher: &world{bad: healthy}, History: 5})
		until(70)
		if p := l.Published(); !errors.Is(p.Trouble, errUnreadable) {
			t.Errorf("trouble: got %v, want %v", p.Trouble, errUnreadable)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
		if runs, err := j.Runs(t.Context(), fact.RunFilter{}); len(runs) != 0 || err != nil {
			t.Errorf("runs %v began (%v)", runs, err)
		}
	})
}
