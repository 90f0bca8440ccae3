package runner

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Journal is what makes ticks durable. See package journal for what its methods
// promise.
type Journal interface {
	// Runs lists runs, the newest begun first.
	Runs(ctx context.Context, f fact.RunFilter) ([]fact.RunRecord, error)
	// Recover is where a run goes on.
	Recover(ctx context.Context, run string) (fact.Recovery, error)
	// Passed is the runs of a plan that passed and told what they had counted,
	// newest first, at most limit of them, without one of them; never nil without
	// an error.
	Passed(ctx context.Context, plan, except string, limit int) ([]fact.Past, error)
	// Document is a plan's JSON by its digest.
	Document(ctx context.Context, digest string) ([]byte, error)
	// Commit keeps a batch, all of it or nothing. After an error the batch may be
	// there or not: only what is read after Reopen tells.
	Commit(ctx context.Context, b fact.Batch) error
	// Save keeps the state of a run after the tick of a sequence.
	Save(ctx context.Context, run string, seq uint64, state []byte) error
	// Check says why the journal's file cannot be written to, nil when nothing is
	// known against it. It is cheap.
	Check() error
	// Reopen closes the journal and opens it again, after an error.
	Reopen(ctx context.Context) error
}

// Want is one question: the points of a signal in a range of event time.
type Want struct {
	Run    string        // id of the run that asks
	Index  int           // the signal's index in its plan
	Signal *rules.Signal // what to ask
	From   int64         // Unix seconds, inclusive
	To     int64         // exclusive
}

// Fetcher asks the sources: one reading for every want, in order, soon after
// ctx is done at the latest. now is the time of the tick.
type Fetcher interface {
	Fetch(ctx context.Context, now time.Time, wants []Want) []rules.Reading
}

// Config is what a runner needs.
type Config struct {
	Policies Policies     // as the config has them
	Journal  Journal      // required
	Fetcher  Fetcher      // required
	Kinds    rules.Kinds  // required: what the queries of the journal's plans are of
	Clock    Clock        // the machine's, made steady, if nil
	Log      *slog.Logger // none if nil

	// SnapshotEvery is the number of ticks between two stored states of a run,
	// which is the most that a restart has to run again. Zero means 64. A run
	// with very many signals has its state stored earlier, see heavy.
	SnapshotEvery int
	// FetchTimeout is how long a tick waits for its readings. Zero means 80 % of
	// the shortest interval of the runs that tick.
	FetchTimeout time.Duration
	// History is how many releases that passed before a run is compared with, as
	// its first tick finds them in the journal. Zero compares with none.
	History int
	// Drilled gives the newest rehearsal of the way back of a plan, nil where there is none.
	// A run whose plan has a way back is told of it as it begins. Nil knows of none.
	Drilled func(ctx context.Context, plan string) (*fact.Drill, error)
	// Say is an event in a line, for the log; root is the event that caused it,
	// nil where that is the event itself. Nil says nothing.
	Say func(plan *rules.Plan, e, root *fact.Event) string
	// NewUID gives a short random text that no run had before. Nil means 48
	// random bits.
	NewUID func() string
}

// Policies is the plans as the config has them, not bound to a version.
type Policies struct {
	Plans  []*rules.Plan     // in the order in which they are shown; names are unique
	Broken map[string]string // :: plan name → why its file cannot be used
}

var (
	// ErrUnknownPlan means that no plan of this name is known.
	ErrUnknownPlan = errors.New("there is no such plan")
	// ErrUnknownRun means that the plan has no such run.
	ErrUnknownRun = errors.New("there is no such run")
	// ErrStopped means that the runner does not run, or stopped before it could
	// take the command or the plans. Nothing has happened.
	ErrStopped = errors.New("the runner has stopped")
	// ErrJournal means that the journal cannot be written. A command that got it
	// may have been kept or not.
	ErrJournal = errors.New("the journal cannot be written")
	// ErrDiverged means that this version of relgate does not reproduce the
	// decisions in the journal.
	ErrDiverged = errors.New("this version does not reproduce the decisions in the journal")
)

// Runner watches runs. Make it with New.
type Runner struct {
	Config
	commands  chan job
	reloads   chan job
	woken     chan struct{} // holds one: something waits in wakes
	stopped   chan struct{} // closed when Run has returned
	published atomic.Pointer[Published]
	counts    counts

	mu    sync.Mutex
	watch chan struct{}
	wakes map[string]map[string]time.Time // :: run → signal → when something was pushed that it tells

	// The loop's own; nothing else reads them.
	policies []*policy // in the order in which they are shown
	broken   error     // why the journal cannot be written to now
	started  bool      // the runs that the plans' files begin at the start have begun
	asked    bool      // and have asked their sources
}

// run is one release on its way.
type run struct {
	evaluator.Rerun
	record   fact.RunRecord // as of the newest tick
	document []byte         // of the plan of a run without a tick; nil once the journal has it
	amended  *amendment     // the plan was edited and no tick says so yet
	view     *RunView       // as of the newest tick; made when it is published
	next     time.Time      // slot of the next tick
	woken    []string       // signals that were pushed to, and are asked by the tick at wake
	wake     time.Time      // or the first after it
	idle     bool           // no tick can change it
	again    bool           // since a restart or a reload no source has been asked: see evaluator.AskAgain
	unsaved  int            // ticks since the newest stored state
	weight   int            // readings in those ticks
}

// amendment is an edited plan that the journal does not have yet.
type amendment struct {
	plan     *rules.Plan
	digest   string
	document []byte
	edit     *fact.Edit // nil where nothing changed that has words
}

func (u *run) underWay() bool { return underWay(&u.record) }

// underWay reports whether a run may still change by itself: it is undecided, or it has
// failed and may still be rolled back.
func underWay(r *fact.RunRecord) bool {
	return !evaluator.Decided(r.State) || r.State == rules.Failed && !r.Over
}

// checkEvery is how often the journal's file is looked at beside the ticks: their
// interval may be long, and a run that is decided has none.
const checkEvery = 2 * time.Second

// heavy is the number of readings after which a state is stored however few the
// ticks: reading them back takes about a tenth of a second.
const heavy = 8_192

// New checks the configuration and makes a runner. It starts nothing.
func New(c Config) (*Runner, error) {
	if c.Journal == nil || c.Fetcher == nil {
		return nil, errors.New("making a runner: a journal and a fetcher are required")
	}
	if c.Kinds == nil {
		return nil, errors.New("making a runner: the kinds of sources are required")
	}
	if err := sound(c.Policies.Plans); err != nil {
		return nil, fmt.Errorf("making a runner: %w", err)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = new(Steady)
	}
	if c.SnapshotEvery <= 0 {
		c.SnapshotEvery = 64
	}
	if c.NewUID == nil {
		c.NewUID = func() string { return strings.ToLower(rand.Text()[:10]) }
	}
	r := &Runner{Config: c, commands: make(chan job), reloads: make(chan job), woken: make(chan struct{}, 1), stopped: make(chan struct{}), watch: make(chan struct{})}
	r.counts.Events = make(map[EventCount]uint64)
	r.published.Store(new(Published))
	return r, nil
}

// sound checks what the grid needs of the plans.
func sound(plans []*rules.Plan) error {
	names := make(map[string]bool)
	for _, p := range plans {
		if p.Interval < time.Second || p.Interval%time.Second != 0 {
			return fmt.Errorf("plan %q: interval %s: want whole seconds", p.Name, p.Interval)
		}
		if names[p.Name] {
			return fmt.Errorf("plan %q is there twice", p.Name)
		}
		names[p.Name] = true
	}
	return nil
}

// Run recovers every run under way from the journal and ticks until ctx is done,
// which is no error. A journal that cannot be written is waited for: see mend.
// When Run returns, everything that it started has stopped. It may be called once.
func (r *Runner) Run(ctx context.Context) error {
	defer close(r.stopped)
	r.counts.start(r.Clock.Now())
	if err := r.recover(ctx); errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil // stopped before it had begun: nothing was judged, and nothing is to be stored
	} else if err != nil {
		return err
	}
	r.publish()
	r.catchUp(ctx)
	r.started = true // not before: it would be ready, and then, for the first ticks of a run, not
	r.publish()
	err := r.loop(ctx)
	if err == nil && r.broken == nil {
		// A graceful end stores the states, so that the next start, perhaps of a
		// newer version, need not judge old ticks again. A crash here costs that
		// only: the ticks are in the journal.
		err = r.save(context.WithoutCancel(ctx))
	}
	return err
}

func (r *Runner) loop(ctx context.Context) error {
	for ctx.Err() == nil {
		if r.broken == nil {
			r.catchUp(ctx)
		}
		if r.broken != nil {
			if err := r.mend(ctx); err != nil {
				return err
			}
			continue
		}
		next := r.nextSlot()
		waitCtx, cancel := context.WithCancel(ctx)
		var waited error
		idle := r.await(waitCtx, cancel, r.reloads, next, func() { waited = r.Clock.WaitUntil(waitCtx, next) })
		cancel()
		if !idle || ctx.Err() != nil {
			continue // the plans have changed, or we are to stop
		}
		if waited != nil {
			return fmt.Errorf("waiting for %s: %w", next.Format(time.RFC3339), waited)
		}
		r.tick(ctx)
	}
	return nil
}

// mend waits for a journal that could not be written, and goes on from what is
// really in it. Meanwhile nothing is decided, every gate says that it does not
// know, and commands are refused. It gives an error only for what waiting cannot
// mend.
func (r *Runner) mend(ctx context.Context) error {
	r.Log.Error("the journal cannot be written: gates answer unknown until it can", "err", r.broken)
	r.publish()
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		waitCtx, cancel := context.WithCancel(ctx)
		r.await(waitCtx, cancel, r.reloads, time.Time{}, func() { sleep(waitCtx, wait) })
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		err := r.Journal.Reopen(ctx)
		if err == nil {
			err = r.recover(ctx)
		}
		switch {
		case errors.Is(err, ErrDiverged):
			return err
		case err == nil:
			r.broken = nil
			r.Log.Info("the journal can be written again")
			r.publish()
			return nil
		case err.Error() != r.broken.Error():
			r.Log.Error("the journal cannot be written yet", "err", err)
			r.broken = err
			r.publish()
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// await runs f beside the loop and meanwhile takes commands, so that neither a
// wait nor a slow source keeps a person waiting. A job from reloads cuts f short
// and makes await return false; during a fetch there are none, because the
// readings belong to the plans that asked for them. So does a command, or a push, that makes
// a slot due before the one that is waited for, where there is one, and a journal
// that has gone. f has returned when await does.
func (r *Runner) await(ctx context.Context, cancel context.CancelFunc, reloads <-chan job, slot time.Time, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	finish := func() { cancel(); <-done }
	was := r.broken != nil
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	for {
		select {
		case <-done:
			return true
		case <-check.C:
			if r.broken == nil {
				r.broken = r.Journal.Check()
			}
		case j := <-r.commands:
			j.run(ctx)
		case <-r.woken:
			r.rouse()
		case j := <-reloads:
			finish()
			j.run(context.WithoutCancel(ctx))
			return false
		}
		if (r.broken != nil) != was || r.nextSlot().Before(slot) {
			finish()
			return false
		}
	}
}

// eachRun calls f for every live run.
func (r *Runner) eachRun(f func(*run)) {
	for _, p := range r.policies {
		for _, u := range p.runs {
			f(u)
		}
	}
}

// nextSlot is the earliest slot of any run. Without one that ticks it is the next
// minute: the journal is looked at then.
func (r *Runner) nextSlot() (next time.Time) {
	r.eachRun(func(u *run) {
		if !u.idle && (next.IsZero() || u.next.Before(next)) {
			next = u.next
		}
	})
	if next.IsZero() {
		return floor(r.Clock.Now(), time.Minute).Add(time.Minute)
	}
	return next
}

// floor is the newest slot that is not after t. Slots are the multiples of the
// interval since 1970, so that they stay where they are over a restart.
func floor(t time.Time, interval time.Duration) time.Time {
	every := int64(interval / time.Second)
	return time.Unix(t.Unix()-mod(t.Unix(), every), 0).UTC()
}

func mod(a, b int64) int64 { return ((a % b) + b) % b }
