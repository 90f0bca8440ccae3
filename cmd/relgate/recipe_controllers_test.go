package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	yaml "github.com/oasdiff/yaml3"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Argo Rollouts, Flagger and Jenkins are not here: what their documents and their source say
// that they decide by is written out, and is given whole releases.

// said is an answer as a controller reads it.
type said struct {
	status int
	object map[string]any // nil where the body is no JSON object
}

// ask sends a recipe's request, whose address is that of the daemon's external_url, to the
// release under way.
func (r *rollout) ask(method, target string) (said, *url.URL) {
	r.t.Helper()
	u, err := url.Parse(target)
	if err != nil || u.Host != "relgate.example.com" || u.Scheme != "https" {
		r.t.Fatalf("address %q: %v", target, err)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+u.RequestURI(), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	answer := said{status: res.StatusCode}
	_ = json.NewDecoder(res.Body).Decode(&answer.object) // no JSON is an answer too
	return answer, u
}

var argoTerm = regexp.MustCompile(`^result\.(\w+) (==|!=|in) (.+)$`)

// argoHolds evaluates what the recipe writes as a condition.
func (r *rollout) argoHolds(condition string, object map[string]any) bool {
	r.t.Helper()
	for term := range strings.SplitSeq(condition, " && ") {
		m := argoTerm.FindStringSubmatch(term)
		if m == nil {
			r.t.Fatalf("condition %q is of no form that this test knows", term)
		}
		found := false
		for value := range strings.SplitSeq(strings.Trim(m[3], "[]"), ", ") {
			found = found || fmt.Sprintf("%q", object[m[1]]) == value
		}
		if found == (m[2] == "!=") {
			return false
		}
	}
	return true
}

type argoMetric struct {
	Interval                string
	Count                   int
	FailureLimit            int    `yaml:"failureLimit"`
	InconclusiveLimit       int    `yaml:"inconclusiveLimit"`
	ConsecutiveErrorLimit   int    `yaml:"consecutiveErrorLimit"`
	ConsecutiveSuccessLimit int    `yaml:"consecutiveSuccessLimit"`
	SuccessCondition        string `yaml:"successCondition"`
	FailureCondition        string `yaml:"failureCondition"`
	Provider                struct {
		Web struct {
			URL      string
			JSONPath string `yaml:"jsonPath"`
			Headers  []struct{ Key, Value string }
		}
	}
}

type argoAnalysis struct {
	Templates []struct {
		TemplateName string `yaml:"templateName"`
	}
	Args []struct{ Name, Value string }
}

// argo is a rollout under way.
type argo struct {
	*rollout
	metrics    map[string]argoMetric // :: template → its one metric
	background argoMetric
	steps      []struct {
		SetWeight *int `yaml:"setWeight"`
		Analysis  *argoAnalysis
	}
	clock time.Duration
}

func (r *rollout) newArgo(text string) *argo {
	r.t.Helper()
	a := &argo{rollout: r, metrics: map[string]argoMetric{}}
	var background string
	for decoder := yaml.NewDecoder(strings.NewReader(strings.NewReplacer("{{args.version}}", "1.0.1", "{{args.token}}", ciToken).Replace(text))); ; {
		var doc struct {
			Kind     string
			Metadata struct{ Name string }
			Spec     struct {
				Metrics  []argoMetric
				Strategy struct {
					Canary struct {
						Analysis argoAnalysis
						Steps    []struct {
							SetWeight *int `yaml:"setWeight"`
							Analysis  *argoAnalysis
						}
					}
				}
			}
		}
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			r.t.Fatal(err)
		}
		switch doc.Kind {
		case "AnalysisTemplate":
			m := doc.Spec.Metrics[0]
			w := m.Provider.Web
			if len(doc.Spec.Metrics) != 1 || w.JSONPath != "{$}" || len(w.Headers) != 1 || w.Headers[0].Value != "Bearer "+ciToken {
				r.t.Errorf("template %s: %+v", doc.Metadata.Name, doc.Spec.Metrics)
			}
			// What Argo's validation wants of a metric.
			if m.Count > 0 && (m.Count < m.FailureLimit+m.ConsecutiveSuccessLimit || m.Count < m.InconclusiveLimit) || m.Count > 1 && m.Interval == "" {
				r.t.Errorf("template %s is refused by Argo Rollouts: %+v", doc.Metadata.Name, m)
			}
			a.metrics[doc.Metadata.Name] = m
		case "Rollout":
			background = doc.Spec.Strategy.Canary.Analysis.Templates[0].TemplateName
			a.steps = doc.Spec.Strategy.Canary.Steps
		default:
			r.t.Errorf("kind %q", doc.Kind)
		}
	}
	a.background = a.metrics[background]
	if a.background.Count != 0 || a.background.Interval == "" {
		r.t.Errorf("the analysis in the background ends by itself: %+v", a.background)
	}
	return a
}

// measure takes one measurement, as the web metric does: outside 2xx, and where the body is
// no JSON, it is an error.
func (a *argo) measure(m argoMetric) string {
	answer, _ := a.ask(http.MethodGet, m.Provider.Web.URL)
	switch {
	case answer.status < 200 || answer.status > 299 || answer.object == nil:
		return "Error"
	case a.argoHolds(m.FailureCondition, answer.object):
		return "Failed"
	case a.argoHolds(m.SuccessCondition, answer.object):
		return "Successful"
	}
	return "Inconclusive"
}

// analyse runs the analysis of a step beside the one in the background: how it ends.
func (a *argo) analyse(m argoMetric) string {
	var count, failed, inconclusive, errorsInARow, successes int
	for {
		if a.measure(a.background) == "Failed" {
			return "Failed in the background"
		}
		next, _ := time.ParseDuration(m.Interval)
		switch a.measure(m) {
		case "Error":
			errorsInARow++
			next = 10 * time.Second
		case "Failed":
			count, errorsInARow, failed, successes = count+1, 0, failed+1, 0
		case "Inconclusive":
			count, errorsInARow, inconclusive, successes = count+1, 0, inconclusive+1, 0
		case "Successful":
			count, errorsInARow, successes = count+1, 0, successes+1
		}
		switch {
		case errorsInARow > m.ConsecutiveErrorLimit:
			return "Error"
		case inconclusive > m.InconclusiveLimit:
			return "Inconclusive"
		case failed > m.FailureLimit:
			return "Failed"
		case m.ConsecutiveSuccessLimit > 0 && successes >= m.ConsecutiveSuccessLimit, m.Count > 0 && count >= m.Count && successes > 0:
			return "Successful"
		case m.Count > 0 && count >= m.Count:
			return "Inconclusive"
		}
		a.clock += next
	}
}

// run goes through the steps: how the rollout ends.
func (a *argo) run() string {
	for _, s := range a.steps {
		if s.SetWeight != nil {
			i := slices.IndexFunc(a.phases, func(p rules.Phase) bool { return p.Traffic == float64(*s.SetWeight)/100 })
			if i < 0 {
				a.t.Fatalf("no phase has %d %%", *s.SetWeight)
			}
			a.mu.Lock()
			a.move(a.phases[i].Name)
			a.mu.Unlock()
			continue
		}
		if v := s.Analysis.Args[0]; v.Name != "version" {
			a.t.Errorf("arguments %+v", s.Analysis.Args)
		}
		m, known := a.metrics[s.Analysis.Templates[0].TemplateName]
		if !known {
			a.t.Fatalf("there is no template %q", s.Analysis.Templates[0].TemplateName)
		}
		if end := a.analyse(m); end != "Successful" {
			return end
		}
	}
	return "Healthy"
}

// always is a release that stays as it is.
func always(show func(*fact.Snapshot)) []scene { return []scene{{show: show}} }

func TestArgoRolloutsRunsNotAheadInFiveSteps(t *testing.T) {
	t.Parallel()
	phases := planOf(t, fiveSteps(t)).Phases
	text := written(t, fiveSteps(t), "argo")
	away := append(slices.Clone(goodRelease(5)[:6]), scene{away: true})
	for _, tt := range []struct {
		about  string
		scenes []scene
		end    string
		moved  int
		least  time.Duration // the soonest that it may end
		most   time.Duration
	}{
		{"a good release", goodRelease(5), "Healthy", 5, 0, time.Hour},
		{"a release that is rolled back in its third phase", badRelease(5, 3), "Failed in the background", 3, 0, time.Hour},
		{"rolled back before the first phase", always(rolledBack(passedTo(0, false))), "Failed in the background", 0, 0, time.Minute},
		{"rolled back between two phases", []scene{{show: passedTo(0, true), until: 1}, {show: passedTo(1, false)}, {show: passedTo(1, false)}, {show: rolledBack(passedTo(1, false))}}, "Failed in the background", 1, 0, time.Minute},
		{"it never begins", always(passedTo(0, false)), "Error", 0, 29 * time.Minute, 31 * time.Minute},
		{"undecided for ever", []scene{{show: passedTo(0, true), until: 1}, {show: watching(1, rules.Pending)}}, "Inconclusive", 1, 90 * time.Minute, 2 * time.Hour},
		{"unknown for ever", []scene{{show: passedTo(0, true), until: 1}, {show: watching(1, rules.Unknown)}}, "Inconclusive", 1, 90 * time.Minute, 2 * time.Hour},
		{"held for ever after the first phase", []scene{{show: passedTo(0, true), until: 1}, {show: lunch(watching(1, rules.Pending))}}, "Inconclusive", 1, 90 * time.Minute, 2 * time.Hour},
		{"away for good once it has begun", away, "Error", 1, 9 * time.Minute, 11 * time.Minute},
	} {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			r := newRollout(t, phases, tt.scenes)
			a := r.newArgo(text)
			if end := a.run(); end != tt.end || a.clock < tt.least || a.clock > tt.most {
				t.Errorf("%s after %s, want %s after %s to %s", end, a.clock, tt.end, tt.least, tt.most)
			}
			r.check(tt.about, tt.moved)
		})
	}
}

// flagger is a canary under way. A hook says yes by 200 to 202 and by nothing else.
type flagger struct {
	*rollout
	hooks   map[string]string // :: type → address
	weights []int
}

func (r *rollout) newFlagger(text string) *flagger {
	r.t.Helper()
	var doc struct {
		Spec struct {
			Analysis struct {
				StepWeights []int `yaml:"stepWeights"`
				Webhooks    []struct{ Name, Type, URL string }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(strings.NewReplacer("TOKEN", ciToken, "VERSION", "1.0.1").Replace(text)), &doc); err != nil {
		r.t.Fatal(err)
	}
	f := &flagger{rollout: r, hooks: map[string]string{}, weights: doc.Spec.Analysis.StepWeights}
	for _, h := range doc.Spec.Analysis.Webhooks {
		f.hooks[h.Type] = h.URL
	}
	if len(f.hooks) != 3 || f.hooks["rollback"] == "" {
		r.t.Fatalf("hooks %q", f.hooks)
	}
	return f
}

func (f *flagger) yes(kind string) bool {
	answer, u := f.ask(http.MethodPost, f.hooks[kind])
	if password, _ := u.User.Password(); password != ciToken {
		f.t.Errorf("hook %s has no token", kind)
	}
	return answer.status >= 200 && answer.status <= 202
}

// run is so many ticks: confirm-rollout until it says yes; then in each tick the rollback
// hook, the next weight, and at the last one confirm-promotion.
func (f *flagger) run(ticks int) (end string) {
	begun, weight := false, 0
	for range ticks {
		if !begun {
			if begun = f.yes("confirm-rollout"); begun {
				f.set(f.weights[0])
			}
			continue
		}
		if f.yes("rollback") {
			return "rolled back"
		}
		if weight < len(f.weights)-1 {
			weight++
			f.set(f.weights[weight])
			continue
		}
		if f.yes("confirm-promotion") {
			if len(f.phases) > 1 {
				f.set(100)
			}
			return "promoted"
		}
	}
	return "waits"
}

func (f *flagger) set(weight int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.phases, func(p rules.Phase) bool { return p.Traffic == float64(weight)/100 })
	if i < 0 {
		f.t.Fatalf("no phase has %d %%", weight)
	}
	f.move(f.phases[i].Name)
}

// fewer is the config of five steps with some of them only.
func fewer(t *testing.T, keep ...string) string {
	t.Helper()
	parts := regexp.MustCompile(`(?m)^\[phases\.`).Split(fiveSteps(t), -1)
	text := parts[0]
	for _, part := range parts[1:] {
		name, _, _ := strings.Cut(part, "]")
		phase, rest, last := strings.Cut(part, "[success.")
		if slices.Contains(keep, name) {
			text += "[phases." + phase
		}
		if last {
			text += "[success." + rest
		}
	}
	return text
}

func TestFlaggerRunsNotAhead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		about  string
		keep   []string
		scenes func(phases int) []scene
		end    string
		moved  int
	}{
		{"a good release", []string{"one", "all"}, goodRelease, "promoted", 2},
		{"a good release of one phase", []string{"one"}, goodRelease, "promoted", 1},
		{"rolled back in its first phase", []string{"one", "all"}, func(n int) []scene { return badRelease(n, 1) }, "rolled back", 1},
		{"the phase fails", []string{"one"}, func(int) []scene {
			return []scene{{show: passedTo(0, true), until: 1}, {show: func(s *fact.Snapshot) {
				watching(1, rules.Fail)(s)
				s.Phases[0].State, s.State = rules.Failed, rules.Failed
			}}}
		}, "rolled back", 1},
		{"it never begins", []string{"one"}, func(int) []scene { return always(passedTo(0, false)) }, "waits", 0},
		{"undecided for ever", []string{"one", "all"}, func(int) []scene {
			return []scene{{show: passedTo(0, true), until: 1}, {show: watching(1, rules.Pending)}}
		}, "waits", 1},
		{"unknown for ever", []string{"one"}, func(int) []scene {
			return []scene{{show: passedTo(0, true), until: 1}, {show: watching(1, rules.Unknown)}}
		}, "waits", 1},
		{"held for ever", []string{"one"}, func(int) []scene {
			return []scene{{show: passedTo(0, true), until: 1}, {show: lunch(watching(1, rules.Pending))}}
		}, "waits", 1},
		{"away for good", []string{"one"}, func(int) []scene { return []scene{{show: passedTo(0, true), until: 1}, {away: true}} }, "waits", 1},
		{"passed, and the next may not begin yet", []string{"one", "all"}, func(int) []scene {
			return []scene{{show: passedTo(0, true), until: 1}, {show: passedTo(1, false)}}
		}, "waits", 1},
	} {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			config := fewer(t, tt.keep...)
			phases := planOf(t, config).Phases
			r := newRollout(t, phases, tt.scenes(len(phases)))
			if end := r.newFlagger(written(t, config, "flagger")).run(300); end != tt.end {
				t.Errorf("%s, want %s", end, tt.end)
			}
			r.check(tt.about, tt.moved)
		})
	}
}

// jenkinsTurn is a turn of the loop of the Jenkinsfile's function gate: what each of its
// lines does with an answer. The lines are in the Jenkinsfile, in this order.
var jenkinsTurn = []struct {
	line string
	does func(a said, phase, question string) string // "": goes on with the next line
}{
	{`if (r.status in [400, 401, 403, 404]) { error "relgate refused the question: ${r.status}" }`, func(a said, _, _ string) string {
		return map[bool]string{true: "stop"}[slices.Contains([]int{400, 401, 403, 404}, a.status)]
	}},
	{`if (!(r.status in [200, 409])) { return false }`, func(a said, _, _ string) string {
		return map[bool]string{true: "again"}[a.status != 200 && a.status != 409]
	}},
	{`def v = readJSON text: r.content`, func(a said, _, _ string) string { return map[bool]string{true: "stop"}[a.object == nil] }},
	{`if (v.version != params.VERSION || v.phase != phase || v.question != question) { return false }`, func(a said, phase, question string) string {
		return map[bool]string{true: "again"}[a.object["version"] != "1.0.1" || a.object["phase"] != phase || a.object["question"] != question]
	}},
	{`if (v.verdict in ['fail', 'rollback']) { error v.sentence }`, func(a said, _, _ string) string {
		return map[bool]string{true: "stop"}[a.object["verdict"] == "fail" || a.object["verdict"] == "rollback"]
	}},
	{`return r.status == 200 && v.verdict == 'pass' && v.pass == true`, func(a said, _, _ string) string {
		return map[bool]string{true: "go", false: "again"}[a.status == 200 && a.object["verdict"] == "pass" && a.object["pass"] == true]
	}},
}

// jenkins runs the stages of a Jenkinsfile; each gate gives up after so many turns.
func (r *rollout) jenkins(text string, turns int) (failed bool) {
	r.t.Helper()
	at := 0
	for _, turn := range jenkinsTurn {
		i := strings.Index(text[at:], turn.line)
		if i < 0 {
			r.t.Fatalf("the Jenkinsfile has no %s after the line before it", turn.line)
		}
		at += i
	}
	address := regexp.MustCompile(`r = httpRequest url: "([^"]+)", authentication: 'relgate', validResponseCodes: '100:599', timeout: 20, quiet: true\n`).FindStringSubmatch(text)
	if address == nil || !strings.Contains(text, `def view = question == 'entry' ? 'entry' : 'verdict'`) {
		r.t.Fatal("the Jenkinsfile asks otherwise than this test knows")
	}
	step := regexp.MustCompile(`(?m)^ +(?:gate\('([\w-]+)', '(entry|passed)', (\d+)\)|node\(''\) \{ checkout scm; sh '\./shift-traffic ([\w-]+) [\d.]+' \}|httpRequest url: "[^"]+/commands", .*requestBody: "(.*)")$`)
	for _, m := range step.FindAllStringSubmatch(text[at:], -1) {
		switch {
		case m[4] != "":
			r.mu.Lock()
			r.move(m[4])
			r.mu.Unlock()
		case m[5] != "":
			body, err := strconv.Unquote(`"` + strings.NewReplacer("${params.VERSION}", "1.0.1", "${env.BUILD_NUMBER}", "7").Replace(m[5]) + `"`)
			if err != nil {
				r.t.Fatal(err)
			}
			res, err := http.Post(r.url+"/v1/plans/shop/commands", "application/json", strings.NewReader(body))
			if err != nil {
				r.t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				r.t.Errorf("%s: status %d", body, res.StatusCode)
			}
		default:
			view := map[string]string{"entry": "entry", "passed": "verdict"}[m[2]]
			target := strings.NewReplacer("${phase}", m[1], "${view}", view, "${params.VERSION}", "1.0.1").Replace(address[1])
			if !r.jenkinsGate(target, m[1], m[2], turns) {
				return true
			}
		}
	}
	return false
}

func (r *rollout) jenkinsGate(target, phase, question string, turns int) bool {
	for range turns {
		answer, _ := r.ask(http.MethodGet, target)
		for _, line := range jenkinsTurn {
			switch line.does(answer, phase, question) {
			case "stop":
				return false
			case "go":
				return true
			case "":
				continue
			}
			break
		}
	}
	return false
}

func TestJenkinsRunsNotAheadInFiveSteps(t *testing.T) {
	t.Parallel()
	for advance, config := range map[string]string{"on_pass": fiveSteps(t), "signalled": strings.ReplaceAll(fiveSteps(t), `"on_pass"`, `"signalled"`)} {
		phases := planOf(t, config).Phases
		text := written(t, config, "jenkins")
		for _, tt := range []struct {
			about  string
			scenes []scene
			failed bool
			moved  int
		}{
			{"a good release", goodRelease(5), false, 5},
			{"rolled back in its third phase", badRelease(5, 3), true, 3},
			{"rolled back before it begins", always(rolledBack(passedTo(0, false))), true, 0},
			{"undecided for ever", []scene{{show: passedTo(0, true), until: 1}, {show: watching(1, rules.Unknown)}}, true, 1},
			{"away for good", []scene{{show: passedTo(0, true), until: 1}, {away: true}}, true, 1},
		} {
			t.Run(tt.about+" "+advance, func(t *testing.T) {
				t.Parallel()
				r := newRollout(t, phases, tt.scenes)
				if failed := r.jenkins(text, 50); failed != tt.failed {
					t.Errorf("failed %v, want %v", failed, tt.failed)
				}
				r.check(tt.about, tt.moved)
				if want := r.names(tt.moved); advance == "signalled" && tt.moved == 5 && !slices.Equal(r.begun, want[1:]) {
					t.Errorf("said to have begun: %q", r.begun)
				}
			})
		}
	}
}
