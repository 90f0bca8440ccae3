package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
)

const (
	maxFlights   = 256 // attempts at orders of an endpoint that are in flight together
	firstFlights = 64  // of them, kept for orders that were never tried
	nudge        = 64  // orders that a new event has tried sooner
)

// orderLane brings its orders to one endpoint. Each has attempts of its own, beside
// all others: the first one is made as soon as the commit is seen, whatever hangs.
type orderLane struct {
	bell
	post

	mu      sync.Mutex          // guards what follows, and the endpoint's orders in the feed
	*target                     // whose lane it is: of the outbox that works it
	open    map[orderKey]*order // what the endpoint is not done with
	flying  int                 // attempts in flight
	met     uint64              // orders so far
	mark    uint64              // up to where the feed was followed
	watch   <-chan struct{}
	behind  bool          // the feed is to be asked for all that is pending
	reading bool          // the dead letters are to be read
	older   bool          // and those that are not known may have been tried by a process before this one
	nudged  bool          // there is a new event: the endpoint may be back
	changed chan struct{} // closed when there may be nothing left to do
}

// orderKey is an order, or the dead letter of one that is to be sent again.
type orderKey struct {
	run    string
	n      uint64
	letter bool
}

// order is an order that the endpoint is not done with.
type order struct {
	fact.Stored
	tries
	letter bool      // it is a dead letter, sent again on demand
	met    uint64    // which order of the lane it was
	since  time.Time // when it was read
	began  time.Time // when its first attempt in this process began; zero before
	unsure time.Time // when an attempt may have been made of which nothing is known; zero: none was
	flying bool
	data   []byte // what is being sent, or was
	done   bool   // delivered or not wanted, and the feed does not know it yet
	repeat bool   // a replay was asked for while it was in flight
	told   *told  // nil unless it was escalated
}

func newOrderLane(t *target) *orderLane {
	return &orderLane{target: t, bell: newBell(), post: newPost(), open: make(map[orderKey]*order), behind: true, older: true, changed: make(chan struct{})}
}

// run works the lane for t until ctx is done. It leaves the lane to the next outbox
// then, waits for the attempts that it began, and gives an error when what was
// delivered cannot be saved and no other outbox has taken the lane.
func (l *orderLane) run(ctx context.Context, t *target) error {
	if !l.take(ctx) {
		return nil
	}
	var flights sync.WaitGroup
	l.work(ctx, t, &flights)
	l.leave()
	flights.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.target != t {
		return nil
	}
	return l.saveLocked(last)
}

// work begins what is due until ctx is done. A feed that fails keeps no order that
// is known from being tried.
func (l *orderLane) work(ctx context.Context, t *target, flights *sync.WaitGroup) {
	l.start(t)
	for ctx.Err() == nil {
		watch, wait := l.turn(ctx, flights)
		var due <-chan time.Time
		if wait > 0 {
			due = t.after(wait)
		}
		select {
		case <-ctx.Done():
		case <-watch:
		case <-due:
		case <-l.rings:
		}
	}
}

// start has the lane work for t. Of an outbox that it replaces it keeps all orders
// and their attempts, those in flight too, but for what t does not want.
func (l *orderLane) start(t *target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.target != t {
		for _, o := range l.open {
			o.done = o.done || !o.letter && !t.endpoint.wants(&o.Event)
			o.told = o.told.kept()
			if t.endpoint.Class != l.endpoint.Class {
				o.replan(l.now())
			}
		}
		l.target = t
		l.hurried.Store(true) // an edit of the config may be the repair
	}
	l.behind, l.reading = true, true
	l.watch = l.feed.Watch() // before reading, so that nothing falls in between
	_, l.mark, _ = l.feed.Newer(latest, 0)
}

// turn reads what is new and begins what is due. It gives what to wait for: a
// commit, and for how long, zero for as long as nothing happens.
func (l *orderLane) turn(ctx context.Context, flights *sync.WaitGroup) (watch <-chan struct{}, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.readLocked(ctx)
	l.hurryLocked()
	wait = l.beginLocked(ctx, flights)
	if err = errors.Join(err, l.saveLocked(ctx)); err != nil && ctx.Err() == nil {
		l.trouble(err)
		if wait == 0 || wait > feedAgain {
			wait = feedAgain
		}
	}
	if l.idleLocked() {
		close(l.changed)
		l.changed = make(chan struct{})
	}
	return l.watch, wait
}

// hurryLocked has what waits for its next attempt tried now: all of it, or after a new
// event some orders, of which one that arrives has the others tried.
func (l *orderLane) hurryLocked() {
	most := 0
	if l.nudged {
		most = nudge
	}
	if l.hurried.Swap(false) {
		most = len(l.open)
	}
	l.nudged = false
	for _, o := range l.open {
		if most == 0 {
			return
		}
		if o.hurry(l.now(), o.gap) {
			most--
		}
	}
}

// readLocked reads what is new. What is pending is read before what was committed
// since, in one go: an order that is in both is still known then, and begun once.
func (l *orderLane) readLocked(ctx context.Context) error {
	for l.behind || fired(l.watch) {
		if l.behind {
			l.watch = l.feed.Watch() // a commit asks again, where this fails
			pending, err := l.feed.Orders(ctx, l.endpoint.Name)
			if err != nil {
				return fmt.Errorf("reading the orders of endpoint %q: %w", l.endpoint.Name, err)
			}
			for _, p := range pending {
				if o := l.meetLocked(p.Stored, resumed(l.endpoint.Class, true, l.now(), p.Attempts, p.NextAt, p.LastError), false); o != nil {
					o.unsure = l.now() // a process before this one may have been killed in an attempt
				}
			}
			l.behind = false
		}
		l.followLocked()
	}
	if !l.reading {
		return nil
	}
	letters, err := l.feed.DeadLetters(ctx, l.endpoint.Name)
	if err != nil {
		return fmt.Errorf("reading dead letters of endpoint %q: %w", l.endpoint.Name, err)
	}
	for _, d := range letters {
		if !d.Again || !d.Event.Order() {
			continue
		}
		if o := l.meetLocked(d.Stored, tries{}, true); o != nil && l.older {
			o.unsure = l.now()
		}
	}
	l.reading, l.older = false, false
	return nil
}

// followLocked takes what was committed since the mark.
func (l *orderLane) followLocked() {
	l.watch = l.feed.Watch() // before reading, so that nothing falls in between
	for {
		events, next, ok := l.feed.Newer(l.mark, batch)
		l.mark, l.behind = next, l.behind || !ok
		for i := range events {
			if e := &events[i].Event; e.Order() {
				l.meetLocked(events[i], tries{}, false)
			}
			if l.endpoint.wants(&events[i].Event) {
				l.nudged = true
			}
		}
		if len(events) < batch {
			return
		}
	}
}

// meetLocked adds an order and gives it, nil if it is there already. One that is not wanted
// is done with.
func (l *orderLane) meetLocked(s fact.Stored, t tries, letter bool) *order {
	key := orderKey{s.Run, s.Event.N, letter}
	if l.open[key] != nil {
		return nil
	}
	l.met++
	o := &order{Stored: s, tries: t, letter: letter, met: l.met, since: l.now(), done: !letter && !l.endpoint.wants(&s.Event)}
	l.open[key] = o
	return o
}

// beginLocked begins the attempts that are due and tells the second endpoint what
// does not arrive. It gives how long until the next of either, zero when there is
// none.
func (l *orderLane) beginLocked(ctx context.Context, flights *sync.WaitGroup) (wait time.Duration) {
	t, now, due := l.target, l.now(), []*order(nil)
	later := func(at time.Time) {
		if d := at.Sub(now); wait == 0 || d < wait {
			wait = d
		}
	}
	for _, o := range l.open {
		if o.done {
			continue
		}
		if !o.flying {
			if o.next.After(now) {
				later(o.next)
			} else {
				due = append(due, o)
			}
		}
		if l.second != nil && o.told == nil && !o.began.IsZero() {
			at := o.began.Add(escalateOrder)
			switch due := o.attempts >= escalateAfter && !o.last.IsZero() || !at.After(now); {
			case due && l.second.full():
				later(now.Add(time.Second))
			case due:
				l.escalateLocked(ctx, o)
			default:
				later(at)
			}
		}
	}
	// What was never tried goes first, and of the rest what was tried least.
	slices.SortFunc(due, func(a, b *order) int {
		return cmp.Or(cmp.Compare(a.attempts, b.attempts), cmp.Compare(a.met, b.met))
	})
	for _, o := range due {
		if l.flying >= maxFlights || o.attempts > 0 && l.flying >= maxFlights-firstFlights {
			break // the end of a flight rings
		}
		o.flying, o.repeat = true, false
		l.flying++
		if o.began.IsZero() {
			o.began = now
			if l.second != nil && o.told == nil {
				later(now.Add(escalateOrder))
			}
		}
		flights.Go(func() { l.try(ctx, t, o) })
	}
	return wait
}

func (l *orderLane) escalateLocked(ctx context.Context, o *order) {
	reason := o.lastErr
	if reason == "" {
		reason = fmt.Sprintf("no answer after %v", l.now().Sub(o.began).Round(time.Second))
	}
	o.told = newTold()
	if err := l.escalate(ctx, &o.Event, o.data, o.attempts, reason, o.told); err != nil {
		l.log.Error("escalating", "err", err) // unreachable: what was encoded is JSON
	}
}

// try makes one attempt for t and records what came of it.
//
// A crash after the receiver took it and before that is saved repeats it, with the
// same id; a crash before the attempt repeats nothing.
func (l *orderLane) try(ctx context.Context, t *target, o *order) {
	m, err := t.message(ctx, o.Stored)
	out := Outcome{}
	if err != nil {
		out.Reason = err.Error()
	} else {
		l.mu.Lock()
		o.data, m.Unsure = m.Data, o.unsure
		l.mu.Unlock()
		out = t.send(ctx, m)
	}
	l.settle(ctx, t, o, out)
	l.ring()
}

func (l *orderLane) settle(ctx context.Context, t *target, o *order, out Outcome) {
	saving := context.WithoutCancel(ctx)
	cut := !out.OK && ctx.Err() != nil // by ourselves: nothing is known, the next run tries again
	var succeeded time.Time
	if !cut {
		succeeded = t.account(out)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	o.flying = false
	l.flying--
	if cut {
		o.unsure = l.now()
		return
	}
	if out.OK {
		l.arrivedLocked(o)
		return
	}
	o.fail(l.endpoint.Class, true, l.now(), succeeded, out)
	if o.exhausted(l.endpoint.Class, true, l.now(), o.since, o.Event.At) {
		if err := l.feed.BuryOrder(saving, l.endpoint.Name, o.Run, o.Event.N, l.now().UTC(), o.lastErr); err != nil {
			l.trouble(err) // it stays, and is given up with its next failure
			return
		}
		l.buried(o.Event.ID, o.attempts, o.lastErr)
		delete(l.open, o.key())
		return
	}
	l.say(slog.LevelWarn, "order not delivered", "event", o.Event.ID, "attempts", o.attempts, "next", o.next, "err", o.lastErr)
	if o.letter {
		return
	}
	if err := l.feed.OrderFailed(saving, l.endpoint.Name, o.Run, o.Event.N, o.attempts, o.planned, o.lastErr); err != nil {
		l.trouble(err) // a restart would try sooner than planned
	}
}

// arrivedLocked notes that an order was delivered. The next turn saves it.
func (l *orderLane) arrivedLocked(o *order) {
	if o.attempts > 0 || o.letter {
		l.say(slog.LevelInfo, "delivered after failures", "event", o.Event.ID, "attempts", o.attempts+1)
	}
	o.told.end()
	if o.repeat {
		o.tries, o.began, o.told = tries{}, time.Time{}, nil
		return
	}
	o.done = true
}

func (o *order) key() orderKey { return orderKey{o.Run, o.Event.N, o.letter} }

// saveLocked makes durable what is done.
func (l *orderLane) saveLocked(ctx context.Context) error {
	for key, o := range l.open {
		if !o.done {
			continue
		}
		var err error
		if o.letter {
			err = l.feed.Resolved(ctx, l.endpoint.Name, o.Run, o.Event.N)
		} else {
			err = l.feed.OrderDone(ctx, l.endpoint.Name, o.Run, o.Event.N)
		}
		if o.letter || err == nil {
			delete(l.open, key)
		}
		if err != nil {
			return fmt.Errorf("saving that an order of endpoint %q is done: %w", l.endpoint.Name, err)
		}
	}
	return nil
}

// idleLocked reports whether the endpoint is done with every order that was
// committed.
func (l *orderLane) idleLocked() bool {
	return len(l.open) == 0 && !l.behind && !l.reading && !fired(l.watch)
}

// idle reports whether the endpoint is done with every order that was committed
// before the call, and otherwise gives a channel that is closed when to ask again.
func (l *orderLane) idle() (bool, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idleLocked(), l.changed
}

// rewinding notes that the feed is about to be set back. It saves what is done, which
// is pending again then, and has an order of since or later that is in flight sent once
// more. One that is begun after this was sent after the replay was asked for.
func (l *orderLane) rewinding(ctx context.Context, since time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.saveLocked(ctx); err != nil {
		return err
	}
	for _, o := range l.open {
		o.repeat = o.repeat || o.flying && !o.letter && !o.Event.At.Before(since)
	}
	return nil
}

// rewound has the orders read that are pending since the feed was set back.
func (l *orderLane) rewound() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.behind = true
	l.ring()
}

// reread has the dead letters read again.
func (l *orderLane) reread() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reading = true
	l.ring()
}

// retry hurries what waits for its next attempt, or the one order that is named, and
// says how many orders that are and for how many of them it changed something.
func (l *orderLane) retry(id string) (waiting, hurried int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.open {
		if o.attempts == 0 || o.done || o.flying || id != "" && o.Event.ID != id {
			continue
		}
		waiting++
		if o.hurry(l.now(), l.endpoint.Class.hurryEvery()) {
			hurried++
		}
	}
	l.ring()
	return waiting, hurried
}

// list lists the orders that the endpoint is not done with, as they came.
func (l *orderLane) list() []fact.PendingOrder {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := make([]*order, 0, len(l.open))
	for _, o := range l.open {
		if !o.done && !o.letter {
			waiting = append(waiting, o)
		}
	}
	slices.SortFunc(waiting, func(a, b *order) int { return cmp.Compare(a.met, b.met) })
	orders := make([]fact.PendingOrder, len(waiting))
	for i, o := range waiting {
		orders[i] = fact.PendingOrder{Stored: o.Stored, Attempts: o.attempts, NextAt: o.next, LastError: o.lastErr}
	}
	return orders
}
