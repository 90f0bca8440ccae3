package words

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	cloudwatch "github.com/relgate/relgate/sources/cloudwatch/kind"
	sentry "github.com/relgate/relgate/sources/sentry/kind"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/rules"
)

var T = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

func TestNumbersAreWrittenForPeople(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{count(0), "0"}, {count(6012), "6,012"}, {count(1234567), "1,234,567"}, {count(-1000), "-1,000"}, {count(2.5), "2.5"}, {count(1e18), "1e+18"},
		{about(12.2), "13"}, {about(1234), "1,300"},
		{clock(T, T.Add(time.Hour)), "02:00 UTC"}, {clock(T.Add(30*time.Second), T), "02:00:30 UTC"}, {clock(T, T.Add(100*time.Hour)), "2025-06-04 02:00 UTC"},
		{span(0), "0 s"}, {span(-5), "0 s"}, {span(40), "40 s"}, {span(60), "1 min"}, {span(90), "90 s"}, {span(121), "3 min"},
		{span(5 * 3600), "5 h"}, {span(12600), "3.5 h"}, {span(72 * 3600), "3 days"},
		{share(.5), "50 %"}, {share(.0543), "5.4 %"}, {share(.0012), "0.12 %"}, {share(1e-9), "<0.01 %"}, {share(0), "0 %"}, {share(1), "100 %"},
		{share(.0999), "10 %"}, {share(.996), "99.6 %"}, {share(.9996), "99.96 %"}, {share(.99999), ">99.99 %"},
		{rate(true, .975), "97.5 %"}, {rate(true, .9988), "99.88 %"}, {rate(true, .99995), "99.995 %"}, {rate(true, .5), "50 %"},
		{rate(true, 1), "100 %"}, {rate(true, .999999), ">99.999 %"}, {rate(true, 0), "0 %"},
		{oneIn(0), "1 in 1"}, {oneIn(4.67), "1 in 106"}, {oneIn(9), "1 in 8,100"}, {oneIn(20), "1 in a million"}, {oneIn(math.Inf(1)), "1 in a million"},
		{plural(1, "rule", "rules"), "1 rule"}, {plural(2, "rule", "rules"), "2 rules"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// A share that is not all or nothing is never shown as that.
func TestAShareIsNeverRoundedToAllOrNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		good := rapid.Bool().Draw(rt, "good")
		v := rapid.Float64Range(math.SmallestNonzeroFloat64, math.Nextafter(1, 0)).Draw(rt, "share")
		got := strings.TrimSuffix(rate(good, v), " %")
		if shown, err := strconv.ParseFloat(got, 64); err == nil && (shown <= 0 || shown >= 100) {
			rt.Fatalf("%v is shown as %q", v, got)
		}
	})
}

func TestWhatASignalCounts(t *testing.T) {
	p := &rules.Plan{Signals: []rules.Signal{{Name: "p95", Unit: rules.Seconds}, {Name: "size"}}}
	for _, tt := range []struct {
		sig  rules.Signal
		want string
		bad  string
	}{
		{rules.Signal{Of: 0, Above: 2.5}, "requests took longer than 2.5 s", "3 more slow requests"},
		{rules.Signal{Of: 1, Above: 7}, "samples are above 7", "3 more higher samples"},
		{rules.Signal{Of: -1, Query: rules.Query{Ask: &sentry.Query{}}}, "sessions crashed", "3 more crashes"},
		{rules.Signal{Of: -1, Query: rules.Query{Ask: &sentry.Query{Of: sentry.Users}}}, "users had a crash", "3 more users with a crash"},
		{rules.Signal{Of: -1, Query: rules.Query{Ask: &cloudwatch.Query{}}}, "requests failed", "3 more failures"},
		{rules.Signal{Of: -1, Kind: rules.Mean}, "reviews ", "3 more such reviews"},
		{rules.Signal{Of: -1}, "samples were bad", "3 more bad samples"},
	} {
		c := countedAs(p, &tt.sig)
		if got := c.noun + " " + c.verb; got != tt.want || c.bad.more(3) != tt.bad {
			t.Errorf("%+v is counted as %q, %q; want %q, %q", tt.sig, got, c.bad.more(3), tt.want, tt.bad)
		}
	}
	if got := (noun{"failure", "failures"}).more(1); got != "1 more failure" {
		t.Errorf("got %q", got)
	}
	if got := (noun{"failure", "failures"}).more(1234); got != "about 1,300 more failures" {
		t.Errorf("got %q", got)
	}
}
