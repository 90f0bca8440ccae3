package simulatortest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources/simulator"
)

// said is what a person must be able to read of a fault, by its kind.
var said = map[string]string{
	"login": "redirects to https://login.example.com: a login page or proxy?", "204": "answered with an empty body",
	"garbage": "a login page or proxy?", "foreign": "answered with ", "endless": "500", "empty200": "answered with an empty body",
}

// Faults checks what a source makes of each kind of fault at one time: no panic, one
// reading for each want, no point and no watermark, a detail that names the fault and
// stays short, and no endless reading. upstream is whose fault it is; every want is to
// be asked of it.
func Faults(t *testing.T, s Suite, upstream string) {
	t.Helper()
	for _, kind := range []string{"500", "502", "503", "504", "garbage", "auth", "empty200", "login", "204", "foreign", "endless", "expired", "throttle"} {
		t.Run(kind, func(t *testing.T) {
			scenario, err := simulator.Parse(kind, fmt.Sprintf("[[fault]]\nupstream = %q\nfrom = \"T\"\nkind = %q\ndelay = \"2777h\"\n", upstream, kind))
			if err != nil {
				t.Fatal(err)
			}
			now := Start.Add(10 * time.Hour)
			got, _ := s.fetch(t, scenario, now, nil, 20*time.Second)
			for i, r := range got {
				switch {
				case r.Fault == rules.OK || r.Fault == rules.NoData || len(r.Points) != 0 || r.SettledUntil != 0:
					t.Errorf("want %d: %+v, of an upstream that does not answer", i, r)
				case !strings.Contains(r.Detail, said[kind]) || r.Detail == "" || len(r.Detail) > 300 || strings.ContainsAny(r.Detail, "\r\n\x00"):
					t.Errorf("want %d: detail %q, want one with %q", i, r.Detail, said[kind])
				case r.RetryAt > now.Add(time.Hour).Unix():
					t.Errorf("want %d: asked again at %d only", i, r.RetryAt)
				}
				if want := map[string]rules.Fault{"auth": rules.AuthFault, "expired": rules.AuthFault, "throttle": rules.Throttled}[kind]; want != rules.OK && r.Fault != want {
					t.Errorf("want %d: fault %v, want %v", i, r.Fault, want)
				}
			}
		})
	}
}
