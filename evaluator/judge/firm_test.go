package judge

import (
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

var long = flag.Bool("long", false, "simulate as many releases as the documents' figures rest on")

const start = 1_749_002_400 // T

// watching is a rollback rule on a ratio that settles after three minutes.
func watching(edit func(*rules.Plan)) (*Scene, *Watch) {
	plan := &rules.Plan{
		Name: "one", Start: time.Unix(start, 0).UTC(), Interval: time.Minute,
		Signals: []rules.Signal{{Name: "errors", Kind: rules.Ratio, Of: -1, Period: time.Minute, Every: time.Minute, Settle: 3 * time.Minute}},
		Rules: []rules.Rule{{
			Name: "high", Kind: rules.RollbackRule, Alarm: -1, For: 2 * time.Minute, Coverage: .8,
			When: rules.Condition{Op: rules.Greater, Threshold: .03, Unit: rules.Percent},
		}},
		Phases: []rules.Phase{{Name: "only", Window: 2 * time.Hour, Traffic: .1, Rollback: []int{0}}},
	}
	if edit != nil {
		edit(plan)
	}
	lay := NewLayout(plan)
	sc := &Scene{Lay: lay, Signals: make([]series.Series, len(plan.Signals))}
	w := new(Watch)
	sc.RollbackWatch(w, 0, start, nil, .1)
	return sc, w
}

// said gives a scene the periods that came, of which the first so many have settled.
func said(sc *Scene, signal, settled int, points ...rules.Point) {
	for i := range points {
		points[i].At = start + 60*int64(i)
	}
	sc.At = start + 60*int64(len(points))
	sc.Signals[signal] = series.Series{Points: points, Settled: start + 60*int64(settled)}
}

func times(n int, p rules.Point) []rules.Point { return slices.Repeat([]rules.Point{p}, n) }

// What has not settled counts with the least total that is plausible, and waits where
// nothing says what that is.
func TestWhatHasNotSettledCounts(t *testing.T) {
	full, young := rules.Point{Value: 3, Samples: 600}, rules.Point{Value: 3, Samples: 60}
	for _, tt := range []struct {
		name    string
		edit    func(*rules.Plan)
		settled int
		points  []rules.Point
		beside  []rules.Point
		want    float64 // samples of the newest period
		counts  bool
	}{
		{"beside ten settled", nil, 10, append(times(10, full), young), nil, math.Floor(600 - 2*math.Sqrt(600)), true},
		{"beside one settled", nil, 1, append(times(1, full), young), nil, math.Floor(300 - 2*math.Sqrt(300)), true},
		{"as it is, where that is more", nil, 10, append(times(10, full), rules.Point{Value: 3, Samples: 900}), nil, 900, true},
		{"one quiet minute of the settled ones says little", nil, 8, append(append(times(7, full), rules.Point{Samples: 5}), young), nil, math.Floor(600 - 2*math.Sqrt(600)), true},
		{"settled minutes without samples say nothing", nil, 2, append(times(2, rules.Point{}), young), nil, 60, false},
		{"nothing has settled", nil, 0, []rules.Point{young}, nil, 60, false},
		{"nothing has come", nil, 4, append(times(4, full), rules.Point{}), nil, 0, true},
		{"the baseline", func(p *rules.Plan) {
			p.Signals = append(p.Signals, p.Signals[0])
			p.Signals[0].Baseline, p.Signals[1].Name = 1, "beside"
		}, 0, []rules.Point{young}, times(4, rules.Point{Value: 3, Samples: 5400}), math.Floor(math.Floor(5400-2*math.Sqrt(5400)) / 9 / 2), true},
		{"a baseline that has not settled", func(p *rules.Plan) {
			p.Signals = append(p.Signals, p.Signals[0])
			p.Signals[0].Baseline, p.Signals[1].Name = 1, "beside"
		}, 0, []rules.Point{young}, nil, 60, false},
		{"the expected rate", func(p *rules.Plan) { p.Signals[0].Rate = 100 }, 0, []rules.Point{young}, nil, 300, true},
		{"few bad ones are the fault", func(p *rules.Plan) { p.Rules[0].When.Op = rules.Less }, 4, append(times(4, full), young), nil, 60, false},
		{"few good ones are the fault", func(p *rules.Plan) { p.Signals[0].Good, p.Rules[0].When.Op = true, rules.Less }, 4, append(times(4, full), young), nil, math.Floor(600 - 2*math.Sqrt(600)), true},
		{"many good ones would be the fault", func(p *rules.Plan) { p.Signals[0].Good = true }, 4, append(times(4, full), young), nil, 60, false},
		{"equal to", func(p *rules.Plan) { p.Rules[0].When.Op = rules.Equal }, 4, append(times(4, full), young), nil, 60, false},
		{"by evidence, whatever the condition", func(p *rules.Plan) {
			p.Rules[0].Method, p.Rules[0].When.Op, p.Rules[0].Limit, p.Rules[0].Trigger, p.Rules[0].Alpha = rules.Sequential, rules.NoOp, .01, .03, .01
		}, 4, append(times(4, full), young), nil, math.Floor(600 - 2*math.Sqrt(600)), true},
		{"by evidence, good ones", func(p *rules.Plan) {
			p.Signals[0].Good = true
			p.Rules[0].Method, p.Rules[0].When.Op, p.Rules[0].Limit, p.Rules[0].Trigger, p.Rules[0].Alpha = rules.Sequential, rules.Less, .01, .03, .01
		}, 4, append(times(4, full), young), nil, math.Floor(600 - 2*math.Sqrt(600)), true},
		{"a level", func(p *rules.Plan) { p.Signals[0].Kind = rules.Gauge }, 4, append(times(4, full), young), nil, 60, false},
		{"a percentile of a part", func(p *rules.Plan) { p.Signals[0].Kind = rules.Percentile }, 4, append(times(4, full), young), nil, 60, false},
		{"a percentile of enough", func(p *rules.Plan) { p.Signals[0].Kind = rules.Percentile }, 4, times(5, full), nil, 600, true},
		{"an alarm", func(p *rules.Plan) { p.Signals[0].Kind, p.Signals[0].Settle = rules.Alarm, 0 }, 4, times(5, rules.Point{Value: 1, Samples: 1}), nil, 1, true},
		{"all has settled", nil, 5, append(times(4, full), young), nil, 60, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sc, w := watching(tt.edit)
			said(sc, 0, tt.settled, tt.points...)
			if len(sc.Signals) > 1 {
				said(sc, 1, len(tt.beside), tt.beside...)
				sc.At = start + 60*int64(len(tt.points))
			}
			got, counts := sc.firm(w).Take(&tt.points[len(tt.points)-1])
			if counts != tt.counts || math.Abs(got.Samples-tt.want) > 1e-9 {
				t.Errorf("%v samples, counts %v; want %v, %v", got.Samples, counts, tt.want, tt.counts)
			}
		})
	}
}

// poisson draws a count.
func poisson(r *rand.Rand, mean float64) float64 {
	if mean > 50 {
		return max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64()))
	}
	n, p := 0., math.Exp(-mean)
	for u := r.Float64(); u > p; n++ {
		u -= p
		p *= mean / (n + 1)
	}
	return n
}

// Once three periods have settled, to count what has not settled only as far as it is
// plausible costs at most one minute in the median and three at 95 %, at a step to 5 %.
func TestWhatPlausibleTotalsCost(t *testing.T) {
	runs := 200
	if *long {
		runs = 4000
	}
	for _, minutes := range []time.Duration{0, 2, 5} {
		for _, traffic := range []float64{12, 120, 1200} {
			for _, swing := range []float64{0, .3} {
				r := rand.New(rand.NewPCG(9, 9))
				var cost []int
				never := 0
				for range runs {
					sc, w := watching(func(p *rules.Plan) { p.Rules[0].For = minutes * time.Minute })
					var points []rules.Point
					found := [2]int{}
					for m := 0; m < 90 && (found[0] == 0 || found[1] == 0); m++ {
						n := poisson(r, traffic*math.Exp(swing*r.NormFloat64()-swing*swing/2))
						p := rules.Point{At: start + 60*int64(m), Samples: n}
						if m >= 6 { // the step, as three periods have settled
							p.Value = min(poisson(r, .05*n), n)
						}
						points = append(points, p)
						sc.At = start + 60*int64(m+1)
						sc.Signals[0] = series.Series{Points: points, Settled: sc.At - 180}
						for i, firm := range []*Firm{nil, sc.firm(w)} {
							if j := trace(sc.Lay, w.Rule, &sc.Signals[0], firm, start, start, sc.At); j.Fired && found[i] == 0 {
								found[i] = m + 1
							}
						}
					}
					switch {
					case found[0] > 0 && found[1] > 0:
						cost = append(cost, found[1]-found[0])
					case found[0] > 0:
						never++
					}
				}
				slices.Sort(cost)
				if len(cost) == 0 {
					continue
				}
				median, most := cost[len(cost)/2], cost[len(cost)*95/100]
				t.Logf("for %dm, %4g a minute, swing %.1f: %4d found, costs %d and %d minutes, %d not found in time", minutes, traffic, swing, len(cost), median, most, never)
				if median > 1 || most > 3 || never*50 > len(cost) {
					t.Errorf("more than one minute in the median, or three at 95 %%")
				}
			}
		}
	}
}

// The least total is worked out of the lower quartile of the newest ten.
func TestLeastTotalIsByTheLowerQuartile(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var points []rules.Point
		for i, v := range rapid.SliceOfN(rapid.Float64Range(0, 200), 1, 14).Draw(rt, "totals") {
			points = append(points, rules.Point{At: int64(60 * (i + 1)), Samples: math.Floor(v)})
		}
		var some []float64
		for _, p := range points[max(0, len(points)-10):] {
			if p.Samples > 0 {
				some = append(some, p.Samples)
			}
		}
		got, known := LeastTotal(points, 60, int64(60*len(points)+60), 60)
		if known != (len(some) > 0) {
			rt.Fatalf("%v: known %t", points, known)
		}
		if !known {
			return
		}
		slices.Sort(some)
		q := some[len(some)/4]
		if len(some) < 3 {
			q = some[0] / 2
		}
		if want := math.Floor(max(q-2*math.Sqrt(q), 0)); got != want {
			rt.Fatalf("%v: %v, want %v", points, got, want)
		}
	})
}
