package runner

import (
	"fmt"
	"math"
	"slices"

	"github.com/relgate/relgate/evaluator/fact"
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
		reading.Detail, reading.Note, reading.Ref = rules.OneLine(reading.Detail), rules.OneLine(reading.Note), rules.OneLine(reading.Ref)
		reading.Parts = cleanParts(reading.Parts)
		dropOdd(&reading)
		readings[i] = reading
	}
	return readings
}

// cleanParts gives parts whose groups have names that can be shown. The names come from
// the upstream's data.
func cleanParts(parts []rules.Parts) []rules.Parts {
	for i := range parts {
		for _, g := range parts[i].Groups {
			if rules.UnsafeIn(g.Name) == "" {
				continue
			}
			clean := slices.Clone(parts)
			for k := range clean {
				clean[k].Groups = slices.Clone(clean[k].Groups)
				for j := range clean[k].Groups {
					clean[k].Groups[j].Name = rules.OneLine(clean[k].Groups[j].Name)
				}
			}
			return clean
		}
	}
	return parts
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

// cleanCommand is a command as a tick keeps it, whoever gave it.
func cleanCommand(c fact.Command) fact.Command {
	c.ID, c.Phase, c.By, c.Why = rules.OneLine(c.ID), rules.OneLine(c.Phase), rules.OneLine(c.By), rules.OneLine(c.Why)
	c.Subject, c.Role, c.Meaning = rules.OneLine(c.Subject), rules.OneLine(c.Role), rules.OneLine(c.Meaning)
	c.Kind = fact.CommandKind(rules.OneLine(string(c.Kind)))
	return c
}
