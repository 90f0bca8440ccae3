package gate

import (
	"testing"
	"time"
)

// FuzzQuestion reads any query: what comes out is within its bounds, and an
// error leaves the default status, which is no success.
func FuzzQuestion(f *testing.F) {
	for _, s := range []string{"", "wait=30s", "wait=30&after=3&pending=425", "wait=-1s", "after=18446744073709551615", "wait=2562047h47m16.8s", "a=%zz;", "wait=1e9"} {
		f.Add(s, "wait=3, x", "text/plain;q=0.3,*/*")
	}
	f.Fuzz(func(t *testing.T, query, prefer, accept string) {
		q, err := parseQuestion(query, []string{prefer}, viewGate)
		if q.pending != 503 && q.pending != 425 && q.pending != 429 {
			t.Errorf("%q: status %d", query, q.pending)
		}
		if q.wait < 0 || q.wait > MaxWait {
			t.Errorf("%q, %q: wait %v", query, prefer, q.wait)
		}
		if d := jittered(q.wait); d < q.wait || d > MaxWait || d > q.wait+q.wait/16+time.Nanosecond {
			t.Errorf("%v is jittered to %v", q.wait, d)
		}
		if err != nil && err.Error() == "" {
			t.Errorf("%q: an empty error", query)
		}
		if again, err2 := parseQuestion(query, []string{prefer}, viewGate); again != q || (err == nil) != (err2 == nil) {
			t.Errorf("%q: read twice, understood twice", query)
		}
		wantsText([]string{accept, prefer})
	})
}
