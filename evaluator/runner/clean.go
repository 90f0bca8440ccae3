package runner

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// clean makes of what the sources answered what a tick can hold: one reading for
// every want, and nothing in it that its journalled form would change. A tick
// that is read back must be the one that was evaluated.
func clean(wants []Want, answers []rules.Reading) []rules.Reading {
	readings := make([]rules.Reading, len(wants))
	for i, w := range wants {
		reading := rules.Reading{Fault: rules.Unavailable, Detail: "no answer"}
		if i < len(answers) {
			reading = answers[i]
		}
		reading.Signal, reading.From, reading.To = w.Index, w.From, w.To
		reading.Detail, reading.Note, reading.Ref = valid(reading.Detail), valid(reading.Note), valid(reading.Ref)
		dropOdd(&reading)
		readings[i] = reading
	}
	return readings
}

// answered leaves out the readings of questions that are still open: the plan
// goes on wanting them.
func answered(readings []rules.Reading) []rules.Reading {
	return slices.DeleteFunc(readings, func(r rules.Reading) bool { return r.Asking })
}

// dropOdd takes away points that are not numbers. JSON has none, and a verdict
// must not rest on them: their periods count as missing.
func dropOdd(r *rules.Reading) {
	odd := 0
	for _, p := range r.Points {
		if !finite(p.Value) || !finite(p.Samples) {
			odd++
		}
	}
	if odd == 0 {
		return
	}
	kept := make([]rules.Point, 0, len(r.Points)-odd)
	for _, p := range r.Points {
		if finite(p.Value) && finite(p.Samples) {
			kept = append(kept, p)
		}
	}
	r.Points = kept
	if r.Fault == rules.OK {
		r.Fault, r.Detail = rules.PartialData, fmt.Sprintf("%d points are not numbers", odd)
	}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// valid is s as JSON gives it back.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func cleanCommand(c evaluator.Command) evaluator.Command {
	c.ID, c.Phase, c.By, c.Why = valid(c.ID), valid(c.Phase), valid(c.By), valid(c.Why)
	c.Kind = evaluator.CommandKind(valid(string(c.Kind)))
	return c
}
