package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/relgate/relgate/rules"
)

// The project's own plan, bound to its first run, has no placeholder left, and says
// what stood there.
func TestTheProjectsOwnPlanIsBoundToARun(t *testing.T) {
	c, problems := Load("../config.toml")
	if c == nil || len(c.Plans) != 1 {
		t.Fatal(problems)
	}
	plan := c.Plans[0]
	run, err := plan.Bound(rules.Bind{Version: plan.Version, Start: plan.Start, UID: "u", Try: 1})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	// The SQL's comment says what its question mark stands for.
	told := strings.ReplaceAll(string(text), "its own quotes: '{version}'", "")
	told = strings.NewReplacer("live to {traffic}", "", "in numbers: {headline}", "").Replace(told) // messages: filled in when they fall due
	told = regexp.MustCompile(`"mark":"[^"]*"`).ReplaceAllString(told, "")                          // what a drill has rehearsed: of any version
	if left := regexp.MustCompile(`\{[a-z][a-z0-9_.-]*\}`).FindAllString(told, -1); len(left) > 0 {
		t.Errorf("got placeholders %v in %s", left, text)
	}
	for _, want := range []string{
		`"run":"REL-2025-06-04@1.0.0"`, `"com.bioage.app@1.0.0+100"`, `"parameters":["'1.0.0'"]`,
		`"ExecutedVersion":"43"`, `"ExecutedVersion":"42"`, `--function-version 42 --routing-config AdditionalVersionWeights={}`,
		`"completion":"2025-06-05T08:30:00Z"`, `"previous":{"version":"0.9.0","parameters":{"lambda":"42"}}`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the run's plan lacks %s", want)
		}
	}
}

// With its version and start taken out, the project's own plan is a template.
func TestTheProjectsOwnPlanMayBeATemplate(t *testing.T) {
	text, err := os.ReadFile("../config.toml")
	if err != nil {
		t.Fatal(err)
	}
	template := regexp.MustCompile(`(?m)^(version|start) {8,}.*\n`).ReplaceAllString(string(text), "")
	c, problems := Decode("../config.toml", []byte(template), os.ReadFile)
	if c == nil || len(c.Plans) != 1 || len(problems) > 0 {
		t.Fatal(problems)
	}
	plan := c.Plans[0]
	own, _ := Load("../config.toml")
	run, err := plan.Bound(rules.Bind{
		Version: "1.0.1", Start: own.Plans[0].Start, UID: "u", Try: 1,
		Parameters: map[string]string{"lambda": "44"}, Previous: rules.Previous{Version: "1.0.0", Parameters: map[string]string{"lambda": "43"}},
	})
	if !plan.Template() || err != nil {
		t.Fatalf("got template %v, %v", plan.Template(), err)
	}
	if !run.Completion.Equal(own.Plans[0].Completion) || !strings.Contains(run.Rules[5].Command, "--function-version 43 ") {
		t.Errorf("got completion %v, command %q", run.Completion, run.Rules[5].Command)
	}
}

// One broken or missing file keeps no other plan from running.
func TestABrokenPlanHindersNoOther(t *testing.T) {
	at := strings.Index(minimalText, "[signals.error_rate]")
	shared := "include = [\"plans/*.toml\"]\n" + minimalText[at:]
	named := func(name string) string { return strings.Replace(minimalText[:at], `"launch"`, `"`+name+`"`, 1) }
	own := func(name string) string { return planNamed(name) }
	for _, tt := range []struct {
		name   string
		files  map[string]string
		plans  string // that run
		broken string // "file plan", those that do not; "-" for a config that cannot be used
		errors string // kinds of the errors, in file order
	}{
		{"all is well", map[string]string{"config.toml": shared, "plans/a.toml": named("a"), "plans/b.toml": named("b")}, "a b", "", ""},
		{"one is no TOML", map[string]string{"config.toml": shared, "plans/a.toml": named("a") + "[", "plans/b.toml": named("b")}, "b", "plans/a.toml a", "syntax"},
		{"one is something else", map[string]string{"config.toml": shared, "plans/a.toml": "%PDF", "plans/b.toml": named("b")}, "b", "plans/a.toml ", "syntax"},
		{"one has an unknown rule", map[string]string{"config.toml": shared, "plans/a.toml": named("a"), "plans/b.toml": strings.Replace(named("b"), `["errors"]`, `["x"]`, 1)}, "a", "plans/b.toml b", "unknown-rule"},
		{"one has an unknown key", map[string]string{"config.toml": shared, "plans/a.toml": named("a") + "x = 1\n", "plans/b.toml": named("b")}, "b", "plans/a.toml a", "unknown-key"},
		{"one has a key twice", map[string]string{"config.toml": shared, "plans/a.toml": named("a") + "owner = \"x\"\n", "plans/b.toml": named("b")}, "b", "plans/a.toml a", "duplicate"},
		{"one has a daemon", map[string]string{"config.toml": shared, "plans/a.toml": named("a") + "[daemon]\n", "plans/b.toml": named("b")}, "b", "plans/a.toml a", "main-file-only"},
		{"one has a sink", map[string]string{"config.toml": shared, "plans/a.toml": named("a") + "[sinks.teams]\nurl = { env = \"X\" }\n", "plans/b.toml": named("b")}, "b", "plans/a.toml a", "main-file-only"},
		{"one names a webhook that is not there", map[string]string{"config.toml": shared, "plans/a.toml": strings.Replace(named("a"), "when   = \"< 1 %\"", "when = \"< 1 %\"\nnotify = [\"x\"]", 1), "plans/b.toml": named("b")}, "b", "plans/a.toml a", "unknown-webhook"},
		{"two have one name", map[string]string{"config.toml": shared, "plans/a.toml": named("a"), "plans/b.toml": named("a")}, "a", "plans/b.toml a", "duplicate"},
		{"a shared signal that one uses is broken", map[string]string{
			"config.toml": strings.Replace(shared, `kind   = "ratio"`, `kind = "rate"`, 1), "plans/a.toml": named("a"), "plans/b.toml": own("b"),
		}, "b", "plans/a.toml a", "bad-value"},
		{"the main file's own plan is broken", map[string]string{
			"config.toml": "include = [\"plans/*.toml\"]\n" + strings.Replace(minimalText, `owner    = "Ops"`, ``, 1), "plans/a.toml": own("a"),
		}, "a", "config.toml launch", "missing"},
		{"the only plan is broken", map[string]string{"config.toml": strings.Replace(minimalText, `owner    = "Ops"`, ``, 1)}, "", "config.toml launch", "missing"},
		{"there is no plan", map[string]string{"config.toml": minimalText[strings.Index(minimalText, "[sources.cw]"):]}, "", "config.toml ", "missing missing missing missing"},
		{"no file is there", map[string]string{"config.toml": shared}, "", "", "include-empty"},
		{"the main file includes itself only", map[string]string{"config.toml": strings.Replace(shared, `"plans/*.toml"`, `"*.toml"`, 1)}, "", "", "include-empty"},
		{"the main file includes itself too", map[string]string{"config.toml": strings.Replace(shared, `"plans/*.toml"`, `"*.toml"`, 1), "a.toml": named("a")}, "a", "", ""},
		{"a webhook is kept to a plan that is away", map[string]string{
			"config.toml": shared + "\n[webhooks.x]\nurl = \"https://x.example.com/\"\nplans = [\"b\"]\n", "plans/a.toml": named("a"),
		}, "a", "", "unknown-plan"},
		{"the daemon's part is wrong", map[string]string{"config.toml": shared + "\n[daemon]\nhistory = -1\n", "plans/a.toml": named("a")}, "", "-", "out-of-range"},
		{"a source is wrong", map[string]string{"config.toml": strings.Replace(shared, `type   = "cloudwatch"`, ``, 1), "plans/a.toml": named("a")}, "", "-", "missing"},
		{"a table is misspelt", map[string]string{"config.toml": shared + "\n[daemn]\n", "plans/a.toml": named("a")}, "", "-", "unknown-key"},
		{"the main file is no TOML", map[string]string{"config.toml": shared + "[", "plans/a.toml": named("a")}, "", "-", "syntax"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &watching{t: t, dir: t.TempDir()}
			for name, text := range tt.files {
				f.write(name, text)
			}
			c, problems := Load(filepath.Join(f.dir, "config.toml"))
			usable(t, c, problems)
			plans, broken := loaded(f.dir, c)
			if plans != tt.plans || broken != tt.broken {
				t.Errorf("got plans %q and broken %q, want %q and %q: %v", plans, broken, tt.plans, tt.broken, problems)
			}
			var kinds []string
			for _, p := range problems {
				if p.Severity == rules.SeverityError {
					kinds = append(kinds, p.ID)
				}
			}
			if got := strings.Join(kinds, " "); got != tt.errors {
				t.Errorf("got errors %q, want %q: %v", got, tt.errors, problems)
			}
		})
	}
}

// loaded lists the plans of a config, and the broken ones as "file plan".
func loaded(dir string, c *Config) (plans, broken string) {
	if c == nil {
		return "", "-"
	}
	var good, bad []string
	for _, p := range c.Plans {
		good = append(good, p.Name)
	}
	for _, b := range c.Broken {
		rel, _ := filepath.Rel(dir, b.File)
		bad = append(bad, fmt.Sprintf("%s %s", filepath.ToSlash(rel), b.Plan))
	}
	return strings.Join(good, " "), strings.Join(bad, ", ")
}

// A service manager and the image say where state belongs; an absolute path is
// where it says in any case.
func TestTheJournalLiesInTheStateFolder(t *testing.T) {
	for _, tt := range []struct{ state, journal, want string }{
		{"", "", "etc/relgate.db"},
		{"", "sub/x.db", "etc/sub/x.db"},
		{"", "/srv/x.db", "/srv/x.db"},
		{"/var/lib/relgate", "", "/var/lib/relgate/relgate.db"},
		{"/var/lib/relgate", "sub/x.db", "/var/lib/relgate/sub/x.db"},
		{"/var/lib/relgate", "/srv/x.db", "/srv/x.db"},
		{strings.Join([]string{"/var/lib/a", "/var/lib/b"}, string(filepath.ListSeparator)), "", "/var/lib/a/relgate.db"},
	} {
		t.Setenv("STATE_DIRECTORY", tt.state)
		text := minimalText
		if tt.journal != "" {
			text += fmt.Sprintf("\n[daemon]\njournal = %q\n", tt.journal)
		}
		c, problems := Decode("etc/config.toml", []byte(text), os.ReadFile)
		if c == nil {
			t.Fatal(problems)
		}
		if got := filepath.ToSlash(c.Daemon.Journal); got != tt.want {
			t.Errorf("journal %q with state folder %q lies at %q, want %q", tt.journal, tt.state, got, tt.want)
		}
	}
}
