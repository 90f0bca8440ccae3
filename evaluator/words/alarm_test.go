package words

import (
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
	cloudwatch "github.com/relgate/relgate/sources/cloudwatch/kind"
	inbox "github.com/relgate/relgate/sources/inbox/kind"
)

// What fired a rule is said: its own numbers, or the alarm that it names, by its source's
// own noun.
func TestARuleSaysWhichWayItCame(t *testing.T) {
	at := T.Add(80 * time.Minute)
	for _, tt := range []struct {
		name, rule string
		ask        rules.SourceQuery
		state      fact.RuleState
		why        fact.Why
		alarm      fact.Alarm
		ev         fact.Evidence
		headline   string
		sentence   string
	}{
		{
			"by the alarm", "crashy", &inbox.Query{Format: inbox.Sentry}, fact.RuleFired, fact.Why{Code: fact.WhyMeasured},
			fact.Alarm{Signal: "crash_free_alert", State: fact.AlarmOn, Since: T.Add(70 * time.Minute), Fired: true}, fact.Evidence{Known: true, Value: .986, Unit: rules.Percent, Weighed: new(fact.Weighed)},
			"ROLLBACK: Mobile crash-free sessions: Sentry alert on since 03:10 UTC",
			"Mobile crash-free sessions: the Sentry alert crash_free_alert is on since 03:10 UTC; relgate's own number is 98.6 % (the rule acts at < 98 %).",
		},
		{
			"by an alarm that is over", "high", &cloudwatch.Query{Alarm: "A"}, fact.RuleFired, fact.Why{Code: fact.WhyMeasured},
			fact.Alarm{Signal: "pager", State: fact.AlarmOver, Since: T.Add(70 * time.Minute), Fired: true}, fact.Evidence{},
			"ROLLBACK: API 5xx: CloudWatch alarm on at 03:10 UTC",
			"API 5xx: the CloudWatch alarm pager was on at 03:10 UTC; relgate has no number of its own.",
		},
		{
			"by the alarm, of a percentile", "slow", &inbox.Query{Format: inbox.Grafana}, fact.RuleFired, fact.Why{Code: fact.WhyMeasured},
			fact.Alarm{Signal: "p95_alert", State: fact.AlarmOn, Since: T.Add(70 * time.Minute), Fired: true},
			fact.Evidence{Known: true, Value: .02, Unit: rules.Percent, Quantile: &fact.Quantile{Of: .95, Value: 1.6, Threshold: 3, Unit: rules.Seconds}},
			"ROLLBACK: Lambda p95 latency: Grafana alert on since 03:10 UTC",
			"Lambda p95 latency: the Grafana alert p95_alert is on since 03:10 UTC; relgate's own number is 1.6 s (the rule acts at > 2.5 s).",
		},
		{
			"by the alarm, of a percentile whose share is known", "slow", &inbox.Query{Format: inbox.JSON}, fact.RuleFired, fact.Why{Code: fact.WhyMeasured},
			fact.Alarm{Signal: "p95_alert", State: fact.AlarmOn, Since: T.Add(70 * time.Minute), Fired: true}, fact.Evidence{Known: true, Value: .02, Unit: rules.Percent},
			"ROLLBACK: Lambda p95 latency: alert on since 03:10 UTC",
			"Lambda p95 latency: the alert p95_alert is on since 03:10 UTC; relgate's own number is 2.0 % above 2.5 s (the rule acts at > 2.5 s).",
		},
		{
			"by its own numbers, the alarm is on", "own", nil, fact.RuleFired, fact.Why{Code: fact.WhyMeasured},
			fact.Alarm{Signal: "pager", State: fact.AlarmOn, Since: T.Add(70 * time.Minute)}, fact.Evidence{Known: true, Value: .05, Op: rules.Greater, Threshold: .03, Unit: rules.Percent, Points: 1, Expected: 1, Samples: 100},
			"ROLLBACK: API 5xx, plain 5 % > 3 % (100 samples)",
			"API 5xx, plain 5 % > 3 % (1 of 1 points, 100 samples). The alarm pager is on since 03:10 UTC.",
		},
		{
			"clear, the alarm is off", "own", &inbox.Query{Format: inbox.Alertmanager}, fact.RuleClear, fact.Why{Code: fact.WhyMeasured},
			fact.Alarm{Signal: "pager", State: fact.AlarmOff}, fact.Evidence{Known: true, Value: .01, Op: rules.Greater, Threshold: .03, Unit: rules.Percent, Points: 1, Expected: 1, Samples: 100},
			"CLEAR: API 5xx, plain 1 % <= 3 % (100 samples)",
			"API 5xx, plain 1 % <= 3 % (1 of 1 points, 100 samples). The rule is clear. The Alertmanager alert pager is off.",
		},
		{
			"the alarm is silent", "own", &inbox.Query{Format: inbox.SNS}, fact.RuleClear, fact.Why{Code: fact.WhyMeasured},
			fact.Alarm{Signal: "pager", State: fact.AlarmUnknown, Cause: rules.CauseNoData}, fact.Evidence{Known: true, Value: .01, Op: rules.Greater, Threshold: .03, Unit: rules.Percent, Points: 1, Expected: 1, Samples: 100},
			"CLEAR: API 5xx, plain 1 % <= 3 % (100 samples)",
			"API 5xx, plain 1 % <= 3 % (1 of 1 points, 100 samples). The rule is clear. The CloudWatch alarm pager is not known, no data: the rule goes by its own numbers.",
		},
		{
			"both are silent", "own", &inbox.Query{Format: inbox.SNS}, fact.RuleSilent, fact.Why{Code: fact.WhyCannotJudge, Cause: rules.CauseNoData},
			fact.Alarm{Signal: "pager", State: fact.AlarmUnknown, Cause: rules.CauseNoData}, fact.Evidence{},
			"UNKNOWN: API 5xx, plain: cannot be judged, no data",
			"API 5xx, plain: cannot be judged, no data. The CloudWatch alarm pager is not known, no data.",
		},
		{
			"nothing is known of the alarm yet", "own", &inbox.Query{Format: inbox.EventBridge}, fact.RuleIdle, fact.Why{Code: fact.WhyNoDataYet},
			fact.Alarm{Signal: "pager", State: fact.AlarmUnknown}, fact.Evidence{},
			"WAIT: API 5xx, plain: no complete minute yet",
			"API 5xx, plain: no complete minute yet. The CloudWatch alarm pager is not known: the rule goes by its own numbers.",
		},
		{
			"on before the phase", "own", &inbox.Query{Format: inbox.Sentry}, fact.RuleBreaching, fact.Why{Code: fact.WhyMeasured},
			fact.Alarm{Signal: "pager", State: fact.AlarmBefore}, fact.Evidence{Known: true, Value: .01, Op: rules.Greater, Threshold: .03, Unit: rules.Percent, Points: 1, Expected: 1, Samples: 100},
			"WAIT: API 5xx, plain 1 % <= 3 % (100 samples)",
			"API 5xx, plain 1 % <= 3 % (1 of 1 points, 100 samples). The Sentry alert pager was on before the phase began; it counts once it has been off.",
		},
	} {
		p := launch()
		p.Signals[6].Query.Ask = tt.ask
		plain := *ruleNamed(p, rules.RollbackRule, "high")
		plain.Name, plain.Title, plain.Method = "own", "API 5xx, plain", rules.ByThreshold
		p.Rules = append(p.Rules, plain)
		if ruleNamed(p, rules.RollbackRule, tt.rule) == nil {
			t.Fatalf("no rule %s", tt.rule)
		}
		v := fact.RuleView{Name: tt.rule, Kind: rules.RollbackRule, State: tt.state, Why: tt.why, Evidence: tt.ev}
		v.Evidence.Alarm = &tt.alarm
		got := Rule(p, &v, at)
		if got.Headline != tt.headline {
			t.Errorf("%s: headline\n%s, want\n%s", tt.name, got.Headline, tt.headline)
		}
		if got.Sentence != tt.sentence {
			t.Errorf("%s:\n%s, want\n%s", tt.name, got.Sentence, tt.sentence)
		}
		if do := got.Do != ""; do != (tt.state == fact.RuleFired) {
			t.Errorf("%s: do %q", tt.name, got.Do)
		}
	}
}
