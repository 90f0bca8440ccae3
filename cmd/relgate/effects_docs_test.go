package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
)

// What docs/way-back.md prints is a way back as it says: two rules that roll back at once,
// and two that slow the fault down first.
func TestTheExampleOfAWayBackIsOne(t *testing.T) {
	text, names := plainConfig, []string{"api-5xx-high", "crash-free-low", "lambda-p95-high", "bias-high"}
	for _, name := range names {
		text += fmt.Sprintf("[rollback.%s]\ntitle = \"errors\"\nsignal = \"errors\"\nwhen = \"> 3 %%\"\nfor = \"5m\"\nowner = \"ops\"\naction = \"roll back\"\n", name)
	}
	text = strings.Replace(text, "success = [\"errors\"]\n", "success = [\"errors\"]\nrollback = [\""+strings.Join(names, `", "`)+"\"]\n", 1)
	text += recipe(t, "docs/way-back.md", "way-back") + `
[parameters]
lambda = 43

[people]
"Mobile Lead"  = { page = "slack" }
"Data Science" = { page = "slack" }

[webhooks.pipeline]
url = "https://ci.example.com/hooks/relgate"

[sinks.slack]
token = { env = "SLACK_TOKEN" }
channel = "#ops"
` + recipe(t, "docs/way-back.md", "way-back-sinks") + recipe(t, "docs/way-back.md", "way-back-rehearsal") + recipe(t, "docs/way-back.md", "way-back-drill")
	t.Setenv("RELGATE_STAGING_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	t.Setenv("SLACK_TOKEN", "xoxb-hunter2")
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	c, problems := configs().Decode("config.toml", []byte(text), os.ReadFile)
	for _, p := range problems {
		if strings.Contains(p.Path, ".effects") || (strings.HasPrefix(p.Path, "sinks.") || strings.HasPrefix(p.Path, "environments") || strings.HasPrefix(p.Path, "rehearsal")) && p.ID != "dry-run" {
			t.Error(p)
		}
	}
	if c == nil || len(c.Plans) != 1 {
		t.Fatal(problems)
	}
	plan := c.Plans[0]
	if plan.Rehearsal.MaxAge != 30*24*time.Hour || !plan.Rehearsal.Obstacle || c.Named("staging") == nil || len(c.Named("staging").Webhooks) != 2 || len(c.Named("staging").Sinks) != 1 {
		t.Errorf("got %+v in %v", plan.Rehearsal, c.EnvironmentNames())
	}
	slow := map[string]time.Duration{"lambda-p95-high": 10 * time.Minute, "bias-high": 4 * time.Hour}
	for _, name := range names {
		i := slices.IndexFunc(plan.Rules, func(r rules.Rule) bool { return r.Kind == rules.RollbackRule && r.Name == name })
		if i < 0 || len(plan.Rules[i].Effects) < 2 || plan.Rules[i].Slow() != slow[name] {
			t.Errorf("%s: got %+v", name, plan.Rules)
		}
	}
}

// The page of the way back has a row for each state of a step.
func TestTheManualOfTheWayBackNamesEveryState(t *testing.T) {
	page := readText(t, root+"/docs/way-back.md")
	for _, state := range []string{"planned", "intended", "acknowledged", "done", "failed", "skipped", "dropped", "verified"} {
		if !strings.Contains(page, "\n| `"+state+"` | ") {
			t.Errorf("docs/way-back.md does not say what %q is", state)
		}
	}
}
