package rules

import "testing"

func TestLabelsOfAlerts(t *testing.T) {
	for name, want := range map[string]string{"team": "", "_x9": "", "a-b": "bad-value", "9a": "bad-value", "plan": "conflict", "empty": "bad-value"} {
		var found Problems
		CheckAlertLabels(Check("alertmanager.a.labels", &found), map[string]string{name: map[bool]string{true: "", false: "x"}[name == "empty"]})
		got := ""
		if len(found) > 0 {
			got = found[0].ID
			if found[0].Path != "alertmanager.a.labels."+Path(name) {
				t.Errorf("%s: at %s", name, found[0].Path)
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
