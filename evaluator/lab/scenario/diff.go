package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/relgate/relgate/evaluator/fact"
)

// Difference is one thing that is not as expected.
type Difference struct {
	File string
	Line int    // of what was expected, or of the section for what was not
	Want string // empty: nothing was expected
	Got  string // empty: it did not happen
}

// String is the difference as a line for what was expected and a line for what
// came instead.
func (d Difference) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:", d.File, d.Line)
	if d.Want != "" {
		b.WriteString("\n  - " + d.Want)
	}
	if d.Got != "" {
		b.WriteString("\n  + " + d.Got)
	}
	return b.String()
}

// compare adds what differs in the events.
func (r *Result) compare(f *File) {
	want := &f.events
	if !want.given {
		return
	}
	var got []*fact.Event
	for i := range r.Events {
		if len(want.kinds) == 0 || slices.Contains(want.kinds, r.Events[i].Kind) {
			got = append(got, &r.Events[i])
		}
	}
	var differences []Difference
	differ := func(e *event, g *fact.Event) {
		d := Difference{File: f.Name, Line: max(want.line, 1)}
		if e != nil {
			d.Line, d.Want = e.line, e.String()
		}
		if g != nil {
			d.Got = r.explainEvent(g)
		}
		if e != nil && g != nil && e.matches(g, r) {
			d.Got += "   (it came, but not in this order)"
		}
		differences = append(differences, d)
	}
	align(want, got, r, differ)
	r.Differences = append(differences, r.Differences...)
}

// align finds the longest series of events that are as expected, in order, and
// reports the rest: what stands at the same place on both sides as one
// difference. In a subset, events that were not expected are no difference.
func align(all *expected, got []*fact.Event, r *Result, differ func(*event, *fact.Event)) {
	want := all.events
	for len(want) > 0 && len(got) > 0 && want[0].matches(got[0], r) {
		want, got = want[1:], got[1:]
	}
	same := func(i, k int) bool { return want[i].matches(got[k], r) }
	best := longest(len(want), len(got), same)
	for i, k := 0, 0; i < len(want) || k < len(got); {
		atWant, atGot := i < len(want), k < len(got)
		switch {
		case atWant && atGot && same(i, k):
			i, k = i+1, k+1
		case atWant && all.subset && best[i+1][k] == best[i][k]:
			differ(&want[i], near(&want[i], got[k:], r))
			i++
		case atWant && atGot && !all.subset && best[i+1][k+1] == best[i][k]:
			differ(&want[i], got[k])
			i, k = i+1, k+1
		case atWant && !all.subset && (!atGot || best[i+1][k] >= best[i][k+1]):
			differ(&want[i], nil)
			i++
		default:
			if !all.subset {
				differ(nil, got[k])
			}
			k++
		}
	}
}

// longest gives for i and k how much the rests from i and from k on have in
// common, in order.
func longest(n, m int, same func(i, k int) bool) [][]int32 {
	best := make([][]int32, n+1)
	for i := range best {
		best[i] = make([]int32, m+1)
	}
	for i := n - 1; i >= 0; i-- {
		for k := m - 1; k >= 0; k-- {
			best[i][k] = max(best[i+1][k], best[i][k+1])
			if same(i, k) {
				best[i][k] = best[i+1][k+1] + 1
			}
		}
	}
	return best
}

// near is the event that was probably meant: of the same kind and subject, to
// the same state, else from the same time.
func near(e *event, got []*fact.Event, r *Result) *fact.Event {
	for _, alike := range []func(*fact.Event) bool{
		func(g *fact.Event) bool { return g.To == e.to },
		func(g *fact.Event) bool { return g.At.Equal(r.Plan.Start.Add(e.at)) },
	} {
		for _, g := range got {
			if g.Kind == e.kind && g.Subject == e.subject && alike(g) {
				return g
			}
		}
	}
	return nil
}
