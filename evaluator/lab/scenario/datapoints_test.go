package scenario_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/relgate/relgate/evaluator/lab/scenario"
)

// Datapoints need no plan; what else a file has does.
func TestDatapointsWithoutPlan(t *testing.T) {
	r := run(t, "x.txtar", []byte("-- datapoints --\n3 of 3, missing=missing: 0 X X - X => ALARM, 0 filled\n"))
	if !r.OK() || r.Plan != nil || len(r.Ticks) > 0 || len(r.Events) > 0 {
		t.Errorf("%+v", r)
	}
	_, err := scenario.Parse("x.txtar", []byte("-- datapoints --\n3 of 3, missing=missing: X => OK\n-- events --\n"))
	if err == nil || !strings.Contains(err.Error(), "there is no plan") {
		t.Errorf("events without a plan: %v", err)
	}
}

// What differs is said with its line, beside a plan as well.
func TestDatapointsDiffer(t *testing.T) {
	const section = `-- datapoints --
# one that holds, two that do not
3 of 3, missing=ignore, was ALARM: - - X - - => ALARM
3 of 3, missing=missing: - - X - - => OK, 1 filled
2 of 3, missing=breaching, sliding: X - X => OK OK OK
3 of 3, missing=missing: - - X - - => ALARM, 3 filled
`
	want := []string{
		"x.txtar:4:\n  - 3 of 3, missing=missing: - - X - - => OK, 1 filled\n  + 3 of 3, missing=missing: - - X - - => ALARM, 2 filled",
		"x.txtar:5:\n  - 2 of 3, missing=breaching, sliding: X - X => OK OK OK\n  + 2 of 3, missing=breaching, sliding: X - X => OK ALARM ALARM",
		"x.txtar:6:\n  - 3 of 3, missing=missing: - - X - - => ALARM, 3 filled\n  + 3 of 3, missing=missing: - - X - - => ALARM, 2 filled",
	}
	var got []string
	for _, d := range run(t, "x.txtar", []byte(section)).Differences {
		got = append(got, d.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("differences\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r := run(t, "x.txtar", []byte(plan+section)); len(r.Differences) != len(want) {
		t.Errorf("beside a plan %d differences, want %d", len(r.Differences), len(want))
	}
}

// An update rewrites the lines that do not hold, and nothing else.
func TestDatapointsUpdate(t *testing.T) {
	text := `# About this test.
-- datapoints --
# A comment, and a line with odd spacing.
3  of 3,missing=ignore , was  ALARM:  - - X - -  =>  ALARM

3 of 3, missing=missing: - - X - - => OK, 1 filled # it aged
2 of 3, missing=breaching, sliding: X - X => OK OK OK
`
	want := `# About this test.
-- datapoints --
# A comment, and a line with odd spacing.
3  of 3,missing=ignore , was  ALARM:  - - X - -  =>  ALARM

3 of 3, missing=missing: - - X - - => ALARM, 2 filled # it aged
2 of 3, missing=breaching, sliding: X - X => OK ALARM ALARM
`
	got, err := scenario.Update([]byte(text), run(t, "x", []byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("updated to\n%s\nwant\n%s", got, want)
	}
	if r := run(t, "x", got); !r.OK() {
		t.Errorf("what was written differs: %v", r.Differences)
	}
}

// Every cell of the published tables is a line of its own.
func TestPublishedRowsAreThere(t *testing.T) {
	data := read(t, "../../testdata/scenario/datapoints-published.txtar")
	rows := map[string]bool{}
	for line := range strings.Lines(data) {
		if rule, _, ok := strings.Cut(line, "=>"); ok {
			rows[rule] = true
		}
	}
	if len(rows) != 10*4*3 {
		t.Errorf("%d different rows, want 10 of the tables in 4 modes from 3 states", len(rows))
	}
}
