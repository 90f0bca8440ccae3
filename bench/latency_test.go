package bench

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources/kinds"
)

// bell is a clock on which a minute begins when the benchmark rings it.
type bell struct {
	ring chan struct{}
	now  atomic.Int64 // Unix seconds
}

func (c *bell) Now() time.Time { return time.Unix(c.now.Load(), 0).UTC() }

func (c *bell) WaitUntil(ctx context.Context, t time.Time) error {
	if !t.After(c.Now()) {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ring:
		c.now.Store(t.Unix())
		return nil
	}
}

// NotBefore is called when runs are recovered, before anything rings.
func (c *bell) NotBefore(t time.Time) { c.now.Store(max(c.now.Load(), t.Unix())) }

// minutes answers for every signal; the first one's errors come and go with every
// minute, so that every point changes what its rule says: a minute that may still
// change ends no fault, so all that is answered has settled.
type minutes struct {
	answered time.Time // when the newest readings were handed over
}

func (m *minutes) Fetch(_ context.Context, now time.Time, wants []runner.Want) []rules.Reading {
	readings := make([]rules.Reading, len(wants))
	for i, w := range wants {
		r := rules.Reading{Signal: w.Index, From: w.From, To: w.To, SettledUntil: now.Unix()}
		for t := w.From; t+60 <= w.To; t += 60 {
			p := rules.Point{At: t, Value: 1, Samples: 1000}
			if w.Index == 0 && t/60%2 == 0 {
				p.Value = 50
			}
			r.Points = append(r.Points, p)
		}
		readings[i] = r
	}
	m.answered = time.Now()
	return readings
}

// watcher is a plan that runs into a store.
type watcher struct {
	*minutes
	clock  *bell
	runner *runner.Runner
}

// ring begins the next minute, and gives the one before.
func (w *watcher) ring() time.Time {
	before := w.clock.Now()
	w.clock.ring <- struct{}{}
	return before
}

// after waits until a tick that is later than t is published.
func (w *watcher) after(t time.Time) {
	for {
		published := w.runner.Watch()
		if w.runner.Published().At.After(t) {
			return
		}
		<-published
	}
}

// pass lets a minute pass, and the tick that begins it.
func (w *watcher) pass() { w.after(w.ring()) }

// follow runs a plan of so many rules into a store.
func follow(tb testing.TB, s *store, rulesN int) *watcher {
	tb.Helper()
	clock, world := &bell{ring: make(chan struct{})}, &minutes{}
	clock.now.Store(epoch.Unix())
	p := wide(tb, "wide", rulesN)
	p.Interval, p.Phases[0].Window = time.Minute, 10_000*time.Hour
	for i := range p.Signals {
		p.Signals[i].Settle = 0
	}
	r, err := runner.New(runner.Config{Kinds: kinds.All().Kinds(), Policies: runner.Policies{Plans: []*rules.Plan{p}}, Journal: s.Journal, Fetcher: world, Clock: clock})
	if err != nil {
		tb.Fatal(err)
	}
	running(tb, r.Run)
	w := &watcher{world, clock, r}
	for range 15 { // until its signals are known
		w.pass()
	}
	s.settle(tb)
	return w
}

// BenchmarkPointToWebhook is from a source's answer until the receiver of a
// webhook has the event that it makes: clean, step, commit, publish, sign and
// post, for a plan of 100 rules. Insert and post by hand stands beside it. The
// goal is a p99 of 50 ms.
func BenchmarkPointToWebhook(b *testing.B) {
	url, arrived := receiver(b)
	s, h := newStore(b, url), newByHand(b, url)
	w := follow(b, s, 100)
	var ours, hand took
	for b.Loop() {
		for len(arrived) > 0 {
			<-arrived
		}
		before := w.ring()
		first := <-arrived
		w.after(before)
		ours = append(ours, first.at.Sub(w.answered))
		s.settle(b)
		for len(arrived) > 0 {
			<-arrived
		}
		began := time.Now()
		h.send(b)
		hand = append(hand, (<-arrived).at.Sub(began))
	}
	b.ReportMetric(millis(ours.median()), "p50-ms")
	b.ReportMetric(millis(ours.at(.99)), "p99-ms")
	b.ReportMetric(millis(hand.median()), "by-hand-p50-ms")
	b.ReportMetric(millis(hand.at(.99)), "by-hand-p99-ms")
	b.ReportMetric(ratio(ours, hand), "x_by-hand")
	noOp(b)
}

// Every minute's point makes an event, and that event a request.
func TestPointsArrive(t *testing.T) {
	url, arrived := receiver(t)
	s := newStore(t, url)
	w := follow(t, s, 2)
	for range 4 {
		for len(arrived) > 0 {
			<-arrived
		}
		w.pass()
		s.settle(t)
		if len(arrived) != 1 {
			t.Errorf("a minute made %d requests, want 1", len(arrived))
		}
	}
}
