package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// Journal is what makes ticks durable. See package journal for what its methods
// promise.
type Journal interface {
	// Seq is the newest sequence.
	Seq(ctx context.Context) (uint64, error)
	// Recover is where a plan's run goes on.
	Recover(ctx context.Context, plan string) (evaluator.Recovery, error)
	// Passed is the runs that stand as passed and told what they had counted,
	// newest first, at most limit of them, without the one of a plan; never nil
	// without an error.
	Passed(ctx context.Context, except string, limit int) ([]evaluator.Past, error)
	// Document is a plan's JSON by its digest.
	Document(ctx context.Context, digest string) ([]byte, error)
	// Commit keeps a batch, all of it or nothing, and returns its sequence. It
	// fails when after is not the newest sequence. After an error the batch may
	// be there or not.
	Commit(ctx context.Context, after uint64, b evaluator.Batch) (uint64, error)
	// Save keeps the state of a plan after the tick of a sequence.
	Save(ctx context.Context, plan string, seq uint64, state []byte) error
}

// Want is one question: the points of a signal in a range of event time.
type Want struct {
	Plan   string        // name of the plan that asks
	Index  int           // the signal's index in that plan
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
	Plans   []*rules.Plan // in the order in which they are shown; names are unique
	Journal Journal       // required
	Fetcher Fetcher       // required
	Clock   Clock         // the wall's if nil
	Log     *slog.Logger  // none if nil

	// SnapshotEvery is the number of ticks between two stored states of a plan,
	// which is the most that a restart has to run again. Zero means 64. A plan
	// with very many signals has its state stored earlier, see heavy.
	SnapshotEvery int
	// FetchTimeout is how long a tick waits for its readings. Zero means 80 % of
	// the shortest interval of the plans that tick.
	FetchTimeout time.Duration
	// History is how many releases that passed before a run is compared with, as
	// its first tick finds them in the journal. Zero means that nobody looks.
	History int
}

var (
	// ErrUnknownPlan means that no plan of this name is being run.
	ErrUnknownPlan = errors.New("there is no such plan")
	// ErrStopped means that the runner does not run, or stopped before it could
	// take the command or the plans. Nothing has happened.
	ErrStopped = errors.New("the runner has stopped")
	// ErrDiverged means that this version of relgate decides otherwise on ticks
	// that are in the journal than the version that decided them.
	ErrDiverged = errors.New("the journal's ticks give other events than the journal's")
)

// Runner runs plans. Make it with New.
type Runner struct {
	Config
	commands  chan job
	reloads   chan job
	stopped   chan struct{} // closed when Run has returned
	published atomic.Pointer[Published]
	counts    counts

	mu    sync.Mutex
	watch chan struct{}

	// The loop's own; nobody else reads them.
	runs   []*run
	seq    uint64 // newest sequence
	broken error  // why the journal cannot be written to any more
}

// run is one plan on its way.
type run struct {
	evaluator.Rerun
	document []byte    // to go with the next entry; nil once the journal has it
	at       time.Time // of the newest tick; zero before the first
	next     time.Time // slot of the next tick
	seq      uint64    // of the newest tick
	unsaved  int       // ticks since the newest stored state
	weight   int       // readings in those ticks
	changed  bool      // the plan was changed and no tick says so yet
}

// heavy is the number of readings after which a state is stored however few the
// ticks: reading them back takes about a fifth of a second.
const heavy = 16_384

// New checks the configuration and makes a runner. It starts nothing.
func New(c Config) (*Runner, error) {
	if c.Journal == nil || c.Fetcher == nil {
		return nil, errors.New("making a runner: a journal and a fetcher are required")
	}
	if err := sound(c.Plans); err != nil {
		return nil, fmt.Errorf("making a runner: %w", err)
	}
	if c.Clock == nil {
		c.Clock = Wall{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.SnapshotEvery <= 0 {
		c.SnapshotEvery = 64
	}
	r := &Runner{Config: c, commands: make(chan job), reloads: make(chan job), stopped: make(chan struct{}), watch: make(chan struct{})}
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

// Run recovers every plan from the journal and ticks until ctx is done, which is
// no error, or the journal fails, which is. When it returns, everything that it
// started has stopped. It may be called once.
func (r *Runner) Run(ctx context.Context) error {
	defer close(r.stopped)
	r.counts.start(r.Clock.Now())
	if err := r.recover(ctx); err != nil {
		return err
	}
	r.publish()
	err := r.loop(ctx)
	if err == nil {
		// A graceful end stores the states, so that the next start, perhaps of a
		// newer version, need not judge old ticks again. A crash here costs that
		// only: the ticks are in the journal.
		err = r.save(context.WithoutCancel(ctx))
	}
	return err
}

func (r *Runner) loop(ctx context.Context) error {
	for ctx.Err() == nil && r.broken == nil {
		if r.settle(ctx); r.broken != nil {
			break
		}
		next := r.nextSlot()
		waitCtx, cancel := context.WithCancel(ctx)
		var waited error
		idle := r.await(waitCtx, cancel, r.reloads, func() { waited = r.waitUntil(waitCtx, next) })
		cancel()
		if !idle || ctx.Err() != nil {
			continue // the plans have changed, or we are to stop
		}
		if waited != nil {
			return fmt.Errorf("waiting for %s: %w", next.Format(time.RFC3339), waited)
		}
		r.tick(ctx)
	}
	return r.broken
}

// waitUntil waits for a slot; without a plan there is none.
func (r *Runner) waitUntil(ctx context.Context, t time.Time) error {
	if t.IsZero() {
		<-ctx.Done()
		return ctx.Err()
	}
	return r.Clock.WaitUntil(ctx, t)
}

// await runs f beside the loop and meanwhile takes commands, so that neither a
// wait nor a slow source keeps a person waiting. A job from reloads cuts f short
// and makes await return false; during a fetch there are none, because the
// readings belong to the plans that asked for them. f has returned when await
// does.
func (r *Runner) await(ctx context.Context, cancel context.CancelFunc, reloads <-chan job, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	finish := func() { cancel(); <-done }
	for {
		select {
		case <-done:
			return true
		case j := <-r.commands:
			j.run(ctx)
		case j := <-reloads:
			finish()
			j.run(context.WithoutCancel(ctx))
			return false
		}
		if r.broken != nil {
			finish()
			return false
		}
	}
}

// nextSlot is the earliest slot of any plan, zero without plans.
func (r *Runner) nextSlot() (next time.Time) {
	for _, u := range r.runs {
		if next.IsZero() || u.next.Before(next) {
			next = u.next
		}
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
