package scenario_test

import (
	"strings"
	"testing"
)

// A bad count that never had a value lets nothing pass, unless the plan says so.
func TestANameThatWasNeverSeen(t *testing.T) {
	assuming := strings.Replace(zeroPlan, "settle = \"0s\"\n", "settle = \"0s\"\nassume_seen = true\n", 1)
	for _, tt := range []struct {
		name, plan, readings, want string
	}{
		{"never seen", zeroPlan, "errors: _/600x60\n", "T+10m canary pending monitoring no_data\nT+1m errors-high in canary unknown silent no_data: Target_5XX_Count was never seen: its zeros prove nothing; is the name right? If the service never failed, write assume_seen = true on signal errors.\n"},
		{"seen before", zeroPlan, "errors @T-1m: 0/600 _/600x60\n", "T+10m canary pass passed threshold\n"},
		{"seen in the run", zeroPlan, "errors: _/600x5 3/600 _/600x60\n", "T+10m canary pass passed threshold\n"},
		{"a service that never failed", assuming, "errors: _/600x60\n", "T+10m canary pass passed threshold\nT+9m errors-high in canary pass clear: count because the plan says assume_seen = true\n"},
	} {
		r := run(t, "x.txtar", []byte(tt.plan+"-- readings --\n"+tt.readings+"\n-- run --\nuntil T+20m\n-- verdicts --\n"+tt.want))
		for _, d := range r.Differences {
			t.Errorf("%s: %v", tt.name, d)
		}
	}
}
