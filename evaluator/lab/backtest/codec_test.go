package backtest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
)

func TestHistoryIsKeptWhole(t *testing.T) {
	p := twice()
	s := minutes(&p.Signals[0], time.Hour, bad(3, 0, time.Hour))
	s.Gaps, s.Note, s.Width = []Gap{{1, 2, "why"}}, "n", 3600
	s.Parts = []rules.Parts{{At: s.Points[0].At, Groups: []rules.Group{{Name: "5", Value: 2, Samples: 2}}}}
	h := history(time.Hour, s, Unavailable(&p.Signals[1], "now only"))
	text, err := h.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var got History
	if err := got.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
	h.Series[1].Points = []rules.Point{}
	if !reflect.DeepEqual(&got, h) {
		t.Errorf("got %+v\nwant %+v", &got, h)
	}
}

func TestHistoriesThatCannotBeRead(t *testing.T) {
	p := short()
	text, err := history(time.Hour, minutes(&p.Signals[0], time.Hour, bad(0, 0, 0))).MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(text), "\n")
	for name, bad := range map[string]string{
		"empty":           "",
		"something else":  "{}\n",
		"another version": strings.Replace(string(text), `"relgate_history":1`, `"relgate_history":2`, 1),
		"cut short":       head + "\n",
		"half a line":     head + "\n" + body[:len(body)/2],
		"columns differ":  head + "\n" + strings.Replace(body, `"v":[0,`, `"v":[`, 1),
		"not ascending":   head + "\n" + strings.Replace(body, `"t":[`, `"t":[99999999999,`, 1),
	} {
		if err := new(History).UnmarshalText([]byte(bad)); !errors.Is(err, ErrNoHistory) {
			t.Errorf("%s: got %v, want ErrNoHistory", name, err)
		}
	}
}

// TestHistoriesJoin: two fortnights are a month; what one lost the other may
// have; where both know, the later word counts; between them is a gap.
func TestHistoriesJoin(t *testing.T) {
	p := twice()
	at := func(m int) int64 { return T.Unix() + int64(m)*60 }
	series := func(from, to int, value float64, gaps ...Gap) Series {
		s := Series{Key: KeyOf(&p.Signals[0]), From: at(from), To: at(to), Gaps: gaps}
		for m := from; m < to; m++ {
			if _, lost := s.hole(at(m), at(m+1)); !lost {
				s.Points = append(s.Points, rules.Point{At: at(m), Value: value, Samples: 10})
			}
		}
		return s
	}
	first := &History{From: T, To: T.Add(30 * time.Minute), Fetched: T.Add(30 * time.Minute), Series: []Series{
		series(0, 30, 1, Gap{at(10), at(20), "lost"}), Unavailable(&p.Signals[1], "now only"),
	}}
	second := &History{From: T.Add(15 * time.Minute), To: T.Add(50 * time.Minute), Fetched: T.Add(time.Hour), Series: []Series{
		series(15, 50, 2, Gap{at(16), at(22), "throttled"}),
	}}
	third := &History{From: T.Add(60 * time.Minute), To: T.Add(70 * time.Minute), Fetched: T.Add(2 * time.Hour), Series: []Series{series(60, 70, 3)}}
	got := Join(third, first, second)
	if !got.From.Equal(T) || !got.To.Equal(third.To) || !got.Fetched.Equal(third.Fetched) || len(got.Series) != 2 || got.Series[1].None == "" {
		t.Fatalf("got %+v", got)
	}
	var s *Series
	for i := range got.Series {
		if got.Series[i].None == "" {
			s = &got.Series[i]
		}
	}
	// Known: 0-10 of the first, 15-16 of the second, 20-22 of the first, 22-50 of
	// the second, 60-70 of the third.
	want := map[int]float64{0: 1, 9: 1, 15: 2, 20: 1, 21: 1, 22: 2, 29: 2, 49: 2, 60: 3, 69: 3}
	values := map[int]float64{}
	for _, x := range s.Points {
		values[int(x.At-T.Unix())/60] = x.Value
	}
	for m, v := range want {
		if values[m] != v {
			t.Errorf("minute %d: got %v, want %v", m, values[m], v)
		}
	}
	var gaps []string
	for _, g := range s.Gaps {
		gaps = append(gaps, fmt.Sprintf("%d-%d", (g.From-T.Unix())/60, (g.To-T.Unix())/60))
	}
	if want := []string{"10-15", "16-20", "50-60"}; !slices.Equal(gaps, want) {
		t.Errorf("got gaps %v, want %v", gaps, want)
	}
}

func FuzzUnmarshalHistory(f *testing.F) {
	p := twice()
	text, err := history(5*time.Minute, minutes(&p.Signals[0], 5*time.Minute, bad(1, 0, time.Hour)), Unavailable(&p.Signals[1], "x")).MarshalText()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"relgate_history":1,"series":0}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var h History
		if err := h.UnmarshalText(text); err != nil {
			if !errors.Is(err, ErrNoHistory) {
				t.Errorf("got %v, want ErrNoHistory", err)
			}
			return
		}
		again, err := h.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back History
		if err := back.UnmarshalText(again); err != nil {
			t.Fatalf("what it wrote it cannot read: %v", err)
		}
	})
}

func TestParseMarks(t *testing.T) {
	marks, err := ParseMarks("bad.txt", "# what went wrong in June\n\n2025-06-01T10:00:00Z 2025-06-01T10:40:00Z deploy 41 # rolled back\n  2025-06-02T12:00:00+02:00\t2025-06-02T13:00:00+02:00\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []Mark{
		{From: time.Date(2025, 6, 1, 10, 0, 0, 0, time.UTC), To: time.Date(2025, 6, 1, 10, 40, 0, 0, time.UTC), Note: "deploy 41"},
		{From: time.Date(2025, 6, 2, 10, 0, 0, 0, time.UTC), To: time.Date(2025, 6, 2, 11, 0, 0, 0, time.UTC)},
	}
	if !reflect.DeepEqual(marks, want) {
		t.Errorf("got %+v, want %+v", marks, want)
	}
	_, err = ParseMarks("bad.txt", "2025-06-01T10:00:00Z\n2025-06-01T10:00:00Z 2025-06-01T10:40:00Z\n2025-06-01T11:00:00Z 2025-06-01T10:40:00Z\nyesterday today\n")
	for _, part := range []string{"bad.txt:1: ", "want two times", "bad.txt:3: ", "not after", "bad.txt:4: ", `"yesterday"`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want %q in it", err, part)
		}
	}
	if strings.Contains(err.Error(), "bad.txt:2") {
		t.Errorf("got %v, but line 2 is right", err)
	}
}

func TestMarksWithoutATime(t *testing.T) {
	at := time.Date(2025, 6, 1, 10, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		mark Mark
		want string
	}{
		{Mark{}, "from is missing"}, {Mark{To: at}, "from is missing"}, {Mark{From: at}, "to is missing"}, {Mark{From: at, To: at}, "not after its start"},
	} {
		if err := tt.mark.Check(nil); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "0001") {
			t.Errorf("%+v: got %v, want %q", tt.mark, err, tt.want)
		}
	}
}

func FuzzParseMarks(f *testing.F) {
	f.Add("2025-06-01T10:00:00Z 2025-06-01T10:40:00Z note\n# c\n")
	f.Add("x\n\n y z")
	f.Fuzz(func(t *testing.T, text string) {
		marks, _ := ParseMarks("f", text)
		for _, m := range marks {
			if !m.From.Before(m.To) {
				t.Errorf("%q gives a period from %s to %s", text, m.From, m.To)
			}
		}
	})
}
