package rules

import (
	"strings"
	"testing"
	"time"
)

func TestWhatAPlanWantsOfItsRehearsal(t *testing.T) {
	month, short := &Duration{30 * 24 * time.Hour}, &Duration{time.Minute}
	alias := []EffectSpec{{Name: "alias", Do: "revert", To: "alias", Command: "back {version}"}}
	person := []EffectSpec{{Name: "build", Do: "remove it", By: "Mobile"}}
	for name, tt := range map[string]struct {
		rehearsal RehearsalSpec
		effects   []EffectSpec
		obstacle  bool
		mark      string
		want      string // a part of the problem; empty: none
	}{
		"nothing":            {RehearsalSpec{}, alias, false, "", ""},
		"a drill":            {RehearsalSpec{MaxAge: month}, alias, true, "revert | alias | back {version} | {version} | {previous}", ""},
		"a drill of weights": {RehearsalSpec{MaxAge: month}, []EffectSpec{{Name: "less", Do: "weigh", To: "alias", Share: &Fraction{.05}}, {Name: "back", Do: "roll back", After: month}}[:1], true, "weigh | alias |  | {version} | {previous} | 5 %", ""},
		"a warning":          {RehearsalSpec{MaxAge: month, Unproven: "warning"}, alias, false, "revert | alias | back {version} | {version} | {previous}", ""},
		"a proof, no drill":  {RehearsalSpec{Unproven: "obstacle"}, alias, true, "", ""},
		"too short":          {RehearsalSpec{MaxAge: short}, alias, true, "revert | alias | back {version} | {version} | {previous}", "rehearsal.max_age"},
		"a typo":             {RehearsalSpec{Unproven: "warn"}, alias, false, "", `known: obstacle, warning`},
		"nothing to do":      {RehearsalSpec{MaxAge: month}, nil, true, "", "nothing can be rehearsed"},
		"a person's steps":   {RehearsalSpec{Unproven: "obstacle"}, person, true, "", "nothing can be rehearsed"},
		"a note, no effects": {RehearsalSpec{Note: "tried"}, nil, false, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := goodSpec()
			s.Rehearsal, s.Rollback[0].Effects = tt.rehearsal, tt.effects
			s.People = []PersonSpec{{Name: "Mobile", Slack: "#mobile"}}
			plan, problems := Compile(s)
			var said []string
			for _, p := range problems {
				if strings.HasPrefix(p.Path, "rehearsal") {
					said = append(said, p.Path+": "+p.Message+" "+p.Fix)
				}
			}
			if got := strings.Join(said, "\n"); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if plan == nil {
				return
			}
			if plan.Rehearsal.Obstacle != tt.obstacle {
				t.Errorf("an obstacle: %v, want %v", plan.Rehearsal.Obstacle, tt.obstacle)
			}
			for _, r := range plan.Rules {
				for _, e := range r.Effects {
					if e.Mark != tt.mark {
						t.Errorf("it is known by %q, want %q", e.Mark, tt.mark)
					}
				}
			}
		})
	}
}

// What a person says of the way back cannot be taken for a phase.
func TestNoPhaseHasTheNameOfTheWayBack(t *testing.T) {
	s := goodSpec()
	s.Phases[0].Name = ApprovesWayBack
	_, problems := Compile(s)
	for _, p := range problems {
		if p.Path == "phases.way_back" && p.ID == "conflict" {
			return
		}
	}
	t.Errorf("got %v", problems)
}

// A step of the way back may want signatures, what relgate does itself does not.
func TestAStepThatIsSignedFor(t *testing.T) {
	for name, want := range map[string]string{"%s/alias": "", "%s/hold": "unknown-phase", "%s/none": "unknown-phase"} {
		s := goodSpec()
		s.Rollback[0].Effects = []EffectSpec{{Name: "hold", Do: DoHold}, {Name: "back", Do: DoRollBack, After: &Duration{time.Minute}}, {Name: "alias", Do: "revert", To: "alias"}}
		s.Approvals = []ApprovalSpec{{Name: strings.Replace(name, "%s", s.Rollback[0].Name, 1), Roles: []string{"CTO"}}}
		_, problems := Compile(s)
		got := ""
		for _, p := range problems {
			if strings.HasPrefix(p.Path, "approvals") {
				got = p.ID
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
