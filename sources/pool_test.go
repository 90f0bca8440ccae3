package sources_test

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2025, 6, 4, 12, 0, 0, 0, time.UTC)

// fetcher is a Source made of a function.
type fetcher func(ctx context.Context, now time.Time, wants []sources.Want) []rules.Reading

func (f fetcher) Fetch(ctx context.Context, now time.Time, wants []sources.Want) []rules.Reading {
	return f(ctx, now, wants)
}

// each answers every want with one and the same function.
func each(answer func(w sources.Want) rules.Reading) fetcher {
	return func(_ context.Context, _ time.Time, wants []sources.Want) []rules.Reading {
		var out []rules.Reading
		for _, w := range wants {
			out = append(out, answer(w))
		}
		return out
	}
}

// steady has one bad session of ten in every period.
var steady = each(func(w sources.Want) rules.Reading {
	r := rules.Reading{Signal: w.Index, From: w.From, To: w.To, SettledUntil: w.To}
	for t := w.From; t < w.To; t += 60 {
		r.Points = append(r.Points, rules.Point{At: t, Value: 1, Samples: 10})
	}
	return r
})

func want(source string, index int) sources.Want {
	return sources.Want{
		Run: "p", Index: index, From: noon.Unix() - 300, To: noon.Unix(),
		Signal: &rules.Signal{Name: "s", Source: source, Kind: rules.Ratio, Period: time.Minute},
	}
}

func closed(t *testing.T, p *sources.Pool) {
	t.Helper()
	if err := p.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestPoolAnswersEveryWantInOrder(t *testing.T) {
	p := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"a": steady, "b": steady}})
	defer closed(t, p)
	wants := []sources.Want{want("b", 4), want("a", 2), want("nowhere", 7), want("b", 1)}
	got := p.Fetch(t.Context(), noon, wants)
	if len(got) != len(wants) {
		t.Fatalf("got %d readings for %d wants", len(got), len(wants))
	}
	for i, r := range got {
		fault := rules.OK
		if wants[i].Signal.Source == "nowhere" {
			fault = rules.ConfigFault
		}
		if r.Signal != wants[i].Index || r.From != wants[i].From || r.To != wants[i].To || r.Fault != fault {
			t.Errorf("want %d: got %+v, want signal %d with fault %q", i, r, wants[i].Index, fault)
		}
		if fault == rules.OK && (len(r.Points) != 5 || r.SettledUntil != noon.Unix()) {
			t.Errorf("want %d: got %d points until %d, want 5 until %d", i, len(r.Points), r.SettledUntil, noon.Unix())
		}
	}
	if d := got[2].Detail; !strings.Contains(d, `"nowhere"`) {
		t.Errorf("got detail %q, want the source's name in it", d)
	}
}

func TestPoolSurvivesPanics(t *testing.T) {
	p := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{
		"bad":  fetcher(func(context.Context, time.Time, []sources.Want) []rules.Reading { panic("secret inside") }),
		"good": steady,
	}})
	defer closed(t, p)
	for range 2 { // a panic must not leave the source locked
		got := p.Fetch(t.Context(), noon, []sources.Want{want("bad", 0), want("good", 1)})
		if got[0].Fault != rules.Unavailable || strings.Contains(got[0].Detail, "secret") || got[1].Fault != rules.OK {
			t.Errorf("got %+v, want unavailable without the panic's words, and ok", got)
		}
	}
	if s := p.Stats()[0]; s.Name != "bad" || s.Panics != 2 || s.Readings[rules.Unavailable] != 2 {
		t.Errorf("got %+v, want 2 panics of bad", s)
	}
}

// stuck ignores its context until it is let go, and counts its calls.
type stuck struct {
	letGo chan struct{}
	calls chan struct{}
}

func (s stuck) Fetch(_ context.Context, now time.Time, wants []sources.Want) []rules.Reading {
	s.calls <- struct{}{}
	<-s.letGo
	return steady(context.Background(), now, wants)
}

func TestPoolLeavesAStuckSourceAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stuck{make(chan struct{}), make(chan struct{}, 10)}
		p := sources.NewPool(sources.PoolConfig{
			Timeout: 5 * time.Second,
			Sources: map[string]sources.Source{"stuck": s, "stuck too": s, "good": steady},
		})
		wants := []sources.Want{want("stuck", 0), want("good", 1), want("stuck too", 2)}
		begun := time.Now()
		got := p.Fetch(t.Context(), noon, wants)
		if took := time.Since(begun); took != 6*time.Second {
			t.Errorf("the tick was held for %s, want the timeout and one grace, 6s", took)
		}
		if got[0].Fault != rules.Unavailable || got[0].Detail != "no answer within 5s" || got[1].Fault != rules.OK || got[2].Fault != rules.Unavailable {
			t.Errorf("got %+v, want no answer, ok, no answer", got)
		}
		begun = time.Now()
		got = p.Fetch(t.Context(), noon, wants)
		if took := time.Since(begun); took != 0 || len(s.calls) != 2 {
			t.Errorf("asked again: took %s and %d calls, want nothing at once and 2", took, len(s.calls))
		}
		if got[0].Fault != rules.Unavailable || got[1].Fault != rules.OK {
			t.Errorf("got %+v, want unavailable and ok", got)
		}
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Close(soon); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close while a source is stuck: got %v, want a deadline exceeded", err)
		}
		close(s.letGo)
		closed(t, p)
		if st := p.Stats()[1]; st.Timeouts != 1 || st.Refused != 1 || st.Fetches != 2 {
			t.Errorf("got %+v, want 1 timeout, 1 refused of 2", st)
		}
	})
}

func TestPoolAsksAgainWhenAStuckSourceCameBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stuck{make(chan struct{}), make(chan struct{}, 10)}
		p := sources.NewPool(sources.PoolConfig{Timeout: time.Second, Sources: map[string]sources.Source{"s": s}})
		p.Fetch(t.Context(), noon, []sources.Want{want("s", 0)})
		close(s.letGo)
		synctest.Wait()
		if got := p.Fetch(t.Context(), noon, []sources.Want{want("s", 0)}); got[0].Fault != rules.OK {
			t.Errorf("got %+v, want an answer", got[0])
		}
		closed(t, p)
	})
}

func TestPoolKeepsWhatASourceHadAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		obedient := fetcher(func(ctx context.Context, now time.Time, wants []sources.Want) []rules.Reading {
			<-ctx.Done()
			out := steady(ctx, now, wants)
			out[1] = sources.Faulty(wants[1], rules.Unavailable, "ran out of time")
			return out
		})
		p := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"s": obedient}})
		begun := time.Now()
		got := p.Fetch(t.Context(), noon, []sources.Want{want("s", 0), want("s", 1)})
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("took %s, want the default timeout, 10s", took)
		}
		if got[0].Fault != rules.OK || got[1].Detail != "ran out of time" {
			t.Errorf("got %+v, want the source's own answers", got)
		}
		closed(t, p)
	})
}

func TestPoolAsksASourceOneBatchAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inside, most := 0, 0
		slow := fetcher(func(ctx context.Context, now time.Time, wants []sources.Want) []rules.Reading {
			inside++
			most = max(most, inside)
			time.Sleep(time.Second)
			inside--
			return steady(ctx, now, wants)
		})
		p := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"s": slow}})
		done := make(chan rules.Fault, 3)
		for range 3 {
			go func() { done <- p.Fetch(t.Context(), noon, []sources.Want{want("s", 0)})[0].Fault }()
		}
		for range 3 {
			if f := <-done; f != rules.OK {
				t.Errorf("got fault %q, want an answer for every plan", f)
			}
		}
		if most != 1 {
			t.Errorf("%d batches at once, want 1", most)
		}
		closed(t, p)
	})
}

func TestAClosedPoolAsksNoSource(t *testing.T) {
	p := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"s": steady}})
	closed(t, p)
	if got := p.Fetch(t.Context(), noon, []sources.Want{want("s", 0)})[0]; got.Fault != rules.Unavailable || got.Points != nil {
		t.Errorf("got %+v, want unavailable", got)
	}
}

func TestPoolUsesItsOwnDeadline(t *testing.T) {
	var asked time.Duration
	p := sources.NewPool(sources.PoolConfig{
		Timeout: 7 * time.Second,
		WithTimeout: func(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
			asked = d
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx, cancel
		},
		Sources: map[string]sources.Source{"s": fetcher(func(ctx context.Context, _ time.Time, wants []sources.Want) []rules.Reading {
			<-ctx.Done()
			return []rules.Reading{sources.Faulty(wants[0], rules.Unavailable, "called off")}
		})},
	})
	defer closed(t, p)
	if got := p.Fetch(t.Context(), noon, []sources.Want{want("s", 0)})[0]; got.Fault != rules.Unavailable || asked != 7*time.Second {
		t.Errorf("got %+v after %s, want unavailable by the injected deadline of 7s", got, asked)
	}
}

func TestPoolStatsHaveEverySeriesFromTheStart(t *testing.T) {
	p := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"b": steady, "a": steady}})
	defer closed(t, p)
	st := p.Stats()
	if len(st) != 2 || st[0].Name != "a" || st[1].Name != "b" {
		t.Fatalf("got %+v, want a and b", st)
	}
	for _, f := range rules.Faults() {
		if n, ok := st[0].Readings[f]; !ok || n != 0 {
			t.Errorf("fault %q: got %d, %v, want 0 and present", f, n, ok)
		}
	}
	if st[0].Metered || !st[0].LastSuccess.IsZero() {
		t.Errorf("got %+v, want nothing yet", st[0])
	}
	p.Fetch(t.Context(), noon, []sources.Want{want("b", 0)})
	if b := p.Stats()[1]; b.Fetches != 1 || b.Points != 5 || !b.LastSuccess.Equal(noon) || b.Readings[rules.OK] != 1 {
		t.Errorf("got %+v, want one fetch of 5 points at noon", b)
	}
	if st[1].Readings[rules.OK] != 0 {
		t.Error("an earlier answer of Stats changed")
	}
}

func TestPoolBelievesNothingImpossible(t *testing.T) {
	from, to := noon.Unix()-300, noon.Unix()
	at := func(k int, v, n float64) rules.Point {
		return rules.Point{At: from + int64(k)*60, Value: v, Samples: n}
	}
	good := at(0, 1, 10)
	tests := []struct {
		name    string
		kind    rules.Kind
		points  []rules.Point
		keep    []rules.Point
		complex string
	}{
		{"all is well", rules.Ratio, []rules.Point{good, at(1, 0, 0)}, []rules.Point{good, at(1, 0, 0)}, ""},
		{"NaN", rules.Ratio, []rules.Point{good, at(1, math.NaN(), 10)}, []rules.Point{good}, "not a finite number"},
		{"infinite samples", rules.Ratio, []rules.Point{good, at(1, 1, math.Inf(1))}, []rules.Point{good}, "not a finite number"},
		{"negative value", rules.Gauge, []rules.Point{at(1, -1, 10)}, nil, "negative"},
		{"negative samples", rules.Mean, []rules.Point{at(1, 1, -10)}, nil, "negative"},
		{"more bad than all", rules.Ratio, []rules.Point{at(1, 11, 10), at(2, 1, 10)}, []rules.Point{at(2, 1, 10)}, "11 bad of 10"},
		{"more stars than reviews", rules.Mean, []rules.Point{at(1, 45, 10)}, []rules.Point{at(1, 45, 10)}, ""},
		{"stars of nothing", rules.Mean, []rules.Point{at(1, 4, 0)}, nil, "of no samples"},
		{"half an alarm", rules.Alarm, []rules.Point{at(1, 0.5, 1)}, nil, "neither OK nor ALARM"},
		{"before the range", rules.Ratio, []rules.Point{at(-1, 1, 10), good}, []rules.Point{good}, "outside the range"},
		{"at the end of the range", rules.Ratio, []rules.Point{good, at(5, 1, 10)}, []rules.Point{good}, "outside the range"},
		{"unsorted", rules.Ratio, []rules.Point{at(2, 1, 10), at(1, 1, 10)}, []rules.Point{at(2, 1, 10)}, "ascending"},
		{"a period twice", rules.Ratio, []rules.Point{good, at(0, 5, 10)}, []rules.Point{good}, "ascending"},
		{"more than have room", rules.Ratio, slices.Repeat([]rules.Point{good}, 8), nil, "8 points, and the range has room for 7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"s": each(func(w sources.Want) rules.Reading {
				return rules.Reading{Signal: w.Index, Points: tt.points, SettledUntil: to}
			})}})
			defer closed(t, p)
			w := want("s", 3)
			w.Signal.Kind = tt.kind
			got := p.Fetch(t.Context(), noon, []sources.Want{w})[0]
			if len(got.Points) != len(tt.keep) || len(tt.keep) > 0 && !reflect.DeepEqual(got.Points, tt.keep) {
				t.Errorf("got points %v, want %v", got.Points, tt.keep)
			}
			fault, settled := rules.OK, to
			if tt.complex != "" {
				fault, settled = rules.PartialData, 0
			}
			if got.Fault != fault || got.SettledUntil != settled || !strings.Contains(got.Detail, tt.complex) {
				t.Errorf("got %+v, want fault %q, watermark %d, detail with %q", got, fault, settled, tt.complex)
			}
			if dropped := p.Stats()[0].Dropped; dropped != uint64(len(tt.points)-len(tt.keep)) {
				t.Errorf("got %d dropped, want %d", dropped, len(tt.points)-len(tt.keep))
			}
		})
	}
}

func TestPoolBelievesNoPartsThatAreNotOfTheirPoint(t *testing.T) {
	from := noon.Unix() - 300
	parts := func(k int, groups ...rules.Group) rules.Parts {
		return rules.Parts{At: from + int64(k)*60, Groups: groups}
	}
	g := func(name string, v, n float64) rules.Group { return rules.Group{Name: name, Value: v, Samples: n} }
	good := parts(0, g("a", 1, 4), g("b", 2, 6))
	tests := []struct {
		name  string
		fault rules.Fault
		parts []rules.Parts
		keep  int
		why   string // "" where nothing is dropped
	}{
		{"all is well", rules.OK, []rules.Parts{good}, 1, ""},
		{"none", rules.OK, nil, 0, ""},
		{"too few samples", rules.OK, []rules.Parts{parts(0, g("a", 1, 4), g("b", 2, 5))}, 0, "9 samples in groups of 10"},
		{"a group twice", rules.OK, []rules.Parts{parts(0, g("a", 1, 4), g("a", 2, 6))}, 0, `"a" twice`},
		{"more than all", rules.OK, []rules.Parts{parts(0, g("a", 5, 4), g("b", 2, 6))}, 0, "5 of 4"},
		{"negative", rules.OK, []rules.Parts{parts(0, g("a", -1, 4), g("b", 2, 6))}, 0, "-1 of 4"},
		{"NaN", rules.OK, []rules.Parts{parts(0, g("a", math.NaN(), 4), g("b", 2, 6))}, 0, "not finite"},
		{"outside", rules.OK, []rules.Parts{good, parts(5)}, 1, "outside"},
		{"a period twice", rules.OK, []rules.Parts{good, good}, 1, "ascending"},
		{"of no point", rules.OK, []rules.Parts{good, parts(1, g("a", 1, 1))}, 1, "of no point"},
		{"of no point where nothing is there", rules.NoData, []rules.Parts{parts(1, g("a", 1, 1))}, 1, ""},
		{"of a fault", rules.Unavailable, []rules.Parts{parts(1, g("a", 1, 1))}, 0, "of no point"},
	}
	for _, tt := range tests {
		p := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"s": each(func(w sources.Want) rules.Reading {
			r := rules.Reading{Signal: w.Index, Parts: tt.parts, SettledUntil: noon.Unix(), Fault: tt.fault, Detail: "x"}
			if tt.fault == rules.OK {
				r.Points, r.Detail = []rules.Point{{At: from, Value: 3, Samples: 10}, {At: from + 120, Value: 1, Samples: 1}}, ""
			}
			return r
		})}})
		got := p.Fetch(t.Context(), noon, []sources.Want{want("s", 3)})[0]
		closed(t, p)
		if len(got.Parts) != tt.keep || tt.keep > 0 && !reflect.DeepEqual(got.Parts, tt.parts[:tt.keep]) {
			t.Errorf("%s: got parts %+v of %+v", tt.name, got.Parts, tt.parts)
		}
		fault := tt.fault
		if tt.why != "" && fault == rules.OK {
			fault = rules.PartialData
		}
		if got.Fault != fault || !strings.Contains(got.Detail, tt.why) || (got.SettledUntil == 0) != (fault == rules.PartialData || fault == rules.Unavailable) {
			t.Errorf("%s: got fault %q %q, settled %d; want %q with %q", tt.name, got.Fault, got.Detail, got.SettledUntil, fault, tt.why)
		}
	}
}

func TestPoolTakesABucketThatReachesIntoTheRange(t *testing.T) {
	p := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"s": each(func(w sources.Want) rules.Reading {
		return rules.Reading{Signal: w.Index, Width: 3600, Points: []rules.Point{
			{At: noon.Unix() - 7200, Value: 1, Samples: 9}, {At: noon.Unix() - 3600, Value: 1, Samples: 9},
		}}
	})}})
	defer closed(t, p)
	got := p.Fetch(t.Context(), noon, []sources.Want{want("s", 0)})[0]
	if len(got.Points) != 1 || got.Points[0].At != noon.Unix()-3600 || got.Fault != rules.PartialData {
		t.Errorf("got %+v, want the hour before noon only", got)
	}
}

func TestPoolHoldsASourceToItsContract(t *testing.T) {
	tests := []struct {
		name    string
		answers func(wants []sources.Want) []rules.Reading
		faults  []rules.Fault
	}{
		{"too few readings", func(wants []sources.Want) []rules.Reading { return []rules.Reading{{Signal: 0, SettledUntil: 9}} }, []rules.Fault{rules.PartialData, rules.PartialData}},
		{"none", func([]sources.Want) []rules.Reading { return nil }, []rules.Fault{rules.PartialData, rules.PartialData}},
		{"too many", func([]sources.Want) []rules.Reading { return make([]rules.Reading, 3) }, []rules.Fault{rules.PartialData, rules.PartialData}},
		{"of another signal", func([]sources.Want) []rules.Reading { return []rules.Reading{{Signal: 1}, {Signal: 1}} }, []rules.Fault{rules.PartialData, rules.OK}},
		{"a fault that is none", func([]sources.Want) []rules.Reading { return []rules.Reading{{Signal: 0, Fault: 99}, {Signal: 1}} }, []rules.Fault{rules.PartialData, rules.OK}},
	}
	for _, tt := range tests {
		p := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"s": fetcher(
			func(_ context.Context, _ time.Time, wants []sources.Want) []rules.Reading { return tt.answers(wants) })}})
		got := p.Fetch(t.Context(), noon, []sources.Want{want("s", 0), want("s", 1)})
		for i, r := range got {
			if r.Signal != i || r.Fault != tt.faults[i] || r.Fault != rules.OK && (r.SettledUntil != 0 || len(r.Points) != 0) {
				t.Errorf("%s: reading %d: got %+v, want fault %q", tt.name, i, r, tt.faults[i])
			}
		}
		closed(t, p)
	}
}

func TestPoolBoundsWatermarks(t *testing.T) {
	tests := []struct {
		name    string
		fault   rules.Fault
		settled int64
		want    int64
	}{
		{"within the range", rules.OK, noon.Unix() - 60, noon.Unix() - 60},
		{"beyond the range", rules.OK, noon.Unix() + 600, noon.Unix()},
		{"negative", rules.OK, -5, 0},
		{"of nothing", rules.NoData, noon.Unix() - 60, noon.Unix() - 60},
		{"of half an answer", rules.PartialData, noon.Unix() - 60, 0},
		{"of a refusal", rules.AuthFault, noon.Unix() - 60, 0},
	}
	for _, tt := range tests {
		p := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"s": each(func(w sources.Want) rules.Reading {
			return rules.Reading{Signal: w.Index, Fault: tt.fault, SettledUntil: tt.settled}
		})}})
		if got := p.Fetch(t.Context(), noon, []sources.Want{want("s", 0)})[0].SettledUntil; got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
		closed(t, p)
	}
}

func TestClip(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"two\nlines\tof\x00text", "two lines of text"},
		{"not \xff UTF-8", "not UTF-8"},
		{strings.Repeat("é", 200), strings.Repeat("é", 148) + "…"},
	}
	for _, tt := range tests {
		if got := sources.Clip(tt.in); got != tt.want || len(got) > 300 {
			t.Errorf("Clip(%q) = %q (%d bytes), want %q", tt.in, got, len(got), tt.want)
		}
	}
}

func TestTimeoutsAreHowLongAQuestionMayTakeInAll(t *testing.T) {
	p := sources.NewPool(sources.PoolConfig{
		Timeout: 10 * time.Second, Patience: map[string]time.Duration{"quick": 4 * time.Second, "slow": 5 * time.Minute},
		Sources: map[string]sources.Source{"quick": steady, "slow": steady, "plain": steady},
	})
	defer closed(t, p)
	for name, want := range map[string]time.Duration{"quick": 4 * time.Second, "slow": 5 * time.Minute, "plain": 10 * time.Second} {
		if got := p.Timeouts()[name]; got != want {
			t.Errorf("a question to the %s source may take %s, want %s", name, got, want)
		}
	}
}
