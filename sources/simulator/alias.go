package simulator

import "time"

// alias is what a Lambda alias holds: a version, and additional ones with the
// share of the invocations that each gets.
type alias struct {
	version string
	weights map[string]float64
}

// aliasWrite is an UpdateAlias that was made at a time.
type aliasWrite struct {
	at int64
	to alias
}

// aliasAt is the alias at a Unix second: as it was last written, or else as in
// the scenario's rollout.
func (w *world) aliasAt(unix int64) alias {
	if wrote, ok := w.lastWrite(unix); ok {
		return wrote
	}
	n := w.s.Names
	switch share := w.level("traffic.lambda", unix); {
	case share <= 0:
		return alias{version: n.Stable}
	case share >= 1:
		return alias{version: n.Canary}
	default:
		return alias{version: n.Stable, weights: map[string]float64{n.Canary: share}}
	}
}

func (w *world) lastWrite(unix int64) (alias, bool) {
	w.written.Lock()
	defer w.written.Unlock()
	for i := len(w.writes) - 1; i >= 0; i-- {
		if w.writes[i].at <= unix {
			return w.writes[i].to, true
		}
	}
	return alias{}, false
}

// reverted reports whether the alias was written so that the released version gets
// nothing.
func (w *world) reverted(unix int64) bool {
	_, yes := w.revertedSince(unix)
	return yes
}

// revertedSince is when the alias was written so that the released version gets nothing.
func (w *world) revertedSince(unix int64) (at int64, yes bool) {
	w.written.Lock()
	defer w.written.Unlock()
	for _, wrote := range w.writes {
		if wrote.at > unix {
			break
		}
		gone := wrote.to.version != w.s.Names.Canary && wrote.to.weights[w.s.Names.Canary] == 0
		if gone && !yes {
			at = wrote.at
		}
		yes = gone
	}
	return at, yes
}

func (w *world) writeAlias(at time.Time, to alias) {
	w.written.Lock()
	defer w.written.Unlock()
	w.writes = append(w.writes, aliasWrite{at.Unix(), to})
}

// weight is the share of the alias's invocations that a version gets.
func (w *world) weight(version string, unix int64) float64 {
	a := w.aliasAt(unix)
	if share, ok := a.weights[version]; ok {
		return share
	}
	if version != a.version {
		return 0
	}
	rest := 1.0
	for _, share := range a.weights {
		rest -= share
	}
	return max(0, rest)
}
