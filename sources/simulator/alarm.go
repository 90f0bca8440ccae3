package simulator

import "fmt"

// alarmState is what the alarm on the 5xx rate says from a time on.
type alarmState struct {
	since  int64  // Unix seconds
	state  string // OK, ALARM, INSUFFICIENT_DATA
	reason string
}

// alarmLine remembers the states of the alarm up to a minute. It is a cache of a
// pure function, so the order of questions does not matter.
type alarmLine struct {
	next   int64 // the first minute that was not evaluated yet
	states []alarmState
}

// alarmHistory is how long before T the alarm has certainly been OK.
const alarmHistory = 2 * 3600

// alarm is the state at a Unix second. The alarm is evaluated when a minute is
// complete, on its true values: late and corrected values do not change it.
func (w *world) alarm(unix int64) alarmState {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := &w.alarms
	if line.states == nil {
		line.next = (w.start.Unix() - alarmHistory) / 60
		line.states = []alarmState{{line.next*60 - 30*86400, "OK", "Threshold Crossed: no datapoints were above the threshold."}}
	}
	for w.completeAt("cloudwatch", line.next) <= unix {
		was := line.states[len(line.states)-1]
		is := w.evaluateAlarm(line.next)
		if is.state != was.state {
			line.states = append(line.states, is)
		}
		line.next++
	}
	now := line.states[0]
	for _, s := range line.states {
		if s.since <= unix {
			now = s
		}
	}
	return now
}

func (w *world) evaluateAlarm(m int64) alarmState {
	a := w.s.Alarm
	var present, above int
	var last float64
	for i := m - int64(a.Of) + 1; i <= m; i++ {
		all, bad := w.api5xx(i, settled)
		if all == 0 {
			continue
		}
		present++
		last = bad / all
		if last > a.Threshold.V {
			above++
		}
	}
	out := alarmState{since: w.completeAt("cloudwatch", m), state: "OK"}
	switch {
	case present == 0:
		out.state, out.reason = "INSUFFICIENT_DATA", fmt.Sprintf("Insufficient Data: %d datapoints were unknown.", a.Of)
	case above >= a.Datapoints:
		out.state = "ALARM"
		fallthrough
	default:
		out.reason = fmt.Sprintf("Threshold Crossed: %d out of the last %d datapoints were greater than the threshold (%v) (the newest: %.5f).",
			above, a.Of, a.Threshold.V, last)
	}
	return out
}
