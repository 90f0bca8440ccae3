package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
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
		if v, _ := l.Published().Plan("q"); v.Note != "no file has this plan any more" {
			t.Errorf("of a plan that is gone and whose run is decided it is said: %s", v.Note)
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

// TestChangedWhileDown: a plan that was changed while no daemon ran is adopted
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
	if !strings.HasSuffix(err.Error(), "start the former version once and stop it gracefully") {
		t.Errorf("got %v, and a former version would not help", err)
	}
	r = newRunner(t, runner.Config{Policies: runner.Policies{Plans: p}, Journal: newer{doctored{open(t, store)}}, Fetcher: &world{bad: spike}, Clock: c})
	if err := r.Run(t.Context()); !errors.Is(err, runner.ErrDiverged) || !strings.Contains(err.Error(), "a newer relgate judged that tick: start that one") {
		t.Errorf("ticks of a newer judging: got %v", err)
	}
}

// newer is a journal whose ticks are of a newer judging.
type newer struct{ journaltest.Journal }

func (o newer) Recover(ctx context.Context, run string) (fact.Recovery, error) {
	rec, err := o.Journal.Recover(ctx, run)
	for i := range rec.Later {
		rec.Later[i].Tick.Judging = evaluator.Judging + 1
	}
	return rec, err
}

// TestUpgraded: a journal of an older judging is gone on with, whatever this version
// would have decided.
func TestUpgraded(t *testing.T) {
	store := new(journaltest.Memory)
	c := newClock(5)
	p := []*rules.Plan{plan("p", 30*time.Second)}
	r := newRunner(t, runner.Config{Policies: runner.Policies{Plans: p}, Journal: open(t, store), Fetcher: &world{bad: spike}, Clock: c})
	if err := r.Run(t.Context()); !errors.Is(err, errEnd) {
		t.Fatal(err)
	}
	r = newRunner(t, runner.Config{Policies: runner.Policies{Plans: p}, Journal: older{open(t, store)}, Fetcher: &world{bad: spike}, Clock: newClock(9)})
	if err := r.Run(t.Context()); !errors.Is(err, errEnd) {
		t.Fatalf("Run: got %v, want the end of the test", err)
	}
	anew := 0
	for _, e := range events(t, open(t, store)) {
		if strings.Contains(e, "judged_anew") {
			anew++
		}
	}
	if anew != 1 {
		t.Errorf("%d events say that the run is judged anew", anew)
	}
}

// older is a journal whose ticks are of an older judging, which did not send a message.
type older struct{ journaltest.Journal }

func (o older) Recover(ctx context.Context, run string) (fact.Recovery, error) {
	rec, err := o.Journal.Recover(ctx, run)
	for i := range rec.Later {
		k := &rec.Later[i]
		k.Tick.Judging, k.Events, k.Raw = 0, slices.Clone(k.Events), slices.Clone(k.Raw)
		for n := range k.Events {
			if e := &k.Events[n]; e.Kind == fact.CommunicationEvent {
				e.To = "skipped"
				k.Raw[n], err = json.Marshal(e)
			}
		}
	}
	return rec, err
}

// doctored is a journal in which an event was changed.
type doctored struct{ journaltest.Journal }

func (d doctored) Recover(ctx context.Context, run string) (fact.Recovery, error) {
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

// stages is a template with two phases, one after the other.
func stages() *rules.Plan {
	p := plan("p", 30*time.Second)
	p.Version, p.Start, p.Completion, p.Length = "", time.Time{}, time.Time{}, time.Hour
	second := p.Phases[0]
	second.Name, second.Start = "all", 10*time.Minute
	p.Phases = append(p.Phases, second)
	return p
}

// TestARunThatAnOverrideBringsBackIsWatched: an earlier release that failed is let
// pass by a person. Its next phase is watched from then on, without a restart, and
// by the plan as its file has it now.
func TestARunThatAnOverrideBringsBackIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		w := &world{bad: func(minute int64) float64 {
			if minute < 20 {
				return 2 // neither good enough to pass nor bad enough to roll back
			}
			return 0
		}}
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{stages()}}, Fetcher: w})
		begin := func(version string) {
			t.Helper()
			if _, err := l.StartRun(t.Context(), "p", runner.Start{Version: version}); err != nil {
				t.Fatal(err)
			}
		}
		until(0)
		begin("1")
		until(20 * 60)
		if got := view(t, l.Runner, "p").State; got != rules.Failed {
			t.Fatalf("the first release is %s, want failed", got)
		}
		begin("2")
		until(60 * 60)
		if got := view(t, l.Runner, "p"); got.Version != "2" || got.State != rules.Passed {
			t.Fatalf("version %s is %s, want 2 passed", got.Version, got.State)
		}
		edited := stages()
		edited.Rules[1].Action = "another action"
		if err := l.Reload(t.Context(), runner.Policies{Plans: []*rules.Plan{edited}}); err != nil {
			t.Fatal(err)
		}
		e, err := l.Command(t.Context(), "p", "p@1", fact.Command{ID: "1", Kind: fact.Override, Phase: "canary", Verdict: rules.Pass, By: "ann", Why: "known"})
		if err != nil || e.To != "applied" {
			t.Fatalf("override: %+v, %v", e, err)
		}
		until(61*60 + 30)
		u, ok := l.Published().Run("p@1")
		if !ok || u.Snapshot.State != rules.Monitoring || u.Plan.Rules[1].Action != "another action" {
			t.Fatalf("the run that was brought back is %+v", u)
		}
		if newest := view(t, l.Runner, "p").Version; newest != "2" {
			t.Errorf("the newest run is of version %s, want 2", newest)
		}
		until(80 * 60)
		if u, err := l.Recall(t.Context(), "p@1"); err != nil || u.Snapshot.State != rules.Passed {
			t.Errorf("it is %+v, %v; want passed", u, err)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
		replays(t, l.j, "p@1")
	})
}

// TestAReloadBesideABrokenJournalIsTakenUpLater: it is no error, because what asks
// the sources has the new plans by then.
func TestAReloadBesideABrokenJournalIsTakenUpLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		j := open(t, new(journaltest.Memory))
		var broken atomic.Bool
		l := goLive(t, nil, runner.Config{
			Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Fetcher: &world{bad: healthy},
			Journal: &journaltest.Faulty{Journal: j, Fault: func(string) journaltest.Fault {
				if broken.Load() {
					return journaltest.Failed
				}
				return journaltest.Sound
			}},
		})
		until(65)
		broken.Store(true)
		if err := l.Reload(t.Context(), runner.Policies{Plans: []*rules.Plan{longer("p")}}); err != nil {
			t.Errorf("reload: %v", err)
		}
		if l.Published().Trouble == nil {
			t.Error("nothing says that the journal cannot be written")
		}
		until(75)
		broken.Store(false)
		until(200)
		if got := view(t, l.Runner, "p").Phases[0].WindowEnd; !got.Equal(start.Add(15 * time.Minute)) {
			t.Errorf("the window ends at %s: the edit was lost", got)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
		replays(t, j, "p@1")
	})
}

// TestAPlanWhoseFileIsGoneSpeaksOfTheVersionThatItNamedLast: a question without a
// version is about the release that waits, not about the one before it.
func TestAPlanWhoseFileIsGoneSpeaksOfTheVersionThatItNamedLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Fetcher: &world{bad: healthy}})
		until(65)
		next := plan("p", 30*time.Second)
		next.Version = "2"
		for _, config := range []runner.Policies{
			{Plans: []*rules.Plan{next}}, {}, {Broken: map[string]string{"p": "p.toml has 1 problem"}},
		} {
			if err := l.Reload(t.Context(), config); err != nil {
				t.Fatal(err)
			}
			if v, _ := l.Published().Plan("p"); v == nil || v.Version != "2" || len(v.Runs) != 1 || v.Runs[0].Record.Version != "1" {
				t.Errorf("with %+v it is shown as %+v", config, v)
			}
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestAnEarlierReleaseIsNotJudgedByTheFileOfAnother: a release that an override
// brings back goes on by its own plan where the file names another version.
func TestAnEarlierReleaseIsNotJudgedByTheFileOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		of := func(version string, later time.Duration) *rules.Plan {
			p := stages()
			p.Version, p.Length = version, 0
			p.Start = start.Add(later)
			p.Completion = p.Start.Add(time.Hour)
			p.Rules[1].Action = "revert " + version
			return p
		}
		w := &world{bad: func(minute int64) float64 {
			if minute < 20 {
				return 2
			}
			return 0
		}}
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{of("1", 0)}}, Fetcher: w})
		until(20 * 60)
		second := runner.Policies{Plans: []*rules.Plan{of("2", 21*time.Minute)}}
		if err := l.Reload(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		until(60 * 60)
		if got := view(t, l.Runner, "p"); got.Version != "2" || got.State != rules.Passed {
			t.Fatalf("version %s is %s, want 2 passed", got.Version, got.State)
		}
		if e, err := l.Command(t.Context(), "p", "p@1", fact.Command{ID: "1", Kind: fact.Override, Phase: "canary", Verdict: rules.Pass, By: "ann", Why: "known"}); err != nil || e.To != "applied" {
			t.Fatalf("override: %+v, %v", e, err)
		}
		until(61*60 + 30)
		if err := l.Reload(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		v, _ := l.Published().Plan("p")
		u, ok := l.Published().Run("p@1")
		if !ok || u.Snapshot.State != rules.Monitoring || u.Plan.Rules[1].Action != "revert 1" || !u.Plan.Start.Equal(start) {
			t.Errorf("the run that was brought back is %+v", u)
		}
		if v.File != runner.FileWaiting || !strings.Contains(v.Note, "p@1") || !strings.Contains(v.Note, "version 2") {
			t.Errorf("its file is %s: %s", v.File, v.Note)
		}
		until(80 * 60)
		if v, _ := l.Published().Plan("p"); v.File != runner.FileOK {
			t.Errorf("when both are decided the file is %s: %s", v.File, v.Note)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
		replays(t, l.j, "p@1")
	})
}

// TestARunThatCannotBeginIsSaidAtAStart: not only in the log.
func TestARunThatCannotBeginIsSaidAtAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		p := plan("p", 30*time.Second)
		p.Parameters = []rules.Parameter{{Name: "lambda", Required: true}}
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{p}}, Fetcher: &world{bad: healthy}})
		synctest.Wait()
		v, _ := l.Published().Plan("p")
		if v == nil || v.File != runner.FileBroken || !strings.Contains(v.Note, "lambda") || len(v.Runs) != 0 {
			t.Errorf("shown as %+v, want broken for its parameter lambda", v)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}

// One answer of "leave me alone for an hour" does not outlive a reload or a restart.
func TestAReloadAndARestartAskAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		w := &world{bad: healthy}
		w.odd = func(r *rules.Reading) {
			if r.To >= start.Unix()+120 && r.To < start.Unix()+1200 {
				*r = rules.Reading{Signal: r.Signal, From: r.From, To: r.To, Fault: rules.Throttled, Detail: "429", RetryAt: r.To + 3000}
			}
		}
		asked := func() int { w.mu.Lock(); defer w.mu.Unlock(); return len(w.asked) }
		plans := func() runner.Policies { return runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}} }
		j := new(journaltest.Memory)
		l := goLive(t, j, runner.Config{Policies: plans(), Fetcher: w})
		until(125)
		silent := asked()
		until(305)
		if n := asked(); n != silent {
			t.Fatalf("asked %d times of a source that wants to be left alone", n-silent)
		}
		if err := l.Reload(t.Context(), plans()); err != nil {
			t.Fatal(err)
		}
		until(365)
		if n := asked(); n != silent+1 {
			t.Errorf("asked %d times within a minute of the reload, want once", n-silent)
		}
		until(425)
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
		l = goLive(t, j, runner.Config{Policies: plans(), Fetcher: w})
		until(485)
		if n := asked(); n != silent+2 {
			t.Errorf("asked %d times within a minute of the restart, want once", n-silent-1)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A push after a reload wakes a tick of its own. That one asks again, too.
func TestAPushAfterAReloadAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		w := &world{bad: healthy}
		w.odd = func(r *rules.Reading) {
			switch {
			case r.Signal == 1:
				r.Points, r.SettledUntil = nil, r.To
			case r.To >= start.Unix()+120 && r.To < start.Unix()+1200:
				*r = rules.Reading{Signal: r.Signal, From: r.From, To: r.To, Fault: rules.Throttled, Detail: "429", RetryAt: r.To + 3000}
			}
		}
		asked := func() (n int) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, a := range w.asked {
				if a.Index == 0 {
					n++
				}
			}
			return n
		}
		plans := func() runner.Policies { return runner.Policies{Plans: []*rules.Plan{pushedPlan()}} }
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: plans(), Fetcher: w})
		until(305)
		silent := asked()
		if err := l.Reload(t.Context(), plans()); err != nil {
			t.Fatal(err)
		}
		until(310)
		l.Wake(func(s *rules.Signal) bool { return s.Name == "pager" })
		until(365)
		if n := asked() - silent; n != 1 {
			t.Errorf("asked %d times within a minute of the reload, want once", n)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A run that has failed and may still be rolled back is under way: no other begins beside
// it, unless it takes its place.
func TestAnAccusedRunIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		p := stages()
		p.Rules[1].For = 20 * time.Minute
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{p}}, Fetcher: &world{bad: spike}})
		until(0)
		l.begin(t, runner.Start{Version: "1"})
		until(8 * 60)
		if e, err := l.Command(t.Context(), "p", "", fact.Command{Kind: fact.Override, Phase: "canary", Verdict: rules.Fail, By: "ada", Why: "too slow"}); err != nil || e.To != "applied" {
			t.Fatalf("override: %s, %v", e.To, err)
		}
		if s := view(t, l.Runner, "p"); s.State != rules.Failed || !s.Accused {
			t.Fatalf("the first release is %s, accused %v", s.State, s.Accused)
		}
		next := runner.Start{Version: "2", By: "ada", Why: "hotfix"}
		var refusal *runner.Refusal
		if _, err := l.StartRun(t.Context(), "p", next); !errors.As(err, &refusal) || refusal.Other != "p@1" || !strings.Contains(refusal.Text, "may still be rolled back") {
			t.Fatalf("beside an accused run: %v", err)
		}
		next.Supersede = true
		if s, err := l.StartRun(t.Context(), "p", next); err != nil || s.Record.ID != "p@2" {
			t.Fatalf("superseding: run %q, %v", s.Record.ID, err)
		}
		until(60 * 60)
		first, err := l.Recall(t.Context(), "p@1")
		if err != nil || first.Snapshot.State != rules.Superseded || !first.Snapshot.Over {
			t.Errorf("the first release is %s, over %v (%v)", first.Snapshot.State, first.Snapshot.Over, err)
		}
		l.stop()
	})
}

// An accused run that is over makes room by itself.
func TestARunBeginsOnceTheAccusedOneIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		p := stages()
		p.Rules[1].For = 20 * time.Minute
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{p}}, Fetcher: &world{bad: func(m int64) float64 {
			if m >= 3 && m < 12 {
				return 5
			}
			return 0
		}}})
		until(0)
		l.begin(t, runner.Start{Version: "1"})
		until(8 * 60)
		if _, err := l.Command(t.Context(), "p", "", fact.Command{Kind: fact.Override, Phase: "canary", Verdict: rules.Fail, By: "ada", Why: "too slow"}); err != nil {
			t.Fatal(err)
		}
		until(20 * 60)
		if s, err := l.StartRun(t.Context(), "p", runner.Start{Version: "2"}); err != nil || s.Record.ID != "p@2" {
			t.Errorf("run %q, %v", s.Record.ID, err)
		}
		l.stop()
	})
}
