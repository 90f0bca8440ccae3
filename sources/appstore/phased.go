package appstore

import (
	"fmt"
	"net/http"
	"strings"
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
	release, _, err := b.release(q)
	if err != nil {
		return err.Reading(w)
	}
	return b.level(w, float64(release.Day), note(release))
}

// share answers a want with the share of the users with automatic updates who get the
// version: that of the day of its phased release, and without one all of them as soon as
// it is on sale.
func (b *batch) share(w sources.Want, q kind.Query) rules.Reading {
	release, id, err := b.release(q)
	if err == nil {
		return b.level(w, release.Share(), note(release))
	}
	// Apple says it by null, or by a 404 in its own words; a 404 of anyone else says nothing.
	none := err.Fault == rules.NoData || err.Status == http.StatusNotFound && strings.Contains(err.Detail, "NOT_FOUND")
	if id == "" || !none {
		return err.Reading(w)
	}
	var version connect.VersionBody
	err = b.get(connect.VersionRef(id), &version)
	b.forgetVersion(q, err)
	if err != nil {
		return err.Reading(w)
	}
	sold, err := version.OnSale()
	switch {
	case err != nil:
		return err.Reading(w)
	case sold:
		return b.level(w, 1, "on sale to all users, without a phased release")
	}
	return b.level(w, 0, "not on sale yet: "+version.Data.Attributes.State)
}

// release is the phased release of a version, and the version's id where that is known.
func (b *batch) release(q kind.Query) (connect.PhasedRelease, string, *sources.CallError) {
	id, err := b.version(q)
	if err != nil {
		return connect.PhasedRelease{}, "", err
	}
	var body connect.PhasedBody
	err = b.get(connect.PhasedRef(id), &body)
	b.forgetVersion(q, err)
	if err != nil {
		return connect.PhasedRelease{}, id, err
	}
	release, err := body.Release()
	return release, id, err
}

// level is an answer with a level that was read now.
func (b *batch) level(w sources.Want, v float64, note string) rules.Reading {
	at := levelAt(w, b.now)
	if at < w.From {
		return sources.Faulty(w, rules.NoData, "the range asked for does not include the present")
	}
	return rules.Reading{
		Signal: w.Index, From: w.From, To: w.To, Note: note,
		Points:       []rules.Point{{At: at, Value: v, Samples: 1}},
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
