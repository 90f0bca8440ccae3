package main

import (
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/rules"
)

// offset writes a time on the plan's clock: T+20m, T-24h.
func offset(start, at time.Time) string {
	return rules.Offset{Duration: at.Sub(start).Round(time.Second)}.String()
}

// eventLine is an event in one line, for people.
func eventLine(plan *rules.Plan, e, root *fact.Event) string {
	return fmt.Sprintf("%-10s %s", offset(plan.Start, e.At), plain(words.Event(plan, e, root).Headline))
}

// amount writes a count with what is counted: "1 plan", "2 plans".
func amount(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return rules.Count(float64(n)) + " " + what + "s"
}
