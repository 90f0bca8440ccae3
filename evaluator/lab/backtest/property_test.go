package backtest

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// drawnPlan is a plan of one to three phases over two signals, with rules of
// every form that is judged on time: for, over, one period, evidence.
func drawnPlan(t *rapid.T) *rules.Plan {
	p := &rules.Plan{
		Name: "drawn", Start: T, Interval: rapid.SampledFrom([]time.Duration{30 * time.Second, time.Minute, 45 * time.Second}).Draw(t, "interval"),
		Signals: []rules.Signal{ratio("a"), ratio("b")}, FalseRollback: .01, FalsePass: .05,
	}
	p.Signals[1].Settle = rapid.SampledFrom([]time.Duration{0, time.Minute, 10 * time.Minute}).Draw(t, "settle")
	p.Signals[1].Every = rapid.SampledFrom([]time.Duration{time.Minute, 5 * time.Minute}).Draw(t, "every")
	if rapid.Bool().Draw(t, "gauge") {
		p.Signals[1].Kind, p.Signals[1].Unit = rules.Gauge, rules.Number
	}
	weigh := rapid.Bool().Draw(t, "evidence")
	policies := []rules.Policy{rules.PolicyHold, rules.PolicyHold, rules.PolicyIgnore, rules.PolicyFail, rules.PolicyRollback}
	for i, s := range []int{0, 1} {
		r := rule(rules.Success, "ok"+string(rune('a'+i)), s, "< 2 %")
		r.OnNoData = rapid.SampledFrom(policies).Draw(t, "policy")
		p.Rules = append(p.Rules, r)
	}
	for i, s := range []int{0, 1} {
		r := rule(rules.RollbackRule, "back"+string(rune('a'+i)), s, "> 3 %")
		r.OnNoData = rapid.SampledFrom(policies).Draw(t, "policy")
		switch rapid.IntRange(0, 2).Draw(t, "form") {
		case 0:
			r.For = 5 * time.Minute
		case 1:
			r.Over = 5 * time.Minute
		}
		if weigh && s == 0 {
			r.Method, r.Limit, r.Trigger, r.Alpha, r.Over, r.For = rules.Sequential, .01, .03, .01, 0, 0
		}
		p.Rules = append(p.Rules, r)
	}
	at := time.Duration(0)
	for k := range rapid.IntRange(1, 3).Draw(t, "phases") {
		ph := rules.Phase{Name: string(rune('p' + k)), Start: at, Window: 20 * time.Minute, Extend: 10 * time.Minute, Success: []int{0, 1}, Rollback: []int{2, 3}}
		if k > 0 {
			ph.Advance = rapid.SampledFrom([]rules.Advance{rules.Scheduled, rules.OnPass, rules.Signalled}).Draw(t, "advance")
		}
		at += 20*time.Minute + time.Duration(rapid.IntRange(0, 15).Draw(t, "pause"))*time.Minute
		p.Phases = append(p.Phases, ph)
	}
	return p
}

// drawnHistory is three hours of both signals: quiet, with bursts, with minutes
// that does not exist and, sometimes, a hole.
func drawnHistory(t *rapid.T, p *rules.Plan) *History {
	const d = 3 * time.Hour
	h := history(d)
	for i := range p.Signals {
		sig := &p.Signals[i]
		var levels []float64
		for range 13 {
			levels = append(levels, rapid.SampledFrom([]float64{0, 0, 1, 5, 15, 25, 40, 90, -1}).Draw(t, "level"))
		}
		s := minutes(sig, d, func(since time.Duration) float64 { return levels[int((since+15*time.Minute)/(15*time.Minute))] })
		if sig.Kind == rules.Gauge {
			for k := range s.Points {
				s.Points[k].Value /= 1000
			}
		}
		if rapid.IntRange(0, 3).Draw(t, "hole") == 0 {
			from := T.Unix() + int64(rapid.IntRange(0, 150).Draw(t, "from"))*60
			s.Gaps = []Gap{{From: from, To: from + 20*60, Detail: "lost"}}
			s.Points = slices.DeleteFunc(s.Points, func(x rules.Point) bool { return x.At >= from && x.At < from+20*60 })
		}
		h.Series = append(h.Series, s)
	}
	return h
}

// TestLeavingTicksOutChangesNothing: a whole run gives the same events whether
// quiet ticks are left out or not, and so does each rule alone.
func TestLeavingTicksOutChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawnPlan(t)
		r, err := newRun(Config{Plan: p, History: drawnHistory(t, p), From: T, To: T.Add(3 * time.Hour), Every: 2 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		of := make([]coverage, len(p.Rules))
		for i := range of {
			of[i] = r.ruleCoverage(i, T.Unix(), T.Unix()+r.length)
		}
		plans := []*rules.Plan{r.judged(T.Unix(), of)}
		for _, i := range r.watched {
			plans = append(plans, r.alone(i, T.Unix(), of[i]))
		}
		for _, plan := range plans {
			fast := r.drive(plan)
			r.everyTick = true
			slow := r.drive(plan)
			r.everyTick = false
			same(t, fast.events, slow.events)
			if fast.ticks > slow.ticks || fast.cut != slow.cut {
				t.Fatalf("%d ticks, cut %v; every tick: %d, %v", fast.ticks, fast.cut, slow.ticks, slow.cut)
			}
		}
	})
}

// same compares events by their JSON, which is what is journalled and sent.
func same(t *rapid.T, got, want []fact.Event) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		var g, w []byte
		if i < len(got) {
			g, _ = json.Marshal(&got[i])
		}
		if i < len(want) {
			w, _ = json.Marshal(&want[i])
		}
		if string(g) != string(w) {
			t.Fatalf("event %d:\n got %s\nwant %s", i, g, w)
		}
	}
}

// TestABacktestIsALiveRun: the events of one release are those of a loop that
// lives through it: a tick every interval from long before, each question
// answered with the minutes that have ended and settled.
func TestABacktestIsALiveRun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawnPlan(t)
		h := drawnHistory(t, p)
		for i := range h.Series {
			h.Series[i].Gaps = nil // a live run has no holes but silence
		}
		r, err := newRun(Config{Plan: p, History: h, From: T, To: T.Add(3 * time.Hour), Every: 3 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		of := make([]coverage, len(p.Rules))
		for i := range of {
			of[i] = coverage{extent: Whole}
		}
		got := r.drive(r.judged(T.Unix(), of))

		live := moved(p, T.Unix())
		state, events := evaluator.Begin(live), []fact.Event(nil)
		step := int64(live.Interval / time.Second)
		for at := (T.Unix() - 7200) / step * step; at <= got.at; at += step {
			tick := fact.Tick{At: time.Unix(at, 0)}
			for _, w := range evaluator.Wants(live, state, tick.At) {
				tick.Readings = append(tick.Readings, remembered(live, h, w, at))
			}
			var more []fact.Event
			state, more = evaluator.Step(live, state, tick)
			events = append(events, more...)
		}
		same(t, got.events, events)
	})
}

// remembered answers a question the plain way.
func remembered(p *rules.Plan, h *History, w fact.Want, at int64) rules.Reading {
	settle := int64(p.Signals[w.Signal].Settle / time.Second)
	rd := rules.Reading{Signal: w.Signal, From: w.From, To: w.To}
	ended := 0
	for t := (w.From + 59) / 60 * 60; t+60 <= w.To && t+60+settle <= at; t += 60 {
		ended++
		for _, x := range h.Series[w.Signal].Points {
			if x.At == t {
				rd.Points = append(rd.Points, x)
			}
		}
	}
	rd.SettledUntil = min((at-settle)/60*60, w.To/60*60)
	if len(rd.Points) == 0 && rd.SettledUntil > w.From {
		rd.Fault, rd.Detail = rules.NoData, "nothing in the history"
	}
	return rd
}

// TestARuleAloneIsTheReleaseThatRanThrough: where nothing else ended a release,
// what a rule did in it is what it does alone.
func TestARuleAloneIsTheReleaseThatRanThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawnPlan(t)
		p.Phases = p.Phases[:1]
		cfg := Config{Plan: p, History: drawnHistory(t, p), From: T, To: T.Add(3 * time.Hour), Every: time.Hour}
		quick, err := newRun(cfg)
		if err != nil {
			t.Fatal(err)
		}
		slow := *quick
		slow.everyTick = true
		for n := range 3 {
			got, want := quick.release(n+1, T.Unix()+int64(n)*3600), slow.release(n+1, T.Unix()+int64(n)*3600)
			if g, w := text(t, got.firings), text(t, want.firings); g != w {
				t.Fatalf("release %d: firings\n got %s\nwant %s", n+1, g, w)
			}
			if g, w := text(t, got.release), text(t, want.release); g != w {
				t.Fatalf("release %d:\n got %s\nwant %s", n+1, g, w)
			}
		}
	})
}

func text(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestTheOrderOfReleasesDoesNotMatter: a report is the same when its releases
// are run in any order.
func TestTheOrderOfReleasesDoesNotMatter(t *testing.T) {
	p := twice()
	h := history(8*time.Hour,
		minutes(&p.Signals[0], 8*time.Hour, bad(50, 140*time.Minute, 170*time.Minute)),
		minutes(&p.Signals[1], 8*time.Hour, bad(30, 300*time.Minute, 400*time.Minute)))
	cfg := Config{Plan: p, History: h, From: T, To: h.To, Every: time.Hour}
	a, err := Run(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Spread = func(n int, do func(int) error) error {
		for i := range n {
			if err := do(n - 1 - i); err != nil {
				return err
			}
		}
		return nil
	}
	b, err := Run(cfg)
	if err != nil {
		t.Fatal(err)
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	if string(x) != string(y) || len(a.Firings) < 2 {
		t.Errorf("got %d firings in turn and %d in another order:\n%s\n%s", len(a.Firings), len(b.Firings), x, y)
	}
}
