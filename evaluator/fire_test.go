package evaluator

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/rules"
)

// onePlan watches one ratio with one rollback rule for two hours.
func onePlan(r rules.Rule) *rules.Plan {
	r.Name, r.Kind, r.Alarm = "high", rules.RollbackRule, -1
	r.When = rules.Condition{Op: rules.Greater, Threshold: .03, Unit: rules.Percent}
	return &rules.Plan{
		Name: "one", Start: T, Interval: 30 * time.Second,
		Signals: []rules.Signal{{
			Name: "errors", Source: "cw", Kind: rules.Ratio, Unit: rules.Percent, Of: -1,
			Period: time.Minute, Every: time.Minute, Settle: 3 * time.Minute, Keep: 300,
		}},
		Rules:  []rules.Rule{r},
		Phases: []rules.Phase{{Name: "only", Window: 2 * time.Hour, Extend: time.Hour, Rollback: []int{0}}},
	}
}

// firesSlowly says whether a rule fires on what is known, by trying every
// stretch that there is.
func firesSlowly(r *rules.Rule, known map[int64]rules.Point, since, at int64) bool {
	value := func(end int64) (bad, ok bool) {
		from := end - 60
		if over := secs(r.Over); over > 60 {
			from = max(end-over, since)
		}
		var sum, n, present float64
		for b := from; b < end; b += 60 {
			if p, ok := known[b]; ok && p.Samples > 0 {
				sum, n, present = sum+p.Value, n+p.Samples, present+1
			}
		}
		if _, ok := known[end-60]; !ok || n == 0 || r.Over > 60*time.Second && present < r.Coverage*float64((end-from)/60) {
			return false, false
		}
		if (r.For == 0 || r.Over > 0) && n < r.MinSamples {
			return false, false
		}
		return sum/n > .03, true
	}
	for start := since; start+60 <= at; start += 60 {
		present, samples := 0, 0.0
		for end := start + 60; end <= at; end += 60 {
			bad, ok := value(end)
			if ok && !bad || !ok && end == start+60 {
				break
			}
			if !ok {
				continue
			}
			present++
			samples += known[end-60].Samples
			if r.For == 0 {
				return true
			}
			thick := r.Over > 0 || samples >= r.MinSamples
			if end-start >= secs(r.For) && present >= 2 && thick && float64(present) >= r.Coverage*float64((end-start)/60)-1e-9 {
				return true
			}
		}
	}
	return false
}

// A rollback rule fires at the tick at which some stretch first justifies it,
// whatever came late, was corrected or was missed, and at no other.
func TestFiresWhenJustified(t *testing.T) {
	fired := 0
	checkUntil(t, func() bool { return fired > 0 }, func(t *rapid.T) {
		plan := onePlan(rules.Rule{
			For: minutes(t, "for", 0, 6), Over: minutes(t, "over", 0, 4),
			Coverage:   rapid.SampledFrom([]float64{0, .5, .8, 1}).Draw(t, "coverage"),
			MinSamples: rapid.SampledFrom([]float64{0, 150}).Draw(t, "min"),
		})
		known := map[int64]rules.Point{}
		state, now := Begin(plan), T
		for range rapid.IntRange(1, 40).Draw(t, "ticks") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{30, 60, 60, 60, 300}).Draw(t, "step")) * time.Second)
			at := now.Unix()
			rd := rules.Reading{From: at - 900, To: at, SettledUntil: alignDown(at-180, 60)}
			for b := max(T.Unix()-120, alignDown(at-rapid.Int64Range(60, 900).Draw(t, "back"), 60)); b+60 <= at; b += 60 {
				switch rapid.IntRange(0, 9).Draw(t, "bucket") {
				case 0, 1:
					continue
				case 2:
					rd.Points = append(rd.Points, rules.Point{At: b, Value: 1, Samples: 100})
				case 3:
					rd.Points = append(rd.Points, rules.Point{At: b})
				default:
					rd.Points = append(rd.Points, rules.Point{At: b, Value: 9, Samples: 100})
				}
			}
			tick := Tick{At: now}
			if rapid.IntRange(0, 4).Draw(t, "answered") > 0 {
				tick.Readings = []rules.Reading{rd}
				for _, p := range rd.Points {
					known[p.At] = p
				}
			}
			state, _ = Step(plan, state, tick)
			v := Look(plan, state)
			want := firesSlowly(&plan.Rules[0], known, T.Unix(), at)
			if got := v.Rollback[0].State == RuleFired; got != want {
				t.Fatalf("at %v fired is %v, want %v: %s", now, got, want, factsOf(v.Rollback[0].Why, &v.Rollback[0].Evidence))
			}
			if want {
				fired++
				break
			}
		}
	})
}
