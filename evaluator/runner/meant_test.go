package runner_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal/journaltest"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/rules"
)

func (l *live) begin(t *testing.T, s runner.Start) {
	t.Helper()
	if _, err := l.StartRun(t.Context(), "p", s); err != nil {
		t.Fatalf("StartRun(%+v): %v", s, err)
	}
}

func (l *live) give(t *testing.T, run string, c fact.Command) fact.Event {
	t.Helper()
	c.ID, c.By, c.Why = string(c.Kind)+run+c.Phase, "ada", "known"
	e, err := l.Command(t.Context(), "p", run, c)
	if err != nil {
		t.Fatalf("%s for %q: %v", c.Kind, run, err)
	}
	return e
}

// Without a run's id a command is for the run under way, also where a newer one has
// begun and is decided.
func TestACommandWithoutARunIsForTheOneUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		w := &world{bad: func(minute int64) float64 {
			if minute < 20 {
				return 2
			}
			return 0
		}}
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{stages()}}, Fetcher: w})
		until(0)
		l.begin(t, runner.Start{Version: "1"})
		until(20 * 60)
		l.begin(t, runner.Start{Version: "2"})
		until(60 * 60)
		if e := l.give(t, "p@1", fact.Command{Kind: fact.Override, Phase: "canary", Verdict: rules.Pass}); e.To != "applied" {
			t.Fatalf("the override is %s: %+v", e.To, e.Why)
		}
		if e := l.give(t, "", fact.Command{Kind: fact.Abort}); e.Run != "p@1" || e.To != "applied" {
			t.Errorf("abort is %s, for run %s, want p@1, which is under way", e.To, e.Run)
		}
		l.stop()
	})
}

// What is reported as rolled back must be clear: two rollbacks that wait for it are
// not told apart by a guess.
func TestOneOfTwoRollbacksIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{stages()}}, Fetcher: &world{bad: healthy}})
		until(0)
		for _, version := range []string{"1", "2"} {
			l.begin(t, runner.Start{Version: version})
			l.give(t, "p@"+version, fact.Command{Kind: fact.Abort})
		}
		var refusal *runner.Refusal
		_, err := l.Command(t.Context(), "p", "", fact.Command{ID: "d", Kind: fact.RollbackDone, By: "ci", Why: "done"})
		if !errors.As(err, &refusal) || refusal.Text != "the rollbacks of runs p@2 and p@1 are not reported yet: say which was carried out" {
			t.Errorf("got %v, want a refusal that names both", err)
		}
		if e := l.give(t, "p@1", fact.Command{Kind: fact.RollbackDone}); e.To != "applied" {
			t.Errorf("with a name it is %s: %+v", e.To, e.Why)
		}
		if e := l.give(t, "", fact.Command{Kind: fact.RollbackDone}); e.Run != "p@2" || e.To != "applied" {
			t.Errorf("the one that is left: %s for run %s", e.To, e.Run)
		}
		if e := l.give(t, "", fact.Command{Kind: fact.RollbackDone, Phase: "x"}); e.To != "refused" {
			t.Errorf("with none left it is %s", e.To)
		}
		l.stop()
	})
}

// A run whose end is refused goes on, and no other begins beside it.
func TestASupersedeThatIsRefusedBeginsNoRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(0)
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{stages()}}, Fetcher: &world{bad: healthy}})
		until(1)
		l.begin(t, runner.Start{Version: "1"})
		var refusal *runner.Refusal
		if _, err := l.StartRun(t.Context(), "p", runner.Start{Version: "2", Supersede: true, By: " ", Why: " "}); !errors.As(err, &refusal) {
			t.Errorf("got %v, want a refusal", err)
		}
		p, _ := l.Published().Plan("p")
		if len(p.Runs) != 1 || p.Runs[0].Record.ID != "p@1" || p.Runs[0].Record.State == rules.Superseded {
			t.Errorf("there are %d runs, the newest %s %v, want p@1 under way alone", len(p.Runs), p.Runs[0].Record.ID, p.Runs[0].Record.State)
		}
		l.stop()
	})
}

// The same start with another release before it is another start.
func TestAStartWithAnotherReleaseBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(0)
		l := goLive(t, new(journaltest.Memory), runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{stages()}}, Fetcher: &world{bad: healthy}})
		until(1)
		first := runner.Start{Version: "1", Previous: rules.Previous{Version: "0.8"}}
		l.begin(t, first)
		l.begin(t, first)
		l.begin(t, runner.Start{Version: "1"})
		var refusal *runner.Refusal
		if _, err := l.StartRun(t.Context(), "p", runner.Start{Version: "1", Previous: rules.Previous{Version: "0.9"}}); !errors.As(err, &refusal) {
			t.Errorf("got %v, want a refusal: the run has 0.8 before it", err)
		}
		l.stop()
	})
}

// committing calls a function before each commit, and fails reads of a plan's
// versions.
type committing struct {
	journaltest.Journal
	before func()
	unread string // plan
}

func (c *committing) Commit(ctx context.Context, b fact.Batch) error {
	if c.before != nil {
		c.before()
	}
	return c.Journal.Commit(ctx, b)
}

func (c *committing) Runs(ctx context.Context, f fact.RunFilter) ([]fact.RunRecord, error) {
	if c.unread != "" && f.Plan == c.unread && f.Version != "" {
		return nil, errors.New("the disk is away")
	}
	return c.Journal.Runs(ctx, f)
}

// An edited plan is seen when the journal has it, not before.
func TestAnEditIsSeenWhenItIsCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		store := new(journaltest.Memory)
		l := goLive(t, store, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Fetcher: &world{bad: healthy}})
		until(305)
		p, _ := l.Published().Plan("p")
		was := p.Runs[0].Digest
		l.stop()
		j, seen := &committing{Journal: open(t, store)}, ""
		r := newRunner(t, runner.Config{Journal: j, Policies: runner.Policies{Plans: []*rules.Plan{longer("p")}}, Fetcher: &world{bad: healthy}})
		j.before = func() {
			if p, ok := r.Published().Plan("p"); ok && seen == "" {
				seen = p.Runs[0].Digest
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		until(340)
		p, _ = r.Published().Plan("p")
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if seen != was || p.Runs[0].Digest == was {
			t.Errorf("plan %q was seen before the commit, want %q; after it %q", seen, was, p.Runs[0].Digest)
		}
	})
}

// A reload that fails leaves every run as it is.
func TestAReloadThatFailsChangesNoRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(-60)
		store := new(journaltest.Memory)
		j := &committing{Journal: open(t, store)}
		l := goLive(t, store, runner.Config{Journal: j, Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second), plan("q", 30*time.Second)}}, Fetcher: &world{bad: healthy}})
		until(305)
		before := view(t, l.Runner, "p").Phases[0].WindowEnd
		j.unread = "q"
		if err := l.Reload(t.Context(), runner.Policies{Plans: []*rules.Plan{longer("p"), plan("q", 30*time.Second)}}); err == nil {
			t.Fatal("the reload went well")
		}
		j.unread = ""
		until(400)
		if got := view(t, l.Runner, "p").Phases[0].WindowEnd; !got.Equal(before) {
			t.Errorf("the window ends at %v, want %v as before", got, before)
		}
		l.stop()
	})
}

// shifted is a clock that goes wrong by a fixed time.
type shifted struct{ by time.Duration }

func (c *shifted) Now() time.Time { return time.Now().Add(c.by).UTC() }

func (c *shifted) WaitUntil(ctx context.Context, t time.Time) error {
	select {
	case <-time.After(t.Sub(c.Now())):
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (c *shifted) NotBefore(t time.Time) { c.by += max(0, t.Sub(c.Now())) }

// A run that begins after another is the newer one, also when the clock was set back
// between two starts of the daemon.
func TestTheNewerRunIsTheNewestWhateverTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(journaltest.Memory)
		until(0)
		w := &world{bad: func(int64) float64 { return 2 }}
		policies := runner.Policies{Plans: []*rules.Plan{stages()}}
		l := goLive(t, store, runner.Config{Clock: &shifted{by: 5 * time.Hour}, Policies: policies, Fetcher: w})
		until(1)
		l.begin(t, runner.Start{Version: "1"})
		until(3600)
		l.stop()
		l = goLive(t, store, runner.Config{Clock: &shifted{}, Policies: policies, Fetcher: w})
		until(3601)
		again := runner.Start{Version: "1", Again: true}
		for range 2 {
			if s, err := l.StartRun(t.Context(), "p", again); err != nil || s.Record.ID != "p@1~2" {
				t.Errorf("another try: run %q, %v, want p@1~2", s.Record.ID, err)
			}
		}
		if p, _ := l.Published().Plan("p"); p.Newest().Record.ID != "p@1~2" {
			t.Errorf("the newest is %s", p.Newest().Record.ID)
		}
		again.Supersede, again.Version, again.By, again.Why = true, "2", "ada", "hotfix"
		if s, err := l.StartRun(t.Context(), "p", again); err != nil || s.Record.ID != "p@2" || l.Published().Trouble != nil {
			t.Errorf("superseding: run %q, %v, trouble %v", s.Record.ID, err, l.Published().Trouble)
		}
		l.stop()
	})
}
