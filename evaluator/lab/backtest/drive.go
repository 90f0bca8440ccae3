package backtest

import (
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// lead is how long before its start a release begins to tick: the daemon asks
// for the signals of a phase a little before it begins.
const lead = 3 * 60

// driven is what came of one plan over the history.
type driven struct {
	plan   *rules.Plan
	state  *evaluator.State
	events []fact.Event
	at     int64 // the last tick
	ticks  int
	cut    bool // the range ended before the run was over
}

// drive runs a plan tick by tick, until it is decided, its last deadline has
// passed, or the range ends.
func (r *run) drive(plan *rules.Plan) driven {
	step := max(seconds(plan.Interval), 1)
	start := plan.Start.Unix()
	d := driven{plan: plan, state: evaluator.Begin(plan)}
	limit := start + seconds(Length(plan))
	var readings []rules.Reading
	quiet := int64(0) // before it no tick changes anything
	for at := floor(start-lead, step); ; at += step {
		if !r.everyTick && at < quiet {
			at += (quiet - at + step - 1) / step * step
		}
		if at > r.to {
			d.cut = true
			return d
		}
		if at >= limit {
			s := evaluator.Look(plan, d.state)
			horizon := s.Horizon.Unix() + 2*step
			if s.Over || at > horizon {
				return d
			}
			limit = max(horizon, at+step)
		}
		if r.tick(&d, &readings, at) {
			return d
		}
		quiet = evaluator.Quiet(plan, d.state).Unix()
	}
}

// tick is one tick of a plan: what is due is asked of the history. It reports
// whether the run is over.
func (r *run) tick(d *driven, readings *[]rules.Reading, at int64) bool {
	rd := (*readings)[:0]
	for _, w := range evaluator.Wants(d.plan, d.state, when(at)) {
		if s := r.series[w.Signal]; s != nil && s.None == "" {
			rd = append(rd, s.answer(&d.plan.Signals[w.Signal], w, at))
		}
	}
	var events []fact.Event
	d.state, events = evaluator.Step(d.plan, d.state, fact.Tick{At: when(at), Readings: rd})
	d.events, d.at, d.ticks, *readings = append(d.events, events...), at, d.ticks+1, rd
	return decided(events)
}

// decided reports whether events end a run.
func decided(events []fact.Event) bool {
	for i := range events {
		if e := &events[i]; e.Kind == fact.RunEvent {
			switch e.To {
			case rules.Passed.String(), rules.Failed.String(), rules.RolledBack.String():
				return true
			}
		}
	}
	return false
}

// since is a duration between two times in whole seconds.
func since(from, to int64) time.Duration { return time.Duration(to-from) * time.Second }
