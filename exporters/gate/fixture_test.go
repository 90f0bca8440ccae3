package gate_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

var t0 = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

const (
	planName = "REL-1"
	now5     = 5 * time.Minute
)

func samplePlan(name string) *rules.Plan {
	return &rules.Plan{
		Name: name, Title: "BioAge v1 Launch", Version: "1.0.0", Interval: 30 * time.Second, Start: t0,
		Binding: rules.Binding{Run: name + "@1.0.0", UID: "k3v9", Try: 1},
		Signals: []rules.Signal{{Name: "api_5xx_rate", Unit: rules.Percent}, {Name: "crash_free", Unit: rules.Percent}},
		Rules: []rules.Rule{
			{Name: "api-5xx", Kind: rules.Success, ShownWhen: rules.Condition{Op: rules.Less, Threshold: 0.01, Unit: rules.Percent}},
			{Name: "api-5xx-high", Kind: rules.RollbackRule, ShownWhen: rules.Condition{Op: rules.Greater, Threshold: 0.03, Unit: rules.Percent}},
			{Name: "crash-free-low", Kind: rules.RollbackRule, ShownSignal: 1, ShownWhen: rules.Condition{Op: rules.Less, Threshold: 0.98, Unit: rules.Percent}},
		},
		Phases: []rules.Phase{{Name: "ten", Window: 15 * time.Minute}, {Name: "all", Window: time.Hour}},
	}
}

// view is a run some way into the first of two phases; edit changes it.
func view(name string, edit ...func(*fact.Snapshot)) gate.PlanView {
	good := fact.Evidence{
		Signal: "api_5xx_rate", Known: true, Value: 0.0038, Op: rules.Less, Threshold: 0.01, Unit: rules.Percent,
		From: t0, To: t0.Add(15 * time.Minute), Points: 4, Expected: 15, Samples: 1200, Newest: t0.Add(4 * time.Minute),
	}
	s := fact.Snapshot{
		Plan: name, Title: "BioAge v1 Launch", Version: "1.0.0", Manager: "Release Manager", Seq: 10, At: t0.Add(now5), Why: fact.Why{Code: fact.WhyUnderWay, Of: 2, Phase: "ten", State: "monitoring"}, Interval: 30 * time.Second,
		Start: t0, End: t0.Add(2 * time.Hour), Horizon: t0.Add(3 * time.Hour), State: rules.Monitoring, Verdict: rules.Pending, Cause: rules.CauseWindow,
		Generation: 4,
		Phases: []fact.PhaseView{
			{
				Name: "ten", Title: "Ten per cent", Traffic: 0.1, Owner: "DevSecOps", State: rules.Monitoring, Verdict: rules.Pending, Cause: rules.CauseWindow,
				Why:       fact.Why{Code: fact.WhyWatched, Until: t0.Add(15 * time.Minute)},
				Scheduled: t0, Started: t0, WindowEnd: t0.Add(15 * time.Minute), Deadline: t0.Add(30 * time.Minute),
				Success:  []fact.RuleView{{Name: "api-5xx", Title: "API 5xx rate", Kind: rules.Success, Owner: "Ops", State: fact.RuleClear, Verdict: rules.Pending, Cause: rules.CauseWindow, Evidence: good, Query: "cloudwatch: 5XXError / Count"}},
				Rollback: []int{0, 1},
			},
			{
				Name: "all", Traffic: 1, State: rules.Waiting, Verdict: rules.Pending, Scheduled: t0.Add(20 * time.Minute),
				Success: []fact.RuleView{{Name: "api-5xx", Kind: rules.Success, State: fact.RuleIdle}}, Rollback: []int{0},
			},
		},
		Rollback: []fact.RuleView{
			{Name: "api-5xx-high", Kind: rules.RollbackRule, Owner: "DevSecOps", State: fact.RuleBreaching, Verdict: rules.Pending, Cause: rules.CauseThreshold, Action: "pause", Command: "aws lambda update-alias",
				Evidence: fact.Evidence{Signal: "api_5xx_rate", Known: true, Value: 0.05, Op: rules.Greater, Threshold: 0.03, Unit: rules.Percent, Held: "4m0s", For: "10m0s", Samples: 600}},
			{Name: "crash-free-low", Kind: rules.RollbackRule, State: fact.RuleSilent, Cause: rules.CauseNoData, Evidence: fact.Evidence{Value: math.NaN()}},
		},
		Signals: []fact.SignalView{
			{Name: "api_5xx_rate", Source: "cloudwatch", Unit: rules.Percent, Known: true, Value: 0.05, Samples: 600, Newest: t0.Add(4 * time.Minute), Asked: t0.Add(now5)},
			{Name: "crash_free", Source: "sentry", Unit: rules.Percent, Value: math.Inf(1), Fault: rules.Throttled, Detail: "429", Failures: 3},
		},
	}
	for _, e := range edit {
		e(&s)
	}
	return planView(wire.RunView{Plan: samplePlan(name), Digest: strings.Repeat("5e", 32), Snapshot: s})
}

// planView is a plan that names its version in the file, with its runs.
func planView(runs ...wire.RunView) gate.PlanView {
	p := runs[0].Plan
	v := gate.PlanView{Name: p.Name, Title: p.Title, Version: p.Version, File: gate.File{State: gate.FileOK}, Runs: runs}
	for i := range p.Phases {
		v.Phases = append(v.Phases, p.Phases[i].Name)
	}
	return v
}

// show publishes plans.
func show(g *gate.Gate, views ...gate.PlanView) { g.Update(gate.Views{Plans: views}) }

// decide sets the first phase.
func decide(state rules.State, v rules.Verdict, c rules.Cause) func(*fact.Snapshot) {
	return func(s *fact.Snapshot) {
		p := &s.Phases[0]
		p.State, p.Verdict, p.Cause = state, v, c
		if state == rules.Passed || state == rules.Failed || state == rules.RolledBack {
			p.Decided = s.At
		}
		if v == rules.Rollback {
			s.State, s.Verdict, s.Cause = rules.RolledBack, v, c
			s.Fired = &fact.Event{ID: s.Plan + "/4", N: 4, Plan: s.Plan, At: s.At, Kind: fact.RuleEvent, Subject: "api-5xx-high", To: "fired",
				Evidence: &fact.Evidence{Value: math.NaN(), Samples: math.Inf(1)}}
		}
		s.Generation++
		s.Seq++
	}
}

// situations are the runs that the views are asked about, by the verdict that
// their first phase has.
func situations() map[string]func(*fact.Snapshot) {
	return map[string]func(*fact.Snapshot){
		"pass":     decide(rules.Passed, rules.Pass, rules.CauseThreshold),
		"fail":     decide(rules.Failed, rules.Fail, rules.CauseThreshold),
		"rollback": decide(rules.RolledBack, rules.Rollback, rules.CauseThreshold),
		"pending":  decide(rules.Monitoring, rules.Pending, rules.CauseWindow),
		"unknown":  decide(rules.Monitoring, rules.Unknown, rules.CauseNoData),
	}
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) set(t time.Time) { c.mu.Lock(); defer c.mu.Unlock(); c.t = t }

// newGate shows the views; the clock stands at their tick.
func newGate(t testing.TB, c gate.Config, views ...gate.PlanView) (*gate.Gate, *clock) {
	t.Helper()
	ck := &clock{t: t0.Add(now5)}
	if c.Now == nil {
		c.Now = ck.now
	}
	g, err := gate.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if len(views) > 0 {
		show(g, views...)
	}
	return g, ck
}

// ask sends a request to a handler; header is name, value, name, value.
func ask(h http.Handler, method, target, body string, header ...string) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, target, nil)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	r.Host = "127.0.0.1:8080"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// commander remembers what it was told and answers as it was told to.
type commander struct {
	mu   sync.Mutex
	got  []fact.Command
	plan string
	run  string
	to   string
	hit  string   // the run that the event is of
	why  fact.Why // of the event; zero: commanded
	err  error
}

var errBroken = errors.New("the journal is broken")

func (c *commander) Command(_ context.Context, plan, run string, cmd fact.Command) (fact.Event, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plan, c.run, c.got = plan, run, append(c.got, cmd)
	why := c.why
	if why == (fact.Why{}) {
		why = fact.Why{Code: fact.WhyCommanded, Text: cmd.Why}
	}
	return fact.Event{
		ID: plan + "/5", N: 5, Plan: plan, Run: c.hit, At: t0, Kind: fact.CommandEvent, Subject: string(cmd.Kind), To: c.to, By: cmd.By, Why: why,
		Evidence: &fact.Evidence{Value: math.NaN()},
	}, c.err
}
