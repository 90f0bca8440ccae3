package power

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// span writes a length of time in minutes for people, rounded up to what is worth
// telling.
func span(minutes float64) string {
	unit := time.Minute
	switch {
	case minutes >= 3*1440:
		unit = 6 * time.Hour
	case minutes >= 720:
		unit = 30 * time.Minute
	case minutes >= 180:
		unit = 5 * time.Minute
	case minutes < 2:
		unit = 10 * time.Second
	}
	d := time.Duration(minutes * float64(time.Minute))
	return rules.Duration{Duration: (d + unit - 1) / unit * unit}.String()
}

// number writes a number of samples for people.
func number(n float64) string {
	switch {
	case n >= 9.95 || n == math.Trunc(n):
		return rules.Count(math.Round(n))
	case n < .01:
		return "< 0.01"
	}
	return figures(n, 2)
}

// figures writes a number with so many digits that matter.
func figures(n float64, digits int) string {
	scale := math.Pow(10, float64(digits-1)-math.Floor(math.Log10(n)))
	return strconv.FormatFloat(math.Round(n*scale)/scale, 'f', -1, 64)
}

// percent writes a probability that was simulated: no more digits than it has.
func percent(p float64) string {
	switch {
	case p <= 0:
		return "0 %"
	case p < .01:
		return "< 1 %"
	case p > .99 && p < 1:
		return "> 99 %"
	}
	return strconv.FormatFloat(math.Round(p*100), 'f', -1, 64) + " %"
}

// perTime writes a rate in the unit that gives it a readable size, so exactly that a
// reader who multiplies it gets what is said beside it.
func perTime(perMinute float64) string {
	rate, unit := perMinute*1440, "/d"
	switch {
	case perMinute >= 60:
		rate, unit = perMinute/60, "/s"
	case perMinute >= 1:
		rate, unit = perMinute, "/min"
	case perMinute >= 1./60:
		rate, unit = perMinute*60, "/h"
	}
	switch {
	case rate >= 100:
		return strconv.FormatFloat(math.Round(rate), 'f', -1, 64) + unit
	case rate < .01:
		return "< 0.01" + unit
	}
	return figures(rate, 3) + unit
}

// shown writes a bound or a true rate as the plan's author would: the good share
// where the signal is one, and what is counted where it is derived.
func (l *Line) shown(rate float64) string {
	switch {
	case l.signal.Kind == rules.Percentile:
		return rules.Percent.Short(rate) + " beyond " + l.unit.Short(l.rule.When.Threshold)
	case l.signal.Kind != rules.Ratio:
		return l.unit.Short(rate)
	case l.signal.Of >= 0:
		return l.unit.Short(rate) + " above " + rules.Seconds.Short(l.signal.Above)
	case l.signal.Good:
		return l.unit.Short(1 - rate)
	}
	return l.unit.Short(rate)
}

// claim is what a success rule says, as it is written.
func (l *Line) claim() string { return l.rule.ShownWhen.String() }

// String says in one line what can be expected.
func (l Line) String() string {
	switch {
	case l.Blind == "traffic":
		return "blind: the phase gets no traffic"
	case l.Blind == "min_samples":
		return fmt.Sprintf("blind: seldom has its %s samples", number(l.rule.MinSamples))
	case l.Blind == "coverage" && l.Kind == rules.Success && l.Method == rules.Sequential: // it can still fail
		return fmt.Sprintf("cannot pass: too many periods are empty for coverage %s", rules.Percent.Short(l.rule.Coverage))
	case l.Blind == "coverage":
		return fmt.Sprintf("blind: too many periods are empty for coverage %s", rules.Percent.Short(l.rule.Coverage))
	case l.Pass != nil:
		return l.Pass.words(&l)
	case l.Single != nil:
		text := "one look: a release at " + l.shown(l.Single.Healthy) + " fails in " + percent(l.Single.Fails)
		if l.patchy() {
			text += "; it passes only " + l.ifCovered()
		}
		return text
	case len(l.Detect) > 0:
		return l.finds()
	}
	return "nothing to forecast"
}

// words says what a rule can prove, and when.
func (p *Pass) words(l *Line) string {
	var parts []string
	if p.Weak != nil {
		parts = append(parts, "excludes "+l.shown(p.Weak.Bound)+" "+p.Weak.when())
	}
	parts = append(parts, "proves "+l.claim()+" "+p.Strong.when())
	end := "passes in its window"
	switch n := p.Needed(); {
	case n.AtBest == Never:
		end = "cannot pass"
	case n.By == Never:
		end = "seldom passes"
	case n.By == InExtension:
		end = "passes late"
	}
	if l.patchy() {
		end += ", " + l.ifCovered()
	}
	if l.rule.Gate != rules.Required {
		end += ", which it need not (" + l.rule.Gate.String() + ")"
	}
	if l.clumps() {
		end += "; failures in groups (retries) would need cluster"
	}
	return strings.Join(parts, ", ") + ": " + end
}

// measured is how many bad ones it takes to see whether they come in groups.
const measured = 10

// clumps reports whether a rule takes bad ones as independent because nothing says
// otherwise: the plan is silent on it, and a release at the limit has too few of them
// in the window to show it.
func (l *Line) clumps() bool {
	return l.signal.Kind == rules.Ratio && l.signal.Cluster == 0 && l.rule.Limit*l.Samples < measured
}

// ifCovered says on what a rule's phase depends where many periods are empty.
func (l *Line) ifCovered() string {
	return fmt.Sprintf("if its coverage of %s is met (%s)", rules.Percent.Short(l.rule.Coverage), percent(l.Gaps.Covered))
}

func (p *Proof) when() string {
	if p.Minutes <= 0 {
		return "never"
	}
	return "in " + span(p.Minutes)
}

// finds says which faults a rollback rule finds, and when.
func (l *Line) finds() string {
	var parts []string
	for _, d := range l.Detect {
		text := l.shown(d.Rate) + " in " + span(d.Minutes)
		if d.Minutes <= 0 {
			text = l.shown(d.Rate) + " late or never"
		}
		if d.Power != nil {
			text += " (" + percent(*d.Power) + ")"
		}
		parts = append(parts, text)
	}
	text := "finds " + strings.Join(parts, ", ")
	if l.False != nil {
		text += "; false alarms at " + l.shown(l.False.Healthy) + ": " + percent(l.False.Window)
	}
	if l.Beside != nil {
		text += l.Beside.words(l)
	}
	if l.patchy() {
		text += "; its phase passes only " + l.ifCovered()
	}
	return text
}

// words says what a baseline changes, if it does.
func (b *Beside) words(l *Line) string {
	switch {
	case b.PerMinute <= 0:
		return "; nothing is left beside it: its limit alone decides"
	case b.Thin && b.Minutes == 0:
		return fmt.Sprintf("; its baseline has %s and confirms %s late or never (%s)", perTime(b.PerMinute), l.shown(b.Rate), percent(b.Power))
	case b.Shared > plain && !b.Thin:
		return fmt.Sprintf("; its baseline has %s and is often silent: then its limit alone decides", perTime(b.PerMinute))
	case b.Rate > 0 && b.Minutes == 0:
		return fmt.Sprintf("; %s is too near to a baseline at %s to be confirmed (%s)", l.shown(b.Rate), l.shown(b.Healthy), percent(b.Power))
	case b.Thin, b.slow:
		return fmt.Sprintf("; its baseline has %s and confirms %s in %s (%s)", perTime(b.PerMinute), l.shown(b.Rate), span(b.Minutes), percent(b.Power))
	}
	return ""
}
