package connect

import (
	"bytes"
	"encoding/json"
	"math"
	"net/url"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

// PhasedDays is how many days Apple's phased release has.
const PhasedDays = 7

// States of a phased release.
const (
	Inactive = "INACTIVE" // it has not begun
	Active   = "ACTIVE"
	Paused   = "PAUSED"
	Complete = "COMPLETE" // everyone has it
)

// PhasedRef asks for the phased release of a version.
func PhasedRef(versionID string) string {
	return "/v1/appStoreVersions/" + url.PathEscape(versionID) + "/appStoreVersionPhasedRelease?" + url.Values{
		"fields[appStoreVersionPhasedReleases]": {"phasedReleaseState,startDate,totalPauseDuration,currentDayNumber"},
	}.Encode()
}

// PhasedBody is an answer that holds a phased release.
type PhasedBody struct {
	Data json.RawMessage `json:"data"` // null when phased release is off
}

// PhasedRelease is what is read of one.
type PhasedRelease struct {
	ID    string
	State string // one of the four
	// Day is 0 before it began, 1 to 7 while it runs, the day it stopped at while it is
	// paused, 7 when it is complete.
	Day       int
	PauseDays int // for how many days it was paused in all, as far as Apple says
}

// shares are those of Apple's days, from before the first.
var shares = [PhasedDays + 1]float64{0, 0.01, 0.02, 0.05, 0.10, 0.20, 0.50, 1}

// Share is the share of the users with automatic updates who get the version, 0 to 1: while
// it is paused, that of the day it stopped at.
func (r PhasedRelease) Share() float64 { return shares[r.Day] }

// Release reads the answer, or says why there is no phased release in it.
func (p PhasedBody) Release() (PhasedRelease, *sources.CallError) {
	switch {
	case len(p.Data) == 0:
		return PhasedRelease{}, Partial("the answer lacks data")
	case bytes.Equal(bytes.TrimSpace(p.Data), []byte("null")):
		return PhasedRelease{}, &sources.CallError{Fault: rules.NoData, Detail: "phased release is not enabled for this version"}
	}
	var in struct {
		ID         string `json:"id"`
		Attributes struct {
			State     string   `json:"phasedReleaseState"`
			Day       *float64 `json:"currentDayNumber"`
			PauseDays *float64 `json:"totalPauseDuration"`
		} `json:"attributes"`
	}
	if json.Unmarshal(p.Data, &in) != nil {
		return PhasedRelease{}, Partial("the phased release cannot be read")
	}
	a := in.Attributes
	r := PhasedRelease{ID: in.ID, State: a.State}
	if a.PauseDays != nil && *a.PauseDays > 0 && *a.PauseDays < 1e6 {
		r.PauseDays = int(*a.PauseDays)
	}
	switch a.State {
	case Inactive:
		return r, nil
	case Complete:
		r.Day = PhasedDays
		return r, nil
	case Active, Paused:
	default:
		return PhasedRelease{}, Partial("unknown state %q of the phased release", a.State)
	}
	if a.Day == nil || *a.Day < 0 || *a.Day > PhasedDays || *a.Day != math.Trunc(*a.Day) {
		return PhasedRelease{}, Partial("the phased release is %s without a day from 0 to %d", a.State, PhasedDays)
	}
	r.Day = int(*a.Day)
	return r, nil
}
