package evidence

import (
	"math"
	"testing"
)

// ruled is a rule on limit 1 %, trigger 3 %, beside a baseline or not.
func ruled(beside bool, aside int) *Rule {
	r := &Rule{Test: NewTest(.01, .03), Limit: .01, Bound: math.Log(100), Grace: 5}
	if aside > 0 {
		r.Rider = NewRider(r.Test, aside, 1)
	}
	if beside {
		r.Pair = NewPair(0)
	}
	return r
}

// watch lets a rule see minutes of 100 events, and as many of the baseline.
func (r *Rule) watch(c *Case, from, to int, bad, base float64) {
	if r.Pair != nil && c.Beside == nil {
		c.Beside = new(Versus)
	}
	for t := from; t < to; t++ {
		omega := .5 / 1439
		if t == 0 {
			omega = .5
		}
		b := Minute{N: 900, Bad: 9 * base}
		if base < 0 {
			b = Minute{}
		}
		r.Look(c, int64(t), int64(t+1), Minute{N: 100, Bad: bad}, b, omega)
	}
}

// The rungs of a rule with and without bursts ridden out, and beside a baseline.
func TestRungs(t *testing.T) {
	for _, tt := range []struct {
		name      string
		beside    bool
		bad, base float64 // a minute, of 100 events
		minutes   int
		least     float64
		floor     int64
		in        Scope
		rung      Rung
		baseline  bool
	}{
		{"nothing", false, 0, 0, 60, 0, 0, Scope{}, NoRung, false},
		{"a fault", false, 10, 0, 10, 0, 0, Scope{}, Firing, false},
		{"a fault of one minute", false, 10, 0, 1, 0, 0, Scope{}, Warning, false},
		{"a fault shorter than for", false, 10, 0, 10, 0, 60, Scope{}, Holding, false},
		{"a fault with fewer events than wanted", false, 10, 0, 10, 5000, 0, Scope{}, Holding, false},
		{"between limit and trigger", false, 2, 0, 400, 0, 0, Scope{}, Holding, false},
		{"worse than earlier releases", false, 0, 0, 60, 0, 0, Scope{Past: 5}, Warning, true},
		{"alone at fault", true, 10, 0, 10, 0, 0, Scope{}, Firing, false},
		{"both at fault", true, 10, 10, 60, 0, 0, Scope{}, Holding, true},
		{"worse than the baseline, within the limit", true, 1, 0, 600, 0, 0, Scope{}, Warning, true},
		{"a baseline that never came, yet", true, 10, -1, 4, 0, 0, Scope{}, Holding, false},
		{"a baseline that may be behind", true, 10, -1, 10, 0, 0, Scope{Deaf: true}, Holding, false},
		{"a baseline that is gone", true, 10, -1, 10, 0, 0, Scope{}, Firing, false},
	} {
		for _, aside := range []int{0, 2} {
			r := ruled(tt.beside, aside)
			r.Least, r.Floor = tt.least, tt.floor
			var c Case
			r.watch(&c, 0, tt.minutes, tt.bad, tt.base)
			in := tt.in
			in.Newest = int64(tt.minutes)
			if s := r.Standing(&c, in); s.Rung != tt.rung || s.Baseline != tt.baseline {
				t.Errorf("%s, %d periods of a burst: %+v, want rung %d", tt.name, aside, s, tt.rung)
			}
		}
	}
}

// A baseline that failed and has ended is not forgotten, and what it counted is counted
// over the suspect stretch.
func TestTheBaselineOfTheStretch(t *testing.T) {
	for _, aside := range []int{0, 4} {
		r := ruled(true, aside)
		var c Case
		r.watch(&c, 0, 30, 0, 0)
		r.watch(&c, 30, 34, 10, 10)
		r.watch(&c, 34, 60, 10, -1)
		s := r.Standing(&c, Scope{Newest: 60})
		if !s.Suspect || s.Start != 30 || s.N != 3000 || s.Bad != 300 || s.Over != (Minute{N: 3600, Bad: 360}) || s.Rung != Holding || !s.Compared || !s.Baseline {
			t.Errorf("%d periods of a burst: %+v", aside, s)
		}
		healthy := ruled(true, aside)
		var h Case
		healthy.watch(&h, 0, 60, 0, 1)
		if s := healthy.Standing(&h, Scope{From: 0, Newest: 60}); s.Suspect || s.Start != 0 || s.N != 6000 || s.Over.N != 54_000 {
			t.Errorf("%d periods of a burst: %+v", aside, s)
		}
	}
}

// A rule that wants a fault to last rolls back only what lasts until now: not a storm
// that is over, however long the stretch is that it speaks in. A minute without a bad
// event is no end where it may be chance, and neither is every second one.
func TestLasting(t *testing.T) {
	for _, tt := range []struct {
		name    string
		n       float64
		bad     string // a minute each: a digit for so many tenths of its events, _ for none, 1 bad event for .
		repeats int
		rung    Rung
	}{
		{"a fault that goes on", 1200, "5", 12, Firing},
		{"a storm that is over", 1200, "555555555___________", 1, Holding},
		{"one that dwindles", 12, "555555555.", 1, Holding},
		{"one that is over, at low traffic", 12, "555555555______", 1, Holding},
		{"every second minute", 1200, "5_", 16, Firing},
		{"every third minute", 1200, "5__", 16, Firing},
		{"storms with pauses", 1200, "555______", 10, Holding},
		{"every second minute at low traffic", 12, "1_", 120, Firing},
		{"a storm, and a new one that has not lasted", 1200, "555555555555________55", 1, Holding},
	} {
		r := NewRule(Terms{Limit: .01, Trigger: .03, Alpha: .01, Floor: 10})
		var c Case
		at := int64(0)
		for range tt.repeats {
			for _, b := range tt.bad {
				m := Minute{N: tt.n, Bad: math.Ceil(tt.n * float64(b-'0') / 10)}
				switch b {
				case '_':
					m.Bad = 0
				case '.':
					m.Bad = 1
				}
				r.Look(&c, at, at+1, m, Minute{}, .5/59)
				at++
			}
		}
		if s := r.Standing(&c, Scope{Newest: at}); s.Rung != tt.rung {
			t.Errorf("%s: %+v, want rung %d; %+v", tt.name, s, tt.rung, c.Lasts)
		}
	}
}

// The terms of a rule decide what it rides out, and what it is beside.
func TestNewRule(t *testing.T) {
	r := NewRule(Terms{Limit: .01, Trigger: .03, Alpha: .01, Aside: 4, Period: 60, Beside: true, Least: 5, Floor: 6, Grace: 7})
	if r.Rider == nil || r.Pair == nil || r.Bound != math.Log(100) || r.Least != 5 || r.Floor != 6 || r.Grace != 7 {
		t.Errorf("%+v", r)
	}
	for _, aside := range []int{0, MostAside + 1} {
		if r := NewRule(Terms{Limit: .01, Trigger: .03, Alpha: .01, Aside: aside, Period: 1}); r.Rider != nil || r.Pair != nil {
			t.Errorf("%d periods of a burst: %+v", aside, r)
		}
	}
}

// BenchmarkRule is a look of a rule with a baseline, and where it stands after it.
func BenchmarkRule(b *testing.B) {
	r := ruled(true, 4)
	c := Case{Beside: new(Versus)}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		bad := 0.0
		if i%2 == 0 {
			bad = 1
		}
		r.Look(&c, int64(i), int64(i+1), Minute{N: 12, Bad: bad}, Minute{N: 108, Bad: bad}, .5/1439)
		if s := r.Standing(&c, Scope{Newest: int64(i + 1)}); s.N < 0 {
			b.Fatal(s)
		}
	}
	inLogs(b)
}
