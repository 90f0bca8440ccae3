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

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// codes lists every Code that the evaluator declares, from its source.
func codes(t *testing.T) []fact.Code {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../fact/why.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var list []fact.Code
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
				list = append(list, fact.Code(s))
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
var eventsOf = map[fact.Code]fact.Event{
	fact.WhyCommanded:      {Kind: fact.CommandEvent, Subject: "hold", To: "applied", By: "ada", Why: fact.Why{Code: fact.WhyCommanded, Text: "lunch"}},
	fact.WhyRunBegun:       {Kind: fact.RunEvent, Subject: "shop", To: "waiting", Begun: &fact.Release{Start: T, Try: 2}, Why: fact.Why{Code: fact.WhyRunBegun}},
	fact.WhyPlanEdited:     {Kind: fact.PlanEvent, Subject: "shop", To: "edited", Edit: &fact.Edit{}, Why: fact.Why{Code: fact.WhyPlanEdited}},
	fact.WhyJudgedAnew:     {Kind: fact.PlanEvent, Subject: "shop", From: "1", To: "judged_anew", Why: fact.Why{Code: fact.WhyJudgedAnew, N: 2, Of: 1}},
	fact.WhyLate:           {Kind: fact.PlanEvent, Subject: "shop", To: "late", Why: fact.Why{Code: fact.WhyLate, Phase: "ten", State: "waiting", Since: T, Until: T.Add(time.Hour)}},
	fact.WhySignalFault:    {Kind: fact.SignalEvent, Subject: "errors", To: "throttled", Why: fact.Why{Code: fact.WhySignalFault, Text: "429"}},
	fact.WhySignalBack:     {Kind: fact.SignalEvent, Subject: "errors", To: "ok", Why: fact.Why{Code: fact.WhySignalBack}},
	fact.WhyMessageDue:     {Kind: fact.CommunicationEvent, Subject: "live", To: "due", Why: fact.Why{Code: fact.WhyMessageDue}},
	fact.WhyMessageSkipped: {Kind: fact.CommunicationEvent, Subject: "live", To: "skipped", Why: fact.Why{Code: fact.WhyMessageSkipped, Verdict: rules.Fail}},
	fact.WhyMessageNever:   {Kind: fact.CommunicationEvent, Subject: "live", To: "skipped", Why: fact.Why{Code: fact.WhyMessageNever, State: "rolled_back", Phase: "all"}},
	fact.WhyMessageTooLate: {Kind: fact.CommunicationEvent, Subject: "live", To: "skipped", Why: fact.Why{Code: fact.WhyMessageTooLate, Since: T}},
}

// A command that was applied before is not told as if it were applied now, by whoever
// repeats it.
func TestARepeatedCommandIsSaidToBeOne(t *testing.T) {
	e := fact.Event{At: T, Kind: fact.CommandEvent, Subject: "hold", To: "applied", By: "mallory", Why: fact.Why{Code: fact.WhyAppliedEarlier, By: "mallory", Text: "other"}}
	got := Event(launch(), &e, nil)
	if got.Headline != "OK: hold: a command with this id was applied before" || got.Sentence != "hold: a command with this id was applied before. It is not applied again, and the run may have gone on since." {
		t.Errorf("got %q, %q", got.Headline, got.Sentence)
	}
}

// Every ground has words of its own: of a run, a phase or a command, of a rule, or
// of another event.
func TestEveryGroundHasWords(t *testing.T) {
	plan, at, said := launch(), T.Add(time.Hour), map[string]fact.Code{}
	measured := map[fact.Code]bool{fact.WhyMeasured: true}
	for _, c := range codes(t) {
		w := fact.Why{
			Code: c, Rule: "high", Phase: "ten", State: "monitoring", Verdict: rules.Pass, Cause: rules.CauseNoData, Policy: rules.PolicyFail,
			Since: T, Until: T, N: 1, Of: 3, By: "ada", Text: "lunch", Run: "shop@2",
		}
		text := ground(plan, &w, at)
		if e, ok := eventsOf[c]; ok && text == "" {
			text = Event(plan, &e, nil).Sentence
		}
		if text == "" {
			e := fact.Evidence{Known: true, Value: .005, Points: 5, Expected: 5, Samples: 500, Op: rules.Less, Threshold: .01, Unit: rules.Percent}
			v := &fact.RuleView{Name: "window", Kind: rules.Success, Verdict: rules.Pending, Why: w, Evidence: e}
			bare := *v
			bare.Why = fact.Why{}
			if text = Rule(plan, v, at).Sentence; text == Rule(plan, &bare, at).Sentence && !measured[c] {
				text = ""
			}
		}
		if other, twice := said[text]; text == "" || twice && !(c == fact.WhyPhaseHasFailed || c == fact.WhyPhaseFailed) {
			t.Errorf("%s says %q, as %q does", c, text, other)
		}
		said[text] = c
	}
}

// Every cause has words of its own.
func TestEveryCauseHasWords(t *testing.T) {
	said := map[string]bool{}
	for c := rules.CauseNone; c <= rules.CauseUnsettled; c++ {
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
	ev.Weighed.Rung, ev.Weighed.Against = fact.RollbackRung, math.Log(523)
	fired := fact.Event{ID: "shop/7", N: 7, At: at, Kind: fact.RuleEvent, Subject: "high", Phase: "ten", From: "clear", To: "fired", Cause: rules.CauseEvidence, Evidence: &ev, Why: fact.Why{Code: fact.WhyMeasured}}
	hold := fact.Event{ID: "shop/8", N: 8, At: at, Kind: fact.CommandEvent, Subject: "hold", To: "applied", By: "ada", Why: fact.Why{Code: fact.WhyCommanded, Text: "lunch"}}
	child := func(kind fact.EventKind, subject, from, to string, root *fact.Event, w fact.Why) fact.Event {
		e := fact.Event{At: at, Kind: kind, Subject: subject, From: from, To: to, Why: w}
		if kind != fact.RunEvent {
			e.Phase = subject
		}
		if root != nil {
			e.Because = root.ID
		}
		return e
	}
	passed := child(fact.PhaseEvent, "ten", "monitoring", "passed", nil, fact.Why{Code: fact.WhyRulesHold, Rule: "few", N: 1, Of: 3})
	good := counts(0, 900, 0, T, at)
	passed.Evidence = &good
	unknownGate := child(fact.VerdictEvent, "ten", "pending", "unknown", nil, fact.Why{Code: fact.WhyByRule, Rule: "few"})
	unknownGate.Evidence, unknownGate.Cause = &good, rules.CauseInsufficientSamples
	command := func(kind fact.CommandKind, to string, w fact.Why) fact.Event {
		return fact.Event{At: at, Kind: fact.CommandEvent, Subject: string(kind), Phase: w.Phase, To: to, By: "ada", Why: w}
	}
	edited := fact.Event{At: at, Kind: fact.PlanEvent, To: "edited", Edit: &fact.Edit{Changes: []rules.Change{
		{Path: "rollback.high.when", From: "> 3 %", To: "> 2 %"}, {Path: "title", To: "Shop"}, {Path: "phases.ten", From: "10 %"},
	}}}
	one := edited
	one.Edit = &fact.Edit{Changes: edited.Edit.Changes[:1]}
	for _, tt := range []struct {
		name    string
		e       fact.Event
		root    *fact.Event
		want    string // headline
		says    string // a part of the sentence
		do, who string
	}{
		{"a rule that fires", fired, nil, "ROLLBACK: API 5xx 5.0 % > 3 % for 11 min (552 of 11,010)", "under 1 in 523", "pause the rollout, revert the alias", "DevSecOps"},
		{"a run that is rolled back", child(fact.RunEvent, "shop", "monitoring", "rolled_back", &fired, fact.Why{Code: fact.WhyRuleFired, Rule: "high"}), &fired,
			"ROLLBACK: API 5xx 5.0 % > 3 % for 11 min (552 of 11,010)", "the run is rolled back: API 5xx 5.0 % > 3 %", "pause the rollout, revert the alias", "DevSecOps"},
		{"a phase that is rolled back", child(fact.PhaseEvent, "ten", "monitoring", "rolled_back", &fired, fact.Why{Code: fact.WhyRuleFired, Rule: "high"}), &fired,
			"ROLLBACK: phase ten is rolled back: API 5xx", "phase ten is rolled back: rule high fired.", "", "DevSecOps"},
		{"a gate that says rollback", child(fact.VerdictEvent, "ten", "pass", "rollback", &fired, fact.Why{Code: fact.WhyRuleFired, Rule: "high"}), &fired,
			"ROLLBACK: the gate of phase ten says rollback: API 5xx", "the gate of phase ten says rollback: rule high fired.", "", "DevSecOps"},
		{"the same without its root", child(fact.RunEvent, "shop", "monitoring", "rolled_back", &fired, fact.Why{Code: fact.WhyRuleFired, Rule: "high"}), nil,
			"ROLLBACK: rolled back by rule API 5xx", "the run is rolled back: rolled back by rule API 5xx.", "", "Ada"},
		{"a gate that a hold closes", child(fact.VerdictEvent, "ten", "pass", "pending", &hold, fact.Why{Code: fact.WhyHeld}), &hold,
			"WAIT: phase ten: held by ada: lunch", "the gate of phase ten says pending: held by ada: lunch.", "", "ops"},
		{"a run that is held", child(fact.RunEvent, "shop", "monitoring", "held", &hold, fact.Why{Code: fact.WhyHeld}), &hold, "HOLD: held by ada: lunch", "the run is held: held by ada: lunch.", "", "Ada"},
		{"a failed run that no rule speaks against any more", child(fact.RunEvent, "shop", "failed", "over", &fact.Event{ID: "shop/9"}, fact.Why{Code: fact.WhyWatchEnded}), nil, "NOTE: it stays failed, no rollback rule speaks against it any more", "the run is over: it stays failed, no rollback rule speaks against it any more.", "", "Ada"},
		{"a failed run that was watched for a day", child(fact.RunEvent, "shop", "failed", "over", &fact.Event{ID: "shop/9"}, fact.Why{Code: fact.WhyWatchEnded, Until: T}), nil, "NOTE: it stays failed, its rollback rules were watched until 02:00 UTC", "", "", "Ada"},
		{"a run that goes on", child(fact.RunEvent, "shop", "held", "monitoring", &hold, fact.Why{Code: fact.WhyResumed}), &hold, "WAIT: resumed by ada: lunch", "the run goes on: resumed by ada: lunch.", "", "Ada"},
		{"a phase that begins", child(fact.PhaseEvent, "ten", "waiting", "monitoring", nil, fact.Why{Code: fact.WhyOnSchedule, Until: at}), nil, "WAIT: phase ten: started on schedule; watched until 03:11 UTC", "phase ten begins: started on schedule", "", "ops"},
		{"a phase that passes", passed, nil, "PASS: phase ten: API 5xx rate 0 % < 1 % (0 of 900)", "1 rollback rule is clear, 2 rollback rules were not judged.", "", "DevSecOps"},
		{"a gate that cannot say", unknownGate, nil, "UNKNOWN: phase ten: API 5xx rate: too few samples to prove < 1 % (0 of 900)", "the gate of phase ten says unknown: API 5xx rate", "", "DevSecOps"},
		{"a run that is superseded", child(fact.RunEvent, "shop", "monitoring", "superseded", nil, fact.Why{Code: fact.WhySuperseded, Run: "shop@2", By: "ci", Text: "a hotfix"}), nil,
			"SUPERSEDED: run shop@2 takes its place (ci: a hotfix)", "the run is superseded", "", "Ada"},
		{"a run that nothing is said of", child(fact.RunEvent, "shop", "waiting", "failed", nil, fact.Why{}), nil, "FAIL", "the run has failed.", "", "Ada"},
		{"a run that begins", fact.Event{At: at, Kind: fact.RunEvent, Version: "1.0.1", To: "waiting", By: "ci", Why: fact.Why{Code: fact.WhyRunBegun, Text: "merged"},
			Begun: &fact.Release{Start: T, Try: 2, Supersedes: "shop@1.0.0", Parameters: map[string]string{"b": "2", "a": "1"}, Previous: rules.Previous{Version: "0.9"}}}, nil,
			"WAIT: run of version 1.0.1, try 2, has begun; T was 02:00 UTC", "the run of version 1.0.1, try 2, has begun; T was 02:00 UTC. Started by ci: merged.", "", "Ada"},
		{"a run that begins later", fact.Event{At: at, Kind: fact.RunEvent, Version: "1.0.1", To: "waiting", Why: fact.Why{Code: fact.WhyRunBegun}, Begun: &fact.Release{Start: at.Add(time.Hour), Try: 1}}, nil,
			"WAIT: run of version 1.0.1 begins at 04:11 UTC", "the run of version 1.0.1 begins at 04:11 UTC.", "", "Ada"},
		{"a message that is not sent after a rollback", fact.Event{At: at, Kind: fact.CommunicationEvent, Subject: "live", To: "skipped", Why: fact.Why{Code: fact.WhyMessageSkipped, Verdict: rules.Rollback}}, nil,
			"NOT SENT: StatusPage: the run's verdict is rollback", "not sent to StatusPage: the run's verdict is rollback.", "", ""},
		{"a message that is too late", fact.Event{At: at, Kind: fact.CommunicationEvent, Subject: "live", To: "skipped", Why: fact.Why{Code: fact.WhyMessageTooLate, Since: T}}, nil,
			"NOT SENT: StatusPage: it was due at 02:00 UTC", "not sent to StatusPage: it was due at 02:00 UTC.", "", ""},
		{"a source that is back", fact.Event{At: at, Kind: fact.SignalEvent, Subject: "errors", To: "ok", Why: fact.Why{Code: fact.WhySignalBack}}, nil,
			"OK: signal errors: the source answers again", "the source answers again.", "", ""},
		{"a resume", command(fact.Resume, "applied", fact.Why{Code: fact.WhyCommanded, Text: "unrelated"}), nil, "OK: resume by ada: unrelated", "resume by ada: unrelated.", "", "ada"},
		{"a command", hold, nil, "HOLD: hold by ada: lunch", "hold by ada: lunch.", "", "ada"},
		{"an abort", command(fact.Abort, "applied", fact.Why{Code: fact.WhyCommanded, Text: "bad"}), nil, "ROLLBACK: abort by ada: bad", "abort by ada: bad.", "roll the release back, then report it with rollback-done", "ada"},
		{"an override", command(fact.Override, "applied", fact.Why{Code: fact.WhyCommanded, Phase: "ten", Verdict: rules.Fail, Text: "bad"}), nil, "FAIL: override ten with fail by ada: bad", "override ten with fail by ada: bad.", "", "ada"},
		{"an override of the phase that is current", fact.Event{At: at, Kind: fact.CommandEvent, Subject: "override", To: "applied", By: "ada", Why: fact.Why{Code: fact.WhyCommanded, Phase: "ten", Verdict: rules.Pass, Text: "fine"}}, nil, "PASS: override ten with pass by ada: fine", "override ten with pass by ada: fine.", "", "ada"},
		{"an override of a rollback", command(fact.Override, "applied", fact.Why{Code: fact.WhyCommanded, Verdict: rules.Pass, Text: "false alarm"}), nil, "OK: override with pass by ada: false alarm", "override with pass by ada: false alarm.", "", "ada"},
		{"a supersede", command(fact.Supersede, "applied", fact.Why{Code: fact.WhyCommanded, Run: "shop@2", Text: "hotfix"}), nil, "SUPERSEDED: supersede by ada: hotfix", "Run shop@2 takes its place.", "", "ada"},
		{"a refusal", command(fact.RollbackDone, "refused", fact.Why{Code: fact.WhyNotRolledBack}), nil, "REFUSED: rollback-done: the run is not rolled back", "rollback-done refused: the run is not rolled back.", "", "ada"},
		{"a message", fact.Event{At: at, Kind: fact.CommunicationEvent, Subject: "live", To: "due", Why: fact.Why{Code: fact.WhyMessageDue}}, nil, "DUE: StatusPage: live to 10 %", "StatusPage: live to 10 %.", "send the message to StatusPage", "Ada"},
		{"an edit", edited, nil, "NOTE: the plan was edited: 3 changes", "the plan was edited: 3 changes.", "", ""},
		{"a small edit", one, nil, "NOTE: the plan was edited: rollback.high.when was > 3 %, is > 2 %", "rollback.high.when was > 3 %, is > 2 %.", "", ""},
		{"no data", fact.Event{At: at, Kind: fact.SignalEvent, Subject: "errors", To: "no_data", Why: fact.Why{Code: fact.WhySignalFault}}, nil, "UNKNOWN: signal errors: the source has no data", "the source has no data.", "", ""},
		{"a query that the source does not take", fact.Event{At: at, Kind: fact.SignalEvent, Subject: "errors", To: "config", Why: fact.Why{Code: fact.WhySignalFault, Text: "no such metric"}}, nil, "UNKNOWN: signal errors: the source rejected the query (no such metric)", "the source rejected the query: no such metric.", "", ""},
		{"an override of what is not signed", command(fact.Override, "refused", fact.Why{Code: fact.WhyUnsigned, Phase: "all", Of: 1, Text: "CTO"}), nil, "REFUSED: override all: phase all is not signed, missing: CTO", "override all refused: phase all is not signed, missing: CTO. Let them sign, or go on without them by `relgate break-glass --for all`.", "", "ada"},
		{"a start of what is not signed", command(fact.StartPhase, "refused", fact.Why{Code: fact.WhyUnsigned, Phase: "start", Of: 2, Text: "CTO, Legal"}), nil, "REFUSED: start start: 0 of 2 signatures for the start of the release are …", "start start refused: 0 of 2 signatures for the start of the release are there, missing: CTO, Legal. Let them sign, or go on without them by `relgate break-glass`.", "", "ada"},
		{"credentials that ran out", fact.Event{At: at, Kind: fact.SignalEvent, Subject: "errors", To: "auth", Why: fact.Why{Code: fact.WhySignalFault, Text: ""}}, nil, "UNKNOWN: signal errors: the source refused the credentials", "the source refused the credentials.", "", ""},
		{"a source that is throttled", fact.Event{At: at, Kind: fact.SignalEvent, Subject: "errors", To: "throttled", Why: fact.Why{Code: fact.WhySignalFault, Text: "429"}}, nil, "UNKNOWN: signal errors: the source asks to slow down (429)", "the source asks to slow down: 429.", "", ""},
		{"half an answer", fact.Event{At: at, Kind: fact.SignalEvent, Subject: "errors", To: "partial", Why: fact.Why{Code: fact.WhySignalFault, Text: ""}}, nil, "UNKNOWN: signal errors: the source answered in part", "the source answered in part.", "", ""},
		{"an old answer", fact.Event{At: at, Kind: fact.SignalEvent, Subject: "errors", To: "stale", Why: fact.Why{Code: fact.WhySignalFault, Text: ""}}, nil, "UNKNOWN: signal errors: the source's newest data is too old", "newest data is too old.", "", ""},
		{"a source that is away and says much", fact.Event{At: at, Kind: fact.SignalEvent, Subject: "errors", To: "unavailable", Why: fact.Why{Code: fact.WhySignalFault, Text: "500 Internal Server Error, and then more than fits"}}, nil, "UNKNOWN: signal errors: the source is unreachable or failed", "failed: 500 Internal Server Error, and then more than fits.", "", ""},
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
	begun := fact.Event{At: at, Begun: &fact.Release{Start: T, Supersedes: "shop@1", Parameters: map[string]string{"b": "2", "a": "1"}, Previous: rules.Previous{Version: "0.9"}}, Kind: fact.RunEvent}
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
			for _, c := range []fact.Code{fact.WhyMeasured, fact.WhyPolicy, fact.WhyResumed, fact.WhyCannotJudge} {
				v := fact.RuleView{Name: r.Name, Kind: r.Kind, State: fact.RuleFired, Why: fact.Why{Code: c, By: text("by"), Text: text("why")}, Evidence: e}
				got = append(got, Rule(plan, &v, T).Headline)
			}
		}
		by, why := text("by"), text("why")
		for _, kind := range fact.EventKinds() {
			ev := fact.Event{At: T, Kind: kind, Subject: text("subject"), To: "refused", By: by, Why: fact.Why{Code: fact.WhyNoSuchPhase, Phase: text("phase"), Text: why}}
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
