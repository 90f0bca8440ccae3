package datapoints_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator/datapoints"
)

// retain stands for the state before.
const retain = "retain"

var (
	everySlot  = []datapoints.Slot{datapoints.Absent, datapoints.Good, datapoints.Breach}
	everyState = []datapoints.State{datapoints.InsufficientData, datapoints.OK, datapoints.Alarm}
)

// published is Amazon's two tables: what to fill, and the state in each mode.
var published = []struct {
	m      int
	data   string
	filled int
	states [4]string // missing, ignore, breaching, notBreaching
}{
	{3, "0 - X - X", 0, [4]string{"OK", "OK", "OK", "OK"}},
	{3, "0 - - - -", 2, [4]string{"OK", "OK", "OK", "OK"}},
	{3, "- - - - -", 3, [4]string{"INSUFFICIENT_DATA", retain, "ALARM", "OK"}},
	{3, "0 X X - X", 0, [4]string{"ALARM", "ALARM", "ALARM", "ALARM"}},
	{3, "- - X - -", 2, [4]string{"ALARM", retain, "ALARM", "OK"}},
	{2, "0 - X - X", 0, [4]string{"ALARM", "ALARM", "ALARM", "ALARM"}},
	{2, "0 0 X 0 X", 0, [4]string{"ALARM", "ALARM", "ALARM", "ALARM"}},
	{2, "0 - X - -", 1, [4]string{"OK", "OK", "ALARM", "OK"}},
	{2, "- - - - 0", 2, [4]string{"OK", "OK", "ALARM", "OK"}},
	{2, "- - - X -", 2, [4]string{"ALARM", retain, "ALARM", "OK"}},
}

func TestPublishedTables(t *testing.T) {
	for _, row := range published {
		spec := datapoints.Spec{M: row.m, N: 3}
		for i, mode := range datapoints.Modes() {
			for _, was := range everyState {
				want := row.states[i]
				if want == retain {
					want = was.String()
				}
				got := datapoints.Evaluate(slots(row.data), spec, mode, was)
				if got.State.String() != want || got.Filled != row.filled {
					t.Errorf("%v, missing=%v, was %v: %s => %v, %d filled; want %s, %d filled", spec, mode, was, row.data, got.State, got.Filled, want, row.filled)
				}
				if got.Retained != (row.states[i] == retain) {
					t.Errorf("%v, missing=%v, was %v: %s: retained is %v", spec, mode, was, row.data, got.Retained)
				}
			}
		}
	}
}

// What Amazon's page says in words, and the effect of the length of the range.
func TestProse(t *testing.T) {
	for _, tt := range []struct {
		spec string
		mode datapoints.Mode
		data string
		want string
	}{
		{"3 of 3", datapoints.Missing, "- - - - X", "OK"}, // not ALARM: the next point may be good
		{"3 of 3", datapoints.Missing, "- - - X -", "OK"},
		{"3 of 3", datapoints.Missing, "- - - X 0", "OK"}, // and it was
		{"3 of 3", datapoints.Missing, "- - X - 0", "OK"},
		{"3 of 3", datapoints.Missing, "- X - - -", "OK"},      // the breach is older than the newest three
		{"3 of 3", datapoints.Breaching, "- - - - -", "ALARM"}, // the second row, one period later
		{"2 of 3", datapoints.Missing, "0 - X - -", "OK"},
		{"2 of 3", datapoints.Missing, "- X - -", "ALARM"}, // without the good point that a longer range sees
		{"2 of 3", datapoints.Missing, "- - - X -", "ALARM"},
		{"2 of 3", datapoints.Missing, "0 - - - X -", "OK"}, // a range of six sees a good point
		{"1 of 1", datapoints.Missing, "- - X", "ALARM"},
		{"1 of 1", datapoints.Missing, "X - -", "ALARM"}, // the newest real point
		{"1 of 1", datapoints.Missing, "X - 0", "OK"},
		{"1 of 2", datapoints.Missing, "0 - - X", "ALARM"},
		{"5 of 5", datapoints.Breaching, "- - -", "INSUFFICIENT_DATA"}, // a series that has just begun
		{"5 of 5", datapoints.Breaching, "X - X", "OK"},
		{"3 of 5", datapoints.Breaching, "X - X", "ALARM"},
		{"5 of 5", datapoints.NotBreaching, "-", "OK"},
		{"5 of 5", datapoints.NotBreaching, "", "INSUFFICIENT_DATA"},
		{"5 of 5", datapoints.Breaching, "", "INSUFFICIENT_DATA"},
	} {
		spec, err := datapoints.ParseSpec(tt.spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := datapoints.Evaluate(slots(tt.data), spec, tt.mode, datapoints.OK).State; got.String() != tt.want {
			t.Errorf("%v, missing=%v: %s => %v, want %s", spec, tt.mode, tt.data, got, tt.want)
		}
	}
}

// Each range is evaluated with the state of the one before it.
func TestSlide(t *testing.T) {
	for _, tt := range []struct {
		mode datapoints.Mode
		data string
		want string
	}{
		{datapoints.Missing, "0 0 X X X 0 0 0", "OK OK OK OK ALARM OK OK OK"},
		{datapoints.Missing, "X - - - - -", "OK OK ALARM OK OK INSUFFICIENT_DATA"},
		{datapoints.Ignore, "X X X - - - - - 0", "OK OK ALARM ALARM ALARM OK OK OK OK"}, // two breaches, older than the newest three, are no alarm
		{datapoints.Ignore, "0 X X X - - - - -", "OK OK OK ALARM ALARM ALARM OK OK OK"},
		{datapoints.Ignore, "- - X - - - - - -", "INSUFFICIENT_DATA INSUFFICIENT_DATA OK OK OK OK OK OK OK"}, // kept at the premature alarm
		{datapoints.Ignore, "0 - - - - - - -", "OK OK OK OK OK OK OK OK"},
		{datapoints.Breaching, "0 - - - - -", "OK OK OK OK OK ALARM"},
		{datapoints.NotBreaching, "X X - X - - -", "OK OK OK ALARM ALARM OK OK"},
	} {
		var got []string
		for _, r := range datapoints.Slide(nil, slots(tt.data), datapoints.Spec{M: 3, N: 3}, tt.mode, datapoints.InsufficientData) {
			got = append(got, r.State.String())
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("missing=%v: %s\n got %s\nwant %s", tt.mode, tt.data, g, tt.want)
		}
	}
}

// drawn is one evaluation, drawn at random.
type drawn struct {
	slots []datapoints.Slot
	spec  datapoints.Spec
	mode  datapoints.Mode
	was   datapoints.State
}

func draw(t *rapid.T) drawn {
	n := rapid.IntRange(1, 6).Draw(t, "N")
	return drawn{
		slots: rapid.SliceOfN(rapid.SampledFrom(everySlot), 0, n+4).Draw(t, "slots"),
		spec:  datapoints.Spec{M: rapid.IntRange(1, n).Draw(t, "M"), N: n},
		mode:  rapid.SampledFrom(datapoints.Modes()).Draw(t, "missing"),
		was:   rapid.SampledFrom(everyState).Draw(t, "was"),
	}
}

func (d drawn) evaluate() datapoints.Result {
	return datapoints.Evaluate(d.slots, d.spec, d.mode, d.was)
}

func (d drawn) with(i int, s datapoints.Slot) drawn {
	d.slots = append([]datapoints.Slot(nil), d.slots...)
	d.slots[i] = s
	return d
}

func count(slots []datapoints.Slot, s datapoints.Slot) int {
	n := 0
	for _, x := range slots {
		if x == s {
			n++
		}
	}
	return n
}

// With N real points neither the mode nor the state before matters: M of the
// newest N do.
func TestEnoughRealPointsDecideAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		var real []datapoints.Slot
		for _, s := range d.slots {
			if s != datapoints.Absent {
				real = append(real, s)
			}
		}
		if len(real) < d.spec.N {
			return
		}
		want := datapoints.OK
		if count(real[len(real)-d.spec.N:], datapoints.Breach) >= d.spec.M {
			want = datapoints.Alarm
		}
		if got := d.evaluate(); got.State != want || got.Filled != 0 || got.Premature || got.Retained {
			t.Fatalf("%+v => %+v, want %v", d, got, want)
		}
	})
}

// As few gaps are filled as are lacking, and what is older than the range and
// missing changes nothing.
func TestFilling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		got := d.evaluate()
		if len(d.slots) >= d.spec.N && got.Real+got.Filled != d.spec.N {
			t.Fatalf("%+v => %+v: real and filled are not %d", d, got, d.spec.N)
		}
		if got.Breaching > got.Real || got.Filled > count(d.slots, datapoints.Absent) {
			t.Fatalf("%+v => %+v", d, got)
		}
		if len(d.slots) < d.spec.N {
			return
		}
		longer := d
		longer.slots = append([]datapoints.Slot{datapoints.Absent}, d.slots...)
		if more := longer.evaluate(); more != got {
			t.Fatalf("%+v => %+v, with one more gap before it %+v", d, got, more)
		}
	})
}

// The state before matters only in the mode ignore.
func TestOnlyIgnoreRetains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		got := d.evaluate()
		if got.Retained && (d.mode != datapoints.Ignore || got.State != d.was) {
			t.Fatalf("%+v => %+v", d, got)
		}
		for _, d.was = range everyState {
			if again := d.evaluate(); !got.Retained && again != got {
				t.Fatalf("%+v => %+v, and %+v otherwise", d, again, got)
			}
		}
	})
}

// A worse point never ends an alarm. An alarm that exists when a gap counts as
// good exists for any value of the gap.
func TestWorseIsNeverBetter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		if len(d.slots) == 0 {
			return
		}
		i := rapid.IntRange(0, len(d.slots)-1).Draw(t, "at")
		if d.with(i, datapoints.Good).evaluate().State != datapoints.Alarm {
			return
		}
		good := d.with(i, datapoints.Good).evaluate()
		for _, s := range []datapoints.Slot{datapoints.Absent, datapoints.Breach} {
			if worse := d.with(i, s).evaluate(); worse.State != datapoints.Alarm {
				t.Fatalf("%+v: with a good point at %d %+v, with %v %+v", d, i, good, s, worse)
			}
		}
	})
}

// If missing alarms, breaching does too; if notBreaching alarms, both do.
func TestModesAreOrdered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		alarms := map[datapoints.Mode]bool{}
		for _, d.mode = range datapoints.Modes() {
			alarms[d.mode] = d.evaluate().State == datapoints.Alarm
		}
		if len(d.slots) >= d.spec.N && alarms[datapoints.Missing] && !alarms[datapoints.Breaching] {
			t.Fatalf("%+v: missing alarms and breaching does not", d)
		}
		if alarms[datapoints.NotBreaching] && !(alarms[datapoints.Missing] && alarms[datapoints.Ignore] && alarms[datapoints.Breaching]) {
			t.Fatalf("%+v: notBreaching alarms and another does not: %v", d, alarms)
		}
	})
}

// A slide is the evaluation of each range.
func TestSlideIsEvaluateAtEachEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		d.slots = rapid.SliceOfN(rapid.SampledFrom(everySlot), 0, 40).Draw(t, "series")
		all := datapoints.Slide(nil, d.slots, d.spec, d.mode, d.was)
		if len(all) != len(d.slots) {
			t.Fatalf("%d results for %d periods", len(all), len(d.slots))
		}
		was := d.was
		for i, got := range all {
			from := max(0, i+1-d.spec.Range())
			if want := datapoints.Evaluate(d.slots[from:i+1], d.spec, d.mode, was); got != want {
				t.Fatalf("period %d: %+v, want %+v", i, got, want)
			}
			was = got.State
		}
	})
}

// An invalid Spec is never OK, and does not panic.
func TestNonsenseIsInsufficient(t *testing.T) {
	for _, spec := range []datapoints.Spec{{}, {1, 0}, {0, 1}, {-1, -1}, {4, 3}, {1, datapoints.MaxPeriods + 1}} {
		for _, mode := range datapoints.Modes() {
			if got := datapoints.Evaluate(slots("0 0 0"), spec, mode, datapoints.OK); got != (datapoints.Result{}) {
				t.Errorf("%v: %+v", spec, got)
			}
		}
	}
	got := datapoints.Evaluate([]datapoints.Slot{7, 8, 9}, datapoints.Spec{M: 2, N: 3}, 9, 9)
	if got.State != datapoints.InsufficientData || got.Real != 0 {
		t.Errorf("slots that are none: %+v", got)
	}
	if got := datapoints.Evaluate(nil, datapoints.Spec{M: 2, N: 3}, datapoints.Ignore, 9); got.State != datapoints.InsufficientData {
		t.Errorf("a previous state that is none: %+v", got)
	}
}

func TestParseSpec(t *testing.T) {
	for _, tt := range []struct {
		text string
		want datapoints.Spec
		err  string
	}{
		{"3 of 5", datapoints.Spec{M: 3, N: 5}, ""},
		{" 1  of 1 ", datapoints.Spec{M: 1, N: 1}, ""},
		{"1440 of 1440", datapoints.Spec{M: 1440, N: 1440}, ""},
		{"", datapoints.Spec{}, "want how many of how many"},
		{"3/5", datapoints.Spec{}, "want how many of how many"},
		{"3 out of 5", datapoints.Spec{}, "want how many of how many"},
		{"three of 5", datapoints.Spec{}, "want whole numbers"},
		{"+3 of 5", datapoints.Spec{}, "want whole numbers"},
		{"3 of 99999999999999999999", datapoints.Spec{}, "want whole numbers"},
		{"0 of 5", datapoints.Spec{}, "want at least 1 of at least 1"},
		{"6 of 5", datapoints.Spec{}, "5 periods cannot have 6 breaching ones"},
		{"1 of 1441", datapoints.Spec{}, "want at most 1440 periods"},
	} {
		got, err := datapoints.ParseSpec(tt.text)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("ParseSpec(%q) = %v, %v; want %v, %q", tt.text, got, err, tt.want, tt.err)
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	for _, s := range []string{"3 of 5", "1 of 1", "", "6 of 5", " 2\tof\n3", "00003 of 5", "3 of", "٣ of 5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := datapoints.ParseSpec(text)
		if err != nil {
			if s != (datapoints.Spec{}) {
				t.Fatalf("%q: %v beside %v", text, s, err)
			}
			return
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if again, err := datapoints.ParseSpec(s.String()); err != nil || again != s {
			t.Fatalf("%q is %v, read back %v, %v", text, s, again, err)
		}
	})
}

// Every name reads back as what it names, and nothing else does.
func TestNames(t *testing.T) {
	for _, v := range datapoints.Modes() {
		text, err := v.MarshalText()
		var back datapoints.Mode = 99
		if err != nil || back.UnmarshalText(text) != nil || back != v {
			t.Errorf("%v reads back as %v", v, back)
		}
	}
	for _, v := range everyState {
		text, err := v.MarshalText()
		var back datapoints.State = 99
		if err != nil || back.UnmarshalText(text) != nil || back != v {
			t.Errorf("%v reads back as %v", v, back)
		}
	}
	for _, v := range everySlot {
		text, err := v.MarshalText()
		var back datapoints.Slot = 99
		if err != nil || back.UnmarshalText(text) != nil || back != v {
			t.Errorf("%v reads back as %v", v, back)
		}
	}
	m := datapoints.Ignore
	if err := m.UnmarshalText([]byte("notbreaching")); err == nil || m != datapoints.Ignore || !strings.Contains(err.Error(), "notBreaching") {
		t.Errorf("notbreaching: %v, %v", m, err)
	}
	if got := datapoints.Mode(9).String(); got != "invalid(9)" {
		t.Errorf("Mode(9) is %q", got)
	}
}

// slots reads Amazon's notation.
func slots(data string) []datapoints.Slot {
	var s []datapoints.Slot
	for _, sign := range strings.Fields(data) {
		var x datapoints.Slot
		if err := x.UnmarshalText([]byte(sign)); err != nil {
			panic(err)
		}
		s = append(s, x)
	}
	return s
}

// BenchmarkEvaluate is one look of a rule: "3 of 5", and the longest there is.
func BenchmarkEvaluate(b *testing.B) {
	for _, spec := range []datapoints.Spec{{M: 3, N: 5}, {M: 600, N: 1440}} {
		series := make([]datapoints.Slot, spec.Range())
		for i := range series {
			series[i] = everySlot[i%3]
		}
		b.Run(spec.String(), func(b *testing.B) {
			for b.Loop() {
				datapoints.Evaluate(series, spec, datapoints.Missing, datapoints.OK)
			}
		})
	}
}
