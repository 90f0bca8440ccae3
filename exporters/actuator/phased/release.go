package phased

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/relgate/relgate/exporters/actuator"
	"github.com/relgate/relgate/internal/connect"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

// Config names a version of an app.
type Config struct {
	Account   *Account // required
	App       string   // Apple's id of the app, a number; required unless VersionID is set
	Version   string   // its version string, such as "2.3.1"; required
	VersionID string   // Apple's id of the version, where the string names several; looked up if empty
}

// Release is the phased release of one version.
type Release struct{ Config }

// New makes a Release, or says what is wrong with its config. It asks nothing.
func New(c Config) (*Release, error) {
	switch {
	case c.Account == nil:
		return nil, errors.New("phased release: an account is required")
	case c.Version == "":
		return nil, errors.New("phased release: version is required")
	case c.App == "" && c.VersionID == "":
		return nil, errors.New("phased release: app or version_id is required")
	}
	return &Release{c}, nil
}

// Seen is what stands there of a phased release.
type Seen struct {
	State     string  // "INACTIVE", "ACTIVE", "PAUSED" or "COMPLETE"; empty where the version has no phased release
	Day       int     // 0 before the first, 1 to 7
	Share     float64 // of the users with automatic updates, 0 to 1, who get it; of one without a phased release 1
	PauseDays int     // for how many days it was paused in all

	id string
}

// Waits reports whether the phased release is there and has not begun.
func (s Seen) Waits() bool { return s.State == connect.Inactive }

// String says for people who gets the version.
func (s Seen) String() string {
	switch s.State {
	case "":
		return "all users: there is no phased release"
	case connect.Inactive:
		return "no users yet: the phased release has not begun"
	case connect.Complete:
		return "all users: the phased release is complete"
	}
	text := fmt.Sprintf("%s of the users with automatic updates (day %d", actuator.Percent(s.Share), s.Day)
	if s.State == connect.Paused {
		text += ", paused"
	}
	return text + ")"
}

// Look says what stands there, changing nothing. Its error is an [actuator.Error].
func (r *Release) Look(ctx context.Context) (Seen, error) {
	done, err := r.Account.take(ctx)
	if err != nil {
		return Seen{}, err
	}
	defer done()
	return r.look(ctx)
}

func (r *Release) look(ctx context.Context) (Seen, error) {
	id := r.VersionID
	if id == "" {
		var found connect.Versions
		err := r.Account.get(ctx, connect.VersionsRef(r.App, r.Version), &found)
		if err == nil {
			id, err = found.Only(r.App, r.Version)
		}
		if err != nil {
			return Seen{}, r.Account.failed("looking up the version", err)
		}
	}
	var body connect.PhasedBody
	err := r.Account.get(ctx, connect.PhasedRef(id), &body)
	if err != nil && err.Status == http.StatusNotFound {
		return Seen{Share: 1}, nil
	}
	if err != nil {
		return Seen{}, r.Account.failed("reading the phased release", err)
	}
	s, err := seen(body)
	if err != nil {
		return Seen{}, r.Account.failed("reading the phased release", err)
	}
	return s, nil
}

func seen(body connect.PhasedBody) (Seen, *sources.CallError) {
	p, err := body.Release()
	switch {
	case err != nil && err.Fault == rules.NoData:
		return Seen{Share: 1}, nil
	case err != nil:
		return Seen{}, err
	case p.ID == "":
		return Seen{}, connect.Partial("the phased release has no id")
	}
	return Seen{State: p.State, Day: p.Day, Share: p.Share(), PauseDays: p.PauseDays, id: p.ID}, nil
}

// breather is how long Apple is left alone after too many requests, where it names no time.
const breather = 5 * time.Second

// failed says what an error of a request means.
func (a *Account) failed(doing string, err *sources.CallError) *actuator.Error {
	e := &actuator.Error{Reason: fmt.Sprintf("App Store Connect: %s: %s", doing, err.Detail)}
	if !err.RetryAt.IsZero() {
		e.RetryAfter = max(err.RetryAt.Sub(a.now()), 0)
	}
	switch err.Fault {
	case rules.Throttled:
		if err.RetryAt.IsZero() {
			e.RetryAfter = breather
		}
	case rules.AuthFault:
		if e.Final = err.Status == http.StatusForbidden; e.Final {
			e.Reason += ". The key's role has to be App Manager or Admin, and Apple's agreements have to be signed"
		}
	case rules.ConfigFault:
		e.Final = err.Status != http.StatusConflict
	}
	return e
}
