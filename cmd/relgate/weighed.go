package main

import (
	"math"
	"strconv"
	"strings"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// stateColours are the colours of rule states on a terminal.
var stateColours = map[fact.RuleState]string{
	fact.RuleClear: "32", fact.RuleBreaching: "33", fact.RuleWarning: "33", fact.RuleHolding: "1;35",
	fact.RuleFired: "1;31", fact.RuleSilent: "35", fact.RuleIdle: "2",
	fact.RuleWouldFire: "33", fact.RuleWouldHold: "33",
}

// paint colours text where that is wanted.
func paint(colour bool, code, text string) string {
	if !colour || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// odds writes an e-value as the sentences do: "none" when it says nothing against a
// release or is not a number.
func odds(e float64) string {
	switch e = math.Floor(e + 1e-9); {
	case e >= 1e6:
		return "1 in a million"
	case e >= 1000:
		return "1 in " + rules.Count(math.Floor(e/100)*100)
	case !(e > 1):
		return "none"
	}
	return "1 in " + strconv.FormatFloat(e, 'f', 0, 64)
}

// weighedState is how far the evidence against a release has come, and where it
// acts while it has not: "1 in 12, acts at 250". It is empty where there is none. What warns is
// ahead of what holds: it takes every sample as independent.
func weighedState(d *fact.Weighed) string {
	if d == nil || d.Groups != nil {
		return ""
	}
	e := d.Against
	if d.Against < d.Bound && d.Warning > d.Against {
		e = d.Warning
	}
	if math.Exp(e) < 2 {
		return ""
	}
	if d.Against >= d.Bound {
		return odds(math.Exp(e))
	}
	return odds(math.Exp(e)) + ", acts at " + strings.TrimPrefix(odds(math.Exp(d.Bound)), "1 in ")
}

// holder says who holds a run; the reason not, where it is said beside it.
func holder(h *wire.Hold) string {
	if h.Kind == "rule" {
		return "rollback rule " + h.By
	}
	if h.Kind == "traffic" {
		return "the traffic of phase " + h.By
	}
	if h.By == "" {
		return "a person"
	}
	return h.By
}

// wrapped breaks a sentence into lines of at most width columns.
func wrapped(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
