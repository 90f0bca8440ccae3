package evaluator

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

func minutes(t *rapid.T, label string, from, to int) time.Duration {
	return time.Duration(rapid.IntRange(from, to).Draw(t, label)) * time.Minute
}

func genSignal(t *rapid.T, i int) rules.Signal {
	s := rules.Signal{
		Name: fmt.Sprintf("s%d", i), Source: "src", Of: -1,
		Kind:   rapid.SampledFrom([]rules.Kind{rules.Ratio, rules.Ratio, rules.Mean, rules.Gauge, rules.Percentile, rules.Alarm}).Draw(t, "kind"),
		Unit:   rapid.SampledFrom([]rules.Unit{rules.Number, rules.Percent, rules.Seconds}).Draw(t, "unit"),
		Period: minutes(t, "period", 1, 3),
		Settle: minutes(t, "settle", 0, 4),
		Keep:   200,
	}
	s.Every = s.Period * time.Duration(rapid.IntRange(1, 2).Draw(t, "every"))
	s.Good = s.Kind == rules.Ratio && rapid.Bool().Draw(t, "good")
	return s
}

func genRule(t *rapid.T, i int, kind rules.RuleKind, plan *rules.Plan) rules.Rule {
	policy := rapid.SampledFrom([]rules.Policy{rules.PolicyHold, rules.PolicyHold, rules.PolicyHold, rules.PolicyFail, rules.PolicyRollback, rules.PolicyIgnore})
	r := rules.Rule{
		Name: fmt.Sprintf("r%d", i), Title: "rule", Kind: kind, Alarm: -1,
		Signal:     rapid.IntRange(0, len(plan.Signals)-1).Draw(t, "signal"),
		Coverage:   rapid.SampledFrom([]float64{.5, .8, 1}).Draw(t, "coverage"),
		MinSamples: rapid.SampledFrom([]float64{0, 0, 10}).Draw(t, "min"),
		OnNoData:   policy.Draw(t, "nodata"), OnError: policy.Draw(t, "onerror"),
		Grace: minutes(t, "grace", 0, 5),
	}
	r.ShownSignal = r.Signal
	r.Aggregate = rapid.SampledFrom([]rules.Aggregate{rules.Pooled, rules.Worst, rules.Share, rules.Average, rules.Last}).Draw(t, "aggregate")
	r.MinShare = .5
	ops := []rules.Op{rules.Less, rules.LessOrEqual}
	if kind == rules.RollbackRule {
		ops = []rules.Op{rules.Greater, rules.GreaterOrEqual}
		r.For = minutes(t, "for", 0, 6)
	}
	if rapid.IntRange(0, 9).Draw(t, "odd") == 0 && plan.Signals[r.Signal].Kind != rules.Alarm { // a rule on an alarm that is turned around is an error
		ops = []rules.Op{rules.Less, rules.Greater, rules.Equal, rules.NotEqual}
	}
	r.When = rules.Condition{Op: rapid.SampledFrom(ops).Draw(t, "op"), Threshold: .5}
	if rapid.IntRange(0, 2).Draw(t, "hasover") == 0 {
		r.Over = minutes(t, "over", 1, 8)
	}
	if kind == rules.RollbackRule && rapid.IntRange(0, 2).Draw(t, "counts") == 0 {
		r.For, r.Over, r.Datapoints = 0, 0, genDatapoints(t)
		if r.Aggregate == rules.Share {
			r.Aggregate = rules.Worst
		}
	}
	if kind == rules.RollbackRule && rapid.IntRange(0, 3).Draw(t, "lingers") == 0 {
		r.KeepFiring = minutes(t, "keep firing", 1, 6)
	}
	if rapid.IntRange(0, 1).Draw(t, "weighs") == 0 {
		genWeighing(t, &r, &plan.Signals[r.Signal])
	}
	for i := range plan.Signals {
		if plan.Signals[i].Kind == rules.Alarm && rapid.Bool().Draw(t, "companion") {
			r.Alarm = i
		}
	}
	return r
}

// genWeighing makes a rule weigh evidence, if its signal has counts.
func genWeighing(t *rapid.T, r *rules.Rule, sig *rules.Signal) {
	switch sig.Kind {
	case rules.Ratio, rules.Gauge:
		r.Limit, r.Trigger = .2, rapid.SampledFrom([]float64{.2, .5}).Draw(t, "trigger")
	case rules.Mean:
		r.Limit, r.Trigger = 4, 4
	default:
		return
	}
	r.Method, r.Alpha, r.Over = rules.Sequential, .01, 0
	r.Proof = rapid.SampledFrom([]rules.Proof{rules.ProofByTraffic, rules.ProofWeak, rules.ProofStrong}).Draw(t, "proof")
	if r.Kind == rules.Success {
		r.Gate = rapid.SampledFrom([]rules.Gate{rules.Required, rules.Required, rules.Veto, rules.Advisory}).Draw(t, "gate")
	}
}

func genPlan(t *rapid.T) *rules.Plan {
	p := &rules.Plan{Name: "P", Start: T, Interval: 30 * time.Second, FalseRollback: .01, FalsePass: .05}
	signals := rapid.IntRange(1, 3).Draw(t, "signals")
	for i := range signals {
		p.Signals = append(p.Signals, genSignal(t, i))
	}
	if first := &p.Signals[0]; first.Kind == rules.Ratio && signals > 1 && p.Signals[1].Kind == rules.Ratio && rapid.Bool().Draw(t, "beside") {
		first.Baseline, p.Signals[1].BaselineOf = 1, first.Name
		p.Signals[1].Period = first.Period
		p.Signals[1].Every = first.Every
	}
	success := rapid.IntRange(1, 3).Draw(t, "success")
	for i := range success + rapid.IntRange(0, 3).Draw(t, "rollback") {
		kind := rules.Success
		if i >= success {
			kind = rules.RollbackRule
		}
		p.Rules = append(p.Rules, genRule(t, i, kind, p))
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "phases") {
		ph := rules.Phase{
			Name: fmt.Sprintf("p%d", i), Start: minutes(t, "start", 12*i, 12*i+10), Window: minutes(t, "window", 4, 15),
			Extend:  minutes(t, "extend", 0, 10),
			Advance: rapid.SampledFrom([]rules.Advance{rules.Scheduled, rules.Scheduled, rules.Signalled, rules.OnPass}).Draw(t, "advance"),
		}
		for r := range p.Rules {
			if rapid.IntRange(0, 2).Draw(t, "names") == 0 && len(ph.Success)+len(ph.Rollback) > 0 {
				continue
			}
			if p.Rules[r].Kind == rules.Success {
				ph.Success = append(ph.Success, r)
			} else {
				ph.Rollback = append(ph.Rollback, r)
			}
		}
		p.Phases = append(p.Phases, ph)
	}
	if rapid.IntRange(0, 2).Draw(t, "observes") == 0 {
		for k := range p.Phases {
			genObserved(t, p, &p.Phases[k])
		}
	}
	p.Communications = []rules.Communication{{Name: "m", At: minutes(t, "message", -90, 30), Channel: "c", Text: "x"}}
	if rapid.IntRange(0, 3).Draw(t, "people") == 0 {
		genPeople(t, p)
	}
	return p
}

// genObserved has the share of a phase told by a signal, which may be of a kind that tells
// none; and may have the phase begin by it.
func genObserved(t *rapid.T, p *rules.Plan, ph *rules.Phase) {
	ph.Observe = p.Signals[rapid.IntRange(0, len(p.Signals)-1).Draw(t, "observed")].Name
	ph.Traffic = rapid.SampledFrom([]float64{.1, .5, .9, 1}).Draw(t, "planned")
	ph.MismatchFor = minutes(t, "mismatch", 1, 6)
	ph.OnMismatch = rapid.SampledFrom([]rules.OnMismatch{rules.Tell, rules.HoldOnIt}).Draw(t, "on mismatch")
	if rapid.Bool().Draw(t, "begins by it") {
		ph.Advance = rules.Observed
	}
}

// checkUntil draws until what a law is about has happened: else it would prove
// nothing. It gives up after a few hundred draws.
func checkUntil(t *testing.T, happened func() bool, law func(*rapid.T)) {
	t.Helper()
	for range 5 {
		rapid.Check(t, law)
		if happened() || t.Failed() {
			return
		}
	}
	t.Error("it never happened: the test proves nothing")
}

// truth is what really happens to the signals of a generated run.
type truth struct {
	bad     [4]bool // a signal is bad all along, mostly good otherwise
	missing int     // one in so many periods is missing; zero for none
	wild    bool    // readings hold absurd points, faults, early and late watermarks
}

func genTruth(t *rapid.T) truth {
	w := truth{
		missing: rapid.SampledFrom([]int{0, 0, 0, 4, 10}).Draw(t, "missing"),
		wild:    rapid.Bool().Draw(t, "wild"),
	}
	for i := range w.bad {
		w.bad[i] = rapid.IntRange(0, 3).Draw(t, "bad") == 0
	}
	return w
}

func genPoint(t *rapid.T, w *truth, sig *rules.Signal, signal int, at int64) rules.Point {
	p := rules.Point{At: at, Samples: 100}
	high := w.bad[signal] != (rapid.IntRange(0, 19).Draw(t, "flip") == 0)
	switch {
	case sig.Kind == rules.Alarm && high:
		p.Value = 1
	case sig.Kind == rules.Alarm:
	case sig.Kind == rules.Ratio && high != sig.Good, sig.Kind == rules.Mean && high:
		p.Value = 90
	case sig.Kind == rules.Ratio, sig.Kind == rules.Mean:
		p.Value = 10
	case high:
		p.Value = .9
	default:
		p.Value = .1
	}
	if !w.wild {
		return p
	}
	odd := rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), -1, 1e9, 0}).Draw(t, "oddity")
	switch rapid.IntRange(0, 30).Draw(t, "absurd") {
	case 0:
		p.Value = odd
	case 1:
		p.Samples = odd
	case 2:
		p.At += int64(rapid.IntRange(-100, 10_000).Draw(t, "shift"))
	}
	return p
}

func genReading(t *rapid.T, w *truth, plan *rules.Plan, q fact.Want, now int64) (rules.Reading, bool) {
	sig := &plan.Signals[q.Signal]
	period := series.Secs(sig.Period)
	rd := rules.Reading{Signal: q.Signal, From: q.From, To: q.To, SettledUntil: series.AlignDown(now-series.Secs(sig.Settle), period)}
	for at := series.AlignDown(q.From, period); at < q.To; at += period {
		if w.missing > 0 && rapid.IntRange(1, w.missing).Draw(t, "gap") == 1 {
			continue
		}
		p := genPoint(t, w, sig, q.Signal, at)
		rd.Points = append(rd.Points, p)
		if sig.Kind == rules.Gauge || sig.Kind == rules.Mean {
			rd.Parts = append(rd.Parts, genParts(sig, p))
		}
	}
	if !w.wild {
		return rd, true
	}
	switch rapid.IntRange(0, 12).Draw(t, "mishap") {
	case 0:
		return rd, false
	case 1:
		rd.Fault = rapid.SampledFrom(rules.Faults()[1:]).Draw(t, "fault")
		rd.Detail = "as drawn"
		rd.RetryAt = now + int64(rapid.IntRange(0, 200).Draw(t, "retry"))
	case 2:
		rd.Points, rd.Fault = nil, rules.NoData
	case 3:
		rd.SettledUntil += int64(rapid.IntRange(-1000, 1000).Draw(t, "watermark"))
	case 4:
		for i := range rd.Points {
			j := rapid.IntRange(0, i).Draw(t, "shuffle")
			rd.Points[i], rd.Points[j] = rd.Points[j], rd.Points[i]
		}
	case 5:
		rd.Note = "noted"
	}
	return rd, true
}

// genParts gives the groups of a period: two groups that far apart, or stars.
func genParts(sig *rules.Signal, p rules.Point) rules.Parts {
	if sig.Kind == rules.Gauge {
		return rules.Parts{At: p.At, Groups: []rules.Group{{Name: "a", Value: 10, Samples: 1000}, {Name: "b", Value: 10 + 900*p.Value, Samples: 1000}}}
	}
	parts := rules.Parts{At: p.At}
	for s := range 5 {
		n := float64(s * 2)
		if p.Value > 50 {
			n = float64(10 - 2*s)
		}
		parts.Groups = append(parts.Groups, rules.Group{Name: string(rune('1' + s)), Value: n, Samples: n})
	}
	return parts
}

func genCommand(t *rapid.T, plan *rules.Plan) fact.Command {
	c := fact.Command{
		ID:      rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "id"),
		Kind:    rapid.SampledFrom([]fact.CommandKind{fact.StartPhase, fact.StartPhase, fact.StartPhase, fact.Hold, fact.Resume, fact.Resume, fact.Override, fact.Override, fact.Abort, fact.RollbackDone, fact.Supersede, "dance"}).Draw(t, "command"),
		Verdict: rapid.SampledFrom([]rules.Verdict{rules.Pass, rules.Fail, rules.Unknown}).Draw(t, "verdict"),
		By:      rapid.SampledFrom([]string{"ann", "ann", "ann", ""}).Draw(t, "by"),
		Why:     rapid.SampledFrom([]string{"because", "because", "because", " "}).Draw(t, "why"),
	}
	if rapid.IntRange(0, 4).Draw(t, "another run") == 0 {
		c.Next, c.Blocked, c.Principal = "P@2", "P@2", "token"
	}
	c.PersonsHold = rapid.Bool().Draw(t, "a person's hold only")
	c.EvidenceHold = rapid.Bool().Draw(t, "a hold of evidence only")
	if i := rapid.IntRange(0, len(plan.Phases)+1).Draw(t, "which"); i < len(plan.Phases) {
		c.Phase = plan.Phases[i].Name
	} else if i > len(plan.Phases) {
		c.Phase = "nowhere"
	}
	return c
}

// drawnRun is a run of generated ticks.
type drawnRun struct {
	plan  *rules.Plan
	truth truth
	state *State
	now   time.Time
	told  []string // ids of the events that went to a sink
}

// sent notes an event that went to a sink.
func (r *drawnRun) sent(e *fact.Event) {
	if len(e.Tell) > 0 {
		r.told = append(r.told, e.ID)
	}
}

func newDrawnRun(t *rapid.T) *drawnRun {
	p := genPlan(t)
	return &drawnRun{plan: p, truth: genTruth(t), state: Begin(p), now: T.Add(-3 * time.Minute)}
}

// next draws the next tick: mostly every half minute, sometimes after a gap,
// rarely back in time.
func (r *drawnRun) next(t *rapid.T, commands bool) fact.Tick {
	switch rapid.IntRange(0, 40).Draw(t, "step") {
	case 0:
		r.now = r.now.Add(minutes(t, "gap", 1, 12))
	case 1:
		r.now = r.now.Add(-time.Minute)
	default:
		r.now = r.now.Add(time.Duration(rapid.SampledFrom([]int{30, 30, 60}).Draw(t, "seconds")) * time.Second)
	}
	tick := fact.Tick{At: r.now}
	if r.state.judging == 0 {
		tick.Past = genPast(t)
		if rapid.Bool().Draw(t, "begins") {
			tick.Begin = &fact.Begun{By: "ann", Why: "a release", Supersedes: rapid.SampledFrom([]string{"", "P@0"}).Draw(t, "supersedes")}
		}
	} else if rapid.IntRange(0, 30).Draw(t, "edit") == 0 {
		tick.Edit = &fact.Edit{From: "0123456789abcdef", To: "fedcba9876543210", Changes: []rules.Change{{Path: "title", From: "a", To: "b"}}}
	}
	for _, q := range Wants(r.plan, r.state, r.now) {
		if rd, ok := genReading(t, &r.truth, r.plan, q, r.now.Unix()); ok {
			tick.Readings = append(tick.Readings, rd)
		}
	}
	if commands && rapid.IntRange(0, 12).Draw(t, "commands") == 0 {
		tick.Commands = append(tick.Commands, genCommand(t, r.plan))
	}
	for commands && len(r.plan.Roles) > 0 && rapid.IntRange(0, 2).Draw(t, "deeds") == 0 {
		tick.Commands = append(tick.Commands, genDeed(t, r.plan))
	}
	if len(r.plan.Roles) > 0 && rapid.IntRange(0, 8).Draw(t, "results") == 0 {
		tick.Results = append(tick.Results, genResult(t, r.told))
	}
	return tick
}
