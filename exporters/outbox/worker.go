package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/relgate/relgate/evaluator"
)

// ErrUnknownEndpoint is given for a name that is not in the config.
var ErrUnknownEndpoint = errors.New("no such endpoint")

const (
	batch      = 512                   // events read at once
	queueLimit = 4096                  // events of a run kept in memory; more stay in the feed
	saveEvery  = 32                    // deliveries that a crash may repeat
	saveWithin = 20 * time.Millisecond // and how old the oldest of them may be
	skipEvery  = 256                   // events passed over, nothing delivered, that a restart reads again
	skipWithin = time.Minute           // and how old the oldest of them may be
	feedAgain  = time.Second           // after which a feed that failed is asked again
)

// worker brings the feed to one endpoint, one request at a time, and the events of
// a run in order.
type worker struct {
	endpoint Endpoint
	feed     Feed
	encode   func(context.Context, evaluator.Stored) ([]byte, error)
	now      func() time.Time
	after    func(time.Duration) <-chan time.Time
	grace    time.Duration
	log      *slog.Logger
	second   *lane         // where its failures are escalated to; nil for nowhere
	poked    chan struct{} // something else than the feed has changed

	mu       sync.Mutex         // guards what follows, and the endpoint's cursors in the feed
	moved    int                // grows when the cursors were set back
	streams  map[string]*stream // :: run → what is not done with, or not saved
	behind   bool               // the feed is to be asked for all that is pending
	troubled bool               // the feed has failed: what was delivered is saved before more is sent
	said     time.Time          // when the log last said so
	mark     uint64             // up to where the feed was followed
	more     bool               // the feed has more after the mark
	watch    <-chan struct{}
	met      uint64    // streams so far
	turns    uint64    // events read so far
	unsaved  int       // deliveries since the cursors were saved
	skipped  int       // events passed over since
	unsince  time.Time // when the first of either was; zero when all is saved
	waiting  bool      // nothing to do
	changed  chan struct{}
	counts   Stats

	reading bool      // the dead letters are to be read
	letters []pending // dead letters that are to be sent again
	again   tries     // at the first of them
}

func newWorker(c Config, e Endpoint) *worker {
	return &worker{
		endpoint: e, feed: c.Feed, encode: c.Encode, now: c.Now, after: c.After, grace: c.Grace,
		log: c.Log.With("endpoint", e.Name), poked: make(chan struct{}, 1), changed: make(chan struct{}),
		counts: Stats{Endpoint: e.Name, Class: e.Class},
	}
}

// run works until ctx is done, and saves what was delivered before it returns. A
// feed that fails is waited for.
func (w *worker) run(ctx context.Context) error {
	w.start()
	for ctx.Err() == nil {
		if err := w.turn(ctx); err != nil && ctx.Err() == nil {
			w.trouble(err)
			select {
			case <-w.after(feedAgain):
			case <-ctx.Done():
			}
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.saveLocked(last)
}

func (w *worker) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loadLocked()
}

// trouble notes that the feed fails. What was delivered stays known, so that it is
// not delivered again when the feed works.
func (w *worker) trouble(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.troubled = true
	if now := w.now(); now.Sub(w.said) >= time.Minute {
		w.said = now
		w.log.Error("deliveries wait for the journal", "err", err)
	}
}

// loadLocked forgets what is known: the feed is to be asked.
func (w *worker) loadLocked() {
	w.streams = make(map[string]*stream)
	w.unsaved, w.skipped, w.unsince = 0, 0, time.Time{}
	w.reading, w.behind, w.waiting = true, true, false
	w.watch = w.feed.Watch() // before reading, so that nothing falls in between
	_, w.mark, _ = w.feed.Newer(latest, 0)
}

// latest is a mark that no feed has reached: Newer answers with the newest there is.
const latest = math.MaxUint64

// catchUpLocked asks the feed for the runs with events that are not done with.
// What is known better, because it is not saved yet, is kept.
func (w *worker) catchUpLocked(ctx context.Context) error {
	cursors, err := w.feed.Pending(ctx, w.endpoint.Name)
	if err != nil {
		return fmt.Errorf("reading the cursors of endpoint %q: %w", w.endpoint.Name, err)
	}
	for _, c := range cursors {
		s := w.streams[c.Run]
		if s == nil {
			s = w.meetLocked(c.Run, c.N)
			s.tries = tries{attempts: c.Attempts, next: c.NextAt, lastErr: c.LastError}
		}
		s.end = max(s.end, c.End)
	}
	w.behind = false
	return nil
}

// turn does the next thing: wait for an event, wait until one may be tried, or try it.
func (w *worker) turn(ctx context.Context) error {
	head, moved, wait, err := w.prepare(ctx)
	switch {
	case err != nil:
		return err
	case head == nil && wait <= 0:
		w.sleep(ctx, nil)
		return nil
	case wait > 0:
		w.sleep(ctx, w.after(wait))
		return nil
	}
	return w.try(ctx, *head, moved)
}

// prepare reads what is new and says what is next: an event, and how long it has
// to wait; or none, after saving that all is done, and after how long to look
// again, zero for as long as nothing happens.
func (w *worker) prepare(ctx context.Context) (head *pending, moved int, wait time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = false
	if w.troubled {
		// Save what was delivered before sending more: a crash would repeat it.
		if err := w.saveLocked(ctx); err != nil {
			return nil, 0, 0, err
		}
	}
	if err := w.fillLocked(ctx); err != nil {
		return nil, 0, 0, err
	}
	if err := w.exhumeLocked(ctx); err != nil {
		return nil, 0, 0, err
	}
	w.troubled = false
	if head, wait = w.nextLocked(); head != nil && wait <= 0 {
		return head, w.moved, 0, nil
	}
	rest, err := w.restLocked(ctx)
	if err != nil {
		return nil, 0, 0, err
	}
	if head != nil {
		if rest > 0 {
			wait = min(wait, rest)
		}
		return head, w.moved, wait, nil
	}
	if w.waiting = !w.more; w.waiting {
		close(w.changed)
		w.changed = make(chan struct{})
	}
	return nil, w.moved, rest, nil
}

// restLocked saves deliveries, and events passed over when they are many or a
// while ago; if they are not, it says when they will be.
func (w *worker) restLocked(ctx context.Context) (wait time.Duration, err error) {
	if w.unsince.IsZero() {
		return 0, nil
	}
	wait = skipWithin - w.now().Sub(w.unsince)
	if w.unsaved > 0 || w.skipped >= skipEvery || wait <= 0 {
		return 0, w.saveLocked(ctx)
	}
	return wait, nil
}

// nextLocked is the event that may be tried first; of two that may be tried now,
// the one that was asked for by hand.
func (w *worker) nextLocked() (head *pending, wait time.Duration) {
	now := w.now()
	var first *stream
	for _, s := range w.streams {
		if len(s.queue) > 0 && (first == nil || s.before(first)) {
			first = s
		}
	}
	if first != nil {
		head, wait = new(first.queue[0]), first.ready().Sub(now)
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
		return fmt.Errorf("reading dead letters of endpoint %q: %w", w.endpoint.Name, err)
	}
	w.reading, w.letters, w.again = false, nil, tries{}
	for _, l := range letters {
		if l.Again {
			w.letters = append(w.letters, pending{Stored: l.Stored, since: w.now(), letter: true})
		}
	}
	return nil
}

// fillLocked reads what is new, and what streams that have run dry left in the
// feed.
func (w *worker) fillLocked(ctx context.Context) error {
	if w.more || fired(w.watch) {
		w.followLocked()
	}
	if w.behind {
		if err := w.catchUpLocked(ctx); err != nil {
			return err
		}
	}
	for _, s := range w.dryLocked() {
		events, err := w.feed.Events(ctx, s.run, s.read, batch)
		if err != nil {
			return fmt.Errorf("reading events for endpoint %q: %w", w.endpoint.Name, err)
		}
		for _, e := range events {
			w.takeLocked(s, e)
		}
		if len(events) == 0 {
			s.end = s.read // the run is gone
		}
		w.more = w.more || len(s.queue) == 0 && s.read < s.end // none of these was wanted
	}
	return nil
}

// dryLocked is the streams with nothing in memory and something in the feed, in
// the order in which they were met.
func (w *worker) dryLocked() (dry []*stream) {
	for _, s := range w.streams {
		if len(s.queue) == 0 && s.read < s.end {
			dry = append(dry, s)
		}
	}
	slices.SortFunc(dry, func(a, b *stream) int { return cmp.Compare(a.met, b.met) })
	return dry
}

// meetLocked adds a stream that is done with everything up to n.
func (w *worker) meetLocked(run string, n uint64) *stream {
	w.met++
	s := &stream{run: run, met: w.met, read: n, end: n, done: n, saved: n}
	w.streams[run] = s
	return s
}

// followLocked takes what was committed since the mark.
func (w *worker) followLocked() {
	w.watch = w.feed.Watch() // before reading, so that nothing falls in between
	events, next, ok := w.feed.Newer(w.mark, batch)
	w.mark, w.more, w.behind = next, len(events) == batch, w.behind || !ok
	for _, e := range events {
		s := w.streams[e.Run]
		switch {
		case s == nil && w.behind:
			continue // where its cursor stands is read next, and the event with it
		case s == nil:
			// All cursors have been read: what is not among the streams is done with up to here.
			s = w.meetLocked(e.Run, e.Event.N-1)
		}
		if e.Event.N == s.read+1 && len(s.queue) < queueLimit {
			w.takeLocked(s, e)
		}
		s.end = max(s.end, e.Event.N)
	}
}

func fired(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// sleep waits until something is committed, due, or changed by hand.
func (w *worker) sleep(ctx context.Context, due <-chan time.Time) {
	w.mu.Lock()
	watch, more := w.watch, w.more
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

// dirtyLocked notes when the first thing came to pass that is not saved.
func (w *worker) dirtyLocked() {
	if w.unsince.IsZero() {
		w.unsince = w.now()
	}
}

// saveLocked makes durable what is done, and forgets the runs that have nothing
// left to do.
func (w *worker) saveLocked(ctx context.Context) error {
	for _, s := range w.streams {
		if s.done != s.saved {
			if err := w.feed.Delivered(ctx, w.endpoint.Name, s.run, s.done); err != nil {
				return fmt.Errorf("saving a cursor of endpoint %q: %w", w.endpoint.Name, err)
			}
			s.saved = s.done
		}
		if s.idle() {
			delete(w.streams, s.run)
		}
	}
	w.unsaved, w.skipped, w.unsince = 0, 0, time.Time{}
	return nil
}

// idle reports whether the endpoint is done with all that was committed before
// the call, and otherwise gives a channel that is closed when to ask again.
func (w *worker) idle() (bool, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waiting && !fired(w.watch), w.changed
}

// rewind sets the cursors back. An attempt in flight no longer counts then: what
// it sent may be sent again.
func (w *worker) rewind(ctx context.Context, since time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.saveLocked(ctx); err != nil {
		return err
	}
	runs, err := w.feed.Rewind(ctx, w.endpoint.Name, since)
	if err != nil {
		return fmt.Errorf("rewinding endpoint %q: %w", w.endpoint.Name, err)
	}
	if runs == 0 {
		return nil
	}
	w.moved++
	w.loadLocked()
	w.poke()
	return nil
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
