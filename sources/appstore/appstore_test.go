package appstore_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/appstore"
	"github.com/relgate/relgate/sources/appstore/kind"
)

var byID = kind.Query{Fact: "reviews", VersionID: "v1"}

func hourly(index int, q kind.Query) sources.Want {
	return want(index, q, noon.Add(-time.Hour), noon)
}

func TestTokensAreAsAppleWantsThem(t *testing.T) {
	f := newFake(t, say(reviewsJSON("")))
	s := f.source(t)
	ask := func() string {
		s.Fetch(t.Context(), f.clock, []sources.Want{hourly(0, byID)})
		return f.tokens[len(f.tokens)-1]
	}
	first := ask()
	header, payload := verified(t, first)
	if header["alg"] != "ES256" || header["kid"] != "2X9R4HXF34" || header["typ"] != "JWT" {
		t.Errorf("got header %v", header)
	}
	iat, exp := payload["iat"].(float64), payload["exp"].(float64)
	if payload["iss"] != "57246542-96fe" || payload["aud"] != "appstoreconnect-v1" || payload["sub"] != nil ||
		int64(iat) != noon.Unix()-60 || int64(exp) != noon.Unix()+900 {
		t.Errorf("got payload %v, want issued a minute ago for 15 minutes from now", payload)
	}
	f.clock = noon.Add(13*time.Minute + 59*time.Second)
	if ask() != first {
		t.Error("a token that still lasts was not used again")
	}
	f.clock = noon.Add(14 * time.Minute)
	if ask() == first {
		t.Error("a token was used in its last minute")
	}
	f.clock = noon.Add(-time.Hour) // the clock was set back: the token is of the future now
	ask()
	if _, p := verified(t, f.tokens[len(f.tokens)-1]); int64(p["exp"].(float64)) != f.clock.Unix()+900 {
		t.Errorf("got %v, want a token of the new time", p)
	}
}

func TestIndividualKeysHaveNoIssuer(t *testing.T) {
	f := newFake(t, say(reviewsJSON("")))
	cfg := f.config()
	cfg.Issuer = ""
	s, err := appstore.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.CloseIdleConnections()
	s.Fetch(t.Context(), noon, []sources.Want{hourly(0, byID)})
	if _, p := verified(t, f.tokens[0]); p["sub"] != "user" || p["iss"] != nil {
		t.Errorf("got payload %v, want sub user and no iss", p)
	}
}

func TestNewRefusesOtherKeys(t *testing.T) {
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	encode := func(k any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	for name, text := range map[string][]byte{
		"none": nil, "no PEM": []byte("hunter2"), "P-384": encode(p384), "Ed25519": encode(ed),
		"garbage": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("hunter2")}),
	} {
		if _, err := appstore.New(appstore.Config{KeyID: "k", KeyPEM: text}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want an error without the key", name, err)
		}
	}
	if _, err := appstore.New(appstore.Config{KeyPEM: keyPEM}); err == nil {
		t.Error("no key id: got no error")
	}
	sec1, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := appstore.New(appstore.Config{KeyID: "k", KeyPEM: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})}); err != nil {
		t.Errorf("a SEC 1 key: %v", err)
	}
}

func TestARefusedTokenIsReplacedOnce(t *testing.T) {
	f := newFake(t, say(reviewsJSON("")))
	f.refused = func(n int) bool { return n == 1 }
	got := f.source(t).Fetch(t.Context(), noon, []sources.Want{hourly(0, byID)})[0]
	if got.Fault != rules.OK || len(f.asked) != 2 || f.tokens[0] == f.tokens[1] {
		t.Errorf("got %+v in %d requests, want an answer to another token", got, len(f.asked))
	}
}

func TestAKeyThatIsRefusedStopsTheBatch(t *testing.T) {
	f := newFake(t, say(reviewsJSON("")))
	f.refused = func(int) bool { return true }
	other := byID
	other.VersionID = "v2"
	f.clock = noon.Add(10 * time.Minute) // it is noon where the answers come from
	got := f.source(t).Fetch(t.Context(), noon, []sources.Want{hourly(0, byID), hourly(1, other)})
	for _, r := range got {
		if r.Fault != rules.AuthFault || !strings.Contains(r.Detail, "NOT_AUTHORIZED") || !strings.Contains(r.Detail, "our clock is 10m0s ahead") {
			t.Errorf("got %+v, want refused with the clocks compared", r)
		}
	}
	if len(f.asked) != 2 {
		t.Errorf("%d requests, want 2: the first and one with another token", len(f.asked))
	}
}

func TestRefusalsAreClassified(t *testing.T) {
	tests := []struct {
		code   int
		body   string
		fault  rules.Fault
		detail string
		asked  int
	}{
		{403, `{"errors":[{"status":"403","code":"FORBIDDEN.REQUIRED_AGREEMENTS_MISSING_OR_EXPIRED","title":"A required agreement is missing","detail":"Sign it."}]}`,
			rules.AuthFault, "FORBIDDEN.REQUIRED_AGREEMENTS_MISSING_OR_EXPIRED Sign it.", 1},
		{404, `{"errors":[{"status":"404","code":"NOT_FOUND","title":"no such version"}]}`, rules.ConfigFault, "NOT_FOUND no such version", 2},
		{400, `{"errors":[{"status":"400","code":"PARAMETER_ERROR.INVALID","detail":"bad","source":{"parameter":"sort"}}]}`, rules.ConfigFault, "bad (sort)", 2},
		{409, `{"errors":[{"status":"409","code":"STATE_ERROR","detail":"bad","source":{"pointer":"/data/x"}}]}`, rules.ConfigFault, "bad (/data/x)", 2},
		{500, `{"errors":[{"status":"500","code":"UNEXPECTED_ERROR","detail":"oops"}]}`, rules.Unavailable, "oops", 6},
		{502, `<html>`, rules.Unavailable, "502: Bad Gateway", 6},
		{400, `{"errors":[{"code":"X","detail":"your token eyJhbGciOiJF.eyJpc3MiOiJ4In0.c2ln is bad"}]}`, rules.ConfigFault, "your token [redacted] is bad", 2},
		{200, ``, rules.Unavailable, "empty", 2},
		{200, `{"data":`, rules.Unavailable, "not the JSON", 2},
	}
	for _, tt := range tests {
		f := newFake(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(tt.code); fmt.Fprint(w, tt.body) })
		other := byID
		other.VersionID = "v2"
		got := f.source(t).Fetch(t.Context(), noon, []sources.Want{hourly(0, byID), hourly(1, other)})
		for _, r := range got {
			if r.Fault != tt.fault || !strings.Contains(r.Detail, tt.detail) || len(r.Points) != 0 || r.SettledUntil != 0 {
				t.Errorf("%d %s: got %+v, want %q with %q", tt.code, tt.body, r, tt.fault, tt.detail)
			}
		}
		if len(f.asked) != tt.asked {
			t.Errorf("%d %s: %d requests, want %d", tt.code, tt.body, len(f.asked), tt.asked)
		}
	}
}

func TestBurstsAreAnsweredWithPatience(t *testing.T) {
	n := 0
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Rate-Limit", "user-hour-lim:3600;user-hour-rem:3121;")
		if n++; n <= 2 {
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"errors":[{"status":"429","code":"RATE_LIMIT_EXCEEDED","title":"slow"}]}`)
			return
		}
		fmt.Fprint(w, reviewsJSON(""))
	})
	s := f.source(t)
	got := s.Fetch(t.Context(), noon, []sources.Want{hourly(0, byID)})[0]
	if got.Fault != rules.OK || len(f.slept) != 2 || f.slept[0] < 5*time.Second || f.slept[0] > 8*time.Second || f.slept[1] < 10*time.Second || f.slept[1] > 15*time.Second {
		t.Errorf("got %+v after %v, want an answer after 5 and 10 s and some jitter", got, f.slept)
	}
	if st := s.Stats(); st.RateRemaining != 3121 || st.Throttled != 2 || st.Requests != 3 {
		t.Errorf("got %+v, want 3121 left, 2 throttled of 3", st)
	}
}

func TestThrottledForLongerThanWeHave(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	other := byID
	other.VersionID = "v2"
	got := f.source(t).Fetch(t.Context(), noon, []sources.Want{hourly(0, byID), hourly(1, other)})
	for _, r := range got {
		if r.Fault != rules.Throttled || r.RetryAt != noon.Unix()+600 {
			t.Errorf("got %+v, want throttled for 10 minutes", r)
		}
	}
	if len(f.asked) != 1 {
		t.Errorf("%d requests, want 1", len(f.asked))
	}
}

func TestRequestsAreSpaced(t *testing.T) {
	f := newFake(t, say(reviewsJSON("")))
	s := f.source(t)
	var wants []sources.Want
	for i := range 3 {
		wants = append(wants, hourly(i, kind.Query{Fact: "reviews", VersionID: strconv.Itoa(i)}))
	}
	s.Fetch(t.Context(), noon, wants)
	if want := slices.Repeat([]time.Duration{200 * time.Millisecond}, 2); !slices.Equal(f.slept, want) {
		t.Errorf("slept %v, want %v between 3 requests", f.slept, want)
	}
	s.Fetch(t.Context(), noon, wants[:1])
	if len(f.slept) != 3 {
		t.Errorf("slept %v, want a pause before another batch of the same second", f.slept)
	}
	s.Fetch(t.Context(), noon.Add(time.Minute), wants[:1])
	if len(f.slept) != 3 {
		t.Errorf("slept %v, want none a minute later", f.slept)
	}
}

func TestVersionsAreLookedUpOnce(t *testing.T) {
	versions := `{"data":[{"type":"appStoreVersions","id":"v1","attributes":{"versionString":"1.0.0","platform":"IOS"}},
		{"type":"appStoreVersions","id":"v9","attributes":{"versionString":"1.0.0.1","platform":"IOS"}}]}`
	gone := false
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/apps/647/appStoreVersions":
			if r.URL.Query().Get("filter[versionString]") != "1.0.0" {
				t.Errorf("asked %s", r.RequestURI)
			}
			fmt.Fprint(w, versions)
		case "/v1/appStoreVersions/v1/customerReviews":
			if gone {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			fmt.Fprint(w, reviewsJSON(""))
		default:
			t.Errorf("asked %s", r.RequestURI)
		}
	})
	s := f.source(t)
	w := hourly(0, kind.Query{Fact: "reviews", App: "647", Version: "1.0.0"})
	for i, asked := range []int{2, 3} {
		if got := s.Fetch(t.Context(), noon.Add(time.Duration(i)*time.Minute), []sources.Want{w})[0]; got.Fault != rules.OK || len(f.asked) != asked {
			t.Errorf("fetch %d: got %+v after %d requests, want ok after %d", i, got, len(f.asked), asked)
		}
	}
	gone = true // the version is not there any more: it is looked up again
	s.Fetch(t.Context(), noon.Add(5*time.Minute), []sources.Want{w})
	gone = false
	s.Fetch(t.Context(), noon.Add(6*time.Minute), []sources.Want{w})
	if len(f.asked) != 6 {
		t.Errorf("%d requests, want 6", len(f.asked))
	}
	for name, tt := range map[string]struct {
		answer string
		fault  rules.Fault
		detail string
	}{
		"ambiguous": {`{"data":[{"id":"a","attributes":{"versionString":"1.0.0","platform":"IOS"}},{"id":"b","attributes":{"versionString":"1.0.0","platform":"TV_OS"}}]}`, rules.ConfigFault, "IOS a, TV_OS b"},
		"missing":   {`{"data":[]}`, rules.ConfigFault, `no version "1.0.0"`},
		"unfit":     {`{"data":[{"id":"a","attributes":{"versionString":"2.0.0"}}]}`, rules.ConfigFault, `no version "1.0.0"`},
		"no data":   {`{}`, rules.PartialData, "lacks data"},
	} {
		versions = tt.answer
		if got := f.source(t).Fetch(t.Context(), noon, []sources.Want{w})[0]; got.Fault != tt.fault || !strings.Contains(got.Detail, tt.detail) {
			t.Errorf("%s: got %+v, want %q with %q", name, got, tt.fault, tt.detail)
		}
	}
}

func TestQuestionsThatCannotBeAsked(t *testing.T) {
	f := newFake(t, say(reviewsJSON("")))
	none := hourly(0, byID)
	none.Signal.Query = rules.Query{}
	gauge := hourly(0, byID)
	gauge.Signal.Kind = rules.Gauge
	still := hourly(0, byID)
	still.Signal.Period = 0
	for i, w := range []sources.Want{
		none, gauge, still,
		hourly(0, kind.Query{Fact: "stars"}), hourly(0, kind.Query{Fact: "reviews", App: "1"}),
		hourly(0, kind.Query{Fact: "lookup", App: "1"}),
		hourly(0, kind.Query{Fact: "lookup", App: "1", Countries: slices.Repeat([]string{"us"}, 21)}),
	} {
		if got := f.source(t).Fetch(t.Context(), noon, []sources.Want{w})[0]; got.Fault != rules.ConfigFault || got.Detail == "" {
			t.Errorf("%d: got %+v, want a config fault", i, got)
		}
	}
	if len(f.asked) != 0 {
		t.Errorf("%d requests, want none", len(f.asked))
	}
}

func TestPhasedRelease(t *testing.T) {
	phased := func(attributes string) string {
		return `{"data":{"type":"appStoreVersionPhasedReleases","id":"p","attributes":` + attributes + `},"links":{}}`
	}
	tests := []struct {
		name  string
		code  int
		body  string
		fault rules.Fault
		day   float64
		note  string
	}{
		{"running", 200, phased(`{"phasedReleaseState":"ACTIVE","currentDayNumber":3,"totalPauseDuration":0}`), rules.OK, 3, "ACTIVE, day 3 of 7"},
		{"paused", 200, phased(`{"phasedReleaseState":"PAUSED","currentDayNumber":4,"totalPauseDuration":2}`), rules.OK, 4, "PAUSED, day 4 of 7, paused for 2 days in all"},
		{"not begun", 200, phased(`{"phasedReleaseState":"INACTIVE"}`), rules.OK, 0, "INACTIVE"},
		{"over", 200, phased(`{"phasedReleaseState":"COMPLETE"}`), rules.OK, 7, "COMPLETE: released to all users"},
		{"not enabled", 200, `{"data":null,"links":{}}`, rules.NoData, 0, ""},
		{"no such version", 404, `{"errors":[{"code":"NOT_FOUND","status":"404"}]}`, rules.ConfigFault, 0, ""},
		{"nothing said", 200, `{"links":{}}`, rules.PartialData, 0, ""},
		{"running without a day", 200, phased(`{"phasedReleaseState":"ACTIVE","currentDayNumber":null}`), rules.PartialData, 0, ""},
		{"day 8", 200, phased(`{"phasedReleaseState":"ACTIVE","currentDayNumber":8}`), rules.PartialData, 0, ""},
		{"an unknown state", 200, phased(`{"phasedReleaseState":"HALTED","currentDayNumber":3}`), rules.PartialData, 0, ""},
		{"a list", 200, `{"data":[]}`, rules.PartialData, 0, ""},
	}
	for _, tt := range tests {
		f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v1/appStoreVersions/v1/appStoreVersionPhasedRelease" {
				t.Errorf("asked %s", r.RequestURI)
			}
			w.WriteHeader(tt.code)
			fmt.Fprint(w, tt.body)
		})
		got := f.source(t).Fetch(t.Context(), noon, []sources.Want{hourly(0, kind.Query{Fact: "phased_release_day", VersionID: "v1"})})[0]
		if got.Fault != tt.fault || got.Note != tt.note {
			t.Errorf("%s: got %+v, want %q %q", tt.name, got, tt.fault, tt.note)
		}
		at := rules.Point{At: noon.Add(-15 * time.Minute).Unix(), Value: tt.day, Samples: 1}
		if tt.fault == rules.OK && (len(got.Points) != 1 || got.Points[0] != at) || tt.fault != rules.OK && (got.Points != nil || got.SettledUntil != 0) {
			t.Errorf("%s: got %+v, want %v exactly when it is known", tt.name, got, at)
		}
	}
}

// The share is that of the day. Without a phased release it is all as soon as the version is
// on sale, and none before; where neither is told, it is not known.
func TestPhasedReleaseShare(t *testing.T) {
	phased := func(attributes string) string {
		return `{"data":{"type":"appStoreVersionPhasedReleases","id":"p","attributes":` + attributes + `},"links":{}}`
	}
	version := func(state string) string {
		return `{"data":{"type":"appStoreVersions","id":"v1","attributes":{"appVersionState":` + state + `}}}`
	}
	none, gone := `{"data":null,"links":{}}`, `{"errors":[{"code":"NOT_FOUND","status":"404"}]}`
	for _, tt := range []struct {
		name    string
		code    int
		body    string
		version string
		fault   rules.Fault
		share   float64
		note    string
	}{
		{"not begun", 200, phased(`{"phasedReleaseState":"INACTIVE"}`), "", rules.OK, 0, "INACTIVE"},
		{"day 1", 200, phased(`{"phasedReleaseState":"ACTIVE","currentDayNumber":1}`), "", rules.OK, 0.01, "ACTIVE, day 1 of 7"},
		{"day 5", 200, phased(`{"phasedReleaseState":"ACTIVE","currentDayNumber":5}`), "", rules.OK, 0.2, "ACTIVE, day 5 of 7"},
		{"day 7", 200, phased(`{"phasedReleaseState":"ACTIVE","currentDayNumber":7}`), "", rules.OK, 1, "ACTIVE, day 7 of 7"},
		{"paused", 200, phased(`{"phasedReleaseState":"PAUSED","currentDayNumber":3,"totalPauseDuration":2}`), "", rules.OK, 0.05, "PAUSED, day 3 of 7, paused for 2 days in all"},
		{"over", 200, phased(`{"phasedReleaseState":"COMPLETE"}`), "", rules.OK, 1, "COMPLETE: released to all users"},
		{"on sale without one", 200, none, version(`"READY_FOR_DISTRIBUTION"`), rules.OK, 1, "on sale to all users, without a phased release"},
		{"on sale, as a 404", 404, gone, version(`"READY_FOR_DISTRIBUTION"`), rules.OK, 1, "on sale to all users, without a phased release"},
		{"in review", 200, none, version(`"IN_REVIEW"`), rules.OK, 0, "not on sale yet: IN_REVIEW"},
		{"replaced", 200, none, version(`"REPLACED_WITH_NEW_VERSION"`), rules.NoData, 0, ""},
		{"without a state", 200, none, version(`null`), rules.PartialData, 0, ""},
		{"no such version", 404, gone, "", rules.ConfigFault, 0, ""},
		{"a 404 of someone else", 404, `not here`, version(`"READY_FOR_DISTRIBUTION"`), rules.ConfigFault, 0, ""},
		{"nothing said", 200, `{"links":{}}`, version(`"READY_FOR_DISTRIBUTION"`), rules.PartialData, 0, ""},
	} {
		f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/v1/appStoreVersions/v1/appStoreVersionPhasedRelease":
				w.WriteHeader(tt.code)
				fmt.Fprint(w, tt.body)
			case "/v1/appStoreVersions/v1":
				if tt.version == "" {
					w.WriteHeader(404)
					fmt.Fprint(w, gone)
				}
				fmt.Fprint(w, tt.version)
			default:
				t.Errorf("asked %s", r.RequestURI)
			}
		})
		got := f.source(t).Fetch(t.Context(), noon, []sources.Want{hourly(0, kind.Query{Fact: "phased_release_share", VersionID: "v1"})})[0]
		if got.Fault != tt.fault || got.Note != tt.note {
			t.Errorf("%s: got %+v, want %q %q", tt.name, got, tt.fault, tt.note)
		}
		at := rules.Point{At: noon.Add(-15 * time.Minute).Unix(), Value: tt.share, Samples: 1}
		if tt.fault == rules.OK && (len(got.Points) != 1 || got.Points[0] != at) || tt.fault != rules.OK && (got.Points != nil || got.SettledUntil != 0) {
			t.Errorf("%s: got %+v, want %v exactly when it is known", tt.name, got, at)
		}
	}
}
