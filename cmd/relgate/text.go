package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// offset writes a time on the plan's clock: T+20m, T-24h.
func offset(start, at time.Time) string {
	return rules.Offset{Duration: at.Sub(start).Round(time.Second)}.String()
}

// eventLine is an event in one line, for people.
func eventLine(start time.Time, e evaluator.Event) string {
	return fmt.Sprintf("%-12s %s %s: %s -> %s: %s", offset(start, e.At), e.Kind, subject(e), e.From, e.To, e.Reason)
}

// subject names what an event is about; a rule's event in a phase names both.
func subject(e evaluator.Event) string {
	if e.Phase != "" && e.Phase != e.Subject {
		return e.Subject + " (" + e.Phase + ")"
	}
	return e.Subject
}

// amount writes a count with what is counted: "1 plan", "2 plans".
func amount(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
