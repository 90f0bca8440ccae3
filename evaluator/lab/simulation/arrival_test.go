package simulation

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// delivery is how a source's minutes reach relgate: at each tick it is asked for
// the last few of them.
type delivery struct {
	minutes [2][]evidence.Minute // of the release and of its baseline
	back    int                  // how many minutes it is asked for
	shown   func(signal, minute, tick int) bool
	bend    func(signal, minute, age int, m evidence.Minute) evidence.Minute // a minute that is not yet what it will be
	down    func(signal, tick int) bool
	told    func(tick int) []fact.Command
	reload  map[int]*rules.Plan // by tick: another plan, with the same signals
	final   bool                // a minute is settled as soon as it is over
	stored  int                 // the state goes through its stored form at every so many ticks; 0: never
}

// settleMinutes is how long a minute of a delivery may still change.
const settleMinutes = 3

func besidePlan(t *testing.T, window int, change func(*rules.Spec)) *rules.Plan {
	return written(t, window, func(s *rules.Spec) {
		s.Signals[0].Baseline = &rules.BaselineSpec{Dimension: "version", Value: "42"}
		s.Signals[0].Settle = minutesLong(settleMinutes)
		if change != nil {
			change(s)
		}
	})
}

// begin fills in the minutes of release i.
func (d *delivery) begin(s *script, i, looks int) {
	s.begin(i)
	d.minutes = [2][]evidence.Minute{}
	for k := range looks {
		canary, baseline := s.look(k)
		d.minutes[0], d.minutes[1] = append(d.minutes[0], canary), append(d.minutes[1], baseline)
	}
}

// answer is what the source says of a signal at a tick.
func (d *delivery) answer(signal, tick int) rules.Reading {
	if d.down != nil && d.down(signal, tick) {
		return rules.Reading{Signal: signal, Fault: rules.Unavailable}
	}
	start, first := startOfRun.Unix(), max(0, tick-d.back)
	now := start + int64(tick)*60
	rd := rules.Reading{Signal: signal, From: start + int64(first)*60, To: now, SettledUntil: now - settleMinutes*60}
	if d.final {
		rd.SettledUntil = now
	}
	for k := first; k < min(tick, len(d.minutes[signal])); k++ {
		m := d.minutes[signal][k]
		if d.bend != nil {
			m = d.bend(signal, k, tick-k-1, m)
		}
		if m.N > 0 && (d.shown == nil || d.shown(signal, k, tick)) {
			rd.Points = append(rd.Points, rules.Point{At: start + int64(k)*60, Value: m.Bad, Samples: m.N})
		}
	}
	return rd
}

// play runs the delivery through Step; look sees every tick and stops it with false.
func (d *delivery) play(t *testing.T, plan *rules.Plan, ticks int, look func(tick int, s fact.Snapshot) bool) {
	t.Helper()
	state, _ := evaluator.Step(plan, evaluator.Begin(plan), fact.Tick{At: startOfRun})
	for k := 1; k <= ticks; k++ {
		if next := d.reload[k]; next != nil {
			state, plan = evaluator.Adopt(plan, next, state), next
		}
		tick := fact.Tick{At: startOfRun.Add(time.Duration(k) * time.Minute)}
		if d.told != nil {
			tick.Commands = d.told(k)
		}
		for i := range plan.Signals {
			tick.Readings = append(tick.Readings, d.answer(i, k))
		}
		state, _ = evaluator.Step(plan, state, tick)
		if d.stored > 0 && k%d.stored == 0 {
			raw, err := state.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			state = new(evaluator.State)
			if err := state.UnmarshalBinary(raw); err != nil {
				t.Fatal(err)
			}
		}
		if !look(k, evaluator.Look(plan, state)) {
			return
		}
	}
}

// numbers are all the numbers that the rules of a snapshot have weighed.
func numbers(t *testing.T, s fact.Snapshot) (text string) {
	views := append(append([]fact.RuleView(nil), s.Rollback...), s.Phases[0].Success...)
	for i := range views {
		e := &views[i].Evidence
		raw, err := json.Marshal(e.Weighed)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("%s: %v since %s %s\n", views[i].Name, e.Samples, e.From.Format("15:04"), raw)
	}
	return text
}

// TestArrivalChangesNothing delivers the same minutes in other orders, late,
// corrected, with gaps in between, through restarts, reloads and commands: what is
// weighed in the end is the same to the last bit.
func TestArrivalChangesNothing(t *testing.T) {
	t.Parallel()
	const looks, ticks = 100, 106
	plan := besidePlan(t, looks, nil)
	again := besidePlan(t, looks, func(s *rules.Spec) { s.Release.Title = "The same under another title" })
	command := func(kind fact.CommandKind, id string) []fact.Command {
		return []fact.Command{{ID: id, Kind: kind, By: "ada", Why: "to see"}}
	}
	late := func(signal, minute, most int) int { return int(mix(uint64(2*minute+signal)) % uint64(most+1)) }
	for _, tt := range []struct {
		name string
		d    delivery
	}{
		{"each minute when it likes", delivery{shown: func(i, m, k int) bool { return k-m-1 >= late(i, m, settleMinutes) }}},
		{"after it had settled, but within as much again", delivery{shown: func(i, m, k int) bool { return k-m-1 >= late(i, m, 2*settleMinutes-1) }}},
		{"the baseline behind", delivery{shown: func(i, m, k int) bool { return i == 0 || k-m-1 >= settleMinutes }}},
		{"the release behind", delivery{shown: func(i, m, k int) bool { return i == 1 || k-m-1 >= settleMinutes }}},
		{"fewer at first", delivery{bend: func(_, _, age int, m evidence.Minute) evidence.Minute {
			if age < settleMinutes {
				return evidence.Minute{N: math.Ceil(m.N * float64(age+1) / 4), Bad: math.Floor(m.Bad * float64(age) / 4)}
			}
			return m
		}}},
		{"the baseline's source fails for a while", delivery{back: 20, down: func(i, k int) bool { return i == 1 && k >= 30 && k < 34 }}},
		{"the release's source fails for a while", delivery{back: 30, down: func(i, k int) bool { return i == 0 && k >= 30 && k < 45 }}},
		{"both fail for long", delivery{back: 60, down: func(_, k int) bool { return k >= 30 && k < 70 }}},
		{"stored and read again", delivery{stored: 7}},
		{"under a plan that says the same", delivery{reload: map[int]*rules.Plan{40: again, 60: plan}}},
		{"held and resumed", delivery{told: func(k int) []fact.Command {
			switch k {
			case 20:
				return command(fact.Hold, "hold")
			case 45:
				return command(fact.Resume, "resume")
			}
			return nil
		}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			release := Release{Rate: .008, Baseline: .008, Outage: Burst{At: 20, Looks: 15, Rate: .03}}
			s := newScript(release, Traffic{Canary: 12, Baseline: 40}, 11)
			for i := range 8 {
				var want, got string
				clean := delivery{back: 2*settleMinutes + 3}
				clean.begin(s, i, looks)
				clean.play(t, plan, ticks, func(k int, s fact.Snapshot) bool {
					if k == ticks {
						want = numbers(t, s)
					}
					return true
				})
				d := tt.d
				d.minutes, d.back = clean.minutes, max(d.back, clean.back)
				d.play(t, plan, ticks, func(k int, s fact.Snapshot) bool {
					if k == ticks {
						got = numbers(t, s)
					}
					return true
				})
				if got != want {
					t.Errorf("release %d:\n%swant\n%s", i, got, want)
				}
			}
		})
	}
}
