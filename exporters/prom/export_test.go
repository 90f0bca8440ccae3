package prom

import (
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// Metric describes one metric, for docs/metrics.md.
type Metric struct {
	Name   string
	Type   string // gauge, counter, summary
	Help   string
	Labels []string // in alphabetical order
}

// Metrics lists every metric of relgate's own, in the order of the page. The go_
// and process_ series of the client library come besides.
func Metrics() []Metric {
	c := newCatalog()
	out := make([]Metric, 0, len(c.all))
	for _, d := range c.all {
		out = append(out, Metric{d.name, typeNames[d.kind], d.help, slices.Sorted(slices.Values(d.labels))})
	}
	return out
}

var typeNames = map[dto.MetricType]string{
	dto.MetricType_GAUGE: "gauge", dto.MetricType_COUNTER: "counter", dto.MetricType_SUMMARY: "summary",
}
