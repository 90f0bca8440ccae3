package rules

import (
	"testing"
	"time"
)

func TestLintOfTheRollout(t *testing.T) {
	scheduled := func(start time.Duration, traffic float64) func(*Spec) {
		return func(s *Spec) {
			p := &s.Phases[1]
			p.Advance, p.Start, p.Traffic = nil, &Offset{start}, &Fraction{traffic}
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"one after the other", scheduled(2*time.Hour, 1), ""},
		{"all within the first window", scheduled(time.Hour, 1), "~phases-overlap phases.all.start"},
		{"half within the first window", scheduled(time.Hour, 0.5), ""},
		{"all within the first window of another target", func(s *Spec) { scheduled(time.Hour, 1)(s); s.Phases[1].Target = "app" }, ""},
		{"all when the first has passed", func(s *Spec) { s.Phases[1].Start = &Offset{time.Hour} }, ""},
		{"all beside all", func(s *Spec) { scheduled(time.Hour, 1)(s); s.Phases[0].Traffic = &Fraction{1} }, ""},
		{"less than before", scheduled(2*time.Hour, 0.05), "~traffic-falls phases.all.traffic"},
		{"less than before of another target", func(s *Spec) { scheduled(2*time.Hour, 0.05)(s); s.Phases[1].Target = "app" }, ""},
		{"as much as before", scheduled(2*time.Hour, 0.1), ""},
		{"no traffic", func(s *Spec) { s.Phases[1].Traffic = nil }, "missing phases.all.traffic"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := goodSpec()
			tt.change(&spec)
			_, problems := Compile(spec)
			if got := ids(problems); !same(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A start is old from a day on. A template has none.
func TestAnOldStart(t *testing.T) {
	p := compileGood(t)
	for _, tt := range []struct {
		after time.Duration
		want  string
	}{
		{-time.Hour, ""},
		{24 * time.Hour, ""},
		{25 * time.Hour, "a day ago: a run that begins now begins late, and its phases with it"},
		{3 * 24 * time.Hour, "3 days ago: a run that begins now begins late, and its phases with it"},
	} {
		found := p.LintNow(p.Start.Add(tt.after))
		if tt.want == "" && len(found) == 0 {
			continue
		}
		if len(found) != 1 || found[0].Message != tt.want || found[0].ID != "old-start" || found[0].Severity != SeverityNote {
			t.Errorf("%v: got %+v, want %q", tt.after, found, tt.want)
		}
	}
	spec := goodSpec()
	spec.Release.Version, spec.Release.Start = "", time.Time{}
	if found := compile(t, spec).LintNow(p.Start.Add(year)); len(found) > 0 {
		t.Errorf("got %v for a template", found)
	}
}
