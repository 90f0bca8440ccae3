package outbox

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

const (
	batch      = 512                   // events read at once
	queueLimit = 4096                  // events of a run kept in memory; more stay in the feed
	saveEvery  = 32                    // deliveries that a crash may repeat
	saveWithin = 20 * time.Millisecond // and how old the oldest of them may be
	skipEvery  = 256                   // events passed over, nothing delivered, that a restart reads again
	skipWithin = time.Minute           // and how old the oldest of them may be
	feedAgain  = time.Second           // after which a feed that failed is asked again
)

// restLane brings to one endpoint all events but orders: one message at a time, and
// those of a run in order.
type restLane struct {
	bell
	post

	mu       sync.Mutex         // guards what follows, and the endpoint's cursors in the feed
	*target                     // whose lane it is: of the outbox that works it
	moved    int                // grows when the cursors were set back
	streams  map[string]*stream // :: run → what is not done with, or not saved
	behind   bool               // the feed is to be asked for all that is pending
	troubled bool               // the feed has failed: what was delivered is saved before more is sent
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

	reading bool      // the dead letters are to be read
	older   bool      // and those that are not known may have been tried by a process before this one
	letters []pending // dead letters that are to be sent again
	again   tries     // at the first of them
}

func newRestLane(t *target) *restLane {
	return &restLane{target: t, bell: newBell(), post: newPost(), older: true, changed: make(chan struct{})}
}

// run works the lane for t until ctx is done, saves what was delivered, and leaves
// the lane to the next outbox. A feed that fails is waited for.
func (l *restLane) run(ctx context.Context, t *target) error {
	if !l.take(ctx) {
		return nil
	}
	defer l.leave()
	l.start(t)
	for ctx.Err() == nil {
		if err := l.turn(ctx, t); err != nil && ctx.Err() == nil {
			l.distrust(err)
			select {
			case <-t.after(feedAgain):
			case <-ctx.Done():
			}
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.saveLocked(last)
}

// start has the lane work for t. Of an outbox that it replaces it keeps what that
// one knows, as long as t wants the same events.
func (l *restLane) start(t *target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.target
	l.target = t
	if l.streams == nil || !t.endpoint.wantsAs(old.endpoint) {
		l.loadLocked()
	}
	if old == t {
		return
	}
	for _, s := range l.streams {
		s.told = s.told.kept()
		if t.endpoint.Class != old.endpoint.Class {
			s.tries.replan(l.now())
		}
	}
	l.hurried.Store(true) // an edit of the config may be the repair
}

// distrust notes that the feed fails. What was delivered stays known, so that it is
// not delivered again when the feed works.
func (l *restLane) distrust(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.troubled = true
	l.trouble(err)
}

// loadLocked forgets what is known: the feed is to be asked.
func (l *restLane) loadLocked() {
	l.streams = make(map[string]*stream)
	l.unsaved, l.skipped, l.unsince = 0, 0, time.Time{}
	l.reading, l.behind, l.waiting = true, true, false
	l.watch = l.feed.Watch() // before reading, so that nothing falls in between
	_, l.mark, _ = l.feed.Newer(latest, 0)
}

// latest is a mark that no feed has reached: Newer answers with the newest there is.
const latest = math.MaxUint64

// catchUpLocked asks the feed for the runs with events that are not done with.
// What is known better, because it is not saved yet, is kept.
func (l *restLane) catchUpLocked(ctx context.Context) error {
	cursors, err := l.feed.Pending(ctx, l.endpoint.Name)
	if err != nil {
		return fmt.Errorf("reading the cursors of endpoint %q: %w", l.endpoint.Name, err)
	}
	for _, c := range cursors {
		s := l.streams[c.Run]
		if s == nil {
			s = l.meetLocked(c.Run, c.N)
			s.old = c.End
			s.tries = resumed(l.endpoint.Class, false, l.now(), c.Attempts, c.NextAt, c.LastError)
		}
		s.end = max(s.end, c.End)
	}
	l.behind = false
	return nil
}

// turn does the next thing: wait for an event, wait until one may be tried, or try it.
func (l *restLane) turn(ctx context.Context, t *target) error {
	head, moved, wait, err := l.prepare(ctx)
	switch {
	case err != nil:
		return err
	case head == nil && wait <= 0:
		l.sleep(ctx, nil)
		return nil
	case wait > 0:
		l.sleep(ctx, t.after(wait))
		return nil
	}
	return l.try(ctx, t, *head, moved)
}

// prepare reads what is new and says what is next: an event, and how long it has
// to wait; or none, after saving that all is done, and after how long to look
// again, zero for as long as nothing happens.
func (l *restLane) prepare(ctx context.Context) (head *pending, moved int, wait time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = false
	if l.troubled {
		// Save what was delivered before sending more: a crash would repeat it.
		if err := l.saveLocked(ctx); err != nil {
			return nil, 0, 0, err
		}
	}
	if err := l.fillLocked(ctx); err != nil {
		return nil, 0, 0, err
	}
	if err := l.readLettersLocked(ctx); err != nil {
		return nil, 0, 0, err
	}
	l.troubled = false
	if l.hurried.Swap(false) {
		l.hurryLocked()
	}
	if head, wait = l.nextLocked(); head != nil && wait <= 0 {
		return head, l.moved, 0, nil
	}
	rest, err := l.restLocked(ctx)
	if err != nil {
		return nil, 0, 0, err
	}
	if head != nil {
		if rest > 0 {
			wait = min(wait, rest)
		}
		return head, l.moved, wait, nil
	}
	if l.waiting = !l.more; l.waiting {
		close(l.changed)
		l.changed = make(chan struct{})
	}
	return nil, l.moved, rest, nil
}

// restLocked saves deliveries, and events passed over when they are many or a
// while ago; if they are not, it says when they will be.
func (l *restLane) restLocked(ctx context.Context) (wait time.Duration, err error) {
	if l.unsince.IsZero() {
		return 0, nil
	}
	wait = skipWithin - l.now().Sub(l.unsince)
	if l.unsaved > 0 || l.skipped >= skipEvery || wait <= 0 {
		return 0, l.saveLocked(ctx)
	}
	return wait, nil
}

// nextLocked is the event that may be tried first; of two that may be tried now,
// the one that was asked for by hand.
func (l *restLane) nextLocked() (head *pending, wait time.Duration) {
	now := l.now()
	var first *stream
	for _, s := range l.streams {
		if len(s.queue) > 0 && (first == nil || s.before(first)) {
			first = s
		}
	}
	if first != nil {
		head, wait = new(first.queue[0]), first.ready().Sub(now)
	}
	if len(l.letters) > 0 {
		if again := l.again.next.Sub(now); head == nil || again <= 0 || again < wait {
			head, wait = new(l.letters[0]), again
		}
	}
	return head, wait
}

// readLettersLocked reads the dead letters that are to be sent again.
func (l *restLane) readLettersLocked(ctx context.Context) error {
	if !l.reading {
		return nil
	}
	letters, err := l.feed.DeadLetters(ctx, l.endpoint.Name)
	if err != nil {
		return fmt.Errorf("reading dead letters of endpoint %q: %w", l.endpoint.Name, err)
	}
	known := l.letters
	l.letters, l.again = nil, tries{}
	for _, d := range letters {
		if !d.Again || d.Event.Order() {
			continue
		}
		p := pending{Stored: d.Stored, since: l.now(), letter: true}
		if i := slices.IndexFunc(known, func(k pending) bool { return k.Run == d.Run && k.Event.N == d.Event.N }); i >= 0 {
			p.unsure = known[i].unsure
		} else if l.older {
			p.unsure = p.since
		}
		l.letters = append(l.letters, p)
	}
	l.reading, l.older = false, false
	return nil
}

// fillLocked reads what is new, and what the streams have left in the feed: of each as
// much as there is room for, so that what is pending is counted by what is wanted.
func (l *restLane) fillLocked(ctx context.Context) error {
	if l.more || fired(l.watch) {
		l.followLocked()
	}
	if l.behind {
		if err := l.catchUpLocked(ctx); err != nil {
			return err
		}
	}
	for _, s := range l.unreadLocked() {
		events, err := l.feed.Events(ctx, s.run, s.read, batch)
		if err != nil {
			return fmt.Errorf("reading events for endpoint %q: %w", l.endpoint.Name, err)
		}
		for _, e := range events {
			l.takeLocked(s, e)
		}
		if len(events) == 0 {
			s.end = s.read // the run is gone
		}
		l.more = l.more || s.unread()
	}
	return nil
}

// unreadLocked is the streams with something in the feed that there is room for, in the
// order in which they were met.
func (l *restLane) unreadLocked() (unread []*stream) {
	for _, s := range l.streams {
		if s.unread() {
			unread = append(unread, s)
		}
	}
	slices.SortFunc(unread, func(a, b *stream) int { return cmp.Compare(a.met, b.met) })
	return unread
}

// meetLocked adds a stream that is done with everything up to n.
func (l *restLane) meetLocked(run string, n uint64) *stream {
	l.met++
	s := &stream{run: run, met: l.met, read: n, end: n, done: n, saved: n}
	l.streams[run] = s
	return s
}

// followLocked takes what was committed since the mark.
func (l *restLane) followLocked() {
	l.watch = l.feed.Watch() // before reading, so that nothing falls in between
	events, next, ok := l.feed.Newer(l.mark, batch)
	l.mark, l.more, l.behind = next, len(events) == batch, l.behind || !ok
	for _, e := range events {
		if l.endpoint.wants(&e.Event) {
			l.hurried.Store(true) // a new event: the endpoint may be back
		}
		s := l.streams[e.Run]
		switch {
		case s == nil && l.behind:
			continue // where its cursor stands is read next, and the event with it
		case s == nil:
			// All cursors have been read: what is not among the streams is done with up to here.
			s = l.meetLocked(e.Run, e.Event.N-1)
		}
		if e.Event.N == s.read+1 && len(s.queue) < queueLimit {
			l.takeLocked(s, e)
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
func (l *restLane) sleep(ctx context.Context, due <-chan time.Time) {
	l.mu.Lock()
	watch, more := l.watch, l.more
	l.mu.Unlock()
	if more {
		return
	}
	select {
	case <-ctx.Done():
	case <-watch:
	case <-due:
	case <-l.rings:
	}
}

// dirtyLocked notes when the first thing came to pass that is not saved.
func (l *restLane) dirtyLocked() {
	if l.unsince.IsZero() {
		l.unsince = l.now()
	}
}

// saveLocked makes durable what is done, and forgets the runs that have nothing
// left to do.
func (l *restLane) saveLocked(ctx context.Context) error {
	for _, s := range l.streams {
		if s.done != s.saved {
			if err := l.feed.Delivered(ctx, l.endpoint.Name, s.run, s.done); err != nil {
				return fmt.Errorf("saving a cursor of endpoint %q: %w", l.endpoint.Name, err)
			}
			s.saved = s.done
		}
		if s.idle() {
			delete(l.streams, s.run)
		}
	}
	l.unsaved, l.skipped, l.unsince = 0, 0, time.Time{}
	return nil
}

// idle reports whether the endpoint is done with all that was committed before
// the call, and otherwise gives a channel that is closed when to ask again.
func (l *restLane) idle() (bool, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting && !fired(l.watch), l.changed
}

// rewoundLocked notes that the cursors were set back. An attempt in flight no longer
// counts then: what it sent may be sent again.
func (l *restLane) rewoundLocked() {
	l.moved++
	l.loadLocked()
	l.ring()
}

// reread has the dead letters read again.
func (l *restLane) reread() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reading, l.waiting = true, false
	l.ring()
}

// hurryLocked has what waits for its next attempt tried now, as far as the endpoint
// may be hurried.
func (l *restLane) hurryLocked() {
	for _, s := range l.streams {
		s.tries.hurry(l.now(), s.tries.gap)
	}
	l.again.hurry(l.now(), l.again.gap)
}

// retry hurries what waits for its next attempt, or the one event that is named, and
// says how many events that are and for how many of them it changed something.
func (l *restLane) retry(id string) (waiting, hurried int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.streams {
		if s.tries.attempts == 0 || len(s.queue) == 0 || id != "" && s.queue[0].Event.ID != id {
			continue
		}
		waiting++
		if s.tries.hurry(l.now(), l.endpoint.Class.hurryEvery()) {
			hurried++
		}
	}
	l.ring()
	return waiting, hurried
}
