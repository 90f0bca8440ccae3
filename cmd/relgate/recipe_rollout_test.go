package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	yaml "github.com/oasdiff/yaml3"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// What recipes do over a whole release: each is run, or what its controller decides by is,
// against a gate that goes through the states of a release with every question.

// scene is a state of a release. It lasts for one question, or until the traffic was moved.
type scene struct {
	show  func(*fact.Snapshot)
	away  bool // nothing of relgate's answers
	until int  // number of the phase whose traffic must be moved first; 0: none
}

// rollout is a release under way, and what its pipeline did.
type rollout struct {
	t      *testing.T
	phases []rules.Phase
	url    string
	gate   *gate.Gate

	mu     sync.Mutex
	scenes []scene
	next   int
	moved  []string // phases whose traffic was moved, in order
	begun  []string // phases that were said to have begun
	ahead  []string // what was moved before its time
	back   bool
}

// newRollout serves a gate for a plan's phases. Moments are made of them.
func newRollout(t *testing.T, phases []rules.Phase, scenes []scene) *rollout {
	t.Helper()
	r := &rollout{t: t, phases: phases, scenes: scenes, next: -1}
	g, err := gate.New(gate.Config{Now: func() time.Time { return releaseStart.Add(5 * time.Minute) }, Commander: r, OpenCommands: true})
	if err != nil {
		t.Fatal(err)
	}
	r.gate = g
	r.advance()
	srv := httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(srv.Close)
	t.Cleanup(g.Drain)
	r.url = srv.URL
	return r
}

// advance goes to the next scene, unless this one waits for traffic to be moved.
func (r *rollout) advance() {
	if r.next >= 0 {
		if n := r.scenes[r.next].until; n > 0 && !slices.Contains(r.moved, r.phases[n-1].Name) {
			return
		}
	}
	if r.next < len(r.scenes)-1 {
		r.next++
	}
	if m := r.scenes[r.next]; !m.away {
		r.gate.Update(gate.Views{Plans: []gate.PlanView{r.view(m.show)}})
	}
}

// view is the release with none of its phases begun, edited.
func (r *rollout) view(edit func(*fact.Snapshot)) gate.PlanView {
	v := release(rules.Waiting, rules.Pending)
	plan := *v.Runs[0].Plan
	plan.Phases, v.Phases = r.phases, nil
	s := v.Runs[0].Snapshot
	s.Phases = nil
	for _, p := range r.phases {
		v.Phases = append(v.Phases, p.Name)
		s.Phases = append(s.Phases, fact.PhaseView{Name: p.Name, Traffic: p.Traffic, State: rules.Waiting, Verdict: rules.Pending, Scheduled: releaseStart.Add(time.Hour)})
	}
	s.State = rules.Waiting
	edit(&s)
	v.Runs = []wire.RunView{{Plan: &plan, Snapshot: s}}
	return v
}

// serve answers questions. /moved/PHASE and /back say what the pipeline does.
func (r *rollout) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if phase, ok := strings.CutPrefix(req.URL.Path, "/moved/"); ok {
		r.move(phase)
		return
	}
	switch {
	case req.URL.Path == "/back":
		r.back = true
		return
	case strings.HasSuffix(req.URL.Path, "/commands"):
		r.gate.Handler().ServeHTTP(w, req)
		return
	case r.scenes[r.next].away:
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<html>bad gateway</html>")
	default:
		query := req.URL.Query()
		query.Del("wait") // a question is what makes the release go on
		req.URL.RawQuery = query.Encode()
		r.gate.Handler().ServeHTTP(w, req)
	}
	r.advance()
}

// Command takes the start of a phase. It is called while a request is served.
func (r *rollout) Command(_ context.Context, plan, _ string, c fact.Command) (fact.Event, error) {
	if plan != "shop" || c.Kind != fact.StartPhase || c.ID != "1.0.1-"+c.Phase {
		r.t.Errorf("command %+v of plan %q", c, plan)
	}
	r.begun = append(r.begun, c.Phase)
	return fact.Event{ID: "shop/5", N: 5, Plan: plan, Run: "shop@1.0.1", Version: "1.0.1", At: releaseStart, Kind: fact.CommandEvent, Subject: string(c.Kind), To: "applied", By: c.By}, nil
}

// move is traffic that was moved: it is ahead unless the phase may begin now.
func (r *rollout) move(phase string) {
	answer := httptest.NewRecorder()
	r.gate.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/v1/gates/shop/"+phase+"/entry?version=1.0.1", nil))
	if answer.Code != http.StatusOK || r.scenes[r.next].away {
		r.ahead = append(r.ahead, fmt.Sprintf("%s at scene %d: %d", phase, r.next, answer.Code))
	}
	r.moved = append(r.moved, phase)
	r.advance()
}

// names are the phases, up to the n-th.
func (r *rollout) names(n int) (names []string) {
	for _, p := range r.phases[:n] {
		names = append(names, p.Name)
	}
	return names
}

// check compares what was moved with the first phases of the plan.
func (r *rollout) check(about string, phases int) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if want := r.names(phases); !slices.Equal(r.moved, want) || len(r.ahead) > 0 {
		r.t.Errorf("%s: moved %q, want %q; ahead of the gate: %q", about, r.moved, want, r.ahead)
	}
}

// passedTo is a release whose first n phases have passed; the next may begin when due.
func passedTo(n int, due bool) func(*fact.Snapshot) {
	return func(s *fact.Snapshot) {
		s.State, s.Verdict = rules.Monitoring, rules.Pending
		for i := range s.Phases {
			p := &s.Phases[i]
			if i < n {
				p.State, p.Verdict, p.Scheduled, p.Started = rules.Passed, rules.Pass, releaseStart, releaseStart
				p.WindowEnd = releaseStart.Add(time.Hour)
			}
			if i == n && due {
				p.Scheduled = releaseStart
			}
		}
		if n == len(s.Phases) {
			s.State, s.Verdict = rules.Passed, rules.Pass
		}
	}
}

// watching is the n-th phase under way, with a verdict.
func watching(n int, v rules.Verdict) func(*fact.Snapshot) {
	return func(s *fact.Snapshot) {
		passedTo(n-1, true)(s)
		p := &s.Phases[n-1]
		p.State, p.Verdict, p.Scheduled, p.Started, p.WindowEnd = rules.Monitoring, v, releaseStart, releaseStart, releaseStart.Add(time.Hour)
		s.Verdict = v
	}
}

func lunch(of func(*fact.Snapshot)) func(*fact.Snapshot) {
	return func(s *fact.Snapshot) {
		of(s)
		s.State, s.Held, s.Holder = rules.Held, true, fact.Holder{By: "Ada", Cause: rules.CauseManual, Text: "lunch"}
	}
}

func rolledBack(of func(*fact.Snapshot)) func(*fact.Snapshot) {
	return func(s *fact.Snapshot) {
		of(s)
		s.State, s.Verdict = rules.RolledBack, rules.Rollback
	}
}

// goodRelease goes through every state on its way, between phases too, and passes.
func goodRelease(phases int) (list []scene) {
	list = append(list, scene{show: passedTo(0, false)}, scene{away: true})
	for n := 1; n <= phases; n++ {
		list = append(list,
			scene{show: passedTo(n-1, false)}, scene{show: lunch(passedTo(n-1, true))}, scene{away: n == 2, show: passedTo(n-1, false)},
			scene{show: passedTo(n-1, true), until: n},
			scene{show: watching(n, rules.Pending)}, scene{show: watching(n, rules.Unknown)}, scene{away: n == 2, show: watching(n, rules.Pending)},
			scene{show: lunch(watching(n, rules.Pending))}, scene{show: watching(n, rules.Pending)})
	}
	return append(list, scene{show: passedTo(phases, false)})
}

// badRelease is rolled back in its n-th phase.
func badRelease(phases, n int) []scene {
	list := goodRelease(phases)
	i := slices.IndexFunc(list, func(m scene) bool { return m.until == n })
	return append(list[:i+3], scene{show: rolledBack(watching(n, rules.Pending))})
}

// planOf is the plan of a config's text.
func planOf(t *testing.T, text string) *rules.Plan {
	t.Helper()
	cfg, problems := configs().Decode("config.toml", []byte(text), nil)
	if cfg == nil || len(cfg.Plans) != 1 {
		t.Fatal(problems)
	}
	return cfg.Plans[0]
}

// newJob is a pipeline's machine whose programs tell the rollout what they do.
func (r *rollout) newJob() *pipeline {
	r.t.Helper()
	p := newPipeline(r.t, r.url, "", "1.0.1", "RELGATE_VERSION=1.0.1", "GITHUB_RUN_ID=4711", "CI_PIPELINE_ID=4711", "GITHUB_STEP_SUMMARY=summary")
	p.program("shift-traffic", `exec curl -fsS "$RELGATE_URL/moved/$1"`)
	p.program("roll-back", `exec curl -fsS "$RELGATE_URL/back"`)
	return p
}

// githubWorkflow is what this test knows of a workflow.
type githubWorkflow struct {
	Jobs yaml.Node
}

type githubJob struct {
	Needs string
	If    string `yaml:"if"`
	Steps []githubStep
}

type githubStep struct {
	Name, ID, Uses, Run string
	If                  string `yaml:"if"`
	With, Env           map[string]string
}

var expression = regexp.MustCompile(`\$\{\{ (.+?) \}\}`)

// filled puts values for expressions: the first of several alternatives that is not empty.
func filled(t *testing.T, text string, values map[string]string) string {
	return expression.ReplaceAllStringFunc(text, func(e string) string {
		for name := range strings.SplitSeq(expression.FindStringSubmatch(e)[1], " || ") {
			value, known := values[name]
			if !known {
				t.Errorf("expression %q is of no form that this test knows", e)
			}
			if value != "" {
				return value
			}
		}
		return ""
	})
}

// workflow runs a workflow as GitHub Actions does, and gives whether it failed. The action
// is run as its action.yml says.
func (r *rollout) workflow(text string, inputs map[string]string) (failed bool) {
	r.t.Helper()
	var w githubWorkflow
	if err := yaml.Unmarshal([]byte(text), &w); err != nil {
		r.t.Fatal(err)
	}
	result := map[string]string{} // :: job → success, failure, skipped
	for i := 0; i < len(w.Jobs.Content); i += 2 {
		name := w.Jobs.Content[i].Value
		var job githubJob
		if err := w.Jobs.Content[i+1].Decode(&job); err != nil {
			r.t.Fatal(err)
		}
		wanted := job.Needs == "" || result[job.Needs] == "success"
		if job.If != "" {
			m := regexp.MustCompile(`^inputs\.passed == '([^']*)'$`).FindStringSubmatch(job.If)
			if m == nil {
				r.t.Fatalf("condition %q is of no form that this test knows", job.If)
			}
			wanted = wanted && inputs["passed"] == m[1]
		}
		switch {
		case !wanted:
			result[name] = "skipped"
		case r.steps(job.Steps, inputs):
			result[name] = "success"
		default:
			result[name], failed = "failure", true
		}
	}
	return failed
}

// steps runs the steps of a job and gives whether they succeeded.
func (r *rollout) steps(steps []githubStep, inputs map[string]string) bool {
	values := map[string]string{"secrets.RELGATE_TOKEN": ciToken}
	for name, value := range inputs {
		values["inputs."+name] = value
	}
	good := true
	for _, s := range steps {
		wanted := good
		if s.If != "" {
			c := githubCondition.FindStringSubmatch(s.If)
			if c == nil {
				r.t.Fatalf("condition %q is of no form that this test knows", s.If)
			}
			wanted = !good && values["steps."+c[1]+".outputs."+c[2]] == c[3]
		}
		if !wanted || strings.HasPrefix(s.Uses, "actions/checkout@") {
			continue
		}
		p, code := r.newJob(), 0
		switch {
		case s.Run != "":
			var env []string
			for name, value := range s.Env {
				env = append(env, name+"="+filled(r.t, value, values))
			}
			code = p.sh(s.Run, env...)
		case strings.HasPrefix(s.Uses, "relgate/relgate/action@"):
			var outputs map[string]string
			outputs, code = p.action(s.With, values)
			for name, value := range outputs {
				values["steps."+s.ID+".outputs."+name] = value
			}
		default:
			r.t.Fatalf("step %+v is of no form that this test knows", s)
		}
		good = good && code == 0
	}
	return good
}

// action runs the action of this repository, and gives its outputs.
func (p *pipeline) action(with, values map[string]string) (outputs map[string]string, code int) {
	p.t.Helper()
	var action struct {
		Inputs  map[string]struct{ Default string }
		Outputs map[string]struct{ Value string }
		Runs    struct {
			Using string
			Steps []githubStep
		}
	}
	if err := yaml.Unmarshal([]byte(readText(p.t, filepath.Join(root, "action", "action.yml"))), &action); err != nil {
		p.t.Fatal(err)
	}
	inner := map[string]string{"env.RELGATE_URL": p.url, "env.RELGATE_TOKEN": ""}
	for name, input := range action.Inputs {
		inner["inputs."+name] = input.Default
	}
	for name, value := range with {
		if _, known := action.Inputs[name]; !known {
			p.t.Errorf("the action has no input %q", name)
		}
		inner["inputs."+name] = filled(p.t, value, values)
	}
	path, err := filepath.Abs(filepath.Join(root, "action"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, s := range action.Runs.Steps {
		env := []string{"GITHUB_ACTION_PATH=" + path, "GITHUB_OUTPUT=output-" + s.ID}
		for name, value := range s.Env {
			env = append(env, name+"="+filled(p.t, value, inner))
		}
		code = p.sh(s.Run, env...)
		for line := range strings.Lines(p.file("output-" + s.ID)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			inner["steps."+s.ID+".outputs."+name] = value
		}
	}
	outputs = map[string]string{}
	for name, output := range action.Outputs {
		outputs[name] = filled(p.t, output.Value, inner)
	}
	return outputs, code
}

// gitlabPipeline runs a pipeline as GitLab does, stage by stage, and gives whether it failed.
func (r *rollout) gitlabPipeline(text string, variables map[string]string) (failed bool) {
	r.t.Helper()
	var all map[string]yaml.Node
	if err := yaml.Unmarshal([]byte(text), &all); err != nil {
		r.t.Fatal(err)
	}
	type job struct {
		Stage        string
		Rules        []struct{ If string }
		Script       []string
		AllowFailure struct {
			ExitCodes []int `yaml:"exit_codes"`
		} `yaml:"allow_failure"`
	}
	var stages []string
	node := all["stages"]
	if err := node.Decode(&stages); err != nil {
		r.t.Fatal(err)
	}
	jobs, ran := map[string][]job{}, 0
	for name, node := range all {
		if name == "stages" || name == "variables" {
			continue
		}
		var j job
		if err := node.Decode(&j); err != nil {
			r.t.Fatal(err)
		}
		for _, rule := range j.Rules {
			m := regexp.MustCompile(`^\$RELGATE_PASSED (==|!=) "([^"]*)"$`).FindStringSubmatch(rule.If)
			if m == nil {
				r.t.Fatalf("rule %q is of no form that this test knows", rule.If)
			}
			if (variables["RELGATE_PASSED"] == m[2]) == (m[1] == "==") {
				jobs[j.Stage] = append(jobs[j.Stage], j)
			}
		}
	}
	for _, stage := range stages {
		for _, j := range jobs[stage] {
			ran++
			code := r.newJob().sh(strings.Join(j.Script, "\n"), "RELGATE_PASSED="+variables["RELGATE_PASSED"])
			if code != 0 && !slices.Contains(j.AllowFailure.ExitCodes, code) {
				return true
			}
		}
	}
	if ran == 0 {
		r.t.Error("a pipeline without jobs, which GitLab refuses")
	}
	return false
}

// until lets the release go on until a phase has passed, and gives whether it does.
func (r *rollout) until(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range r.scenes {
		answer := httptest.NewRecorder()
		r.gate.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/v1/gates/shop/"+r.phases[n-1].Name+"/gate?version=1.0.1", nil))
		if answer.Code == http.StatusOK && !r.scenes[r.next].away {
			return true
		}
		r.advance()
	}
	return false
}

// chain starts pipelines as the webhook does for relgate.phase.passed: one for each phase
// that has passed, after the one before has ended.
func (r *rollout) chain(pipeline func(passed string) (failed bool)) (failed bool) {
	failed = pipeline("")
	for n := range r.phases {
		if !r.until(n + 1) {
			return failed
		}
		failed = pipeline(r.phases[n].Name) || failed
	}
	return failed
}

// pipelines are the recipes that run programs.
var pipelines = []struct {
	name string
	args []string
	run  func(r *rollout, text string) (failed bool)
}{
	{"curl", []string{"curl"}, func(r *rollout, text string) bool { return r.newJob().sh(withVersion(text)) != 0 }},
	{"github", []string{"github"}, func(r *rollout, text string) bool {
		return r.workflow(text, map[string]string{"version": "1.0.1", "passed": ""})
	}},
	{"github, short jobs", []string{"github", "--job-limit=1h"}, func(r *rollout, text string) bool {
		return r.chain(func(passed string) bool {
			return r.workflow(text, map[string]string{"version": "1.0.1", "passed": passed})
		})
	}},
	{"github, jobs of some hours", []string{"github", "--job-limit=4h"}, func(r *rollout, text string) bool {
		return r.chain(func(passed string) bool {
			return r.workflow(text, map[string]string{"version": "1.0.1", "passed": passed})
		})
	}},
	{"gitlab", []string{"gitlab"}, func(r *rollout, text string) bool {
		return r.chain(func(passed string) bool { return r.gitlabPipeline(text, map[string]string{"RELGATE_PASSED": passed}) })
	}},
}

// withVersion gives a script its argument.
func withVersion(text string) string { return "set -- 1.0.1\n" + text }

// TestNoRecipeRunsAhead: in a release that goes through every state, each recipe moves the
// traffic of each phase once, in order, and never before relgate lets the phase begin.
func TestNoRecipeRunsAhead(t *testing.T) {
	t.Parallel()
	plans := map[string]string{"on_pass": fiveSteps(t), "signalled": strings.ReplaceAll(fiveSteps(t), `"on_pass"`, `"signalled"`)}
	for advance, config := range plans {
		for _, c := range pipelines {
			t.Run(c.name+" "+advance, func(t *testing.T) {
				t.Parallel()
				text := written(t, config, c.args...)
				phases := planOf(t, config).Phases
				good := newRollout(t, phases, goodRelease(len(phases)))
				if c.run(good, text) {
					t.Error("a good release failed")
				}
				good.check("a good release", len(phases))
				if want := good.names(len(phases))[1:]; advance == "signalled" && !slices.Equal(good.begun, want) || advance != "signalled" && len(good.begun) > 0 {
					t.Errorf("said to have begun: %q", good.begun)
				}
				bad := newRollout(t, phases, badRelease(len(phases), 3))
				failed := c.run(bad, text)
				bad.check("a release that is rolled back in its third phase", 3)
				// Where no job waits for the third phase it is the webhook that tells.
				if waits := !strings.Contains(c.name, "hours") && c.name != "gitlab" && !strings.Contains(c.name, "short"); waits && (!failed || strings.HasPrefix(c.name, "github") && !bad.back) {
					t.Errorf("a release that is rolled back: failed %v, rolled back by the pipeline %v", failed, bad.back)
				}
			})
		}
	}
}

// TestAScriptGoesOnWhereItWas: after an interruption the script with curl begins with the
// phase that it is told.
func TestAScriptGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	phases := planOf(t, fiveSteps(t)).Phases
	text := written(t, fiveSteps(t), "curl")
	scenes := goodRelease(len(phases))
	i := slices.IndexFunc(scenes, func(m scene) bool { return m.until == 4 })
	r := newRollout(t, phases, scenes[i:])
	if code := r.newJob().sh("set -- 1.0.1 half\n" + text); code != 0 || !slices.Equal(r.moved, []string{"half", "all"}) || len(r.ahead) > 0 {
		t.Errorf("exit %d, moved %q, ahead %q", code, r.moved, r.ahead)
	}
	if code := r.newJob().sh("set -- 1.0.1 quarter\n" + text); code != exitUsage {
		t.Errorf("exit %d of a phase that there is none of, want %d", code, exitUsage)
	}
	if code := r.newJob().sh(text); code == 0 {
		t.Error("a script without a version ends with 0")
	}
}
