package inbox

import (
	"maps"
	"slices"
	"time"

	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/inbox/kind"
)

// history is what is known of the alerts of one signal over time. Times are Unix
// milliseconds by the clock of relgate: an alert is on from when that was pushed, whenever
// its sender says that it began.
type history struct {
	steps  []step // ascending; what is before the first is not known
	known  []span // in which what the steps say is known: as far as heartbeats reach; ascending
	seen   bool   // one of the alerts was pushed, at any time
	last   int64  // the newest push of the inbox; 0: there is none
	since  int64  // when the newest state began
	firing *sources.Alert
}

// step is a state from a time on.
type step struct {
	at    int64
	state sources.AlertState
}

// span is a stretch of time.
type span struct{ from, until int64 }

// history goes through the pushes to the inbox, in the order in which they came.
func (in *Inbox) history(q *kind.Query, list []sources.Push, now time.Time) *history {
	h := &history{}
	alerts := map[string]*standing{}
	beat := in.heartbeat.Milliseconds()
	lasts := int64(0) // the earliest end of an alert that is on for a while only
	for _, p := range list {
		at := p.At.UnixMilli()
		if at > now.UnixMilli() {
			break
		}
		h.expire(alerts, lasts, at)
		if n := len(h.known); n > 0 && at <= h.known[n-1].until {
			h.known[n-1].until = at + beat
		} else {
			h.known = append(h.known, span{at, at + beat})
		}
		h.last = at
		for i := range p.Alerts {
			a := &p.Alerts[i]
			switch own := q.Matches(a.Labels); {
			case own && alerts[a.ID] == nil:
				h.seen, alerts[a.ID] = true, &standing{}
			case !own && alerts[a.ID] == nil:
				continue
			case !own && a.State == sources.AlertOn:
				// It goes on under other labels, and is the signal's no more.
				other := *a
				other.State, other.Ended = sources.AlertOff, at
				a = &other
			}
			alerts[a.ID].take(a)
		}
		lasts = h.note(alerts, at)
	}
	h.expire(alerts, lasts, now.UnixMilli()+1)
	return h
}

// standing is where one alert stands.
type standing struct {
	alert *sources.Alert // what was taken last
	begun int64          // of the newest episode
	ended int64          // of the newest that is over
}

// take takes in what a push says, unless it is older than what is known: a replay and a
// push that was overtaken never end an alert that has begun since.
func (s *standing) take(a *sources.Alert) {
	changed := max(a.Begun, a.Ended)
	switch {
	case s.alert == nil:
	case a.Ordered && changed < max(s.begun, s.ended):
		return
	case a.State != sources.AlertOn && a.Begun > 0 && a.Begun < s.begun,
		a.State != sources.AlertOn && a.Ended > 0 && a.Ended <= s.ended && s.alert.State == sources.AlertOn:
		return
	}
	s.alert, s.begun, s.ended = a, max(s.begun, a.Begun), max(s.ended, a.Ended)
}

// note adds a step where the state of the signal changes, and gives when the first of the
// alerts that last for a while ends.
func (h *history) note(alerts map[string]*standing, at int64) (lasts int64) {
	state := sources.AlertOff
	var firing *sources.Alert
	for _, id := range slices.Sorted(maps.Keys(alerts)) {
		a := alerts[id].alert
		on := a.State == sources.AlertOn && (a.Lasts == 0 || a.Lasts > at)
		switch {
		case on && firing == nil:
			state, firing = sources.AlertOn, a
		case a.State == sources.AlertUnknown && firing == nil:
			state = sources.AlertUnknown
		}
		if on && a.Lasts > 0 && (lasts == 0 || a.Lasts < lasts) {
			lasts = a.Lasts
		}
	}
	h.firing = firing
	if n := len(h.steps); n == 0 || h.steps[n-1].state != state {
		h.steps, h.since = append(h.steps, step{at, state}), at
	}
	return lasts
}

// expire ends the alerts that last until a time before another.
func (h *history) expire(alerts map[string]*standing, lasts, before int64) {
	for lasts > 0 && lasts < before {
		lasts = h.note(alerts, lasts)
	}
}

// now is the newest state.
func (h *history) now() sources.AlertState {
	if len(h.steps) == 0 {
		return sources.AlertUnknown // unreachable: where there is a push there is a step
	}
	return h.steps[len(h.steps)-1].state
}

// level is 1 where an alert was known to be on at any time of a stretch, and 0 where all
// were known to be off all through it. Else it is not known.
func (h *history) level(from, until int64) (level float64, known bool) {
	covered := int64(0)
	for _, k := range h.known {
		k = span{max(k.from, from), min(k.until, until)}
		if k.from >= k.until {
			continue
		}
		for i, s := range h.steps {
			end := k.until
			if i+1 < len(h.steps) {
				end = min(end, h.steps[i+1].at)
			}
			if length := end - max(s.at, k.from); length > 0 {
				switch s.state {
				case sources.AlertOn:
					return 1, true
				case sources.AlertOff:
					covered += length
				}
			}
		}
	}
	return 0, covered == until-from && covered > 0
}
