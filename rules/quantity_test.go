package rules

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "2.5h": 150 * time.Minute, "1d": day, "1d12h": 36 * time.Hour, "0.5d": 12 * time.Hour,
		"0s": 0, " 10m ": 10 * time.Minute, "1h30m": 90 * time.Minute, "250ms": 250 * time.Millisecond, "0d": 0,
	} {
		if got, err := ParseDuration(text); err != nil || got.Duration != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "15", "-15m", "+15m", "1d-1h", "d", "xd", "1d 1x", "1d1d", "1e3d", "NaNd", "Infd", "200000d", "106751d23h59m", "1.2.3d", "-1d", "1 d", "s", "9223372036s9223372036s",
	} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestDurationFormats(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 90 * time.Second: "1m30s", 10 * time.Minute: "10m", time.Hour: "1h", 150 * time.Minute: "2h30m",
		36 * time.Hour: "1d12h", day: "1d", 90 * day: "90d", day + 10*time.Second: "1d10s", 250 * time.Millisecond: "250ms",
		time.Hour + 5*time.Second: "1h0m5s", 10 * time.Second: "10s", 20 * time.Hour: "20h", 100 * time.Minute: "1h40m",
	} {
		if got := (Duration{d}).String(); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
}

func TestParseOffset(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"T": 0, "T+20m": 20 * time.Minute, "T-24h": -24 * time.Hour, "T+2.5h": 150 * time.Minute, " T + 1d ": day, "T-1d12h": -36 * time.Hour, "T+0s": 0,
	} {
		if got, err := ParseOffset(text); err != nil || got.Duration != want {
			t.Errorf("ParseOffset(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "20m", "t+20m", "T20m", "T+", "T-", "T+-20m", "T++20m", "T*2h", "TT", "T+20", "+20m"} {
		if got, err := ParseOffset(text); err == nil {
			t.Errorf("ParseOffset(%q) = %v, want an error", text, got)
		}
	}
}

func TestParseFraction(t *testing.T) {
	for text, want := range map[string]float64{
		"10 %": 0.1, "100 %": 1, "0.5": 0.5, "2.5%": 0.025, "0": 0, "1": 1, "7 %": 0.07, "99.9 %": 0.999,
	} {
		if got, err := ParseFraction(text); err != nil || got.Value != want {
			t.Errorf("ParseFraction(%q) = %v, %v, want %v", text, got.Value, err, want)
		}
	}
	for _, text := range []string{"", "%", "10", "101 %", "-1 %", "1e-1", "NaN", "x", "0x1", "1.1"} {
		if got, err := ParseFraction(text); err == nil {
			t.Errorf("ParseFraction(%q) = %v, want an error", text, got.Value)
		}
	}
}

// TOML gives numbers and dates as well as text.
func TestFractionAndDateFromTOML(t *testing.T) {
	var f Fraction
	for value, want := range map[any]float64{"10 %": 0.1, 0.25: 0.25, int64(1): 1} {
		if err := f.UnmarshalTOML(value); err != nil || f.Value != want {
			t.Errorf("%v reads as %v (%v), want %v", value, f.Value, err, want)
		}
	}
	for _, value := range []any{int64(10), -0.1, math.NaN(), true, "x"} {
		f = Fraction{0.5}
		if err := f.UnmarshalTOML(value); err == nil || f.Value != 0.5 {
			t.Errorf("%v reads as %v (%v), want an error and no change", value, f.Value, err)
		}
	}
	var d Date
	for _, value := range []any{"2025-05-30", time.Date(2025, 5, 30, 0, 0, 0, 0, time.UTC)} {
		if err := d.UnmarshalTOML(value); err != nil || d.String() != "2025-05-30" {
			t.Errorf("%v reads as %q (%v), want 2025-05-30", value, d, err)
		}
	}
	for _, value := range []any{"30 May", "2025-02-30", int64(20250530)} {
		if err := d.UnmarshalTOML(value); err == nil || d.String() != "2025-05-30" {
			t.Errorf("%v reads as %q (%v), want an error and no change", value, d, err)
		}
	}
	if err := d.UnmarshalTOML(""); err != nil || d.String() != "" {
		t.Errorf("empty text reads as %q (%v), want no date", d, err)
	}
}

func TestQuantitiesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration{time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "duration"))}
		text, _ := d.MarshalText()
		var duration Duration
		if err := duration.UnmarshalText(text); err != nil || duration != d {
			t.Fatalf("duration %q reads as %v (%v), want %v", text, duration, err, d)
		}
		o := Offset{time.Duration(rapid.Int64Range(-math.MaxInt64, math.MaxInt64).Draw(t, "offset"))}
		text, _ = o.MarshalText()
		var offset Offset
		if err := offset.UnmarshalText(text); err != nil || offset != o {
			t.Fatalf("offset %q reads as %v (%v), want %v", text, offset, err, o)
		}
		f := Fraction{float64(rapid.IntRange(0, 100_000).Draw(t, "fraction")) / 100_000}
		text, _ = f.MarshalText()
		var fraction Fraction
		if err := fraction.UnmarshalText(text); err != nil || fraction != f {
			t.Fatalf("share %q reads as %v (%v), want %v", text, fraction, err, f)
		}
		date := Date{time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "date"), 0).UTC().Format(dateForm)}
		text, _ = date.MarshalText()
		var read Date
		if err := read.UnmarshalText(text); err != nil || read != date {
			t.Fatalf("date %q reads as %v (%v), want %v", text, read, err, date)
		}
	})
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"90s", "2.5h", "1d12h", "1d", "0.1d", "1h2m3s4ms", "999999d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDuration(text)
		if err != nil {
			return
		}
		if again, err := ParseDuration(d.String()); err != nil || again != d || d.Duration < 0 {
			t.Errorf("%q is %d, its form %q reads as %d (%v)", text, d.Duration, d, again.Duration, err)
		}
	})
}

func FuzzOffset(f *testing.F) {
	for _, s := range []string{"T", "T+20m", "T-24h", "T + 1d", "T+-1h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ParseOffset(text)
		if err != nil {
			return
		}
		if again, err := ParseOffset(o.String()); err != nil || again != o {
			t.Errorf("%q is %d, its form %q reads as %d (%v)", text, o.Duration, o, again.Duration, err)
		}
	})
}

func TestACountHasSeparators(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 11010: "11,010", -1234567: "-1,234,567", 2.5: "2.5", 1e15: "1e+15"} {
		if got := Count(n); got != want {
			t.Errorf("%v is %q, want %q", n, got, want)
		}
	}
}

func TestInstantFromTOML(t *testing.T) {
	at := time.Date(2025, 6, 5, 10, 30, 0, 0, time.FixedZone("", 7200))
	var i Instant
	if err := i.UnmarshalTOML(at); err != nil || i.IsZero() || !i.Time.Equal(at) || i.Time.Location() != time.UTC {
		t.Errorf("%v reads as %+v (%v)", at, i, err)
	}
	i = Instant{}
	if err := i.UnmarshalTOML("T+30.5h"); err != nil || i.IsZero() || i.Offset.Duration != 30*time.Hour+30*time.Minute {
		t.Errorf("T+30.5h reads as %+v (%v)", i, err)
	}
	for _, value := range []any{"tomorrow", int64(5), true, time.Date(2025, 6, 5, 10, 30, 0, 0, time.FixedZone("datetime-local", 0))} {
		if err := new(Instant).UnmarshalTOML(value); err == nil {
			t.Errorf("%v is taken for an instant", value)
		}
	}
}

// A parameter's default stands in place of its table, as text, a number or a switch.
func TestLiteralsFromTOML(t *testing.T) {
	for value, want := range map[any]string{"42": "42", int64(-42): "-42", 0.25: "0.25", 1e21: "1000000000000000000000", true: "true", false: "false"} {
		var p ParameterSpec
		if err := p.UnmarshalScalar(value); err != nil || p.Default.Text != want {
			t.Errorf("%v reads as %q (%v), want %q", value, p.Default.Text, err, want)
		}
	}
	if err := new(ParameterSpec).UnmarshalScalar(time.Time{}); err == nil {
		t.Error("a date is taken for a parameter's value")
	}
}
