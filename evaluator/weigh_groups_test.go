package evaluator

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/rules"
)

// The stars of a name, and none of what is no number of stars.
func TestStarsOf(t *testing.T) {
	for name, want := range map[string]int{"1": 1, "5": 5, "0": 0, "6": 0, "": 0, "15": 0, "x": 0} {
		if got := judge.StarsOf(name); got != want {
			t.Errorf("%q: got %d, want %d", name, got, want)
		}
	}
}

// gapWorld answers with groups: a gap of so much between ten groups of n.
func gapWorld(t *testing.T, p *rules.Plan, n, gap float64) *world {
	w := newWorld(t, p)
	w.value = func(int, int64) (float64, float64, bool) { return gap, 10 * n, true }
	w.bend = func(rd *rules.Reading) bool {
		for _, point := range rd.Points {
			parts := rules.Parts{At: point.At}
			for d := range 10 {
				share := .5 + gap*float64(d)/9
				parts.Groups = append(parts.Groups, rules.Group{Name: string(rune('0' + d)), Value: math.Round(share * n), Samples: n})
			}
			rd.Parts = append(rd.Parts, parts)
		}
		return true
	}
	return w
}

// endsAs checks a phase's state, and what its first success rule and its rollback
// rule have weighed.
func endsAs(t *testing.T, name string, v *fact.Snapshot, state rules.State, is func(success, roll *fact.Evidence) bool) {
	t.Helper()
	p := &v.Phases[0]
	success, roll := &p.Success[0].Evidence, &v.Rollback[0].Evidence
	if p.State != state || !is(success, roll) {
		t.Errorf("%s: the phase is %v, want %v: %+v %+v %+v", name, p.State, state, success.Weighed, success.Weighed.Groups, success.Weighed.Outlook)
	}
}

func gapPlan() *rules.Plan {
	p := weighPlan(6 * time.Hour)
	p.Signals = p.Signals[:1]
	s := &p.Signals[0]
	s.Kind, s.Unit, s.Period, s.Every, s.Settle, s.Keep = rules.Gauge, rules.Number, time.Hour, time.Hour, 0, 30
	for i := range p.Rules {
		r := &p.Rules[i]
		r.Limit, r.Trigger, r.When = .07, .07, pct("<= 0.07")
	}
	p.Rules[1].When = pct("> 0.07")
	return p
}

// starPlan is the same for ratings.
func starPlan() *rules.Plan {
	p := gapPlan()
	p.Signals[0].Kind = rules.Mean
	for i := range p.Rules {
		r := &p.Rules[i]
		r.Limit, r.Trigger, r.When = 4.5, 4.5, pct(">= 4.5")
	}
	p.Rules[1].When = pct("< 4.5")
	return p
}

// A gap is judged by intervals that hold for all pairs of groups at once: few
// samples decide nothing, whatever the plain gap is.
func TestGaps(t *testing.T) {
	for _, tt := range []struct {
		name   string
		n, gap float64
		state  rules.State
		is     func(success, roll *fact.Evidence) bool
	}{
		{"large and alike", 20000, .02, rules.Passed, func(s, _ *fact.Evidence) bool {
			return s.Weighed.Groups.Highest == "9" && s.Weighed.Groups.Lowest == "0" && near(s.Value, .02)
		}},
		{"large and apart", 20000, .15, rules.RolledBack, func(_, r *fact.Evidence) bool { return r.Weighed.Rung == fact.RollbackRung && near(r.Value, .15) }},
		{"few", 200, .1, rules.Monitoring, func(s, _ *fact.Evidence) bool { return s.Weighed.Groups.ByChance > .09 }},
		{"few and apart", 200, .1, rules.Monitoring, func(s, _ *fact.Evidence) bool { return within(s.Weighed.Groups.Decides, 8100, 8200) }},
		{"few and near", 500, .03, rules.Monitoring, func(s, _ *fact.Evidence) bool { return within(s.Weighed.Groups.Decides, 840, 850) }},
		{"few and between", 200, .0701, rules.Monitoring, func(s, _ *fact.Evidence) bool { return s.Weighed.Groups.AtLeast == 0 && s.Weighed.Groups.Decides == 0 }},
		{"hardly any", 20, .1, rules.Monitoring, func(s, _ *fact.Evidence) bool { return len(s.Weighed.Groups.Small) == 10 }},
		{"none", 0, .1, rules.Monitoring, func(s, _ *fact.Evidence) bool { return s.Weighed.Groups.Compared < 2 }},
	} {
		p := gapPlan()
		w := gapWorld(t, p, tt.n, tt.gap)
		w.run(T.Add(6*time.Hour + 30*time.Minute))
		v := Look(p, w.state)
		endsAs(t, tt.name, &v, tt.state, tt.is)
	}
}

func near(v, w float64) bool { return within(v, w-1e-3, w+1e-3) }

func within(v, low, high float64) bool { return v >= low && v <= high }

// starWorld answers with reviews: so many of each star in every hour.
func starWorld(t *testing.T, p *rules.Plan, stars [5]float64) *world {
	w := newWorld(t, p)
	w.value = func(int, int64) (float64, float64, bool) {
		var sum, n float64
		for i, k := range stars {
			sum, n = sum+float64(i+1)*k, n+k
		}
		return sum, n, true
	}
	w.bend = func(rd *rules.Reading) bool {
		for _, point := range rd.Points {
			parts := rules.Parts{At: point.At}
			for i, k := range stars {
				parts.Groups = append(parts.Groups, rules.Group{Name: string(rune('1' + i)), Value: k, Samples: k})
			}
			rd.Parts = append(rd.Parts, parts)
		}
		return true
	}
	return w
}

// Ratings are judged by betting on each of them, and few of them by saying how
// many more it would take.
func TestStars(t *testing.T) {
	for _, tt := range []struct {
		name  string
		stars [5]float64
		state rules.State
		is    func(success, roll *fact.Evidence) bool
	}{
		{"bad", [5]float64{5, 2, 2, 2, 4}, rules.RolledBack, func(_, r *fact.Evidence) bool { return r.Weighed.Rung == fact.RollbackRung && near(r.Value, 2.867) }},
		{"good", [5]float64{0, 0, 0, 1, 20}, rules.Passed, func(s, _ *fact.Evidence) bool { return near(s.Value, 4.952) && s.Weighed.Outlook == nil }},
		{"a few good ones", [5]float64{0, 0, 0, 0, 2}, rules.Monitoring, func(s, _ *fact.Evidence) bool {
			return s.Weighed.Outlook.Proves == fact.Shortfall{More: 37, Wait: 19 * 3600}
		}},
		{"a few so-so", [5]float64{0, 0, 1, 0, 1}, rules.Monitoring, func(s, _ *fact.Evidence) bool { return s.Weighed.Outlook.Fails.More > 0 }},
		{"none", [5]float64{}, rules.Monitoring, func(s, _ *fact.Evidence) bool { return !s.Known && s.Weighed.Outlook == nil }},
	} {
		p := starPlan()
		w := starWorld(t, p, tt.stars)
		w.run(T.Add(6*time.Hour + 30*time.Minute))
		v := Look(p, w.state)
		endsAs(t, tt.name, &v, tt.state, tt.is)
	}
}

// Stars of an hour without a value are not counted, whether the daemon was killed
// meanwhile or not; an hour without stars has none.
func TestStarsWithoutAValue(t *testing.T) {
	p := starPlan()
	p.Signals[0].Settle = 2 * time.Hour
	w := starWorld(t, p, [5]float64{0, 0, 0, 0, 2})
	answered := w.bend
	w.bend = func(rd *rules.Reading) bool {
		answered(rd)
		rd.Points = slices.DeleteFunc(rd.Points, func(p rules.Point) bool { return p.At == T.Add(2*time.Hour).Unix() })
		rd.Parts = slices.DeleteFunc(rd.Parts, func(p rules.Parts) bool { return p.At == T.Add(time.Hour).Unix() })
		return true
	}
	w.run(T.Add(7*time.Hour + 10*time.Minute)) // five hours have settled
	v := Look(p, w.state).Phases[0].Success[0].Evidence
	if want := 6.; v.Points != 4 || v.Samples != want {
		t.Errorf("%v reviews in %d hours, want %v in 4", v.Samples, v.Points, want)
	}
}

// A rule that wants more samples does not pass on fewer, whatever they prove.
func TestMinSamplesOfEvidence(t *testing.T) {
	p := weighPlan(15 * time.Minute)
	p.Rules[0].MinSamples = 1e6
	w := newWorld(t, p)
	w.value = binomials(3, 600, func(int, int64) float64 { return 0 })
	w.run(T.Add(20 * time.Minute))
	if v := Look(p, w.state).Phases[0].Success[0]; v.Verdict != rules.Pending || v.Cause != rules.CauseInsufficientSamples || v.Evidence.Samples > 1e5 {
		t.Errorf("it is %v (%v) with %v samples", v.Verdict, v.Cause, v.Evidence.Samples)
	}
}

// Between trigger and target a few reviews may exclude the one and not prove the
// other: what each takes is said.
func TestStarsAhead(t *testing.T) {
	p := gapPlan()
	p.Signals[0].Kind = rules.Mean
	for i := range p.Rules {
		r := &p.Rules[i]
		r.Limit, r.Trigger, r.When = 4.5, 3.5, pct(">= 4.5")
	}
	p.Rules[1].When = pct("< 3.5")
	w := starWorld(t, p, [5]float64{0, 0, 0, 0, 1})
	w.run(T.Add(3*time.Hour + 10*time.Minute))
	if o := Look(p, w.state).Phases[0].Success[0].Evidence.Weighed.Outlook; o.Excludes.More <= 0 || o.Proves.More <= o.Excludes.More {
		t.Errorf("outlook %+v", o)
	}
}
