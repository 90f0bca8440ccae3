package rules

import "strings"

// baselines adds the signals that measure what runs beside the release, where a
// rule that weighs evidence can use them or a phase tells its share by them. They come after all others, named
// "NAME@VALUE", and are asked as the release's own signal is, but for what tells
// the two apart.
func (c *compiler) baselines() {
	for _, p := range c.spec.Phases {
		if i, ok := c.signals[p.Observe]; ok && i < len(c.specs) && c.specs[i].Baseline != nil {
			c.plan.Signals[i].Baseline = c.baseline(i)
		}
	}
	for _, r := range c.plan.Rules {
		if r.Method != Sequential || c.specs[r.ShownSignal].Baseline == nil {
			continue
		}
		shown := c.baseline(r.ShownSignal)
		c.plan.Signals[r.ShownSignal].Baseline = shown
		if own := c.plan.Signals[r.Signal]; own.Of >= 0 {
			b := c.exceedance(shown, Condition{Threshold: own.Above})
			c.plan.Signals[b].BaselineOf = own.Name
			c.plan.Signals[r.Signal].Baseline = b
		}
	}
}

// baseline is the index of a declared signal's baseline. Its name has the value
// that tells it apart, unless only a run knows that: names do not change when a
// run begins.
func (c *compiler) baseline(of int) int {
	b, spec := c.plan.Signals[of], c.specs[of]
	beside := spec.Baseline.Value
	if len(placeholderNames(beside)) > 0 {
		beside = "baseline"
	}
	b.Name, b.BaselineOf, b.Baseline = spec.Name+"@"+beside, spec.Name, 0
	if i, ok := c.signals[b.Name]; ok {
		return i
	}
	b.Query = b.Query.beside(*spec.Baseline)
	c.signals[b.Name] = len(c.plan.Signals)
	c.plan.Signals = append(c.plan.Signals, b)
	return c.signals[b.Name]
}

// mostOfAValue is how long a baseline's value may be: Sentry's releases are no
// longer, and CloudWatch's dimensions hold more.
const mostOfAValue = 250

// lintBaseline checks what a signal says of its baseline.
func lintBaseline(at Checker, s SignalSpec, sig *Signal) {
	b := s.Baseline
	if b == nil {
		return
	}
	at = at.At("baseline")
	at.Required("dimension", b.Dimension == "", `"`+orName(sig.Query.Facts().Dimension, "version")+`"`)
	at.Required("value", b.Value == "", `"the version before"`)
	lintBaselineValue(at.At("value"), b.Value)
	if sig.Kind != Ratio && sig.Kind != Percentile {
		at.Fail("bad-baseline", "leave it out", "only ratios and percentiles can have a baseline, not a %s", sig.Kind)
		return
	}
	if b.Dimension == "" || b.Value == "" {
		return
	}
	switch ask := s.Query.(type) {
	case nil:
	case BesideQuery:
		lintDimension(at, *b, ask.Apart())
	default:
		at.Fail("bad-baseline", "leave it out", "this source cannot measure what runs beside the release")
	}
}

// lintBaselineValue checks a baseline's value, as the plan file has it and again as a run
// fills it in.
func lintBaselineValue(at Checker, value string) {
	if len(value) > mostOfAValue || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		at.Fail("bad-value", "", "want at most %d characters in one line", mostOfAValue)
	}
}

// lintDimension reports a baseline that does not differ from the release in one
// of the dimensions that its query has.
func lintDimension(at Checker, b BaselineSpec, dimensions map[string]string) {
	known := sortedKeys(dimensions)
	if !at.At("dimension").OneOf("bad-baseline", "dimension of this query", b.Dimension, known) {
		return
	}
	if dimensions[b.Dimension] == b.Value {
		at.At("value").Fail("bad-baseline", "write the value of what runs beside the release", "%q is the release's own %s", b.Value, b.Dimension)
	}
}
