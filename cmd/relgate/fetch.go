package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/exporters/prom"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

// fetcher asks the pool of the config that is in force.
type fetcher struct {
	mu   sync.RWMutex // read while the pool is asked
	pool atomic.Pointer[sources.Pool]

	counted totals[prom.SourceStats]
}

// use puts a pool in force and gives the one before it, after the tick that
// still uses it has ended.
func (f *fetcher) use(p *sources.Pool) *sources.Pool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counted.use(p, func() []prom.SourceStats { return poolStats(p) })
	return f.pool.Swap(p)
}

func (f *fetcher) close(ctx context.Context) error {
	if p := f.pool.Load(); p != nil {
		return p.Close(ctx)
	}
	return nil
}

// Fetch passes the runner's questions on.
func (f *fetcher) Fetch(ctx context.Context, now time.Time, wants []runner.Want) []rules.Reading {
	questions := make([]sources.Want, len(wants))
	for i, w := range wants {
		questions[i] = sources.Want{Run: w.Run, Index: w.Index, Signal: w.Signal, From: w.From, To: w.To}
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.pool.Load().Fetch(ctx, now, questions)
}

// tickTimeout is how long a tick waits for the sources: an upstream that is slow
// must not keep the others' rules from being judged. Its question stays open, for
// as long as the source's own timeout says.
const tickTimeout = 10 * time.Second

func (d *daemon) newPool(cfg *config.Config, made map[string]sources.Source) *sources.Pool {
	patience := make(map[string]time.Duration, len(cfg.Sources))
	for _, s := range cfg.Sources {
		patience[s.Name] = s.Timeout.Duration
	}
	return sources.NewPool(sources.PoolConfig{
		Sources: made, Timeout: d.clock.tickTimeout(), Patience: patience, WithTimeout: d.clock.WithTimeout, Log: d.log,
	})
}
