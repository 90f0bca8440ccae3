// Package phasedtest is App Store Connect in memory for tests and demonstrations: the requests
// that relgate makes of a phased release, of one version of one app, strict about what they
// hold.
package phasedtest

import (
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/relgate/relgate/exporters/outbox/faulttest"
)

// Ids that the server gives.
const (
	VersionID = "5b2a3c1d-version"
	PhasedID  = "7f6e5d4c-phased"
)

// Server is App Store Connect. Its fields are set before it is used.
type Server struct {
	App, Version  string
	KeyID, Issuer string           // of the one key that is known
	Public        *ecdsa.PublicKey // of that key
	// Fault is asked what becomes of a request, the nth from 1; nil means nothing.
	Fault func(n int) faulttest.Fault
	// Before is called before a request is carried out, with METHOD PATH; nil: nothing is.
	Before func(call string)
	// Answer may answer a request in place of Apple; nil means that it never does.
	Answer func(call string, w http.ResponseWriter) (done bool)

	mu     sync.Mutex
	state  string // empty: there is no phased release
	day    int
	paused int
	set    []string // states that were set by requests
	calls  []string
	bodies [][]byte
	at     []time.Time // of the calls
	wrong  []string
}

// Set puts the phased release into a state, as Apple or someone else does.
func (s *Server) Set(state string, day, pausedDays int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.day, s.paused = state, day, pausedDays
}

// State is the state of the phased release now.
func (s *Server) State() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Updates are the states that were set by requests, in order.
func (s *Server) Updates() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.set)
}

// Bodies are those of the requests that change something.
func (s *Server) Bodies() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies)
}

// Calls are the requests, as METHOD PATH.
func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Wrong is what was wrong with what was sent.
func (s *Server) Wrong() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.wrong)
}

type answer struct {
	status int
	body   any
}

type object = map[string]any

// late is how long after its request a late one is carried out, and spacing how far apart
// requests are.
const (
	late    = 20 * time.Second
	spacing = 200 * time.Millisecond
)

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	call := r.Method + " " + r.URL.Path
	s.mu.Lock()
	s.calls, s.at = append(s.calls, call), append(s.at, time.Now())
	n := len(s.calls)
	if n > 1 && s.at[n-1].Sub(s.at[n-2]) < spacing {
		s.wrong = append(s.wrong, "two requests within 200 ms")
	}
	s.mu.Unlock()
	if s.Before != nil {
		s.Before(call)
	}
	if s.Answer != nil && s.Answer(call, w) {
		return
	}
	fault := faulttest.None
	if s.Fault != nil {
		fault = s.Fault(n)
	}
	do := func() answer {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.do(call, r, body)
	}
	switch fault {
	case faulttest.Busy:
		w.Header().Set("Retry-After", "2")
		write(w, failure(429, "RATE_LIMIT_EXCEEDED", "We've received too many requests for this API."))
	case faulttest.Broken, faulttest.Lying:
		if fault.Done() {
			do()
		}
		write(w, failure(500, "UNEXPECTED_ERROR", "An unexpected error occurred on the server side."))
	case faulttest.Dropped:
		do()
		panic(http.ErrAbortHandler)
	case faulttest.Hanging, faulttest.Lost:
		if fault.Done() {
			do()
		}
		<-r.Context().Done()
	case faulttest.Late:
		time.AfterFunc(late, func() { do() })
		<-r.Context().Done()
	default:
		write(w, do())
	}
}

func write(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Rate-Limit", "user-hour-lim:3600;user-hour-rem:3121;")
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body) // the client may be gone
}

func failure(status int, code, detail string) answer {
	return answer{status, object{"errors": []any{object{"id": "1", "status": strconv.Itoa(status), "code": code, "title": code, "detail": detail}}}}
}

func (s *Server) fail(format string, args ...any) answer {
	text := fmt.Sprintf(format, args...)
	s.wrong = append(s.wrong, text)
	return failure(422, "ENTITY_ERROR.INVALID", text)
}

// known reports whether a request has a token as Apple wants it.
func (s *Server) known(r *http.Request) bool {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.ES256})
	if !ok || err != nil || token.Headers[0].KeyID != s.KeyID {
		return false
	}
	var c jwt.Claims
	now := time.Now()
	return token.Claims(s.Public, &c) == nil && c.Issuer == s.Issuer && slices.Equal(c.Audience, []string{"appstoreconnect-v1"}) && c.IssuedAt != nil && c.Expiry != nil &&
		!c.IssuedAt.Time().After(now) && c.Expiry.Time().After(now) && c.Expiry.Time().Sub(now) <= 20*time.Minute
}

// do carries a request out. The lock is held.
func (s *Server) do(call string, r *http.Request, body []byte) answer {
	switch {
	case !s.known(r):
		s.wrong = append(s.wrong, call+": no token of the key")
		return failure(401, "NOT_AUTHORIZED", "Provide a properly configured and signed bearer token.")
	case call == "GET /v1/apps/"+s.App+"/appStoreVersions":
		list := []any{}
		if s.Version == r.URL.Query().Get("filter[versionString]") {
			list = append(list, object{"type": "appStoreVersions", "id": VersionID, "attributes": object{"platform": "IOS", "versionString": s.Version}})
		}
		self := object{"self": "https://" + r.Host + r.URL.RequestURI()}
		return answer{200, object{"data": list, "links": self, "meta": object{"paging": object{"total": len(list), "limit": 200}}}}
	case call == "GET /v1/appStoreVersions/"+VersionID+"/appStoreVersionPhasedRelease":
		return answer{200, s.shown(r)}
	case call == "PATCH /v1/appStoreVersionPhasedReleases/"+PhasedID && s.state != "":
		return s.change(r, body)
	}
	return failure(404, "NOT_FOUND", "There is no resource of the path "+r.URL.Path)
}

func (s *Server) shown(r *http.Request) object {
	self := object{"self": "https://" + r.Host + r.URL.RequestURI()}
	if s.state == "" {
		return object{"data": nil, "links": self}
	}
	attributes := object{"phasedReleaseState": s.state, "totalPauseDuration": s.paused, "currentDayNumber": s.day}
	if s.state != "INACTIVE" {
		attributes["startDate"] = "2025-06-04T02:30:00-07:00"
	}
	return object{"data": object{"type": "appStoreVersionPhasedReleases", "id": PhasedID, "attributes": attributes}, "links": self}
}

// change sets the state, from one that allows it. Apple would take COMPLETE, which gives the
// version to everybody: here it is always wrong.
func (s *Server) change(r *http.Request, body []byte) answer {
	s.bodies = append(s.bodies, body)
	var in struct {
		Data struct {
			Type       string            `json:"type"`
			ID         string            `json:"id"`
			Attributes map[string]string `json:"attributes"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &in); err != nil || r.Header.Get("Content-Type") != "application/json" {
		return s.fail("body of %q: %v", r.Header.Get("Content-Type"), err)
	}
	state := in.Data.Attributes["phasedReleaseState"]
	switch {
	case in.Data.Type != "appStoreVersionPhasedReleases" || in.Data.ID != PhasedID || len(in.Data.Attributes) != 1:
		return s.fail("body %s", body)
	case state != "PAUSED" && state != "ACTIVE":
		return s.fail("state %q", state)
	case state == "PAUSED" && s.state != "ACTIVE", state == "ACTIVE" && s.state != "PAUSED":
		return failure(409, "STATE_ERROR", fmt.Sprintf("A phased release cannot go from %s to %s.", s.state, state))
	}
	s.state = state
	s.set = append(s.set, state)
	return answer{200, s.shown(r)}
}
