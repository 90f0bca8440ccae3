package rules

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestParseCondition(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Condition
	}{
		{"> 3 %", Condition{Greater, 0.03, Percent}}, // exactly, not 0.030000000000000002
		{">3%", Condition{Greater, 0.03, Percent}},
		{"<= 300 ms", Condition{LessOrEqual, 0.3, Seconds}},
		{"< 0.07 %", Condition{Less, 0.0007, Percent}},
		{">= 99.5 %", Condition{GreaterOrEqual, 0.995, Percent}},
		{"<= 2.5 s", Condition{LessOrEqual, 2.5, Seconds}},
		{"< 2 min", Condition{Less, 120, Seconds}},
		{"< 2 m", Condition{Less, 120, Seconds}},
		{">= 4.5", Condition{GreaterOrEqual, 4.5, Number}},
		{"== 1", Condition{Equal, 1, Number}},
		{"!= -1", Condition{NotEqual, -1, Number}},
		{"  > 1e-3  ", Condition{Greater, 0.001, Number}},
		{"> 0 %", Condition{Greater, 0, Percent}},
	} {
		if got, err := ParseCondition(tt.text); err != nil || got != tt.want {
			t.Errorf("ParseCondition(%q) = %#v, %v, want %#v", tt.text, got, err, tt.want)
		}
	}
}

func TestParseConditionRefuses(t *testing.T) {
	for _, text := range []string{
		"", "3 %", "> ", "> %", "=> 3", "= 3", "> 3 x", "> three", "> NaN", "> Inf", "> -Inf %", "> 0x10", "> 1_000",
		"> 3 % %", "> 3 4", "> 1e999", "> 1e308 %e", "> 0x1p-2", "> 1e308 min",
	} {
		if got, err := ParseCondition(text); err == nil {
			t.Errorf("ParseCondition(%q) = %#v, want an error", text, got)
		}
	}
}

func TestConditionHolds(t *testing.T) {
	for _, tt := range []struct {
		op               Op
		below, at, above bool
	}{
		{Less, true, false, false},
		{LessOrEqual, true, true, false},
		{Greater, false, false, true},
		{GreaterOrEqual, false, true, true},
		{Equal, false, true, false},
		{NotEqual, true, false, true},
		{NoOp, false, false, false},
		{Op(99), false, false, false},
	} {
		c := Condition{Op: tt.op, Threshold: 2}
		if got := [3]bool{c.Holds(1), c.Holds(2), c.Holds(3)}; got != [3]bool{tt.below, tt.at, tt.above} {
			t.Errorf("%v 2 of 1, 2, 3: got %v, want %v", tt.op, got, [3]bool{tt.below, tt.at, tt.above})
		}
		for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			if c.Holds(v) {
				t.Errorf("%v 2 holds of %v: nothing may hold of what is no number", tt.op, v)
			}
		}
	}
}

func conditions(t *rapid.T) Condition {
	threshold := rapid.Float64().Filter(func(v float64) bool { return math.Abs(v) < 1e300 }).Draw(t, "threshold")
	return Condition{
		Op:        Op(rapid.IntRange(int(Less), int(NotEqual)).Draw(t, "op")),
		Threshold: threshold,
		Unit:      Unit(rapid.IntRange(int(Number), int(Seconds)).Draw(t, "unit")),
	}
}

func TestConditionReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := conditions(t)
		got, err := ParseCondition(want.String())
		if err != nil || got != want {
			t.Fatalf("ParseCondition(%q) = %#v, %v, want %#v", want.String(), got, err, want)
		}
		text, _ := want.MarshalText()
		var read Condition
		if err := read.UnmarshalText(text); err != nil || read != want {
			t.Fatalf("UnmarshalText(%q) gave %#v, %v, want %#v", text, read, err, want)
		}
	})
}

func TestEmptyConditionReadsBack(t *testing.T) {
	c := Condition{Op: Less, Threshold: 1}
	if err := c.UnmarshalText(nil); err != nil || c != (Condition{}) || c.String() != "" {
		t.Errorf("got %#v (%v), %q, want the empty condition", c, err, c.String())
	}
	if err := c.UnmarshalText([]byte("x")); err == nil || c != (Condition{}) {
		t.Errorf("got %#v, %v, want an error and no change", c, err)
	}
}

func TestUnitFormats(t *testing.T) {
	for _, tt := range []struct {
		unit        Unit
		v           float64
		full, short string
	}{
		{Percent, 0.03, "3 %", "3 %"},
		{Percent, 0.050312, "5.0312 %", "5.031 %"},
		{Percent, 0.07, "7 %", "7 %"},
		{Percent, 1, "100 %", "100 %"},
		{Seconds, 2.5, "2.5 s", "2.5 s"},
		{Seconds, 0.123456, "0.123456 s", "0.123 s"},
		{Number, 4.25, "4.25", "4.25"},
		{Number, 1234567, "1234567", "1234567"},
		{Number, 0.0000001234, "0.0000001234", "0.0000001234"},
	} {
		if got := tt.unit.Format(tt.v); got != tt.full {
			t.Errorf("%v: Format(%v) = %q, want %q", tt.unit, tt.v, got, tt.full)
		}
		if got := tt.unit.Short(tt.v); got != tt.short {
			t.Errorf("%v: Short(%v) = %q, want %q", tt.unit, tt.v, got, tt.short)
		}
	}
}

func FuzzParseCondition(f *testing.F) {
	for _, s := range []string{"> 3 %", "<= 2.5 s", ">= 4.5", "< 300 ms", "!= 1e-9 min", "> 0x1 %", "<=-.5%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCondition(text)
		if err != nil {
			if c != (Condition{}) {
				t.Errorf("%q: got %#v with error %v", text, c, err)
			}
			return
		}
		if again, err := ParseCondition(c.String()); err != nil || again != c {
			t.Errorf("%q is %#v, its form %q reads as %#v (%v)", text, c, c.String(), again, err)
		}
		if c.Holds(math.NaN()) {
			t.Errorf("%q holds of NaN", text)
		}
	})
}

// Of an operator and its opposite exactly one holds, whatever the value.
func TestAnOppositeHoldsWhereTheOtherDoesNot(t *testing.T) {
	for op := Less; op <= NotEqual; op++ {
		for _, v := range []float64{-1, 0, 1} {
			a, b := Condition{Op: op}, Condition{Op: op.Opposite()}
			if a.Holds(v) == b.Holds(v) {
				t.Errorf("%v 0 and %v 0 are both %t for %v", op, b.Op, a.Holds(v), v)
			}
		}
	}
	if got := NoOp.Opposite(); got != NoOp {
		t.Errorf("the opposite of none is %v", got)
	}
}
