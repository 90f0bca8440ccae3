package rules

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Op compares a value with a threshold.
type Op uint8

const (
	NoOp Op = iota // an empty condition, which nothing satisfies
	Less
	LessOrEqual
	Greater
	GreaterOrEqual
	Equal
	NotEqual
)

// Opposite is the operator that holds exactly when op does not.
func (op Op) Opposite() Op {
	switch op {
	case Less:
		return GreaterOrEqual
	case LessOrEqual:
		return Greater
	case Greater:
		return LessOrEqual
	case GreaterOrEqual:
		return Less
	case Equal:
		return NotEqual
	case NotEqual:
		return Equal
	}
	return op
}

// Condition is a comparison with a threshold, written "> 3 %", "<= 2.5 s",
// ">= 4.5". Threshold is in the unit's inner form: 3 % is 0.03, 300 ms is 0.3. An
// alarm's states are written "OK" and "ALARM", for "== 0" and "== 1".
type Condition struct {
	Op        Op
	Threshold float64
	Unit      Unit
}

// The states of an alarm, as CloudWatch has them.
const (
	stateOK    = "OK"
	stateAlarm = "ALARM"
)

// asState is the unit of a condition that is written as an alarm's state. A
// compiled plan has none.
const asState Unit = 255

// ParseCondition reads a condition. The error says what was expected.
func ParseCondition(text string) (Condition, error) {
	s := strings.TrimSpace(text)
	switch s {
	case stateOK:
		return Condition{Op: Equal, Threshold: 0, Unit: asState}, nil
	case stateAlarm:
		return Condition{Op: Equal, Threshold: 1, Unit: asState}, nil
	}
	op, rest := cutOp(s)
	if op == NoOp {
		return Condition{}, fmt.Errorf("condition %q: want an operator (<, <=, >, >=, ==, !=) and a number, such as \"> 3 %%\"", text)
	}
	number, unit := splitUnit(strings.TrimSpace(rest))
	c := Condition{Op: op}
	var v float64
	var err error
	switch unit {
	case "":
		v, err = decimal(number, 0)
	case "%":
		c.Unit = Percent
		v, err = decimal(number, -2)
	case "s":
		c.Unit = Seconds
		v, err = decimal(number, 0)
	case "ms":
		c.Unit = Seconds
		v, err = decimal(number, -3)
	case "m", "min":
		c.Unit = Seconds
		v, err = decimal(number, 0)
		v *= 60
	default:
		return Condition{}, fmt.Errorf("condition %q: unknown unit %q (want %%, s, ms, min or none)", text, unit)
	}
	if err != nil || math.IsInf(v, 0) {
		return Condition{}, fmt.Errorf("condition %q: %q is not a number", text, number)
	}
	c.Threshold = v
	return c, nil
}

// decimal reads a decimal number and moves its point by shift digits. The point
// is moved in the text, because multiplying is not exact: 0.07 % has to be the
// float nearest to 0.0007 and not a neighbour of it.
func decimal(text string, shift int) (float64, error) {
	mantissa, exponent, has := strings.Cut(strings.ToLower(text), "e")
	if !has {
		exponent = "0"
	}
	e, err := strconv.Atoi(exponent)
	if err != nil || strings.Contains(text, "_") {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(mantissa+"e"+strconv.Itoa(e+shift), 64)
}

// written is v in full with its point moved by shift digits, such that decimal
// reads it back with the point moved the other way.
func written(v float64, shift int) string {
	if v == 0 {
		return "0"
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(math.Abs(v), 'e', -1, 64), "e")
	e, _ := strconv.Atoi(exponent)
	digits := strings.Replace(mantissa, ".", "", 1)
	sign, point := "", 1+e+shift // the point stands before digits[point]
	if v < 0 {
		sign = "-"
	}
	switch {
	case point <= 0:
		return sign + "0." + strings.Repeat("0", -point) + digits
	case point >= len(digits):
		return sign + digits + strings.Repeat("0", point-len(digits))
	}
	return sign + digits[:point] + "." + digits[point:]
}

func cutOp(s string) (Op, string) {
	for _, op := range []Op{LessOrEqual, GreaterOrEqual, Equal, NotEqual, Less, Greater} {
		if rest, ok := strings.CutPrefix(s, op.String()); ok {
			return op, rest
		}
	}
	return NoOp, s
}

func splitUnit(s string) (number, unit string) {
	i := strings.LastIndexAny(s, "0123456789.") + 1
	if i == 0 {
		return s, "" // no digit: all of it is what should have been a number
	}
	return strings.TrimSpace(s[:i]), strings.TrimSpace(s[i:])
}

// Holds reports whether v satisfies the condition. Nothing satisfies an empty
// condition, and no condition holds for a value that is not a finite number.
func (c Condition) Holds(v float64) bool {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return false
	}
	switch c.Op {
	case Less:
		return v < c.Threshold
	case LessOrEqual:
		return v <= c.Threshold
	case Greater:
		return v > c.Threshold
	case GreaterOrEqual:
		return v >= c.Threshold
	case Equal:
		return v == c.Threshold
	case NotEqual:
		return v != c.Threshold
	}
	return false
}

// String is the form that ParseCondition reads back to the same condition.
func (c Condition) String() string {
	switch {
	case c.Op == NoOp:
		return ""
	case c.Unit == asState && c.Threshold == 0:
		return stateOK
	case c.Unit == asState:
		return stateAlarm
	}
	return c.Op.String() + " " + c.Unit.Format(c.Threshold)
}

// compared is the condition as a comparison, however it was written.
func (c Condition) compared() Condition {
	if c.Unit == asState {
		c.Unit = Number
	}
	return c
}

// Says writes a condition on the signal for people: an alarm's states by their
// names.
func (s *Signal) Says(when Condition) string {
	if s.Kind == Alarm && when.Holds(0) != when.Holds(1) {
		if when.Holds(1) {
			return stateAlarm
		}
		return stateOK
	}
	return when.String()
}

// MarshalText is String.
func (c Condition) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText is ParseCondition; empty text is the empty condition.
func (c *Condition) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*c = Condition{}
		return nil
	}
	parsed, err := ParseCondition(string(text))
	if err == nil {
		*c = parsed
	}
	return err
}

// Format writes an inner value in full in the unit that people read: 0.03 as
// "3 %", 2.5 as "2.5 s".
func (u Unit) Format(v float64) string {
	switch u {
	case Percent:
		return written(v, 2) + " %"
	case Seconds:
		return written(v, 0) + " s"
	}
	return written(v, 0)
}

// Short writes an inner value with three or four significant digits, for
// people: 0.050312 as "5.03 %".
func (u Unit) Short(v float64) string {
	switch u {
	case Percent:
		return trim(v*100, 4) + " %"
	case Seconds:
		return trim(v, 3) + " s"
	}
	return trim(v, 4)
}

func trim(v float64, digits int) string {
	s := strconv.FormatFloat(v, 'g', digits, 64)
	if strings.ContainsAny(s, "e") {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return s
}
