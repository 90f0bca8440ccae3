package rules

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// templateSpec is a template with placeholders wherever they may stand.
func templateSpec() Spec {
	s := goodSpec()
	s.Release.Version, s.Release.Start = "", time.Time{}
	s.Release.Title = "Launch of {version}"
	s.Release.Completion = Instant{Offset: &Offset{48 * time.Hour}}
	s.Release.Evidence = ptr(Sequential)
	s.Parameters = []ParameterSpec{
		{Name: "lambda", Pattern: "[0-9]+", Description: "version of the function"},
		{Name: "note", Default: &Literal{"it's fine"}},
	}
	s.Phases[0].Title, s.Phases[0].Target = "{version} to 10 %", "alias {lambda}"
	s.Success[0].Title = "errors of {version}"
	s.Rollback[0].Action, s.Rollback[0].Command = "revert to {previous}", "revert --to {previous.lambda} --weights {} --json {{version}}"
	cloudWatch(s.Signals[2].Query).Dimensions = map[string]string{"ExecutedVersion": "{lambda}", "FunctionName": "f"}
	s.Signals[2].Baseline = &BaselineSpec{Dimension: "ExecutedVersion", Value: "{previous.lambda}"}
	athena(s.Signals[3].Query).Parameters = []string{"'{note}'"}
	sentry(s.Signals[4].Query).Release = "p@{version}"
	appStore(s.Signals[5].Query).Version = "{version}"
	s.Communications[0].Channel, s.Communications[0].Text = "mail {plan}", "{version} is live, after {previous}"
	return s
}

func compiled(t *testing.T, spec Spec) *Plan {
	t.Helper()
	plan, problems := Compile(spec)
	if plan == nil || len(problems) > 0 {
		t.Fatalf("got problems\n%v\nwant none", problems)
	}
	return plan
}

var bind = Bind{
	Version: "1.0.1", Start: time.Date(2025, 7, 1, 4, 0, 0, 0, time.FixedZone("", 7200)), UID: "u1", Try: 2,
	Parameters: map[string]string{"lambda": "44"},
	Previous:   Previous{Version: "1.0.0", Parameters: map[string]string{"lambda": "43"}},
}

func TestBoundReplacesEveryPlaceholder(t *testing.T) {
	plan := compiled(t, templateSpec())
	before, _ := json.Marshal(plan)
	if !plan.Template() || plan.Length != 48*time.Hour {
		t.Errorf("got template %v of length %v, want one of 48h", plan.Template(), plan.Length)
	}
	run, err := plan.Bound(bind)
	if err != nil {
		t.Fatal(err)
	}
	if after, _ := json.Marshal(plan); string(after) != string(before) {
		t.Error("binding changed the plan")
	}
	_, p95 := run.signal(t, "p95")
	_, beside := run.signal(t, "p95@baseline")
	_, derived := run.signal(t, "p95@baseline > 3 s")
	_, gap := run.signal(t, "gap")
	_, crashes := run.signal(t, "crash_free")
	_, stars := run.signal(t, "stars")
	for _, tt := range []struct{ what, got, want string }{
		{"title", run.Title, "Launch of 1.0.1"},
		{"phase's title", run.Phases[0].Title, "1.0.1 to 10 %"},
		{"phase's target", run.Phases[0].Target, "alias 44"},
		{"rule's title", run.Rules[0].Title, "errors of 1.0.1"},
		{"action", run.Rules[5].Action, "revert to 1.0.0"},
		{"command", run.Rules[5].Command, "revert --to 43 --weights {} --json {version}"},
		{"dimension", cloudWatch(p95.Query.Ask).Dimensions["ExecutedVersion"], "44"},
		{"baseline's dimension", cloudWatch(beside.Query.Ask).Dimensions["ExecutedVersion"], "43"},
		{"derived baseline's dimension", cloudWatch(derived.Query.Ask).Dimensions["ExecutedVersion"], "43"},
		{"SQL parameter", athena(gap.Query.Ask).Parameters[0], "'it''s fine'"},
		{"Sentry release", sentry(crashes.Query.Ask).Release, "p@1.0.1"},
		{"App Store version", appStore(stars.Query.Ask).Version, "1.0.1"},
		{"channel", run.Communications[1].Channel, "mail launch"},
		{"text", run.Communications[1].Text, "1.0.1 is live, after 1.0.0"},
		{"version", run.Version, "1.0.1"},
		{"start", run.Start.Format(time.RFC3339), "2025-07-01T02:00:00Z"},
		{"completion", run.Completion.Format(time.RFC3339), "2025-07-03T02:00:00Z"},
		{"binding", fmt.Sprintf("%+v", run.Binding), "{Run:launch@1.0.1~2 UID:u1 Try:2 Template:true Parameters:map[lambda:44 note:it's fine] Previous:{Version:1.0.0 Parameters:map[lambda:43]}}"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %q, want %q", tt.what, tt.got, tt.want)
		}
	}
	for i := range plan.Signals {
		if plan.Signals[i].Name != run.Signals[i].Name {
			t.Errorf("signal %q is called %q in the run", plan.Signals[i].Name, run.Signals[i].Name)
		}
	}
	if run.Template() || run.Length != 0 {
		t.Error("the run is a template")
	}
}

// The journal keeps a run's plan as JSON.
func TestABoundPlanReadsBackFromJSON(t *testing.T) {
	run, err := compiled(t, templateSpec()).Bound(bind)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(run)
	back, err := ReadPlan(text, standIns)
	if err != nil || !reflect.DeepEqual(back, run) {
		t.Errorf("got %+v (%v), want %+v", back, err, run)
	}
}

func TestWhatARunIsToldIsChecked(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Bind)
		want   []string // in the error, one a line; none means that it is good
	}{
		{"all of it", func(*Bind) {}, nil},
		{"no version", func(b *Bind) { b.Version = "" }, []string{`version "": want at most 128 letters`}},
		{"a version with a space", func(b *Bind) { b.Version = "1 0" }, []string{`version "1 0": want at most 128 letters`}},
		{"no start", func(b *Bind) { b.Start = time.Time{} }, []string{"a run needs a start"}},
		{"no required parameter", func(b *Bind) { b.Parameters = nil }, []string{`parameter "lambda" is required: --set lambda=…`}},
		{"a parameter that is not declared", func(b *Bind) { b.Parameters = map[string]string{"lambda": "1", "lamda": "2"} },
			[]string{`parameter "lamda" is not declared: did you mean "lambda"?`}},
		{"one that is like no other", func(b *Bind) { b.Parameters = map[string]string{"lambda": "1", "x": "2"} },
			[]string{`parameter "x" is not declared: the plan has lambda, note`}},
		{"a value against its pattern", func(b *Bind) { b.Parameters = map[string]string{"lambda": "4 3"} },
			[]string{`parameter "lambda": "4 3": want a value that matches the pattern [0-9]+`}},
		{"a control character", func(b *Bind) { b.Parameters = map[string]string{"lambda": "1", "note": "a\x1b[2J"} },
			[]string{`parameter "note": it holds the escape character: want plain text`}},
		{"nothing of the release before", func(b *Bind) { b.Previous = Previous{} },
			[]string{"{previous} is not known: no earlier run that passed has it: --set previous=…", "{previous.lambda} is not known: no earlier run that passed has it: --set previous.lambda=…"}},
		{"a bad version before", func(b *Bind) { b.Previous.Version = "x y" }, []string{`previous: version "x y": want`}},
		{"a parameter before, against its pattern", func(b *Bind) { b.Previous.Parameters = map[string]string{"lambda": "x"} },
			[]string{`parameter "lambda" of the release before: "x": want a value that matches`}},
		{"a parameter before that is not declared any more", func(b *Bind) { b.Previous.Parameters = map[string]string{"lambda": "1", "gone": "x"} }, nil},
		{"the release before is this one", func(b *Bind) { b.Previous.Parameters = map[string]string{"lambda": "44"} },
			[]string{"signals.p95.baseline.value: what runs beside the release is the release itself"}},
		{"several things", func(b *Bind) { b.Version, b.Parameters = "", map[string]string{"x": ""} },
			[]string{`version ""`, `parameter "lambda" is required`, `parameter "x" is not declared`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := bind
			tt.change(&b)
			run, err := compiled(t, templateSpec()).Bound(b)
			var lines []string
			if err != nil {
				lines = strings.Split(err.Error(), "\n")
			}
			if len(lines) != len(tt.want) || (run == nil) != (err != nil) {
				t.Fatalf("got\n%v\nwant %q", err, tt.want)
			}
			for i, want := range tt.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("got %q, want %q", lines[i], want)
				}
			}
		})
	}
}

// A value stands where something reads it: it may not become more than a value.
func TestAValueStaysAValue(t *testing.T) {
	for _, tt := range []struct {
		name     string
		change   func(*Spec)
		standard string // the parameter's default, with which all is well
		value    string
		want     string // the text, or the error
	}{
		{"a quote in SQL", func(s *Spec) { athena(s.Signals[3].Query).Parameters[0] = "'a''{note}'" }, "x", "x' OR 'a'='a", "'a''x'' OR ''a''=''a'"},
		{"a number in SQL", func(s *Spec) { athena(s.Signals[3].Query).Parameters[0] = "{note}" }, "1", "43", "43"},
		{"an expression in SQL", func(s *Spec) { athena(s.Signals[3].Query).Parameters[0] = "{note}" }, "1", "1 OR 1", "only numbers may stand outside of quotes: put the placeholder between single quotes"},
		{"behind a closed quote in SQL", func(s *Spec) { athena(s.Signals[3].Query).Parameters[0] = "'a' || {note}" }, "1", "x", "only numbers may stand outside of quotes"},
		{"a command in a command", func(s *Spec) { s.Rollback[0].Command = "revert {note}" }, "1", "43; rm", `{note} is "43; rm", which a shell would not take as one word`},
		{"nothing in a command", func(s *Spec) { s.Rollback[0].Command = "revert --to {note} --name live" }, "1", "", "{note} is empty: a command would take the next word in its place"},
		{"an option in a command", func(s *Spec) { s.Rollback[0].Command = "revert {note}" }, "1", "-rf", `{note} is "-rf", which a command would take as an option`},
		{"a dash inside of a word", func(s *Spec) { s.Rollback[0].Command = "revert {note}" }, "1", "a-b", "1"},
		{"nothing in a query", func(s *Spec) { sentry(s.Signals[4].Query).Release = "{note}" }, "p@1", "", "signals.crash_free.sentry.release: {note} is empty: the query would ask for something else"},
		{"nothing in a dimension", func(s *Spec) { cloudWatch(s.Signals[2].Query).Dimensions["FunctionName"] = "{note}" }, "f", "", "signals.p95.cloudwatch.dimensions.FunctionName: {note} is empty"},
		{"nothing beside the release", func(s *Spec) { s.Signals[4].Baseline = &BaselineSpec{Dimension: "release", Value: "{note}"} }, "p@0", "", "signals.crash_free.baseline.value: {note} is empty"},
		{"too much beside the release", func(s *Spec) { s.Signals[4].Baseline = &BaselineSpec{Dimension: "release", Value: "p@{note}"} }, "0", strings.Repeat("x", 249), "signals.crash_free.baseline.value: want at most 250 characters in one line"},
		{"as much beside the release as there may be", func(s *Spec) { s.Signals[4].Baseline = &BaselineSpec{Dimension: "release", Value: "p@{note}"} }, "0", strings.Repeat("x", 248), "1"},
		{"much in what both queries have", func(s *Spec) { cloudWatch(s.Signals[2].Query).Dimensions["FunctionName"] = "{note}" }, "f", strings.Repeat("x", 400), "1"},
		{"an app's name", func(s *Spec) { appStore(s.Signals[5].Query).App = "{note}" }, "64", "com.x", `signals.stars.appstore.app: "com.x": want the app's numeric id`},
		{"a country's name", func(s *Spec) { appStore(s.Signals[5].Query).Countries = []string{"{note}"} }, "DEU", "Germany", `signals.stars.appstore.countries[0]: "Germany": want a code of 3 letters`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := templateSpec()
			spec.Parameters[1].Default = &Literal{tt.standard}
			athena(spec.Signals[3].Query).Parameters[0] = "1"
			tt.change(&spec)
			spec.Release.Title += " {note}"
			b := bind
			b.Parameters = map[string]string{"lambda": "44", "note": tt.value}
			run, err := compiled(t, spec).Bound(b)
			got := fmt.Sprint(err)
			if run != nil {
				_, gap := run.signal(t, "gap")
				got = athena(gap.Query.Ask).Parameters[0]
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// A plan that begins its run by itself says what the first run's placeholders are.
func TestTheFileKnowsTheReleaseBeforeTheFirstRun(t *testing.T) {
	spec := templateSpec()
	spec.Release.Version, spec.Release.Start = "1.0.1", bind.Start
	spec.Release.Previous = map[string]Literal{"version": {"0.9.0"}, "lambda": {"42"}}
	spec.Parameters[0].Default = &Literal{"44"}
	plan := compiled(t, spec)
	for _, tt := range []struct {
		name  string
		known Previous
		want  string // version and lambda of the run's Previous
	}{
		{"no run has passed", Previous{}, "0.9.0 42"},
		{"one has, of another version", Previous{"1.0.0", map[string]string{"lambda": "43"}}, "1.0.0 43"},
		{"one of the version that the file names, without the parameter", Previous{Version: "0.9.0"}, "0.9.0 42"},
		{"one of another version, without the parameter", Previous{Version: "1.0.0"}, "write it in release.previous"},
	} {
		run, err := plan.Bound(Bind{Version: plan.Version, Start: plan.Start, Previous: tt.known})
		got := fmt.Sprint(err)
		if run != nil {
			got = run.Binding.Previous.Version + " " + run.Binding.Previous.Parameters["lambda"]
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestAnExampleOfATemplateHasNoPlaceholders(t *testing.T) {
	spec := templateSpec()
	spec.Parameters[0].Pattern = "(v|w)[0-9]{2}-(a|b)+x*"
	plan := compiled(t, spec)
	example := plan.Example()
	if got := example.Phases[0].Target; got != "alias v11-a" {
		t.Errorf("got target %q, want one that matches the pattern", got)
	}
	if example.Version != "1.0.0" || example.Start.IsZero() || example.Completion.Sub(example.Start) != 48*time.Hour || !reflect.DeepEqual(example.Binding, Binding{}) {
		t.Errorf("got version %q, start %v, completion %v, binding %+v", example.Version, example.Start, example.Completion, example.Binding)
	}
	example.eachText(func(text *string, _ textUse, keys ...string) {
		if names := placeholderNames(*text); len(names) > 0 && keys[len(keys)-1] != "command" {
			t.Errorf("%v: %q still has placeholders", keys, *text)
		}
	})
}

func TestSettingsTellParametersFromTheReleaseBefore(t *testing.T) {
	parameters, previous := Settings(map[string]string{"lambda": "43", "previous": "0.9.0", "previous.lambda": "42", "previous.x": "1"})
	if got, want := fmt.Sprint(parameters, previous), "map[lambda:43] {0.9.0 map[lambda:42 x:1]}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, previous := Settings(map[string]string{"previous.version": "0.9.1"}); previous.Version != "0.9.1" {
		t.Errorf("got %+v, want version 0.9.1", previous)
	}
}

// A plan that is in use may be read from anywhere: the race detector sees a write.
func TestReadersOfAPlanDoNotWriteIt(t *testing.T) {
	plan := compiled(t, templateSpec())
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { plan.Placeholders() })
	}
	both.Wait()
}

func TestPlaceholdersOfAPlan(t *testing.T) {
	if got, want := fmt.Sprint(compiled(t, templateSpec()).Placeholders()), "[lambda note plan previous previous.lambda version]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMatchingGivesWhatThePatternMatches(t *testing.T) {
	for _, pattern := range []string{"", "[0-9]+", "a|b", "x{3}", "[^0-9]", ".", "(?i)abc", "[A-Z]+-[0-9]{1,3}", "^a$", `\d+\.\d+`, "[à-ü]", "a*b?", "(ab)*c"} {
		d := Parameter{Required: true, Pattern: pattern}
		if err := d.takes(d.example()); err != nil {
			t.Errorf("%q: the example %q does not match", pattern, d.example())
		}
	}
}

// A run has the versions of its own release in the steps of its way back, whatever the plan
// was tried or bound with before.
func TestEachRunHasItsOwnWayBack(t *testing.T) {
	spec := templateSpec()
	spec.Rollback[0].Effects = []EffectSpec{{Name: "alias", Do: "revert", To: "alias", Command: "back {version} {previous}", Link: "https://wiki.example/{version}"}}
	plan := compiled(t, spec)
	before := fmt.Sprintf("%+v", plan.Rules)
	for _, version := range []string{"1.0.1", "1.0.2"} {
		own := bind
		own.Version = version
		run, err := plan.Bound(own)
		if err != nil {
			t.Fatal(err)
		}
		e := run.Rules[slices.IndexFunc(run.Rules, func(r Rule) bool { return len(r.Effects) > 0 })].Effects[0]
		if e.Version != version || e.Previous != "1.0.0" || e.Command != "back "+version+" 1.0.0" || e.Link != "https://wiki.example/"+version {
			t.Errorf("version %s: %+v", version, e)
		}
	}
	if after := fmt.Sprintf("%+v", plan.Rules); after != before {
		t.Errorf("the plan itself was changed: %s, was %s", after, before)
	}
}
