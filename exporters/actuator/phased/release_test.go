package phased_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/exporters/actuator"
	"github.com/relgate/relgate/exporters/actuator/phased"
	"github.com/relgate/relgate/exporters/actuator/phasedtest"
	"github.com/relgate/relgate/exporters/outbox/faulttest"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
	"github.com/relgate/relgate/internal/peertest"
)

var key, keyPEM = func() (*ecdsa.PrivateKey, string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err)
	}
	return k, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}()

// newServer is a phased release on its fifth day.
func newServer() *phasedtest.Server {
	s := &phasedtest.Server{App: "6470000001", Version: "2.3.1", KeyID: "KEY0123456", Issuer: "issuer", Public: &key.PublicKey}
	s.Set("ACTIVE", 5, 0)
	return s
}

func releaseOf(t testing.TB, s http.Handler, c phased.Config) *phased.Release {
	t.Helper()
	account, err := phased.Open(phased.AccountConfig{Name: "ios", Issuer: "issuer", KeyID: "KEY0123456",
		ReadKey: func() (string, error) { return keyPEM, nil }, Transport: outboxtest.Network{Handler: s}})
	if err != nil {
		t.Fatal(err)
	}
	c.Account = account
	if c.Version == "" {
		c.Version = "2.3.1"
	}
	if c.App == "" && c.VersionID == "" {
		c.App = "6470000001"
	}
	r, err := phased.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// refused reads the error of a call.
func refused(t testing.TB, err error) actuator.Error {
	t.Helper()
	if err == nil {
		return actuator.Error{}
	}
	e, ok := errors.AsType[*actuator.Error](err)
	if !ok || e.Reason == "" || strings.Contains(e.Reason, "eyJ") || strings.Contains(e.Reason, "BEGIN") {
		t.Fatalf("error %v of type %T", err, err)
	}
	return *e
}

func TestLookSaysWhoGetsTheVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		for _, tt := range []struct {
			state     string
			day, days int
			share     float64
			want      string
		}{
			{"INACTIVE", 0, 0, 0, "no users yet: the phased release has not begun"},
			{"ACTIVE", 1, 0, 0.01, "1 % of the users with automatic updates (day 1)"},
			{"ACTIVE", 2, 0, 0.02, "2 % of the users with automatic updates (day 2)"},
			{"ACTIVE", 3, 0, 0.05, "5 % of the users with automatic updates (day 3)"},
			{"PAUSED", 4, 3, 0.1, "10 % of the users with automatic updates (day 4, paused)"},
			{"ACTIVE", 5, 0, 0.2, "20 % of the users with automatic updates (day 5)"},
			{"ACTIVE", 6, 0, 0.5, "50 % of the users with automatic updates (day 6)"},
			{"ACTIVE", 7, 0, 1, "100 % of the users with automatic updates (day 7)"},
			{"COMPLETE", 7, 0, 1, "all users: the phased release is complete"},
			{"", 0, 0, 1, "all users: there is no phased release"},
		} {
			s.Set(tt.state, tt.day, tt.days)
			for _, c := range []phased.Config{{}, {VersionID: phasedtest.VersionID}} {
				got, err := releaseOf(t, s, c).Look(t.Context())
				if err != nil || got.State != tt.state || got.Day != tt.day || got.Share != tt.share || got.PauseDays != tt.days || got.String() != tt.want {
					t.Errorf("%s on day %d: got %+v, %v, %v; want %s", tt.state, tt.day, got, got, err, tt.want)
				}
				time.Sleep(time.Second)
			}
		}
		for _, wrong := range s.Wrong() {
			t.Error(wrong)
		}
	})
}

// What is done from which state, and what is refused, in which words.
func TestAPhasedReleaseIsPaused(t *testing.T) {
	const way = "Remove the version from sale or ship a new build"
	for _, tt := range []struct {
		state     string
		day, days int
		steps     []string // empty: nothing to do, or refused
		refusal   string
	}{
		{"ACTIVE", 5, 0, []string{"phased release of version 2.3.1: ACTIVE → PAUSED, at 20 % of the users with automatic updates (day 5)", "who has it keeps it, and anyone may install it by hand"}, ""},
		{"ACTIVE", 2, 12, []string{"phased release of version 2.3.1: ACTIVE → PAUSED, at 2 % of the users with automatic updates (day 2)", "who has it keeps it, and anyone may install it by hand", "it was paused for 12 of the 30 days that Apple allows in all"}, ""},
		{"PAUSED", 5, 1, nil, ""},
		{"INACTIVE", 0, 0, nil, "the phased release of version 2.3.1 has not begun: it cannot be paused. Hold the release of the version itself back"},
		{"COMPLETE", 7, 0, nil, "the phased release of version 2.3.1 is complete: everyone has it; it cannot be paused. " + way},
		{"", 0, 0, nil, "version 2.3.1 has no phased release: everyone gets it at once; it cannot be paused. " + way},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			s.Set(tt.state, tt.day, tt.days)
			r := releaseOf(t, s, phased.Config{})
			name := fmt.Sprintf("%s on day %d", tt.state, tt.day)
			seen, err := r.Look(t.Context())
			if steps, refusal := r.PlanPause(seen); err != nil || !slices.Equal(steps, tt.steps) || refusal != tt.refusal {
				t.Errorf("%s: plan %q, refusal %q, %v", name, steps, refusal, err)
			}
			for round := range 2 { // the second finds the goal
				done, err := r.Pause(t.Context())
				e := refused(t, err)
				if e.Reason != tt.refusal || (err != nil) != (tt.refusal != "") || err != nil && (!e.Final || e.Doubt) || done.Changed != (round == 0 && tt.steps != nil) || err == nil && (done.After.State != "PAUSED" || done.Words == "") {
					t.Errorf("%s, round %d: %+v, %+v", name, round, done, e)
				}
			}
			want := []string(nil)
			if tt.steps != nil {
				want = []string{"PAUSED"}
			}
			if got := s.Updates(); !slices.Equal(got, want) {
				t.Errorf("%s: set to %q, want %q", name, got, want)
			}
			for _, wrong := range s.Wrong() {
				t.Errorf("%s: %s", name, wrong)
			}
		})
	}
}

// What Apple's answers mean.
func TestAnswersOfApple(t *testing.T) {
	said := func(code, detail string) string {
		return fmt.Sprintf(`{"errors":[{"status":"x","code":%q,"title":"t","detail":%q}]}`, code, detail)
	}
	const versions, reading, patch = "GET /v1/apps/6470000001/appStoreVersions", "GET /v1/appStoreVersions/" + phasedtest.VersionID + "/appStoreVersionPhasedRelease", "PATCH /v1/appStoreVersionPhasedReleases/" + phasedtest.PhasedID
	for _, tt := range []struct {
		call   string
		status int
		body   string
		header http.Header
		want   actuator.Error
	}{
		{reading, 401, said("NOT_AUTHORIZED", "no"), nil, actuator.Error{Reason: "App Store Connect: reading the phased release: 401: NOT_AUTHORIZED no"}},
		{patch, 403, said("FORBIDDEN_ERROR", "The API key in use does not allow this request"), nil, actuator.Error{Final: true, Reason: "App Store Connect: changing the phased release: 403: FORBIDDEN_ERROR The API key in use does not allow this request. The key's role has to be App Manager or Admin"}},
		{versions, 403, said("FORBIDDEN.REQUIRED_AGREEMENTS_MISSING_OR_EXPIRED", "sign"), nil, actuator.Error{Final: true, Reason: "App Store Connect: looking up the version: 403: FORBIDDEN.REQUIRED_AGREEMENTS_MISSING_OR_EXPIRED sign"}},
		{versions, 404, said("NOT_FOUND", "no app"), nil, actuator.Error{Final: true, Reason: "App Store Connect: looking up the version: 404"}},
		{versions, 200, `{"data":[]}`, nil, actuator.Error{Final: true, Reason: `App Store Connect: looking up the version: app 6470000001 has no version "2.3.1"`}},
		{versions, 200, `{"data":[{"id":"1","attributes":{"versionString":"2.3.1","platform":"IOS"}},{"id":"2","attributes":{"versionString":"2.3.1","platform":"MAC_OS"}}]}`, nil, actuator.Error{Final: true, Reason: `App Store Connect: looking up the version: version "2.3.1" of app 6470000001 is ambiguous`}},
		{reading, 404, said("NOT_FOUND", "none"), nil, actuator.Error{Final: true, Reason: "version 2.3.1 has no phased release"}},
		{reading, 200, `{"data":{"id":"7","attributes":{"phasedReleaseState":"HALTED","currentDayNumber":3}}}`, nil, actuator.Error{Reason: `App Store Connect: reading the phased release: unknown state "HALTED"`}},
		{reading, 200, `{"data":{"id":"7","attributes":{"phasedReleaseState":"ACTIVE","currentDayNumber":9}}}`, nil, actuator.Error{Reason: "App Store Connect: reading the phased release: the phased release is ACTIVE without a day"}},
		{reading, 200, `{"data":{"attributes":{"phasedReleaseState":"ACTIVE","currentDayNumber":3}}}`, nil, actuator.Error{Reason: "App Store Connect: reading the phased release: the phased release has no id"}},
		{reading, 200, `{}`, nil, actuator.Error{Reason: "App Store Connect: reading the phased release: the answer lacks data"}},
		{reading, 503, said("UNEXPECTED_ERROR", "down"), nil, actuator.Error{Reason: "App Store Connect: reading the phased release: 503: UNEXPECTED_ERROR down"}},
		{patch, 429, said("RATE_LIMIT_EXCEEDED", "slow"), http.Header{"Retry-After": {"40"}}, actuator.Error{RetryAfter: 40 * time.Second, Reason: "App Store Connect: changing the phased release: 429: RATE_LIMIT_EXCEEDED slow"}},
		{patch, 429, said("RATE_LIMIT_EXCEEDED", "slow"), nil, actuator.Error{RetryAfter: 5 * time.Second, Reason: "App Store Connect: changing the phased release: 429: RATE_LIMIT_EXCEEDED slow"}},
		{patch, 500, said("UNEXPECTED_ERROR", "down"), nil, actuator.Error{Doubt: true, Reason: "App Store Connect: changing the phased release: 500"}},
		{patch, 200, "<html>Welcome", nil, actuator.Error{Doubt: true, Reason: "App Store Connect: changing the phased release: "}},
		{patch, 409, said("STATE_ERROR", "no"), nil, actuator.Error{Reason: "App Store Connect: changing the phased release: 409: STATE_ERROR no"}},
		{patch, 422, said("ENTITY_ERROR", "no"), nil, actuator.Error{Final: true, Reason: "App Store Connect: changing the phased release: 422"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			s.Answer = func(call string, w http.ResponseWriter) bool {
				if call != tt.call {
					return false
				}
				maps.Copy(w.Header(), tt.header)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
				return true
			}
			_, err := releaseOf(t, s, phased.Config{}).Pause(t.Context())
			e := refused(t, err)
			reason := e.Reason
			if e.Reason = tt.want.Reason; err == nil || e != tt.want || !strings.HasPrefix(reason, tt.want.Reason) || len(s.Updates()) > 0 {
				t.Errorf("%s answered %d: got %+v, %q\nwant %+v", tt.call, tt.status, e, reason, tt.want)
			}
		})
	}
}

// A valid token that Apple refuses once is replaced.
func TestARefusedTokenIsReplacedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, refusals := newServer(), 0
		s.Answer = func(call string, w http.ResponseWriter) bool {
			if !strings.HasPrefix(call, "PATCH") || refusals > 0 {
				return false
			}
			refusals++
			w.WriteHeader(401)
			return true
		}
		if done, err := releaseOf(t, s, phased.Config{}).Pause(t.Context()); err != nil || !done.Changed {
			t.Errorf("%+v, %v", done, err)
		}
	})
}

// Someone else changes the release between the reading, the change and the reading back.
func TestWhoeverIsFasterIsSeen(t *testing.T) {
	for _, tt := range []struct {
		name, before, after string // the states that someone else sets before the change, and after it
		want                string
		final               bool
	}{
		{"paused", "PAUSED", "", "", false},
		{"completed", "COMPLETE", "", "the phased release of version 2.3.1 is complete", true},
		{"resumed after", "", "ACTIVE", "the phased release was paused, and now it is ACTIVE: someone else is changing it", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, changes := newServer(), 0
			s.Before = func(call string) {
				if strings.HasPrefix(call, "PATCH") {
					changes++
					if tt.before != "" {
						s.Set(tt.before, 5, 0)
					}
				} else if changes > 0 && tt.after != "" {
					s.Set(tt.after, 5, 0)
				}
			}
			_, err := releaseOf(t, s, phased.Config{}).Pause(t.Context())
			if e := refused(t, err); !strings.HasPrefix(e.Reason, tt.want) || (err == nil) != (tt.want == "") || e.Final != tt.final || e.Doubt != (tt.after != "") {
				t.Errorf("%s: %+v", tt.name, e)
			}
			if tt.before != "" && s.State() != tt.before {
				t.Errorf("%s: the state is %s", tt.name, s.State())
			}
		})
	}
}

// attempt is one call as a sink makes it, within ten seconds.
func attempt(t testing.TB, do func(context.Context) (phased.Done, error)) (phased.Done, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return do(ctx)
}

// Whatever becomes of the requests, and whatever state it is in, the release ends paused by one
// change, or with an error that says truly whether something may have been done.
func TestWhateverFailsTheReleaseIsPausedOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		faults := rapid.SliceOfN(rapid.SampledFrom(append(faulttest.Faults(), make([]faulttest.Fault, 8)...)), 0, 16).Draw(rt, "faults")
		state := rapid.SampledFrom([]string{"ACTIVE", "ACTIVE", "PAUSED", "PAUSED", "COMPLETE", "INACTIVE", ""}).Draw(rt, "state")
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			s.Set(state, 5, 0)
			s.Fault = func(n int) faulttest.Fault {
				if n <= len(faults) {
					return faults[n-1]
				}
				return faulttest.None
			}
			r := releaseOf(t, s, phased.Config{})
			var err error
			for range 20 {
				before := len(s.Updates())
				var done phased.Done
				done, err = attempt(t, r.Pause)
				e := refused(t, err)
				time.Sleep(25 * time.Second) // late ones are through
				if err != nil && !e.Doubt && len(s.Updates()) > before || done.Changed && len(s.Updates()) == before {
					rt.Errorf("%+v, %q, and %d updates before, %d after", done, e.Reason, before, len(s.Updates()))
				}
				if err == nil || e.Final {
					break
				}
			}
			possible := state == "ACTIVE" || state == "PAUSED"
			want, updates := state, []string(nil)
			if state == "ACTIVE" {
				want, updates = "PAUSED", []string{"PAUSED"}
			}
			if (err == nil) != possible || s.State() != want || !slices.Equal(s.Updates(), updates) {
				rt.Errorf("from %q: ends with %v at %q, set to %q", state, err, s.State(), s.Updates())
			}
			s.Fault = nil
			if again, err := attempt(t, r.Pause); (err == nil) != possible || again.Changed || !slices.Equal(s.Updates(), updates) {
				rt.Errorf("again: %+v, %v, set to %q", again, err, s.Updates())
			}
			for _, wrong := range s.Wrong() {
				rt.Error(wrong)
			}
		})
		if t.Failed() {
			rt.FailNow()
		}
	})
}

func TestAConfigThatCannotWorkIsRefused(t *testing.T) {
	for want, c := range map[string]phased.Config{
		"an account is required":        {},
		"version is required":           {Account: new(phased.Account)},
		"app or version_id is required": {Account: new(phased.Account), Version: "2.3.1"},
	} {
		if _, err := phased.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	read := func() (string, error) { return keyPEM, nil }
	for want, c := range map[string]phased.AccountConfig{
		"key_id is missing": {ReadKey: read},
		"want a PEM file":   {KeyID: "K", ReadKey: func() (string, error) { return "s3cret", nil }},
		"base URL":          {KeyID: "K", ReadKey: read, BaseURL: "ftp://x"},
	} {
		if _, err := phased.Open(c); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Two who use one key wait for each other.
func TestAKeyMakesOneRequestAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		r := releaseOf(t, s, phased.Config{})
		ends := make(chan error)
		for range 4 {
			go func() {
				_, err := r.Pause(t.Context())
				ends <- err
			}()
		}
		for range 4 {
			if err := <-ends; err != nil {
				t.Error(err)
			}
		}
		if got := s.Updates(); len(got) != 1 {
			t.Errorf("set to %q", got)
		}
		for _, wrong := range s.Wrong() {
			t.Error(wrong)
		}
		s.Fault = func(int) faulttest.Fault { return faulttest.Hanging }
		for range 2 {
			go func() {
				_, err := attempt(t, r.Pause)
				ends <- err
			}()
		}
		for range 2 {
			if err := <-ends; err == nil {
				t.Error("no error while nothing answers")
			}
		}
	})
}

// No code can give the version to everyone: one place sends, and it sends PAUSED; the names of
// the other states stand nowhere but in comparisons.
func TestNothingCanCompleteARelease(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	patches, compared := 0, 0
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, f.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		allowed := map[ast.Expr]bool{}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CaseClause:
				for _, e := range n.List {
					allowed[e] = true
				}
			case *ast.SelectorExpr:
				switch {
				case n.Sel.Name == "Patch":
					patches++
				case !slices.Contains([]string{"Complete", "Active"}, n.Sel.Name):
				case !allowed[n]:
					t.Errorf("%s: the state is used outside of a case", fset.Position(n.Pos()))
				default:
					compared++
				}
			case *ast.BasicLit:
				if n.Kind == token.STRING && (strings.Contains(n.Value, "COMPLETE") || strings.Contains(n.Value, "ACTIVE")) {
					t.Errorf("%s: the state as a text", fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
	if patches != 1 || compared == 0 {
		t.Errorf("%d places send, %d compare", patches, compared)
	}
}

// What is sent, and what the double answers, is as Apple describes it.
func TestBodiesAreAsAppleDescribesThem(t *testing.T) {
	schema := peertest.Apple(t)
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		r := releaseOf(t, s, phased.Config{})
		if _, err := r.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(s.Bodies()) != 1 {
			t.Fatalf("%d bodies", len(s.Bodies()))
		}
		const patch = "PATCH /v1/appStoreVersionPhasedReleases/{id}"
		for _, body := range s.Bodies() {
			peertest.Keeps(t, schema(patch, "requestBody"), body)
		}
		peertest.Lacks(t, schema(patch, "requestBody"), `{"data":{"type":"appStoreVersionPhasedReleases","id":"7","attributes":{"phasedReleaseState":"HALTED"}}}`)
		for call, operation := range map[string]string{
			"/v1/apps/6470000001/appStoreVersions?filter[versionString]=2.3.1":               "GET /v1/apps/{id}/appStoreVersions",
			"/v1/appStoreVersions/" + phasedtest.VersionID + "/appStoreVersionPhasedRelease": "GET /v1/appStoreVersions/{id}/appStoreVersionPhasedRelease",
			"/v1/appStoreVersionPhasedReleases/" + phasedtest.PhasedID:                       patch,
		} {
			peertest.Keeps(t, schema(operation, "responses/200"), answered(t, s, call, operation))
		}
	})
}

// answered is what the double answers to one call of the client.
func answered(t *testing.T, s *phasedtest.Server, path, operation string) json.RawMessage {
	t.Helper()
	taken := &tap{next: s, path: strings.SplitN(path, "?", 2)[0]}
	s.Set("ACTIVE", 5, 0)
	again := releaseOf(t, taken, phased.Config{})
	time.Sleep(time.Second)
	if _, err := again.Pause(t.Context()); err != nil || taken.body == nil {
		t.Fatalf("%s: %v, %q", operation, err, taken.body)
	}
	time.Sleep(time.Second)
	return taken.body
}
