package evaluator

import (
	"slices"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/rules"
)

// zeros is a run whose bad count has no value: zeros stand for it.
func zeros(t *testing.T, plan *rules.Plan, seen, looked bool) *world {
	w := newWorld(t, plan)
	w.value = func(int, int64) (float64, float64, bool) { return 0, 1000, true }
	w.bend = func(rd *rules.Reading) bool {
		if rd.Signal == 0 {
			rd.Seen, rd.Looked, rd.Note = seen, looked, "Erorrs was never seen"
			rd.Points = slices.Clone(rd.Points)
			for _, p := range rd.Points {
				rd.Filled = append(rd.Filled, p.At)
			}
		}
		return true
	}
	return w
}

func sequentialPlan() *rules.Plan {
	p := smallPlan()
	for _, i := range []int{0, 1} {
		r := &p.Rules[i]
		r.Method, r.Limit, r.Trigger, r.Alpha = rules.Sequential, .01, .03, .005
	}
	p.FalsePass = .05
	return p
}

// Zeros of a name that was never seen let nothing pass, whatever judges them, and
// whatever the policy for missing data is they roll nothing back.
func TestZerosOfANameThatWasNeverSeenProveNothing(t *testing.T) {
	policies := []rules.Policy{rules.PolicyHold, rules.PolicyFail, rules.PolicyRollback}
	for name, plan := range map[string]func() *rules.Plan{"thresholds": smallPlan, "evidence": sequentialPlan} {
		for _, policy := range policies {
			for _, looked := range []bool{true, false} {
				p := plan()
				for i := range p.Rules {
					p.Rules[i].OnNoData, p.Rules[i].Grace = policy, 5*time.Minute
				}
				w := zeros(t, p, false, looked)
				w.run(T.Add(10 * time.Minute))
				v := Look(p, w.state)
				state, code := fact.RuleIdle, fact.WhyNotSeenYet
				if looked {
					state, code = fact.RuleSilent, fact.WhyNeverSeen
				}
				if r := v.Rollback[0]; r.State != state || r.Why.Code != code || r.Verdict == rules.Pass || r.Evidence.Assumed {
					t.Errorf("%s, %s, looked %t: the rollback rule is %s, %s (%s)", name, policy, looked, r.State, r.Verdict, r.Why.Code)
				}
				if r := v.Phases[0].Success[0]; r.State != state || r.Why.Code != code || r.Evidence.Note == "" {
					t.Errorf("%s, %s, looked %t: the success rule is %s (%s)", name, policy, looked, r.State, r.Why.Code)
				}
				w.run(T.Add(26 * time.Minute))
				v = Look(p, w.state)
				if ph := v.Phases[0]; ph.State != rules.Monitoring || ph.Verdict != rules.Unknown || ph.Cause != rules.CauseNoData || ph.Success[0].Cause != rules.CauseNoData || ph.Success[0].Why.Code != code {
					t.Errorf("%s, %s, looked %t: the phase is %s, %s (%s), its rule %s (%s)", name, policy, looked, ph.State, ph.Verdict, ph.Cause, ph.Success[0].Cause, ph.Success[0].Why.Code)
				}
				p.Rules[0].Gate = rules.Advisory // then the rollback rule is what it waits for
				w.run(T.Add(28 * time.Minute))
				if ph := Look(p, w.state).Phases[0]; ph.State != rules.Monitoring || ph.Why.Code != code || ph.Why.Rule != "high" || ph.Cause != rules.CauseNoData {
					t.Errorf("%s, %s, looked %t: without its success rule the phase is %s: %+v", name, policy, looked, ph.State, ph.Why)
				}
			}
		}
	}
}

// What was seen once, in whatever way, proves what it always proved.
func TestZerosCountOnceTheNameWasSeen(t *testing.T) {
	for name, change := range map[string]func(p *rules.Plan, w *world) (assumed bool){
		"a look found it":  func(_ *rules.Plan, w *world) bool { *w = *zeros(t, w.plan, true, true); return false },
		"the plan says so": func(p *rules.Plan, _ *world) bool { p.Signals[0].AssumeSeen = true; return true },
		"an earlier run":   func(_ *rules.Plan, w *world) bool { w.past(2); return false },
		"an ignored silence": func(p *rules.Plan, _ *world) bool {
			for i := range p.Rules {
				p.Rules[i].OnNoData = rules.PolicyIgnore
			}
			return false
		},
		"a failure in this run": func(_ *rules.Plan, w *world) bool {
			zero := w.bend
			w.bend = func(rd *rules.Reading) bool {
				zero(rd)
				for i := range rd.Points {
					if at := rd.Points[i].At; rd.Signal == 0 && at == T.Add(12*time.Minute).Unix() {
						rd.Points[i].Value = 1
						rd.Filled = slices.DeleteFunc(rd.Filled, func(t int64) bool { return t == at })
					}
				}
				return true
			}
			return false
		},
		"what runs beside": func(p *rules.Plan, w *world) bool {
			p.Signals[0].Baseline = 1
			zero := w.bend
			w.bend = func(rd *rules.Reading) bool {
				rd.Seen = rd.Signal == 1
				zero(rd)
				return true
			}
			return false
		},
	} {
		for kind, plan := range map[string]func() *rules.Plan{"thresholds": smallPlan, "evidence": sequentialPlan} {
			p := plan()
			w := zeros(t, p, false, true)
			assumed := change(p, w)
			w.run(T.Add(26 * time.Minute))
			v := Look(p, w.state)
			if ph := v.Phases[0]; ph.State != rules.Passed || ph.Success[0].Evidence.Assumed != assumed {
				t.Errorf("%s, %s: the phase is %s, %s (%+v), assumed %t", name, kind, ph.State, ph.Verdict, ph.Why, ph.Success[0].Evidence.Assumed)
			}
		}
	}
}

// past lets an earlier run have passed that counted so many bad ones, of the same name.
func (w *world) past(bad float64) { w.pastOf(bad, w.plan.Signals[0].Query.Facts().Zeros) }

func (w *world) pastOf(bad float64, name string) {
	w.state, _ = Step(w.plan, w.state, fact.Tick{At: w.now, Past: []fact.Past{{Run: "REL@0", Totals: []fact.Total{{Signal: "errors", Bad: bad, Samples: 5000, Zeros: name}}}}})
	w.now = w.now.Add(w.plan.Interval)
}

// An earlier run that had no failure has not seen the name either.
func TestAnEarlierRunWithoutAFailureSawNothing(t *testing.T) {
	p := smallPlan()
	w := zeros(t, p, false, true)
	w.past(0)
	w.run(T.Add(26 * time.Minute))
	if ph := Look(p, w.state).Phases[0]; ph.State != rules.Monitoring {
		t.Errorf("the phase is %s", ph.State)
	}
	if _, sighted := judge.NewLayout(p).Rules[0].Judge.(judge.Sighted); !sighted {
		t.Error("a ratio is judged without asking whether its name was seen")
	}
}

// fills is a query that counts what is missing as zero of a name.
type fills struct {
	rules.SourceQuery
	name string
}

func (f fills) Source() string     { return "fills" }
func (f fills) Facts() rules.Facts { return rules.Facts{Every: time.Minute, Zeros: f.name} }
func (f fills) Line() string       { return f.name }

// An earlier run saw the name that it asked for. One that was misspelled since, in the
// plan or in an edit of it, was seen by none.
func TestAnEarlierRunSawTheNameThatItHad(t *testing.T) {
	for _, tt := range []struct {
		name, earlier, now, edited string
		want                       rules.State
	}{
		{"the same name", "5XXError", "5XXError", "5XXError", rules.Passed},
		{"another name", "5XXError", "5XXErorr", "5XXErorr", rules.Monitoring},
		{"another name after an edit", "5XXError", "5XXError", "5XXErorr", rules.Monitoring},
		{"a journal that has no names", "", "5XXError", "5XXError", rules.Monitoring},
	} {
		p := smallPlan()
		p.Signals[0].Query.Ask = fills{name: tt.now}
		w := zeros(t, p, false, true)
		w.pastOf(7, tt.earlier)
		if tt.edited != tt.now {
			q := smallPlan()
			q.Signals[0].Query.Ask = fills{name: tt.edited}
			w.state = Adopt(p, q, w.state)
			w.plan = q
		}
		w.run(T.Add(26 * time.Minute))
		if ph := Look(w.plan, w.state).Phases[0]; ph.State != tt.want {
			t.Errorf("%s: the phase is %s", tt.name, ph.State)
		}
	}
}
