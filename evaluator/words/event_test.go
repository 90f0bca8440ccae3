package words

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// codes lists every Code that the evaluator declares, from its source.
func codes(t *testing.T) []evaluator.Code {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../why.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var list []evaluator.Code
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if id, typed := ast.Expr(nil), false; ok {
			if id = v.Type; id != nil {
				name, is := id.(*ast.Ident)
				typed = is && name.Name == "Code"
			}
			if typed {
				s, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, evaluator.Code(s))
			}
		}
		return true
	})
	if len(list) < 60 {
		t.Fatalf("found %d codes only", len(list))
	}
	return list
}

// eventsOf are the events whose words do not come from ground.
var eventsOf = map[evaluator.Code]evaluator.Event{
	evaluator.WhyCommanded:      {Kind: evaluator.CommandEvent, Subject: "hold", To: "applied", By: "ada", Why: evaluator.Why{Code: evaluator.WhyCommanded, Text: "lunch"}},
	evaluator.WhyRunBegun:       {Kind: evaluator.RunEvent, Subject: "shop", To: "waiting", Begun: &evaluator.Release{Start: T, Try: 2}, Why: evaluator.Why{Code: evaluator.WhyRunBegun}},
	evaluator.WhyPlanEdited:     {Kind: evaluator.PlanEvent, Subject: "shop", To: "edited", Edit: &evaluator.Edit{}, Why: evaluator.Why{Code: evaluator.WhyPlanEdited}},
	evaluator.WhySignalFault:    {Kind: evaluator.SignalEvent, Subject: "errors", To: "throttled", Why: evaluator.Why{Code: evaluator.WhySignalFault, Text: "429"}},
	evaluator.WhySignalBack:     {Kind: evaluator.SignalEvent, Subject: "errors", To: "ok", Why: evaluator.Why{Code: evaluator.WhySignalBack}},
	evaluator.WhyMessageDue:     {Kind: evaluator.CommunicationEvent, Subject: "live", To: "due", Why: evaluator.Why{Code: evaluator.WhyMessageDue}},
	evaluator.WhyMessageSkipped: {Kind: evaluator.CommunicationEvent, Subject: "live", To: "skipped", Why: evaluator.Why{Code: evaluator.WhyMessageSkipped, Verdict: rules.Fail}},
	evaluator.WhyMessageTooLate: {Kind: evaluator.CommunicationEvent, Subject: "live", To: "skipped", Why: evaluator.Why{Code: evaluator.WhyMessageTooLate, Since: T}},
}

// A command that was applied before is not told as if it were applied now, by whoever
// repeats it.
func TestARepeatedCommandIsSaidToBeOne(t *testing.T) {
	e := evaluator.Event{At: T, Kind: evaluator.CommandEvent, Subject: "hold", To: "applied", By: "mallory", Why: evaluator.Why{Code: evaluator.WhyAppliedEarlier, By: "mallory", Text: "other"}}
	got := Event(launch(), &e, nil)
	if got.Headline != "OK: hold: a command with this id was applied before" || got.Sentence != "hold: a command with this id was applied before. It is not applied again, and the run may have gone on since." {
		t.Errorf("got %q, %q", got.Headline, got.Sentence)
	}
}

// Every ground has words of its own: of a run, a phase or a command, of a rule, or
// of another event.
func TestEveryGroundHasWords(t *testing.T) {
	plan, at, said := launch(), T.Add(time.Hour), map[string]evaluator.Code{}
	measured := map[evaluator.Code]bool{evaluator.WhyMeasured: true}
	for _, c := range codes(t) {
		w := evaluator.Why{
			Code: c, Rule: "high", Phase: "ten", State: "monitoring", Verdict: rules.Pass, Cause: rules.CauseNoData, Policy: rules.PolicyFail,
			Since: T, Until: T, N: 1, Of: 3, By: "ada", Text: "lunch", Run: "shop@2",
		}
		text := ground(plan, &w, at)
		if e, ok := eventsOf[c]; ok && text == "" {
			text = Event(plan, &e, nil).Sentence
		}
		if text == "" {
			e := evaluator.Evidence{Known: true, Value: .005, Points: 5, Expected: 5, Samples: 500, Op: rules.Less, Threshold: .01, Unit: rules.Percent}
			v := &evaluator.RuleView{Name: "window", Kind: rules.Success, Verdict: rules.Pending, Why: w, Evidence: e}
			bare := *v
			bare.Why = evaluator.Why{}
			if text = Rule(plan, v, at).Sentence; text == Rule(plan, &bare, at).Sentence && !measured[c] {
				text = ""
			}
		}
		if other, twice := said[text]; text == "" || twice && !(c == evaluator.WhyPhaseHasFailed || c == evaluator.WhyPhaseFailed) {
			t.Errorf("%s says %q, as %q does", c, text, other)
		}
		said[text] = c
	}
}

// Every cause has words of its own.
func TestEveryCauseHasWords(t *testing.T) {
	said := map[string]bool{}
	for c := rules.CauseNone; c <= rules.CauseBaseline; c++ {
		if text := causeText(c); text == "" || said[text] {
			t.Errorf("%v says %q", c, text)
		} else {
			said[text] = true
		}
	}
}

func TestAnEventSaysWhatHappened(t *testing.T) {
	plan, at := launch(), T.Add(71*time.Minute)
	ev := counts(552, 11010, .0501, T.Add(time.Hour), at)
	ev.Weighed.Rung, ev.Weighed.Against = evaluator.RollbackRung, math.Log(523)
	fired := evaluator.Event{ID: "shop/7", N: 7, At: at, Kind: evaluator.RuleEvent, Subject: "high", Phase: "ten", From: "clear", To: "fired", Cause: rules.CauseEvidence, Evidence: &ev, Why: evaluator.Why{Code: evaluator.WhyMeasured}}
	hold := evaluator.Event{ID: "shop/8", N: 8, At: at, Kind: evaluator.CommandEvent, Subject: "hold", To: "applied", By: "ada", Why: evaluator.Why{Code: evaluator.WhyCommanded, Text: "lunch"}}
	child := func(kind evaluator.EventKind, subject, from, to string, root *evaluator.Event, w evaluator.Why) evaluator.Event {
		e := evaluator.Event{At: at, Kind: kind, Subject: subject, From: from, To: to, Why: w}
		if kind != evaluator.RunEvent {
			e.Phase = subject
		}
		if root != nil {
			e.Because = root.ID
		}
		return e
	}
	passed := child(evaluator.PhaseEvent, "ten", "monitoring", "passed", nil, evaluator.Why{Code: evaluator.WhyRulesHold, Rule: "few", N: 1, Of: 3})
	good := counts(0, 900, 0, T, at)
	passed.Evidence = &good
	unknownGate := child(evaluator.VerdictEvent, "ten", "pending", "unknown", nil, evaluator.Why{Code: evaluator.WhyByRule, Rule: "few"})
	unknownGate.Evidence, unknownGate.Cause = &good, rules.CauseInsufficientSamples
	command := func(kind evaluator.CommandKind, to string, w evaluator.Why) evaluator.Event {
		return evaluator.Event{At: at, Kind: evaluator.CommandEvent, Subject: string(kind), Phase: w.Phase, To: to, By: "ada", Why: w}
	}
	edited := evaluator.Event{At: at, Kind: evaluator.PlanEvent, To: "edited", Edit: &evaluator.Edit{Changes: []rules.Change{
		{Path: "rollback.high.when", From: "> 3 %", To: "> 2 %"}, {Path: "title", To: "Shop"}, {Path: "phases.ten", From: "10 %"},
	}}}
	one := edited
	one.Edit = &evaluator.Edit{Changes: edited.Edit.Changes[:1]}
	for _, tt := range []struct {
		name    string
		e       evaluator.Event
		root    *evaluator.Event
		want    string // headline
		says    string // a part of the sentence
		do, who string
	}{
		{"a rule that fires", fired, nil, "ROLLBACK: API 5xx 5.0 % > 3 % for 11 min (552 of 11,010)", "under 1 in 523", "pause the rollout, revert the alias", "DevSecOps"},
		{"a run that is rolled back", child(evaluator.RunEvent, "shop", "monitoring", "rolled_back", &fired, evaluator.Why{Code: evaluator.WhyRuleFired, Rule: "high"}), &fired,
			"ROLLBACK: API 5xx 5.0 % > 3 % for 11 min (552 of 11,010)", "the run is rolled back: API 5xx 5.0 % > 3 %", "pause the rollout, revert the alias", "DevSecOps"},
		{"a phase that is rolled back", child(evaluator.PhaseEvent, "ten", "monitoring", "rolled_back", &fired, evaluator.Why{Code: evaluator.WhyRuleFired, Rule: "high"}), &fired,
			"ROLLBACK: phase ten is rolled back: API 5xx", "phase ten is rolled back: rule high fired.", "", "DevSecOps"},
		{"a gate that says rollback", child(evaluator.VerdictEvent, "ten", "pass", "rollback", &fired, evaluator.Why{Code: evaluator.WhyRuleFired, Rule: "high"}), &fired,
			"ROLLBACK: the gate of phase ten says rollback: API 5xx", "the gate of phase ten says rollback: rule high fired.", "", "DevSecOps"},
		{"the same without its root", child(evaluator.RunEvent, "shop", "monitoring", "rolled_back", &fired, evaluator.Why{Code: evaluator.WhyRuleFired, Rule: "high"}), nil,
			"ROLLBACK: rolled back by rule API 5xx", "the run is rolled back: rolled back by rule API 5xx.", "", "Ada"},
		{"a gate that a hold closes", child(evaluator.VerdictEvent, "ten", "pass", "pending", &hold, evaluator.Why{Code: evaluator.WhyHeld}), &hold,
			"WAIT: phase ten: held by ada: lunch", "the gate of phase ten says pending: held by ada: lunch.", "", "ops"},
		{"a run that is held", child(evaluator.RunEvent, "shop", "monitoring", "held", &hold, evaluator.Why{Code: evaluator.WhyHeld}), &hold, "HOLD: held by ada: lunch", "the run is held: held by ada: lunch.", "", "Ada"},
		{"a run that goes on", child(evaluator.RunEvent, "shop", "held", "monitoring", &hold, evaluator.Why{Code: evaluator.WhyResumed}), &hold, "WAIT: resumed by ada: lunch", "the run goes on: resumed by ada: lunch.", "", "Ada"},
		{"a phase that begins", child(evaluator.PhaseEvent, "ten", "waiting", "monitoring", nil, evaluator.Why{Code: evaluator.WhyOnSchedule, Until: at}), nil, "WAIT: phase ten: started on schedule; watched until 03:11 UTC", "phase ten begins: started on schedule", "", "ops"},
		{"a phase that passes", passed, nil, "PASS: phase ten: API 5xx rate 0 % < 1 % (0 of 900)", "1 rollback rule is clear, 2 rollback rules warn or were not judged.", "", "DevSecOps"},
		{"a gate that cannot say", unknownGate, nil, "UNKNOWN: phase ten: API 5xx rate: too few samples to prove < 1 % (0 of 900)", "the gate of phase ten says unknown: API 5xx rate", "", "DevSecOps"},
		{"a run that is superseded", child(evaluator.RunEvent, "shop", "monitoring", "superseded", nil, evaluator.Why{Code: evaluator.WhySuperseded, Run: "shop@2", By: "ci", Text: "a hotfix"}), nil,
			"SUPERSEDED: run shop@2 takes its place (ci: a hotfix)", "the run is superseded", "", "Ada"},
		{"a run that nothing is said of", child(evaluator.RunEvent, "shop", "waiting", "failed", nil, evaluator.Why{}), nil, "FAIL", "the run has failed.", "", "Ada"},
		{"a run that begins", evaluator.Event{At: at, Kind: evaluator.RunEvent, Version: "1.0.1", To: "waiting", By: "ci", Why: evaluator.Why{Code: evaluator.WhyRunBegun, Text: "merged"},
			Begun: &evaluator.Release{Start: T, Try: 2, Supersedes: "shop@1.0.0", Parameters: map[string]string{"b": "2", "a": "1"}, Previous: rules.Previous{Version: "0.9"}}}, nil,
			"WAIT: run of version 1.0.1, try 2, has begun; T was 02:00 UTC", "the run of version 1.0.1, try 2, has begun; T was 02:00 UTC. Started by ci: merged.", "", "Ada"},
		{"a run that begins later", evaluator.Event{At: at, Kind: evaluator.RunEvent, Version: "1.0.1", To: "waiting", Why: evaluator.Why{Code: evaluator.WhyRunBegun}, Begun: &evaluator.Release{Start: at.Add(time.Hour), Try: 1}}, nil,
			"WAIT: run of version 1.0.1 begins at 04:11 UTC", "the run of version 1.0.1 begins at 04:11 UTC.", "", "Ada"},
		{"a message that is not sent after a rollback", evaluator.Event{At: at, Kind: evaluator.CommunicationEvent, Subject: "live", To: "skipped", Why: evaluator.Why{Code: evaluator.WhyMessageSkipped, Verdict: rules.Rollback}}, nil,
			"NOT SENT: StatusPage: the run's verdict is rollback", "not sent to StatusPage: the run's verdict is rollback.", "", ""},
		{"a message that is too late", evaluator.Event{At: at, Kind: evaluator.CommunicationEvent, Subject: "live", To: "skipped", Why: evaluator.Why{Code: evaluator.WhyMessageTooLate, Since: T}}, nil,
			"NOT SENT: StatusPage: it was due at 02:00 UTC", "not sent to StatusPage: it was due at 02:00 UTC.", "", ""},
		{"a source that is back", evaluator.Event{At: at, Kind: evaluator.SignalEvent, Subject: "errors", To: "ok", Why: evaluator.Why{Code: evaluator.WhySignalBack}}, nil,
			"OK: signal errors: the source answers again", "the source answers again.", "", ""},
		{"a resume", command(evaluator.Resume, "applied", evaluator.Why{Code: evaluator.WhyCommanded, Text: "unrelated"}), nil, "OK: resume by ada: unrelated", "resume by ada: unrelated.", "", "ada"},
		{"a command", hold, nil, "HOLD: hold by ada: lunch", "hold by ada: lunch.", "", "ada"},
		{"an abort", command(evaluator.Abort, "applied", evaluator.Why{Code: evaluator.WhyCommanded, Text: "bad"}), nil, "ROLLBACK: abort by ada: bad", "abort by ada: bad.", "roll the release back, then report it with rollback-done", "ada"},
		{"an override", command(evaluator.Override, "applied", evaluator.Why{Code: evaluator.WhyCommanded, Phase: "ten", Verdict: rules.Fail, Text: "bad"}), nil, "FAIL: override ten with fail by ada: bad", "override ten with fail by ada: bad.", "", "ada"},
		{"an override of the phase that is current", evaluator.Event{At: at, Kind: evaluator.CommandEvent, Subject: "override", To: "applied", By: "ada", Why: evaluator.Why{Code: evaluator.WhyCommanded, Phase: "ten", Verdict: rules.Pass, Text: "fine"}}, nil, "PASS: override ten with pass by ada: fine", "override ten with pass by ada: fine.", "", "ada"},
		{"an override of a rollback", command(evaluator.Override, "applied", evaluator.Why{Code: evaluator.WhyCommanded, Verdict: rules.Pass, Text: "false alarm"}), nil, "OK: override with pass by ada: false alarm", "override with pass by ada: false alarm.", "", "ada"},
		{"a supersede", command(evaluator.Supersede, "applied", evaluator.Why{Code: evaluator.WhyCommanded, Run: "shop@2", Text: "hotfix"}), nil, "SUPERSEDED: supersede by ada: hotfix", "Run shop@2 takes its place.", "", "ada"},
		{"a refusal", command(evaluator.RollbackDone, "refused", evaluator.Why{Code: evaluator.WhyNotRolledBack}), nil, "REFUSED: rollback-done: the run is not rolled back", "rollback-done refused: the run is not rolled back.", "", "ada"},
		{"a message", evaluator.Event{At: at, Kind: evaluator.CommunicationEvent, Subject: "live", To: "due", Why: evaluator.Why{Code: evaluator.WhyMessageDue}}, nil, "DUE: StatusPage: live to 10 %", "StatusPage: live to 10 %.", "send the message to StatusPage", "Ada"},
		{"an edit", edited, nil, "NOTE: the plan was edited: 3 changes", "the plan was edited: 3 changes.", "", ""},
		{"a small edit", one, nil, "NOTE: the plan was edited: rollback.high.when was > 3 %, is > 2 %", "rollback.high.when was > 3 %, is > 2 %.", "", ""},
		{"no data", evaluator.Event{At: at, Kind: evaluator.SignalEvent, Subject: "errors", To: "no_data", Why: evaluator.Why{Code: evaluator.WhySignalFault}}, nil, "UNKNOWN: signal errors: the source has no data", "the source has no data.", "", ""},
		{"a query that the source does not take", evaluator.Event{At: at, Kind: evaluator.SignalEvent, Subject: "errors", To: "config", Why: evaluator.Why{Code: evaluator.WhySignalFault, Text: "no such metric"}}, nil, "UNKNOWN: signal errors: the source rejected the query (no such metric)", "the source rejected the query: no such metric.", "", ""},
		{"credentials that ran out", evaluator.Event{At: at, Kind: evaluator.SignalEvent, Subject: "errors", To: "auth", Why: evaluator.Why{Code: evaluator.WhySignalFault, Text: ""}}, nil, "UNKNOWN: signal errors: the source refused the credentials", "the source refused the credentials.", "", ""},
		{"a source that is throttled", evaluator.Event{At: at, Kind: evaluator.SignalEvent, Subject: "errors", To: "throttled", Why: evaluator.Why{Code: evaluator.WhySignalFault, Text: "429"}}, nil, "UNKNOWN: signal errors: the source asks to slow down (429)", "the source asks to slow down: 429.", "", ""},
		{"half an answer", evaluator.Event{At: at, Kind: evaluator.SignalEvent, Subject: "errors", To: "partial", Why: evaluator.Why{Code: evaluator.WhySignalFault, Text: ""}}, nil, "UNKNOWN: signal errors: the source answered in part", "the source answered in part.", "", ""},
		{"an old answer", evaluator.Event{At: at, Kind: evaluator.SignalEvent, Subject: "errors", To: "stale", Why: evaluator.Why{Code: evaluator.WhySignalFault, Text: ""}}, nil, "UNKNOWN: signal errors: the source's newest data is too old", "newest data is too old.", "", ""},
		{"a source that is away and says much", evaluator.Event{At: at, Kind: evaluator.SignalEvent, Subject: "errors", To: "unavailable", Why: evaluator.Why{Code: evaluator.WhySignalFault, Text: "500 Internal Server Error, and then more than fits"}}, nil, "UNKNOWN: signal errors: the source is unreachable or failed", "failed: 500 Internal Server Error, and then more than fits.", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Event(plan, &tt.e, tt.root)
			if got.Headline != tt.want || !strings.Contains(got.Sentence, tt.says) || got.Do != tt.do || got.Who != tt.who {
				t.Errorf("got\n%q\n%q\ndo %q, who %q; want\n%q\n%q\ndo %q, who %q", got.Headline, got.Sentence, got.Do, got.Who, tt.want, tt.says, tt.do, tt.who)
			}
			if got.Do == "" && got.Command != "" {
				t.Errorf("a command without what it is for: %q", got.Command)
			}
		})
	}
	if got := Event(plan, &edited, nil).Detail; len(got) != 3 || got[1] != "title is new: Shop" || got[2] != "phases.ten is gone, it was 10 %" {
		t.Errorf("an edit lists %q", got)
	}
	begun := evaluator.Event{At: at, Begun: &evaluator.Release{Start: T, Supersedes: "shop@1", Parameters: map[string]string{"b": "2", "a": "1"}, Previous: rules.Previous{Version: "0.9"}}, Kind: evaluator.RunEvent}
	if got := strings.Join(Event(plan, &begun, nil).Detail, "; "); got != "It takes the place of run shop@1; The version before is 0.9; a = 1; b = 2" {
		t.Errorf("a run that begins says %q", got)
	}
}

// A headline has at most 80 characters, on one line, whatever people write.
func TestAHeadlineIsShort(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := func(label string) string { return rapid.StringN(0, 120, -1).Draw(rt, label) }
		plan := launch()
		for i := range plan.Rules {
			plan.Rules[i].Title = text("title")
		}
		plan.Communications[0].Text = text("message")
		var got []string
		e := counts(552, 11010, .0501, T, T.Add(time.Hour))
		for i := range plan.Rules {
			r := &plan.Rules[i]
			for _, c := range []evaluator.Code{evaluator.WhyMeasured, evaluator.WhyPolicy, evaluator.WhyResumed, evaluator.WhyCannotJudge} {
				v := evaluator.RuleView{Name: r.Name, Kind: r.Kind, State: evaluator.RuleFired, Why: evaluator.Why{Code: c, By: text("by"), Text: text("why")}, Evidence: e}
				got = append(got, Rule(plan, &v, T).Headline)
			}
		}
		by, why := text("by"), text("why")
		for _, kind := range evaluator.EventKinds() {
			ev := evaluator.Event{At: T, Kind: kind, Subject: text("subject"), To: "refused", By: by, Why: evaluator.Why{Code: evaluator.WhyNoSuchPhase, Phase: text("phase"), Text: why}}
			got = append(got, Event(plan, &ev, nil).Headline)
		}
		for _, line := range got {
			if n := utf8.RuneCountInString(line); n > width || strings.ContainsAny(line, "\n\r\t") {
				rt.Fatalf("%d characters: %q", n, line)
			}
		}
	})
}

func TestACutIsAtAWord(t *testing.T) {
	long := "FAIL: " + strings.Repeat("word ", 40)
	if got := cut(long); got != "FAIL: "+strings.TrimSpace(strings.Repeat("word ", 14))+" …" {
		t.Errorf("got %q", got)
	}
	if got := cut(strings.Repeat("x", 100)); utf8.RuneCountInString(got) != 80 || !strings.HasSuffix(got, "x …") {
		t.Errorf("got %q", got)
	}
	if got := headline("PASS", "one", strings.Repeat("y", 71), "(3)"); got != "PASS: one" {
		t.Errorf("got %q", got)
	}
	if got := headline("PASS"); got != "PASS" {
		t.Errorf("got %q", got)
	}
}
