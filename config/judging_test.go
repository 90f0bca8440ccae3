package config

import (
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
)

// What a config says of how rules judge reaches the plan.
func TestHowRulesJudge(t *testing.T) {
	text := strings.NewReplacer(
		"manager = \"Kim\"\n", "manager = \"Kim\"\nevidence = \"sequential\"\nride_out = \"1m\"\n",
		`rollback = ["errors-high"]`, `rollback = ["errors-high", "queue-high"]`,
		`success  = ["errors"]`, `success  = ["errors", "queue"]`,
		`for     = "10m"`, "resume  = \"auto\"\nresume_after = \"20m\"",
		"kind   = \"ratio\"\n", "kind   = \"ratio\"\nassume_seen = true\nbaseline = { dimension = \"ExecutedVersion\", value = \"42\" }\n",
		"total     = \"Count\"\n", "total     = \"Count\"\ndimensions = { ExecutedVersion = \"43\" }\n",
	).Replace(minimalText) + `
[success.queue]
signal    = "queue"
when      = "<= 75"
aggregate = "share"
min_share = "90 %"
owner     = "Ops"

[rollback.queue-high]
signal    = "queue"
when      = "> 90"
over      = "10m"
mode      = "shadow"
action    = "revert"
command   = "revert --now"
owner     = "Ops"

[signals.queue]
source = "cw"
kind   = "gauge"
cloudwatch = { namespace = "AWS/SQS", metric = "Depth" }
`
	c, problems := Decode("config.toml", []byte(text), nil)
	if c == nil || len(problems) != 1 || problems[0].ID != "assumed-seen" {
		t.Fatalf("got %v, want a warning of the name alone", problems)
	}
	p := c.Plans[0]
	errors, queue, high, deep := &p.Rules[0], &p.Rules[1], &p.Rules[2], &p.Rules[3]
	if got := p.Way(queue); got != (rules.Way{Aggregate: rules.Share, MinShare: 0.9}) {
		t.Errorf("got %+v, want nine of ten periods", got)
	}
	if got := p.Way(deep); got != (rules.Way{Aggregate: rules.Average, Over: 10 * time.Minute}) || !deep.Shadow || queue.Shadow {
		t.Errorf("got %+v, shadow %v, want the mean over 10m in shadow", got, deep.Shadow)
	}
	if p.RideOut(errors) != time.Minute || p.RideOut(high) != time.Minute || high.ResumeAfter != 20*time.Minute || !p.Signals[0].AssumeSeen {
		t.Errorf("got rules %+v and %+v, signal %+v", errors, high, p.Signals[0])
	}
	if b := Budgets(c.Plans); len(b) != 1 || len(b[0].Uncovered) != 0 {
		t.Errorf("got budget %+v, want none for a rule in shadow", b)
	}
}
