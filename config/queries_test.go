package config

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/rules"
)

// queryConfig is a config with one signal, s, that two rules judge.
const queryConfig = `
[release]
plan    = "launch"
title   = "The launch"
version = "1.0.0"
start   = 2025-06-04T02:00:00Z
manager = "Kim"

[phases.canary]
traffic  = "10 %%"
start    = "T"
window   = "1d"
owner    = "Ops"
success  = ["fine"]
rollback = ["broken"]

[success.fine]
signal = "s"
when   = %q
owner  = "Ops"

[rollback.broken]
signal  = "s"
when    = %q
for     = "2h"
action  = "revert"
command = "revert --now"
owner   = "Ops"

[sources.cw]
type   = "cloudwatch"
region = "eu-central-1"

[sources.lake]
type   = "athena"
region = "eu-central-1"

[sources.sentry]
type  = "sentry"
url   = "https://sentry.example.com"
org   = "o"
token = { env = "T" }

[signals.s]
%s
`

// Queries as files have them: what is reported, and what a journal keeps and gives back.
func TestQueriesOfFiles(t *testing.T) {
	balancer := "source = \"cw\"\nkind = \"ratio\"\n[signals.s.cloudwatch]\nnamespace = \"AWS/ApplicationELB\"\ndimensions = { LoadBalancer = \"app/{version}/1\" }\nmissing_bad_is_zero = true\n"
	release := "source = \"sentry\"\nkind = \"ratio\"\n[signals.s.sentry]\nproject = \"p\"\nrelease = \"p@{version}\"\n"
	lake := "source = \"lake\"\nkind = \"ratio\"\n[signals.s.athena]\nfile = \"q.sql\"\ndatabase = \"d\"\n"
	letters := strings.Split("abcdefghijklmnopqrstu", "")
	var named []string
	for _, l := range letters {
		named = append(named, l+" = \"M"+l+"\"")
	}
	for _, tt := range []struct {
		name, text string
		fine, not  string // conditions; per cent if empty
		problems   string // "id path"
		stored     string // of the query, where there are none
	}{
		{"one metric", balancer + `bad = "a"` + "\n" + `total = "b"`, "", "", "",
			`{"cloudwatch":{"namespace":"AWS/ApplicationELB","dimensions":{"LoadBalancer":"app/1.0.0/1"},"bad":"a","total":"b","missing_bad_is_zero":true}}`},
		{"several metrics", balancer + `bad = ["a", "b-{version}"]` + "\n" + `total = ["c"]`, "", "", "",
			`{"cloudwatch":{"namespace":"AWS/ApplicationELB","dimensions":{"LoadBalancer":"app/1.0.0/1"},"bad":["a","b-1.0.0"],"total":"c","missing_bad_is_zero":true}}`},
		{"a metric twice", balancer + `bad = ["a", "a"]` + "\n" + `total = ["c", ""]`, "", "",
			"duplicate signals.s.cloudwatch.bad[1]; bad-value signals.s.cloudwatch.total[1]", ""},
		{"no metrics", balancer + `bad = []` + "\n" + `total = ""`, "", "", "missing signals.s.cloudwatch.bad; missing signals.s.cloudwatch.total", ""},
		{"too many metrics", balancer + `bad = ["` + strings.Join(strings.Split("abcdefghijklmnopqrstu", ""), `", "`) + `"]` + "\n" + `total = "t"`, "", "",
			"out-of-range signals.s.cloudwatch.bad", ""},
		{"a number", balancer + `bad = 7` + "\n" + `total = ["a", 7]`, "", "", "bad-value signals.s.cloudwatch.bad; bad-value signals.s.cloudwatch.total", ""},

		{"expressions", balancer + `bad = "elb + blue"
total = "all + elb"
metrics = { elb = "ELB", all = "Requests-{version}", blue = { metric = "Target", namespace = "N", dimensions = { TargetGroup = "{version}" } } }`, "", "", "",
			`{"cloudwatch":{"namespace":"AWS/ApplicationELB","dimensions":{"LoadBalancer":"app/1.0.0/1"},"bad":"elb + blue","total":"all + elb",` +
				`"metrics":[{"name":"elb","metric":"ELB"},{"name":"all","metric":"Requests-1.0.0"},{"name":"blue","metric":"Target","namespace":"N","dimensions":{"TargetGroup":"1.0.0"}}],"missing_bad_is_zero":true}}`},
		{"an expression that cannot be read", balancer + `bad = "elb +"
total = "FILL(all, 0)"
metrics = { elb = "ELB", all = "Requests" }`, "", "", "bad-expression signals.s.cloudwatch.bad; bad-expression signals.s.cloudwatch.total", ""},
		{"several expressions, and a placeholder in one", balancer + `bad = ["elb", "all"]
total = "all + {version}"
metrics = { elb = "ELB", all = "Requests" }`, "", "", "bad-expression signals.s.cloudwatch.bad; bad-expression signals.s.cloudwatch.total", ""},
		{"a metric that is not there", balancer + `bad = "elbs"
total = "all"
metrics = { elb = "ELB", all = "Requests" }`, "", "", "unknown-metric signals.s.cloudwatch.bad", ""},
		{"a metric that is not used", balancer + `bad = "elb"
total = "all"
metrics = { elb = "ELB", all = "Requests", ok = "OK" }`, "", "", "unused-metric signals.s.cloudwatch.metrics.ok", ""},
		{"names and metrics that are none", balancer + `bad = "elb"
total = "elb"
metrics = { elb = "ELB", ALL = "Requests", ok = {}, same = { metric = "ELB", namespace = "AWS/ApplicationELB" } }`, "", "",
			"bad-name signals.s.cloudwatch.metrics.ALL; missing signals.s.cloudwatch.metrics.ok.metric; duplicate signals.s.cloudwatch.metrics.same", ""},
		{"a metric in a wrong form", balancer + `bad = "elb"
total = "all"
metrics = { elb = 7, all = { metric = "Requests", stat = "Sum" } }`, "", "", "bad-value signals.s.cloudwatch.metrics.elb; unknown-key signals.s.cloudwatch.metrics.all.stat", ""},
		{"zeros that are subtracted", balancer + `bad = "all - ok"
total = "all"
metrics = { ok = "OK", all = "Requests" }`, "", "", "conflict signals.s.cloudwatch.missing_bad_is_zero", ""},
		{"too many metrics in an expression", balancer + "bad = \"a\"\ntotal = \"" + strings.Join(letters, " + ") + "\"\nmetrics = { " + strings.Join(named, ", ") + " }", "", "",
			"out-of-range signals.s.cloudwatch.metrics", ""},
		{"a namespace for each metric", strings.NewReplacer("namespace = \"AWS/ApplicationELB\"\n", "", "missing_bad_is_zero = true\n", "").Replace(balancer) + `bad = "a"
total = "b"
metrics = { a = { metric = "A", namespace = "N" }, b = { metric = "B", namespace = "N" } }`, "", "", "",
			`{"cloudwatch":{"dimensions":{"LoadBalancer":"app/1.0.0/1"},"bad":"a","total":"b","metrics":[{"name":"a","metric":"A","namespace":"N"},{"name":"b","metric":"B","namespace":"N"}]}}`},
		{"a namespace for one of two metrics", strings.NewReplacer("namespace = \"AWS/ApplicationELB\"\n", "").Replace(balancer) + `bad = "a"
total = "b"
metrics = { a = { metric = "A", namespace = "N" }, b = "B" }`, "", "", "missing signals.s.cloudwatch.namespace", ""},
		{"expressions with a baseline", strings.Replace(balancer, "[signals", "baseline = { dimension = \"LoadBalancer\", value = \"app/0/1\" }\n[signals", 1) + `bad = "elb"
total = "all"
metrics = { elb = "ELB", all = { metric = "Requests", dimensions = { LoadBalancer = "app/{version}/1", Zone = "a" } } }`, "", "", "no-effect signals.s.baseline", ""},
		{"a baseline that one metric does not have", strings.Replace(balancer, "[signals", "baseline = { dimension = \"LoadBalancer\", value = \"app/0/1\" }\n[signals", 1) + `bad = "elb"
total = "all"
metrics = { elb = "ELB", all = { metric = "Requests", dimensions = { Zone = "a" } } }`, "", "", "bad-baseline signals.s.baseline.dimension", ""},
		{"metrics of a gauge", strings.NewReplacer("ratio", "gauge", "missing_bad_is_zero = true\n", "").Replace(balancer) + `metric = "m"
metrics = { all = "Requests" }`, "< 5", "> 7", "one-bad-point success.fine.aggregate; excess-key signals.s.cloudwatch.metrics", ""},

		{"Athena's ratio", lake + "rows = \"periods\"\nparameters = [\"'{version}'\"]", "", "", "",
			`{"athena":{"rows":"periods","sql":"SELECT ?","file":"q.sql","parameters":["'1.0.0'"],"database":"d","groups":0,"min_group":0,"reuse":"0s"}}`},
		{"Athena's gauge", strings.Replace(lake, "ratio", "gauge", 1) + "rows = \"periods\"\nparameters = [\"1\"]", "< 5", "> 7", "",
			`{"athena":{"rows":"periods","sql":"SELECT ?","file":"q.sql","parameters":["1"],"database":"d","groups":0,"min_group":0,"reuse":"0s"}}`},
		{"Athena's mean", strings.Replace(lake, "ratio", "mean", 1) + "rows = \"periods\"\nparameters = [\"1\"]", "< 5", "> 7", "wrong-kind signals.s.athena", ""},
		{"Athena's ratio by groups", lake + "groups = 10\nmin_group = 1\nparameters = [\"1\"]", "", "", "wrong-kind signals.s.athena", ""},
		{"Athena's periods with groups", lake + "rows = \"periods\"\ngroups = 10\nmin_group = 1\nparameters = [\"1\"]", "", "",
			"excess-key signals.s.athena.groups; excess-key signals.s.athena.min_group", ""},
		{"Athena's ratio with a baseline", strings.Replace(lake, "[signals", "baseline = { dimension = \"v\", value = \"1\" }\n[signals", 1) + "rows = \"periods\"\nparameters = [\"1\"]", "", "",
			"bad-baseline signals.s.baseline", ""},

		{"Sentry's sessions", release, "", "", "", `{"sentry":{"project":"p","release":"p@1.0.0","environment":""}}`},
		{"Sentry's users", release + `of = "users"`, "", "", "", `{"sentry":{"of":"users","project":"p","release":"p@1.0.0","environment":""}}`},
		{"Sentry's persons", release + `of = "persons"`, "", "", "unknown-count signals.s.sentry.of", ""},
	} {
		t.Run(tt.name, func(t *testing.T) { checkQuery(t, tt.text, tt.fine, tt.not, tt.problems, tt.stored) })
	}
}

func checkQuery(t *testing.T, text, fine, not, want, stored string) {
	if fine == "" {
		fine, not = "< 1 %", "> 3 %"
	}
	c, problems := Decode("config.toml", fmt.Appendf(nil, queryConfig, fine, not, text), func(string) ([]byte, error) { return []byte("SELECT ?"), nil })
	var got []string
	for _, p := range problems {
		if p.ID == "unused-source" {
			continue // the others are for others
		}
		got = append(got, p.ID+" "+p.Path)
		if p.Line == 0 || p.Fix == "" && !strings.Contains(p.Message, "want") {
			t.Errorf("%s: line %d, fix %q: nothing says where, or what to do", p.Message, p.Line, p.Fix)
		}
	}
	if list := strings.Join(got, "; "); list != want {
		t.Fatalf("got  %s\nwant %s\n%v", list, want, problems)
	}
	if want != "" {
		return
	}
	plan := c.Plans[0].Example()
	if text, err := json.Marshal(plan.Signals[0].Query); err != nil || string(text) != stored {
		t.Errorf("got  %s (%v)\nwant %s", text, err, stored)
	}
	document, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	again, err := rules.ReadPlan(document, reader().Kinds)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plan.Signals[0].Query.Ask, again.Signals[0].Query.Ask); diff != "" {
		t.Errorf("a journal gives back another query: %s", diff)
	}
	if changes := rules.Diff(plan, again); len(changes) > 0 {
		t.Errorf("a journal gives back another plan: %v", changes)
	}
}

// The examples of the manual have no faults.
func TestQueriesOfTheManual(t *testing.T) {
	text, err := os.ReadFile("../docs/aws.md")
	if err != nil {
		t.Fatal(err)
	}
	_, math, _ := strings.Cut(string(text), "```toml\n[signals.errors]\n")
	math, _, _ = strings.Cut(math, "```")
	_, problems := Decode("config.toml", fmt.Appendf(nil, queryConfig, "< 1 %", "> 3 %", strings.ReplaceAll(math, "signals.errors", "signals.s")), nil)
	for _, p := range problems {
		if p.ID != "unused-source" {
			t.Error(p)
		}
	}
	_, rest, _ := strings.Cut(string(text), "```toml\n[signals.rejected]\n")
	signal, rest, _ := strings.Cut(rest, "```")
	_, sql, _ := strings.Cut(rest, "```sql\n")
	sql, _, _ = strings.Cut(sql, "```")
	signal = strings.NewReplacer("signals.rejected", "signals.s", `"athena"`, `"lake"`).Replace(signal)
	_, problems = Decode("config.toml", fmt.Appendf(nil, queryConfig, "< 1 %", "> 3 %", signal), func(string) ([]byte, error) { return []byte(sql), nil })
	for _, p := range problems {
		if p.ID != "unused-source" {
			t.Error(p)
		}
	}
	if sql == "" || signal == "" || math == "" {
		t.Error("there is no example")
	}
}
