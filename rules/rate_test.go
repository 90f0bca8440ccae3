package rules

import (
	"math"
	"strings"
	"testing"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]float64{
		"2/s": 2, "120/min": 2, "120/m": 2, "5000/h": 5000.0 / 3600, "90000/d": 90000.0 / 86400, " 0.5 / s ": 0.5, "1000000000/s": 1e9,
	} {
		if got, err := ParseRate(text); err != nil || got != want {
			t.Errorf("ParseRate(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "2", "/s", "2/", "2/w", "2 s", "-2/s", "0/s", "1e3/s", "0x2/s", "1_0/s", "NaN/s", "Inf/s", "1000000001/s", "0.0000000001/s", "1/s/s", "1.2.3/s"} {
		if got, err := ParseRate(text); err == nil || got != 0 || !strings.Contains(err.Error(), "want") {
			t.Errorf("ParseRate(%q) = %v, %v, want an error that says what to write", text, got, err)
		}
	}
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"2/s", "120 /min", "1e400/s", ".5/h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseRate(text)
		if err != nil && got != 0 || err == nil && !(got > 0 && !math.IsInf(got, 0)) {
			t.Errorf("ParseRate(%q) = %v, %v", text, got, err)
		}
	})
}
