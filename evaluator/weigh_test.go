package evaluator

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/rules"
)

// weighPlan is one phase on a canary beside a baseline, judged by evidence.
func weighPlan(window time.Duration) *rules.Plan {
	ratio := func(name string) rules.Signal {
		return rules.Signal{
			Name: name, Source: "cw", Kind: rules.Ratio, Unit: rules.Percent, Of: -1, Keep: 30,
			Period: time.Minute, Every: time.Minute, Settle: 2 * time.Minute,
		}
	}
	p := &rules.Plan{
		Name: "REL", Start: T, Interval: time.Minute, FalseRollback: .01, FalsePass: .05,
		Signals: []rules.Signal{ratio("errors"), ratio("errors@42")},
		Rules: []rules.Rule{
			{Name: "few", Title: "API 5xx", Kind: rules.Success, When: pct("<= 1 %"), Alarm: -1, Coverage: .5,
				Method: rules.Sequential, Limit: .01, Trigger: .03, Alpha: .01},
			{Name: "high", Title: "API 5xx", Kind: rules.RollbackRule, When: pct("> 3 %"), Alarm: -1, Coverage: .5, Owner: "ops",
				Action: "revert", Method: rules.Sequential, Limit: .01, Trigger: .03, Alpha: .01},
		},
		Phases: []rules.Phase{{Name: "ten", Traffic: .1, Window: window, Extend: time.Hour, Success: []int{0}, Rollback: []int{1}}},
	}
	p.Signals[1].BaselineOf = "errors"
	return p
}

// binomials gives every period n samples of which each is bad with the rate of
// its minute.
func binomials(seed uint64, n int, rate func(signal int, minute int64) float64) func(int, int64) (float64, float64, bool) {
	return func(signal int, at int64) (float64, float64, bool) {
		minute := (at - T.Unix()) / 60
		r := rand.New(rand.NewPCG(seed, uint64(signal)<<40|uint64(at)))
		var bad float64
		for range n {
			if r.Float64() < rate(signal, minute) {
				bad++
			}
		}
		return bad, float64(n), true
	}
}

func TestEvidenceClimbs(t *testing.T) {
	p := weighPlan(24 * time.Hour)
	w := newWorld(t, p)
	w.value = binomials(1, 12, func(int, int64) float64 { return .05 })
	w.run(T.Add(2 * time.Hour))
	got := transitions(w.events, "high")
	if got != "idle clear warning holding fired" && got != "idle clear warning fired" && got != "idle clear holding fired" {
		t.Errorf("the rule went %s", got)
	}
	e := lastEvidence(w.events, "high")
	if e.Weighed.Against < math.Log(100) {
		t.Errorf("it fired at a log e-value of %v", e.Weighed.Against)
	}
	if !e.Weighed.Suspect || e.Weighed.Bad != 9 || e.Samples != 144 || !e.From.Equal(T.Add(time.Minute)) || e.Weighed.Rung != fact.RollbackRung || e.Weighed.Goal != rules.LessOrEqual {
		t.Errorf("it rests on %+v %+v", e, e.Weighed)
	}
}

func transitions(events []fact.Event, subject string) string {
	var s []string
	for _, e := range events {
		if e.Kind == fact.RuleEvent && e.Subject == subject && e.Phase != "" {
			if len(s) == 0 {
				s = append(s, e.From)
			}
			s = append(s, e.To)
		}
	}
	return strings.Join(s, " ")
}

func lastEvidence(events []fact.Event, subject string) (last *fact.Evidence) {
	for _, e := range events {
		if e.Kind == fact.RuleEvent && e.Subject == subject && e.Evidence != nil && e.Evidence.Weighed != nil {
			last = e.Evidence
		}
	}
	return last
}

func TestPassByEvidence(t *testing.T) {
	p := weighPlan(15 * time.Minute)
	w := newWorld(t, p)
	w.value = binomials(3, 12, func(int, int64) float64 { return .003 })
	w.run(T.Add(18 * time.Minute))
	v := Look(p, w.state).Phases[0].Success[0]
	o := v.Evidence.Weighed.Outlook
	if v.Evidence.Samples != 204 || v.Evidence.Weighed.Bad != 0 || o.Excludes != (fact.Shortfall{}) || o.Proves.More <= 0 || o.Proves.Wait != 18*60 || o.WarnBad <= 0 || o.WarnIn != 40 {
		t.Errorf("after 18 minutes: %v samples, %+v, %+v", v.Evidence.Samples, v.Evidence.Weighed, o)
	}
	w.run(T.Add(2 * time.Hour))
	v = Look(p, w.state).Phases[0].Success[0]
	if v.Verdict != rules.Unknown || !v.Evidence.Weighed.Outlook.Futile {
		t.Errorf("at the end it is %v: %+v", v.Verdict, v.Evidence.Weighed.Outlook)
	}

	p.Rules[0].Proof = rules.ProofWeak
	w = newWorld(t, p)
	w.value = binomials(3, 12, func(int, int64) float64 { return .003 })
	w.run(T.Add(30 * time.Minute))
	v = Look(p, w.state).Phases[0].Success[0]
	if v.Verdict != rules.Pass || !v.Evidence.Weighed.Weak || v.Evidence.Weighed.Spared < v.Evidence.Weighed.Proof || v.Evidence.Weighed.Keeps >= v.Evidence.Weighed.Proof {
		t.Errorf("with a weak proof it is %v: %+v", v.Verdict, v.Evidence.Weighed)
	}
}

// outage is an outage of both sides in the middle of a good release.
func outage(signal int, minute int64) float64 {
	if minute >= 20 && minute < 35 {
		return .1
	}
	return .005
}

func TestSharedOutageHolds(t *testing.T) {
	p := weighPlan(4 * time.Hour)
	p.Signals[0].Baseline = 1
	w := newWorld(t, p)
	w.value = binomials(2, 12, outage)
	w.run(T.Add(35 * time.Minute))
	v := Look(p, w.state)
	if !v.Held || v.Cause != rules.CauseBaseline || v.Rollback[0].State != fact.RuleHolding {
		t.Fatalf("held %v, cause %v, rule %s: %s", v.Held, v.Cause, v.Rollback[0].State, factsOf(v.Why, nil))
	}
	if e := v.Holder.Evidence; !e.Weighed.Canary || !e.Weighed.Suspect || !e.From.Equal(T.Add(20*time.Minute)) || !e.Weighed.Baseline.Compared || e.Weighed.Rests != rules.CauseBaseline {
		t.Errorf("it is held for %+v %+v", e, e.Weighed)
	}
	if v.Rollback[0].Verdict != rules.Pending {
		t.Errorf("a rule that holds is %v, want pending", v.Rollback[0].Verdict)
	}
	w.tick(fact.Command{ID: "1", Kind: fact.Resume, By: "ada", Why: "both were slow"})
	v = Look(p, w.state)
	if v.Held || v.Rollback[0].State != fact.RuleWarning || v.Rollback[0].Verdict == rules.Pass {
		t.Errorf("after it was resumed: held %v, rule %s, %v", v.Held, v.Rollback[0].State, v.Rollback[0].Verdict)
	}
	w.run(T.Add(4*time.Hour + 10*time.Minute))
	v = Look(p, w.state)
	if v.State == rules.RolledBack || v.Held {
		t.Errorf("the run is %v, held %v: %s", v.State, v.Held, factsOf(v.Why, nil))
	}
}

// A window that ends in an outage of both sides does not fail.
func TestSharedOutageFailsNobody(t *testing.T) {
	p := weighPlan(30 * time.Minute)
	p.Signals[0].Baseline = 1
	p.Phases[0].Rollback = nil
	w := newWorld(t, p)
	w.value = binomials(2, 120, outage)
	w.run(T.Add(33 * time.Minute))
	v := Look(p, w.state).Phases[0]
	if v.Verdict != rules.Pending || v.Cause != rules.CauseBaseline {
		t.Errorf("the phase is %v (%v): %s", v.Verdict, v.Cause, factsOf(v.Why, nil))
	}
	p.Signals[0].Baseline = 0
	w = newWorld(t, p)
	w.value = binomials(2, 120, outage)
	w.run(T.Add(33 * time.Minute))
	if v := Look(p, w.state).Phases[0]; v.Verdict != rules.Fail || v.Why != (fact.Why{Code: fact.WhyByRule, Rule: "few"}) {
		t.Errorf("without a baseline the phase is %v: %+v", v.Verdict, v.Why)
	}
}

// A hold blocks the phase while it lasts, and one that comes while a person holds
// the run makes no second one.
func TestHoldOnHold(t *testing.T) {
	p := weighPlan(10 * time.Minute)
	p.Rules[1].For = 2 * time.Hour // holds, and does not roll back
	p.Rules[0].Gate = rules.Advisory
	p.Phases[0].Success = []int{0, 2}
	p.Signals = append(p.Signals, p.Signals[1])
	p.Signals[2].Name, p.Signals[2].BaselineOf = "crashes", ""
	p.Rules = append(p.Rules, rules.Rule{Name: "crashes", Kind: rules.Success, Signal: 2, ShownSignal: 2, When: pct("< 90 %"), Alarm: -1})
	w := newWorld(t, p)
	w.value = binomials(1, 120, func(int, int64) float64 { return .06 })
	w.run(T.Add(time.Minute))
	w.tick(fact.Command{ID: "1", Kind: fact.Hold, By: "ada", Why: "lunch"})
	w.run(T.Add(20 * time.Minute))
	held := 0
	for _, e := range w.events {
		if e.Kind == fact.RunEvent && e.To == rules.Held.String() {
			held++
		}
	}
	v := Look(p, w.state)
	if held != 1 || v.Rollback[0].State != fact.RuleHolding || v.Phases[0].Verdict != rules.Pending {
		t.Errorf("%d holds, rule %s, phase %v: %s", held, v.Rollback[0].State, v.Phases[0].Verdict, factsOf(v.Phases[0].Why, nil))
	}
	if v.Phases[0].Why != (fact.Why{Code: fact.WhyRuleHolds, Rule: "high"}) {
		t.Errorf("the phase says %+v", v.Phases[0].Why)
	}
}

// The policies for silence hold for rules that weigh evidence as for others.
func TestSilenceOfEvidence(t *testing.T) {
	for policy, want := range map[rules.Policy]rules.State{
		rules.PolicyHold: rules.Monitoring, rules.PolicyRollback: rules.RolledBack, rules.PolicyFail: rules.Failed,
	} {
		p := weighPlan(2 * time.Hour)
		p.Rules[1].OnNoData = policy
		w := newWorld(t, p)
		w.value = func(signal int, at int64) (float64, float64, bool) { return 0, 12, at < T.Unix()+10*60 }
		w.run(T.Add(time.Hour))
		v := Look(p, w.state)
		if v.Phases[0].State != want {
			t.Errorf("%v: the phase is %v, want %v: %s", policy, v.Phases[0].State, want, factsOf(v.Phases[0].Why, nil))
		}
		if policy == rules.PolicyHold && (v.Rollback[0].State != fact.RuleSilent || v.Rollback[0].Why != (fact.Why{Code: fact.WhyCannotJudge, Cause: rules.CauseNoData})) {
			t.Errorf("the rule is %s: %+v", v.Rollback[0].State, v.Rollback[0].Why)
		}
	}
}

// What was weighed is kept over a change of the plan that does not concern it, and
// begun from the start where the bounds or what runs beside it are others.
func TestEvidenceOverAChange(t *testing.T) {
	p := weighPlan(4 * time.Hour)
	p.Signals[0].Baseline = 1
	w := newWorld(t, p)
	w.value = binomials(4, 12, func(int, int64) float64 { return .005 })
	w.run(T.Add(2 * time.Hour))
	for name, change := range map[string]struct {
		do   func(p *rules.Plan)
		kept bool
	}{
		"a title":  {func(p *rules.Plan) { p.Rules[1].Title = "x" }, true},
		"a limit":  {func(p *rules.Plan) { p.Rules[1].Limit = .005 }, false},
		"baseline": {func(p *rules.Plan) { p.Signals[1].Source = "other" }, false},
	} {
		changed := weighPlan(4 * time.Hour)
		changed.Signals[0].Baseline = 1
		change.do(changed)
		st := Adopt(p, changed, w.state)
		v := Look(changed, st).Rollback[0].Evidence
		if kept := v.Samples > 1000; kept != change.kept {
			t.Errorf("%s: %v samples are known, kept %v, want %v", name, v.Samples, kept, change.kept)
		}
	}
}

// What has not settled cannot help to pass, and can keep from it: a verdict is
// borne out by its own numbers.
func TestNewestMinutesSpeakAgainst(t *testing.T) {
	p := weighPlan(30 * time.Minute)
	p.Signals[0].Settle = 5 * time.Minute
	run := func(rate float64) fact.PhaseView {
		w := newWorld(t, p)
		w.value = binomials(3, 60, func(_ int, minute int64) float64 {
			if minute >= 31 {
				return rate
			}
			return 0
		})
		w.run(T.Add(36 * time.Minute))
		return Look(p, w.state).Phases[0]
	}
	if v := run(0); v.State != rules.Passed {
		t.Errorf("with nothing bad it is %v: %s", v.State, factsOf(v.Success[0].Why, &v.Success[0].Evidence))
	}
	v := run(.04)
	e := v.Success[0].Evidence
	if v.State != rules.Monitoring || e.Weighed.Bad > .01*e.Samples || e.Weighed.Outlook.Proves.More <= 0 {
		t.Errorf("with a few bad ones among the newest it is %v: %+v", v.State, e.Weighed)
	}
}

// Sessions that are too young do not help to pass, and those of a bad release
// speak against it at once.
func TestMaturity(t *testing.T) {
	p := weighPlan(30 * time.Minute)
	p.Signals[0].Maturity = 25 * time.Minute
	w := newWorld(t, p)
	w.value = binomials(3, 120, func(int, int64) float64 { return 0 })
	w.run(T.Add(27 * time.Minute))
	if n := Look(p, w.state).Phases[0].Success[0].Evidence; n.Samples < 3000 || n.Weighed.Keeps > math.Log(20) {
		t.Errorf("after 27 minutes: %v samples, proven %v", n.Samples, n.Weighed.Keeps)
	}
	w.run(T.Add(34 * time.Minute))
	if v := Look(p, w.state).Phases[0]; v.State != rules.Passed {
		t.Errorf("at the end the phase is %v: %s", v.State, factsOf(v.Why, nil))
	}
}

// Where the rate of a release is as bad as the limit, no number of good samples
// is said to be enough that will never be seen.
func TestNeverEnough(t *testing.T) {
	p := weighPlan(15 * time.Minute)
	p.Rules[0].Limit, p.Rules[0].Trigger = 1e-9, .5
	w := newWorld(t, p)
	w.value = func(_ int, at int64) (float64, float64, bool) {
		if at == T.Unix() {
			return 1, 12, true
		}
		return 0, 12, true
	}
	w.run(T.Add(5 * time.Minute))
	if got := Look(p, w.state).Phases[0].Success[0].Evidence.Weighed.Outlook.Proves; !got.Never {
		t.Errorf("got %+v", got)
	}
}

// The stored form of what was weighed: any byte of it may be broken.
func TestStoredEvidence(t *testing.T) {
	p := weighPlan(4 * time.Hour)
	p.Signals[0].Baseline = 1
	w := newWorld(t, p)
	w.value = binomials(2, 12, outage)
	w.run(T.Add(30 * time.Minute))
	body := store(t, w.state)
	body = body[:len(body)-4]
	sum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }
	for i := 4; i < len(body); i++ {
		if new(State).UnmarshalBinary(sum(body[:i:i])) == nil {
			t.Fatalf("the first %d bytes of %d are read", i, len(body))
		}
		for _, v := range []byte{0, 1, 2, 9, 0x7f, 0x80, 0xff} {
			b := []byte(string(body))
			b[i] = v
			if b = sum(b); new(State).UnmarshalBinary(b) == nil {
				work(t, b)
			}
		}
	}
}

// A release is not proven on a quarter of its window, however good that is; and
// minutes in which nothing happened are known.
func TestCoverageOfEvidence(t *testing.T) {
	for _, tt := range []struct {
		name   string
		silent bool // the other minutes are absent, not empty
		want   rules.State
	}{{"empty minutes", false, rules.Passed}, {"absent minutes", true, rules.Monitoring}} {
		p := weighPlan(15 * time.Minute)
		p.Phases[0].Rollback = nil
		p.Rules[0].Grace = 5 * time.Minute
		w := newWorld(t, p)
		w.value = func(_ int, at int64) (float64, float64, bool) {
			if at/60%4 == 0 {
				return 0, 600, true
			}
			return 0, 0, !tt.silent
		}
		w.run(T.Add(20 * time.Minute))
		v := Look(p, w.state).Phases[0]
		if v.State != tt.want {
			t.Errorf("%s: the phase is %v: %s", tt.name, v.State, factsOf(v.Why, nil))
		}
		if e := v.Success[0].Evidence; tt.silent && (v.Cause != rules.CauseInsufficientSamples || 2*e.Points >= e.Expected) {
			t.Errorf("%s: it is so for %v: %+v", tt.name, v.Cause, e)
		}
	}
}

// What misses its limit and does not reach its trigger is held and fails, and is
// not rolled back: gaps and ratings have two bounds as rates do.
func TestBetweenLimitAndTrigger(t *testing.T) {
	gaps := gapPlan()
	for i := range gaps.Rules {
		gaps.Rules[i].Trigger = .2
	}
	stars := gapPlan()
	stars.Signals[0].Kind = rules.Mean
	for i := range stars.Rules {
		stars.Rules[i].Limit, stars.Rules[i].Trigger = 4.5, 4
	}
	for name, w := range map[string]*world{
		"gap": gapWorld(t, gaps, 20000, .12), "rating": starWorld(t, stars, [5]float64{50, 0, 0, 0, 225}),
	} {
		w.run(T.Add(6*time.Hour + 30*time.Minute))
		v := Look(w.plan, w.state)
		if got := transitions(w.events, "high"); got != "idle clear holding" && got != "idle holding" || v.Phases[0].State != rules.Failed {
			t.Errorf("%s: the rule went %s, the phase is %v: %s", name, got, v.Phases[0].State, factsOf(v.Phases[0].Why, nil))
		}
	}
}

// Where a baseline has nothing to say nothing confirms a rollback; where it cannot be asked, the run is held and not rolled back.
func TestBaselineThatSaysNothing(t *testing.T) {
	for _, tt := range []struct {
		name  string
		deaf  bool
		state rules.State
		want  fact.Beside
	}{
		{"no samples", false, rules.RolledBack, fact.Beside{}},
		{"ended", false, rules.RolledBack, fact.Beside{Samples: 120, Until: T.Add(time.Minute)}},
		{"unreachable", true, rules.Monitoring, fact.Beside{Compared: true, Unreachable: true}},
	} {
		p := weighPlan(4 * time.Hour)
		p.Signals[0].Baseline = 1
		w := newWorld(t, p)
		bad := binomials(1, 120, func(int, int64) float64 { return .08 })
		w.value = func(signal int, at int64) (float64, float64, bool) {
			v, n, _ := bad(signal, at)
			if signal == 1 && tt.name == "ended" && at == T.Unix() {
				return 0, 120, true
			}
			return v, n, signal == 0
		}
		w.bend = func(rd *rules.Reading) bool {
			if tt.deaf && rd.Signal == 1 {
				rd.Points, rd.SettledUntil, rd.Fault = nil, 0, rules.Unavailable
			}
			return true
		}
		w.run(T.Add(40 * time.Minute))
		v := Look(p, w.state)
		tt.want.Signal = "errors@42"
		b := *v.Rollback[0].Evidence.Weighed.Baseline
		b.Worse = 0 // it has nothing to say
		if v.Phases[0].State != tt.state || b != tt.want {
			t.Errorf("%s: the phase is %v beside %+v; want %v and %+v", tt.name, v.Phases[0].State, b, tt.state, tt.want)
		}
		if tt.deaf && v.Rollback[0].State != fact.RuleHolding {
			t.Errorf("%s: the rule is %s, want it to hold", tt.name, v.Rollback[0].State)
		}
	}
}

// The start weights of a watch never sum to more than one, also when its plan
// grows under it.
func TestWeightsOfAGrowingPlan(t *testing.T) {
	w, z, sum := judge.Watch{Looks: 10}, judge.Weighed{}, 0.
	for at := range int64(100) {
		if at == 9 {
			w.Looks, w.Later, w.Starts = 50, 2, []int64{20, 30}
		}
		sum += w.Weight(&z, at)
		z.Track.Looks++
	}
	if sum > 1+1e-9 || sum < .99 {
		t.Errorf("the weights sum to %v", sum)
	}
}

// Where all that was seen still meets the target, a hold names the stretch that
// does not.
func TestAHoldNamesTheStretchThatSpeaks(t *testing.T) {
	p := weighPlan(time.Hour)
	w := newWorld(t, p)
	w.value = func(_ int, at int64) (float64, float64, bool) {
		if at < T.Add(22*time.Minute).Unix() {
			return 1, 1000, true
		}
		return 20, 1000, true
	}
	w.run(T.Add(50 * time.Minute))
	if !Look(p, w.state).Held {
		t.Fatal("nothing holds the run")
	}
	e := Look(p, w.state).Holder.Evidence
	if want := T.Add(22 * time.Minute); !e.From.Equal(want) || e.Weighed.Bad != .02*e.Samples {
		t.Errorf("the run is held for %v of %v since %v, want the stretch since %v", e.Weighed.Bad, e.Samples, e.From, want)
	}
}

// A look at a release with nothing against it works out no more than that. What people are
// shown of it, and what its events say, is worked out all the same.
func TestWhatIsHarmlessIsShownWithWhatItWeighs(t *testing.T) {
	p := weighPlan(24 * time.Hour)
	p.Signals[0].Baseline = 1
	w := newWorld(t, p)
	w.value = binomials(6, 40, func(int, int64) float64 { return .002 })
	w.run(T.Add(2 * time.Hour))
	v := Look(p, w.state)
	for _, tt := range []struct {
		name string
		view fact.RuleView
	}{
		{"rollback", v.Rollback[0]}, {"success", v.Phases[0].Success[0]},
	} {
		e := tt.view.Evidence
		if tt.view.State != fact.RuleClear || e.Samples != 40*119 || e.Points != 119 {
			t.Errorf("the %s rule is %v by %v samples of %d periods", tt.name, tt.view.State, e.Samples, e.Points)
		}
		if d := e.Weighed; d.Against >= 0 || d.Warning >= 0 || d.Middle >= 0 || d.Baseline.Worse == 0 || d.Baseline.Samples != 40*119 {
			t.Errorf("the %s rule weighs %+v beside %+v", tt.name, d, d.Baseline)
		}
	}
}

// A window whose end is empty, though its own rate would have filled it, is not known to be
// good. What comes once an hour is not missed before it is due.
func TestAnEmptyEndAfterTrafficIsNoPass(t *testing.T) {
	for _, tt := range []struct {
		every int64 // minutes
		n     float64
		want  rules.Verdict
	}{{1, 1000, rules.Unknown}, {1, 2, rules.Unknown}, {60, 60_000, rules.Pass}} {
		p := weighPlan(6 * time.Hour)
		p.Rules[0].Grace = 5 * time.Minute
		w := newWorld(t, p)
		w.value = func(_ int, at int64) (float64, float64, bool) {
			if minute := (at - T.Unix()) / 60; minute >= 5*60+10 || minute%tt.every != 0 {
				return 0, 0, true
			}
			return 0, tt.n, true
		}
		w.run(T.Add(7*time.Hour + 30*time.Minute))
		if v := Look(p, w.state).Phases[0]; v.Verdict != tt.want {
			t.Errorf("%g every %d minutes: %v, want %v\n%s", tt.n, tt.every, v.Verdict, tt.want, w.lines())
		}
	}
}
