package people

import (
	"math"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/stored"
	"github.com/relgate/relgate/rules"
)

// Before there were signatures a state held the messages alone, a byte each.
func TestMessagesOfAnOlderForm(t *testing.T) {
	plan := &rules.Plan{
		Communications: []rules.Communication{{Name: "a"}, {Name: "b"}, {Name: "c"}},
		Approvals:      []rules.Approval{{}, {Allows: "start", Roles: []string{"CTO"}, Need: 1}}, Review: rules.Review{Sign: []string{"CTO"}},
	}
	st := readOlder(t, 0, 1, 2)
	fitted := st.Fitted(plan)
	v := fitted.View(plan, 0, 0, rules.Waiting, nil)
	for i, want := range []string{fact.Waiting, fact.Due, fact.Skipped} {
		if got := v.Messages[i].State; got != want {
			t.Errorf("message %d is %s, want %s", i, got, want)
		}
	}
	if len(v.Approvals) != 1 || v.Approvals[0].Given() || len(v.Review.Roles) != 1 {
		t.Errorf("got %+v", v)
	}
	other := *plan
	other.Approvals = []rules.Approval{{}, {Allows: "start", Roles: []string{"CTO", "CFO"}, Need: 2}}
	if fitted.Fits(&other) || !fitted.Fits(plan) {
		t.Error("a state fits a plan that asks other roles")
	}
}

// What an older judging has said of being late is not said again.
func TestLateIsFollowed(t *testing.T) {
	plan := &rules.Plan{Name: "shop", Promised: true, Completion: time.Unix(1000, 0), Phases: []rules.Phase{{Name: "ten"}}}
	said := 0
	sc := &Scene{
		Plan: plan, At: 1200, Phases: []Phase{{State: rules.Waiting}}, End: func() int64 { return 1200 },
		Emit: func(fact.Event) uint64 { said++; return 1 },
	}
	st := Begin(plan)
	st.Tick(sc).Tick(sc)
	if said != 1 {
		t.Fatalf("said %d times, want once", said)
	}
	st.Follow(plan, &fact.Event{Kind: fact.PlanEvent, To: fact.Late}).Tick(sc)
	if said != 1 {
		t.Error("it is said again")
	}
	st.Follow(plan, &fact.Event{Kind: fact.PlanEvent, To: "edited"}).Tick(sc)
	if said != 2 {
		t.Error("an edit counts as said")
	}
}

// While a phase waits beyond its time, the end of the run moves with the clock.
func TestWhenARunIsLateIsKnownAhead(t *testing.T) {
	plan := &rules.Plan{Promised: true, Completion: time.Unix(1000, 0), Interval: 30 * time.Second, Phases: []rules.Phase{{Name: "ten", Extend: 10 * time.Second}}}
	waiting := []Phase{{State: rules.Waiting}}
	for _, tt := range []struct {
		name       string
		start, end int64
		over       bool
		phases     []Phase
		said       bool
		want       int64
	}{
		{"it waits beyond its time", 0, 900, false, waiting, false, 241},
		{"it is late by now", 0, 2000, false, waiting, false, 101},
		{"its time is to come", 200, 900, false, waiting, false, math.MaxInt64},
		{"it has begun", 0, 900, false, []Phase{{State: rules.Monitoring, Started: 50}}, false, math.MaxInt64},
		{"the run is decided", 0, 900, true, waiting, false, math.MaxInt64},
		{"it is said", 0, 900, false, waiting, true, math.MaxInt64},
	} {
		st := Begin(plan)
		if tt.said {
			st = st.Follow(plan, &fact.Event{Kind: fact.PlanEvent, To: fact.Late})
		}
		if got := st.Next(plan, 100, tt.start, tt.end, tt.over, tt.phases); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// readOlder reads the oldest stored form, which has where each message stands and nothing else.
func readOlder(t *testing.T, messages ...byte) State {
	t.Helper()
	w := stored.NewWriter("x\x01", 16)
	stored.List(w, messages, func(w *stored.Writer, b *byte) { w.Byte(*b) })
	bytes, err := w.Seal()
	if err != nil {
		t.Fatal(err)
	}
	r, err := stored.Open("x\x01", 1, bytes)
	if err != nil {
		t.Fatal(err)
	}
	st := Read(r)
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	return st
}
