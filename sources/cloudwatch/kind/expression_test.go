package kind_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/sources/cloudwatch/kind"
)

// An expression is read as arithmetic is everywhere, or refused with what is wrong and where.
func TestExpressions(t *testing.T) {
	values := map[string]float64{"a": 12, "b": 3, "c": 2, "all": 100, "zero": 0, "blue_5xx": 7, "x2": 9, "huge": math.MaxFloat64}
	for _, tt := range []struct {
		text  string
		want  float64
		none  bool // there is no value
		names string
		grows bool
		err   string
	}{
		{text: "a", want: 12, names: "a", grows: true},
		{text: " a+b\n +c ", want: 17, names: "a b c", grows: true},
		{text: "a - b - c", want: 7, names: "a b c"},
		{text: "a - (b - c)", want: 11, names: "a b c"},
		{text: "a + b * c", want: 18, names: "a b c", grows: true},
		{text: "(a + b) * c", want: 30, names: "a b c", grows: true},
		{text: "a / b / c", want: 2, names: "a b c"},
		{text: "a / (b * c)", want: 2, names: "a b c"},
		{text: "-a + all", want: 88, names: "a all"},
		{text: "a * -b", want: -36, names: "a b"},
		{text: "--a", want: 12, names: "a"},
		{text: "0.5 * all + .25", want: 50.25, names: "all", grows: true},
		{text: "all*(1-a/100)", want: 88, names: "all a"},
		{text: "blue_5xx + x2", want: 16, names: "blue_5xx x2", grows: true},
		{text: "a + a", want: 24, names: "a", grows: true},
		{text: "a / zero", none: true, names: "a zero"},
		{text: "zero / zero", none: true, names: "zero"},
		{text: "all - a / zero", none: true, names: "all a zero"},
		{text: "huge * huge", none: true, names: "huge", grows: true},
		{text: "", err: "it ends where a metric or a number should be"},
		{text: "a +", err: "it ends where"},
		{text: "(a", err: "the parenthesis at character 1 is not closed"},
		{text: "a + (b * (c)", err: "the parenthesis at character 5 is not closed"},
		{text: "a)", err: `')' at character 2 is not expected`},
		{text: "(a b)", err: `'b' at character 4 is not expected`},
		{text: "a b", err: `'b' at character 3 is not expected`},
		{text: "a ** b", err: `'*' at character 4 is not expected`},
		{text: "a ^ 2", err: `'^' at character 3 is not expected`},
		{text: "a > 5", err: `'>' at character 3 is not expected`},
		{text: "a + ö", err: `'ö' at character 5 is not expected`},
		{text: "[a, b]", err: `'[' at character 1 is not expected`},
		{text: "1 + 2", err: "it names no metric"},
		{text: "a + 1e400", err: `"1e400" at character 5 is not a number`},
		{text: "a + 0x1p4", err: `"0x1p4" at character 5 is not a number`},
		{text: "a + 1_000", err: `"1_000" at character 5 is not a number`},
		{text: "a + 2b", err: `"2b" at character 5 is not a number`},
		{text: "RequestCount", err: `"RequestCount" at character 1: a metric's name begins with a lower-case letter`},
		{text: "_a", err: `"_a" at character 1: a metric's name begins`},
		{text: "FILL(a, 0)", err: "FILL is not possible: what is missing must stay missing; write missing_bad_is_zero = true"},
		{text: "fill (a, REPEAT)", err: "fill is not possible: what is missing must stay missing"},
		{text: "SUM([a, b])", err: "SUM is not possible: write a sum with +"},
		{text: "SUM(METRICS())", err: "SUM is not possible"},
		{text: "METRICS()", err: "METRICS is not possible: it may give several series, or another's; write each metric by its name"},
		{text: `SEARCH('{AWS/EC2}', 'Sum')`, err: "SEARCH is not possible: it may give several series"},
		{text: "ANOMALY_DETECTION_BAND(a, 2)", err: "ANOMALY_DETECTION_BAND is not possible: it may give several series"},
		{text: "SELECT SUM(x) FROM y", err: "SELECT is not possible: it may give several series"},
		{text: "IF(a, b, c)", err: "IF is not possible: it is a function of CloudWatch's"},
		{text: "a AND b", err: "'A' at character 3 is not expected"},
		{text: strings.Repeat("(", 60) + "a" + strings.Repeat(")", 60), err: "parentheses and signs in more than 50 others"},
		{text: strings.Repeat("-", 60) + "a", err: "parentheses and signs in more than 50 others"},
		{text: strings.Repeat("a + ", 600) + "a", err: "2401 characters, want at most 2048"},
		{text: "a" + strings.Repeat("b", 255), err: "has at most 255 characters"},
	} {
		e, err := kind.ParseExpression(tt.text)
		if err != nil || tt.err != "" {
			if err == nil || tt.err == "" || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: error %v, want %q", tt.text, err, tt.err)
			}
			continue
		}
		got, ok := e.Value(func(name string) float64 { return values[name] })
		if ok == tt.none || ok && got != tt.want || e.Grows() != tt.grows {
			t.Errorf("%q = %v, %t, grows %t; want %v, %t, %t", tt.text, got, ok, e.Grows(), tt.want, !tt.none, tt.grows)
		}
		if diff := cmp.Diff(strings.Fields(tt.names), e.Names()); diff != "" {
			t.Errorf("%q: names (-want +got): %s", tt.text, diff)
		}
	}
}

// Any text is an expression or an error. What is read as one reads the same again, names
// what can be a name, and has a finite value or none.
func FuzzParseExpression(f *testing.F) {
	for _, text := range []string{"a + b", "-(a*2.5)/b", "FILL(a,0)", "((((", "a\x00", "ö", "1..2", "a - - b", strings.Repeat("(", 3000)} {
		f.Add(text, 1.5)
	}
	f.Fuzz(func(t *testing.T, text string, v float64) {
		e, err := kind.ParseExpression(text)
		if err != nil {
			if err.Error() == "" {
				t.Errorf("%q: an error without words", text)
			}
			return
		}
		got, ok := e.Value(func(string) float64 { return v })
		if ok && (math.IsNaN(got) || math.IsInf(got, 0)) || len(e.Names()) == 0 {
			t.Errorf("%q = %v, %t of %v", text, got, ok, e.Names())
		}
		if e.Grows() && v >= 0 && ok {
			if more, ok := e.Value(func(string) float64 { return 2 * v }); ok && more < got {
				t.Errorf("%q grows, and is %v of %v and %v of twice that", text, got, v, more)
			}
		}
		again, err := kind.ParseExpression(e.String())
		if err != nil || !cmp.Equal(again.Names(), e.Names()) {
			t.Fatalf("%q is written as %q: %v", text, e, err)
		}
		if other, same := again.Value(func(string) float64 { return v }); same != ok || ok && other != got {
			t.Errorf("%q = %v, and as it is written %q = %v", text, got, e, other)
		}
	})
}
