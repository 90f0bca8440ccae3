package rules

import (
	"encoding"
	"fmt"
	"strings"
	"testing"
)

type named interface {
	encoding.TextMarshaler
	fmt.Stringer
}

// every checks that the values of an enumeration are spelled as they are here,
// that each spelling reads back, and that others are refused.
func every[T ~uint8, P interface {
	*T
	encoding.TextUnmarshaler
}](t *testing.T, want ...string) {
	t.Helper()
	for i, spelling := range want {
		v := T(i)
		text, err := any(v).(named).MarshalText()
		if string(text) != spelling || err != nil || any(v).(named).String() != spelling {
			t.Errorf("%T(%d) is spelled %q (%v), want %q", v, i, text, err, spelling)
		}
		back := T(len(want))
		if err := P(&back).UnmarshalText(text); err != nil || back != v {
			t.Errorf("%T: %q reads as %d (%v), want %d", v, text, back, err, v)
		}
	}
	none := T(len(want))
	if got := any(none).(named).String(); !strings.HasPrefix(got, "invalid(") {
		t.Errorf("%T(%d) is spelled %q, want no known spelling", none, none, got)
	}
	kept := T(1)
	if err := P(&kept).UnmarshalText([]byte("no such thing")); err == nil || kept != 1 {
		t.Errorf("%T: an unknown spelling reads as %d (%v), want an error and no change", none, kept, err)
	}
}

func TestSpellings(t *testing.T) {
	every[Verdict](t, "unknown", "pending", "pass", "fail", "rollback")
	every[Cause](t, "", "threshold", "window", "no_data", "stale", "source_error", "insufficient_samples", "approval", "manual", "config", "evidence", "baseline", "unsettled")
	every[State](t, "waiting", "monitoring", "held", "passed", "failed", "rolled_back", "superseded")
	every[Unit](t, "", "%", "s")
	every[Kind](t, "ratio", "mean", "gauge", "percentile", "alarm")
	every[Fault](t, "", "no_data", "stale", "partial", "throttled", "auth", "config", "unavailable")
	every[Policy](t, "hold", "fail", "rollback", "ignore")
	every[RuleKind](t, "success", "rollback")
	every[Aggregate](t, "pooled", "exceedance", "worst", "share", "mean", "last")
	every[Advance](t, "scheduled", "signalled", "on_pass", "observed")
	every[OnMismatch](t, "tell", "hold")
	every[Method](t, "threshold", "sequential")
	every[Mode](t, "enforce", "shadow")
	every[Resume](t, "manual", "auto")
	every[Gate](t, "required", "veto", "advisory")
	every[Proof](t, "by_traffic", "weak", "strong")
	every[Op](t, "", "<", "<=", ">", ">=", "==", "!=")
	every[Severity](t, "error", "warning", "note")
}

// The lists that metrics are made of hold every value once, in order.
func TestListsOfValues(t *testing.T) {
	if got := fmt.Sprint(Verdicts()); got != "[unknown pending pass fail rollback]" {
		t.Errorf("Verdicts() = %v", got)
	}
	if got := fmt.Sprint(States()); got != "[waiting monitoring held passed failed rolled_back superseded]" {
		t.Errorf("States() = %v", got)
	}
	if got := fmt.Sprint(Faults()); got != "[ no_data stale partial throttled auth config unavailable]" {
		t.Errorf("Faults() = %v", got)
	}
}
