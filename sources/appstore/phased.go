package appstore

import (
	"fmt"
	"time"

	"github.com/relgate/relgate/internal/connect"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/appstore/kind"
)

// phased answers a want with the day of the phased release: 0 before it began,
// 1 to 7 while it runs, the day it stopped at while it is paused, 7 when it is
// complete.
func (b *batch) phased(w sources.Want, q kind.Query) rules.Reading {
	id, err := b.version(q)
	if err != nil {
		return err.Reading(w)
	}
	var body connect.PhasedBody
	err = b.get(connect.PhasedRef(id), &body)
	b.forgetVersion(q, err)
	if err != nil {
		return err.Reading(w)
	}
	release, err := body.Release()
	if err != nil {
		return err.Reading(w)
	}
	at := levelAt(w, b.now)
	if at < w.From {
		return sources.Faulty(w, rules.NoData, "the range asked for does not include the present")
	}
	return rules.Reading{
		Signal: w.Index, From: w.From, To: w.To, Note: note(release),
		Points:       []rules.Point{{At: at, Value: float64(release.Day), Samples: 1}},
		SettledUntil: settledUntil(w, b.now),
	}
}

// levelAt is the period of a level read now: the newest of the range.
func levelAt(w sources.Want, now time.Time) int64 {
	return floor(min(now.Unix(), w.To-1), int64(w.Signal.Period/time.Second))
}

// note says the state for people.
func note(r connect.PhasedRelease) string {
	switch r.State {
	case connect.Inactive:
		return r.State
	case connect.Complete:
		return r.State + ": released to all users"
	}
	text := fmt.Sprintf("%s, day %d of %d", r.State, r.Day, connect.PhasedDays)
	if r.PauseDays > 0 {
		text += fmt.Sprintf(", paused for %d days in all", r.PauseDays)
	}
	return text
}
