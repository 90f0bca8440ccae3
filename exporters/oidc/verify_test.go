package oidc_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/oidc"
	"github.com/relgate/relgate/exporters/oidc/oidctest"
)

var t0 = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

// claims are those of a GitHub job, as its documentation has them, for five minutes.
func claims(iss string) map[string]any {
	return map[string]any{
		"iss": iss, "aud": "https://gate.example", "sub": "repo:octo-org@65/octo-repo@123:environment:prod", "jti": "f-1",
		"iat": t0.Unix(), "nbf": t0.Unix() - 5, "exp": t0.Unix() + 300,
		"repository": "octo-org/octo-repo", "repository_id": "123", "repository_owner": "octo-org", "repository_owner_id": "65",
		"environment": "prod", "run_id": "4711", "run_number": "10", "run_attempt": "2", "ref": "refs/heads/main", "actor": "octocat",
	}
}

// world is an issuer, a verifier that trusts it, and a clock.
type world struct {
	*oidctest.Issuer
	*oidc.Verifier
	log bytes.Buffer
	mu  sync.Mutex
	now time.Time
}

func (w *world) clock() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }

func (w *world) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(d) }

func newWorld(t *testing.T, want map[string]string, more ...map[string]string) *world {
	t.Helper()
	w := &world{Issuer: oidctest.New(t), now: t0}
	c := oidc.Config{Now: w.clock, Log: slog.New(slog.NewTextHandler(&w.log, nil))}
	for i, asked := range append([]map[string]string{want}, more...) {
		c.Trusts = append(c.Trusts, oidc.Trust{Name: []string{"github", "second", "third"}[i], Issuer: w.URL, Audience: "https://gate.example", Claims: asked})
	}
	var err error
	if w.Verifier, err = oidc.New(c, nil); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWhichTokensAreBelieved(t *testing.T) {
	mine := map[string]string{"repository_id": "123", "environment": "prod"}
	with := func(key string, value any) func(t *testing.T, w *world) string {
		return func(t *testing.T, w *world) string { return w.Token(t, claims(w.URL), map[string]any{key: value}) }
	}
	forged := func(header map[string]any, signature func(w *world, signed string) []byte) func(t *testing.T, w *world) string {
		return func(t *testing.T, w *world) string {
			token := oidctest.Sign(t, w.Key, header, claims(w.URL))
			signed := token[:strings.LastIndex(token, ".")]
			return signed + "." + base64.RawURLEncoding.EncodeToString(signature(w, signed))
		}
	}
	none := func(*world, string) []byte { return nil }
	hmacOf := func(key []byte, signed string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(signed))
		return m.Sum(nil)
	}
	for _, tt := range []struct {
		name  string
		token func(t *testing.T, w *world) string
		says  string // empty: it is believed
	}{
		{"a job's", with("iss2", nil), ""},
		{"aud is a list", with("aud", []string{"other", "https://gate.example"}), ""},
		{"the id is a number", with("repository_id", 123), ""},
		{"no iat and no nbf", func(t *testing.T, w *world) string {
			return w.Token(t, claims(w.URL), map[string]any{"iat": nil, "nbf": nil})
		}, ""},
		{"expired within the leeway", with("exp", t0.Unix()-29), ""},
		{"nbf within the leeway", with("nbf", t0.Unix()+29), ""},

		{"another audience", with("aud", "https://other.example"), "another audience"},
		{"no audience", with("aud", nil), "another audience"},
		{"an audience that begins alike", with("aud", "https://gate.example.evil"), "another audience"},
		{"another issuer", with("iss", "https://token.example"), "its issuer is none"},
		{"an issuer with a slash more", func(t *testing.T, w *world) string {
			return w.Token(t, claims(w.URL), map[string]any{"iss": w.URL + "/"})
		}, "its issuer is none"},
		{"no issuer", with("iss", nil), "its issuer is none"},
		{"expired", with("exp", t0.Unix()-31), "has expired"},
		{"no end", with("exp", nil), "when it expires"},
		{"an end that is no number", with("exp", "never"), "cannot be read"},
		{"not yet", with("nbf", t0.Unix()+31), "its time has not come"},
		{"issued in the future", with("iat", t0.Unix()+31), "issued in the future"},
		{"another repository", with("repository_id", "124"), "its claim repository_id is not"},
		{"another number", with("repository_id", 1230), "its claim repository_id is not"},
		{"a list that holds it", with("repository_id", []string{"123"}), "no claim repository_id"},
		{"no repository", with("repository_id", nil), "no claim repository_id"},
		{"an empty repository", with("repository_id", ""), "its claim repository_id is not"},
		{"the repository's name in another case of the key", func(t *testing.T, w *world) string {
			return w.Token(t, claims(w.URL), map[string]any{"repository_id": nil, "Repository_ID": "123"})
		}, "no claim repository_id"},
		{"another environment", with("environment", "dev"), "its claim environment is not"},
		{"both", func(t *testing.T, w *world) string {
			return w.Token(t, claims(w.URL), map[string]any{"environment": nil, "repository_id": "9"})
		}, "no claim environment with one value, and its claim repository_id is not"},

		{"alg none", forged(map[string]any{"alg": "none", "kid": "first"}, none), "not signed with an algorithm"},
		{"alg None", forged(map[string]any{"alg": "None", "kid": "first"}, none), "not signed with an algorithm"},
		{"HS256 with the public key, PEM", forged(map[string]any{"alg": "HS256", "kid": "first"}, func(w *world, signed string) []byte {
			der, _ := x509.MarshalPKIXPublicKey(&w.Key.RSA.PublicKey)
			return hmacOf(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), signed)
		}), "not signed with an algorithm"},
		{"HS256 with the public key, modulus", forged(map[string]any{"alg": "HS256", "kid": "first"}, func(w *world, signed string) []byte {
			return hmacOf(w.Key.RSA.N.Bytes(), signed)
		}), "not signed with an algorithm"},
		{"RS256 by name, HMAC by signature", forged(map[string]any{"alg": "RS256", "kid": "first"}, func(w *world, signed string) []byte {
			return hmacOf(w.Key.RSA.N.Bytes(), signed)
		}), "its signature is not"},
		{"no signature", forged(map[string]any{"alg": "RS256", "kid": "first"}, none), "its signature is not"},
		{"another algorithm than the key's", forged(map[string]any{"alg": "PS256", "kid": "first"}, func(*world, string) []byte { return make([]byte, 256) }), "another algorithm than its key is for"},
		{"a key of its own in the header", func(t *testing.T, w *world) string {
			own := oidctest.EC(t, "own")
			x, y := own.EC.X.FillBytes(make([]byte, 32)), own.EC.Y.FillBytes(make([]byte, 32))
			return oidctest.Sign(t, own, map[string]any{"alg": "ES256", "kid": "own", "jwk": map[string]any{
				"kty": "EC", "crv": "P-256", "x": base64.RawURLEncoding.EncodeToString(x), "y": base64.RawURLEncoding.EncodeToString(y),
			}}, claims(w.URL))
		}, "none of the keys"},
		{"another's key under its id", func(t *testing.T, w *world) string {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				t.Fatal(err)
			}
			return oidctest.Sign(t, oidctest.Key{RSA: key}, map[string]any{"alg": "RS256", "kid": "first"}, claims(w.URL))
		}, "its signature is not"},
		{"an unknown key", func(t *testing.T, w *world) string {
			return oidctest.Sign(t, w.Key, map[string]any{"alg": "RS256", "kid": "second"}, claims(w.URL))
		}, "none of the keys"},
		{"no key id", func(t *testing.T, w *world) string {
			return oidctest.Sign(t, w.Key, map[string]any{"alg": "RS256"}, claims(w.URL))
		}, "does not name the key"},
		{"claims that were changed", func(t *testing.T, w *world) string {
			parts := strings.Split(with("repository_id", "124")(t, w), ".")
			parts[1] = base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"iss":%q,"aud":"https://gate.example","exp":%d,"repository_id":"123","environment":"prod"}`, w.URL, t0.Unix()+300))
			return strings.Join(parts, ".")
		}, "its signature is not"},
		{"the same claim twice", func(t *testing.T, w *world) string {
			return raw(t, w, fmt.Sprintf(`{"iss":%q,"aud":"https://gate.example","exp":%d,"environment":"prod","repository_id":"124","repository_id":"123"}`, w.URL, t0.Unix()+300))
		}, "cannot be read"},
		{"too long", with("more", strings.Repeat("x", 8<<10)), "longer than 8192 bytes"},
		{"no token", func(*testing.T, *world) string { return "a.b.c" }, "no signed token"},
		{"of five parts", func(t *testing.T, w *world) string { return with("x", nil)(t, w) + ".x.y" }, "no signed token"},
		{"of JSON", func(t *testing.T, w *world) string { return `{"payload":"","signatures":[]}` }, "no signed token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, mine)
			token := tt.token(t, w)
			got, err := w.Verify(t.Context(), token)
			if tt.says == "" {
				if want := "oidc:github environment=prod repository_id=123 run_id=4711 run_attempt=2"; err != nil || got.Name != want {
					t.Fatalf("%+v, %v, want %s", got, err, want)
				}
				return
			}
			if _, is := errors.AsType[*oidc.Refused](err); !is || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("%+v, %v, want a refusal that says %q", got, err, tt.says)
			}
			told := err.Error() + w.log.String()
			for _, part := range strings.Split(token, ".") {
				if len(part) > 4 && strings.Contains(told, part) {
					t.Errorf("the token is told: %s", told)
				}
			}
			for _, secret := range []string{"124", "octo", "other.example"} {
				if strings.Contains(told, secret) {
					t.Errorf("%q of the token is told: %s", secret, told)
				}
			}
		})
	}
}

// raw signs a payload as it is written.
func raw(t *testing.T, w *world, payload string) string {
	t.Helper()
	return oidctest.SignRaw(t, w.Key, map[string]any{"alg": w.Key.Alg, "kid": w.Key.ID}, []byte(payload))
}

// The claims of each CI system, as its documentation has them.
func TestTheTokensOfFourSystems(t *testing.T) {
	for _, tt := range []struct {
		system string
		claims map[string]any
		asks   map[string]string
		called string
	}{
		{"GitHub", map[string]any{"sub": "repo:o@65/r@74:ref:refs/heads/main", "repository": "o/r", "repository_id": "74", "repository_owner_id": "65", "ref_protected": "true", "run_id": "30433642", "run_attempt": "1", "job_workflow_ref": "o/a/.github/workflows/oidc.yml@refs/heads/main"},
			map[string]string{"repository_id": "74", "ref_protected": "true"}, "oidc:github ref_protected=true repository_id=74 run_id=30433642 run_attempt=1"},
		{"GitLab", map[string]any{"sub": "project_path:g/p:ref_type:branch:ref:main", "namespace_id": "72", "project_id": "20", "project_path": "g/p", "pipeline_id": "574", "job_id": "302", "ref_protected": "true", "environment_protected": "true", "runner_id": 1},
			map[string]string{"project_id": "20"}, "oidc:github project_id=20 pipeline_id=574 job_id=302"},
		{"CircleCI", map[string]any{"sub": "org/0e2c/project/76aa/user/9f", "oidc.circleci.com/project-id": "76aa-1", "oidc.circleci.com/context-ids": []string{"a", "b"}, "oidc.circleci.com/job-id": "j-1", "oidc.circleci.com/workflow-id": "w-1"},
			map[string]string{"oidc.circleci.com/project-id": "76aa-1"}, "oidc:github project-id=76aa-1 workflow-id=w-1 job-id=j-1"},
		{"Buildkite", map[string]any{"sub": "organization:o:pipeline:p:ref:refs/heads/main:commit:9f:step:build", "organization_slug": "o", "pipeline_slug": "p", "organization_id": "0184990a-477b", "pipeline_id": "0184990a-4782", "build_number": 5, "build_tag": nil, "job_id": "0194-b2"},
			map[string]string{"organization_id": "0184990a-477b", "pipeline_id": "0184990a-4782"}, "oidc:github organization_id=0184990a-477b pipeline_id=0184990a-4782 build_number=5 job_id=0194-b2"},
	} {
		w := newWorld(t, tt.asks)
		base := map[string]any{"iss": w.URL, "aud": "https://gate.example", "iat": t0.Unix(), "exp": t0.Unix() + 300}
		got, err := w.Verify(t.Context(), w.Token(t, base, tt.claims))
		if err != nil || got.Name != tt.called {
			t.Errorf("%s: %q, %v, want %q", tt.system, got.Name, err, tt.called)
		}
		for claim := range tt.asks {
			if got, err := w.Verify(t.Context(), w.Token(t, base, tt.claims, map[string]any{claim: "other"})); err == nil {
				t.Errorf("%s: another %s is let in as %q", tt.system, claim, got.Name)
			}
		}
	}
}

// What comes from a token and is shown to people is letters and digits.
func TestANameShowsPlainly(t *testing.T) {
	w := newWorld(t, map[string]string{"repository_id": "123"})
	for _, bad := range []any{"1 repository_id=9", "1\n2", "\u202e1", "", strings.Repeat("9", 65), []string{"1"}, map[string]any{"a": 1}, 1.5, 1e30} {
		got, err := w.Verify(t.Context(), w.Token(t, claims(w.URL), map[string]any{"run_id": bad, "run_attempt": nil}))
		if want := "oidc:github repository_id=123"; err != nil || got.Name != want {
			t.Errorf("run_id %v: %q, %v, want %q", bad, got.Name, err, want)
		}
	}
}

func TestTheTrustThatAsksForMostCounts(t *testing.T) {
	w := newWorld(t, map[string]string{"repository_id": "123"}, map[string]string{"repository_id": "123", "environment": "prod"}, map[string]string{"repository_id": "7"})
	for _, tt := range []struct {
		claims map[string]any
		trust  int
		says   string
	}{
		{map[string]any{}, 1, ""},
		{map[string]any{"environment": "dev"}, 0, ""},
		{map[string]any{"repository_id": "7"}, 2, ""},
		{map[string]any{"repository_id": "8"}, 0, "its claim repository_id is not"},
	} {
		got, err := w.Verify(t.Context(), w.Token(t, claims(w.URL), tt.claims))
		if tt.says == "" && (err != nil || got.Trust != tt.trust) || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%v: %+v, %v, want trust %d %s", tt.claims, got, err, tt.trust, tt.says)
		}
	}
}

// A key that is new is asked for, a known one is not, and whatever tokens come the issuer is
// asked once in ten seconds.
func TestKeysAreRotated(t *testing.T) {
	w := newWorld(t, map[string]string{"repository_id": "123"})
	ask := func(what, token string, want string, asked int64) {
		t.Helper()
		_, err := w.Verify(t.Context(), token)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
		if got := w.Asked.Load(); got != asked {
			t.Errorf("%s: the issuer was asked %d times, want %d", what, got, asked)
		}
	}
	life := map[string]any{"exp": t0.Unix() + 86400}
	first := w.Token(t, claims(w.URL), life)
	ask("the first token", first, "", 1)
	ask("again", first, "", 1)
	w.Use(oidctest.EC(t, "second"))
	second := w.Token(t, claims(w.URL), life)
	ask("a key that is new, at once", second, "none of the keys", 1)
	w.pass(10 * time.Second)
	ask("a key that is new", second, "", 2)
	ask("the old key", first, "", 2)
	w.pass(10 * time.Second)
	guess := oidctest.Sign(t, w.Key, map[string]any{"alg": "ES256", "kid": "guess"}, claims(w.URL), life)
	for range 100 {
		ask("a guess", guess, "none of the keys", 3)
	}
	w.Publish(w.Key.Public())
	w.pass(15 * time.Minute)
	ask("a key that was withdrawn", first, "none of the keys", 4)
	ask("the one that stays", second, "", 4)
}

// While an issuer cannot be reached nothing of it is believed that is not known for less
// than an hour.
func TestAnIssuerThatCannotBeReached(t *testing.T) {
	w := newWorld(t, map[string]string{"repository_id": "123"})
	token := w.Token(t, claims(w.URL), map[string]any{"exp": t0.Unix() + 86400})
	var status int
	away := func(rw http.ResponseWriter, _ *http.Request) bool {
		if status == 0 {
			return false
		}
		rw.Header().Set("Location", w.URL+"/keys")
		rw.WriteHeader(status)
		return true
	}
	w.Answer.Store(&away)
	step := func(what string, pass time.Duration, answers int, believed bool) {
		t.Helper()
		w.pass(pass)
		status = answers
		_, err := w.Verify(t.Context(), token)
		if _, is := errors.AsType[*oidc.Unavailable](err); is == believed || believed && err != nil {
			t.Errorf("%s: %v, want it believed: %v", what, err, believed)
		}
	}
	step("never reached", 0, 500, false)
	step("asked a moment ago", time.Second, 0, false)
	step("it is back", 10*time.Second, 0, true)
	step("away for less than an hour", 59*time.Minute, 302, true)
	step("away for an hour", time.Minute, 302, false)
	step("back again", 10*time.Second, 0, true)
	if !strings.Contains(w.log.String(), "answers 302") || strings.Contains(w.log.String(), token[:20]) {
		t.Error(w.log.String())
	}
}

// What an issuer says of itself is taken only as it should be.
func TestWhatAnIssuerMaySay(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip(err) // a Go that makes no small keys
	}
	weak := oidctest.Key{ID: "first", Alg: "RS256", RSA: small}
	for _, tt := range []struct {
		name, config, keys string // what it answers; empty: as always
		sign               *oidctest.Key
		says               string // in the log; empty: the token is believed
	}{
		{"as always", "", "", nil, ""},
		{"another issuer", `{"issuer":"https://other.example","jwks_uri":"https://other.example/keys"}`, "", nil, "says that it is another issuer"},
		{"keys elsewhere without TLS", `{"issuer":"ISSUER","jwks_uri":"http://keys.example/"}`, "", nil, "want an https URL"},
		{"keys in a file", `{"issuer":"ISSUER","jwks_uri":"file:///etc/passwd"}`, "", nil, "want an https URL"},
		{"no keys", "", `{"keys":[]}`, nil, "none of its 0 keys"},
		{"a secret as key", "", `{"keys":[{"kty":"oct","kid":"first","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}]}`, nil, "none of its 1 keys"},
		{"a key for encryption", "", `{"keys":[{"use":"enc","kty":"EC","crv":"P-256","kid":"first","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`, nil, "none of its 1 keys"},
		{"a key that is too short", "", "weak", &weak, "none of its 1 keys"},
		{"HTML", "", "<html>", nil, "not what was asked for"},
		{"too much", "", `{"keys":["` + strings.Repeat("x", 256<<10) + `"]}`, nil, "longer than 262144 bytes"},
		{"too many", "", `{"keys":[` + strings.Repeat("{},", 100) + `{}]}`, nil, "more than 100"},
	} {
		w := newWorld(t, map[string]string{"repository_id": "123"})
		answer := func(rw http.ResponseWriter, r *http.Request) bool {
			text := tt.keys
			if r.URL.Path != "/keys" {
				text = strings.ReplaceAll(tt.config, "ISSUER", w.URL)
			}
			fmt.Fprint(rw, text)
			return text != ""
		}
		if tt.sign != nil {
			w.Publish(tt.sign.Public())
			w.Key, tt.keys = *tt.sign, ""
		}
		w.Answer.Store(&answer)
		_, err := w.Verify(t.Context(), w.Token(t, claims(w.URL)))
		if _, away := errors.AsType[*oidc.Unavailable](err); away != (tt.says != "") || !strings.Contains(w.log.String(), tt.says) {
			t.Errorf("%s: %v, log %q, want %q", tt.name, err, w.log.String(), tt.says)
		}
	}
}

// Many tokens at once have the issuer asked once.
func TestOneQuestionForManyTokens(t *testing.T) {
	w := newWorld(t, map[string]string{"repository_id": "123"})
	token := w.Token(t, claims(w.URL))
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if _, err := w.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := w.Asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// The keys of an issuer that stays are not asked for again when the trusts are replaced.
func TestKeysStayWhenTheTrustsAreReplaced(t *testing.T) {
	w := newWorld(t, map[string]string{"repository_id": "123"})
	token := w.Token(t, claims(w.URL))
	for i, want := range []string{"123", "124", "123"} {
		next, err := oidc.New(oidc.Config{Now: w.clock, Trusts: []oidc.Trust{{Name: "n", Issuer: w.URL, Audience: "https://gate.example", Claims: map[string]string{"repository_id": want}}}}, w.Verifier)
		if err != nil {
			t.Fatal(err)
		}
		w.Verifier = next
		if _, err := w.Verify(t.Context(), token); (err == nil) != (want == "123") || w.Asked.Load() != 1 {
			t.Errorf("%d: %v, asked %d times", i, err, w.Asked.Load())
		}
	}
}

func FuzzVerify(f *testing.F) {
	for _, s := range []string{"", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJodHRwczovL2kuZXhhbXBsZSJ9.AA"} {
		f.Add(s)
	}
	v, err := oidc.New(oidc.Config{Trusts: []oidc.Trust{{Name: "n", Issuer: "http://127.0.0.1:1", Audience: "a", Claims: map[string]string{"project_id": "1"}}}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if b, err := v.Verify(t.Context(), token); err == nil {
			t.Errorf("%q is let in as %+v", token, b)
		}
	})
}
