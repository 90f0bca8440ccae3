package config

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestBudget(t *testing.T) {
	text := strings.Replace(minimalText, `rollback = ["errors-high"]`, `rollback = ["errors-high", "errors-very-high", "paged"]`, 1)
	text = strings.Replace(text, "manager = \"Kim\"\n", "manager = \"Kim\"\nevidence = \"sequential\"\n", 1) + `
[rollback.errors-very-high]
signal  = "error_rate"
when    = "> 10 %"
alarm   = "page"
weight  = 3
action  = "revert"
command = "revert --now"
owner   = "Ops"

[rollback.paged]
signal  = "page"
when    = "> 0"
action  = "revert"
command = "revert --now"
owner   = "Ops"

[rollback.unwatched]
signal  = "error_rate"
when    = "> 20 %"
action  = "revert"
command = "revert --now"
owner   = "Ops"

[signals.page]
source = "cw"
kind   = "alarm"
cloudwatch.alarm = "A"
`
	c, problems := Decode("config.toml", []byte(text), nil)
	if c == nil {
		t.Fatal(problems)
	}
	all := Budgets(c.Plans)
	if len(all) != 1 {
		t.Fatalf("got %+v, want the plan's", all)
	}
	want := `evidence rolls back at most 1 % of the releases that keep their limits, however often it is looked at
  errors-high: 0.25 %, acts at 1 in 400
  errors-very-high: 0.75 %, acts at 1 in 133
  not covered, because they compare with a threshold: paged
  not covered, because an alarm is no evidence: errors-very-high by the CloudWatch alarm page`
	if got := strings.Join(all[0].Lines(), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	got, err := json.Marshal(all)
	if want := `[{"plan":"launch","false_rollback":0.01,"shares":[{"rule":"errors-high","alpha":0.0025,"weight":1},{"rule":"errors-very-high","alpha":0.0075,"weight":3}],"uncovered":["paged"],"alarms":[{"rule":"errors-very-high","alarm":"page","noun":"CloudWatch alarm"}]}]`; err != nil || string(got) != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}

// A plan whose rules compare has no budget.
func TestNoBudget(t *testing.T) {
	c, problems := Decode("config.toml", []byte(minimalText), nil)
	if c == nil {
		t.Fatal(problems)
	}
	if got := Budgets(c.Plans); got == nil || len(got) != 0 {
		t.Errorf("got %+v, want an empty list", got)
	}
}
