package rules

import (
	"math"
	"time"
)

const (
	defaultInterval = 30 * time.Second
	defaultExtend   = time.Hour
	defaultCoverage = 0.8
)

// Compile checks a Spec and turns it into a Plan. It reports everything that it
// finds, with key paths; the plan is nil if one of the problems is an error.
//
// Signals, rules and phases keep the order of the Spec, and success rules come
// before rollback rules. A rule that counts a percentile's exceedances is judged
// on a derived signal, which comes after the declared ones and is shared by all
// rules with that threshold. Baselines come last. Placeholders stay as they are:
// [Plan.Bound] replaces them. The kinds are those that a signal may be asked of.
func Compile(spec Spec, kinds ...SourceKind) (*Plan, Problems) {
	c := &compiler{spec: spec, kinds: kinds, signals: map[string]int{}, success: map[string]int{}, rollback: map[string]int{}}
	c.release()
	c.declareSignals()
	c.declareRules()
	c.baselines()
	c.weigh()
	c.phases()
	c.remainder()
	c.keep()
	c.lint()
	c.lintTexts()
	if c.problems.Errors() > 0 {
		return nil, c.problems
	}
	return &c.plan, c.problems
}

// compiler is one run of Compile.
type compiler struct {
	spec     Spec
	kinds    Kinds
	plan     Plan
	specs    []SignalSpec    // of plan.Signals as far as they are declared
	shared   int             // index of the first shared signal
	named    map[string]bool // :: signal name → whether a rule names it
	signals  map[string]int  // :: signal name → index in plan.Signals
	success  map[string]int  // :: success rule's name → index in plan.Rules
	rollback map[string]int  // :: rollback rule's name → index in plan.Rules
	problems Problems
}

func (c *compiler) release() {
	r := c.spec.Release
	c.plan.Name, c.plan.Title, c.plan.Version, c.plan.Manager = r.Plan, r.Title, r.Version, r.Manager
	c.plan.Start = r.Start.UTC()
	if r.Version == "" && !r.Start.IsZero() && !c.spec.Bare {
		c.plan.Version = c.plan.Start.Format("20060102T150405Z")
	}
	c.plan.Interval = or(r.Interval, defaultInterval)
	c.parameters()
}

func (c *compiler) parameters() {
	for _, s := range c.spec.Parameters {
		d := Parameter{Name: s.Name, Required: s.Required || s.Default == nil, Pattern: s.Pattern, Description: s.Description}
		if !d.Required {
			d.Default = s.Default.Text
		}
		c.plan.Parameters = append(c.plan.Parameters, d)
	}
	for name, value := range c.spec.Release.Previous {
		if name == "version" {
			c.plan.GivenPrevious.Version = value.Text
			continue
		}
		if c.plan.GivenPrevious.Parameters == nil {
			c.plan.GivenPrevious.Parameters = map[string]string{}
		}
		c.plan.GivenPrevious.Parameters[name] = value.Text
	}
}

// or is an optional duration or its default.
func or(d *Duration, otherwise time.Duration) time.Duration {
	if d == nil {
		return otherwise
	}
	return d.Duration
}

// value is an optional setting or its zero value.
func value[T any](v *T) T {
	if v == nil {
		return *new(T)
	}
	return *v
}

func orName(title, name string) string {
	if title == "" {
		return name
	}
	return title
}

func (c *compiler) declareSignals() {
	c.shared = len(c.spec.Signals)
	c.specs = append(c.specs, c.spec.Signals...)
	c.named = c.namedSignals()
	own := map[string]bool{} // :: name → whether the plan declares that signal itself
	for _, s := range c.spec.Signals {
		own[s.Name] = true
	}
	for _, s := range c.spec.Shared {
		if c.named[s.Name] && !own[s.Name] {
			c.specs = append(c.specs, s)
		}
	}
	c.plan.Signals = make([]Signal, 0, len(c.specs))
	for i, s := range c.specs {
		c.signals[s.Name] = i
		c.plan.Signals = append(c.plan.Signals, compileSignal(s))
	}
}

// namedSignals says which signals the plan's rules and phases name.
func (c *compiler) namedSignals() map[string]bool {
	named := map[string]bool{}
	for _, r := range c.spec.Success {
		named[r.Signal], named[r.Alarm] = true, true
	}
	for _, r := range c.spec.Rollback {
		named[r.Signal], named[r.Alarm] = true, true
	}
	for _, p := range c.spec.Phases {
		named[p.Observe] = true
	}
	return named
}

func compileSignal(s SignalSpec) Signal {
	facts := Query{Ask: s.Query}.Facts()
	sig := Signal{
		Name: s.Name, Source: s.Source, Kind: value(s.Kind), Unit: value(s.Unit), Good: s.Good,
		Quant: value(s.Quant).Value, Of: -1,
		Query: Query{Ask: s.Query},
	}
	if s.Kind != nil && *s.Kind == Ratio {
		sig.Unit = Percent
	}
	sig.Every = or(s.Every, facts.Every)
	sig.Period = or(s.Period, time.Minute)
	if s.Period == nil && facts.Whole {
		sig.Period = sig.Every
	}
	if s.Every == nil && s.Period != nil {
		sig.Every = sig.Period
	}
	sig.Settle = or(s.Settle, facts.Settle)
	sig.AssumeSeen = s.AssumeSeen
	sig.Maturity, sig.Cluster = or(s.Maturity, facts.Maturity), value(s.Cluster)
	sig.Rate, _ = ParseRate(s.Rate)
	if s.Query != nil {
		sig.Query.Ask = s.Query.Implied(&sig)
	}
	return sig
}

func (c *compiler) declareRules() {
	c.plan.Rules = make([]Rule, 0, len(c.spec.Success)+len(c.spec.Rollback))
	for _, s := range c.spec.Success {
		r := c.rule(Success, s.RuleSpec, s.Alarm)
		r.Gate = value(s.Gate)
		c.success[s.Name] = len(c.plan.Rules)
		c.plan.Rules = append(c.plan.Rules, r)
	}
	for _, s := range c.spec.Rollback {
		if s.Datapoints != "" && s.Evidence == nil {
			s.Evidence = new(Method) // it counts periods, whatever the release's other rules do
		}
		r := c.rule(RollbackRule, s.RuleSpec, s.Alarm)
		r.For, r.Action, r.Command, r.Effects = or(s.For, 0), s.Action, s.Command, effects(s.Effects)
		c.plan.WayBack = c.plan.WayBack || len(r.Effects) > 0
		r.KeepFiring, r.Datapoints = or(s.KeepFiring, 0), datapoints(s)
		if r.Signal >= 0 {
			r.ResumeAfter = resumeAfter(s, &c.plan.Signals[r.Signal])
		}
		c.rollback[s.Name] = len(c.plan.Rules)
		c.plan.Rules = append(c.plan.Rules, r)
	}
}

func (c *compiler) rule(kind RuleKind, s RuleSpec, alarm string) Rule {
	r := Rule{
		Name: s.Name, Title: orName(s.Title, s.Name), Kind: kind, Signal: -1, When: s.When.compared(),
		ShownSignal: -1, ShownWhen: s.When.compared(), Over: or(s.Over, 0), Coverage: defaultCoverage,
		MinSamples: value(s.MinSamples), Aggregate: value(s.Aggregate), MinShare: value(s.MinShare).Value,
		Alarm: -1, OnNoData: value(s.OnNoData), OnError: value(s.OnError), Owner: s.Owner, Notify: s.Notify,
		Shadow: value(s.Mode) == Shadow,
	}
	if s.Coverage != nil {
		r.Coverage = s.Coverage.Value
	}
	if i, ok := c.signals[alarm]; ok {
		r.Alarm = i
	}
	i, ok := c.signals[s.Signal]
	if !ok {
		return r
	}
	r.Signal, r.ShownSignal = i, i
	sig := &c.plan.Signals[i]
	r.Grace = or(s.Grace, sig.Settle+3*sig.Period)
	if sig.Kind == Percentile && s.Aggregate == nil {
		r.Aggregate = Exceedance
	}
	if sig.Kind == Percentile && r.Aggregate == Exceedance {
		r.Signal = c.exceedance(i, s.When)
		r.When = exceeds(s.When.Op, sig.Quant)
	}
	r.Method = c.method(s, &c.plan.Signals[r.Signal])
	if sig.Kind == Gauge && r.Aggregate == gaugeDefault(kind, r.Over) {
		r.Aggregate = Pooled // as a plan that leaves it to the default
	}
	if r.Method == Sequential {
		r.Over = 0 // evidence is weighed for as long as there is any
		r.RideOut = c.rideOut(s)
		if s.Coverage == nil {
			r.Coverage = evidenceCoverage
		}
	}
	return r
}

// exceeds says a condition on a quantile as one on the share of samples above
// the threshold: the quantile is above it exactly when more than 1 - quantile of
// the samples are.
func exceeds(op Op, quantile float64) Condition {
	when := Condition{Op: LessOrEqual, Threshold: rest(quantile), Unit: Percent}
	if op == Greater || op == GreaterOrEqual {
		when.Op = Greater
	}
	return when
}

// rest is one minus a quantile, without what subtracting adds: 0.05, not
// 0.050000000000000044.
func rest(quantile float64) float64 { return math.Round((1-quantile)*1e12) / 1e12 }

// exceedance is the index of the derived signal that counts the samples of a
// percentile above a threshold.
func (c *compiler) exceedance(of int, when Condition) int {
	parent := c.plan.Signals[of]
	name := parent.Name + " > " + parent.Unit.Format(when.Threshold)
	if i, ok := c.signals[name]; ok {
		return i
	}
	d := parent
	d.Name, d.Kind, d.Unit, d.Good, d.Quant = name, Ratio, Percent, false, 0
	d.Of, d.Above = of, when.Threshold
	c.signals[name] = len(c.plan.Signals)
	c.plan.Signals = append(c.plan.Signals, d)
	return c.signals[name]
}

func (c *compiler) phases() {
	var end time.Duration // of the phase before
	for _, s := range c.spec.Phases {
		p := Phase{
			Name: s.Name, Title: orName(s.Title, s.Name), Target: s.Target, Traffic: value(s.Traffic).Value,
			Start: end, Window: or(s.Window, 0), Extend: or(s.Extend, defaultExtend), Advance: value(s.Advance), Owner: s.Owner,
			Success: lookUp(s.Success, c.success), Rollback: lookUp(s.Rollback, c.rollback),
		}
		if s.Start != nil {
			p.Start = s.Start.Duration
		}
		c.observed(s, &p)
		end = p.Start + p.Window
		c.plan.Phases = append(c.plan.Phases, p)
	}
	c.completion(end)
}

// completion says when the release should be over: as written, or else at the end
// of the last window.
func (c *compiler) completion(end time.Duration) {
	written := c.spec.Release.Completion
	c.plan.Promised = !written.IsZero()
	if written.Offset != nil {
		end = written.Offset.Duration
	}
	switch {
	case !written.Time.IsZero():
		c.plan.Completion = written.Time.UTC()
	case c.plan.Start.IsZero():
		c.plan.Length = end
	default:
		c.plan.Completion = c.plan.Start.Add(end)
	}
}

func lookUp(names []string, index map[string]int) []int {
	found := []int{}
	for _, n := range names {
		if i, ok := index[n]; ok {
			found = append(found, i)
		}
	}
	return found
}

func (c *compiler) remainder() {
	c.communications()
	c.people()
	c.rehearsal()
	c.review()
}
