package scenario_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/lab/scenario"
	"github.com/relgate/relgate/rules"
)

// What differs is said with what was expected, what came, and the line.
func TestDifferences(t *testing.T) {
	const readings = "-- readings --\nerrors: 3/600x12\n"
	for _, tt := range []struct {
		name, text string
		want       []string // "-" expected, "+" came, "" nothing
	}{
		{"all as expected", "-- events --\nonly phase\nT phase canary: waiting => monitoring\nT+10m phase canary: monitoring => passed (threshold): 0.5 % < 1 %\n", nil},
		{"at another time", "-- events --\nonly phase\nT phase canary: waiting => monitoring\nT+11m phase canary: monitoring => passed\n",
			[]string{"- T+11m phase canary: monitoring => passed", "+ T+10m phase canary: monitoring => passed (threshold): phase canary has passed: errors 0.5 %"}},
		{"for another reason", "-- events --\nonly phase\nT phase canary: waiting => monitoring\nT+10m phase canary: monitoring => passed: 0.6 %\n",
			[]string{"- T+10m phase canary: monitoring => passed: 0.6 %", "+ T+10m"}},
		{"for another cause", "-- events --\nsubset\nT+10m phase canary: monitoring => passed (manual)\n",
			[]string{"- T+10m phase canary: monitoring => passed (manual)", "+ T+10m phase canary: monitoring => passed (threshold)"}},
		{"too few", "-- events --\nonly phase\nT phase canary: waiting => monitoring\n", []string{"+ T+10m phase canary: monitoring => passed"}},
		{"too many", "-- events --\nonly phase\nT phase canary: waiting => monitoring\nT+5m phase canary: monitoring => failed\nT+10m phase canary: monitoring => passed\n",
			[]string{"- T+5m phase canary: monitoring => failed"}},
		{"a subset", "-- events --\nsubset\nT+10m run rel: monitoring => passed\n", nil},
		{"a subset in another order", "-- events --\nsubset\nT+10m run rel: monitoring => passed\nT+10m phase canary: monitoring => passed\n",
			[]string{"- T+10m run rel: monitoring => passed", "+ T+10m run rel: monitoring => passed (threshold): the run has passed: the phase has passed.   (it came, but not in this order)"}},
		{"no events at all are expected", "-- events --\nonly communication\n", nil},
		{"nothing is compared", "", nil},
		{"a verdict", "-- verdicts --\nT+9m canary pass\nT+9m canary pending monitoring window\n", []string{"- T+9m canary pass", "+ T+9m canary pending"}},
		{"a rule's verdict", "-- verdicts --\nT+9m errors in canary pending clear window: 0.5 % < 1 %\nT+9m errors-high in canary pass clear: 0.5 % <= 3 %\n", nil},
		{"a rule's state", "-- verdicts --\nT+9m errors-high in canary pass fired\n", []string{"- T+9m errors-high in canary pass fired", "+ T+9m errors-high in canary pass clear"}},
		{"a verdict's reason", "-- verdicts --\nT+10m canary pass: 0.5 % < 1 %\nT+10m canary pass: 0.6 %\n", []string{"- T+10m canary pass: 0.6 %", "+ T+10m canary pass: errors 0.5 % < 1 %"}},
		{"a run's reason", "-- verdicts --\nT+10m run pass: the phase has passed\n", nil},
		{"a verdict's cause", "-- verdicts --\nT+10m run pass passed manual\n", []string{"- T+10m run pass passed manual", "+ T+10m run pass passed threshold"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, "x.txtar", []byte(plan+readings+tt.text))
			var got []string
			for _, d := range r.Differences {
				lines := strings.Split(d.String(), "\n  ")
				if !strings.HasPrefix(lines[0], fmt.Sprintf("x.txtar:%d:", d.Line)) {
					t.Errorf("%q does not begin with its place", d)
				}
				got = append(got, lines[1:]...)
			}
			want := strings.TrimSuffix(strings.Join(tt.want, "\n"), "\n")
			if len(got) > 0 != (want != "") {
				t.Fatalf("differences %q, want %q", got, tt.want)
			}
			for i, w := range tt.want {
				if i >= len(got) && w != "" || i < len(got) && !strings.HasPrefix(got[i], w) {
					t.Errorf("differences %q, want %q", got, tt.want)
				}
			}
		})
	}
}

// Each way to write readings gives the evaluator what it says.
func TestReadings(t *testing.T) {
	for _, tt := range []struct {
		text string
		at   string
		want string // points known at that tick, "v/n" by period, or a fault
	}{
		{"errors: 3/600 4/600", "T+1m", "0:3/600"},
		{"errors: 3/600 4/600", "T+2m", "0:3/600 1:4/600"},
		{"errors: 3/600x2", "T+2m", "0:3/600 1:3/600"},
		{"errors @T+1m: 3/600", "T+2m", "1:3/600"},
		{"errors @00:01: 3/600", "T+2m", "1:3/600"},
		{"errors: _ 4/600", "T+2m", "1:4/600"},
		{"errors: 3/600~2m 4/600", "T+2m", "1:4/600"},
		{"errors: 3/600~2m 4/600 5/600", "T+3m", "0:3/600 1:4/600 2:5/600"},
		{"errors: 3/600^9/600~2m 4/600", "T+2m", "0:3/600 1:4/600"},
		{"errors: 3/600^9/600~2m 4/600 5/600", "T+3m", "0:9/600 1:4/600 2:5/600"},
		{"errors: 3/600 4/600!throttled 5/600", "T+1m", "throttled"},
		{"errors: 3/600x3\n! auth errors T+1m..T+2m", "T+1m", "auth"},
		{"errors: 3/600x3\n! config T+1m..T+2m detail=\"no such metric\"", "T+1m", "config"},
		{"errors: 3/600x3\n! no_data T+1m..T+2m", "T+1m", "no_data"},
		{"errors: 3/600x3\n! partial T+1m..T+2m", "T+1m", "partial 0:3/600"},
		{"at errors # a table\nT 3/600\nT+1m -\nT+2m 5/600", "T+3m", "0:3/600 2:5/600"},
	} {
		r := run(t, "x", []byte(plan+"-- readings --\n"+tt.text+"\n-- run --\nuntil T+5m\n"))
		at, err := rules.ParseOffset(tt.at)
		if err != nil {
			t.Fatal(err)
		}
		tick := r.Ticks[at.Duration/time.Minute]
		i := 0
		for i < len(tick.Readings) && tick.Readings[i].Signal != 0 {
			i++
		}
		if i == len(tick.Readings) {
			t.Errorf("%q: errors is not asked at %s", tt.text, tt.at)
			continue
		}
		rd := &tick.Readings[i]
		got := rd.Fault.String()
		for _, p := range rd.Points {
			got += fmt.Sprintf(" %d:%g/%g", (p.At-r.Plan.Start.Unix())/60, p.Value, p.Samples)
		}
		if strings.TrimSpace(got) != tt.want {
			t.Errorf("%q at %s: %q, want %q", tt.text, tt.at, got, tt.want)
		}
		if good := rd.Fault == rules.OK || rd.Fault == rules.NoData; good != (rd.SettledUntil == tick.At.Unix()) {
			t.Errorf("%q at %s: settled until %d, want now if and only if the source answered", tt.text, tt.at, rd.SettledUntil)
		}
	}
}

// What is written from a journal's ticks is the same run, to the letter.
func TestWrittenScenarioIsTheRun(t *testing.T) {
	base := run(t, "x", []byte(plan))
	rapid.Check(t, func(rt *rapid.T) {
		ticks := drawTicks(rt, base.Plan)
		var events []fact.Event
		state := evaluator.Begin(base.Plan)
		for _, tick := range ticks {
			var more []fact.Event
			state, more = evaluator.Step(base.Plan, state, tick)
			events = append(events, more...)
		}
		text, err := scenario.Write(base.Plan, ticks, events)
		if err != nil {
			rt.Fatal(err)
		}
		f, err := scenario.Parse("written", text)
		if err != nil {
			rt.Fatalf("%v\n%s", err, text)
		}
		r, err := f.Run(compile)
		if err != nil {
			rt.Fatalf("%v\n%s", err, text)
		}
		if len(ticks) > 0 && !reflect.DeepEqual(r.Ticks, ticks) {
			rt.Fatalf("ticks\n%+v, want\n%+v\n%s", r.Ticks, ticks, text)
		}
		if !r.OK() || len(r.Events) != len(events) {
			rt.Fatalf("%d events, want %d; %v\n%s", len(r.Events), len(events), r.Differences, text)
		}
	})
}

// drawTicks makes ticks such as a journal could have, and worse ones.
func drawTicks(rt *rapid.T, plan *rules.Plan) []fact.Tick {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab =\"\\#-\n\t:é")), 0, 12, -1)
	groupName := rapid.StringOfN(rapid.RuneFrom([]rune("ab1 =\"\\#{},:*/é")), 0, 6, -1)
	start := plan.Start.Unix()
	at := start + rapid.Int64Range(-600, 60).Draw(rt, "first tick")
	ticks := make([]fact.Tick, rapid.IntRange(1, 30).Draw(rt, "ticks"))
	for i := range ticks {
		at += rapid.Int64Range(0, 120).Draw(rt, "seconds")
		tick := fact.Tick{At: time.Unix(at, 0).UTC()}
		for range rapid.IntRange(0, 2).Draw(rt, "readings") {
			rd := rules.Reading{
				Signal: rapid.IntRange(0, len(plan.Signals)-1).Draw(rt, "signal"), To: at,
				From:         rapid.SampledFrom([]int64{0, start - 300, start, at - 300}).Draw(rt, "from"),
				SettledUntil: rapid.SampledFrom([]int64{0, 1, at - 120, at, at + 60}).Draw(rt, "settled"),
				RetryAt:      rapid.SampledFrom([]int64{0, at + 60}).Draw(rt, "retry"),
				Fault:        rapid.SampledFrom(rules.Faults()).Draw(rt, "fault"),
				Width:        rapid.SampledFrom([]int64{0, 0, 0, 60, 300}).Draw(rt, "width"),
				Seen:         rapid.Bool().Draw(rt, "seen"), Looked: rapid.Bool().Draw(rt, "looked"),
				Detail: text.Draw(rt, "detail"), Note: text.Draw(rt, "note"), Ref: text.Draw(rt, "ref"),
			}
			for k := range rapid.IntRange(0, 6).Draw(rt, "points") {
				n := rapid.Float64Range(0, 1000).Draw(rt, "samples")
				rd.Points = append(rd.Points, rules.Point{
					At: at - at%60 - int64(60*(6-k)), Value: n * rapid.Float64Range(0, 1).Draw(rt, "share"), Samples: n,
				})
				if p := &rd.Points[k]; rapid.Bool().Draw(rt, "filled") {
					rd.Filled = append(rd.Filled, p.At)
					if rapid.Bool().Draw(rt, "nothing of it has a value") {
						p.Value = 0
					}
				}
			}
			for k := range rapid.IntRange(0, 3).Draw(rt, "parts") {
				parts := rules.Parts{At: at - at%60 - int64(60*(3-k))}
				for range rapid.IntRange(0, 4).Draw(rt, "groups") {
					parts.Groups = append(parts.Groups, rules.Group{
						Name: groupName.Draw(rt, "group"), Value: rapid.Float64Range(0, 1000).Draw(rt, "positives"), Samples: rapid.Float64Range(0, 1e9).Draw(rt, "of"),
					})
				}
				rd.Parts = append(rd.Parts, parts)
			}
			tick.Readings = append(tick.Readings, rd)
		}
		if i == 0 {
			tick.Past = drawPast(rt, at, groupName)
			if rapid.Bool().Draw(rt, "begins") {
				tick.Begin = &fact.Begun{By: text.Draw(rt, "by"), Why: text.Draw(rt, "why"), Principal: text.Draw(rt, "principal"), Supersedes: text.Draw(rt, "supersedes")}
			}
		}
		for range rapid.IntRange(0, 4).Draw(rt, "commands") / 4 {
			tick.Commands = append(tick.Commands, fact.Command{
				Kind: rapid.SampledFrom([]fact.CommandKind{
					fact.StartPhase, fact.Hold, fact.Resume, fact.Override, fact.Abort, fact.RollbackDone, fact.Supersede, "dance",
				}).Draw(rt, "kind"),
				ID: text.Draw(rt, "id"), Phase: rapid.SampledFrom([]string{"", "canary", "x y"}).Draw(rt, "phase"),
				Verdict: rapid.SampledFrom(rules.Verdicts()).Draw(rt, "verdict"), By: text.Draw(rt, "by"), Why: text.Draw(rt, "why"),
				Principal: text.Draw(rt, "principal"), Next: text.Draw(rt, "next"), Blocked: text.Draw(rt, "blocked"), PersonsHold: rapid.Bool().Draw(rt, "persons hold"), EvidenceHold: rapid.Bool().Draw(rt, "evidence hold"),
			})
		}
		for range rapid.IntRange(0, 4).Draw(rt, "results") / 4 {
			tick.Results = append(tick.Results, fact.Result{
				Event: text.Draw(rt, "event"), Sink: text.Draw(rt, "sink"), Kept: text.Draw(rt, "kept"), Reason: text.Draw(rt, "reason"),
				OK: rapid.Bool().Draw(rt, "ok"), Done: rapid.Bool().Draw(rt, "done"),
			})
		}
		ticks[i] = tick
	}
	return ticks
}

// drawPast makes what a journal could tell of earlier releases: nothing, that
// there are none, or some.
func drawPast(rt *rapid.T, at int64, name *rapid.Generator[string]) []fact.Past {
	n := rapid.IntRange(-1, 3).Draw(rt, "earlier releases")
	if n < 0 {
		return nil
	}
	past := make([]fact.Past, n)
	for i := range past {
		past[i] = fact.Past{Run: name.Draw(rt, "plan"), At: time.Unix(at-int64(i+1)*86400, 0).UTC()}
		for range rapid.IntRange(0, 2).Draw(rt, "totals") {
			past[i].Totals = append(past[i].Totals, fact.Total{Signal: name.Draw(rt, "signal"), Bad: rapid.Float64Range(0, 9).Draw(rt, "bad"), Samples: 9})
		}
	}
	return past
}

// Update writes what came, keeps what was said of reasons and is still true, and
// what it writes holds.
func TestUpdate(t *testing.T) {
	text := "# About this test.\n" + plan + `-- readings --
errors: 3/600x12
-- events --
# the whole story
only phase run
T phase canary: waiting => monitoring: watched until
T+9m phase canary: monitoring => failed
-- verdicts --
T+10m canary fail failed
T+10m canary pass: 0.5 % < 1 %
T+10m errors in canary pass: 0.6 %
`
	want := "# About this test.\n" + plan + `-- readings --
errors: 3/600x12
-- events --
# the whole story
only phase run
T phase canary: waiting => monitoring: watched until
T run rel: waiting => monitoring
T+10m phase canary: monitoring => passed
T+10m run rel: monitoring => passed
-- verdicts --
T+10m canary pass passed
T+10m canary pass: 0.5 % < 1 %
T+10m errors in canary pass
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

// Writing and running are deterministic.
func TestRunTwice(t *testing.T) {
	text := []byte(plan + "-- readings --\nerrors: 30/600x12\n")
	if a, b := run(t, "x", text), run(t, "x", text); !reflect.DeepEqual(a, b) {
		t.Errorf("two runs differ:\n%+v\n%+v", a, b)
	}
}
