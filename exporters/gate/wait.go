package gate

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/relgate/relgate/rules"
)

// waiters counts long polls, so that one token cannot hold all connections.
type waiters struct {
	limit int
	mu    sync.Mutex
	busy  map[string]int // :: token name → its long polls now
}

func (w *waiters) enter(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[name] >= w.limit {
		return false
	}
	w.busy[name]++
	return true
}

func (w *waiters) leave(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[name]--; w.busy[name] == 0 {
		delete(w.busy, name)
	}
}

func (w *waiters) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, b := range w.busy {
		n += b
	}
	return n
}

// where names a gate in a request.
type where struct{ plan, phase string }

// look is the answer of a gate now, with the board it stands on. It is nil when
// there is no such gate (any more), or no tick yet.
func (g *Gate) look(at where) (*gateAnswer, *board) {
	b := g.board.Load()
	p := b.plans[at.plan]
	if p == nil || !p.started() {
		return nil, b
	}
	i, ok := p.phase(at.phase)
	if !ok {
		return nil, b
	}
	return p.gate(i, g.base, g.now()), b
}

// await answers when what the request waits for has come, and at the end of its
// patience with what is known then: with after, a newer generation; without, a
// final verdict; in any case a decision that was not there when it began. A token
// with too many long polls is answered at once, as is everybody while draining.
func (g *Gate) await(ctx context.Context, at where, q question, who string) *gateAnswer {
	first, b := g.look(at)
	if q.wait <= 0 || first == nil || q.met(first, first) || !g.waiters.enter(who) {
		return first
	}
	defer g.waiters.leave(who)
	timer := time.NewTimer(jittered(q.wait))
	defer timer.Stop()
	for last := false; ; {
		select {
		case <-b.changed:
		case <-timer.C:
			last = true
		case <-g.draining:
			last = true
		case <-ctx.Done():
			last = true // nobody reads it
		}
		var a *gateAnswer
		if a, b = g.look(at); last || a == nil || q.met(first, a) {
			return a
		}
	}
}

// jittered spreads the ends of long polls that began together.
func jittered(d time.Duration) time.Duration {
	return min(MaxWait, d+rand.N(d/16+1))
}

// met reports whether the answer now is worth returning to one who has waited
// since first.
func (q *question) met(first, now *gateAnswer) bool {
	if now.outcome() != first.outcome() {
		return true
	}
	if q.hasAfter {
		return now.generation > q.after
	}
	return now.final
}

// outcome is what a decision is: two answers with the same one are both open, or
// both decided alike.
func (a *gateAnswer) outcome() rules.Verdict {
	if !a.final {
		return rules.Pending
	}
	return a.verdict
}

// statusOf is the table of the three views.
func statusOf(view string, v rules.Verdict, pending int) int {
	switch {
	case view == viewVerdict:
		return http.StatusOK
	case view == viewRollback && v == rules.Rollback:
		return http.StatusOK
	case view == viewRollback:
		return http.StatusConflict
	case v == rules.Pass:
		return http.StatusOK
	case v == rules.Fail || v == rules.Rollback:
		return http.StatusConflict
	}
	return pending
}
