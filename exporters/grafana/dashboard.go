package grafana

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// UID is the dashboard's, and that of the folder where the config names none.
const UID = "relgate"

// Runbook is where people read what to do.
const Runbook = "https://github.com/relgate/relgate/blob/main/docs/operations.md"

// Board is what may differ from one dashboard to another.
type Board struct {
	BaseURL    string // where people reach relgate, for links; empty: the dashboard links to the runbook only
	Datasource string // uid of the Prometheus that is chosen at first; empty: Grafana's default
}

// JSON is the dashboard as a file, for provisioning without a server.
func (b Board) JSON() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(b.model())
	return out.Bytes(), err
}

// model is the dashboard as Grafana's API takes it.
func (b Board) model() object {
	return object{
		"uid": UID, "title": "relgate: release gate", "tags": []string{"relgate"},
		"description":   "Is the release all right, why, and how sure is that? Made by relgate.",
		"schemaVersion": 39, "editable": true, "graphTooltip": 1, "refresh": "1m",
		"time": object{"from": "now-24h", "to": "now"}, "timezone": "utc", "fiscalYearStartMonth": 0,
		"links":       b.links(),
		"templating":  object{"list": b.variables()},
		"annotations": object{"list": []object{decisions()}},
		"panels":      place(rows()),
	}
}

// links lead to what relgate itself shows, and to the runbook.
func (b Board) links() []object {
	link := func(title, icon, url string) object {
		return object{
			"title": title, "type": "link", "icon": icon, "tooltip": "", "url": url, "tags": []string{},
			"asDropdown": false, "targetBlank": true, "includeVars": false, "keepTime": false,
		}
	}
	all := []object{link("Runbook", "doc", Runbook)}
	if base := strings.TrimSuffix(b.BaseURL, "/"); base != "" {
		all = append(all,
			link("The plan in relgate", "external link", base+"/v1/plans/${plan:percentencode}"),
			link("Report of the run", "external link", base+"/v1/runs/${run:percentencode}"))
	}
	return all
}

// variables are what can be chosen above the dashboard, and the hidden lists of signals
// that have a panel each.
func (b Board) variables() []object {
	datasource := object{"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus", "hide": 0, "includeAll": false, "multi": false}
	if b.Datasource != "" {
		datasource["current"] = object{"text": b.Datasource, "value": b.Datasource, "selected": true}
	}
	listed := func(name, label, query string, hide int, more object) object {
		v := object{
			"type": "query", "name": name, "label": label, "datasource": source, "definition": query,
			"query": object{"query": query, "refId": name}, "refresh": 2, "sort": 1, "hide": hide, "includeAll": false, "multi": false,
		}
		for k, value := range more {
			v[k] = value
		}
		return v
	}
	all := object{"text": "All", "value": "$__all", "selected": true}
	each := object{"includeAll": true, "multi": true, "current": all}
	return []object{
		datasource,
		listed("plan", "Plan", "label_values(relgate_plan_info, plan)", 0, nil),
		listed("run", "Run", `label_values(relgate_run_info{plan="$plan"}, run)`, 0, object{"includeAll": true, "allValue": ".*", "current": all, "sort": 2}),
		listed("ratio", "Signals that are ratios", `label_values(relgate_rule_info{plan="$plan",unit="ratio"}, signal)`, 2, each),
		listed("number", "Other signals", `label_values(relgate_rule_info{plan="$plan",unit=~"seconds|number"}, signal)`, 2, each),
	}
}

// decisions shows relgate's annotations of the plan.
func decisions() object {
	return object{
		"name": "Decisions", "enable": true, "hide": false, "iconColor": "orange",
		"datasource": object{"type": "grafana", "uid": "-- Grafana --"},
		"target":     object{"type": "tags", "tags": []string{"relgate", "plan:$plan"}, "matchAny": false, "limit": 200},
	}
}

// row is a part of the dashboard under a heading.
type row struct {
	title  string
	panels []*panel
}

// place gives every panel its number and its place: from left to right, and below when a
// line is full.
func place(rows []row) []object {
	var out []object
	id, y := 0, 0
	for _, r := range rows {
		id++
		out = append(out, object{"id": id, "type": "row", "title": r.title, "collapsed": false, "panels": []object{}, "gridPos": object{"x": 0, "y": y, "w": 24, "h": 1}})
		y++
		x, high := 0, 0
		for _, p := range r.panels {
			if x+p.width > 24 {
				x, y, high = 0, y+high, 0
			}
			id++
			out = append(out, p.json(id, x, y))
			x, high = x+p.width, max(high, p.height)
		}
		y += high
	}
	return out
}

func rows() []row {
	return []row{
		{"Now", now()},
		{"Phases and verdicts", timelines()},
		{"Ratios", []*panel{keyFigure("ratio", "ratio", "percentunit")}},
		{"Percentiles, times and numbers", []*panel{percentiles(), keyFigure("number", "seconds|number", "short")}},
		{"How far it has come", progress()},
		{"Sources and deliveries", plumbing()},
	}
}

// named lists the names of values.
func named[T interface{ String() string }](values []T) []string {
	var names []string
	for _, v := range values {
		names = append(names, v.String())
	}
	return names
}

// colours of states and verdicts: what is good is blue, not green, so that it can be told
// from red.
var colours = map[string]string{
	"waiting": "text", "monitoring": "light-blue", "held": "orange", "passed": "blue", "failed": "red", "rolled_back": "dark-red", "superseded": "purple",
	"unknown": "purple", "pending": "light-blue", "pass": "blue", "fail": "red", "rollback": "dark-red",
	"idle": "text", "clear": "blue", "breaching": "yellow", "fired": "dark-red", "silent": "purple", "warning": "yellow", "holding": "orange",
	"would_fire": "semi-dark-red", "would_hold": "semi-dark-orange",
}

// verdicts is the question of the verdict on something, in numbers.
func verdicts(metric string, by ...string) (query, object) {
	names := named(rules.Verdicts())
	return query{expr: ofRun(numbered(metric, "verdict", names, by...))}, object{"mappings": mapping(names, colours)}
}

func now() []*panel {
	run, runs := verdicts("relgate_run_verdict")
	gate, gates := verdicts("relgate_gate_verdict", "phase")
	run.legend, gate.legend = "{{plan}}", "{{phase}}"
	flag := func(off, on, colour string) object {
		return object{"mappings": []object{{"type": "value", "options": object{"0": object{"text": off, "color": "text", "index": 0}, "1": object{"text": on, "color": colour, "index": 1}}}}}
	}
	linked := object{"links": []object{{
		"title": "The plan in relgate", "type": "link", "icon": "", "tooltip": "", "url": "${__field.labels.url}", "tags": []string{},
		"asDropdown": false, "targetBlank": true, "includeVars": false, "keepTime": false,
	}}}
	return []*panel{
		stat("Verdict on the run", "What the gate of the whole run says.", 6, 4, runs, "value", run),
		stat("Gates now", "What the gate of each phase says.", 8, 4, gates, "value_and_name", gate),
		{
			kind: "annolist", title: "What happened, newest first", width: 10, height: 8,
			about: "Headlines of what was decided. They are there where relgate writes annotations ([grafana] annotations = true).",
			options: object{
				"onlyFromThisDashboard": false, "onlyInTimeRange": false, "tags": []string{"relgate", "plan:$plan"}, "limit": 20,
				"showUser": false, "showTime": true, "showTags": false, "navigateToPanel": false, "navigateBefore": "1h", "navigateAfter": "1h",
			},
		},
		stat("Release", "Title and version; the link leads to the plan in relgate, where external_url is set.", 6, 4, linked, "name",
			query{expr: ofRun(ofPlan("relgate_plan_info")), legend: "{{title}} {{version}} ({{manager}})"}),
		stat("Left of the window", "Time until the window of each phase under way ends.", 4, 2, object{"unit": "s"}, "value_and_name",
			query{expr: ofRun(watched("(" + sinceTick(ofPlan("relgate_phase_window_end_timestamp_seconds")) + " > 0)")), legend: "{{phase}}"}),
		stat("Next phase begins in", "Time until the plan lets the next phase begin.", 4, 2, object{"unit": "s"}, "value",
			query{expr: ofRun("min by (job, instance, plan) (" + inState("("+sinceTick(ofPlan("relgate_phase_planned_start_timestamp_seconds"))+" > 0)", "waiting") + ")"), legend: "{{plan}}"}),
		stat("Rollback", "Whether a rollback is ordered and was not reported as carried out.", 6, 3, flag("none is ordered", "ROLL BACK NOW", "dark-red"), "value",
			query{expr: ofRun(ofPlan("relgate_rollback_unacknowledged")), legend: "{{plan}}"}),
		stat("Held", "Whether a person or a rule holds the run. All its gates are closed then.", 6, 3, flag("not held", "HELD", "orange"), "value",
			query{expr: ofRun(ofPlan("relgate_run_held")), legend: "{{plan}}"}),
		stat("Last evaluated", "How long ago the run was last evaluated. A run that is over is not evaluated any more.", 6, 3, object{"unit": "s"}, "value",
			query{expr: ofRun("time() - " + ofPlan("relgate_last_tick_timestamp_seconds")), legend: "{{plan}}"}),
		stat("Signals without an answer", "How many signals have no answer although it is due.", 6, 3, object{"unit": "short"}, "value",
			query{expr: ofRun("sum by (job, instance, plan) (" + ofPlan("relgate_signal_overdue") + ")"), legend: "{{plan}}"}),
	}
}

func timelines() []*panel {
	states := named(rules.States())
	phase := query{expr: ofRun(numbered("relgate_phase_state", "state", states, "phase")), legend: "{{phase}}"}
	gate, gates := verdicts("relgate_gate_verdict", "phase")
	gate.legend = "{{phase}}"
	var ruleStates []string
	for _, s := range fact.RuleStates() {
		ruleStates = append(ruleStates, string(s))
	}
	rule := query{expr: ofRun(numbered("relgate_rule_state", "state", ruleStates, "phase", "rule", "kind")), legend: "{{kind}} {{rule}} {{phase}}"}
	return []*panel{
		timeline("Phases", "The state of each phase.", 7, mapping(states, colours), phase),
		timeline("Verdicts of the gates", "What the gate of each phase said.", 7, gates["mappings"].([]object), gate),
		timeline("Rules", "The state of each rule: a success rule in each phase that names it, a rollback rule over the run.", 9, mapping(ruleStates, colours), rule),
	}
}

// keyFigure is the panel of each signal that a variable names: its value and what it is
// compared with.
func keyFigure(variable, units, unit string) *panel {
	of := func(expr string) string { return ofRun(ofSignal(expr, variable, units)) }
	one := func(how, metric string) string {
		return ofRun(how + " by (job, instance, plan, signal, unit) (" + ofSignal(live(metric), variable, units) + ")")
	}
	p := lines("$"+variable, "The value that each rule judges, between what it lies (95 %), its target, its trigger, and the baseline over the same minutes.", 12, unit,
		query{expr: of(live("relgate_rule_value")), legend: "{{rule}} {{phase}}"},
		query{expr: ofRun("max by (job, instance, plan, rule) (" + ofSignal(ofPlan("relgate_rule_threshold", `kind="success"`), variable, units) + ")"), legend: "target of {{rule}}"},
		query{expr: of(ofPlan("relgate_rule_threshold", `kind="rollback"`)), legend: "trigger of {{rule}}"},
		query{expr: one("min", "relgate_rule_value_low"), legend: "95 % low"},
		query{expr: one("max", "relgate_rule_value_high"), legend: "95 % high"},
	)
	if units == "ratio" { // nothing else has a baseline
		p.queries = append(p.queries, query{expr: one("avg", "relgate_rule_baseline_value"), legend: "baseline"})
	}
	p.repeat = variable
	return p.styled("/^target/", "blue", dashed).styled("/^trigger/", "red", dashed).styled("/^baseline/", "purple", object{"lineWidth": 1}).
		styled("/^95 % low/", "gray", object{"lineWidth": 0}).styled("/^95 % high/", "gray", object{"lineWidth": 0, "fillBelowTo": "95 % low", "fillOpacity": 15})
}

func percentiles() *panel {
	return lines("Percentiles", "Percentiles that are judged by the share of samples above their threshold.", 12, "s",
		query{expr: ofRun(live("relgate_rule_quantile_value")), legend: "{{rule}} {{phase}}"},
		query{expr: ofRun("max by (job, instance, plan, rule, kind) (" + ofPlan("relgate_rule_quantile_threshold") + ")"), legend: "threshold of {{rule}}"},
	).styled("/^threshold/", "orange", dashed)
}

func progress() []*panel {
	success := func(metric string) string { return ofPlan(metric, `kind="success"`) }
	// Far beyond what it must reach it matters no more by how much.
	capped := func(share string) string { return "clamp(" + share + ", -1, 2)" }
	return []*panel{
		lines("Samples, and how many a pass takes", "Samples behind each success rule under way, and with how many it would pass at least, if no further one were bad.", 12, "short",
			query{expr: ofRun(watched(success("relgate_rule_samples"))), legend: "{{rule}} {{phase}}"},
			query{expr: ofRun(watched("(" + success("relgate_rule_samples") + " + " + success("relgate_rule_samples_needed") + ")")), legend: "needed by {{rule}} {{phase}}"},
		).styled("/^needed/", "orange", dashed),
		lines("Evidence that the target is met", "100 % where a success rule passes. The scale is logarithmic, and ends at 200 %.", 12, "percentunit",
			query{expr: ofRun(watched(capped(success("relgate_rule_proof_target_log") + " / " + success("relgate_rule_proof_bound_log")))), legend: "{{rule}} {{phase}}"},
		).bounded(),
		lines("Evidence against the release", "100 % at the level where a rule acts. The scale is logarithmic, and ends at 200 %.", 12, "percentunit",
			query{expr: ofRun(capped(live("relgate_rule_evidence_log") + " / " + ofPlan("relgate_rule_evidence_bound_log"))), legend: "{{kind}} {{rule}} {{phase}}"},
		).bounded(),
		lines("The running \"for\"", "How long each rollback rule has been breached, of the time that it takes: 100 % where it has lasted.", 6, "percentunit",
			query{expr: ofRun(ofPlan("relgate_rule_breaching_seconds") + " / " + ofPlan("relgate_rule_for_seconds")), legend: "{{rule}}"},
		).bounded(),
		lines("Traffic", "Share of the users that the phases which have begun are planned to reach, and the share that is seen, where a signal tells it.", 6, "percentunit",
			query{expr: ofRun(`max by (job, instance, plan) (relgate_phase_traffic_ratio{plan="$plan"} and on (job, instance, plan, phase) relgate_phase_state{plan="$plan",state=~"monitoring|held|passed"} == 1)`), legend: "planned"},
			query{expr: ofRun(`max by (job, instance, plan) (relgate_phase_observed_ratio{plan="$plan"})`), legend: "observed"},
		),
	}
}

func plumbing() []*panel {
	age := join + ` group_right () relgate_signal_newest_timestamp_seconds{plan="$plan"}`
	ours := func(expr string) string {
		return "(" + expr + `) and on (job, instance) relgate_run_info{plan="$plan"}`
	}
	return []*panel{
		lines("Age of the newest data", "How old the newest period of each signal was at the last evaluation.", 12, "s",
			query{expr: ofRun("(" + ofPlan("relgate_last_tick_timestamp_seconds") + " - " + age + ") * on (job, instance, plan, signal) group_left (source) " + ofPlan("relgate_signal_info")), legend: "{{source}}: {{signal}}"}),
		lines("Failures in a row", "Answers in a row that had a fault, by signal.", 12, "short",
			query{expr: ofRun(ofPlan("relgate_signal_consecutive_failures") + " * on (job, instance, plan, signal) group_left (source) " + ofPlan("relgate_signal_info")), legend: "{{source}}: {{signal}}"}),
		lines("Events that wait for a receiver", "Not delivered yet, orders (rollback, hold, resume, abort) by themselves.", 12, "short",
			query{expr: ours("relgate_webhook_pending"), legend: "{{endpoint}}"},
			query{expr: ours("relgate_webhook_orders_pending"), legend: "orders for {{endpoint}}"}),
		lines("Deliveries", "Deliveries a second, and how many failed.", 12, "ops",
			query{expr: ours("rate(relgate_webhook_delivered_total[$__rate_interval])"), legend: "{{endpoint}}"},
			query{expr: ours("rate(relgate_webhook_failures_total[$__rate_interval])"), legend: "failed for {{endpoint}}"},
		).styled("/^failed/", "red", object{"lineWidth": 2}),
	}
}
