package lambda_test

import (
	"context"
	"flag"
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/exporters/actuator/lambda"
	"github.com/relgate/relgate/exporters/actuator/lambdatest"
	"github.com/relgate/relgate/exporters/outbox/faulttest"
)

var long = flag.Bool("long", false, "run the tests that take minutes")

// attempt is one call as a sink makes it, within ten seconds.
func attempt(t testing.TB, a *lambda.Alias, share float64) (lambda.Done, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return a.Weigh(ctx, share)
}

// Whatever becomes of one request, or of two, repeated attempts end at the goal by one update,
// and each failure on the way says truly whether something may have been done.
func TestWhateverFailsTheAliasIsTakenBackOnce(t *testing.T) {
	back := lambdatest.Alias{Version: "42", Weights: weights{}}
	runs := 0
	try := func(t *testing.T, first, second int, f, g faulttest.Fault) {
		synctest.Test(t, func(t *testing.T) {
			runs++
			s := newServer()
			s.Fault = func(n int) faulttest.Fault {
				switch n {
				case first:
					return f
				case second:
					return g
				}
				return faulttest.None
			}
			a := aliasOf(t, s, lambda.Config{})
			name := fmt.Sprintf("request %d: %v, request %d: %v", first, f, second, g)
			var err error
			for range 6 {
				before := len(s.Updates())
				var done lambda.Done
				done, err = attempt(t, a, 0)
				if e := refused(t, err); err != nil && e.Final {
					t.Errorf("%s: %q is final", name, e.Reason)
				} else if time.Sleep(25 * time.Second); err != nil && !e.Doubt && len(s.Updates()) > before { // late ones are through
					t.Errorf("%s: %q, and it was done", name, e.Reason)
				}
				if done.Changed && len(s.Updates()) == before {
					t.Errorf("%s: changed, and it was not", name)
				}
				if err == nil {
					break
				}
			}
			s.Fault = nil
			if again, err2 := attempt(t, a, 0); err != nil || err2 != nil || again.Changed || !reflect.DeepEqual(s.Alias(), back) || len(s.Updates()) != 1 {
				t.Errorf("%s: ends with %v, then %v, at %+v after %d updates", name, err, err2, s.Alias(), len(s.Updates()))
			}
			for _, wrong := range s.Wrong() {
				t.Errorf("%s: %s", name, wrong)
			}
		})
	}
	const requests = 5 // alias, version, CodeDeploy, update, alias
	then := []faulttest.Fault{faulttest.Lying, faulttest.Late}
	if *long {
		then = faulttest.Faults()
	}
	for first := 1; first <= requests; first++ {
		for _, f := range faulttest.Faults() {
			for second := first + 1; second <= first+requests; second++ {
				for _, g := range then {
					try(t, first, second, f, g)
				}
			}
		}
	}
	if want := requests * requests * len(faulttest.Faults()) * len(then); runs != want {
		t.Errorf("%d runs, want %d", runs, want)
	}
}

// Faults, goals and others who move the alias, as they come: nothing is ever set but a goal that
// was asked for, from where it may be set, and never again once it stands.
func TestNothingButTheGoalIsEverSet(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		faults := rapid.SliceOfN(rapid.SampledFrom(append(faulttest.Faults(), make([]faulttest.Fault, 8)...)), 40, 40).Draw(rt, "faults")
		moves := rapid.MapOf(rapid.IntRange(1, 40), rapid.SampledFrom([]lambdatest.Alias{{Version: "42"}, {Version: "43"}, {Version: "47"}, {Version: "42", Weights: weights{"43": 0.5}}, {Version: "42", Weights: weights{"47": 0.5}}})).Draw(rt, "moves")
		share := rapid.SampledFrom([]float64{0, 0.1, 0.5, 1}).Draw(rt, "share")
		goal := lambdatest.Alias{Version: "42", Weights: weights{"43": share}}
		switch share {
		case 0:
			goal.Weights = weights{}
		case 1:
			goal = lambdatest.Alias{Version: "43", Weights: weights{}}
		}
		synctest.Test(t, func(t *testing.T) {
			s, calls := newServer(), 0
			s.Move("42", nil)
			s.Before = func(string) {
				if calls++; moves[calls].Version != "" {
					s.Move(moves[calls].Version, moves[calls].Weights)
				}
			}
			s.Fault = func(n int) faulttest.Fault {
				if n <= len(faults) {
					return faults[n-1]
				}
				return faulttest.None
			}
			a := aliasOf(t, s, lambda.Config{})
			for range 7 {
				_, err := attempt(t, a, share)
				if e := refused(t, err); err == nil || e.Final {
					// The end: it stands as it should, or someone else has it.
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					if seen, looked := a.Look(ctx); looked == nil && len(moves) == 0 && seen.Share != share {
						rt.Errorf("ends with %v at %+v", err, s.Alias())
					}
					if len(moves) == 0 && err != nil {
						rt.Errorf("no one moved it, and %q is final", e.Reason)
					}
				}
				time.Sleep(30 * time.Second)
			}
			for _, u := range s.Updates() {
				foreign := u.From.Version == "47" || u.From.Weights["47"] > 0
				if !reflect.DeepEqual(u.To, goal) || foreign || reflect.DeepEqual(u.From, u.To) {
					rt.Errorf("an update from %+v to %+v, and the goal is %+v", u.From, u.To, goal)
				}
			}
			if len(s.Updates()) > len(moves)+1 {
				rt.Errorf("%d updates after %d moves", len(s.Updates()), len(moves))
			}
			for _, wrong := range s.Wrong() {
				rt.Error(wrong)
			}
		})
	})
}
