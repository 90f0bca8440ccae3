package evaluator

import (
	"reflect"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

func TestWants(t *testing.T) {
	t.Run("nothing long before, all of it shortly before", func(t *testing.T) {
		p := smallPlan()
		if got := Wants(p, Begin(p), T.Add(-3*time.Minute)); got != nil {
			t.Errorf("three minutes before: %v", got)
		}
		if got := Wants(p, Begin(p), T.Add(-2*time.Minute)); len(got) != 2 || got[0].To != T.Unix()-120 || got[0].From >= T.Unix()-240 {
			t.Errorf("two minutes before: %v", got)
		}
	})
	t.Run("once a period, when it settles, all together, whatever the interval", func(t *testing.T) {
		p := smallPlan()
		p.Interval = time.Second
		p.Signals[0].Settle, p.Signals[1].Settle = 130*time.Second, 130*time.Second
		w := newWorld(t, p)
		asked := map[int64]int{}
		for w.now = T.Add(-2 * time.Minute); w.now.Before(T.Add(8 * time.Minute)); w.now = w.now.Add(time.Second) {
			for range Wants(p, w.state, w.now) {
				asked[w.now.Unix()-T.Unix()]++
			}
			w.tick()
		}
		for at, n := range asked {
			if at > -120 && (at%60+60)%60 != 10 || n != 2 {
				t.Errorf("%d asked at T%+ds", n, at)
			}
		}
		if len(asked) != 11 {
			t.Errorf("asked %d times in ten minutes, want 10 and the first", len(asked))
		}
	})
	t.Run("an outage is asked again from the watermark, with what may be corrected and judged", func(t *testing.T) {
		w := after(t, 40, func(w *world) {
			w.bend = func(rd *rules.Reading) bool { return w.now.Before(T.Add(20 * time.Minute)) }
		})
		got := Wants(w.plan, w.state, w.now)
		if len(got) != 2 || got[0].From != T.Unix()+(17-2-10)*60 || got[0].To != w.now.Unix() {
			t.Errorf("after twenty minutes without answers: %v", got)
		}
	})
	t.Run("a fault backs off, and obeys the source", func(t *testing.T) {
		w := after(t, 4, nil)
		at := func(rd rules.Reading) int64 {
			rd.Points = nil
			s, _ := w.state.Signals[0].Merge(&w.plan.Signals[0], &judge.NewLayout(w.plan).Signals[0], &rd, 1000, judge.Unneeded)
			w.state.Signals[0].Fails = s.Fails
			return s.Next - 1000
		}
		for _, want := range []int64{30, 60, 120, 240, 300, 300} {
			if got := at(rules.Reading{Fault: rules.Unavailable}); got != want {
				t.Errorf("backs off by %d s, want %d", got, want)
			}
		}
		if got := at(rules.Reading{Fault: rules.Throttled, RetryAt: 1900}); got != 900 {
			t.Errorf("asked to wait 900 s, waits %d", got)
		}
		if got := at(rules.Reading{Fault: rules.Throttled, RetryAt: 1 << 60}); got != series.MaxRetryAt {
			t.Errorf("asked to wait for ever, waits %d", got)
		}
		if got := at(rules.Reading{Fault: rules.NoData}); got != 20 { // 1020 less the two minutes is a whole minute
			t.Errorf("after no data waits %d", got)
		}
	})
	t.Run("a restart asks the same", func(t *testing.T) {
		w := after(t, 12, nil)
		again := new(State)
		if err := again.UnmarshalBinary(store(t, w.state)); err != nil {
			t.Fatal(err)
		}
		for i := range 300 {
			now := w.now.Add(time.Duration(i) * time.Second)
			if a, b := Wants(w.plan, w.state, now), Wants(w.plan, again, now); !reflect.DeepEqual(a, b) {
				t.Fatalf("at %v: %v and %v", now, a, b)
			}
		}
	})
	t.Run("an undecided run is left alone a day after its horizon", func(t *testing.T) {
		w := after(t, 40, func(w *world) { w.value = func(int, int64) (float64, float64, bool) { return 0, 0, false } })
		h := Look(w.plan, w.state).Horizon
		if want := T.Add(25 * time.Minute); !h.Equal(want) {
			t.Errorf("horizon %v, want %v", h, want)
		}
		if got := Wants(w.plan, w.state, h.Add(afterlife*time.Second-time.Second)); len(got) == 0 {
			t.Error("asks nothing before")
		}
		if got := Wants(w.plan, w.state, h.Add(afterlife*time.Second)); got != nil {
			t.Errorf("asks %v after", got)
		}
	})
}

// What a series keeps does not grow with the run.
func TestSeriesForgets(t *testing.T) {
	w := newWorld(t, onePlan(rules.Rule{For: 10 * time.Minute, Coverage: .8}))
	w.plan.Signals[0].Keep = 10
	w.run(T.Add(115 * time.Minute))
	if n := len(w.state.Signals[0].Points); n > 10+2*3+1 {
		t.Errorf("keeps %d points of a rule that judges 10", n)
	}
	w.run(T.Add(125 * time.Minute))
	w.want("02:00:00 phase only: waiting => monitoring", "04:03:00 phase only: monitoring => passed")
}

func TestMerge(t *testing.T) {
	sig := &rules.Signal{Kind: rules.Ratio}
	lay := &series.Layout{Period: 60, Every: 60, Keep: 100}
	pt := func(at int64, v, n float64) rules.Point { return rules.Point{At: at, Value: v, Samples: n} }
	old := series.Series{Points: []rules.Point{pt(600, 1, 10), pt(720, 2, 10)}, Settled: 780, From: 600}
	tests := []struct {
		name    string
		rd      rules.Reading
		want    []rules.Point
		changed int64
		settled int64
	}{
		{"nothing", rules.Reading{Fault: rules.Unavailable, SettledUntil: 900}, old.Points, series.HealthOnly, 780},
		{"the same again", rules.Reading{Points: []rules.Point{pt(720, 2, 10)}, SettledUntil: 700}, old.Points, series.HealthOnly, 780},
		{"a correction", rules.Reading{Points: []rules.Point{pt(600, 3, 10)}}, []rules.Point{pt(600, 3, 10), pt(720, 2, 10)}, 600, 780},
		{"a gap is filled, the watermark never passes the tick", rules.Reading{Points: []rules.Point{pt(660, 3, 10)}, SettledUntil: 9999}, []rules.Point{pt(600, 1, 10), pt(660, 3, 10), pt(720, 2, 10)}, 660, 1000},
		{"earlier ones", rules.Reading{Points: []rules.Point{pt(540, 3, 10)}}, []rules.Point{pt(540, 3, 10), pt(600, 1, 10), pt(720, 2, 10)}, 540, 780},
		{"disorder, twins and absurdities", rules.Reading{Points: []rules.Point{pt(840, 0, 1), pt(780, 5, 10), pt(780, 6, 10), pt(900, 11, 10), pt(900, -1, 10), pt(1200, 0, 1), pt(-60, 0, 1)}},
			[]rules.Point{pt(600, 1, 10), pt(720, 2, 10), pt(780, 6, 10), pt(840, 0, 1)}, 780, 780},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, changed := old.Merge(sig, lay, &tt.rd, 1000, 0)
			if !reflect.DeepEqual(got.Points, tt.want) || changed != tt.changed || got.Settled != tt.settled {
				t.Errorf("got %v changed %d settled %d, want %v %d %d", got.Points, changed, got.Settled, tt.want, tt.changed, tt.settled)
			}
		})
	}
	// What was read before its period ended is not judged, and goes when it is
	// not read again.
	part, _ := old.Merge(sig, lay, &rules.Reading{Points: []rules.Point{pt(960, 1, 1)}}, 1000, 0)
	if got := part.Whole(lay, false, 0); len(got) != 2 || part.Newest(lay) != 780 {
		t.Errorf("whole points %v, newest %d", got, part.Newest(lay))
	}
	if got, _ := part.Merge(sig, lay, &rules.Reading{}, 2000, 0); len(got.Points) != 2 {
		t.Errorf("a partial bucket that was left out is still there: %v", got.Points)
	}
	if got, changed := part.Merge(sig, lay, &rules.Reading{Points: []rules.Point{pt(960, 1, 1)}}, 2000, 0); len(got.Whole(lay, false, 0)) != 3 || changed != 960 {
		t.Errorf("a bucket that is whole now is not: %v, changed %d", got, changed)
	}
}
