package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	yaml "github.com/oasdiff/yaml3"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/recipes"
	"github.com/relgate/relgate/rules"
)

// tableStates are what relgate may say to "has ten passed?", and how it may be away.
func tableStates(t *testing.T) (names []string, urls map[string]string) {
	t.Helper()
	urls = map[string]string{}
	add := func(name, url string) { names, urls[name] = append(names, name), url }
	serve := func(name string, state rules.State, v rules.Verdict, edit ...func(*fact.Snapshot)) {
		url, _ := daemonWith(t, release(state, v, edit...))
		add(name, url)
	}
	serve("passed", rules.Passed, rules.Pass)
	serve("not begun", rules.Waiting, rules.Pending)
	serve("pending", rules.Monitoring, rules.Pending)
	serve("held", rules.Passed, rules.Pass, lunch(func(*fact.Snapshot) {}))
	serve("unknown", rules.Monitoring, rules.Unknown, func(s *fact.Snapshot) { s.Verdict = rules.Unknown })
	serve("failed", rules.Failed, rules.Fail, func(s *fact.Snapshot) { s.State, s.Verdict = rules.Failed, rules.Fail })
	serve("rolled back", rules.RolledBack, rules.Rollback)
	serve("superseded", rules.Passed, rules.Pass, func(s *fact.Snapshot) {
		s.State, s.Verdict, s.Cause, s.Over = rules.Superseded, rules.Fail, rules.CauseManual, true
	})
	serve("another version", rules.Passed, rules.Pass)
	add("stopped", "http://127.0.0.1:1")
	whole := passing(t)
	killed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(whole), whole[:len(whole)-2])
		_ = conn.Close()
	}))
	t.Cleanup(killed.Close)
	add("killed in mid-answer", killed.URL)
	add("behind a proxy that says 502", fake(t, 502, "text/html", "<html>bad gateway</html>"))
	return names, urls
}

// decider is a client: what it does at one answer, and the word for going on.
type decider struct {
	name, goes string
	decide     func(t *testing.T, url, version string) string
}

func deciders(t *testing.T) []decider {
	t.Helper()
	config := strings.Replace(fewer(t, "one", "all"), "[phases.one]", "[phases.ten]", 1)
	argoText, flaggerText, jenkinsText := written(t, config, "argo"), written(t, config, "flagger"), written(t, config, "jenkins")
	exits := func(script string, env ...string) func(*testing.T, string, string) string {
		return func(t *testing.T, url, version string) string {
			return fmt.Sprintf("exit %d", newPipeline(t, url, "ten", version, env...).sh(script))
		}
	}
	check := `relgate gate check "$PLAN" "$PHASE" --version "$VERSION"`
	gitlab := func(t *testing.T, url, version string) string {
		var job map[string]struct{ Script []string }
		_, body, _ := strings.Cut(readText(t, filepath.Join(root, "templates", "gate.yml")), "\n---\n")
		if err := yaml.Unmarshal([]byte(body), &job); err != nil {
			t.Fatal(err)
		}
		return exits(strings.Join(job["$[[ inputs.job ]]"].Script, "\n"), "RELGATE_TIMEOUT=4s")(t, url, version)
	}
	action := func(t *testing.T, url, version string) string {
		p := newPipeline(t, url, "ten", version)
		outputs, code := p.action(map[string]string{"plan": "shop", "phase": "ten", "version": version, "wait": "0s", "pending": "neutral"}, nil)
		return fmt.Sprintf("exit %d, pass %s", code, outputs["pass"])
	}
	// target is a recipe's address at the daemon that is asked.
	target := func(url, recipe, version string) string {
		return strings.NewReplacer("https://relgate.example.com", url, "https://ci:TOKEN@relgate.example.com", url, "VERSION", version, "1.0.1", version).Replace(recipe)
	}
	return []decider{
		{"`relgate gate check`", "exit 0", exits(check)},
		{"`relgate gate wait` to its timeout", "exit 0", exits(strings.Replace(check, "check", "wait --timeout 4s --unreachable-for 0s", 1))},
		{"gate.sh, once", "exit 0", exits(recipes.Script)},
		{"gate.sh to its timeout", "exit 0", exits(recipes.Script, "RELGATE_TIMEOUT=4s")},
		{"GitHub action, ask and leave", "exit 0, pass true", action},
		{"GitLab component to its timeout", "exit 0", gitlab},
		{"Jenkins", "go", func(t *testing.T, url, version string) string {
			address := regexp.MustCompile(`r = httpRequest url: "([^"]+)"`).FindStringSubmatch(jenkinsText)[1]
			answer := read(t, target(url, strings.NewReplacer("${phase}", "ten", "${view}", "verdict", "${params.VERSION}", version).Replace(address), version))
			if answer.status == 0 {
				return "again" // httpRequest says 408, or throws what is caught
			}
			for _, line := range jenkinsTurn {
				if did := line.does(answer, "ten", "passed"); did != "" {
					return did
				}
			}
			return "again"
		}},
		{"Argo Rollouts", "Successful", func(t *testing.T, url, version string) string {
			r := &rollout{t: t, phases: planOf(t, config).Phases}
			a := r.newArgo(argoText)
			m := a.metrics["p1-ten-passed"]
			answer := read(t, target(url, m.Provider.Web.URL, version))
			switch {
			case answer.status < 200 || answer.status > 299 || answer.object == nil:
				return "Error"
			case a.argoHolds(m.FailureCondition, answer.object):
				return "Failed"
			case a.argoHolds(strings.Replace(m.SuccessCondition, "1.0.1", version, 1), answer.object):
				return "Successful"
			}
			return "Inconclusive"
		}},
		{"Flagger", "promotes", func(t *testing.T, url, version string) string {
			one := strings.Replace(fewer(t, "one"), "[phases.one]", "[phases.ten]", 1)
			f := (&rollout{t: t}).newFlagger(strings.ReplaceAll(written(t, one, "flagger"), "VERSION", version))
			yes := func(hook string) bool {
				at := strings.Replace(f.hooks[hook], "https://ci:"+ciToken+"@relgate.example.com", url, 1)
				status := read(t, at).status
				return status >= 200 && status <= 202
			}
			switch {
			case yes("rollback"):
				return "rolls back"
			case yes("confirm-promotion"):
				return "promotes"
			}
			return "waits"
		}},
		{"Flagger, before another phase", "", func(t *testing.T, url, version string) string { // which has not begun in any of these states
			f := (&rollout{t: t}).newFlagger(strings.ReplaceAll(flaggerText, "VERSION", version))
			at := strings.Replace(f.hooks["confirm-promotion"], "https://ci:"+ciToken+"@relgate.example.com", url, 1)
			if status := read(t, at).status; status >= 200 && status <= 202 {
				return "promotes"
			}
			return "waits"
		}},
	}
}

// TestDocsSayWhatEachClientDecides prints what each client does in each state, and holds it against
// docs/integrations.md. Only what has passed is gone on with.
func TestDocsSayWhatEachClientDecides(t *testing.T) {
	states, urls := tableStates(t)
	clients := deciders(t)
	said := make([][]string, len(clients))
	var running sync.WaitGroup
	for i, c := range clients {
		said[i] = make([]string, len(states))
		for k, state := range states {
			version := "1.0.1"
			if state == "another version" {
				version = "1.0.2"
			}
			running.Go(func() { said[i][k] = c.decide(t, urls[state], version) })
		}
	}
	running.Wait()
	var b strings.Builder
	b.WriteString("| client | " + strings.Join(states, " | ") + " |\n|---|" + strings.Repeat("---|", len(states)) + "\n")
	for i, c := range clients {
		b.WriteString("| " + c.name + " | " + strings.Join(said[i], " | ") + " |\n")
		for k, state := range states {
			if goes := said[i][k] == c.goes; goes != (state == "passed" && c.goes != "") {
				t.Errorf("%s: %s: %s", c.name, state, said[i][k])
			}
		}
		if rolls := slices.Contains(said[i], "rolls back"); rolls != (c.name == "Flagger") {
			t.Errorf("%s rolls back: %v", c.name, rolls)
		}
	}
	t.Log("\n" + b.String())
	page := filepath.Join(root, integrations)
	text := readText(t, page)
	before, rest, found := strings.Cut(text, "<!-- decisions: written by a test -->\n")
	old, after, end := strings.Cut(rest, "<!-- end -->\n")
	if !found || !end {
		t.Fatal("docs/integrations.md has no place for the table")
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+"<!-- decisions: written by a test -->\n"+b.String()+"<!-- end -->\n"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != b.String() {
		t.Errorf("the table in docs/integrations.md is stale: run the test with -update")
	}
}
