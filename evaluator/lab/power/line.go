package power

import (
	"time"

	"github.com/relgate/relgate/rules"
)

// Line is what can be expected of one rule in one phase.
type Line struct {
	Phase  string         `json:"phase"`
	Rule   string         `json:"rule"`
	Kind   rules.RuleKind `json:"kind"`
	Method rules.Method   `json:"evidence"`
	Signal string         `json:"signal"`

	PerMinute float64 `json:"samples_per_minute"` // that the phase has
	Samples   float64 `json:"samples"`            // in the phase's window

	Pass   *Pass       `json:"pass,omitempty"`        // of a success rule that weighs evidence
	Single *Single     `json:"single,omitempty"`      // of a success rule that compares with its threshold
	Detect []Detection `json:"detect,omitempty"`      // of a rollback rule, from a trigger-level fault to a worse one
	False  *Chance     `json:"false_alarm,omitempty"` // of a rollback rule that compares with its threshold
	Beside *Beside     `json:"beside,omitempty"`      // of a rollback rule whose signal has a baseline
	Gaps   *Gaps       `json:"gaps,omitempty"`        // of a rollback rule whose signal has periods without any samples

	// Blind says why the rule cannot judge in this phase at all; empty when it can.
	Blind string `json:"blind,omitempty"`

	unit    rules.Unit
	signal  *rules.Signal
	rule    *rules.Rule
	phase   *rules.Phase
	traffic traffic
}

// When says by when a rule can pass.
type When string

// A rule passes within the phase's window, within what the phase waits beyond it
// (extend), or not at all.
const (
	InWindow    When = "window"
	InExtension When = "extension"
	Never       When = "never"
)

// Pass is what it takes a rule that weighs evidence to pass.
type Pass struct {
	Healthy float64     `json:"healthy"`        // true value that a healthy release is taken to have: for shares a tenth of the limit
	Needs   rules.Proof `json:"needs"`          // what this phase asks for, weak or strong
	Weak    *Proof      `json:"weak,omitempty"` // to exclude the trigger; nil where the plan has none on this signal
	Strong  Proof       `json:"strong"`         // to prove the limit
}

// Needed is the proof that the phase asks for.
func (p *Pass) Needed() *Proof {
	if p.Needs == rules.ProofWeak && p.Weak != nil {
		return p.Weak
	}
	return &p.Strong
}

// Proof is what it takes to exclude a bound. A number is zero where no practical
// number does.
type Proof struct {
	Bound   float64 `json:"bound"`             // the value that is excluded
	Clean   float64 `json:"clean,omitempty"`   // samples needed when none is bad
	Typical float64 `json:"typical,omitempty"` // samples within which half of the healthy releases pass
	Most    float64 `json:"most,omitempty"`    // and 95 % of them
	Minutes float64 `json:"minutes,omitempty"` // from the phase's start to Typical, what ripens included
	By      When    `json:"by"`                // when Typical is there
	AtBest  When    `json:"at_best"`           // when Clean is there
}

// Single is a success rule that is judged once, by its threshold.
type Single struct {
	Healthy float64 `json:"healthy"` // true value that a healthy release is taken to have: half of the limit
	Fails   float64 `json:"fails"`   // how likely it fails nevertheless
	Thin    float64 `json:"thin"`    // how likely there are too few samples
}

// Detection is how a rollback rule finds a fault that is there from the phase's
// start.
type Detection struct {
	Rate    float64  `json:"rate"`              // true value under the fault
	Power   *float64 `json:"power,omitempty"`   // how likely the rule fires in the phase's window; nil where it was not computed
	Minutes float64  `json:"minutes,omitempty"` // median until it fires; zero where that is beyond what was looked at
}

// Chance is how likely something happens on a healthy release in the window.
type Chance struct {
	Healthy float64 `json:"healthy"`   // true value: half of the limit
	Each    float64 `json:"each"`      // for each value that is judged
	Window  float64 `json:"in_window"` // in the phase's window at least once
}

// Forecast says what can be expected of every rule that a phase names, phase by
// phase, success rules first. Rules whose signal has no expected rate, and kinds of
// signals of which nothing can be said, are left out.
func Forecast(plan *rules.Plan) []Line {
	f := forecaster{plan: plan, passes: map[passKey]Proof{}, courses: map[courseKey]Detection{}}
	var lines []Line
	for k := range plan.Phases {
		p := &plan.Phases[k]
		for _, i := range p.Success {
			if l, ok := f.line(k, i); ok {
				if l.Blind == "" {
					f.success(&l, k)
				}
				lines = append(lines, l)
			}
		}
		for _, i := range p.Rollback {
			if l, ok := f.line(k, i); ok {
				if l.Blind == "" {
					f.sparse(&l)
				}
				if l.Blind == "" {
					f.rollback(&l, k, i)
				}
				lines = append(lines, l)
			}
		}
	}
	return lines
}

// forecaster is one run of Forecast. What it has computed serves again where
// phases are alike.
type forecaster struct {
	plan    *rules.Plan
	passes  map[passKey]Proof
	courses map[courseKey]Detection
}

// line begins the line of a rule in a phase.
func (f *forecaster) line(k, i int) (Line, bool) {
	r, p := &f.plan.Rules[i], &f.plan.Phases[k]
	sig := &f.plan.Signals[r.Signal]
	t, ok := trafficOf(f.plan, p, r)
	if !ok || sig.Kind == rules.Alarm || sig.Kind == rules.Percentile && r.Kind == rules.RollbackRule && r.Aggregate != rules.Worst {
		return Line{}, false
	}
	blind := ""
	if t.rate <= 0 {
		blind = "traffic"
	}
	return Line{
		Blind: blind, Phase: p.Name, Rule: r.Name, Kind: r.Kind, Method: r.Method, Signal: f.plan.Signals[r.ShownSignal].Name,
		PerMinute: t.in(time.Minute), Samples: t.in(t.window),
		unit: sig.Unit, signal: sig, rule: r, phase: p, traffic: t,
	}, true
}
