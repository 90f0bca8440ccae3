package inbox

import (
	"fmt"
	"testing"
	"time"

	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/inbox/kind"
)

// Rules of several projects have one name, and one rule is about events of several releases:
// what is pushed of another project, release or environment ends no alert.
func TestAnEventOfAnotherReleaseEndsNoAlert(t *testing.T) {
	event := func(project, environment, release string) string {
		return fmt.Sprintf(`{"action":"triggered","data":{"event":{"level":"error","project":%s,"tags":[["environment",%q],["release",%q]]},"triggered_rule":"new issues"}}`, project, environment, release)
	}
	for name, other := range map[string]string{
		"release": event("12", "production", "app@1"), "environment": event("12", "staging", "app@2"), "project": event("13", "production", "app@2"),
	} {
		t.Run(name, func(t *testing.T) {
			in, _ := inboxOf(t, account{kind.Format: kind.Sentry, kind.Secret: "test-secret"}, nil)
			in.heartbeat = time.Hour
			var cases []pushCase
			for i, body := range []string{event("12", "production", "app@2"), other} {
				h := headers("Sentry-Hook-Signature", fmt.Sprintf("%x", signature([]byte("test-secret"), []byte(body))))
				cases = append(cases, pushCase{fmt.Sprint(i), h, body, noon.Add(time.Duration(i) * 2 * time.Minute), Accepted, ""})
			}
			pushAll(t, in, cases)
			now := noon.Add(12 * time.Minute)
			match := map[string]string{"rule": "new issues", "project": "12", "environment": "production", "release": "app@2"}
			r := in.Fetch(t.Context(), now, []sources.Want{want(match, noon, now)})[0]
			if got := minutes(r); got != "111111111100" {
				t.Errorf("got %s: it is on for ten minutes", got)
			}
		})
	}
}
