package rules

import (
	"fmt"
	"slices"
	"time"
)

const (
	mostFalse   = 0.5       // above it, an error is likelier than not
	mostWeight  = 1000      // weights say an order of importance
	mostCluster = 1_000_000 // more samples than that are of no one user
	mostKeeping = 7 * day
)

const onlyEvidence = `it is for evidence = "sequential"`

// lintBudget checks how often the rules that weigh evidence may be wrong.
func (c *compiler) lintBudget(at Checker) {
	r := c.spec.Release
	for _, f := range []struct {
		key  string
		risk *Fraction
	}{{"false_rollback", r.FalseRollback}, {"false_pass", r.FalsePass}} {
		if f.risk != nil && !(f.risk.Value > 0 && f.risk.Value <= mostFalse) {
			at.At(f.key).Fail("out-of-range", `write "1 %" or another risk that you can bear`, "%v: want more than 0 %% and at most 50 %%", f.risk)
		}
	}
}

func (c *compiler) lintSuccess(at Checker, s SuccessSpec) {
	r := &c.plan.Rules[c.success[s.Name]]
	if r.Signal < 0 {
		return // reported
	}
	lintShadow(at, s)
	if r.Method != Sequential {
		at.Excess("ride_out", s.RideOut != nil, onlyEvidence)
		at.Excess("trigger", s.Trigger != nil, onlyEvidence)
		at.Excess("proof", s.Proof != nil, onlyEvidence)
		return
	}
	c.lintEvidence(at, r, s.RuleSpec, "trigger", s.Trigger)
}

// lintRung checks the keys that say when a rollback rule fires.
func (c *compiler) lintRung(at Checker, s RollbackSpec) {
	r := &c.plan.Rules[c.rollback[s.Name]]
	at.Span("keep_firing_for", s.KeepFiring, 0, mostKeeping)
	c.lintDatapoints(at, s, r)
	c.lintResume(at, s, r)
	if r.Signal < 0 {
		return // reported
	}
	if r.Method != Sequential {
		at.Excess("ride_out", s.RideOut != nil, onlyEvidence)
		at.Excess("limit", s.Limit != nil, onlyEvidence)
		at.Excess("weight", s.Weight != nil, onlyEvidence)
		return
	}
	at.Excess("keep_firing_for", s.KeepFiring != nil, `it is for evidence = "threshold": what has been weighed is not forgotten in a lull`)
	if s.Weight != nil && !(*s.Weight > 0 && *s.Weight <= mostWeight) {
		at.At("weight").Fail("out-of-range", "", "%v: want more than 0 and at most %d; to switch the rule off, leave it out of the phases", *s.Weight, mostWeight)
	}
	c.lintEvidence(at, r, s.RuleSpec, "limit", s.Limit)
}

func (c *compiler) lintDatapoints(at Checker, s RollbackSpec, r *Rule) {
	if s.Datapoints == "" {
		at.Excess("missing", s.Missing != "", "it is for datapoints")
		return
	}
	if s.Missing != "" {
		at.At("missing").OneOf("bad-value", "way to count a missing period", s.Missing, missingModes)
	}
	at = at.At("datapoints")
	for _, other := range []struct {
		key string
		set bool
	}{{"for", s.For != nil}, {"over", s.Over != nil}, {`evidence = "sequential"`, r.Method == Sequential}, {"aggregate", s.Aggregate != nil && *s.Aggregate != Worst && *s.Aggregate != Exceedance}} {
		if other.set {
			at.Fail("conflict", "leave one out", "a rule with datapoints has no %s", other.key)
		}
	}
	d, err := ParseDatapoints(s.Datapoints)
	if err != nil {
		at.Fail("bad-value", "", "%v", err)
		return
	}
	if r.Signal < 0 {
		return
	}
	period, most := c.plan.Signals[r.Signal].Period, day
	if period >= time.Hour {
		most = 7 * day
	}
	if n := most / max(period, time.Second); d.N > int(n) {
		at.Fail("out-of-range", fmt.Sprintf("make it at most %d periods", n), "%d periods of %v: want no longer than %v", d.N, Duration{period}, Duration{most})
	}
}

// lintWeighed checks what a signal says for the rules that weigh it.
func lintWeighed(at Checker, s SignalSpec, sig *Signal) {
	at.Span("maturity", s.Maturity, 0, 7*day)
	if s.Cluster != nil && !(*s.Cluster >= 1 && *s.Cluster <= mostCluster) {
		at.At("cluster").Fail("out-of-range", "", "%v: want how many samples carry the information of one, at least 1 and at most %d", *s.Cluster, mostCluster)
	}
	if s.Rate != "" {
		if _, err := ParseRate(s.Rate); err != nil {
			at.At("expected_rate").Fail("bad-value", "", "%v", err)
		}
	}
	lintBaseline(at, s, sig)
	lintSeen(at, s, sig)
}

// lintSeen checks a signal whose zeros are to count although it was never seen.
func lintSeen(at Checker, s SignalSpec, sig *Signal) {
	if !s.AssumeSeen {
		return
	}
	at.Excess("assume_seen", sig.Kind != Ratio, "it is for ratios")
	at = at.At("assume_seen")
	switch {
	case sig.Kind != Ratio: // reported
	case s.Query != nil && s.Query.Facts().Zeros == "":
		at.Warn("no-effect", "leave it out", "no missing value of this signal counts as zero")
	default:
		at.Warn("assumed-seen", "leave it out once the name was seen with a value", "a misspelled name passes as a service that never fails")
	}
}

// lintIdle warns of keys that only rules that weigh evidence read, where none
// does. An expected rate is good for other rules too. It waits until the rest is in order: it may only follow from a mistake.
func (c *compiler) lintIdle(top Checker) {
	if c.problems.Errors() > 0 {
		return
	}
	weighed, fires := map[string]bool{}, false
	for _, r := range c.plan.Rules {
		if r.Method == Sequential {
			weighed[c.plan.Signals[r.ShownSignal].Name] = true
			fires = fires || r.Kind == RollbackRule && !r.Shadow
		}
	}
	r, at := c.spec.Release, top.At("release")
	idle(at, "evidence", value(r.Evidence) == Sequential && len(weighed) == 0, "no rule judges a signal that has counts to weigh")
	idle(at, "false_rollback", r.FalseRollback != nil && !fires, "no rollback rule weighs evidence")
	idle(at, "ride_out", r.RideOut != nil && len(weighed) == 0, "no rule weighs evidence")
	idle(at, "false_pass", r.FalsePass != nil && len(weighed) == 0, "no rule weighs evidence")
	for _, s := range c.spec.Signals {
		if !c.named[s.Name] || weighed[s.Name] {
			continue
		}
		at := top.At("signals", s.Name)
		observed := slices.ContainsFunc(c.spec.Phases, func(p PhaseSpec) bool { return p.Observe == s.Name })
		for _, k := range []struct {
			key string
			set bool
		}{{"baseline", s.Baseline != nil && !observed}, {"maturity", s.Maturity != nil}, {"cluster", s.Cluster != nil}} {
			idle(at, k.key, k.set, `no rule with evidence = "sequential" judges this signal`)
		}
	}
}

func idle(at Checker, key string, set bool, why string) {
	if set {
		at.At(key).Warn("no-effect", "leave it out", "%s", why)
	}
}

// lintDecided reports a phase that no rule has to pass for, and one whose rules
// all may go without data: what is not known is never a pass.
func (c *compiler) lintDecided(at Checker, s PhaseSpec, p *Phase) {
	required, strict := 0, 0
	for _, i := range p.Success {
		if r := &c.plan.Rules[i]; r.Gate == Required && !r.Shadow {
			required++
			if r.OnNoData != PolicyIgnore && r.OnError != PolicyIgnore {
				strict++
			}
		}
	}
	switch {
	case len(p.Success) == 0 || len(p.Success) < len(s.Success): // reported
	case required == 0:
		at.Fail("nothing-required", `give one rule gate = "required"`, "no rule has to pass, so the phase could pass on nothing")
	case strict == 0:
		at.Fail("all-ignored", "let one rule hold on missing data", "every rule ignores missing data, so the phase could pass on nothing")
	}
}
