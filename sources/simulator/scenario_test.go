package simulator_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relgate/relgate/sources/simulator"
)

func TestEmbeddedScenariosSayHowTheyEnd(t *testing.T) {
	want := map[string]string{
		"healthy": "passed", "api-5xx": "rolled_back", "crash": "rolled_back", "latency": "rolled_back", "bias": "rolled_back",
		"ratings": "failed", "blip": "passed", "no-data": "unknown", "outage": "passed", "late-data": "passed",
		"low-traffic-healthy": "passed", "low-traffic-bad": "rolled_back", "shared-outage": "unknown",
	}
	if got := simulator.Scenarios(); len(got) != len(want) {
		t.Errorf("scenarios %q, want %d", got, len(want))
	}
	for _, name := range simulator.Scenarios() {
		s, err := simulator.Load(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Ends != want[name] || s.Title == "" || s.Name != name {
			t.Errorf("%s: named %q, ends %q, title %q; want it to end %q", name, s.Name, s.Ends, s.Title, want[name])
		}
	}
}

func TestScenarioErrorsSayWhatAndWhere(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"titel = \"x\"", `unknown key "titel"`},
		{"title = ", "line 1"},
		{"[levels]\n\"api.5x\" = 1", `unknown signal "api.5x"`},
		{"[levels]\n\"api.5xx\" = \"5 percent\"", `"5 percent"`},
		{"[levels]\n\"api.5xx\" = -1", "at least 0"},
		{"[levels]\n\"api.5xx\" = nan", "finite"},
		{"[levels]\n\"api.5xx\" = true", "want a number"},
		{"[[change]]\nat = \"40m\"\nsignal = \"api.5xx\"\nvalue = 1", `"40m"`},
		{"[[change]]\nsignal = \"api.5xx\"\nvalue = 1", "change 1: wants at"},
		{"[[change]]\nat = \"T\"\nsignal = \"api.5xx\"", "change 1: wants value"},
		{"[[change]]\nat = \"T\"\nfor = \"-5m\"\nsignal = \"api.5xx\"\nvalue = 1", `"-5m"`},
		{"[[fault]]\nupstream = \"grafana\"\nfrom = \"T\"\nkind = \"500\"", `unknown upstream "grafana"`},
		{"[[fault]]\nupstream = \"sentry\"\nfrom = \"T\"\nkind = \"explode\"", `unknown kind "explode"`},
		{"[[fault]]\nupstream = \"sentry\"\nfrom = \"T+1h\"\nto = \"T\"\nkind = \"500\"", "to is not after from"},
		{"[[late]]\nupstream = \"sentry\"\nfrom = \"T\"\ndelay = \"3m\"", "wants from and to"},
		{"[[correction]]\nat = \"T\"\nfor = \"1m\"\nafter = \"1m\"\nsignal = \"bias.gap\"\nvalue = 1", `"bias.gap" cannot be corrected`},
		{"[publish.lambda]\nafter = \"1m\"", `publish: unknown upstream "lambda"`},
		{"[alarm]\ndatapoints = 6\nof = 5", "alarm"},
		{"[alarm]\ntype = \"loud\"", `alarm: unknown type "loud"`},
		{"[cloudwatch]\nspacing = \"90s\"", "cloudwatch: spacing wants whole minutes"},
		{"[[fault]]\nupstream = \"athena\"\nfrom = \"T\"\nkind = \"no_groups\"", `kind "no_groups" is for sentry`},
	} {
		_, err := simulator.Parse("x", tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), `scenario "x"`) {
			t.Errorf("Parse(%q) = %v, want an error of scenario \"x\" with %q", tt.text, err, tt.want)
		}
	}
}

func TestLoadReadsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.toml")
	if err := os.WriteFile(path, []byte("title = \"mine\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := simulator.Load(path); err != nil || s.Title != "mine" {
		t.Errorf("Load(%q) = %+v, %v", path, s, err)
	}
	if _, err := simulator.Load("nowhere"); err == nil || !strings.Contains(err.Error(), "healthy") {
		t.Errorf("Load of nothing: %v, want an error that lists the embedded ones", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range simulator.Scenarios() {
		text, err := os.ReadFile("scenarios/" + name + ".toml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("[levels]\n\"lambda.p95\" = 0\n\"traffic.lambda\" = 7\n\"api.5xx\" = \"300 %\"\n")
	f.Add("[levels]\n\"api.5xx\" = \"5 %\"\n[[rollout]]\nat = \"T-1h\"\nsignal = \"traffic.lambda\"\nvalue = \"1e3 ms\"\n[alarm]\nof = 9\n")
	f.Add("[levels]\n\"lambda.cold\" = \"300 %\"\n\"lambda.requests\" = 60\n\"traffic.lambda\" = \"50 %\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := simulator.Parse("fuzz", text)
		if (s == nil) == (err == nil) {
			t.Fatalf("Parse(%q) = %v, %v; want one of them", text, s, err)
		}
		if err != nil {
			return
		}
		// A scenario that is accepted can be served.
		d := newDesk(t, s)
		d.metric(t, 3600e9, "5XXError", apiDims, "Sum", 0, 600e9)
		d.metric(t, 3600e9, "Duration", canaryDims, "p95", 0, 600e9)
		n := d.metric(t, 3600e9, "Duration", stableDims, "SampleCount", 0, 600e9)
		for m, slow := range d.metric(t, 3600e9, "Duration", stableDims, "TC(2500:)", 0, 600e9) {
			if !(slow >= 0 && slow <= n[m]) {
				t.Errorf("minute %d: %v of %v above 2.5 s", m, slow, n[m])
			}
		}
	})
}
