package scenario_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relgate/relgate/evaluator/lab/scenario"
)

// plan is a plan that a test of the file's other sections stands on.
const plan = `-- plan.toml --
[release]
plan = "rel"
title = "A release"
start = 2025-06-04T02:00:00Z
manager = "Ada"
interval = "1m"
[phases.canary]
traffic = "10 %"
owner = "ops"
start = "T"
window = "10m"
success = ["errors"]
rollback = ["errors-high"]
[success.errors]
owner = "ops"
signal = "errors"
when = "< 1 %"
[rollback.errors-high]
owner = "ops"
action = "revert"
signal = "errors"
when = "> 3 %"
for = "5m"
[signals.errors]
kind = "ratio"
[signals.queue]
kind = "gauge"
`

// Every mistake is reported at its line.
func TestMistakes(t *testing.T) {
	head := strings.Count(plan, "\n")
	for _, tt := range []struct {
		name string
		text string // after the plan
		line int    // counted from the first line after the plan
		want string
	}{
		{"an unknown section", "-- reading --\n", 1, `unknown section "reading"`},
		{"a section twice", "-- events --\n-- events --\n", 2, `section "events" is there twice`},
		{"a second plan", "-- config --\nx.toml\n", 1, `there is a plan already, in section "plan.toml"`},
		{"no value", "-- readings --\nerrors: 3/600 abc\n", 2, `"abc": "abc" is not a number`},
		{"a number in hexadecimal", "-- readings --\nqueue: 0x1fx2\n", 2, `not a number`},
		{"times without a number", "-- readings --\nerrors: 3/600x\n", 2, `want how many times after x`},
		{"no fault", "-- readings --\nerrors: 3/600!broken\n", 2, `unknown fault "broken"`},
		{"a corrected gap", "-- readings --\nerrors: _^3/600~1m\n", 2, `a gap cannot be corrected`},
		{"neither count", "-- readings --\nerrors: _/_\n", 2, `"_/_": a period that has neither count is a gap: write _`},
		{"a missing count of a level", "-- readings --\nqueue: _/3\n", 2, `signal "queue" is a gauge: want a value`},
		{"a missing count beside none", "-- readings --\nerrors: _/x3 3/600\n", 2, `not a number`},
		{"a count beside a missing one", "-- readings --\nerrors: x/_\n", 2, `how many times after x`},
		{"no count beside a missing one", "-- readings --\nerrors: abc/_\n", 2, `"abc" is not a number`},
		{"a delay without a unit", "-- readings --\nerrors: 3/600~3\n", 2, `duration "3"`},
		{"too many buckets", "-- readings --\nerrors: 3/600x200000 3/600\n", 2, `more than 200000 periods`},
		{"a table with a cell too few", "-- readings --\nat errors queue\n00:00 3/600\n", 3, `1 cells, want 2`},
		{"a table without a header", "-- readings --\n00:00 3/600\n", 2, `want "signal: values"`},
		{"a fault without a span", "-- readings --\n! unavailable errors\n", 2, `want two times such as`},
		{"a span that ends first", "-- readings --\n! unavailable errors T+5m..T+1m\n", 2, `ends before it begins`},
		{"a signal that the plan lacks", "-- readings --\nerors: 3/600\n", 2, `unknown signal "erors"`},
		{"counts for a level", "-- readings --\n\nqueue: 3/600\n", 3, `signal "queue" is a gauge: want a value`},
		{"a level for counts", "-- readings --\nerrors: 0.5\n", 2, `signal "errors" is a ratio: want bad/total`},
		{"a series beside the grid", "-- readings --\nerrors @T+30s: 3/600\n", 2, `T+30s is not where a period of "errors" begins`},
		{"two values for a bucket", "-- readings --\nerrors: 3/600x3\nerrors @T+2m: 4/600\n", 3, `signal "errors" has two values at T+2m`},
		{"a command without a kind", "-- commands --\nT+1m by=ada\n", 2, `want its kind first`},
		{"a command with a stranger", "-- commands --\nT+1m hold who=ada\n", 2, `want phase=, subject=`},
		{"an open quote", "-- commands --\nT+1m hold why=\"lunch\n", 2, `a quote is not closed`},
		{"a command at no time", "-- commands --\n1m hold by=ada\n", 2, `time "1m": want a time on the plan's clock`},
		{"a command while down", "-- run --\ndown T+1m..T+3m\n-- commands --\nT+2m hold by=ada why=x\n", 4, `a command cannot be given while the daemon is down`},
		{"a command after the end", "-- run --\nuntil T+1m\n-- commands --\nT+2m hold by=ada why=x\n", 4, `the run goes from T to T+1m`},
		{"a run of something", "-- run --\nfast\n", 2, `"fast": want from, until, down or past`},
		{"a run without an end", "-- run --\nuntil T+3649d\n", 0, `more than 1000000 ticks`},
		{"no event", "-- events --\nT phase canary waiting monitoring\n", 2, `want "T+10m phase NAME: from => to"`},
		{"an event of no kind", "-- events --\nT fase canary: waiting => monitoring\n", 2, `unknown kind of event "fase"`},
		{"an event for no cause", "-- events --\nT phase canary: waiting => monitoring (luck)\n", 2, `unknown cause "luck"`},
		{"events out of order", "-- events --\nT+1m run rel: a => b\nT run rel: a => b\n", 3, `T comes before the line above`},
		{"an event that is not compared", "-- events --\nonly run\nT phase canary: waiting => monitoring\n", 3, `are not compared`},
		{"a verdict without one", "-- verdicts --\nT canary\n", 2, `want "T+15m PHASE verdict"`},
		{"a verdict that is none", "-- verdicts --\nT canary maybe\n", 2, `unknown verdict "maybe"`},
		{"a verdict of no state", "-- verdicts --\nT canary pass sleeping\n", 2, `"sleeping" is neither a state`},
		{"a verdict of no phase", "-- verdicts --\nT cannary pass\n", 2, `unknown phase "cannary"`},
		{"a verdict of no rule", "-- verdicts --\nT erors in canary pending\n", 2, `phase "canary" has no rule "erors"`},
		{"a verdict of a rule in no phase", "-- verdicts --\nT errors in cannary pending\n", 2, `unknown phase "cannary"`},
		{"a rule in a state of phases", "-- verdicts --\nT errors in canary pending monitoring\n", 2, `"monitoring" is neither a state, [idle clear`},
		{"a rule's verdict without one", "-- verdicts --\nT errors in canary\n", 2, `unknown verdict "in"`},
		{"ticks beside readings", "-- ticks --\nat T\n-- readings --\nerrors: 3/600\n", 0, `ticks say everything`},
		{"a reading before its tick", "-- ticks --\nread signal=errors\n", 2, `want "at" and a time first`},
		{"a reading of nothing", "-- ticks --\nat T\nread from=T\n", 3, `want signal=`},
		{"a point without samples", "-- ticks --\nat T\nread signal=errors T=3\n", 3, `point T=3: want value/samples`},
		{"datapoints without an arrow", "-- datapoints --\n3 of 3, missing=ignore: 0 X\n", 2, `want "3 of 3, missing=ignore, was ALARM: 0 - X - X => OK"`},
		{"datapoints of no rule", "-- datapoints --\n# one\nthree of 3, missing=ignore: 0 X => OK\n", 3, `datapoints "three of 3": want whole numbers`},
		{"more datapoints than periods", "-- datapoints --\n4 of 3, missing=ignore: 0 X => OK\n", 2, `3 periods cannot have 4 breaching ones`},
		{"datapoints without a mode", "-- datapoints --\n3 of 3, was OK: 0 X => OK\n", 2, `does not say how missing periods are treated`},
		{"an unknown mode", "-- datapoints --\n3 of 3, missing=notbreaching: 0 X => OK\n", 2, `unknown treatment of missing data "notbreaching"`},
		{"two modes", "-- datapoints --\n3 of 3, missing=ignore, missing=missing: 0 X => OK\n", 2, `"missing=missing": want missing=, was STATE or sliding, each once`},
		{"an unknown state", "-- datapoints --\n3 of 3, missing=ignore, was ok: 0 X => OK\n", 2, `unknown alarm state "ok"`},
		{"an unknown point", "-- datapoints --\n3 of 3, missing=ignore: 0 x => OK\n", 2, `unknown point "x" (want -, 0, X)`},
		{"no periods", "-- datapoints --\n3 of 3, missing=ignore: => OK\n", 2, `has no periods`},
		{"no state", "-- datapoints --\n3 of 3, missing=ignore: 0 X =>\n", 2, `has 0 states, want one`},
		{"too many states", "-- datapoints --\n3 of 3, missing=ignore: 0 X => OK OK\n", 2, `has 2 states, want one`},
		{"too few states", "-- datapoints --\n3 of 3, missing=ignore, sliding: 0 X => OK\n", 2, `has 1 states for 2 periods`},
		{"gaps of a slide", "-- datapoints --\n3 of 3, missing=ignore, sliding: 0 X => OK OK, 1 filled\n", 2, `is not said of a sliding range`},
		{"gaps without a number", "-- datapoints --\n3 of 3, missing=ignore: 0 X => OK, some filled\n", 2, `"some filled": want how many gaps are filled`},
		{"a beginning of something", "-- ticks --\nat T\nbegin how=fast\n", 3, `begin: "howfast": want by=, why=, principal= or supersedes=`},
		{"a beginning that is not closed", "-- ticks --\nat T\nbegin by=\"ada\n", 3, `a quote is not closed`},
		{"ticks out of order", "-- ticks --\nat T+1m\nat T\n", 3, `the tick comes before the one above`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := scenario.Parse("x.txtar", []byte(plan+tt.text))
			if err == nil {
				_, err = f.Run(compile)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v, want %q", err, tt.want)
			}
			if tt.line == 0 {
				return
			}
			if want := "x.txtar:" + itoa(head+tt.line) + ": "; !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want it at %s", err, want)
			}
		})
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := scenario.Parse("x", []byte("-- readings --\nerrors: a\nerrors: b\n-- verdicts --\nc\n"))
	var lines []string
	for line := range strings.Lines(err.Error()) {
		lines = append(lines, strings.Join(strings.SplitN(line, ":", 3)[:2], ":"))
	}
	if got, want := strings.Join(lines, " "), "x:2 x:3 x:5 x:1"; got != want {
		t.Errorf("mistakes at %s, want %s (no plan at last)\n%v", got, want, err)
	}
}

// A section config names a file beside the scenario.
func TestConfigSection(t *testing.T) {
	dir := t.TempDir()
	toml := strings.TrimPrefix(plan, "-- plan.toml --\n")
	if err := os.WriteFile(filepath.Join(dir, "plan.toml"), []byte(toml), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	r := run(t, "test.txtar", []byte("-- config --\nplan.toml\n-- events --\nonly phase\nT phase canary: waiting => monitoring\n"))
	if !r.OK() {
		t.Error(r.Differences)
	}
}

// Whatever the text is, Parse gives a File or says where it is wrong; what it
// takes can be run, or says where it cannot.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../../testdata/scenario/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(data), "-- readings --")
		f.Add("-- readings --" + rest)
	}
	f.Add("-- datapoints --\n3 of 5, missing=ignore, was ALARM: 0 - X => OK, 3 filled # why\n2 of 3, missing=breaching, sliding: - X => OK ALARM\n")
	f.Add("-- ticks --\nat T\nread signal=errors from=T-5m to=T settled=@5 fault=throttled retry=T+1m detail=\"a # \\\"b\\\\\" T-1m=3/600\ncommand hold by=ada\n")
	f.Add("-- readings --\nerrors @-00:01: 1/2~1m^2/3~2m!stalex3 _ -x2\n! no_data T..T+1m # all\n-- run --\ndown T+1m..T+2m\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := scenario.Parse("fuzz", []byte(plan+text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz:") {
				t.Fatalf("%v: it has no place", err)
			}
			return
		}
		if strings.Contains(text, "d") || strings.Contains(text, "h") || len(text) > 4000 {
			return // days and hours take long to run
		}
		if r, err := file.Run(compile); err == nil {
			if _, err := scenario.Update([]byte(plan+text), scenario.Result{File: "fuzz", Plan: r.Plan, Events: r.Events}); err != nil {
				t.Fatalf("Update: %v", err)
			}
			rewritten(t, r.Plan, r.Ticks)
		}
	})
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func parse(t *testing.T, text string) {
	t.Helper()
	if _, err := scenario.Parse("snippet", []byte(plan+text)); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}
