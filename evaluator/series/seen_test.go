package series

import (
	"math"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/stored"
	"github.com/relgate/relgate/rules"
)

func TestWhatWasSeenOnceStaysSeen(t *testing.T) {
	sig := &rules.Signal{Kind: rules.Ratio, Period: 60e9, Every: 60e9}
	lay := NewLayout(sig)
	lay.Keep = 30
	points := func(at ...int64) (list []rules.Point) {
		for _, at := range at {
			list = append(list, rules.Point{At: at, Samples: 9})
		}
		return list
	}
	zero := []int64{60}
	for _, tt := range []struct {
		name           string
		first          rules.Reading
		seen, looked   bool
		filled, unseen bool
	}{
		{"a signal without fillings", rules.Reading{Points: points(60)}, true, false, false, false},
		{"zeros alone", rules.Reading{Points: points(60), Filled: zero}, false, false, true, true},
		{"zeros alone, after a look", rules.Reading{Looked: true, Points: points(60), Filled: zero}, false, true, true, true},
		{"zeros, seen long ago", rules.Reading{Looked: true, Seen: true, Points: points(60), Filled: zero}, true, true, true, false},
		{"a value among zeros", rules.Reading{Points: points(60, 120), Filled: zero}, true, false, true, false},
	} {
		tt.first.SettledUntil = 180
		first, _ := Series{}.Merge(sig, &lay, &tt.first, 300, 0)
		then, _ := first.Merge(sig, &lay, &rules.Reading{From: 180, SettledUntil: 240}, 400, 0) // says nothing of it
		for n, s := range []Series{first, then} {
			if s.Seen != tt.seen || s.Looked != tt.looked || s.Filled != tt.filled || s.Unseen() != tt.unseen {
				t.Errorf("%s, reading %d: seen %t, looked %t, filled %t, unseen %t", tt.name, n, s.Seen, s.Looked, s.Filled, s.Unseen())
			}
			w := stored.NewWriter("x\x03", 0)
			WriteSeries(w, &s)
			b, _ := w.Seal()
			r, err := stored.Open("x\x03", 3, b)
			if err != nil {
				t.Fatal(err)
			}
			var got Series
			ReadSeries(r, &got)
			if err := r.End(); err != nil || got.Seen != s.Seen || got.Looked != s.Looked || got.Filled != s.Filled || len(got.Points) != len(s.Points) {
				t.Errorf("%s, reading %d: read %+v, %v", tt.name, n, got, err)
			}
			for i := range got.Points {
				if got.Points[i] != s.Points[i] {
					t.Errorf("%s: point %d is %+v, want %+v", tt.name, i, got.Points[i], s.Points[i])
				}
			}
		}
	}
}

func TestTheNewestValueUntilATime(t *testing.T) {
	ratio, level := Layout{Period: 60}, Layout{Period: 60, Level: true}
	s := Series{Points: []rules.Point{{At: 60, Samples: 5}, {At: 120}, {At: 200, Samples: 5}}}
	for _, tt := range []struct {
		name string
		lay  *Layout
		at   int64
		want int64
	}{
		{"all of it", &level, 600, 240}, {"one without samples has no value", &ratio, 180, 120}, {"a level has one", &level, 180, 180},
		{"a period that has not ended", &ratio, 119, 0}, {"nothing", &ratio, 60, 0},
	} {
		if got := s.ValuedUntil(tt.lay, tt.at); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// A source that fails for a year is still asked again, and a width that no period has is
// still one.
func TestNumbersThatDoNotFit(t *testing.T) {
	sig := &rules.Signal{Kind: rules.Ratio, Period: time.Minute, Every: 1e6 * time.Hour}
	lay := NewLayout(sig)
	lay.Judges(math.MaxInt64)
	s := Series{Fails: math.MaxInt16 - 1}
	for range 3 {
		s, _ = s.Merge(sig, &lay, &rules.Reading{Fault: rules.Unavailable}, 1000, 0)
		if s.Fails != math.MaxInt16 || s.Next != 1000+maxBackoff {
			t.Fatalf("%d failures, asked again at %d", s.Fails, s.Next)
		}
	}
	s, _ = s.Merge(sig, &lay, &rules.Reading{Width: math.MaxInt64 - 7, Points: []rules.Point{{At: 60, Samples: 9}}}, 1000, 0)
	if lay.Every != math.MaxInt32 || lay.Judged != math.MaxInt32 || s.Bucket(&lay) != math.MaxInt32 || len(s.Points) != 1 {
		t.Errorf("every %d, judged %d, width %d, %d points", lay.Every, lay.Judged, s.Bucket(&lay), len(s.Points))
	}
}

// An early tick asks again. That nothing is new takes no words from what is known; a
// fault, and what a new point says or leaves unsaid, does.
func TestNothingNewLeavesTheNote(t *testing.T) {
	sig := &rules.Signal{Kind: rules.Gauge, Period: 60e9, Every: 60e9}
	lay := NewLayout(sig)
	lay.Keep = 30
	known, _ := Series{}.Merge(sig, &lay, &rules.Reading{Points: []rules.Point{{At: 60, Value: 1, Samples: 9}}, SettledUntil: 120, Note: "decile 8: 28.5 %"}, 200, 0)
	for _, tt := range []struct {
		name string
		then rules.Reading
		want string
	}{
		{"nothing new", rules.Reading{SettledUntil: 120}, "decile 8: 28.5 %"},
		{"a fault", rules.Reading{Fault: rules.Unavailable}, ""},
		{"a point without a note", rules.Reading{Points: []rules.Point{{At: 120, Value: 1, Samples: 9}}, SettledUntil: 180}, ""},
	} {
		tt.then.From = 120
		got, _ := known.Merge(sig, &lay, &tt.then, 201, 0)
		note := ""
		if got.Words != nil {
			note = got.Words.Note
		}
		if note != tt.want {
			t.Errorf("%s: the note is %q, want %q", tt.name, note, tt.want)
		}
	}
}
