package lambda_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"go.uber.org/goleak"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/lambda"
	"github.com/relgate/relgate/sources/lambda/kind"
	"github.com/relgate/relgate/sources/simulator"
	"github.com/relgate/relgate/sources/simulator/simulatortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2025, 6, 4, 12, 0, 30, 0, time.UTC)

func at(t testing.TB, url string) *lambda.Source {
	t.Helper()
	s, err := lambda.New(context.Background(), lambda.Config{
		Name: "alias", Region: "eu-central-1", BaseURL: url, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "x", ""),
		Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.CloseIdleConnections)
	return s
}

func want(version string, now time.Time) sources.Want {
	return sources.Want{Run: "p", Index: 3, From: now.Unix() - 600, To: now.Unix(), Signal: &rules.Signal{
		Name: "share", Source: "alias", Kind: rules.Gauge, Unit: rules.Percent, Of: -1, Period: time.Minute, Every: time.Minute,
		Query: rules.Query{Ask: &kind.Query{Function: "bioage-inference", Alias: "live", Version: version}},
	}}
}

// The weights say the share; what they leave is the other version's.
func TestTheShareOfAVersion(t *testing.T) {
	for _, tt := range []struct {
		name, body, version string
		fault               rules.Fault
		share               float64
		note                string
	}{
		{"the additional version", `{"FunctionVersion":"42","RevisionId":"r","RoutingConfig":{"AdditionalVersionWeights":{"43":0.1}}}`, "43", rules.OK, .1, "43 10 %, 42 90 %"},
		{"the other one", `{"FunctionVersion":"42","RevisionId":"r","RoutingConfig":{"AdditionalVersionWeights":{"43":0.1}}}`, "42", rules.OK, .9, "43 10 %, 42 90 %"},
		{"all", `{"FunctionVersion":"43","RevisionId":"r"}`, "43", rules.OK, 1, "43 100 %"},
		{"all, and no weights", `{"FunctionVersion":"43","RevisionId":"r","RoutingConfig":{"AdditionalVersionWeights":{}}}`, "43", rules.OK, 1, "43 100 %"},
		{"none", `{"FunctionVersion":"42","RevisionId":"r"}`, "43", rules.OK, 0, "42 100 %"},
		{"a weight of nothing", `{"FunctionVersion":"42","RevisionId":"r","RoutingConfig":{"AdditionalVersionWeights":{"43":0}}}`, "43", rules.OK, 0, "42 100 %"},
		{"no version", `{"RevisionId":"r"}`, "43", rules.PartialData, 0, ""},
		{"no revision", `{"FunctionVersion":"43"}`, "43", rules.PartialData, 0, ""},
		{"more than all", `{"FunctionVersion":"42","RevisionId":"r","RoutingConfig":{"AdditionalVersionWeights":{"43":1.5}}}`, "43", rules.PartialData, 0, ""},
		{"more than all together", `{"FunctionVersion":"42","RevisionId":"r","RoutingConfig":{"AdditionalVersionWeights":{"43":0.7,"44":0.7}}}`, "43", rules.PartialData, 0, ""},
		{"no number", `{"FunctionVersion":"42","RevisionId":"r","RoutingConfig":{"AdditionalVersionWeights":{"43":"NaN"}}}`, "43", rules.PartialData, 0, ""},
		{"less than none", `{"FunctionVersion":"42","RevisionId":"r","RoutingConfig":{"AdditionalVersionWeights":{"43":-0.1}}}`, "43", rules.PartialData, 0, ""},
		{"twice", `{"FunctionVersion":"43","RevisionId":"r","RoutingConfig":{"AdditionalVersionWeights":{"43":0.1}}}`, "43", rules.PartialData, 0, ""},
	} {
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asked++; r.URL.Path != "/2015-03-31/functions/bioage-inference/aliases/live" || r.Method != http.MethodGet {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, tt.body)
		}))
		s := at(t, server.URL)
		got := s.Fetch(t.Context(), noon, []sources.Want{want(tt.version, noon), want("41", noon)})
		if r := got[0]; r.Fault != tt.fault || r.Note != tt.note || r.Signal != 3 || asked != 1 || len(got) != 2 {
			t.Errorf("%s: %+v, asked %d times", tt.name, got, asked)
		} else if tt.fault == rules.OK {
			p := r.Points[0]
			if math.Abs(p.Value-tt.share) > 1e-12 || p.At != noon.Truncate(time.Minute).Unix() || p.Samples != 1 || r.SettledUntil != p.At || got[1].Points[0].Value != 0 {
				t.Errorf("%s: %+v", tt.name, got)
			}
		} else if len(r.Points) != 0 || r.SettledUntil != 0 || r.Detail == "" {
			t.Errorf("%s: %+v", tt.name, r)
		}
		if st := s.Stats(); st.Requests != 1 || st.Billed != 0 {
			t.Errorf("%s: %+v", tt.name, st)
		}
		server.Close()
	}
}

func TestWhatCannotBeAsked(t *testing.T) {
	s := at(t, "http://127.0.0.1:1")
	broken := func(edit func(*sources.Want)) sources.Want {
		w := want("43", noon)
		edit(&w)
		return w
	}
	for _, w := range []sources.Want{
		broken(func(w *sources.Want) { w.Signal = nil }),
		broken(func(w *sources.Want) { w.Signal.Query = rules.Query{} }),
		broken(func(w *sources.Want) { kind.Of(w.Signal.Query).Version = "" }),
		broken(func(w *sources.Want) { w.Signal.Kind = rules.Ratio }),
		broken(func(w *sources.Want) { w.Signal.Unit = rules.Number }),
		broken(func(w *sources.Want) { w.Signal.Period = 0 }),
	} {
		if r := s.Fetch(t.Context(), noon, []sources.Want{w})[0]; r.Fault != rules.ConfigFault || r.Detail == "" || len(r.Points) != 0 {
			t.Errorf("%+v", r)
		}
	}
	if s.Stats().Requests != 0 {
		t.Error("it was asked all the same")
	}
	if _, err := lambda.New(t.Context(), lambda.Config{Name: "alias", Region: "r", BaseURL: "http://u:p@h"}); err == nil || !strings.Contains(err.Error(), "alias") {
		t.Error(err)
	}
}

// simulated is the source at a simulated AWS, whose clock is moved.
func simulated(t *testing.T, now *time.Time, chaos *simulator.Chaos) (*lambda.Source, string) {
	t.Helper()
	scenario, err := simulator.Load("healthy")
	if err != nil {
		t.Fatal(err)
	}
	sim, err := simulator.New(simulator.Config{Scenario: scenario, Start: simulatortest.Start, Now: func() time.Time { return *now }, Chaos: chaos})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim.Handler("aws"))
	t.Cleanup(server.Close)
	return at(t, server.URL), server.URL
}

// The alias as the plan moves it, and as someone else does. The past is not known.
func TestAgainstTheSimulator(t *testing.T) {
	now := simulatortest.Start.Add(-time.Minute)
	s, url := simulated(t, &now, nil)
	share := func(version string) float64 {
		t.Helper()
		r := s.Fetch(t.Context(), now, []sources.Want{want(version, now)})[0]
		if r.Fault != rules.OK || len(r.Points) != 1 {
			t.Fatalf("%+v", r)
		}
		return r.Points[0].Value
	}
	if got := share("43"); got != 0 {
		t.Errorf("before the release %v", got)
	}
	now = simulatortest.Start.Add(5 * time.Minute)
	if got := share("43"); got != .1 {
		t.Errorf("in the first phase %v", got)
	}
	body, _ := json.Marshal(map[string]any{"FunctionVersion": "42", "RoutingConfig": map[string]any{"AdditionalVersionWeights": map[string]float64{"43": .005}}})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url+"/2015-03-31/functions/bioage-inference/aliases/live", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20250604/eu-central-1/lambda/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if got := share("43"); got != .005 {
		t.Errorf("moved by hand %v", got)
	}
	past := want("43", now)
	past.From, past.To = now.Unix()-7200, now.Unix()-3600
	if r := s.Fetch(t.Context(), now, []sources.Want{past})[0]; r.Fault != rules.NoData || len(r.Points) != 0 {
		t.Errorf("%+v", r)
	}
	past.From, past.To = now.Unix()+600, now.Unix()+1200
	if r := s.Fetch(t.Context(), now, []sources.Want{past})[0]; r.Fault != rules.NoData || len(r.Points) != 0 {
		t.Errorf("%+v", r)
	}
	gone := want("43", now)
	kind.Of(gone.Signal.Query).Alias = "lve"
	if r := s.Fetch(t.Context(), now, []sources.Want{gone})[0]; r.Fault != rules.ConfigFault || !strings.Contains(r.Detail, "ResourceNotFound") {
		t.Errorf("%+v", r)
	}
}

func suite(t *testing.T) simulatortest.Suite {
	t.Helper()
	return simulatortest.Suite{
		Handler: "aws",
		Open:    func(base string, _ time.Time) (sources.Source, error) { return at(t, base), nil },
		Wants: func(now time.Time) []sources.Want {
			return []sources.Want{want("43", now), want("42", now)}
		},
	}
}

func TestHonestUnderChaos(t *testing.T) { simulatortest.Honest(t, suite(t)) }

func TestFaults(t *testing.T) { simulatortest.Faults(t, suite(t), "lambda") }
