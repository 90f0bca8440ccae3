package backtest

import (
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Zeros of a name that was seen at any time are as good as values; those of one that
// never was prove nothing in a backtest either.
func TestNamesThatWereNeverSeen(t *testing.T) {
	sig := &rules.Signal{Name: "errors", Source: "cw", Kind: rules.Ratio, Period: time.Minute, Of: -1}
	zeros := func(from int64, filled, seen bool) Series {
		rd := rules.Reading{From: from, To: from + 120, Looked: true, Seen: seen}
		for at := from; at < from+120; at += 60 {
			rd.Points = append(rd.Points, rules.Point{At: at, Samples: 9})
			if filled {
				rd.Filled = append(rd.Filled, at)
			}
		}
		return Assemble(sig, []rules.Reading{rd})
	}
	for _, tt := range []struct {
		name string
		s    Series
		want bool
	}{
		{"never seen", zeros(600, true, false), true},
		{"seen", zeros(600, true, true), false},
		{"values", zeros(600, false, false), false},
		{"nothing", Assemble(sig, []rules.Reading{{From: 600, To: 660}}), false},
		{"never seen, and then neither", joined(zeros(600, true, false), zeros(720, true, false)), true},
		{"never seen, and then it was", joined(zeros(600, true, false), zeros(720, true, true)), false},
	} {
		h := History{From: time.Unix(600, 0), To: time.Unix(720, 0), Series: []Series{tt.s}}
		text, err := h.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var again History
		if err := again.UnmarshalText(text); err != nil {
			t.Fatal(err)
		}
		for _, s := range []Series{tt.s, again.Series[0]} {
			rd := s.answer(sig, fact.Want{From: 600, To: 720}, 1200)
			for _, p := range rd.Points {
				if rd.Fills(p.At) != tt.want {
					t.Errorf("%s: a zero stands for the point at %d: %t", tt.name, p.At, rd.Fills(p.At))
				}
			}
			if s.Unseen != tt.want {
				t.Errorf("%s: unseen is %t", tt.name, s.Unseen)
			}
		}
	}
}
