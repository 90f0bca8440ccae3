package sources

import (
	"context"
	"time"

	"github.com/relgate/relgate/rules"
)

// Some questions take longer than a tick may wait: an Athena query runs for
// minutes, and the rules on other sources must be judged meanwhile. A patient
// lane keeps such a question open over several ticks. The tick that asked waits
// for its whole timeout. Later ticks ask for the same wants, and learn at once
// that the question is still open, until one of them gets the answer.

// patient reports whether the lane's questions may take longer than a tick.
func (p *Pool) patient(l *lane) bool { return l.patience > p.timeout }

// resume gives the lane's open question, or opens one. It runs under a context
// of its own, which ends with the lane's patience or with Close.
func (p *Pool) resume(ctx context.Context, l *lane, now time.Time, wants []Want, places []int) *call {
	l.mu.Lock()
	c := l.open
	l.mu.Unlock()
	if c != nil {
		c.resumed = true
		return c
	}
	c = p.start(context.WithoutCancel(ctx), l, now, wants, places, l.patience)
	l.mu.Lock()
	l.open = c
	l.mu.Unlock()
	return c
}

// patiently waits for the open questions until the tick ends, and answers the
// wants at places that they were about.
func (p *Pool) patiently(tick context.Context, open []*call, wants []Want, out []rules.Reading, places [][]int) {
	for i, c := range open {
		answered := p.waitFor(tick, c)
		if answered {
			c.lane.mu.Lock()
			c.lane.open = nil
			c.lane.mu.Unlock()
		}
		c.answer(answered, c.lane.patience, wants, out, places[i])
	}
}

// waitFor reports whether a question is over: answered, or out of patience.
func (p *Pool) waitFor(tick context.Context, c *call) bool {
	select {
	case <-c.done:
		return true
	default:
	}
	if c.resumed && c.ctx.Err() == nil {
		return false
	}
	select {
	case <-c.done:
		return true
	case <-c.ctx.Done():
		p.lastChance(tick, []*call{c})
		return true
	case <-tick.Done():
		return false
	}
}

// answer fills in the readings of the wants at places: what the question gave for
// them, or that it is still open. A want that the question was not about, because
// it fell due later, is asked next.
func (c *call) answer(over bool, patience time.Duration, wants []Want, out []rules.Reading, places []int) {
	type key struct {
		plan   string
		signal int
	}
	given := map[key]rules.Reading{}
	if over {
		for i, r := range c.lane.settle(c, patience) {
			given[key{c.wants[i].Run, c.wants[i].Index}] = r
		}
	}
	for _, i := range places {
		w := wants[i]
		r, ok := given[key{w.Run, w.Index}]
		if !ok {
			r = rules.Reading{Signal: w.Index, From: w.From, To: w.To, Asking: true}
		}
		out[i] = r
	}
}

// abandonOpen ends the questions that are still open.
func (p *Pool) abandonOpen() {
	for _, l := range p.lanes {
		l.mu.Lock()
		if l.open != nil {
			l.open.cancel()
		}
		l.mu.Unlock()
	}
}
