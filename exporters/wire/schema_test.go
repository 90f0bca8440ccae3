package wire_test

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// bodies are all that leave the house.
var bodies = []any{
	wire.Body{}, wire.PlanBody{}, wire.PlanList{}, wire.RunList{}, wire.RunBody{}, wire.EventBody{}, wire.EventList{}, wire.Problem{}, wire.Status{},
}

var (
	camelCase = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)
	timeType  = reflect.TypeFor[time.Time]()
)

// eachField visits every field of a type with a JSON name, those of its parts too.
func eachField(t reflect.Type, seen map[reflect.Type]bool, visit func(in reflect.Type, f reflect.StructField)) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == timeType || seen[t] {
		return
	}
	seen[t] = true
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.Anonymous {
			visit(t, f)
		}
		eachField(f.Type, seen, visit)
	}
}

func allFields(visit func(in reflect.Type, f reflect.StructField)) {
	seen := map[reflect.Type]bool{}
	for _, b := range bodies {
		eachField(reflect.TypeOf(b), seen, visit)
	}
}

func TestEveryNameIsCamelCaseAndEveryFieldIsAlwaysThere(t *testing.T) {
	n := 0
	allFields(func(in reflect.Type, f reflect.StructField) {
		n++
		tag := f.Tag.Get("json")
		if !camelCase.MatchString(tag) {
			t.Errorf("%s.%s is written as %q: want one camelCase name and no option", in.Name(), f.Name, tag)
		}
	})
	if n < 150 {
		t.Errorf("%d fields were looked at: are the bodies listed?", n)
	}
}

// TestANumberHasItsUnitBesideIt: a numeric field is in the unit of a field "unit" of
// the same object, or its name says the unit, or it has none.
func TestANumberHasItsUnitBesideIt(t *testing.T) {
	without := map[string]bool{"count": true, "log": true, "ordinal": true}
	allFields(func(in reflect.Type, f reflect.StructField) {
		kind := f.Type
		for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice || kind.Kind() == reflect.Array {
			kind = kind.Elem()
		}
		switch kind.Kind() {
		case reflect.Float64, reflect.Int, reflect.Uint64:
		default:
			return
		}
		name, unit := f.Tag.Get("json"), f.Tag.Get("unit")
		_, beside := in.FieldByName("Unit")
		named := strings.HasSuffix(name, "Percent") || strings.HasSuffix(name, "Seconds") || name == "percentComplete"
		if named && unit == "" || without[unit] || unit == "beside" && beside {
			return
		}
		t.Errorf("%s.%s has unit %q, and a unit beside it: %v", in.Name(), name, unit, beside)
	})
}

var t0 = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

// judged is the evidence of a rule on an error rate, with everything set.
func judged() fact.Evidence {
	return fact.Evidence{
		Signal: "api_5xx", Known: true, Value: .00296, Op: rules.Greater, Threshold: .01, Unit: rules.Percent, From: t0, To: t0.Add(time.Hour),
		Points: 58, Expected: 60, Samples: 10_472, Newest: t0.Add(time.Hour), Held: "4m0s", For: "10m0s", Note: "estimated",
		Weighed: &fact.Weighed{
			Bad: 31, Low: .002, High: .0041, Limit: .01, Trigger: .03, Against: 1, Bound: 4, Warning: 2, Middle: .5, Keeps: 1, Spared: 2, Proof: 3, More: 7,
			Baseline: &fact.Beside{Signal: "api_5xx@42", Bad: 1, Samples: 2, Worse: 3, Warning: 4},
			Past:     &fact.Earlier{Releases: 1, Bad: 2, Samples: 3, Worse: 4},
		},
	}
}

func plan() *rules.Plan {
	return &rules.Plan{
		Name: "shop", Title: "Shop", Version: "1.0.0", Binding: rules.Binding{Run: "shop@1.0.0", UID: "k3v9", Try: 1},
		Rules: []rules.Rule{{Name: "errors", Kind: rules.RollbackRule}, {Name: "errors", Kind: rules.Success}},
	}
}

// TestTheEvidenceOfAnEventIsTheEvidenceOfTheGatesRule compares the JSON field by field.
func TestTheEvidenceOfAnEventIsTheEvidenceOfTheGatesRule(t *testing.T) {
	for _, kind := range []rules.RuleKind{rules.Success, rules.RollbackRule} {
		for about, edit := range map[string]func(*fact.Evidence){
			"whole":         func(*fact.Evidence) {},
			"not known":     func(e *fact.Evidence) { e.Known, e.Value = false, math.NaN() },
			"no number":     func(e *fact.Evidence) { e.Value, e.Weighed.Low = math.Inf(1), math.NaN() },
			"not weighed":   func(e *fact.Evidence) { e.Weighed = nil },
			"without times": func(e *fact.Evidence) { e.From, e.To, e.Newest = time.Time{}, time.Time{}, time.Time{} },
			"a gap": func(e *fact.Evidence) {
				e.Weighed.Groups = &fact.Gap{Highest: "80+", AtLeast: .1, Small: []string{"90+"}}
			},
			"stars": func(e *fact.Evidence) { e.Weighed.Rating = &fact.Ratings{Average: 4.4} },
			"an alarm": func(e *fact.Evidence) {
				e.Alarm = &fact.Alarm{Signal: "pager", State: fact.AlarmUnknown, Cause: rules.CauseNoData}
			},
			"an alarm that is on": func(e *fact.Evidence) {
				e.Alarm = &fact.Alarm{Signal: "pager", State: fact.AlarmOn, Since: t0, Fired: true}
			},
			"seconds": func(e *fact.Evidence) { e.Unit, e.Value, e.Threshold = rules.Seconds, 2.25, 3 },
		} {
			ev := judged()
			edit(&ev)
			to := "fired"
			view := fact.RuleView{Name: "errors", Kind: kind, State: fact.RuleFired, Evidence: ev}
			v := wire.RunView{Plan: plan(), Snapshot: fact.Snapshot{Plan: "shop", Phases: []fact.PhaseView{{Name: "ten"}}}}
			if kind == rules.Success {
				to = "fail"
				v.Snapshot.Phases[0].Success = []fact.RuleView{view}
			} else {
				v.Snapshot.Rollback, v.Snapshot.Phases[0].Rollback = []fact.RuleView{view}, []int{0}
			}
			a := v.PhasePassed(0)
			rule := fields(t, (&wire.Site{}).Body(&v, &a).Rules[0])
			event := fields(t, wire.Event(v.Plan, &fact.Event{Kind: fact.RuleEvent, Subject: "errors", To: to, Evidence: &ev}, nil).Evidence)
			if len(event) != reflect.TypeFor[wire.Evidence]().NumField() {
				t.Errorf("an event's evidence has %d fields", len(event))
			}
			for name, value := range event {
				if got, ok := rule[name]; !ok || !reflect.DeepEqual(got, value) {
					t.Errorf("%s %s: %q is %v in the rule and %v in the event", kind, about, name, got, value)
				}
			}
		}
	}
}

// fields is the JSON of a value, by name.
func fields(t *testing.T, v any) map[string]any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return out
}

func TestValuesAreInTheUnitThatIsNamed(t *testing.T) {
	ev := judged()
	e := wire.Event(plan(), &fact.Event{ID: "shop@1.0.0.k3v9/4", N: 4, Plan: "shop", Run: "shop@1.0.0", Version: "1.0.0", At: t0, Kind: fact.RuleEvent, Subject: "errors", To: "fired", Evidence: &ev}, nil)
	w := e.Evidence.Weighed
	for _, tt := range []struct {
		what string
		got  *float64
		want float64
		unit string
	}{
		{"value", e.Evidence.Value, .296, e.Evidence.Unit}, {"threshold", e.Evidence.Threshold, 1, e.Evidence.Unit},
		{"low", w.Low, .2, w.Unit}, {"high", w.High, .41, w.Unit}, {"limit", w.Limit, 1, w.Unit}, {"trigger", w.Trigger, 3, w.Unit},
	} {
		if tt.got == nil || *tt.got != tt.want || tt.unit != "%" {
			t.Errorf("%s is %s %q, want %v %%", tt.what, number(tt.got), tt.unit, tt.want)
		}
	}
	if w.Keeps.Log != nil || *w.Against.Log != 1 || *w.Bound.OneIn != 54 || *w.Bad != 31 {
		t.Errorf("weighed %+v of a rollback rule", w)
	}
	if e.Type != "relgate.rule.fired" || e.ID != "shop@1.0.0.k3v9/4" || e.Run != "shop@1.0.0" || e.Version != "1.0.0" {
		t.Errorf("event %+v", e)
	}
}

func number(v *float64) string {
	if v == nil {
		return "null"
	}
	return fmt.Sprint(*v)
}

func TestWhatIsNotKnownIsNull(t *testing.T) {
	e := wire.Event(plan(), &fact.Event{Kind: fact.PhaseEvent, To: "passed", Evidence: &fact.Evidence{Signal: "x", Unit: rules.Percent}}, nil)
	got := fields(t, e)
	if got["at"] != nil {
		t.Errorf("an event without a time is at %v", got["at"])
	}
	ev := got["evidence"].(map[string]any)
	for _, name := range []string{"value", "threshold", "samples", "lastSampleAt", "weighed"} {
		if ev[name] != nil {
			t.Errorf("%s is %v, want null", name, ev[name])
		}
	}
	if w := ev["window"].(map[string]any); w["start"] != nil || w["end"] != nil {
		t.Errorf("window %v", w)
	}
	b, err := json.Marshal(e)
	if err != nil || strings.Contains(string(b), "0001-01-01") {
		t.Errorf("%s, %v", b, err)
	}
	if none := fields(t, wire.Event(plan(), &fact.Event{}, nil)); none["evidence"] != nil || none["type"] != "relgate.event.changed" {
		t.Errorf("evidence %v, type %v", none["evidence"], none["type"])
	}
}
