package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/relgate/relgate/evaluator"
)

// ErrUnknownEndpoint is given for a name that is not in the config.
var ErrUnknownEndpoint = errors.New("no such endpoint")

const (
	batch      = 512                   // events read at once
	queueLimit = 4096                  // events kept in memory; more stay in the feed
	saveEvery  = 32                    // deliveries that a crash may repeat
	saveWithin = 20 * time.Millisecond // and how old the oldest of them may be
	skipEvery  = 256                   // events passed over, nothing delivered, that a restart reads again
)

// worker brings the feed to one endpoint, one request at a time, in order.
type worker struct {
	endpoint Endpoint
	sender   *sender
	feed     Feed
	now      func() time.Time
	after    func(time.Duration) <-chan time.Time
	grace    time.Duration
	log      *slog.Logger
	second   *lane         // where its failures are escalated to; nil for nowhere
	poked    chan struct{} // something else than the feed has changed

	mu      sync.Mutex // guards what follows, and the endpoint's cursor in the feed
	moved   int        // grows when the cursor was set by somebody else
	read    uint64     // the newest event read from the feed
	queue   []pending  // read, wanted and not done with, in order
	more    bool       // the feed has more than was read
	watch   <-chan struct{}
	done    uint64    // the newest position that is done with
	saved   uint64    // as the feed knows it
	unsaved int       // deliveries since
	unsince time.Time // when the first of them was
	tries   tries     // at the head of the queue
	warned  uint64    // the position that was escalated, 0 for none
	waiting bool      // nothing to do
	changed chan struct{}
	counts  Stats

	reading bool      // the dead letters are to be read
	letters []pending // dead letters that are to be sent again
	again   tries     // at the first of them
}

// tries is what is known of an event that did not arrive.
type tries struct {
	attempts int // failed ones
	next     time.Time
	lastErr  string
}

// pending is an event to be delivered.
type pending struct {
	evaluator.Stored
	since  time.Time // when it was read
	letter bool      // it is a dead letter, sent again on demand
}

func newWorker(c Config, s *sender) *worker {
	e := s.endpoint
	return &worker{
		endpoint: e, sender: s, feed: c.Feed, now: c.Now, after: c.After, grace: c.Grace,
		log: c.Log.With("endpoint", e.Name), poked: make(chan struct{}, 1), changed: make(chan struct{}),
		counts: Stats{Endpoint: e.Name, Class: e.Class},
	}
}

// run works until ctx is done. What was delivered is saved before it returns,
// whatever the reason.
func (w *worker) run(ctx context.Context) error {
	err := w.start(ctx)
	for err == nil && ctx.Err() == nil {
		err = w.turn(ctx)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	saveErr := w.saveLocked(last)
	if ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err())) {
		err = nil
	}
	return errors.Join(err, saveErr)
}

// start reads where the endpoint stands.
func (w *worker) start(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.loadLocked(ctx)
}

func (w *worker) loadLocked(ctx context.Context) error {
	c, err := w.feed.Cursor(ctx, w.endpoint.Name)
	if err != nil {
		return fmt.Errorf("reading the cursor of webhook %q: %w", w.endpoint.Name, err)
	}
	w.queue, w.read, w.done, w.saved, w.unsaved = nil, c.Pos, c.Pos, c.Pos, 0
	w.tries = tries{attempts: c.Attempts, next: c.NextAt, lastErr: c.LastError}
	w.more, w.reading = true, true
	return nil
}

// turn does the next thing: wait for an event, wait for its time, or try it.
func (w *worker) turn(ctx context.Context) error {
	head, moved, wait, err := w.prepare(ctx)
	switch {
	case err != nil:
		return err
	case head == nil:
		w.sleep(ctx, nil)
		return nil
	case wait > 0:
		w.sleep(ctx, w.after(wait))
		return nil
	}
	return w.try(ctx, *head, moved)
}

// prepare reads what is new and says what is next: an event, and how long it has
// to wait; or none, after saving that all is done.
func (w *worker) prepare(ctx context.Context) (head *pending, moved int, wait time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fillLocked(ctx); err != nil {
		return nil, 0, 0, err
	}
	if err := w.exhumeLocked(ctx); err != nil {
		return nil, 0, 0, err
	}
	if head, wait = w.nextLocked(); head != nil {
		w.waiting = false
		return head, w.moved, wait, nil
	}
	if w.unsaved > 0 || w.done-w.saved >= skipEvery {
		if err := w.saveLocked(ctx); err != nil {
			return nil, 0, 0, err
		}
	}
	if w.waiting = !w.more; w.waiting {
		close(w.changed)
		w.changed = make(chan struct{})
	}
	return nil, w.moved, 0, nil
}

// nextLocked is the event that may be tried first; of two that may be tried now,
// the one that somebody asked for.
func (w *worker) nextLocked() (head *pending, wait time.Duration) {
	now := w.now()
	if len(w.queue) > 0 {
		head, wait = new(w.queue[0]), w.tries.next.Sub(now)
	}
	if len(w.letters) > 0 {
		if again := w.again.next.Sub(now); head == nil || again <= 0 || again < wait {
			head, wait = new(w.letters[0]), again
		}
	}
	return head, wait
}

// exhumeLocked reads the dead letters that are to be sent again.
func (w *worker) exhumeLocked(ctx context.Context) error {
	if !w.reading {
		return nil
	}
	letters, err := w.feed.DeadLetters(ctx, w.endpoint.Name)
	if err != nil {
		return fmt.Errorf("reading dead letters of webhook %q: %w", w.endpoint.Name, err)
	}
	w.reading, w.letters, w.again = false, nil, tries{}
	for _, l := range letters {
		if l.Again {
			w.letters = append(w.letters, pending{Stored: l.Stored, since: w.now(), letter: true})
		}
	}
	return nil
}

// fillLocked reads entries if there may be new ones.
func (w *worker) fillLocked(ctx context.Context) error {
	if len(w.queue) >= queueLimit || !w.more && !fired(w.watch) {
		return nil
	}
	w.watch = w.feed.Watch() // before reading, so that nothing falls in between
	entries, err := w.feed.Events(ctx, w.read, batch)
	if err != nil {
		return fmt.Errorf("reading events for webhook %q: %w", w.endpoint.Name, err)
	}
	w.more = len(entries) == batch
	for _, e := range entries {
		w.read = e.Pos
		if w.endpoint.wants(e.Event) {
			w.queue = append(w.queue, pending{Stored: e, since: w.now()})
		} else if len(w.queue) == 0 {
			w.done = e.Pos // saved with the next delivery, or now and then
		}
	}
	return nil
}

func fired(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// wants reports whether an event is for this endpoint: by its kind and plan, and
// by the endpoints that the event itself names.
func (e Endpoint) wants(ev evaluator.Event) bool {
	return (len(e.Events) == 0 || slices.Contains(e.Events, ev.Kind)) &&
		(len(e.Plans) == 0 || slices.Contains(e.Plans, ev.Plan)) &&
		(len(ev.Notify) == 0 || slices.Contains(ev.Notify, e.Name))
}

// sleep waits until something is committed, due, or changed by somebody else.
func (w *worker) sleep(ctx context.Context, due <-chan time.Time) {
	w.mu.Lock()
	watch, more := w.watch, w.more && len(w.queue) < queueLimit
	if len(w.queue) >= queueLimit {
		watch = nil // there is no room for more
	}
	w.mu.Unlock()
	if more {
		return
	}
	select {
	case <-ctx.Done():
	case <-watch:
	case <-due:
	case <-w.poked:
	}
}

// saveLocked makes durable what is done.
func (w *worker) saveLocked(ctx context.Context) error {
	if w.done == w.saved {
		return nil
	}
	if err := w.feed.Delivered(ctx, w.endpoint.Name, w.done); err != nil {
		return fmt.Errorf("saving the cursor of webhook %q: %w", w.endpoint.Name, err)
	}
	w.saved, w.unsaved = w.done, 0
	return nil
}

// idle reports whether the endpoint is done with all that was committed before
// the call, and otherwise gives a channel that is closed when to ask again.
func (w *worker) idle() (bool, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waiting && !fired(w.watch), w.changed
}

// rewind sets the cursor back. An attempt in flight no longer counts then: what
// it sent is sent again.
func (w *worker) rewind(ctx context.Context, since time.Time) error {
	pos, err := w.feed.Before(ctx, since)
	if err != nil {
		return fmt.Errorf("looking for the events since %v: %w", since, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.feed.Cursor(ctx, w.endpoint.Name)
	if err != nil {
		return fmt.Errorf("reading the cursor of webhook %q: %w", w.endpoint.Name, err)
	}
	if pos >= max(c.Pos, w.done) {
		return nil
	}
	if err := w.feed.Rewind(ctx, w.endpoint.Name, pos); err != nil {
		return fmt.Errorf("rewinding webhook %q: %w", w.endpoint.Name, err)
	}
	w.moved++
	w.waiting = false
	w.poke()
	return w.loadLocked(ctx)
}

// reread has the dead letters read again.
func (w *worker) reread() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reading, w.waiting = true, false
	w.poke()
}

func (w *worker) poke() {
	select {
	case w.poked <- struct{}{}:
	default: // it is poked already
	}
}
