package prom_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/relgate/relgate/exporters/prom"
)

var update = flag.Bool("update", false, "write the documents that tests compare")

const docsPath = "../../docs/metrics.md"

func metricsPage() string {
	var b strings.Builder
	b.WriteString(`# Metrics

<!-- Generated from exporters/prom/desc.go by: go test ./exporters/prom -run TestDocs -update -->

` + "`/metrics`" + ` on the private port. Times are in seconds, ratios 0 to 1; a state is shown as one series for each state
that there is, of which one is 1. What is not known is absent, never 0. Every other series of a run exists from the first scrape, and counters go on over a reload.
A plan's series are those of its newest live run, which ` + "`relgate_run_info`" + ` names.
Values come from the newest committed tick; a verdict that is not final becomes ` + "`unknown`" + ` when the tick is older than
three intervals, as at the gate. The usual ` + "`go_*` and `process_*`" + ` series come besides.

| metric | type | labels | meaning |
|---|---|---|---|
`)
	for _, m := range prom.Metrics() {
		labels := ""
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "` `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, labels, m.Help)
	}
	b.WriteString(`
## Queries

The gates that are open: ` + "`relgate_gate_open == 1`" + `. A rollback is ordered and not yet carried out: ` + "`relgate_rollback_unacknowledged == 1`" + `.
The evaluation stands still: ` + "`time() - relgate_last_tick_timestamp_seconds > 3 * relgate_plan_interval_seconds and on (plan) relgate_run_state{state=~\"waiting|monitoring|held\"} == 1`" + `.
A source is silent: ` + "`relgate_signal_overdue == 1`" + `, and which one: ` + "`relgate_signal_overdue * on (plan, signal) group_left (source) relgate_signal_info == 1`" + `. A plan's file is not
in force: ` + "`relgate_plan_file_state{state!=\"ok\"} == 1`" + `. The journal cannot be written: ` + "`relgate_journal_ok == 0`" + `. Webhooks are late:
` + "`relgate_webhook_lag_seconds{class=\"action\"} > 60`" + `. What speaks against a release: ` + "`ALERTS{plan!=\"\"}`" + `.
Alert rules and queries for panels are in [operations.md](operations.md#what-to-watch).
The metrics of evidence are there for rules with ` + "`evidence = \"sequential\"`" + ` only. A rule holds a run: ` + "`relgate_rule_state{state=\"holding\"} == 1`" + `. How far the evidence has come, 1 where the rule acts:
` + "`relgate_rule_evidence_log / relgate_rule_evidence_bound_log`" + `. "1 in N" is its exponential: ` + "`exp(relgate_rule_evidence_log)`" + `.
The sentence of a verdict is in the API, the events and the logs, never in a label.
`)
	return b.String()
}

func TestDocs(t *testing.T) {
	want := metricsPage()
	if *update {
		if err := os.WriteFile(docsPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what desc.go says: go test ./exporters/prom -run TestDocs -update", docsPath)
	}
}
