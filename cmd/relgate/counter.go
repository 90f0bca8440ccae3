package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// counterEvery is how often its line is written again.
const counterEvery = 200 * time.Millisecond

// counter shows on a terminal how far a long run has come, in one line
// that it removes at the end. It is safe for concurrent use; nil shows nothing.
type counter struct {
	mu    sync.Mutex
	out   io.Writer
	next  time.Time // when the line is due
	width int       // of the line that stands there
}

// newCounter is nil unless out is a terminal.
func newCounter(out io.Writer) *counter {
	if _, ok := terminal(out); !ok {
		return nil
	}
	return counterTo(out)
}

func counterTo(out io.Writer) *counter {
	return &counter{out: out, next: time.Now().Add(counterEvery)}
}

// count wraps what is done n times, so that it is counted.
func (p *counter) count(plan string, n int, do func(i int) error) func(i int) error {
	if p == nil {
		return do
	}
	done := 0
	return func(i int) error {
		err := do(i)
		p.mu.Lock()
		defer p.mu.Unlock()
		done++
		if now := time.Now(); !now.Before(p.next) {
			p.next = now.Add(counterEvery)
			p.line(fmt.Sprintf("%s: %d of %s", plan, done, amount(n, "release")))
		}
		return err
	}
}

// line writes text over what stands there.
func (p *counter) line(text string) {
	blank := max(p.width-len(text), 0)
	fmt.Fprintf(p.out, "\r%s%s", text, strings.Repeat(" ", blank))
	p.width = len(text)
}

// end takes the line away.
func (p *counter) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.width > 0 {
		p.line("")
		fmt.Fprint(p.out, "\r")
	}
}
