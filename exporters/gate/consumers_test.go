package gate_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oasdiff/yaml3"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
)

// The programs that ask a gate are not here; what they decide by is written out, and
// is given the answers of a real gate and the numbers of the recipes in docs/http.md.

// stateGate answers for a run in a state, to who has a token.
func stateGate(t *testing.T, edit func(*fact.Snapshot), age time.Duration, trouble bool) http.Handler {
	t.Helper()
	g, ck := newGate(t, gate.Config{Tokens: tokens()})
	v := gate.Views{Plans: []gate.PlanView{view(planName, edit)}}
	if trouble {
		v.Trouble = gate.Trouble{Cause: wire.CauseJournal, Says: "the journal cannot be written: no space left on device"}
	}
	g.Update(v)
	ck.set(t0.Add(now5 + age))
	return g.Handler()
}

// foreign answers every request alike.
func foreign(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

var conditionTerm = regexp.MustCompile(`^(?:result|v|r)\.(\w+) (==|!=|in) (.+)$`)

// holds evaluates what the recipes write as conditions: comparisons of the fields of an
// object, joined by &&. Names stand for variables of the job.
func holds(t *testing.T, condition string, names map[string]string, object map[string]any) bool {
	t.Helper()
	for term := range strings.SplitSeq(condition, " && ") {
		m := conditionTerm.FindStringSubmatch(term)
		if m == nil {
			t.Fatalf("condition %q is of no form that this test knows", term)
		}
		found := false
		for want := range strings.SplitSeq(strings.Trim(m[3], "[]"), ", ") {
			if value, ok := names[want]; ok {
				want = strconv.Quote(value)
			}
			var constant any
			if err := json.Unmarshal([]byte(strings.ReplaceAll(want, "'", `"`)), &constant); err != nil {
				t.Fatalf("%q in condition %q: %v", want, term, err)
			}
			found = found || object[m[1]] == constant
		}
		if found == (m[2] == "!=") {
			return false
		}
	}
	return true
}

// argoMetric is a metric of an AnalysisTemplate.
type argoMetric struct {
	Interval                string `yaml:"interval"`
	Count                   int    `yaml:"count"`
	InconclusiveLimit       int    `yaml:"inconclusiveLimit"`
	ConsecutiveErrorLimit   int    `yaml:"consecutiveErrorLimit"`
	FailureLimit            int    `yaml:"failureLimit"`
	ConsecutiveSuccessLimit int    `yaml:"consecutiveSuccessLimit"`
	SuccessCondition        string `yaml:"successCondition"`
	FailureCondition        string `yaml:"failureCondition"`
	Provider                struct {
		Web struct {
			URL      string                        `yaml:"url"`
			Headers  []struct{ Key, Value string } `yaml:"headers"`
			JSONPath string                        `yaml:"jsonPath"`
		} `yaml:"web"`
	} `yaml:"provider"`
}

// argoRecipe is the metric of the recipe, its arguments filled in.
func argoRecipe(t *testing.T) argoMetric {
	t.Helper()
	text := strings.NewReplacer("{{args.plan}}", planName, "{{args.phase}}", "ten", "{{args.version}}", "1.0.0", "{{args.token}}", "reader-secret").Replace(recipe(t, "argo"))
	var template struct {
		Spec struct {
			Args    []struct{ Name string }
			Metrics []argoMetric
		}
	}
	if err := yaml.Unmarshal([]byte(text), &template); err != nil || len(template.Spec.Metrics) != 1 || strings.Contains(text, "{{") {
		t.Fatalf("%v: %s", err, text)
	}
	m := template.Spec.Metrics[0]
	if m.Provider.Web.JSONPath != "{$}" {
		t.Errorf("jsonPath is %q: a condition sees a part of the answer", m.Provider.Web.JSONPath)
	}
	return m
}

// measure takes one measurement, as the web metric does: an answer outside 2xx, or one
// whose fields cannot be read, is an error and no verdict.
func (m *argoMetric) measure(t *testing.T, h http.Handler) string {
	if h == nil {
		return "Error"
	}
	var header []string
	for _, f := range m.Provider.Web.Headers {
		header = append(header, f.Key, f.Value)
	}
	u, err := url.Parse(m.Provider.Web.URL)
	if err != nil {
		t.Fatal(err)
	}
	res := ask(h, "GET", u.RequestURI(), "", header...)
	var object map[string]any
	if res.StatusCode < 200 || res.StatusCode > 299 || json.NewDecoder(res.Body).Decode(&object) != nil {
		return "Error"
	}
	switch {
	case holds(t, m.FailureCondition, nil, object):
		return "Failed"
	case holds(t, m.SuccessCondition, nil, object):
		return "Successful"
	}
	return "Inconclusive"
}

// run is an analysis with one metric: how it ends and when. asked gives who answers
// at a time, nil while the daemon is away. Before version 1.8 Argo Rollouts had no
// limit of successes, and took a metric that reached its count for successful.
func (m *argoMetric) run(t *testing.T, before18 bool, asked func(at time.Duration) http.Handler) (phase string, at time.Duration) {
	t.Helper()
	interval, err := time.ParseDuration(m.Interval)
	if err != nil {
		t.Fatal(err)
	}
	var count, failed, inconclusive, errorsInARow, successesInARow int
	for {
		next := interval
		switch m.measure(t, asked(at)) {
		case "Error":
			errorsInARow++
			next = 10 * time.Second
		case "Failed":
			count, errorsInARow, successesInARow = count+1, 0, 0
			failed++
		case "Inconclusive":
			count, errorsInARow, successesInARow = count+1, 0, 0
			inconclusive++
		case "Successful":
			count, errorsInARow, successesInARow = count+1, 0, successesInARow+1
		}
		switch {
		case errorsInARow > m.ConsecutiveErrorLimit:
			return "Error", at
		case inconclusive > m.InconclusiveLimit:
			return "Inconclusive", at
		case failed > m.FailureLimit:
			return "Failed", at
		case !before18 && successesInARow >= m.ConsecutiveSuccessLimit:
			return "Successful", at
		case count >= m.Count && before18:
			return "Successful", at
		case count >= m.Count:
			return "Inconclusive", at
		}
		at += next
	}
}

// TestArgoRolloutsGoesOnAtAPassOnly: with the recipe's numbers an analysis ends
// Successful for a pass and for nothing else, whatever the gate says all the time.
func TestArgoRolloutsGoesOnAtAPassOnly(t *testing.T) {
	t.Parallel()
	m := argoRecipe(t)
	ends := map[string]string{"pass": "Successful", "pending": "Inconclusive", "unknown": "Inconclusive", "fail": "Failed", "ended": "Failed", "rollback": "Failed"}
	for _, st := range states {
		h := stateGate(t, st.edit, st.age, st.trouble)
		for _, before18 := range []bool{false, true} {
			phase, at := m.run(t, before18, func(time.Duration) http.Handler { return h })
			if phase != ends[st.ten] {
				t.Errorf("%s: before 1.8 %v: %s after %s, want %s", st.about, before18, phase, at, ends[st.ten])
			}
			switch {
			case phase == "Failed" && at > 0:
				t.Errorf("%s: told after %s", st.about, at)
			case phase == "Inconclusive" && at < 3*time.Hour:
				t.Errorf("%s: pauses for a person after %s", st.about, at)
			}
		}
	}
}

// TestArgoRolloutsOutlastsRestarts follows an analysis over the hours of a phase.
func TestArgoRolloutsOutlastsRestarts(t *testing.T) {
	t.Parallel()
	m := argoRecipe(t)
	inState := func(name string) http.Handler { return stateGate(t, situations()[name], 0, false) }
	pending, pass, unknown := inState("pending"), inState("pass"), inState("unknown")
	type span struct {
		until time.Duration
		who   http.Handler // nil: the daemon is away
	}
	for _, tt := range []struct {
		about string
		spans []span // the last one stays
		phase string
		at    time.Duration // the latest that it is told
	}{
		{"a daemon that restarts for a minute, twice", []span{{time.Hour, pending}, {61 * time.Minute, nil}, {2 * time.Hour, pending}, {121 * time.Minute, nil}, {3 * time.Hour, pending}, {0, pass}}, "Successful", 3*time.Hour + 30*time.Second},
		{"a daemon that has just started", []span{{time.Minute, pending}, {2 * time.Minute, foreign(503, "")}, {3 * time.Minute, unknown}, {0, pass}}, "Successful", 3*time.Minute + 30*time.Second},
		{"away as the analysis begins", []span{{time.Minute, nil}, {0, pass}}, "Successful", 70 * time.Second},
		{"a rollback after a restart", []span{{time.Hour, pending}, {61 * time.Minute, nil}, {0, inState("rollback")}}, "Failed", 61*time.Minute + 30*time.Second},
		{"a rollback is ordered while it waits", []span{{time.Hour, pending}, {0, inState("rollback")}}, "Failed", time.Hour + 30*time.Second},
		{"away for a quarter of an hour", []span{{time.Hour, pending}, {75 * time.Minute, nil}, {0, pass}}, "Error", 75 * time.Minute},
		{"away for good", []span{{0, nil}}, "Error", 15 * time.Minute},
		{"a login page", []span{{0, foreign(200, "<html>Please log in</html>")}}, "Error", 15 * time.Minute},
		{"an empty 200", []span{{0, foreign(200, "")}}, "Error", 15 * time.Minute},
		{"204", []span{{0, foreign(204, "")}}, "Error", 15 * time.Minute},
		{"the pass of another version", []span{{0, foreign(200, `{"verdict":"pass","pass":true,"version":"0.9.0"}`)}}, "Inconclusive", 5 * time.Hour},
	} {
		phase, at := m.run(t, false, func(at time.Duration) http.Handler {
			for _, s := range tt.spans[:len(tt.spans)-1] {
				if at < s.until {
					return s.who
				}
			}
			return tt.spans[len(tt.spans)-1].who
		})
		if phase != tt.phase || at > tt.at {
			t.Errorf("%s: %s after %s, want %s after at most %s", tt.about, phase, at, tt.phase, tt.at)
		}
	}
}

// TestFlaggerDoesAsTheGateSays: Flagger posts the state of a canary and takes 200 to 202
// for yes. A rollback hook that says yes rolls back; what is no answer never does.
func TestFlaggerDoesAsTheGateSays(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("TOKEN", "reader-secret", "PLAN", planName, "PHASE", "ten", "VERSION", "1.0.0").Replace(recipe(t, "flagger"))
	var spec struct {
		Webhooks []struct{ Name, Type, URL string }
	}
	if err := yaml.Unmarshal([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	says := func(h http.Handler, hook string) (yes bool, status int) {
		u, err := url.Parse(hook)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		r, _ := http.NewRequest("POST", "/", nil)
		r.SetBasicAuth(u.User.Username(), password)
		res := ask(h, "POST", u.RequestURI(), `{"name":"shop","namespace":"default","phase":"Progressing","checksum":"85d557f47b","metadata":{}}`,
			"Content-Type", "application/json", "Authorization", r.Header.Get("Authorization"))
		return res.StatusCode >= 200 && res.StatusCode <= 202, res.StatusCode
	}
	hooks := map[string]string{}
	for _, w := range spec.Webhooks {
		hooks[w.Type] = w.URL
	}
	if len(hooks) != 3 {
		t.Fatalf("hooks: %v", hooks)
	}
	for _, st := range states {
		h := stateGate(t, st.edit, st.age, st.trouble)
		for kind, want := range map[string]bool{
			"confirm-rollout":   st.ten0 == "pass",
			"confirm-promotion": st.ten == "pass",
			"rollback":          st.run == "rollback" || st.run == "fail",
		} {
			yes, status := says(h, hooks[kind])
			if yes != want {
				t.Errorf("%s: %s: status %d, want yes %v", st.about, kind, status, want)
			}
			if status >= 500 { // its client drops the body, and the event gives no reason
				t.Errorf("%s: %s: status %d", st.about, kind, status)
			}
		}
	}
	starting, _ := newGate(t, gate.Config{})
	for about, h := range map[string]http.Handler{"a daemon that has just started": starting.Handler(), "a proxy before one that is away": foreign(502, "")} {
		for kind, hook := range hooks {
			if yes, status := says(h, hook); yes {
				t.Errorf("%s: %s: status %d is a yes", about, kind, status)
			}
		}
	}
}

// jenkinsRecipe is what the script in the page decides by.
type jenkinsRecipe struct{ path, again, stop, pass string }

func readJenkins(t *testing.T) jenkinsRecipe {
	t.Helper()
	text := recipe(t, "jenkins")
	part := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("the script has no %s:\n%s", pattern, text)
		}
		return m[1]
	}
	part(`(validResponseCodes: '100:599')`)
	part(`try \{\n\s+r = (httpRequest)`)
	part(`\} catch \((IllegalStateException) e\) \{ return false \}`)
	return jenkinsRecipe{
		path:  strings.NewReplacer("${PLAN}", planName, "${PHASE}", "ten", "${VERSION}", "1.0.0").Replace(part(`url: "\$\{RELGATE_URL\}([^"]+)"`)),
		again: part(`if \((r\.status != \d+)\) \{ return false \}`),
		stop:  part(`if \((v\.verdict in [^)]+)\) \{ error v\.sentence \}`),
		pass:  part(`\n\s+return (v\..+)\n`),
	}
}

// decide is one turn of the loop: again, stop or go.
func (j *jenkinsRecipe) decide(t *testing.T, h http.Handler) string {
	res := ask(h, "GET", j.path, "", "Authorization", "Bearer reader-secret")
	if holds(t, j.again, nil, map[string]any{"status": float64(res.StatusCode)}) {
		return "again"
	}
	var object map[string]any
	if json.NewDecoder(res.Body).Decode(&object) != nil {
		return "stop" // readJSON throws
	}
	if holds(t, j.stop, nil, object) {
		return "stop"
	}
	if holds(t, j.pass, map[string]string{"VERSION": "1.0.0", "PHASE": "ten"}, object) {
		return "go"
	}
	return "again"
}

func TestJenkinsGoesOnAtAPassOnly(t *testing.T) {
	t.Parallel()
	j := readJenkins(t)
	turns := map[string]string{"pass": "go", "pending": "again", "unknown": "again", "fail": "stop", "ended": "stop", "rollback": "stop"}
	for _, st := range states {
		if got := j.decide(t, stateGate(t, st.edit, st.age, st.trouble)); got != turns[st.ten] {
			t.Errorf("%s: %s, want %s", st.about, got, turns[st.ten])
		}
	}
	for _, tt := range []struct {
		status     int
		body, want string
	}{
		{503, "", "again"}, {502, "<html>bad gateway</html>", "again"}, {408, "java.net.ConnectException as 408 Request Timeout", "again"},
		{204, "", "again"}, {301, "", "again"}, {200, "", "stop"}, {200, "<html>Please log in</html>", "stop"},
		{200, `{"verdict":"pass"}`, "again"}, {200, `{"verdict":"pass","pass":false,"version":"1.0.0","phase":"ten"}`, "again"},
		{200, `{"verdict":"pass","pass":true,"version":"0.9.0","phase":"ten"}`, "again"}, {200, `{"verdict":"pass","pass":true,"version":"1.0.0","phase":"all"}`, "again"},
	} {
		if got := j.decide(t, foreign(tt.status, tt.body)); got != tt.want {
			t.Errorf("%d %q: %s, want %s", tt.status, tt.body, got, tt.want)
		}
	}
}
