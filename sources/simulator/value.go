package simulator

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Value is a level as a scenario file writes it: a number, or a string with a
// unit: "5 %" is 0.05, "4 s" is 4, "300 ms" is 0.3.
type Value struct {
	V   float64
	set bool
}

// UnmarshalTOML reads a number or a string with a unit.
func (v *Value) UnmarshalTOML(data any) error {
	switch x := data.(type) {
	case int64:
		*v = Value{float64(x), true}
	case float64:
		*v = Value{x, true}
	case string:
		f, err := parseValue(x)
		if err != nil {
			return err
		}
		*v = Value{f, true}
	default:
		return fmt.Errorf("want a number or a string with a unit such as \"5 %%\", got %T", data)
	}
	if math.IsNaN(v.V) || math.IsInf(v.V, 0) || v.V < 0 {
		return fmt.Errorf("want a finite number of at least 0, got %v", data)
	}
	return nil
}

func parseValue(s string) (float64, error) {
	text := strings.TrimSpace(s)
	scale := 1.0
	for _, u := range []struct {
		suffix string
		scale  float64
	}{{"%", 0.01}, {"ms", 0.001}, {"s", 1}} {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			text, scale = strings.TrimSpace(rest), u.scale
			break
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("reading value %q: want a number with %%, s, ms or no unit", s)
	}
	return f * scale, nil
}

// Offset is an instant relative to the start T of the plan: "T", "T+40m",
// "T+6.5h", "T-2h".
type Offset struct {
	D   time.Duration
	set bool
}

// UnmarshalText reads "T", "T+40m" or "T-2h".
func (o *Offset) UnmarshalText(text []byte) error {
	s := strings.ReplaceAll(string(text), " ", "")
	rest, ok := strings.CutPrefix(s, "T")
	if !ok || (rest != "" && rest[0] != '+' && rest[0] != '-') {
		return fmt.Errorf("reading time %q: want \"T\", \"T+40m\" or \"T-2h\"", text)
	}
	o.D, o.set = 0, true
	if rest == "" {
		return nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return fmt.Errorf("reading time %q: want \"T\", \"T+40m\" or \"T-2h\"", text)
	}
	o.D = d
	return nil
}

// Span is a length of time: "90s", "10m", "1.5h". It is never negative.
type Span struct {
	D   time.Duration
	set bool
}

// UnmarshalText reads a duration as Go writes it.
func (p *Span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(strings.ReplaceAll(string(text), " ", ""))
	if err != nil || d < 0 {
		return fmt.Errorf("reading duration %q: want one such as \"90s\", \"10m\" or \"1.5h\"", text)
	}
	p.D, p.set = d, true
	return nil
}
