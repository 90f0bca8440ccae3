package rules

import (
	"slices"
	"strings"
	"testing"
)

// Rules on one signal that lie on the same side are refused, with the one that is
// turned around and how it was meant.
func TestRulesTurnedAround(t *testing.T) {
	signal := func(i int, success, rollback string) func(*Spec) {
		return func(s *Spec) {
			s.Success[i].When = when(success)
			s.Rollback = append(s.Rollback, RollbackSpec{RuleSpec: RuleSpec{Name: "other", Signal: s.Success[i].Signal, When: when(rollback), Owner: "Ops"}, Action: "revert", Command: "revert --now"})
			for k := range s.Phases {
				s.Phases[k].Rollback = append(s.Phases[k].Rollback, "other")
			}
		}
	}
	errors := func(success, rollback string) func(*Spec) {
		return func(s *Spec) { s.Success[0].When, s.Rollback[0].When = when(success), when(rollback) }
	}
	gauge := func(success, rollback string) func(*Spec) {
		return func(s *Spec) {
			gaugeOf(s, Number, "Count")
			signal(2, success, rollback)(s)
		}
	}
	alarm := func(success, rollback string) func(*Spec) {
		return func(s *Spec) {
			s.Success = append(s.Success, SuccessSpec{RuleSpec: RuleSpec{Name: "quiet", Signal: "page", Owner: "Ops"}})
			s.Phases[0].Success = append(s.Phases[0].Success, "quiet")
			signal(5, success, rollback)(s)
		}
	}
	const eachSide = "; where too little and too much are both bad, give each side a signal of its own"
	for _, tt := range []struct {
		name   string
		change func(*Spec)
		want   string // empty when all is well
		fix    string
	}{
		{"errors", errors("> 1 %", "> 3 %"), `contradiction success.errors.when: "> 1 %" must hold, but rollback rule "errors-high" fires on the same side, at "> 3 %"`, `write when = "< 1 %"`},
		{"errors, inclusive", errors(">= 1 %", ">= 3 %"), `contradiction success.errors.when: ">= 1 %" must hold, but rollback rule "errors-high" fires on the same side, at ">= 3 %"`, `write when = "<= 1 %"`},
		{"errors beyond the trigger", errors("> 5 %", "> 3 %"), `contradiction success.errors.when: "> 5 %" must hold, but rollback rule "errors-high" fires on the same side, at "> 3 %"`, `write when = "<= 3 %"`},
		{"errors at the trigger", errors(">= 3 %", ">= 3 %"), `contradiction success.errors.when: ">= 3 %" must hold, but rollback rule "errors-high" fires on the same side, at ">= 3 %"`, `write when = "< 3 %"`},
		{"errors rolled back", errors("< 1 %", "< 3 %"), `contradiction rollback.errors-high.when: "< 3 %" rolls back, but success rule "errors" holds on the same side, at "< 1 %"`, `write when = "> 3 %"`},
		{"errors rolled back below the target", errors("< 1 %", "< 0.5 %"), `contradiction rollback.errors-high.when: "< 0.5 %" rolls back, but success rule "errors" holds on the same side, at "< 1 %"`, `write when = ">= 1 %"`},
		{"crash-free", signal(3, "> 99.5 %", "< 99 %"), "", ""},
		{"crash-free turned around", signal(3, "< 99.5 %", "< 99 %"), `contradiction success.crashes.when: "< 99.5 %" must hold, but rollback rule "other" fires on the same side, at "< 99 %"`, `write when = "> 99.5 %"`},
		{"crash-free rolled back", signal(3, "> 99.5 %", "> 99 %"), `contradiction rollback.other.when: "> 99 %" rolls back, but success rule "crashes" holds on the same side, at "> 99.5 %"`, `write when = "< 99 %"`},
		{"latency", func(s *Spec) { s.Success[1].When = when(">= 2.5 s") }, `contradiction success.slow.when: ">= 2.5 s" must hold, but rollback rule "slow-high" fires on the same side, at "> 3 s"`, `write when = "<= 2.5 s"`},
		{"the worst latency", func(s *Spec) {
			s.Success[1].When, s.Success[1].Aggregate, s.Rollback[1].Aggregate = when(">= 2.5 s"), ptr(Worst), ptr(Worst)
		}, `contradiction success.slow.when: ">= 2.5 s" must hold, but rollback rule "slow-high" fires on the same side, at "> 3 s"`, `write when = "<= 2.5 s"`},
		{"stars", signal(4, "<= 4.5", "< 4"), `contradiction success.stars.when: "<= 4.5" must hold, but rollback rule "other" fires on the same side, at "< 4"`, `write when = ">= 4.5"`},
		{"stars rolled back", signal(4, ">= 4.5", "> 4"), `contradiction rollback.other.when: "> 4" rolls back, but success rule "stars" holds on the same side, at ">= 4.5"`, `write when = "< 4"`},
		{"a level", gauge(">= 75", "> 5000"), `contradiction success.gap.when: ">= 75" must hold, but rollback rule "other" fires on the same side, at "> 5000"`, `write when = "<= 75"` + eachSide},
		{"a level that should be high", gauge("<= 1000", "< 600"), `contradiction success.gap.when: "<= 1000" must hold, but rollback rule "other" fires on the same side, at "< 600"`, `write when = ">= 1000"` + eachSide},
		{"a level rolled back", gauge("<= 75", "<= 5000"), `contradiction rollback.other.when: "<= 5000" rolls back, but success rule "gap" holds on the same side, at "<= 75"`, `write when = ">= 5000"` + eachSide},
		{"a level that should be high rolled back", gauge(">= 1000", "> 600"), `contradiction rollback.other.when: "> 600" rolls back, but success rule "gap" holds on the same side, at ">= 1000"`, `write when = "< 600"` + eachSide},
		{"a level", gauge("<= 75", "> 5000"), "", ""},
		{"an exact level", gauge("== 75", "> 5000"), "", ""},
		{"a gap", signal(2, ">= 0.07", "> 0.1"), `contradiction success.gap.when: ">= 0.07" must hold, but rollback rule "other" fires on the same side, at "> 0.1"`, `write when = "<= 0.07"`},
		{"an alarm", alarm("OK", "ALARM"), "", ""},
		{"an alarm by numbers", alarm("== 0", "> 0"), "", ""},
		{"an alarm that must go off", alarm("ALARM", "== 1"), `contradiction success.quiet.when: "ALARM" must hold, but rollback rule "other" fires on the same side, at "ALARM"`, `write when = "OK"`},
		{"an alarm rolled back when it is well", alarm("OK", "OK"), `contradiction rollback.other.when: "OK" rolls back, but success rule "quiet" holds on the same side, at "OK"`, `write when = "ALARM"`},
		{"a target beyond the trigger", errors("< 5 %", "> 3 %"), `limit-beyond-trigger success.errors.when: "< 5 %" holds for values that rollback rule "errors-high" fires at (> 3 %)`, `write when = "<= 3 %" or a stricter one`},
		{"a level beyond the trigger", gauge("<= 7500", ">= 5000"), `limit-beyond-trigger success.gap.when: "<= 7500" holds for values that rollback rule "other" fires at (>= 5000)`, `write when = "< 5000" or a stricter one`},
		{"a target beyond a trigger in shadow", func(s *Spec) { errors("< 5 %", "> 3 %")(s); s.Success[0].Mode = ptr(Shadow) }, `overlap success.errors.when: "< 5 %" holds for values that rollback rule "errors-high" fires at (> 3 %)`, "choose thresholds that do not overlap"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := goodSpec()
			tt.change(&spec)
			_, problems := Compile(spec)
			var got, fix []string
			for _, p := range problems {
				got, fix = append(got, p.ID+" "+p.Path+": "+p.Message), append(fix, p.Fix)
			}
			if strings.Join(got, "; ") != tt.want || strings.Join(fix, "; ") != tt.fix {
				t.Errorf("got %q, fix %q, want %q, fix %q", got, fix, tt.want, tt.fix)
			}
		})
	}
}

// A rule that acts on the good side of a signal is warned of where no other rule
// contradicts it, once a signal; of a level either side may be good.
func TestARuleThatIsTurnedAroundAlone(t *testing.T) {
	const unless = "; keep it where more of what the query calls bad is better"
	success := func(i int, text string) func(*Spec) {
		return func(s *Spec) {
			s.Success[i].When = when(text)
			s.Rollback = nil
			for k := range s.Phases {
				s.Phases[k].Rollback = nil
			}
		}
	}
	rollback := func(text string) func(*Spec) {
		return func(s *Spec) {
			s.Rollback[0].When = when(text)
			s.Success = s.Success[1:]
			for k := range s.Phases {
				s.Phases[k].Success = slices.DeleteFunc(slices.Clone(s.Phases[k].Success), func(name string) bool { return name == "errors" })
			}
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*Spec)
		want   string // empty when nothing is said
		fix    string
	}{
		{"errors", success(0, "< 5 %"), "", ""},
		{"errors wanted", success(0, "> 5 %"), `success.errors.when: "> 5 %": of signal "error_rate" less is better, and the rule wants more`, `write when = "< 5 %"` + unless},
		{"errors rolled back", rollback("> 3 %"), "", ""},
		{"few errors rolled back", rollback("< 3 %"), `rollback.errors-high.when: "< 3 %": of signal "error_rate" less is better, and the rule fires where there is less`, `write when = "> 3 %"` + unless},
		{"both turned around", func(s *Spec) { s.Success[0].When, s.Rollback[0].When = when("> 5 %"), when("< 3 %") }, `success.errors.when: "> 5 %": of signal "error_rate" less is better, and the rule wants more`, `write when = "< 5 %"` + unless},
		{"a slow latency wanted", success(1, ">= 2.5 s"), `success.slow.when: ">= 2.5 s": of signal "p95" less is better, and the rule wants more`, `write when = "<= 2.5 s"`},
		{"crashes wanted", success(3, "< 99.5 %"), `success.crashes.when: "< 99.5 %": of signal "crash_free" more is better, and the rule wants less`, `write when = "> 99.5 %"`},
		{"bad stars wanted", success(4, "<= 4.5"), `success.stars.when: "<= 4.5": of signal "stars" more is better, and the rule wants less`, `write when = ">= 4.5"`},
		{"a level", func(s *Spec) { gaugeOf(s, Number, "Count"); success(2, ">= 75")(s) }, "", ""},
	} {
		spec := goodSpec()
		tt.change(&spec)
		_, problems := Compile(spec)
		got, fix := "", ""
		for _, p := range problems {
			if p.ID == "turned-around" {
				got, fix = got+p.Path+": "+p.Message, fix+p.Fix
			}
		}
		if got != tt.want || fix != tt.fix {
			t.Errorf("%s: got %q, fix %q, want %q, fix %q", tt.name, got, fix, tt.want, tt.fix)
		}
	}
}

// A rule that is turned around against several is reported once, and a rollback
// rule of a later phase has no say in an earlier one.
func TestTurnedAroundIsSaidOnce(t *testing.T) {
	spec := goodSpec()
	spec.Success[0].When = when("> 1 %")
	second := spec.Rollback[0]
	second.Name, second.When = "errors-very-high", when("> 10 %")
	spec.Rollback = append(spec.Rollback, second)
	spec.Phases[1].Rollback = append(spec.Phases[1].Rollback, second.Name)
	if _, problems := Compile(spec); ids(problems) != "contradiction success.errors.when" {
		t.Errorf("got %v", problems)
	}

	spec = goodSpec()
	spec.Success[0].When, spec.Success[0].Name = when("< 5 %"), "errors-early"
	spec.Phases[0].Success, spec.Phases[0].Rollback = []string{"errors-early", "slow", "gap"}, []string{"slow-high"}
	spec.Phases[1].Success = []string{"crashes", "stars"}
	if _, problems := Compile(spec); len(problems) > 0 {
		t.Errorf("got %v, want no problem with a stricter rule of a later phase", problems)
	}
}

// The states of alarms are conditions of alarms, and of nothing else.
func TestStatesOfAlarms(t *testing.T) {
	plan := func(text string) (*Plan, Problems) {
		spec := goodSpec()
		spec.Rollback[1].Signal, spec.Rollback[1].When = "page", when(text)
		return Compile(spec)
	}
	for _, tt := range []struct {
		text     string
		fires    float64
		says     string
		problems string
	}{
		{"ALARM", 1, "ALARM", ""},
		{" ALARM ", 1, "ALARM", ""},
		{"== 1", 1, "ALARM", ""},
		{"> 0", 1, "ALARM", ""},
		{"== 0.5", 0.5, "== 0.5", ""},
	} {
		p, problems := plan(tt.text)
		if p == nil || ids(problems) != tt.problems {
			t.Fatalf("%s: got %v", tt.text, problems)
		}
		r := &stored(t, p).Rules[6]
		if got := p.Signals[1].Says(r.ShownWhen); !r.When.Holds(tt.fires) || r.When != r.ShownWhen || r.When.Unit != Number || got != tt.says {
			t.Errorf("%s: got %v, %q, want %q", tt.text, r.When, got, tt.says)
		}
	}
	if _, problems := plan("OK"); ids(problems) != "contradiction rollback.slow-high.when" || problems[0].Fix != `write when = "ALARM"` {
		t.Errorf("OK: got %v", problems)
	}
	spec := goodSpec()
	spec.Success[0].Signal, spec.Success[0].When, spec.Success[0].Evidence = "page", when("ALARM"), nil
	if _, problems := Compile(spec); !strings.Contains(ids(problems), "contradiction success."+spec.Success[0].Name+".when") {
		t.Errorf("a success rule that wants the alarm: %v", problems)
	}
	if got, _ := plan("ALARM"); got != nil {
		other, _ := plan("== 1")
		if got.Rules[6].When != other.Rules[6].When {
			t.Errorf("got %v, want the plan that says == 1", got.Rules[6].When)
		}
	}
	for _, text := range []string{"OK", "ALARM"} {
		if c := when(text); c.String() != text {
			t.Errorf("got %q, want %q", c, text)
		}
		spec := goodSpec()
		spec.Rollback[0].When = when(text)
		if _, problems := Compile(spec); ids(problems) != "wrong-kind rollback.errors-high.when" {
			t.Errorf("%s of a ratio: got %v", text, problems)
		}
	}
}

// A fix never loosens a limit: of the two that a plain number may mean, the
// stricter is offered.
func TestAFixLoosensNothing(t *testing.T) {
	for _, tt := range []struct {
		signal string
		good   bool
		when   string
		want   string
	}{
		{"errors", true, "< 0.5", `write "< 0.5 %"`},
		{"errors", true, "< 0.07", `write "< 0.07 %"`},
		{"errors", true, "< 3", `write "< 3 %"`},
		{"errors", false, "> 0.5", `write "> 0.5 %"`},
		{"errors", false, "> 3", `write "> 3 %"`},
		{"errors", true, "== 0", `write "== 0 %"`},
		{"errors", true, "< 1", `write "< 1 %"`},
		{"free", true, ">= 0.995", `write ">= 99.5 %"`},
		{"free", true, "> 99", `write "> 99 %"`},
		{"free", false, "< 0.98", `write "< 98 %"`},
		{"free", false, "< 98", `write "< 98 %"`},
		{"level", true, "< 0.5", `write "< 0.5 %"`},
		{"alarm", false, "== 100 %", `write "ALARM"`},
		{"errors", true, "< 3 s", `write "< 3 %"`},
	} {
		sig := map[string]*Signal{
			"errors": {Name: "errors", Kind: Ratio, Unit: Percent},
			"free":   {Name: "free", Kind: Ratio, Unit: Percent, Good: true},
			"alarm":  {Name: "alarm", Kind: Alarm},
			"level":  {Name: "level", Kind: Gauge, Unit: Percent},
		}[tt.signal]
		if got := unitFix(when(tt.when), sig, tt.good); got != tt.want {
			t.Errorf("%s %s: got %s, want %s", tt.signal, tt.when, got, tt.want)
		}
	}
}
