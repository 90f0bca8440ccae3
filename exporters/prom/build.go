package prom

import (
	"math"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// builder collects series into families. The registry of the client library
// would check what it is given by hashing every series; here names and labels
// come from the catalog, and a test checks the whole page.
type builder struct {
	c        *catalog
	families []*dto.MetricFamily // by desc.index; nil while it has no series
}

func newBuilder(c *catalog) *builder {
	return &builder{c: c, families: make([]*dto.MetricFamily, len(c.all))}
}

// done is the families that have series, in the order of the catalog.
func (b *builder) done() []*dto.MetricFamily {
	var out []*dto.MetricFamily
	for _, f := range b.families {
		if f != nil {
			out = append(out, f)
		}
	}
	return out
}

// series is what a series needs, in one piece of memory.
type series struct {
	metric dto.Metric
	gauge  dto.Gauge
	value  float64
}

// metric adds a series without a value; the label values stand in the order of
// the desc.
func (b *builder) metric(d *desc, values []string) *series {
	f := b.families[d.index]
	if f == nil {
		f = &dto.MetricFamily{Name: &d.name, Help: &d.help, Type: d.kind.Enum()}
		b.families[d.index] = f
	}
	s := new(series)
	s.metric.Label = make([]*dto.LabelPair, len(d.order))
	pairs, valid := make([]dto.LabelPair, len(d.order)), make([]string, len(d.order))
	for to, from := range d.order {
		valid[to] = strings.ToValidUTF8(values[from], "\uFFFD")
		pairs[to].Name, pairs[to].Value = &d.labels[from], &valid[to]
		s.metric.Label[to] = &pairs[to]
	}
	f.Metric = append(f.Metric, &s.metric)
	return s
}

// set adds a gauge. A value that is not a number would be a series that every
// comparison misses: it is left out.
func (b *builder) set(d *desc, v float64, values ...string) {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		s := b.metric(d, values)
		s.value = v
		s.gauge.Value, s.metric.Gauge = &s.value, &s.gauge
	}
}

func (b *builder) flag(d *desc, on bool, values ...string) {
	v := 0.0
	if on {
		v = 1
	}
	b.set(d, v, values...)
}

// moment adds a Unix time; one that is not known is left out. A time that is worked
// out from one that is not known lies before 1970.
func (b *builder) moment(d *desc, t time.Time, values ...string) {
	if t.Unix() > 0 {
		b.set(d, float64(t.UnixMilli())/1000, values...)
	}
}

// seconds adds a counter of time.
func (b *builder) seconds(d *desc, t time.Duration, values ...string) {
	b.metric(d, values).metric.Counter = &dto.Counter{Value: new(t.Seconds())}
}

func (b *builder) count(d *desc, n uint64, values ...string) {
	b.metric(d, values).metric.Counter = &dto.Counter{Value: new(float64(n))}
}

// took adds a summary without quantiles: how often and how long in all. How long the
// newest took is not known before the first.
func (b *builder) took(all, last *desc, t Took) {
	b.metric(all, nil).metric.Summary = &dto.Summary{SampleCount: &t.Count, SampleSum: &t.Seconds}
	if t.Count > 0 {
		b.set(last, t.Last)
	}
}
