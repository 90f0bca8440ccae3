package backtest

import (
	"errors"
	"reflect"
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

func TestMergeTakesWhatIsMissing(t *testing.T) {
	p := twice()
	a := history(time.Hour, minutes(&p.Signals[0], time.Hour, bad(1, 0, time.Hour)))
	b := history(time.Hour, minutes(&p.Signals[0], time.Hour, bad(9, 0, time.Hour)), minutes(&p.Signals[1], time.Hour, bad(2, 0, time.Hour)))
	if n := a.Merge(b); n != 1 || len(a.Series) != 2 || a.Series[0].Points[20].Value != 1 || !a.Has(&p.Signals[1]) {
		t.Errorf("took %d series, has %d; want the second only", n, len(a.Series))
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
