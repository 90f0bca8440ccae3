package words

import (
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// slowPlan is launch with a rule that slows the fault down for ten minutes, and one that
// goes by a threshold.
func slowPlan() *rules.Plan {
	p := launch()
	for i := range p.Rules {
		if r := &p.Rules[i]; r.Kind == rules.RollbackRule && r.Name != "calm" {
			r.Effects = []rules.Effect{{Name: "hold", Do: rules.DoHold}, {Name: "back", Do: rules.DoRollBack, After: 10 * time.Minute}}
		}
	}
	return p
}

func TestWordsOfTheWayBack(t *testing.T) {
	plan, at := launch(), T.Add(79*time.Minute)
	fault := T.Add(70 * time.Minute)
	alias := fact.Effect{Rule: "high", Name: "alias", Do: "revert", To: "alias", Command: "aws lambda update-alias", Link: "https://runbook.example/alias", Within: "5m0s"}
	build := fact.Effect{Rule: "high", Name: "build", Do: "remove the build", By: "Mobile", Within: "5m0s"}
	capacity := fact.Effect{Rule: "high", Name: "capacity", Do: "add capacity", To: "pipeline", Slow: true, Within: "2m0s"}
	said := fact.Event{ID: "shop/9", Kind: fact.CommandEvent, Subject: "effect_done", To: "applied", By: "ann", Why: fact.Why{Text: "removed"}}
	step := func(f fact.Effect, from, to string, w fact.Why) fact.Event {
		return fact.Event{At: at, Run: "shop@1", Plan: "shop", Kind: fact.EffectEvent, Subject: f.Rule + "/" + f.Name, From: from, To: to, Why: w, Effect: &f}
	}
	kept := func(e fact.Event, kept string) fact.Event { e.Kept = kept; return e }
	whole := func(from, to string, w fact.Why) fact.Event {
		return fact.Event{At: at, Run: "shop@1", Plan: "shop", Kind: fact.EffectEvent, Subject: "shop", From: from, To: to, Why: w, Effect: &fact.Effect{Fault: fault}}
	}
	for _, tt := range []struct {
		name           string
		e              fact.Event
		root           *fact.Event
		want           string
		says, do, runs string
		who            string
	}{
		{"asked of a sink", step(alias, fact.Planned, fact.Intended, fact.Why{Code: fact.WhyEffectDue, Rule: "high"}), nil,
			"DO: revert at alias (rule API 5xx fires)", "It is to be acknowledged within 5 min, else others are told.", "revert", "aws lambda update-alias", "DevSecOps"},
		{"asked of a person", step(build, fact.Planned, fact.Intended, fact.Why{Code: fact.WhyEffectDue, Rule: "high"}), nil,
			"DO: remove the build by Mobile (rule API 5xx fires)", "Acknowledge it with `relgate effects ack shop@1 high/build`, and say that it is done with `relgate effects done shop@1 high/build`.", "remove the build", "", "Mobile"},
		{"what only slows", step(capacity, fact.Planned, fact.Intended, fact.Why{Code: fact.WhyEffectDue, Rule: "high"}), nil,
			"DO: add capacity at pipeline (rule API 5xx fires)", "It only slows the fault down; the run is held meanwhile.", "add capacity", "", "DevSecOps"},
		{"acknowledged", step(capacity, fact.Intended, fact.Acknowledged, fact.Why{Code: fact.WhyEffectTaken}), nil,
			"ACKNOWLEDGED: add capacity at pipeline: whoever does it has it", "Add capacity at pipeline: whoever does it has it.", "", "", "DevSecOps"},
		{"done, as the sink read back", kept(step(alias, fact.Intended, fact.Done, fact.Why{Code: fact.WhyEffectDone}), "version 42 has all requests"), nil,
			"DONE: revert at alias: version 42 has all requests", "", "", "", "DevSecOps"},
		{"done, as a person says", step(build, fact.Intended, fact.Done, fact.Why{Code: fact.WhyEffectReported}), &said,
			"DONE: remove the build by Mobile: said by ann: removed", "", "", "", "Mobile"},
		{"not done", step(alias, fact.Intended, fact.Failed, fact.Why{Code: fact.WhyEffectFailed, Text: "denied"}), nil,
			"NOT DONE: revert at alias: denied", "Revert at alias: denied.", "do it by hand, then say so: `relgate effects done shop@1 high/alias`", "aws lambda update-alias", "DevSecOps"},
		{"skipped", step(build, fact.Intended, fact.Skipped, fact.Why{Code: fact.WhyEffectReported}), &said, "SKIPPED: remove the build by Mobile: said by ann: removed", "", "", "", "Mobile"},
		{"dropped", step(capacity, fact.Planned, fact.Dropped, fact.Why{Code: fact.WhyEffectDropped}), nil, "NOT NEEDED: add capacity at pipeline: the rule is good again", "", "", "", "DevSecOps"},
		{"not answered", step(alias, fact.Intended, fact.Escalated, fact.Why{Code: fact.WhyEffectUnanswered, Since: T.Add(7 * time.Minute), N: 2}), nil,
			"NO ANSWER: revert at alias: asked at 02:07 UTC, told others 2 times", "", "see to it, and say so: `relgate effects ack shop@1 high/alias`", "aws lambda update-alias", "DevSecOps"},
		{"failed, and not answered", step(alias, fact.Failed, fact.Escalated, fact.Why{Code: fact.WhyEffectUnanswered, Since: T.Add(7 * time.Minute), N: 1}), nil,
			"NO ANSWER: revert at alias: it could not be done", "it could not be done; asked at 02:07 UTC, told others once.", "see to it, and say so: `relgate effects ack shop@1 high/alias`", "aws lambda update-alias", "DevSecOps"},
		{"taken", whole(fact.Intended, fact.Taken, fact.Why{Code: fact.WhyRollbackTaken}), nil,
			"ROLLED BACK: every step of the way back is done", "The rollback counts as carried out", "", "", "Ada"},
		{"safe", whole(fact.Done, fact.Safe, fact.Why{Code: fact.WhySafe, Since: at}), nil,
			"SAFE: users are safe since 03:19 UTC, 9 min after the fault began", "The way back was taken, and the signals are good again.", "", "", "Ada"},
		{"stopped", whole(fact.Done, fact.Stopped, fact.Why{Code: fact.WhyStopped, Since: T.Add(72 * time.Minute), Text: "20 % of the users have it"}), nil,
			"STOPPED: it spreads no further since 03:12 UTC; 20 % of the users have it", "Who has the version keeps it, so nothing says that users are safe.", "see to those who have the version: relgate cannot take it from them", "", "Ada"},
		{"unproven", whole(fact.Done, fact.Unproven, fact.Why{Code: fact.WhyUnproven, Since: T.Add(7 * time.Minute)}), nil,
			"UNPROVEN: rolled back at 02:07 UTC; the signals were not seen to be good since", "Whether users are safe is not known, and the signals are watched no more.", "look whether users are safe", "", "Ada"},
		{"unproven, and open", whole(fact.Intended, fact.Unproven, fact.Why{Code: fact.WhyUnproven, Since: T.Add(7 * time.Minute)}), nil,
			"UNPROVEN: rolled back at 02:07 UTC; the signals were not seen to be good since", "Steps of the way back are still open.", "look whether users are safe", "", "Ada"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Event(plan, &tt.e, tt.root)
			if got.Headline != tt.want || !strings.Contains(got.Sentence, tt.says) || got.Do != tt.do || got.Command != tt.runs || got.Who != tt.who {
				t.Errorf("got\n%q\n%q\ndo %q, command %q, who %q", got.Headline, got.Sentence, got.Do, got.Command, got.Who)
			}
			link := strings.Join(got.Detail, "") == "Described at https://runbook.example/alias"
			if want := tt.e.Effect.Link != ""; link != want {
				t.Errorf("the detail is %q", got.Detail)
			}
			if tt.e.To == fact.Stopped && strings.Contains(got.Headline, "safe") {
				t.Errorf("what has only stopped is called safe: %q", got.Headline)
			}
			tt.e.Effect, tt.root = nil, nil // as an event that lost it
			if got := Event(plan, &tt.e, nil); got.Headline == "" || got.Sentence == "" {
				t.Errorf("without an effect it says %+v", got)
			}
		})
	}
}

// A rule that slows the fault down says when it rolls back, whichever way it judges.
func TestAHoldThatLeadsToARollbackSaysWhen(t *testing.T) {
	plan, at := slowPlan(), T.Add(71*time.Minute)
	weighed := counts(552, 11010, .0501, T, at)
	weighed.Weighed.Rung = fact.RollbackRung
	bare := weighed
	bare.Weighed = nil
	only := counts(552, 11010, .0501, T, at)
	only.Weighed.Rung = fact.HoldRung
	step := func(state string) []fact.EffectView {
		return []fact.EffectView{{Rule: "high", Name: "back", Do: rules.DoRollBack, Slow: true, State: state, Due: T.Add(75 * time.Minute)}}
	}
	for _, tt := range []struct {
		name  string
		ev    fact.Evidence
		steps []fact.EffectView
		want  string
	}{
		{"weighed", weighed, step(fact.Planned), "It rolls back at 03:15 UTC if it still stands; the run is held meanwhile."},
		{"a threshold", bare, step(fact.Planned), "It rolls back at 03:15 UTC if it still stands; the run is held meanwhile."},
		{"as it begins", weighed, nil, "It rolls back after 10 min if it still stands; the run is held meanwhile."},
		{"a person does not want it", weighed, step(fact.Skipped), "The run is held until it is resumed."},
		{"it holds and would not roll back", only, nil, "The run is held until it is resumed."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &fact.Snapshot{At: at, State: rules.Held, Verdict: rules.Pending, Holder: fact.Holder{Rule: true, By: "high", Evidence: &tt.ev}, Effects: fact.Effects{Steps: tt.steps}}
			if got := Run(plan, s).Sentence; !strings.Contains(got, tt.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// What is known of users stands in the run's own sentence.
func TestARolledBackRunSaysWhetherUsersAreSafe(t *testing.T) {
	plan, at := launch(), T.Add(90*time.Minute)
	fired := fact.Event{At: T.Add(70 * time.Minute), Kind: fact.CommandEvent, Subject: "abort", To: "applied", By: "ann", Why: fact.Why{Code: fact.WhyCommanded, Text: "no"}}
	steps := []fact.EffectView{
		{Rule: "high", Name: "alias", Do: "revert", Sink: "alias", State: fact.Intended, At: T.Add(70 * time.Minute)},
		{Rule: "high", Name: "build", Do: "remove the build", Role: "Mobile", State: fact.Planned, Due: T.Add(95 * time.Minute)},
	}
	s := &fact.Snapshot{At: at, State: rules.RolledBack, Verdict: rules.Rollback, Fired: &fired, Why: fact.Why{Code: fact.WhyAborted, By: "ann"}, Effects: fact.Effects{Rolled: fired.At, Steps: steps}}
	if got := strings.Join(Run(plan, s).Detail, "; "); !strings.Contains(got, "revert at alias: intended since 03:10 UTC; remove the build by Mobile: due at 03:35 UTC") {
		t.Errorf("what is open is %q", got)
	}
	s.RolledBack, s.Verdict, s.Why = true, rules.Fail, fact.Why{Code: fact.WhyRollbackTaken}
	back, ended := T.Add(72*time.Minute), T.Add(79*time.Minute)
	for _, tt := range []struct {
		e    fact.Effects
		over bool
		want string
	}{
		{fact.Effects{Steps: steps, Back: back}, false, "FAIL: every step of the way back is done"},
		{fact.Effects{Steps: steps, Back: back}, true, "FAIL: every step of the way back is done"},
		{fact.Effects{Steps: steps, Back: back, Ended: ended}, true, "FAIL: every step of the way back is done; users are safe since 03:19 UTC"},
		{fact.Effects{Steps: steps, Back: back, Ended: ended, Stopped: true}, true, "FAIL: every step of the way back is done; it spreads no further since 03:19 UTC"},
		{fact.Effects{}, true, "FAIL: every step of the way back is done"},
	} {
		s.Effects, s.Over = tt.e, tt.over
		got := Run(plan, s)
		if !strings.HasPrefix(got.Headline, tt.want) {
			t.Errorf("got %q", got.Headline)
		}
		unknown := strings.Contains(got.Sentence, "whether users are safe is not known")
		if want := len(tt.e.Steps) > 0 && tt.e.Ended.IsZero(); unknown != want || strings.Contains(got.Sentence, "not known yet") != (want && !tt.over) {
			t.Errorf("got %q", got.Sentence)
		}
	}
}
