package config

import (
	"math"
	"strings"
	"testing"
)

// The plan of config.toml asks every minute for errors, requests, p95, its
// sample count and its exceedances of 2.5 s and of 3 s, the last four also of the
// version before; for one alarm; and every hour for the gap.
func TestPriceOfTheProjectsOwnPlan(t *testing.T) {
	c, problems := Load("../config.toml")
	if c == nil {
		t.Fatal(problems)
	}
	minutes, hours := 730.0*60, 730.0
	want := []LineItem{
		{Source: "athena", What: "Athena, 1 query every 1h", Units: hours, USD: hours * 5 * 10e6 / 1e12, AtLeast: true},
		{Source: "cloudwatch", What: "DescribeAlarms, 1 alarm every 1m", Units: minutes, USD: minutes * 0.01 / 1000},
		{Source: "cloudwatch", What: "GetMetricData, 10 metrics every 1m", Units: 10 * minutes, USD: 10 * minutes * 0.01 / 1000},
	}
	got := Price(c.Plans)
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		g, w := got[i], want[i]
		if g.Source != w.Source || g.What != w.What || math.Abs(g.Units-w.Units) > 1e-6 || math.Abs(g.USD-w.USD) > 1e-9 || g.AtLeast != w.AtLeast {
			t.Errorf("got %+v, want %+v", g, w)
		}
	}
	if got := want[2].String(); got != "cloudwatch: GetMetricData, 10 metrics every 1m: $4.38 a month" {
		t.Errorf("got %q", got)
	}
	if got := want[0].String(); got != "athena: Athena, 1 query every 1h: at least $0.04 a month" {
		t.Errorf("got %q", got)
	}
	// Two plans that ask the same are answered once.
	if twice := Price(append(c.Plans, c.Plans...)); twice[2].Units != got[2].Units {
		t.Errorf("the plan twice costs %v, once %v", twice[2], got[2])
	}
}

func TestPriceOfOtherKinds(t *testing.T) {
	c, problems := Decode("config.toml", []byte(minimalText+`
[signals.memory]
source = "cw"
kind   = "gauge"
every  = "5m"
[signals.memory.cloudwatch]
namespace = "N"
metric    = "Memory"
stat      = "Maximum"

[signals.size]
source = "cw"
kind   = "mean"
period = "5m"
[signals.size.cloudwatch]
namespace = "N"
metric    = "Size"

[sources.sentry]
type  = "sentry"
org   = "o"
token = { env = "T" }
[signals.crashes]
source = "sentry"
kind   = "ratio"
[signals.crashes.sentry]
project = "p"
release = "p@1"
`), nil)
	if c == nil {
		t.Fatal(problems)
	}
	var lines []string
	for _, item := range Price(c.Plans) {
		lines = append(lines, item.String())
	}
	want := "cw: GetMetricData, 2 metrics every 1m: $0.88 a month\ncw: GetMetricData, 4 metrics every 5m: $0.35 a month"
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
