package gate

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/relgate/relgate/exporters/wire"
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
type where struct {
	plan, phase string
	pin         pin
	question    wire.Question
}

// look is the answer of a gate now, with the board it stands on.
func (g *Gate) look(ctx context.Context, at *where) (*gateAnswer, *board, *refusal) {
	b := g.board.Load()
	f, refused := g.find(ctx, b, at.plan, at.pin)
	if refused != nil {
		return nil, b, refused
	}
	i, refused := f.place(at.phase, at.question)
	switch {
	case refused != nil:
		return nil, b, refused
	case f.run == nil:
		return g.absent(&f, at.plan, at.phase, at.question, b.trouble), b, nil
	}
	return f.run.gate(at.question, i, g.now()), b, nil
}

// await answers when what the request waits for has come, and at the end of its
// patience with what is known then: with after, a newer generation; without, a
// final verdict; in any case a decision, or a run, that was not there when it began. A
// token with too many long polls is answered at once, as is everyone while draining. One
// that is not let in any more since other tokens are in force is answered here, and await
// returns nothing.
func (g *Gate) await(w http.ResponseWriter, r *http.Request, at where, q question, who caller) (*gateAnswer, *refusal) {
	ctx, name := r.Context(), who.polls()
	first, b, refused := g.look(ctx, &at)
	if q.wait <= 0 || refused != nil || q.met(first, first) || !g.waiters.enter(name) {
		return first, refused
	}
	defer g.waiters.leave(name)
	timer := time.NewTimer(jittered(q.wait))
	defer timer.Stop()
	for last := false; ; {
		select {
		case <-b.changed:
		case <-who.keys.replaced:
		case <-timer.C:
			last = true
		case <-g.draining:
			last = true
		case <-ctx.Done():
			last = true // the answer has no reader
		}
		if who.keys != g.keys.Load() {
			var ok bool
			if who, ok = g.admit(w, r, at.plan); !ok {
				return nil, nil
			}
		}
		var a *gateAnswer
		if a, b, refused = g.look(ctx, &at); last || refused != nil || q.met(first, a) {
			return a, refused
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
	if now.decision() != first.decision() || now.run != first.run {
		return true
	}
	if q.hasAfter {
		return now.generation > q.after
	}
	return now.settled
}

// decision is what has been decided: two answers with the same one are both open, or
// both decided alike.
func (a *gateAnswer) decision() wire.Outcome {
	if !a.settled {
		return wire.IsPending
	}
	return a.outcome
}
