package rules

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time in a config: Go's form ("90s", "2.5h") and days
// ("1d", "1d12h"). It is never negative.
type Duration struct{ time.Duration }

// ParseDuration reads a Duration. The error says what was expected.
func ParseDuration(text string) (Duration, error) {
	d, err := parseSpan(strings.TrimSpace(text))
	if err != nil {
		return Duration{}, fmt.Errorf("duration %q: %w", text, err)
	}
	return Duration{d}, nil
}

var errSpan = errors.New(`want a length of time such as "90s", "2.5h" or "1d12h"`)

// parseSpan reads days in front, whole or not, and Go's form behind them.
func parseSpan(s string) (time.Duration, error) {
	var days time.Duration
	if number, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || !plainNumber(number) || n > float64(math.MaxInt64/(24*time.Hour)) {
			return 0, errSpan
		}
		days, s = time.Duration(math.Round(n*float64(24*time.Hour))), rest
		if s == "" {
			return days, nil
		}
	}
	if s == "" || s[0] == '-' || s[0] == '+' {
		return 0, errSpan
	}
	d, err := time.ParseDuration(s)
	if err != nil || d > math.MaxInt64-days {
		return 0, errSpan
	}
	return days + d, nil
}

// plainNumber reports whether s is digits with at most one point, and no sign,
// exponent, hexadecimal form or underscore, which ParseFloat would take too.
func plainNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.") == ""
}

// String is the form that ParseDuration reads back: "1d12h", "2h30m", "90ms".
func (d Duration) String() string { return formatSpan(d.Duration) }

// formatSpan writes days in front and leaves out what Go's form shows as zero.
func formatSpan(d time.Duration) string {
	days := d / (24 * time.Hour)
	rest := d % (24 * time.Hour)
	if days == 0 && rest == 0 {
		return "0s"
	}
	var s string
	if days > 0 {
		s = strconv.FormatInt(int64(days), 10) + "d"
	}
	if rest == 0 {
		return s
	}
	text := rest.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return s + text
}

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDuration.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := ParseDuration(string(text))
	if err == nil {
		*d = parsed
	}
	return err
}

// Offset is a time on the plan's clock: "T", "T+20m", "T-24h".
type Offset struct{ time.Duration }

// ParseOffset reads an Offset. The error says what was expected.
func ParseOffset(text string) (Offset, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "T")
	if !ok {
		return Offset{}, offsetError(text)
	}
	rest = strings.TrimSpace(rest)
	if rest == "" {
		return Offset{}, nil
	}
	d, err := parseSpan(strings.TrimSpace(rest[1:]))
	switch {
	case err == nil && rest[0] == '+':
		return Offset{d}, nil
	case err == nil && rest[0] == '-':
		return Offset{-d}, nil
	}
	return Offset{}, offsetError(text)
}

func offsetError(text string) error {
	return fmt.Errorf(`time %q: want a time on the plan's clock such as "T", "T+20m" or "T-24h"`, text)
}

// String is the form that ParseOffset reads back.
func (o Offset) String() string {
	switch {
	case o.Duration > 0:
		return "T+" + formatSpan(o.Duration)
	case o.Duration < 0:
		return "T-" + formatSpan(-o.Duration)
	}
	return "T"
}

// MarshalText is String.
func (o Offset) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText is ParseOffset.
func (o *Offset) UnmarshalText(text []byte) error {
	parsed, err := ParseOffset(string(text))
	if err == nil {
		*o = parsed
	}
	return err
}

// Fraction is a part of a whole: "10 %" or 0.1. It is 0..1 inside.
type Fraction struct{ Value float64 }

// ParseFraction reads "10 %" and "0.1". The error says what was expected.
func ParseFraction(text string) (Fraction, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	number = strings.TrimSpace(number)
	shift := 0
	if percent {
		shift = -2
	}
	v, err := decimal(number, shift)
	if err != nil || !plainNumber(number) {
		return Fraction{}, fmt.Errorf(`share %q: want a part of the whole such as "10 %%" or 0.1`, text)
	}
	if v > 1 {
		return Fraction{}, fmt.Errorf(`share %q: want no more than the whole, "100 %%"`, text)
	}
	return Fraction{v}, nil
}

// String is the form that ParseFraction reads back: "10 %".
func (f Fraction) String() string { return Percent.Format(f.Value) }

// MarshalText is String.
func (f Fraction) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText is ParseFraction.
func (f *Fraction) UnmarshalText(text []byte) error {
	parsed, err := ParseFraction(string(text))
	if err == nil {
		*f = parsed
	}
	return err
}

// UnmarshalTOML takes a number, 0..1, as well as text.
func (f *Fraction) UnmarshalTOML(value any) error {
	switch v := value.(type) {
	case string:
		return f.UnmarshalText([]byte(v))
	case float64:
		return f.UnmarshalText([]byte(strconv.FormatFloat(v, 'f', -1, 64)))
	case int64:
		return f.UnmarshalText([]byte(strconv.FormatInt(v, 10)))
	}
	return fmt.Errorf(`want a part of the whole such as "10 %%" or 0.1`)
}

// Date is a day, YYYY-MM-DD, empty when there is none.
type Date struct{ Text string }

const dateForm = "2006-01-02"

// String is YYYY-MM-DD.
func (d Date) String() string { return d.Text }

// MarshalText is String.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.Text), nil }

// UnmarshalText reads YYYY-MM-DD; empty text is no date.
func (d *Date) UnmarshalText(text []byte) error {
	if _, err := time.Parse(dateForm, string(text)); err != nil && len(text) > 0 {
		return fmt.Errorf("date %q: want a day such as 2025-05-30", text)
	}
	d.Text = string(text)
	return nil
}

// UnmarshalTOML takes a TOML date as well as text.
func (d *Date) UnmarshalTOML(value any) error {
	switch v := value.(type) {
	case string:
		return d.UnmarshalText([]byte(v))
	case time.Time:
		d.Text = v.Format(dateForm)
		return nil
	}
	return errors.New("want a day such as 2025-05-30")
}

// Instant is a point in time: an instant, or a time on the plan's clock.
type Instant struct {
	Time   time.Time // UTC; zero where it is on the plan's clock, or not given
	Offset *Offset   // from T
}

// IsZero reports whether no time is given.
func (i Instant) IsZero() bool { return i.Time.IsZero() && i.Offset == nil }

// UnmarshalTOML takes a TOML date and time with its offset from UTC, or an offset
// from T as text.
func (i *Instant) UnmarshalTOML(value any) error {
	switch v := value.(type) {
	case string:
		i.Offset = new(Offset)
		return i.Offset.UnmarshalText([]byte(v))
	case time.Time:
		if !strings.HasSuffix(v.Location().String(), "-local") {
			i.Time = v.UTC()
			return nil
		}
	}
	return errors.New(`want a date and time with its offset from UTC, such as 2025-06-05T08:30:00Z, or a time on the plan's clock, such as "T+30.5h"`)
}

// Literal is a value as text, also where the file writes a number, true or false.
type Literal struct {
	Text string // the value as text: "43" for the number 43
}

// UnmarshalTOML takes a string, a number, true or false.
func (l *Literal) UnmarshalTOML(value any) error {
	switch v := value.(type) {
	case string:
		l.Text = v
	case int64:
		l.Text = strconv.FormatInt(v, 10)
	case float64:
		l.Text = strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		l.Text = strconv.FormatBool(v)
	default:
		return errors.New("want a string, a number, true or false")
	}
	return nil
}

// Count writes a number of samples for people, with separators: "11,010".
func Count(n float64) string {
	if n != math.Trunc(n) || math.Abs(n) >= 1e15 {
		return strconv.FormatFloat(n, 'g', 6, 64)
	}
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
