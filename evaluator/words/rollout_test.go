package words

import (
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

func TestWordsOfTheTrafficThatIsSeen(t *testing.T) {
	plan, at := launch(), T.Add(20*time.Minute)
	since, until := T.Add(12*time.Minute), T.Add(35*time.Minute)
	p := &plan.Phases[0]
	p.Target = "alias live"
	share := func(code fact.Code, w fact.Why) fact.Why {
		w.Code, w.Phase, w.Planned = code, p.Name, .1
		return w
	}
	for want, w := range map[string]fact.Why{
		"phase " + p.Name + " has not the traffic that was planned: 0.5 % of the traffic has it, 10 % planned, since 02:12 UTC": share(fact.WhyShareDiffers, fact.Why{Observed: .005, Since: since}),
		"phase " + p.Name + " has the traffic that was planned: 9.5 % of the traffic has it, 10 % planned":                      share(fact.WhyShareMatches, fact.Why{Observed: .095}),
		"the traffic of phase " + p.Name + " is not looked at any more":                                                         share(fact.WhyShareUnwatched, fact.Why{}),
		"waiting until 10 % of the traffic has it; 3 % has":                                                                     share(fact.WhyAwaitsShare, fact.Why{Observed: .03}),
		"waiting until 10 % of the traffic has it; how much has is not known, no data":                                          share(fact.WhyAwaitsShare, fact.Why{Cause: rules.CauseNoData}),
		"started when its traffic was seen: 12 % of the traffic has it, 10 % planned; watched until 02:35 UTC":                  share(fact.WhyStartedByShare, fact.Why{Observed: .12, Until: until}),
		"the traffic of phase " + p.Name + " holds the run, and this token may end a person's hold only":                        share(fact.WhyMismatchHolds, fact.Why{}),
	} {
		if got := ground(plan, &w, at); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	event := func(to string, w fact.Why) Text {
		return Event(plan, &fact.Event{At: at, Kind: fact.RolloutEvent, Subject: p.Name, Phase: p.Name, To: to, Why: w}, nil)
	}
	told := event(fact.Mismatch, share(fact.WhyShareDiffers, fact.Why{Observed: .005, Since: since}))
	if told.Headline != "WARN: phase "+p.Name+": 0.5 % of the traffic has it, 10 % planned" || told.Who != p.Owner ||
		told.Do != "see who moved the traffic of alias live, and bring it to what was planned" || !strings.HasSuffix(told.Sentence, "since 02:12 UTC.") {
		t.Errorf("%+v", told)
	}
	if got := event(fact.Match, share(fact.WhyShareMatches, fact.Why{Observed: .1})).Headline; got != "NOTE: phase "+p.Name+": 10 % of the traffic has it, 10 % planned" {
		t.Error(got)
	}
	if got := event(fact.Over, share(fact.WhyShareUnwatched, fact.Why{})).Headline; got != "NOTE: phase "+p.Name+": its traffic is not looked at any more" {
		t.Error(got)
	}
	p.Target = ""
	if got := doShift(plan, p.Name); got != "see who moved the traffic, and bring it to what was planned" {
		t.Error(got)
	}
}

// A hold by the traffic says both numbers as it began, and what is seen now.
func TestWordsOfAHoldByTheTraffic(t *testing.T) {
	plan, at := launch(), T.Add(20*time.Minute)
	name := plan.Phases[0].Name
	w := fact.Why{Code: fact.WhyHeldByMismatch, Phase: name, Observed: .005, Planned: .1, Since: T.Add(12 * time.Minute), Cause: rules.CauseThreshold}
	s := &fact.Snapshot{
		At: at, State: rules.Held, Held: true, Holder: fact.Holder{Cause: w.Cause, Mismatch: w}, Why: w, Manager: "Kim",
		Phases: []fact.PhaseView{
			{Name: name, Traffic: .1, Owner: "Ops", State: rules.Monitoring, Verdict: rules.Pending, Why: w, Observed: &fact.Observed{Known: true, Share: .02, Mismatch: w.Since}},
			{Name: "other", Why: w},
		},
	}
	got := Run(plan, s)
	want := "The traffic of phase " + name + " holds the run: 0.5 % of the traffic has it, 10 % planned, since 02:12 UTC. Every gate of the run is closed until it is resumed."
	if got.Headline != "HOLD: phase "+name+": 0.5 % of the traffic has it, 10 % planned" || got.Sentence != want || got.Who != "Ops" ||
		len(got.Detail) != 1 || got.Detail[0] != "Now: 2 % of the traffic has it, 10 % planned, another share than planned since 02:12 UTC." ||
		!strings.HasSuffix(got.Do, "; then resume the run, or abort it") {
		t.Errorf("%+v", got)
	}
	if said := HeldByTraffic(s); !strings.HasPrefix(want, said) {
		t.Errorf("%s", said)
	}
	if verb := phaseVerb(s, &s.Phases[0]); verb != hold {
		t.Error(verb)
	}
	p := &s.Phases[0]
	p.Observed = &fact.Observed{Cause: rules.CauseStale}
	if said := Observed(p, at); said != "how much of the traffic has it is not known, newest data too old" {
		t.Error(said)
	}
	p.Observed = &fact.Observed{Known: true, Share: .1}
	if said := Observed(p, at); said != "10 % of the traffic has it, 10 % planned" {
		t.Error(said)
	}
	// A phase that is watched says what is seen of it.
	p.Why, s.State, s.Held, s.Holder = fact.Why{Code: fact.WhyWatched, Until: T.Add(time.Hour)}, rules.Monitoring, false, fact.Holder{}
	if d := Phase(plan, s, 0).Detail; len(d) != 1 || d[0] != "10 % of the traffic has it, 10 % planned." {
		t.Errorf("%q", d)
	}
	p.Observed = nil
	if said := Observed(p, at); said != "" {
		t.Error(said)
	}
}

func TestMessagesTellTheShareThatIsSeen(t *testing.T) {
	plan := launch()
	e := &fact.Event{Kind: fact.CommunicationEvent, Told: &fact.Told{Traffic: .1}}
	if got := MessageText(plan, e, "{observed} of {traffic}", "", ""); got != "not known of 10 %" {
		t.Error(got)
	}
	e.Told.Observed = new(float64)
	*e.Told.Observed = .005
	if got := MessageText(plan, e, "{observed} of {traffic}", "", ""); got != "0.5 % of 10 %" {
		t.Error(got)
	}
}
