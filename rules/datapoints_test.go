package rules

import (
	"strings"
	"testing"
	"time"
)

func TestParseDatapoints(t *testing.T) {
	for text, want := range map[string]Datapoints{
		"3 of 5": {3, 5, "missing"}, "1 of 1": {1, 1, "missing"}, " 1440  of 1440 ": {1440, 1440, "missing"}, "01 of 5": {1, 5, "missing"},
	} {
		if got, err := ParseDatapoints(text); err != nil || got != want {
			t.Errorf("ParseDatapoints(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "3", "3 of", "3 of 5 of", "3/5", "3of5", "-1 of 5", "+1 of 5", "1.5 of 5", "0 of 5", "6 of 5", "0 of 0", "1 of 1441", "1 of 99999999999999999999", "99999999999999999999 of 1", "3 OF 5"} {
		if got, err := ParseDatapoints(text); err == nil || got != (Datapoints{}) || !strings.Contains(err.Error(), "want") {
			t.Errorf("ParseDatapoints(%q) = %+v, %v, want an error that says what to write", text, got, err)
		}
	}
}

func FuzzParseDatapoints(f *testing.F) {
	for _, s := range []string{"3 of 5", "0 of 0", "١ of 5", "1\tof\n2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDatapoints(text)
		if err != nil {
			if d != (Datapoints{}) {
				t.Errorf("%q: got %+v with error %v", text, d, err)
			}
			return
		}
		if d.M < 1 || d.M > d.N || d.N > 1440 {
			t.Errorf("%q reads as %+v", text, d)
		}
		if again, err := ParseDatapoints(d.String()); err != nil || again != d {
			t.Errorf("%q is %+v, its form %q reads as %+v (%v)", text, d, d.String(), again, err)
		}
	})
}

// M of N is a rule's own form: it is no evidence, whatever the release says, and
// its signal keeps more than N periods, for when some are missing.
func TestDatapointsAreCompiled(t *testing.T) {
	spec := weighingSpec()
	spec.Rollback[1].Datapoints, spec.Rollback[1].KeepFiring = "3 of 5", dur(2*time.Minute)
	plan := compile(t, spec)
	r := plan.Rules[6]
	if r.Datapoints != (Datapoints{3, 5, "missing"}) || r.Method != ByThreshold || r.KeepFiring != 2*time.Minute || r.Coverage != defaultCoverage {
		t.Errorf("got rule %+v", r)
	}
	if _, s := plan.signal(t, "p95 > 3 s"); s.Keep != 10+2+3+1 {
		t.Errorf("got %d buckets kept", s.Keep)
	}
	spec.Rollback[1].Missing = "breaching"
	if got := compile(t, spec).Rules[6].Datapoints.Missing; got != "breaching" {
		t.Errorf("a missing period counts as %q", got)
	}
	if got := plan.Rules[5].Datapoints; got != (Datapoints{}) {
		t.Errorf("a rule without datapoints has %+v", got)
	}
}
