package grafana

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	gapi "github.com/grafana/grafana-api-golang-client"
)

// alert is an alert rule on one plan. Its expression, its words and its times are those of
// the rule of the same name for Prometheus, packaging/prometheus/relgate.rules.yml; a test
// compares them.
type alert struct {
	name, expr, after, severity, summary, description string
}

// alerts are the rules of a plan. What concerns the daemon and not a plan is left to
// Prometheus.
var alerts = []alert{
	{
		name: "RelgateRollbackOrdered", after: "0s", severity: "critical",
		expr:        `(last_over_time(relgate_rollback_unacknowledged[15m]) == 1) * on (job, instance, plan) group_left (run, version) last_over_time(relgate_run_info[15m])`,
		summary:     "Rollback of {{ $labels.plan }} {{ $labels.version }} is ordered: roll it back now, then report it with `relgate rollback-done --plan {{ $labels.plan }} --run {{ $labels.run }} --by WHO --why HOW`.",
		description: "`relgate explain {{ $labels.plan }}` names the reason, the command and who is to run it.",
	},
	{
		name: "RelgateEffectUnanswered", after: "5m", severity: "critical",
		expr:        `max without (state) (last_over_time(relgate_effect_state{state=~"intended|failed"}[15m]) == 1)`,
		summary:     "Step {{ $labels.effect }} of the way back of {{ $labels.plan }} was not acknowledged, or could not be done: see to it, and say so with `relgate effects`.",
		description: "`relgate effects RUN` shows who was asked and what was answered; `relgate effects ack RUN STEP --by WHO --why REASON` says that someone is at it; `done`, `failed` and `skip` say what became of it.",
	},
	{
		name: "RelgateRunFailed", after: "10m", severity: "critical",
		expr:        `(last_over_time(relgate_run_state{state="failed"}[15m]) == 1) and on (job, instance, plan) (time() - last_over_time(relgate_run_decided_timestamp_seconds[15m]) < 86400)`,
		summary:     "The release of {{ $labels.plan }} has failed and its gates are closed: decide whether to roll back, to override the phase, or to try again.",
		description: "`relgate explain {{ $labels.plan }}` names the phase and the rule that failed. The alert ends a day after the decision.",
	},
	{
		name: "RelgateRunHeld", after: "0s", severity: "warning",
		expr:        `last_over_time(relgate_run_state{state="held"}[15m]) == 1`,
		summary:     "The release of {{ $labels.plan }} is held and its gates are closed: look at the reason, then resume or abort it.",
		description: "`relgate explain {{ $labels.plan }}` says who or which rule holds it.",
	},
	{
		name: "RelgateRuleAgainst", after: "2m", severity: "warning",
		expr:        `max without (state) (relgate_rule_state{state=~"breaching|warning|fired"} == 1) unless on (job, instance, plan, rule, kind) (relgate_rule_info{mode="shadow"} == 1) unless on (job, instance, plan) (relgate_run_state{state!~"waiting|monitoring"} == 1)`,
		summary:     "Rule {{ $labels.rule }} speaks against the release of {{ $labels.plan }}: look at its numbers before it holds the run or rolls back.",
		description: "`relgate explain {{ $labels.plan }}` shows the numbers. Nothing has to be done: relgate acts when the rule has lasted or the evidence is enough.",
	},
	{
		name: "RelgateGateUnknown", after: "2m", severity: "warning",
		expr:        `(relgate_gate_verdict{verdict="unknown"} == 1) and on (job, instance, plan) (relgate_run_state{state=~"waiting|monitoring|held"} == 1) unless on (job, instance) (relgate_journal_ok == 0) unless on (job, instance, plan) (time() - relgate_last_tick_timestamp_seconds > 60 + 3 * relgate_plan_interval_seconds)`,
		summary:     "The gate of phase {{ $labels.phase }} of {{ $labels.plan }} is unknown and lets nothing through: find the source that is silent, or decide the phase with `relgate override`.",
		description: "`relgate explain {{ $labels.plan }}` names the rule that cannot be judged.",
	},
	{
		name: "RelgateTrafficMismatch", after: "0s", severity: "warning",
		expr:        `(relgate_phase_mismatch == 1) and on (job, instance, plan) (relgate_run_state{state=~"waiting|monitoring|held"} == 1)`,
		summary:     "Phase {{ $labels.phase }} of {{ $labels.plan }} has not the traffic that was planned: see who moved it, and bring it to what was planned.",
		description: "`relgate explain {{ $labels.plan }}` shows what is seen beside what was planned. What is not known is no mismatch.",
	},
	{
		name: "RelgateUnsigned", after: "2m", severity: "warning",
		expr:        `( (relgate_approval_signatures_missing{allows="start"} > 0) and on (job, instance, plan) (relgate_run_planned_start_timestamp_seconds <= time()) and on (job, instance, plan) (relgate_phase_state{state="waiting"} == 1) or (relgate_approval_signatures_missing > 0) and on (job, instance, plan, allows) label_replace( (relgate_phase_planned_start_timestamp_seconds <= time()) and on (job, instance, plan, phase) (relgate_phase_state{state="waiting"} == 1), "allows", "$1", "phase", "(.+)") ) and on (job, instance, plan) (relgate_run_state{state=~"waiting|monitoring"} == 1)`,
		summary:     "{{ $labels.plan }} is due and does not begin, signatures missing for {{ $labels.allows }}: {{ $value }}: ask who must sign, or decide with `relgate break-glass {{ $labels.plan }} --for {{ $labels.allows }} --by WHO --why REASON`.",
		description: "`relgate explain {{ $labels.plan }}` names the roles that have not signed. The phase begins with the last signature.",
	},
	{
		name: "RelgateMessageFailed", after: "0s", severity: "warning",
		expr:        `relgate_message_state{state="failed"} == 1`,
		summary:     "Message {{ $labels.message }} of {{ $labels.plan }} did not arrive: mend its sink, then send it with `relgate messages send {{ $labels.plan }} {{ $labels.message }} --by WHO --why REASON`, or tell people yourself.",
		description: "`relgate deliveries list` shows what the receiver answered. Of a message in doubt it says what to look for first.",
	},
	{
		name: "RelgateSignalOverdue", after: "2m", severity: "warning",
		expr:        `count by (job, instance, plan, source) ( (relgate_signal_overdue == 1) * on (job, instance, plan, signal) group_left (source) relgate_signal_info )`,
		summary:     "Source {{ $labels.source }} does not answer for {{ $labels.plan }} (signals without an answer: {{ $value }}): check its credentials and whether it can be reached.",
		description: "The log and `/v1/plans/{{ $labels.plan }}` say which signals, and what the source answered. Rules on them cannot pass meanwhile.",
	},
	{
		name: "RelgateTickStale", after: "1m", severity: "critical",
		expr:        `(time() - relgate_last_tick_timestamp_seconds > 60 + 3 * relgate_plan_interval_seconds) and on (job, instance, plan) (relgate_run_state{state=~"waiting|monitoring|held"} == 1) unless on (job, instance) (relgate_journal_ok == 0)`,
		summary:     "{{ $labels.plan }} was not evaluated for {{ $value | humanizeDuration }} and the release is not watched: look at the log of relgate, then restart it.",
		description: "Its gates are unknown meanwhile. A restart loses nothing.",
	},
}

// metric finds the metrics of an expression, with the brace that begins their matchers.
var metric = regexp.MustCompile(`\brelgate_[a-z_]+\{?`)

// onPlan keeps an expression to one plan. What has no label plan stays as it is.
func onPlan(expr, plan string) string {
	return metric.ReplaceAllStringFunc(expr, func(name string) string {
		bare, with := strings.CutSuffix(name, "{")
		switch {
		case bare == "relgate_journal_ok":
			return name
		case with:
			return fmt.Sprintf("%s{plan=%q,", bare, plan)
		}
		return fmt.Sprintf("%s{plan=%q}", bare, plan)
	})
}

// groupOf is the name of a plan's rule group. The name of a plan is safe in a path.
func groupOf(plan string) string { return "relgate-" + plan }

// verdictPanel is the number of the panel "Verdict on the run", which an alert leads to.
// Grafana takes a dashboard in an alert only with a panel.
const verdictPanel = "2"

// writtenBy is the annotation by which relgate knows its own rules: a digest of what it
// wrote. A rule that does not have its own digest was changed by a person.
const writtenBy = "relgate_written"

// group is a plan's rule group as relgate writes it.
func group(plan, folder, datasource string) gapi.RuleGroup {
	g := gapi.RuleGroup{Title: groupOf(plan), FolderUID: folder, Interval: 60}
	for _, a := range alerts {
		g.Rules = append(g.Rules, a.rule(plan, folder, datasource))
	}
	return g
}

// rule is the alert on a plan as Grafana has it: A asks Prometheus, B is true where A
// has a series above 0. No series is no alert. When Prometheus cannot be asked, the
// critical ones say so, and not all of them at once.
func (a *alert) rule(plan, folder, datasource string) gapi.AlertRule {
	words := strings.NewReplacer("{{ $labels.plan }}", plan, "$value", "$values.A.Value")
	fault := gapi.ErrOK
	if a.severity == "critical" {
		fault = gapi.ErrError
	}
	asked := object{
		"refId": "A", "expr": onPlan(a.expr, plan), "instant": true, "range": false, "editorMode": "code",
		"intervalMs": 1000, "maxDataPoints": 43200,
	}
	above := object{
		"refId": "B", "type": "threshold", "expression": "A", "datasource": object{"type": "__expr__", "uid": "__expr__"},
		"conditions": []object{{"evaluator": object{"type": "gt", "params": []int{0}}}}, "intervalMs": 1000, "maxDataPoints": 43200,
	}
	r := gapi.AlertRule{
		Title: a.name + " " + plan, FolderUID: folder, RuleGroup: groupOf(plan), Condition: "B", For: a.after,
		NoDataState: gapi.NoDataOk, ExecErrState: fault,
		Data: []*gapi.AlertQuery{
			// Seconds, whatever gapi calls them.
			{RefID: "A", DatasourceUID: datasource, Model: asked, RelativeTimeRange: gapi.RelativeTimeRange{From: 900}},
			{RefID: "B", DatasourceUID: "__expr__", Model: above, RelativeTimeRange: gapi.RelativeTimeRange{From: 900}},
		},
		Labels: map[string]string{"severity": a.severity, "plan": plan},
		Annotations: map[string]string{
			"summary": words.Replace(a.summary), "description": words.Replace(a.description),
			"runbook_url": Runbook + "#" + strings.ToLower(a.name), "__dashboardUid__": UID, "__panelId__": verdictPanel,
		},
	}
	r.Annotations[writtenBy] = digest(&r)
	return r
}

// digest is of what a person may change of a rule. What Grafana itself adds does not
// count.
func digest(r *gapi.AlertRule) string {
	kept := map[string]string{}
	for k, v := range r.Annotations {
		if k != writtenBy {
			kept[k] = v
		}
	}
	what := struct {
		Title, For, Condition    string
		NoData, Fault            string
		Paused                   bool
		Labels, Annotations      map[string]string
		Expressions, Datasources []string
	}{
		Title: r.Title, For: span(r.For), Condition: r.Condition, NoData: string(r.NoDataState), Fault: string(r.ExecErrState), Paused: r.IsPaused,
		Labels: r.Labels, Annotations: kept,
	}
	for _, q := range r.Data {
		var m struct {
			Expr, Expression string
			Conditions       any
		}
		text, _ := json.Marshal(q.Model) // it came from JSON, or is made of what JSON has
		_ = json.Unmarshal(text, &m)     // what is not there is another rule than ours
		how, _ := json.Marshal(m.Conditions)
		what.Expressions = append(what.Expressions, m.Expr+m.Expression+string(how))
		what.Datasources = append(what.Datasources, q.DatasourceUID)
	}
	text, _ := json.Marshal(what)
	return fmt.Sprintf("%x", sha256.Sum256(text))[:16]
}

// span writes a length of time in one way: Grafana may answer "10m0s" to "10m".
func span(text string) string {
	if d, err := time.ParseDuration(text); err == nil {
		return d.String()
	}
	return text
}

// stored is a rule group as Grafana has it.
type stored struct {
	gapi.RuleGroup
	foreign bool // a rule has settings that gapi does not know, and relgate does not write
}

// readGroup reads what gapi leaves out of a group, too.
func readGroup(g gapi.RuleGroup, body []byte) stored {
	s := stored{RuleGroup: g}
	var raw struct {
		Rules []map[string]json.RawMessage `json:"rules"`
	}
	_ = json.Unmarshal(body, &raw) // gapi has read it
	for _, r := range raw.Rules {
		for _, key := range []string{"notification_settings", "keep_firing_for", "record", "missingSeriesEvalsToResolve"} {
			if v := string(r[key]); !slices.Contains([]string{"", "null", `""`, `"0s"`, "0", "{}"}, v) {
				s.foreign = true
			}
		}
	}
	return s
}

// touched reports whether a person has changed the group since relgate wrote it.
func (s *stored) touched() bool {
	if s.foreign || s.Interval != 60 {
		return true
	}
	return slices.ContainsFunc(s.Rules, func(r gapi.AlertRule) bool {
		return r.Annotations[writtenBy] != digest(&r) || r.Provenance != ""
	})
}

// holds reports whether the group has the rules of another, as they are there.
func (s *stored) holds(want gapi.RuleGroup) bool {
	has := map[string]string{} // :: title → digest
	for i := range s.Rules {
		has[s.Rules[i].Title] = digest(&s.Rules[i])
	}
	return len(s.Rules) == len(want.Rules) && !slices.ContainsFunc(want.Rules, func(r gapi.AlertRule) bool { return has[r.Title] != r.Annotations[writtenBy] })
}
