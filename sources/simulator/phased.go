package simulator

import "time"

// phasedWrite is a state of the phased release that a client wrote at a time.
type phasedWrite struct {
	at    int64
	state string
}

func (w *world) writePhased(at time.Time, state string) {
	w.written.Lock()
	defer w.written.Unlock()
	w.phased = append(w.phased, phasedWrite{at.Unix(), state})
}

// phasedAt is what a client wrote last before a second, empty for nothing, and for how many
// seconds the release has been paused by then.
func (w *world) phasedAt(unix int64) (state string, paused int64) {
	w.written.Lock()
	defer w.written.Unlock()
	since := int64(0)
	for _, write := range w.phased {
		if write.at > unix {
			break
		}
		if state == "PAUSED" {
			paused += write.at - since
		}
		state, since = write.state, write.at
	}
	if state == "PAUSED" {
		paused += unix - since
	}
	return state, paused
}

// spread is the second by which the release has spread: a pause stands still, and the days
// go on after it.
func (w *world) spread(unix int64) int64 {
	_, paused := w.phasedAt(unix)
	return unix - paused
}
