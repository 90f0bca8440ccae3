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

// metric adds a series without a value; the label values stand in the order of
// the desc.
func (b *builder) metric(d *desc, values []string) *dto.Metric {
	f := b.families[d.index]
	if f == nil {
		f = &dto.MetricFamily{Name: &d.name, Help: &d.help, Type: d.kind.Enum()}
		b.families[d.index] = f
	}
	m := &dto.Metric{Label: make([]*dto.LabelPair, len(d.order))}
	pairs := make([]dto.LabelPair, len(d.order))
	for to, from := range d.order {
		pairs[to].Name = &d.labels[from]
		pairs[to].Value = new(strings.ToValidUTF8(values[from], "\uFFFD"))
		m.Label[to] = &pairs[to]
	}
	f.Metric = append(f.Metric, m)
	return m
}

// set adds a gauge. A value that is not a number would be a series that every
// comparison misses: it is left out.
func (b *builder) set(d *desc, v float64, values ...string) {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		b.metric(d, values).Gauge = &dto.Gauge{Value: &v}
	}
}

func (b *builder) flag(d *desc, on bool, values ...string) {
	v := 0.0
	if on {
		v = 1
	}
	b.metric(d, values).Gauge = &dto.Gauge{Value: &v}
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
	b.metric(d, values).Counter = &dto.Counter{Value: new(t.Seconds())}
}

func (b *builder) count(d *desc, n uint64, values ...string) {
	b.metric(d, values).Counter = &dto.Counter{Value: new(float64(n))}
}

// took adds a summary without quantiles: how often and how long in all.
func (b *builder) took(d *desc, t Took, values ...string) {
	b.metric(d, values).Summary = &dto.Summary{SampleCount: &t.Count, SampleSum: &t.Seconds}
}
