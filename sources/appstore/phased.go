package appstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/appstore/kind"
)

// phasedDays is how many days Apple's phased release has.
const phasedDays = 7

// phasedBody is an answer of …/appStoreVersionPhasedRelease.
type phasedBody struct {
	Data json.RawMessage `json:"data"` // null when phased release is off
}

type phasedRelease struct {
	Attributes struct {
		State     string   `json:"phasedReleaseState"`
		Day       *float64 `json:"currentDayNumber"`
		PauseDays *float64 `json:"totalPauseDuration"`
	} `json:"attributes"`
}

// phased answers a want with the day of the phased release: 0 before it began,
// 1 to 7 while it runs, the day it stopped at while it is paused, 7 when it is
// complete.
func (b *batch) phased(w sources.Want, q kind.Query) rules.Reading {
	id, err := b.version(q)
	if err != nil {
		return err.Reading(w)
	}
	var body phasedBody
	err = b.get("/v1/appStoreVersions/"+url.PathEscape(id)+"/appStoreVersionPhasedRelease?"+url.Values{
		"fields[appStoreVersionPhasedReleases]": {"phasedReleaseState,startDate,totalPauseDuration,currentDayNumber"},
	}.Encode(), &body)
	b.forgetVersion(q, err)
	if err != nil {
		return err.Reading(w)
	}
	day, note, err := body.day()
	if err != nil {
		return err.Reading(w)
	}
	at := levelAt(w, b.now)
	if at < w.From {
		return sources.Faulty(w, rules.NoData, "the range asked for does not include the present")
	}
	return rules.Reading{
		Signal: w.Index, From: w.From, To: w.To, Note: note,
		Points:       []rules.Point{{At: at, Value: day, Samples: 1}},
		SettledUntil: settledUntil(w, b.now),
	}
}

// levelAt is the period of a level read now: the newest of the range.
func levelAt(w sources.Want, now time.Time) int64 {
	return floor(min(now.Unix(), w.To-1), int64(w.Signal.Period/time.Second))
}

func (p phasedBody) day() (day float64, note string, err *sources.CallError) {
	switch {
	case len(p.Data) == 0:
		return 0, "", partial("the answer lacks data")
	case bytes.Equal(bytes.TrimSpace(p.Data), []byte("null")):
		return 0, "", &sources.CallError{Fault: rules.NoData, Detail: "phased release is not enabled for this version"}
	}
	var r phasedRelease
	if json.Unmarshal(p.Data, &r) != nil {
		return 0, "", partial("the phased release cannot be read")
	}
	a := r.Attributes
	switch a.State {
	case "INACTIVE":
		return 0, "INACTIVE", nil
	case "COMPLETE":
		return phasedDays, "COMPLETE: released to all users", nil
	case "ACTIVE", "PAUSED":
	default:
		return 0, "", partial("unknown state %q of the phased release", a.State)
	}
	if a.Day == nil || *a.Day < 0 || *a.Day > phasedDays || *a.Day != math.Trunc(*a.Day) {
		return 0, "", partial("the phased release is %s without a day from 0 to %d", a.State, phasedDays)
	}
	note = fmt.Sprintf("%s, day %v of %d", a.State, *a.Day, phasedDays)
	if a.PauseDays != nil && *a.PauseDays > 0 {
		note += fmt.Sprintf(", paused for %v days in all", *a.PauseDays)
	}
	return *a.Day, note, nil
}
