package main

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

// slowly answers when it is let.
type slowly struct{ asked, let chan struct{} }

func (s slowly) Fetch(_ context.Context, _ time.Time, wants []sources.Want) []rules.Reading {
	close(s.asked)
	<-s.let
	out := make([]rules.Reading, len(wants))
	for i, w := range wants {
		out[i] = rules.Reading{Signal: w.Index, From: w.From, To: w.To, SettledUntil: w.To}
	}
	return out
}

// A pool that gives way to another is not closed under the tick that asks it.
func TestPoolGivesWayAfterItsTick(t *testing.T) {
	source := slowly{make(chan struct{}), make(chan struct{})}
	pool := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"s": source}, Log: slog.New(slog.DiscardHandler)})
	var f fetcher
	f.use(pool)
	answers := make(chan []rules.Reading, 1)
	go func() {
		answers <- f.Fetch(t.Context(), time.Now(), []runner.Want{{Signal: &rules.Signal{Name: "x", Source: "s"}, From: 0, To: 60}})
	}()
	<-source.asked
	if f.mu.TryLock() {
		t.Error("the pool may give way while it is asked")
		f.mu.Unlock()
	}
	close(source.let)
	if got := <-answers; len(got) != 1 || got[0].Fault != rules.OK {
		t.Errorf("got %+v, want one answer without a fault", got)
	}
	if old := f.use(nil); old != pool {
		t.Error("another pool gave way than the one that was in force")
	} else if err := old.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
