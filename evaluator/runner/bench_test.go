package runner_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/journal/journaltest"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/rules"
)

// wide is the plan with so many rollback rules, each on a signal of its own.
func wide(n int) *rules.Plan {
	p := plan("wide", 30*time.Second)
	for i := range n {
		s, r := p.Signals[0], p.Rules[1]
		s.Name, r.Name, r.Signal = fmt.Sprintf("s%d", i), fmt.Sprintf("r%d", i), len(p.Signals)
		p.Phases[0].Rollback = append(p.Phases[0].Rollback, len(p.Rules))
		p.Signals, p.Rules = append(p.Signals, s), append(p.Rules, r)
	}
	return p
}

// BenchmarkRecover10kRules is a start from a journal that was killed half an hour
// into a run of 10,000 rules, until the recovered run is published.
func BenchmarkRecover10kRules(b *testing.B) {
	store, c, plans := journaltest.NewFile(b), newClock(30), []*rules.Plan{wide(10_000)}
	w := &world{bad: healthy}
	start := func() {
		j := open(b, store)
		// Save fails as it does when the process is killed.
		f := &journaltest.Faulty{Journal: j, Fault: func(method string) journaltest.Fault {
			if method == "Save" {
				return journaltest.Failed
			}
			return journaltest.Sound
		}}
		r := newRunner(b, runner.Config{Policies: runner.Policies{Plans: plans}, Journal: f, Fetcher: w, Clock: c})
		if err := r.Run(context.Background()); !errors.Is(err, errEnd) {
			b.Fatal(err)
		}
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
	}
	start()
	for b.Loop() {
		start()
	}
}
