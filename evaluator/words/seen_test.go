package words

import (
	"testing"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

func TestZerosOfANameThatWasNeverSeen(t *testing.T) {
	for _, tt := range []struct {
		name                     string
		v                        fact.RuleView
		wantHeadline, wantRemark string
	}{
		{
			"after a look", fact.RuleView{Why: fact.Why{Code: fact.WhyNeverSeen}, State: fact.RuleSilent, Evidence: fact.Evidence{Note: "Shop 5XXErorr was never seen: is the name right?"}},
			"UNKNOWN: API 5xx: zeros of a name that was never seen",
			"API 5xx: Shop 5XXErorr was never seen: is the name right? If the service never failed, write assume_seen = true on signal errors.",
		},
		{
			"of a source that says nothing", fact.RuleView{Why: fact.Why{Code: fact.WhyNeverSeen}, State: fact.RuleSilent},
			"UNKNOWN: API 5xx: zeros of a name that was never seen",
			"API 5xx: the name behind its zeros was never seen, so they prove nothing: is it right? If the service never failed, write assume_seen = true on signal errors.",
		},
		{
			"before a look", fact.RuleView{Why: fact.Why{Code: fact.WhyNotSeenYet}, State: fact.RuleIdle},
			"WAIT: API 5xx: zeros of a name that was not seen yet",
			"API 5xx: zeros stand for its values, and its source has not looked yet whether the name was ever seen.",
		},
		{
			"as the plan assumes", fact.RuleView{Why: fact.Why{Code: fact.WhyNotWatched}, State: fact.RuleIdle, Evidence: fact.Evidence{Assumed: true}},
			"WAIT: API 5xx: no phase that names it has begun",
			"API 5xx: no phase that names it has begun. The name behind its zeros was never seen, and they count because the plan says assume_seen = true.",
		},
	} {
		tt.v.Kind, tt.v.Name = rules.RollbackRule, "high"
		if got := Rule(launch(), &tt.v, T); got.Headline != tt.wantHeadline || got.Sentence != tt.wantRemark {
			t.Errorf("%s: got %q, %q", tt.name, got.Headline, got.Sentence)
		}
	}
}

func TestAnUpgradeInMidRunIsSaid(t *testing.T) {
	e := fact.Event{At: T, Kind: fact.PlanEvent, Subject: "shop", To: "judged_anew", Why: fact.Why{Code: fact.WhyJudgedAnew, N: 2, Of: 1}}
	got := Event(launch(), &e, nil)
	if got.Headline != "NOTE: relgate was upgraded, and judges anew" || got.Sentence != "The way relgate judges has changed from 1 to 2. What was decided stands; every rule was looked at again." {
		t.Errorf("got %q, %q", got.Headline, got.Sentence)
	}
	e.Why.N, e.Why.Of = 3, 4
	got = Event(launch(), &e, nil)
	if got.Headline != "NOTE: an older relgate was started, and judges as it did before" || got.Sentence != "The way relgate judges has changed from 4 to 3. What was decided stands; every rule was looked at again." {
		t.Errorf("got %q, %q", got.Headline, got.Sentence)
	}
}
