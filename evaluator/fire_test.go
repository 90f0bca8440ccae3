package evaluator

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
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

// slowFirm is a simple memory of one ratio's totals: what its periods count for that
// have not settled.
func slowFirm(known map[int64]rules.Point, settled int64) func(p rules.Point) (n float64, counts bool) {
	var newest []int64
	for b := range known {
		if b >= T.Unix() && b+60 <= settled {
			newest = append(newest, b)
		}
	}
	slices.Sort(newest)
	var totals []float64
	for _, b := range newest[max(0, len(newest)-10):] {
		if n := known[b].Samples; n > 0 {
			totals = append(totals, n)
		}
	}
	slices.Sort(totals)
	least := 0.
	switch n := len(totals); n {
	case 0:
	case 1, 2:
		least = totals[0] / 2
	default:
		least = totals[n/4]
	}
	least = math.Floor(max(least-2*math.Sqrt(least), 0))
	return func(p rules.Point) (float64, bool) {
		if p.At+60 <= settled || len(totals) == 0 || p.Samples == 0 {
			return p.Samples, p.At+60 <= settled
		}
		return max(p.Samples, least), true
	}
}

// slowSpacing is how far apart the newest values come, at least a period.
func slowSpacing(known map[int64]rules.Point) int64 {
	var valued []int64
	for b, p := range known {
		if p.Samples > 0 {
			valued = append(valued, b)
		}
	}
	slices.Sort(valued)
	valued = valued[max(0, len(valued)-9):]
	if len(valued) < 4 {
		return 60
	}
	gaps := map[int64]int{}
	least := valued[1] - valued[0]
	for i := range valued[1:] {
		gap := valued[i+1] - valued[i]
		gaps[gap]++
		least = min(least, gap)
	}
	if 4*gaps[least] < 3*(len(valued)-1) {
		return 60 // they come apart by chance
	}
	return least
}

// firesSlowly says whether a rule fires on what is known, by trying every
// stretch that there is: with For, every one that lasts until now.
func firesSlowly(r *rules.Rule, settle int64, points map[int64]rules.Point, since, settled, at int64) bool {
	firm, d := slowFirm(points, settled), slowSpacing(points)
	value := func(end int64) (bad, ok bool) {
		from := end - 60
		if over := series.Secs(r.Over); over > 60 {
			from = max(end-over, since)
		}
		var sum, n, came, present float64
		all := true
		for b := from; b < end; b += 60 {
			if p, ok := points[b]; ok && p.Samples > 0 {
				total, counts := firm(p)
				sum, n, came, present, all = sum+p.Value, n+total, came+p.Samples, present+1, all && counts
			}
		}
		if _, ok := points[end-60]; !ok || n == 0 || r.Over > 60*time.Second && present < r.Coverage*float64((series.Secs(r.Over)+d-1)/d)-1e-9 {
			return false, false
		}
		if (r.For == 0 || r.Over > 0) && came < r.MinSamples {
			return false, false
		}
		bad = sum/n > .03
		return bad, all || !bad
	}
	doubtful := func(end int64) bool { // it looks good, and has not settled
		bad, ok := value(end)
		return settle > 0 && ok && !bad && end > settled
	}
	later := func(end int64) (known, doubt bool) { // after it
		for end += 60; end <= at; end += 60 {
			_, ok := value(end)
			doubt = doubt || doubtful(end)
			known = known || ok && !doubtful(end)
		}
		return known, doubt
	}
	for start := since; start+60 <= at; start += 60 {
		present, samples, doubt := 0, 0.0, false
		for end := start + 60; end <= at; end += 60 {
			bad, ok := value(end)
			if present > 0 && doubtful(end) {
				doubt = true
				continue
			}
			if ok && !bad || !ok && end == start+60 {
				break
			}
			if !ok {
				continue
			}
			present++
			samples += points[end-60].Samples
			if r.For == 0 {
				return true
			}
			thick := r.Over > 0 || samples >= r.MinSamples
			known, after := later(end)
			if lasted := end - start - series.Secs(r.For); (doubt || after) && lasted < settle {
				continue
			}
			if end-start >= series.Secs(r.For) && present >= 2 && thick && float64(present) >= r.Coverage*float64((end-60-start)/d+1)-1e-9 && !known {
				return true
			}
		}
	}
	return false
}

// A rollback rule fires at the tick at which some stretch first justifies it,
// whatever came late, was corrected or was missed, and at no other. What has not
// settled counts as far as it is plausible.
func TestFiresWhenJustified(t *testing.T) {
	fired := 0
	checkUntil(t, func() bool { return fired > 0 }, func(t *rapid.T) {
		plan := onePlan(rules.Rule{
			For: minutes(t, "for", 0, 6), Over: minutes(t, "over", 0, 4),
			Coverage:   rapid.SampledFrom([]float64{0, .5, .8, 1}).Draw(t, "coverage"),
			MinSamples: rapid.SampledFrom([]float64{0, 150}).Draw(t, "min"),
		})
		plan.Signals[0].Settle = rapid.SampledFrom([]time.Duration{time.Minute, 3 * time.Minute}).Draw(t, "settle")
		known, settled := map[int64]rules.Point{}, int64(0)
		state, now := Begin(plan), T
		for range rapid.IntRange(1, 40).Draw(t, "ticks") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{30, 60, 60, 60, 300}).Draw(t, "step")) * time.Second)
			at := now.Unix()
			rd := rules.Reading{From: at - 900, To: at, SettledUntil: series.AlignDown(at-180, 60)}
			for b := max(T.Unix()-120, series.AlignDown(at-rapid.Int64Range(60, 900).Draw(t, "back"), 60)); b+60 <= at; b += 60 {
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
			tick := fact.Tick{At: now}
			if rapid.IntRange(0, 4).Draw(t, "answered") > 0 {
				tick.Readings, settled = []rules.Reading{rd}, rd.SettledUntil
				for _, p := range rd.Points {
					known[p.At] = p
				}
			}
			state, _ = Step(plan, state, tick)
			v := Look(plan, state)
			want := firesSlowly(&plan.Rules[0], series.Secs(plan.Signals[0].Settle), known, T.Unix(), settled, at)
			if got := v.Rollback[0].State == fact.RuleFired; got != want {
				t.Fatalf("at %v fired is %v, want %v: %s", now, got, want, factsOf(v.Rollback[0].Why, &v.Rollback[0].Evidence))
			}
			if want {
				fired++
				break
			}
		}
	})
}
