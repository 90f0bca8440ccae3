package judge

import (
	"math"

	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// silence is whether a signal can be judged, and when that may change by
// itself.
type silence struct {
	Cause rules.Cause
	Next  int64
	Since int64 // end of the newest period with a value, where it is known that none came after it; else zero
}

// silence says why a signal cannot be judged at a time, CauseNone when it can
// or when it is too early to say.
func (l *Layout) silence(signal int, s *series.Series, since, lookback int64, newest Stretch, at int64) silence {
	sl := &l.Signals[signal]
	allowed := l.allowance(signal, s.Bucket(sl))
	heard := max(s.Settled, s.Newest(sl), since)
	old := heard + allowed
	base := since
	if newest.known {
		base = max(base, newest.newest)
	}
	thin := base + allowed + lookback
	switch {
	case s.Fails >= series.Persistent:
		return silence{Cause: FaultCause(s.Fault), Next: math.MaxInt64}
	case at > old && s.Fails > 0:
		return silence{Cause: FaultCause(s.Fault), Next: math.MaxInt64}
	case at > old && s.Fault == rules.NoData:
		return silence{Cause: rules.CauseNoData, Next: math.MaxInt64}
	case at > old && s.Settled == 0 && len(s.Points) == 0:
		return silence{Cause: rules.CauseNoData, Next: math.MaxInt64}
	case at > old:
		return silence{Cause: rules.CauseStale, Next: math.MaxInt64}
	case at > thin && s.Newest(sl)+allowed+lookback < at:
		return silence{Cause: rules.CauseNoData, Next: math.MaxInt64, Since: base}
	case at > thin:
		return silence{Cause: rules.CauseInsufficientSamples, Next: math.MaxInt64}
	}
	return silence{Cause: rules.CauseNone, Next: min(old, thin) + 1}
}

// Unheard says why nothing is known of a signal now, CauseNone when something is. Of counts
// it is also known that nothing happened in a period that has settled; a level must be there.
func (sc *Scene) Unheard(i int) rules.Cause {
	s, sl := &sc.Signals[i], &sc.Lay.Signals[i]
	known := s.Newest(sl)
	if !sl.Level {
		known = max(known, s.Settled)
	}
	return sc.Lay.silence(i, s, 0, 0, Stretch{known: true, newest: known}, sc.At).Cause
}

// gapAfter is the silence of a signal whose newest value ends at a time, or which has none
// since then: the source has answered, and for longer than the rule's grace there was
// nothing. It has no cause before. Only whole periods of so many seconds can be missing.
func gapAfter(r *rules.Rule, s *series.Series, width, newest, end int64) silence {
	if series.AlignDown(min(s.Settled, end), width)-newest <= series.Secs(r.Grace) {
		return silence{Next: math.MaxInt64}
	}
	return silence{Cause: rules.CauseNoData, Next: math.MaxInt64, Since: newest}
}

// gone is the silence of a rule's signal, where its policy for missing data does something
// about it: as soon as nothing has come for longer than grace, wherever in the window that
// is. Newest is the end of the newest value, and spare by how much values come farther
// apart than a period. Reviews and groups come when they come.
func (sc *Scene) gone(w *Watch, known silence, newest, end, spare int64) silence {
	if known.Cause != rules.CauseNone || !acts(w.Rule) || w.Lay != nil && w.Lay.rule == nil {
		return known
	}
	s, _ := sc.series(w)
	if gap := gapAfter(w.Rule, s, w.w, max(newest, w.from)+spare, end); gap.Cause != rules.CauseNone {
		gap.Since -= spare
		return gap
	}
	return known
}

// acts reports whether a rule's policy for missing data does more than wait.
func acts(r *rules.Rule) bool {
	return r.OnNoData == rules.PolicyFail || r.OnNoData == rules.PolicyRollback
}

// FaultCause is why a signal cannot be judged whose source has such a fault.
func FaultCause(f rules.Fault) rules.Cause {
	switch f {
	case rules.OK:
		return rules.CauseNone
	case rules.NoData:
		return rules.CauseNoData
	case rules.StaleData:
		return rules.CauseStale
	case rules.ConfigFault:
		return rules.CauseConfig
	}
	return rules.CauseSourceError
}
