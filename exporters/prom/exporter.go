package prom

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Exporter is the /metrics page. Its methods may be called at the same time.
type Exporter struct {
	config  Config
	now     func() time.Time
	catalog *catalog
	process prometheus.Gatherer // nil: not asked for
	page    atomic.Pointer[page]
}

// New makes an Exporter. It starts nothing.
func New(c Config) *Exporter {
	e := &Exporter{config: c, now: c.Now, catalog: newCatalog()}
	if e.now == nil {
		e.now = time.Now
	}
	if c.Process {
		r := prometheus.NewRegistry()
		r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		e.process = r
	}
	e.page.Store(e.newPage(Views{}, time.Time{}))
	return e
}

// Update shows what stands after a committed tick: all plans that there are.
func (e *Exporter) Update(v Views) {
	v.Plans = slices.Clone(v.Plans)
	e.page.Store(e.newPage(v, e.now()))
}

// current is the page as of now: since it was rendered a verdict on it may have grown
// too old, or the clock may have been set back.
func (e *Exporter) current() *page {
	p := e.page.Load()
	now := e.now()
	if !now.Before(p.made) && (p.until.IsZero() || !now.After(p.until)) {
		return p
	}
	fresh := e.newPage(p.views, now)
	if e.page.CompareAndSwap(p, fresh) {
		return fresh
	}
	return e.page.Load() // an Update came between
}
