package appstore_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/appstore"
	"github.com/relgate/relgate/sources/appstore/kind"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2025, 6, 4, 12, 0, 0, 0, time.UTC)

var key, keyPEM = func() (*ecdsa.PrivateKey, []byte) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err)
	}
	return k, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}()

// fake is App Store Connect, and the storefronts too.
type fake struct {
	*httptest.Server
	asked   []string // request URIs
	tokens  []string
	slept   []time.Duration
	clock   time.Time // of the source
	answer  http.HandlerFunc
	refused func(n int) bool // whether the n-th request is refused with 401
}

func newFake(t testing.TB, answer http.HandlerFunc) *fake {
	f := &fake{answer: answer, clock: noon}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked = append(f.asked, r.RequestURI)
		w.Header().Set("Date", noon.Format(http.TimeFormat))
		bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if strings.HasPrefix(r.URL.Path, "/lookup") {
			if bearer != "" {
				t.Error("the storefront was shown a token")
			}
			f.answer(w, r)
			return
		}
		f.tokens = append(f.tokens, bearer)
		if f.refused != nil && f.refused(len(f.asked)) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errors":[{"status":"401","code":"NOT_AUTHORIZED","title":"Authentication credentials are missing or invalid."}]}`)
			return
		}
		f.answer(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) config() appstore.Config {
	return appstore.Config{
		Name: "appstore", BaseURL: f.URL, LookupURL: f.URL, Issuer: "57246542-96fe", KeyID: "2X9R4HXF34", KeyPEM: keyPEM,
		Pause: func(ctx context.Context, d time.Duration) error { f.slept = append(f.slept, d); return ctx.Err() },
		Now:   func() time.Time { return f.clock },
	}
}

func (f *fake) source(t testing.TB) *appstore.Source {
	t.Helper()
	s, err := appstore.New(f.config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.CloseIdleConnections)
	return s
}

// verified reads a token as Apple does: r and s in 64 bytes.
func verified(t *testing.T, token string) (header, payload map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("token of %d parts", len(parts))
	}
	var raw [3][]byte
	for i, p := range parts {
		b, err := base64.RawURLEncoding.DecodeString(p)
		if err != nil {
			t.Fatal(err)
		}
		raw[i] = b
	}
	if len(raw[2]) != 64 {
		t.Fatalf("signature of %d bytes, want 64", len(raw[2]))
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(&key.PublicKey, sum[:], new(big.Int).SetBytes(raw[2][:32]), new(big.Int).SetBytes(raw[2][32:])) {
		t.Fatal("the signature is wrong")
	}
	if json.Unmarshal(raw[0], &header) != nil || json.Unmarshal(raw[1], &payload) != nil {
		t.Fatal("the token is not JSON")
	}
	return header, payload
}

func want(index int, q kind.Query, from, to time.Time) sources.Want {
	kind := rules.Mean
	if q.Fact == "phased_release_day" || q.Fact == "phased_release_share" {
		kind = rules.Gauge
	}
	return sources.Want{
		Run: "p", Index: index, From: from.Unix(), To: to.Unix(),
		Signal: &rules.Signal{Name: "rating", Source: "appstore", Kind: kind, Period: 15 * time.Minute, Query: rules.Query{Ask: &q}},
	}
}

// entry is one review of the fake.
type entry struct {
	id, at, territory string
	stars             any
}

// reviewsJSON is one page.
func reviewsJSON(next string, entries ...entry) string {
	data := []any{}
	for _, e := range entries {
		data = append(data, map[string]any{"type": "customerReviews", "id": e.id, "attributes": map[string]any{
			"rating": e.stars, "createdDate": e.at, "territory": e.territory,
		}})
	}
	links := map[string]any{"self": "x"}
	if next != "" {
		links["next"] = next
	}
	b, err := json.Marshal(map[string]any{"data": data, "links": links, "meta": map[string]any{"paging": map[string]any{"limit": 200}}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func say(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
}

// sums adds up the points of a reading.
func sums(r rules.Reading) (stars, reviews float64) {
	for _, p := range r.Points {
		stars += p.Value
		reviews += p.Samples
	}
	return stars, reviews
}
