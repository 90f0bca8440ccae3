package rules

import (
	"slices"
	"sort"
	"time"
)

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// knownSignal reports a name that no signal has, and whether one has it. A derived
// signal has no name that a rule could use.
func (c *compiler) knownSignal(at Checker, name string) bool {
	if i, ok := c.signals[name]; ok && i < len(c.specs) {
		return true
	}
	names := make([]string, 0, len(c.specs))
	for _, s := range c.specs {
		names = append(names, s.Name)
	}
	return at.OneOf("unknown-signal", "signal", name, names)
}

// outOfRange reports whether a length of time is out of its bounds, so that what
// follows from it means nothing.
func (c *compiler) outOfRange() bool {
	return slices.ContainsFunc(c.problems, func(p Problem) bool { return p.ID == "out-of-range" })
}

// mostBuckets is how many periods a signal may keep: ten weeks of minutes.
const mostBuckets = 100_000

func (c *compiler) lintSignals(at Checker) {
	for i, s := range c.specs {
		lintSignal(at.At(s.Name), s, &c.plan.Signals[i], c.kinds, c.spec.Bare)
		if keep := c.plan.Signals[i].Keep; keep > mostBuckets && !c.outOfRange() {
			at.At(s.Name, "period").Fail("too-many-periods", "make the period longer or the windows shorter",
				"the rules look back on %d periods of %v: want at most %d", keep, Duration{c.plan.Signals[i].Period}, mostBuckets)
		}
		if i < c.shared && !c.named[s.Name] {
			at.At(s.Name).Warn("unused-signal", "name it in a rule or leave it out", "no rule judges this signal, and no phase observes it")
		}
	}
}

// CheckSignals reports what is wrong with signals that belong to no plan of
// their own: those that a main file declares for the plans it includes.
func CheckSignals(specs []SignalSpec, kinds ...SourceKind) Problems {
	var found Problems
	for _, s := range specs {
		sig := compileSignal(s)
		lintSignal(Check("", &found).At("signals", s.Name), s, &sig, kinds, false)
	}
	return found
}

func lintSignal(at Checker, s SignalSpec, sig *Signal, kinds Kinds, bare bool) {
	at.Name(s.Name)
	at.Required("source", s.Source == "" && !bare, `"the name of a source"`)
	at.Required("kind", s.Kind == nil, `"ratio"`)
	at.Span("period", s.Period, time.Second, day)
	at.Span("every", s.Every, time.Second, day)
	at.Span("settle", s.Settle, 0, 7*day)
	if s.Query == nil && !bare {
		at.Fail("missing-query", kinds.offer(s.Name), "the signal has no query")
	}
	if len(s.More) > 0 {
		at.Fail("several-queries", "keep the one of its source", "a signal has one query")
	}
	if s.Kind == nil {
		return
	}
	lintKind(at, s, sig)
	if s.Query != nil {
		s.Query.Lint(at, sig)
	}
	lintWeighed(at, s, sig)
}

// lintKind checks the keys that go with a signal's kind.
func lintKind(at Checker, s SignalSpec, sig *Signal) {
	at.Excess("good", s.Good && sig.Kind != Ratio, "it is for ratios")
	at.Excess("quantile", s.Quant != nil && sig.Kind != Percentile, "it is for percentiles")
	at.Required("quantile", s.Quant == nil && sig.Kind == Percentile, "0.95")
	if s.Quant != nil && (s.Quant.Value <= 0 || s.Quant.Value >= 1) {
		at.At("quantile").Fail("out-of-range", "", "%v: want more than 0 and less than 1", s.Quant.Value)
	}
	if s.Unit == nil {
		return
	}
	if sig.Kind == Ratio && *s.Unit != Percent {
		at.At("unit").Fail("unit-mismatch", `write unit = "%" or leave it out`, "a ratio is in per cent")
	}
	if sig.Kind == Alarm && *s.Unit != Number {
		at.At("unit").Fail("unit-mismatch", "leave it out", "an alarm has no unit")
	}
}
