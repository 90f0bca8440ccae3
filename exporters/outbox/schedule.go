package outbox

import "time"

// There is no jitter: orders are few, and of the rest an endpoint has one message in flight.
var (
	actionDelays = []time.Duration{1, 2, 5, 10, 20, 30, 60}               // seconds; the last one repeats
	notifyDelays = []time.Duration{5, 30, 120, 600, 1800, 7200, 5 * 3600} // seconds; the last one repeats until patience ends
	// An order that wakes a person is worth nothing some minutes later.
	notifyOrderDelays = []time.Duration{5, 5, 10, 10, 20, 30, 60, 120, 600, 1800, 7200, 5 * 3600} // the same
)

const (
	patience         = 24 * time.Hour   // with one event, of a notify endpoint
	maxAttempts      = 11               // as many as fit into patience; counts where a restart forgot when the first was
	maxOrderAttempts = 16               // and of an order
	escalateAfter    = 3                // failures
	escalateOrder    = 15 * time.Second // after the first attempt at an order began
	slowestHurry     = time.Minute      // what an event comes to that fails while others arrive
	actionMaxWait    = 5 * time.Minute  // the longest Retry-After that an action endpoint may ask for
	notifyMaxWait    = 6 * time.Hour    // and a notify endpoint
	actionOrderWait  = time.Minute      // and with an order an action endpoint
	notifyOrderWait  = 5 * time.Minute  // and a notify endpoint
	actionHurryEvery = time.Second      // what waits is hurried at most so often
	notifyHurryEvery = 5 * time.Second
)

// delay is how long to wait after a number of failures, of an order or of anything else.
func (c Class) delay(failures int, order bool) time.Duration {
	delays := notifyDelays
	switch {
	case c == Action:
		delays = actionDelays
	case order:
		delays = notifyOrderDelays
	}
	return delays[min(max(failures, 1), len(delays))-1] * time.Second
}

// longest is the most that a receiver's Retry-After is given: it may slow us down
// but not silence us.
func (c Class) longest(order bool) time.Duration {
	switch {
	case c == Action && order:
		return actionOrderWait
	case order:
		return notifyOrderWait
	case c == Action:
		return actionMaxWait
	}
	return notifyMaxWait
}

// hurryEvery is how close to each other attempts may be that are not planned.
func (c Class) hurryEvery() time.Duration {
	if c == Action {
		return actionHurryEvery
	}
	return notifyHurryEvery
}

// tries is what is known of an event that did not arrive. Attempts are made when
// they are planned, or sooner when something says that the endpoint may be back:
// those are counted too, and leave the plan as it is.
type tries struct {
	attempts int       // failed ones
	step     int       // how many of them were planned: the place in the schedule
	planned  time.Time // when the schedule has the next one
	next     time.Time // when the next one is made
	last     time.Time // when the last one failed; zero before the first in this process
	asked    time.Time // until then the receiver wants to be left alone
	gap      time.Duration
	lastErr  string
}

// resumed is what the feed knows of the attempts before a restart. That another class
// or another clock planned the next one puts it off no longer than this class would.
func resumed(c Class, order bool, now time.Time, attempts int, next time.Time, lastErr string) tries {
	if latest := now.Add(max(c.delay(attempts, order), c.longest(order))).UTC(); next.After(latest) {
		next = latest
	}
	return tries{attempts: attempts, step: attempts, planned: next, next: next, lastErr: lastErr}
}

// replan notes that the endpoint has another class: what is next is an attempt by the
// schedule of that one.
func (t *tries) replan(now time.Time) {
	if t.attempts > 0 && t.planned.After(now) {
		t.planned = now.UTC()
	}
}

// fail notes a failure. succeeded is when the endpoint last took anything: an
// event that fails while others arrive is stuck by itself, and is hurried less and
// less, so that it does not keep those from their turn.
func (t *tries) fail(c Class, order bool, now, succeeded time.Time, o Outcome) {
	t.gap *= 2
	if t.last.IsZero() || !succeeded.After(t.last) {
		t.gap = c.hurryEvery()
	}
	t.gap = min(t.gap, slowestHurry)
	t.attempts, t.last, t.lastErr = t.attempts+1, now, o.Reason
	if !now.Before(t.planned) {
		t.step++
		t.planned = now.Add(c.delay(t.step, order))
	}
	t.asked = now.Add(min(o.RetryAfter, c.longest(order)))
	if t.asked.After(t.planned) {
		t.planned = t.asked
	}
	t.planned = t.planned.UTC()
	t.next = t.planned
}

// hurry brings the next attempt forward as far as may be, and reports whether it
// did.
func (t *tries) hurry(now time.Time, gap time.Duration) bool {
	at := now
	for _, earliest := range []time.Time{t.last.Add(gap), t.asked} {
		if earliest.After(at) {
			at = earliest
		}
	}
	if t.attempts == 0 || !at.Before(t.next) {
		return false
	}
	t.next = at.UTC()
	return true
}

// exhausted reports whether a notify endpoint has had its time with an event that
// was read at since and happened at happened, and would have to wait again.
func (t *tries) exhausted(c Class, order bool, now, since, happened time.Time) bool {
	most := maxAttempts
	if order {
		most = maxOrderAttempts
	}
	return c == Notify && (t.planned.Sub(since) > patience || t.attempts >= most && now.Sub(happened) > patience)
}
