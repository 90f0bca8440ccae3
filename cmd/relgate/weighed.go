package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// stateColours are the colours of rule states on a terminal.
var stateColours = map[evaluator.RuleState]string{
	evaluator.RuleClear: "32", evaluator.RuleBreaching: "33", evaluator.RuleWarning: "33", evaluator.RuleHolding: "1;35",
	evaluator.RuleFired: "1;31", evaluator.RuleSilent: "35", evaluator.RuleIdle: "2",
}

// paint colours text where that is wanted.
func paint(colour bool, code, text string) string {
	if !colour || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// odds writes an e-value as the sentences do; one that says nothing against a
// release, or is no number, is none.
func odds(e float64) string {
	switch e = math.Floor(e + 1e-9); {
	case e >= 1e6:
		return "1 in a million"
	case e >= 1000:
		return fmt.Sprintf("1 in %d,%d00", int(e)/1000, int(e)%1000/100)
	case !(e > 1):
		return "none"
	}
	return "1 in " + strconv.FormatFloat(e, 'f', 0, 64)
}

// weighedState is how far the evidence of a rule has come, in a few words; empty
// for a rule without. What warns is ahead of what holds: it takes every sample as
// independent.
func weighedState(d *evaluator.Weighed) string {
	if d == nil || d.Groups != nil {
		return ""
	}
	what, e := "evidence", d.Against
	if d.Against < d.Bound && d.Warning > d.Against {
		what, e = "evidence to warn", d.Warning
	}
	return fmt.Sprintf("%s %s, acts at %s", what, odds(math.Exp(e)), odds(math.Exp(d.Bound)))
}

// weighedLine is what a rule weighs, in one line.
func weighedLine(r *wire.Rule) string {
	e := r.Weighed
	var parts []string
	if r.Value != nil && e.Low != nil && e.High != nil {
		parts = append(parts, fmt.Sprintf("likely %s to %s", estimate(r, e.Low), estimate(r, e.High)))
	}
	parts = append(parts, fmt.Sprintf("limit %s, trigger %s", bound(r, e.Limit), bound(r, e.Trigger)))
	switch {
	case r.Value == nil || e.Against.OneIn == nil || e.Bound.OneIn == nil: // nothing has been counted
	case e.Warning.OneIn != nil && r.Kind == rules.RollbackRule.String():
		parts = append(parts, fmt.Sprintf("evidence to warn %s, to hold %s, each acts at %s", odds(*e.Warning.OneIn), odds(*e.Against.OneIn), odds(*e.Bound.OneIn)))
	default:
		parts = append(parts, fmt.Sprintf("evidence against it %s, acts at %s", odds(*e.Against.OneIn), odds(*e.Bound.OneIn)))
	}
	if e.Keeps.OneIn != nil && e.Spared.OneIn != nil && e.Proof.OneIn != nil {
		parts = append(parts, fmt.Sprintf("for the limit %s, below the trigger %s, passes at %s", odds(*e.Keeps.OneIn), odds(*e.Spared.OneIn), odds(*e.Proof.OneIn)))
	}
	if e.Baseline != nil {
		parts = append(parts, besideLine(e.Baseline))
	}
	if p := e.Earlier; p != nil {
		parts = append(parts, earlierLine(p))
	}
	if g := e.Groups; g != nil && len(g.Small) > 0 {
		parts = append(parts, "too few in "+strings.Join(g.Small, ", "))
	}
	return strings.Join(parts, "; ")
}

// besideLine is the baseline with both comparisons: the one that warns takes every
// sample as independent, the other confirms a rollback.
func besideLine(b *wire.Baseline) string {
	line := fmt.Sprintf("baseline %.0f of %.0f, evidence that the release is worse ", b.Bad, b.Samples)
	if b.Warning.OneIn != nil {
		line += "to warn " + odds(*b.Warning.OneIn) + ", to confirm it "
	}
	if b.Worse.OneIn == nil {
		return line + "none"
	}
	return line + odds(*b.Worse.OneIn)
}

func earlierLine(p *wire.Earlier) string {
	switch {
	case p.Releases == 0:
		return "no earlier release to compare with yet"
	case p.Worse.OneIn == nil:
		return fmt.Sprintf("%s %.0f of %.0f", amount(p.Releases, "earlier release"), p.Bad, p.Samples)
	}
	return fmt.Sprintf("%s %.0f of %.0f, evidence that this one is worse %s", amount(p.Releases, "earlier release"), p.Bad, p.Samples, odds(*p.Worse.OneIn))
}

// holder says who holds a run; the reason not, where it is said beside it.
func holder(h *wire.Hold) string {
	if h.Kind == "rule" {
		return "rollback rule " + h.By
	}
	if h.By == "" {
		return "somebody"
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
