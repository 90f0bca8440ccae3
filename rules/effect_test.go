package rules

import (
	"strings"
	"testing"
	"time"
)

func TestTheWayBackAsItIsWritten(t *testing.T) {
	effects := func(list ...EffectSpec) func(*Spec) {
		return func(s *Spec) {
			s.People = []PersonSpec{{Name: "Mobile", Slack: "#mobile"}, {Name: "CTO"}}
			s.Rollback[0].Effects = list
		}
	}
	after := func(d time.Duration) *Duration { return &Duration{d} }
	revert := EffectSpec{Name: "alias", Do: "revert", To: "alias", Command: "aws"}
	for name, tt := range map[string]struct {
		spec func(*Spec)
		want string // a part of the first problem; empty: none
	}{
		"at once":           {effects(revert, EffectSpec{Name: "build", Do: "remove the build", By: "Mobile"}), ""},
		"a ladder":          {effects(EffectSpec{Name: "hold", Do: "hold"}, EffectSpec{Name: "back", Do: "roll back", After: after(10 * time.Minute)}, revert), ""},
		"weights down":      {effects(EffectSpec{Name: "less", Do: "weigh", To: "alias", Share: &Fraction{.05}}, EffectSpec{Name: "back", Do: "roll back", After: after(10 * time.Minute)}, revert), ""},
		"no share":          {effects(EffectSpec{Name: "less", Do: "weigh", To: "alias"}, EffectSpec{Name: "back", Do: "roll back", After: after(10 * time.Minute)}), "share: missing"},
		"all of it":         {effects(EffectSpec{Name: "less", Do: "weigh", To: "alias", Share: &Fraction{1}}, EffectSpec{Name: "back", Do: "roll back", After: after(10 * time.Minute)}), "want more than 0 % and less than 100 %"},
		"weights too late":  {effects(EffectSpec{Name: "less", Do: "weigh", To: "alias", Share: &Fraction{.05}}), "is to get no requests at all"},
		"a share of none":   {effects(EffectSpec{Name: "alias", Do: "revert", To: "alias", Share: &Fraction{.05}}), "only what weighs needs it"},
		"nothing to do":     {effects(EffectSpec{Name: "x", To: "alias"}), "do: missing"},
		"no one":            {effects(EffectSpec{Name: "x", Do: "revert"}), "reaches no one"},
		"two":               {effects(EffectSpec{Name: "x", Do: "revert", To: "alias", By: "Mobile"}), "to is given as well"},
		"a stranger":        {effects(EffectSpec{Name: "x", Do: "y", By: "Mobil"}), `role of [people] "Mobil"`},
		"out of reach":      {effects(EffectSpec{Name: "x", Do: "y", By: "CTO"}), `cannot reach "CTO"`},
		"its own":           {effects(EffectSpec{Name: "x", Do: "hold", To: "alias"}), "relgate does it itself"},
		"twice":             {effects(EffectSpec{Name: "a", Do: "roll back", After: after(time.Minute)}, EffectSpec{Name: "b", Do: "roll back"}), "rolls back already"},
		"a hold too late":   {effects(EffectSpec{Name: "a", Do: "roll back", After: after(time.Minute)}, EffectSpec{Name: "b", Do: "hold"}), "nothing to hold"},
		"no time":           {effects(EffectSpec{Name: "a", Do: "hold"}, EffectSpec{Name: "b", Do: "roll back"}), "no time to help"},
		"said for nothing":  {effects(EffectSpec{Name: "b", Do: "roll back"}, revert), "rolls back at once where nothing says otherwise"},
		"too long":          {effects(EffectSpec{Name: "a", Do: "revert", To: "alias", Ack: after(time.Second)}), "ack"},
		"a name with space": {effects(EffectSpec{Name: "a b", Do: "revert", To: "alias"}), "a b"},
	} {
		t.Run(name, func(t *testing.T) {
			s := goodSpec()
			tt.spec(&s)
			_, problems := Compile(s)
			var said []string
			for _, p := range problems {
				if strings.Contains(p.Path, "effects") {
					said = append(said, p.Path+": "+p.Message)
				}
			}
			if got := strings.Join(said, "\n"); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestALadderInALine(t *testing.T) {
	r := Rule{Effects: []Effect{
		{Name: "hold", Do: DoHold, Ack: DefaultAck},
		{Name: "scale", Do: "scale down", To: ParseAddress("slack #ops"), After: time.Minute, Ack: time.Minute, Command: "make small", Link: "https://wiki.example"},
		{Name: "back", Do: DoRollBack, After: 10 * time.Minute, Ack: DefaultAck},
		{Name: "build", Do: "remove the build", By: "Mobile", Ack: DefaultAck},
		{Name: "alias", Do: DoRevert, To: ParseAddress("alias"), Ack: DefaultAck, Version: "43", Previous: "42"},
		{Name: "less", Do: DoWeigh, To: ParseAddress("alias"), Ack: DefaultAck, Version: "43", Previous: "42", Share: .05},
	}}
	want := []string{"hold", "scale down at slack #ops after 1m, acknowledged within 1m, make small, https://wiki.example", "roll back after 10m", "remove the build by Mobile", "revert at alias, of 43 to 42", "weigh at alias, 5 %, of 43 to 42"}
	for i := range r.Effects {
		if got := r.Effects[i].String(); got != want[i] {
			t.Errorf("got %q, want %q", got, want[i])
		}
	}
	if r.Rung() != 2 || r.Slow() != 11*time.Minute || (&Rule{}).Rung() != -1 || (&Rule{}).Slow() != 0 {
		t.Errorf("it rolls back at %d after %v", r.Rung(), r.Slow())
	}
	if e := r.Effects[1]; e.Confirmed() || !(&Effect{Do: DoPause}).Confirmed() {
		t.Error("who reads back what it did is not known")
	}
}

// An edit of a step is a change of its rule.
func TestAnEditOfAStepIsAChange(t *testing.T) {
	spec := goodSpec()
	spec.Rollback[0].Effects = []EffectSpec{{Name: "ops", Do: "restart", To: "slack"}}
	before, _ := Compile(spec)
	spec.Rollback[0].Effects = []EffectSpec{{Name: "ops", Do: "restart twice", To: "slack"}}
	after, _ := Compile(spec)
	changes := Diff(before, after)
	if len(changes) != 1 || changes[0].Path != "rollback."+spec.Rollback[0].Name+".effects.ops" || changes[0].From != "restart at slack" || changes[0].To != "restart twice at slack" {
		t.Errorf("got %+v", changes)
	}
}
