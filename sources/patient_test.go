package sources_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

// slow answers like steady, after a while or when its context ends.
func slow(after time.Duration, asked *int) fetcher {
	return func(ctx context.Context, now time.Time, wants []sources.Want) []rules.Reading {
		*asked++
		select {
		case <-time.After(after):
			return steady(ctx, now, wants)
		case <-ctx.Done():
			out := make([]rules.Reading, len(wants))
			for i, w := range wants {
				out[i] = sources.Faulty(w, rules.Unavailable, "out of time")
			}
			return out
		}
	}
}

func TestPoolKeepsASlowQuestionOpenOverTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		p := sources.NewPool(sources.PoolConfig{
			Timeout: 10 * time.Second, Patience: map[string]time.Duration{"slow": 5 * time.Minute},
			Sources: map[string]sources.Source{"slow": slow(70*time.Second, &asked), "good": steady},
		})
		defer closed(t, p)
		wants := []sources.Want{want("slow", 0), want("good", 1)}
		for tick, open := range []bool{true, true, true, false} {
			begun := time.Now()
			got := p.Fetch(t.Context(), noon, wants)
			if got[0].Asking != open || got[0].Fault != rules.OK || got[1].Asking || got[1].Fault != rules.OK {
				t.Errorf("tick %d: got %+v, want the slow question open: %t", tick, got, open)
			}
			if took := time.Since(begun); tick > 0 && took != 0 {
				t.Errorf("tick %d was held for %s by a question that an earlier one asked", tick, took)
			}
			if !open && len(got[0].Points) != 5 {
				t.Errorf("the answer has %d points, want 5", len(got[0].Points))
			}
			time.Sleep(25 * time.Second) // virtual: until the next tick
		}
		if asked != 1 {
			t.Errorf("asked %d times, want once", asked)
		}
	})
}

func TestPoolLosesPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		p := sources.NewPool(sources.PoolConfig{
			Timeout: 10 * time.Second, Patience: map[string]time.Duration{"slow": 30 * time.Second},
			Sources: map[string]sources.Source{"slow": slow(time.Hour, &asked)},
		})
		defer closed(t, p)
		if got := p.Fetch(t.Context(), noon, []sources.Want{want("slow", 0)}); !got[0].Asking {
			t.Errorf("got %+v, want an open question", got)
		}
		time.Sleep(25 * time.Second)
		if got := p.Fetch(t.Context(), noon, []sources.Want{want("slow", 0)}); got[0].Asking || got[0].Fault != rules.Unavailable {
			t.Errorf("got %+v, want unavailable", got)
		}
	})
}

func TestPoolAsksALaterWantAfterTheOpenQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		p := sources.NewPool(sources.PoolConfig{
			Timeout: 10 * time.Second, Patience: map[string]time.Duration{"slow": time.Minute},
			Sources: map[string]sources.Source{"slow": slow(15*time.Second, &asked)},
		})
		defer closed(t, p)
		p.Fetch(t.Context(), noon, []sources.Want{want("slow", 0)})
		time.Sleep(20 * time.Second)
		got := p.Fetch(t.Context(), noon, []sources.Want{want("slow", 1), want("slow", 0)})
		if !got[0].Asking || got[1].Asking || got[1].Fault != rules.OK {
			t.Errorf("got %+v, want the new want open and the old one answered", got)
		}
	})
}

func TestPoolEndsOpenQuestionsWhenItIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		p := sources.NewPool(sources.PoolConfig{
			Timeout: time.Second, Patience: map[string]time.Duration{"slow": time.Hour},
			Sources: map[string]sources.Source{"slow": slow(time.Hour, &asked)},
		})
		p.Fetch(t.Context(), noon, []sources.Want{want("slow", 0)})
		begun := time.Now()
		closed(t, p)
		if took := time.Since(begun); took != 0 {
			t.Errorf("Close took %s, want nothing", took)
		}
	})
}

func TestPoolHasNoMorePatienceThanTheSourceAsksFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		p := sources.NewPool(sources.PoolConfig{
			Timeout: 10 * time.Second, Patience: map[string]time.Duration{"slow": 2 * time.Second},
			Sources: map[string]sources.Source{"slow": slow(time.Hour, &asked)},
		})
		defer closed(t, p)
		begun := time.Now()
		got := p.Fetch(t.Context(), noon, []sources.Want{want("slow", 0)})
		if took := time.Since(begun); took != 2*time.Second || got[0].Fault != rules.Unavailable {
			t.Errorf("took %s, %+v; want unavailable after 2s", took, got)
		}
	})
}
