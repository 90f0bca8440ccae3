package report_test

import (
	"strings"
	"testing"

	"github.com/relgate/relgate/exporters/report"
	"github.com/relgate/relgate/exporters/wire"
)

// wayBack is rolledBack with a way back: what slowed the fault down, and three steps.
func wayBack() *report.Source {
	s := rolledBack()
	step := func(minute int, name, from, to string) wire.EventBody {
		f := &wire.Effect{Rule: "many-errors", Name: name, Do: "do " + name, To: map[string]string{"alias": "alias", "slow": "pipeline"}[name], By: map[string]string{"build": "Mobile"}[name]}
		return wire.EventBody{Kind: "effect", Subject: "many-errors/" + name, From: from, To: to, At: at(minute), Effect: f, Headline: name + " " + to, Sentence: "It is " + to + "."}
	}
	kept := func(e wire.EventBody, kept string) wire.EventBody { e.Kept = kept; return e }
	var events []wire.EventBody
	for _, e := range s.Run.Events {
		if e.Subject == "rollback_done" {
			continue
		}
		if e.Kind == "rule" && e.To == "fired" {
			events = append(events, step(30, "gone", "planned", "intended"), step(31, "gone", "intended", "dropped"), step(45, "slow", "planned", "intended"), step(46, "slow", "intended", "acknowledged"))
		}
		if events = append(events, e); e.Kind == "run" && e.To == "rolled_back" {
			events = append(events, step(51, "hold", "planned", "done"), step(51, "alias", "planned", "intended"), step(51, "build", "planned", "intended"), kept(step(53, "alias", "intended", "done"), "version 42 | all"),
				step(56, "build", "intended", "escalated"), step(57, "build", "intended", "acknowledged"), step(58, "build", "acknowledged", "done"),
				wire.EventBody{Kind: "effect", Subject: "shop", From: "done", To: "safe", At: at(64), Effect: &wire.Effect{}, Headline: "SAFE: users are safe"})
		}
	}
	for i := range events {
		events[i].N = uint64(i) + 1
	}
	s.Run.Events = events
	s.Run.Effects = wire.Effects{RolledBackAt: at(51), WayTakenAt: at(58), SafeSince: at(60)}
	return s
}

func TestTheWayBackIsReported(t *testing.T) {
	s := wayBack()
	r := report.Make(s).Rollbacks[0]
	if !r.WayTaken.Equal(*at(58)) || !r.SafeSince.Equal(*at(60)) || r.StoppedSince != nil || *r.ToTake != 420 || *r.ToSafe != 1200 || len(r.Steps) != 4 {
		t.Fatalf("got %+v", r)
	}
	build := r.Steps[3]
	if r.Steps[0].Name != "slow" || r.Steps[2].Answer != "version 42 | all" || build.By != "Mobile" || !build.Asked.Equal(*at(51)) || !build.Acknowledged.Equal(*at(57)) || !build.Done.Equal(*at(58)) || build.Told != 1 || build.State != "verified" {
		t.Errorf("got %+v", r.Steps)
	}
	text := markdown(t, s)
	for _, want := range []string{
		"- Way back taken: 2025-06-04 02:58 UTC, 7m after the order", "- Users safe since: 2025-06-04 03:00 UTC, 20m after the fault began", "SAFE: users are safe",
		"| do alias | alias | verified | 2025-06-04 02:51 UTC | – | 2025-06-04 02:53 UTC | version 42 \\| all |", "| do build | Mobile | verified, others told: 1 |", "| do hold | relgate |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text[strings.Index(text, "## Rollback\n"):][:1500])
		}
	}
	if strings.Contains(text, "not reported as carried out") {
		t.Error("the report says that it was not reported")
	}
	for _, m := range report.Make(s).Timeline {
		if strings.Contains(m.Text, "escalated") {
			t.Errorf("the timeline tells each reminder: %+v", m)
		}
	}
}

func TestWhatOnlyStoppedIsNotReportedAsSafe(t *testing.T) {
	s := wayBack()
	s.Run.Effects.SafeSince, s.Run.Effects.StoppedSince = nil, at(58)
	r := report.Make(s).Rollbacks[0]
	text := markdown(t, s)
	if r.SafeSince != nil || r.Steps[2].State != "done" || !strings.Contains(text, "- Stopped spreading since: 2025-06-04 02:58 UTC: who has the version keeps it") || strings.Contains(text, "Users safe since") {
		t.Errorf("got %+v", r)
	}
	s.Run.Effects.StoppedSince = nil
	if text := markdown(t, s); !strings.Contains(text, "- Users safe since: not known") {
		t.Error("the report does not say that it is not known")
	}
}
