package main

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	yaml "github.com/oasdiff/yaml3"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

const integrations = "docs/integrations.md"

// vendorCommands are the commands of docs/integrations.md that other CI systems run, as a
// shell gets them.
func vendorCommands(t *testing.T) map[string]string {
	t.Helper()
	var circle struct {
		Jobs map[string]struct {
			Steps []struct{ Run struct{ Command string } }
		}
	}
	var buildkite struct{ Steps []struct{ Command string } }
	var codepipeline struct {
		Conditions []struct {
			Rules []struct{ Commands []string }
		}
	}
	for name, into := range map[string]any{"ci-circleci": &circle, "ci-buildkite": &buildkite, "ci-codepipeline": &codepipeline} {
		if err := yaml.Unmarshal([]byte(recipe(t, integrations, name)), into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	// fastlane's sh gives each argument to the program as it is.
	var words []string
	call := regexp.MustCompile(`(?s)\bsh\((.*?)\)\n`).FindStringSubmatch(recipe(t, integrations, "ci-fastlane"))
	if call == nil {
		t.Fatal("the lane calls no sh")
	}
	for word := range strings.SplitSeq(call[1], ", ") {
		m := regexp.MustCompile(`^(?:ENV\.fetch\("(\w+)"\)|"([\w-]+)")$`).FindStringSubmatch(word)
		if m == nil {
			t.Fatalf("argument %q is of no form that this test knows", word)
		}
		if m[1] != "" {
			words = append(words, `"$`+m[1]+`"`)
		} else {
			words = append(words, m[2])
		}
	}
	return map[string]string{
		"CircleCI":     circle.Jobs["gate"].Steps[0].Run.Command,
		"Buildkite":    strings.ReplaceAll(buildkite.Steps[0].Command, "$$", "$"), // which is its way to write a dollar
		"CodePipeline": codepipeline.Conditions[0].Rules[0].Commands[0],
		"CodeDeploy":   recipe(t, integrations, "ci-codedeploy"),
		"fastlane":     strings.Join(words, " "),
	}
}

// vendorState is what is asked, and of whom.
type vendorState struct {
	about, url, version string
	code                int // of relgate gate wait
}

func vendorStates(t *testing.T) []vendorState {
	t.Helper()
	serve := func(state rules.State, v rules.Verdict, edit ...func(*fact.Snapshot)) string {
		url, _ := daemonWith(t, release(state, v, edit...))
		return url
	}
	passed := serve(rules.Passed, rules.Pass)
	pass := passing(t)
	cart := release(rules.Passed, rules.Pass)
	cart.Name = "cart"
	without, _ := daemonWith(t, cart)
	return []vendorState{
		{"passed", passed, "1.0.1", exitPass},
		{"pending", serve(rules.Monitoring, rules.Pending), "1.0.1", exitTimeout},
		{"unknown", serve(rules.Monitoring, rules.Unknown, func(s *fact.Snapshot) { s.Verdict = rules.Unknown }), "1.0.1", exitTimeout},
		{"held", serve(rules.Passed, rules.Pass, func(s *fact.Snapshot) {
			s.State, s.Held, s.Holder = rules.Held, true, fact.Holder{By: "Ada", Cause: rules.CauseManual, Text: "lunch"}
		}), "1.0.1", exitTimeout},
		{"failed", serve(rules.Failed, rules.Fail, func(s *fact.Snapshot) { s.State, s.Verdict = rules.Failed, rules.Fail }), "1.0.1", exitFail},
		{"rolled back", serve(rules.RolledBack, rules.Rollback), "1.0.1", exitFail},
		{"another version", passed, "1.0.2", exitTimeout},
		{"not allowed", fake(t, 401, "application/problem+json", "{}"), "1.0.1", exitAuth},
		{"no such plan", without, "1.0.1", exitUsage},
		{"a proxy before one that is away", fake(t, 502, "text/html", "<html>bad gateway</html>"), "1.0.1", exitUnreachable},
		{"a login page", fake(t, 200, "text/html", "<html>Please log in</html>"), "1.0.1", exitUnreachable},
		{"the pass of another version", fake(t, 200, "application/json", strings.ReplaceAll(pass, `"version":"1.0.1"`, `"version":"1.0.0"`)), "1.0.1", exitUnreachable},
		{"no daemon", "http://127.0.0.1:1", "1.0.1", exitUnreachable},
	}
}

// TestTheCommandsOfOtherSystemsEndWithTheVerdict runs them as docs/integrations.md prints
// them. Only the waiting is shortened.
func TestTheCommandsOfOtherSystemsEndWithTheVerdict(t *testing.T) {
	t.Parallel()
	for name, command := range vendorCommands(t) {
		for _, tt := range vendorStates(t) {
			t.Run(name+": "+tt.about, func(t *testing.T) {
				t.Parallel()
				timeout, away := "--timeout 1s", "--unreachable-for 1m"
				if tt.code == exitUnreachable {
					timeout, away = "--timeout 1m", "--unreachable-for 0s"
				}
				short := regexp.MustCompile(`--unreachable-for \w+`).ReplaceAllString(regexp.MustCompile(`--timeout \w+`).ReplaceAllString(command, timeout), away)
				if !strings.Contains(short, timeout) || !strings.Contains(short, away) {
					t.Fatalf("the command has no time limits: %s", command)
				}
				p := newPipeline(t, tt.url, "ten", tt.version)
				if code := p.sh(short); code != tt.code {
					t.Errorf("exit %d, want %d", code, tt.code)
				}
			})
		}
	}
}

// read is an answer as Azure and Spinnaker read it; status 0 is none.
func read(t *testing.T, target string) said {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return said{}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return said{} // cut off: Flagger, too, reads the body before it looks at the status
	}
	answer := said{status: res.StatusCode}
	_ = json.Unmarshal(text, &answer.object) // no JSON is an answer too
	return answer
}

// asking fills in what a recipe asks about.
func asking(s vendorState, text string) string {
	return strings.NewReplacer("https://gate.example", s.url, "PLAN", "shop", "PHASE", "ten", "VERSION", s.version, "TOKEN", ciToken).Replace(text)
}

// TestAzuresCheckSucceedsOnAPassOnly: a check succeeds when the answer is 2xx and its
// criteria hold; else it is evaluated again, until its timeout.
func TestAzuresCheckSucceedsOnAPassOnly(t *testing.T) {
	t.Parallel()
	term := regexp.MustCompile(`eq\(root\['(\w+)'\], '([^']+)'\)`)
	for _, s := range vendorStates(t) {
		var check struct{ Method, URLSuffix, WaitForCompletion, SuccessCriteria string }
		if err := json.Unmarshal([]byte(asking(s, recipe(t, integrations, "ci-azure"))), &check); err != nil {
			t.Fatal(err)
		}
		terms := term.FindAllStringSubmatch(check.SuccessCriteria, -1)
		if len(terms) != 3 || check.Method != "GET" || check.WaitForCompletion != "false" ||
			!regexp.MustCompile(`^and\(eq\([^()]+\)(, eq\([^()]+\))*\)$`).MatchString(check.SuccessCriteria) {
			t.Fatalf("check %+v", check)
		}
		answer := read(t, s.url+check.URLSuffix)
		success := answer.status >= 200 && answer.status <= 299
		for _, m := range terms {
			success = success && answer.object[m[1]] == m[2]
		}
		if want := s.code == exitPass; success != want {
			t.Errorf("%s: success %v, want %v; status %d", s.about, success, want, answer.status)
		}
	}
}

// TestSpinnakersStageSucceedsOnAPassOnly: a 5xx and 429 are asked again, other 4xx end
// the stage; of a 2xx the text at statusJsonPath counts, and its absence ends the stage. What never got an answer is asked again.
func TestSpinnakersStageSucceedsOnAPassOnly(t *testing.T) {
	t.Parallel()
	ends := map[string]string{
		"passed": "SUCCEEDED", "failed": "TERMINAL", "rolled back": "TERMINAL", "not allowed": "TERMINAL", "no such plan": "TERMINAL", "a login page": "TERMINAL",
		// Spinnaker reads no second field: this one is a pass to it, see the page.
		"the pass of another version": "SUCCEEDED",
	}
	for _, s := range vendorStates(t) {
		var stage struct {
			Type                              string
			MonitorOnly, WaitForCompletion    bool
			URL                               string
			StatusJSONPath, ProgressJSONPath  string
			SuccessStatuses, TerminalStatuses string
		}
		if err := json.Unmarshal([]byte(asking(s, recipe(t, integrations, "ci-spinnaker"))), &stage); err != nil {
			t.Fatal(err)
		}
		if stage.Type != "webhook" || !stage.MonitorOnly || !stage.WaitForCompletion || stage.StatusJSONPath != "$.verdict" || stage.ProgressJSONPath != "$.summary" {
			t.Fatalf("stage %+v", stage)
		}
		answer, end := read(t, stage.URL), "RUNNING"
		verdict, known := answer.object["verdict"].(string)
		_, summary := answer.object["summary"].(string)
		switch {
		case answer.status == 0, answer.status >= 500, answer.status == 429:
		case answer.status >= 400, !known, !summary:
			end = "TERMINAL"
		case slices.Contains(strings.Split(stage.SuccessStatuses, ","), verdict):
			end = "SUCCEEDED"
		case slices.Contains(strings.Split(stage.TerminalStatuses, ","), verdict):
			end = "TERMINAL"
		}
		want := ends[s.about]
		if want == "" {
			want = "RUNNING"
		}
		if end != want {
			t.Errorf("%s: %s, want %s; status %d", s.about, end, want, answer.status)
		}
	}
}
