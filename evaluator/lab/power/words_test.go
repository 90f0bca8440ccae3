package power

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
)

// A table has a row for each line.
func TestTable(t *testing.T) {
	lines := Forecast(compile(t, counted("2/s", 15*time.Minute)))
	rows := Table(lines)
	if len(rows) != 4 || !reflect.DeepEqual(rows[0][:4], []string{"canary", "errors", "12/min", "180"}) {
		t.Errorf("got %q, want four rows", rows)
	}
}

func TestWords(t *testing.T) {
	s := counted("2/s", 15*time.Minute)
	if got, want := lineOf(t, compile(t, s), "canary", "errors").String(), "excludes 3 % in 11m, proves < 1 % in 33m: passes in its window; failures in groups (retries) would need cluster"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s = crashes("2000/h", 2*time.Hour)
	s.Signals[0].Cluster = ptr(1.)
	if got, want := lineOf(t, compile(t, s), "canary", "errors").String(), "excludes 98 % in 59m, proves >= 99.5 % in 4h: passes in its window"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for minutes, want := range map[float64]string{.4: "30s", 1: "1m", 29.6: "30m", 181: "3h5m", 1000: "17h", 10000: "7d"} {
		if got := span(minutes); got != want {
			t.Errorf("%v minutes are %q, want %q", minutes, got, want)
		}
	}
	for n, want := range map[float64]string{0: "0", .004: "< 0.01", .0127: "0.013", .96: "0.96", 3.14: "3.1", 9.97: "10", 1234.5: "1,235"} {
		if got := number(n); got != want {
			t.Errorf("%v samples are %q, want %q", n, got, want)
		}
	}
	for rate, want := range map[float64]string{1000. / 60: "16.7/min", 12: "12/min", 59.99: "60/min", 100: "1.67/s", 72000: "1200/s", .4: "24/h", .165: "9.9/h", .01: "14.4/d", 2e-5: "0.0288/d", 1e-9: "< 0.01/d"} {
		if got := perTime(rate); got != want {
			t.Errorf("%v a minute are %q, want %q", rate, got, want)
		}
	}
	for p, want := range map[float64]string{0: "0 %", .004: "< 1 %", .43: "43 %", .996: "> 99 %", 1: "100 %"} {
		if got := percent(p); got != want {
			t.Errorf("%v is %q, want %q", p, got, want)
		}
	}
}

// What a window has adds up: only whole periods count, of a rule that judges the end
// of its window only those.
func TestWindowAddsUp(t *testing.T) {
	for _, tt := range []struct {
		rate           string
		period, window time.Duration
		change         func(*rules.Spec)
		want           string
	}{
		{"2/s", time.Minute, 15 * time.Minute, func(*rules.Spec) {}, `15m at 12/min has 180 samples of "e"`},
		{"10000/h", time.Hour, 4 * time.Hour, func(s *rules.Spec) { s.Phases[0].Start = &rules.Offset{Duration: 30 * time.Minute} },
			`4h at 16.7/min has 3,000 samples of "e" in the 3 periods of 1h that lie wholly in it`},
		{"2/s", time.Minute, 90 * time.Second, func(*rules.Spec) {}, `1m30s at 12/min has 12 samples of "e" in the one period of 1m that lies wholly in it`},
		{"2/s", time.Hour, time.Hour, func(s *rules.Spec) { s.Phases[0].Start = &rules.Offset{Duration: 30 * time.Minute} },
			`1h has no period of 1h of "e" that lies wholly in it`},
		{"2/s", time.Minute, 15 * time.Minute, func(s *rules.Spec) {
			s.Success[0].Evidence, s.Success[0].Over = ptr(rules.ByThreshold), duration(5*time.Minute)
		},
			`the last 5m of 15m at 12/min have 60 samples of "e"`},
		{"0.3/d", time.Minute, 15 * time.Minute, func(*rules.Spec) {}, `15m at 0.03/d has < 0.01 samples of "e"`},
	} {
		s := counted(tt.rate, tt.window)
		s.Signals[0].Period = duration(tt.period)
		tt.change(&s)
		if l := lineOf(t, compile(t, s), "canary", "errors"); l.holds() != tt.want {
			t.Errorf("got %q, want %q", l.holds(), tt.want)
		}
	}
}

// Where nothing says whether failures come in groups, the forecast does.
func TestGroupsOfFailures(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*rules.Spec)
		want   bool
	}{
		{"few failures", func(*rules.Spec) {}, true},
		{"what the author says", func(s *rules.Spec) { s.Signals[0].Cluster = ptr(3.) }, false},
		{"what the author says too", func(s *rules.Spec) { s.Signals[0].Cluster = ptr(1.) }, false},
		{"enough of them to see it", func(s *rules.Spec) { s.Phases[0].Window = duration(85 * time.Minute) }, false},
		{"a threshold", func(s *rules.Spec) { s.Success[0].Evidence = ptr(rules.ByThreshold) }, false},
	} {
		s := counted("2/s", 15*time.Minute)
		tt.change(&s)
		plan := compile(t, s)
		for rule, want := range map[string]bool{"errors": tt.want, "errors-high": false} {
			if got := strings.Contains(lineOf(t, plan, "canary", rule).String(), "failures in groups (retries) would need cluster"); got != want {
				t.Errorf("%s, %s: said %v, want %v", tt.name, rule, got, want)
			}
		}
	}
}
