package outbox

import "time"

// There is no jitter: an endpoint has one message in flight, ever.
var (
	actionDelays = []time.Duration{1, 2, 5, 10, 20, 30, 60}               // seconds; the last one repeats
	notifyDelays = []time.Duration{5, 30, 120, 600, 1800, 7200, 5 * 3600} // seconds; the last one repeats until patience ends
)

const (
	patience      = 24 * time.Hour  // with one event, of a notify endpoint
	maxAttempts   = 11              // as many as fit into patience; counts where a restart forgot the time
	escalateAfter = 3               // failures
	actionMaxWait = 5 * time.Minute // the longest Retry-After that an action endpoint may ask for
	notifyMaxWait = 6 * time.Hour   // and a notify endpoint
)

// delay is how long to wait after a number of failures in a row, given what the
// receiver asked for. A receiver may slow us down but not silence us.
func (c Class) delay(failures int, asked time.Duration) time.Duration {
	delays, longest := notifyDelays, notifyMaxWait
	if c == Action {
		delays, longest = actionDelays, actionMaxWait
	}
	planned := delays[min(max(failures, 1), len(delays))-1] * time.Second
	return max(planned, min(asked, longest))
}

// exhausted reports whether a notify endpoint has had its time with an event
// that has waited so long and would have to wait again.
func (c Class) exhausted(failures int, waited, again time.Duration) bool {
	return c == Notify && (failures >= maxAttempts || waited+again > patience)
}
