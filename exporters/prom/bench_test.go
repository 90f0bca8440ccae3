package prom_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/relgate/relgate/exporters/prom"
)

const benchSeries = 10_000

// discard is a ResponseWriter that keeps nothing, so that what is measured is
// the making of the page.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func scrapes(b *testing.B, h http.Handler, before func(), header ...string) {
	b.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	b.ReportAllocs()
	for b.Loop() {
		before()
		h.ServeHTTP(discard{http.Header{}}, r)
	}
}

// gaugeVec is the baseline: the same number of series as one GaugeVec.
func gaugeVec() http.Handler {
	reg := prometheus.NewRegistry()
	vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "relgate_signal_value", Help: "Baseline."}, []string{"plan", "signal"})
	reg.MustRegister(vec)
	for i := range benchSeries {
		vec.WithLabelValues("wide", fmt.Sprintf("signal_%05d", i)).Set(float64(i) / 7)
	}
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}

// BenchmarkScrape compares a scrape of 10,000 series with that of a GaugeVec of
// as many: cached is a scrape between two ticks, rendered is one after each tick.
func BenchmarkScrape(b *testing.B) {
	v := wide(benchSeries)
	e := prom.New(prom.Config{Now: func() time.Time { return t0 }})
	update := func() { e.Update(prom.Views{Plans: []prom.View{v}}) }
	nothing := func() {}
	update()
	ours, theirs := e.Handler(), gaugeVec()
	for _, encoding := range []string{"identity", "gzip"} {
		header := []string{"Accept-Encoding", encoding}
		b.Run(encoding+"/gaugevec", func(b *testing.B) { scrapes(b, theirs, nothing, header...) })
		b.Run(encoding+"/cached", func(b *testing.B) { scrapes(b, ours, nothing, header...) })
		b.Run(encoding+"/rendered", func(b *testing.B) { scrapes(b, ours, update, header...) })
	}
}

func TestBenchmarkIsFair(t *testing.T) {
	e := prom.New(prom.Config{Now: func() time.Time { return t0 }})
	e.Update(prom.Views{Plans: []prom.View{wide(benchSeries)}})
	_, page := get(t, e.Handler())
	n := 0
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "#") {
			n++
		}
	}
	if n < benchSeries {
		t.Errorf("the page has %d series, want %d or more", n, benchSeries)
	}
}

func TestScrapeAllocations(t *testing.T) {
	allocs := func(series int) float64 {
		e := prom.New(prom.Config{Now: func() time.Time { return t0 }})
		e.Update(prom.Views{Plans: []prom.View{wide(series)}})
		h := e.Handler()
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		return testing.AllocsPerRun(20, func() { h.ServeHTTP(discard{http.Header{}}, r) })
	}
	if small, large := allocs(1000), allocs(20_000); large > small+20 {
		t.Errorf("a scrape of 20,000 series allocates %v times, one of 1,000 %v times: want the same", large, small)
	}
}
