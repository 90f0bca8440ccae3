package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/journal/journaltest"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/rules"
)

// longer is the plan with a longer window and one more message.
func longer(name string) *rules.Plan {
	p := plan(name, 30*time.Second)
	p.Phases[0].Window = 15 * time.Minute
	p.Communications = append(p.Communications, rules.Communication{Name: "more", At: 12 * time.Minute, Channel: "#ops"})
	return p
}

func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		l := goLive(t, new(journaltest.Memory), runner.Config{
			Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second), plan("q", 30*time.Second)}}, Fetcher: &world{bad: healthy},
		})
		until(305)
		if err := l.Reload(t.Context(), runner.Policies{Plans: []*rules.Plan{longer("p"), plan("r", time.Minute)}}); err != nil {
			t.Fatal(err)
		}
		pub := l.Published()
		var got []string
		for _, v := range pub.Plans {
			got = append(got, v.Name+" "+string(v.File))
		}
		if want := []string{"p ok", "r ok", "q gone"}; !slices.Equal(got, want) {
			t.Errorf("published %q, want %q", got, want)
		}
		if got := view(t, l.Runner, "p"); !got.Phases[0].WindowEnd.Equal(start.Add(15*time.Minute)) || got.Phases[0].State != rules.Monitoring {
			t.Errorf("phase after the change: %+v", got.Phases[0])
		}
		until(20 * 60)
		for _, name := range []string{"p", "q", "r"} { // the run of q goes on by the plan in the journal
			if got := view(t, l.Runner, name); got.Verdict != rules.Pass {
				t.Errorf("plan %q: got %s (%s), want pass", name, got.Verdict, got.Why.Code)
			}
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
		if got := said(t, l.j); !slices.Contains(got, "communication more:  => due") && !strings.Contains(strings.Join(got, "\n"), "communication more") {
			t.Errorf("the message of the changed plan is missing: %q", got)
		}
		for name, want := range map[string]int{"p": 37, "q": 26, "r": 8} {
			if got := replays(t, l.j, name+"@1"); got != want {
				t.Errorf("plan %q: got %d ticks, want %d", name, got, want)
			}
		}
	})
}

// TestReloadDuringFetch: readings belong to the plan that asked for them.
func TestReloadDuringFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		w := &world{bad: healthy, hook: func(context.Context, time.Time) { time.Sleep(3 * time.Second) }}
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Fetcher: w})
		until(61)
		if err := l.Reload(t.Context(), runner.Policies{Plans: []*rules.Plan{longer("p")}}); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != 63*time.Second {
			t.Errorf("changed at T+%s, want after the fetch at T+63s", got)
		}
		until(100)
		if err := l.stop(); err != nil {
			t.Error(err)
		}
		replays(t, l.j, "p@1")
	})
}

func TestReloadRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Fetcher: &world{bad: healthy}})
		synctest.Wait()
		for name, plans := range map[string][]*rules.Plan{
			"twice":       {plan("p", time.Minute), plan("p", time.Minute)},
			"no interval": {plan("p", 0)},
			"half second": {plan("p", 1500*time.Millisecond)},
		} {
			if err := l.Reload(t.Context(), runner.Policies{Plans: plans}); err == nil {
				t.Errorf("%s: taken", name)
			}
		}
		if got := view(t, l.Runner, "p").Interval; got != 30*time.Second {
			t.Errorf("interval %s: a refused plan is in force", got)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestChangedWhileDown: a plan that was changed while nobody ran it is adopted
// by the next start, and the journal can be replayed through the change. A crash
// at any commit of the start changes nothing.
func TestChangedWhileDown(t *testing.T) {
	var want []string
	for at := range 4 {
		store := new(journaltest.Memory)
		c := newClock(5)
		w := &world{bad: healthy}
		first := newRunner(t, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Journal: open(t, store), Fetcher: w, Clock: c})
		if err := first.Run(t.Context()); !errors.Is(err, errEnd) {
			t.Fatal(err)
		}
		c.end = start.Add(20 * time.Minute)
		for range 2 {
			ctx, kill := context.WithCancel(t.Context())
			commits := 0
			j := &journaltest.Faulty{Journal: open(t, store), Fault: func(method string) journaltest.Fault {
				if method != "Commit" {
					return journaltest.Sound
				}
				if commits++; commits == at {
					at = 0
					kill()
					return journaltest.Survived
				}
				return journaltest.Sound
			}}
			r := newRunner(t, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{longer("p")}}, Journal: j, Fetcher: w, Clock: c})
			err := r.Run(ctx)
			kill()
			if errors.Is(err, errEnd) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		j := open(t, store)
		replays(t, j, "p@1")
		if want == nil {
			want = events(t, j)
		}
		sameEvents(t, "changed while down", events(t, j), want)
	}
}

// TestDiverged: a journal whose ticks decide otherwise today is not gone on with.
func TestDiverged(t *testing.T) {
	store := new(journaltest.Memory)
	c := newClock(5)
	p := []*rules.Plan{plan("p", 30*time.Second)}
	r := newRunner(t, runner.Config{Policies: runner.Policies{Plans: p}, Journal: open(t, store), Fetcher: &world{bad: spike}, Clock: c})
	if err := r.Run(t.Context()); !errors.Is(err, errEnd) {
		t.Fatal(err)
	}
	r = newRunner(t, runner.Config{Policies: runner.Policies{Plans: p}, Journal: doctored{open(t, store)}, Fetcher: &world{bad: spike}, Clock: c})
	err := r.Run(t.Context())
	if !errors.Is(err, runner.ErrDiverged) {
		t.Fatalf("Run: got %v, want ErrDiverged", err)
	}
	if len(r.Published().Plans) != 0 {
		t.Error("something was published of a run that is in doubt")
	}
}

// doctored is a journal in which an event was changed.
type doctored struct{ journaltest.Journal }

func (d doctored) Recover(ctx context.Context, run string) (evaluator.Recovery, error) {
	rec, err := d.Journal.Recover(ctx, run)
	for i := range rec.Later {
		if len(rec.Later[i].Events) == 0 {
			continue
		}
		k := &rec.Later[i]
		k.Events, k.Raw = slices.Clone(k.Events), slices.Clone(k.Raw)
		k.Events[0].To = "passed"
		k.Raw[0], err = json.Marshal(&k.Events[0])
		return rec, err
	}
	return rec, err
}
