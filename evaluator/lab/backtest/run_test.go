package backtest

import (
	"slices"
	"strings"
	"testing"
	"time"

	cloudwatch "github.com/relgate/relgate/sources/cloudwatch/kind"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// minutes is a history of one signal by the minute from T-15m on: bad of 1000
// in each, where at says how many are bad in the minute that begins so long
// after T; a negative number leaves the minute out.
func minutes(sig *rules.Signal, d time.Duration, at func(since time.Duration) float64) Series {
	s := Series{Key: KeyOf(sig), Signal: sig.Name, Source: sig.Source, From: T.Add(-15 * time.Minute).Unix(), To: T.Add(d).Unix()}
	for t := s.From; t < s.To; t += 60 {
		if bad := at(time.Duration(t-T.Unix()) * time.Second); bad >= 0 {
			s.Points = append(s.Points, rules.Point{At: t, Value: bad, Samples: 1000})
		}
	}
	return s
}

// bad is how many of 1000 are bad: n from a time to another, none otherwise.
func bad(n float64, from, to time.Duration) func(time.Duration) float64 {
	return func(since time.Duration) float64 {
		if since >= from && since < to {
			return n
		}
		return 0
	}
}

func history(d time.Duration, series ...Series) *History {
	return &History{From: T, To: T.Add(d), Fetched: T.Add(d), Series: series}
}

func mark(from, to time.Duration) Mark { return Mark{From: T.Add(from), To: T.Add(to)} }

func mustRun(t *testing.T, cfg Config) *Report {
	t.Helper()
	if cfg.From.IsZero() {
		cfg.From = T
	}
	if cfg.To.IsZero() {
		cfg.To = cfg.History.To
	}
	r, err := Run(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestFiringMinute: 5 % from T+20m on. Ten minutes of it have ended at T+30m and
// are known three minutes later: the tick at T+33m fires.
func TestFiringMinute(t *testing.T) {
	p := short()
	h := history(2*time.Hour, minutes(&p.Signals[0], 2*time.Hour, bad(50, 20*time.Minute, 40*time.Minute)))
	r := mustRun(t, Config{Plan: p, History: h, Marks: []Mark{mark(20*time.Minute, 40*time.Minute)}, Every: 2 * time.Hour})
	if len(r.Firings) != 1 {
		t.Fatalf("got %d firings, want 1", len(r.Firings))
	}
	f := r.Firings[0]
	if want := T.Add(33 * time.Minute); !f.At.Equal(want) || f.Judgement != Right || f.Mark != 1 || f.Delay != 13*60 || f.After != 33*60 {
		t.Errorf("got %+v, want right at %s, 13m after the bad period's start", f, want)
	}
	if f.Evidence == nil || f.Evidence.Value != .05 || !strings.Contains(f.Reason, "5 %") {
		t.Errorf("got %q and %+v, want the numbers", f.Reason, f.Evidence)
	}
	rel := r.Releases[0]
	if rel.Outcome != OutcomeRollback || rel.Rule != "back" || rel.Took != 33*60 || rel.Judgement != Right {
		t.Errorf("got %+v, want rolled back rightly by back after 33m", rel)
	}
	if x := r.Rollback[0]; x.Fired != 1 || x.Right != 1 || x.False != 0 || x.Found != 1 || x.Overlaps != 1 || x.Watched != 33*60 || x.Delay.Median != 13*60 {
		t.Errorf("got %+v", x)
	}
	if first := rel.Watches[0].First; !first["breaching"].Equal(T.Add(24 * time.Minute)) {
		t.Errorf("first breaching %s, want T+24m: the first bad minute has ended at T+21m and is known at T+24m", first["breaching"])
	}
}

// TestRightAndFalse: the same firing at T+33m under other marks.
func TestRightAndFalse(t *testing.T) {
	const m = time.Minute
	for _, tt := range []struct {
		name      string
		marks     []Mark
		tolerance time.Duration
		verdict   string
		missed    int
	}{
		{"nothing marked", nil, 0, Unmarked, 0},
		{"within", []Mark{mark(30*m, 34*m)}, 0, Right, 0},
		{"as the period ends", []Mark{mark(20*m, 33*m)}, 0, Right, 0},
		{"after its end", []Mark{mark(20*m, 32*m)}, 0, False, 1},
		{"after its end, within tolerance", []Mark{mark(20*m, 32*m)}, time.Minute, Right, 0},
		{"before it", []Mark{mark(34*m, 50*m)}, time.Hour, False, 0}, // the run was over: nothing to miss
		{"another one too", []Mark{mark(5*m, 6*m), mark(30*m, 40*m)}, 0, Right, 1},
		{"meant for another rule", []Mark{{From: T, To: T.Add(time.Hour), Rules: []string{"ok"}}}, 0, False, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := short()
			h := history(2*time.Hour, minutes(&p.Signals[0], 2*time.Hour, bad(50, 20*m, 40*m)))
			r := mustRun(t, Config{Plan: p, History: h, Marks: tt.marks, Tolerance: tt.tolerance, Every: 2 * time.Hour})
			if got := r.Firings[0].Judgement; got != tt.verdict {
				t.Errorf("got %s, want %s", got, tt.verdict)
			}
			if got := r.Rollback[0].Missed; got != tt.missed {
				t.Errorf("got %d missed, want %d", got, tt.missed)
			}
		})
	}
}

// TestVerdicts: the window of an hour ends at T+1h, its last minute is settled
// three minutes later.
func TestVerdicts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		bad     func(time.Duration) float64
		outcome string
		good    int // failures outside every bad period
		over    int // passes over a bad period
	}{
		{"healthy", bad(2, 0, 9*time.Hour), OutcomePass, 0, 1},
		{"above the limit", bad(20, 0, 9*time.Hour), OutcomeFail, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := short()
			h := history(2*time.Hour, minutes(&p.Signals[0], 2*time.Hour, tt.bad))
			r := mustRun(t, Config{Plan: p, History: h, Every: 2 * time.Hour, Marks: []Mark{mark(10*time.Minute, 12*time.Minute)}})
			ph := r.Phases[0]
			if ph.Outcomes[tt.outcome] != 1 || ph.Took != (Spread{1, 63 * 60, 63 * 60}) || ph.Late != (Spread{1, 180, 180}) {
				t.Errorf("got %+v, want %s after 63m, 3m after the window", ph, tt.outcome)
			}
			if ph.FailGood != tt.good || ph.OverBad != tt.over || r.Runs.Took.Median != 63*60 {
				t.Errorf("got %+v and %+v", ph, r.Runs)
			}
		})
	}
}

// TestReleasesCoverTheRange: one every two hours over five, the third of them
// cut; a fault in the second is the second's alone.
func TestReleasesCoverTheRange(t *testing.T) {
	p := short()
	h := history(4*time.Hour+30*time.Minute, minutes(&p.Signals[0], 4*time.Hour+30*time.Minute, bad(50, 130*time.Minute, 150*time.Minute)))
	r := mustRun(t, Config{Plan: p, History: h, Every: 2 * time.Hour})
	var got []string
	for _, rel := range r.Releases {
		got = append(got, rel.Start.Format("15:04 ")+rel.Outcome)
	}
	if want := []string{"00:00 pass", "02:00 rollback", "04:00 cut"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if f := r.Firings[0]; f.Release != 2 || f.After != 23*60 || !f.At.Equal(T.Add(143*time.Minute)) {
		t.Errorf("got %+v, want release 2 at 02:23", f)
	}
	if r.Rollback[0].Watched != (60+23+30)*60 {
		t.Errorf("watched %d s, want 60, 23 and 30 minutes", r.Rollback[0].Watched)
	}
}

// twice is short with a second rollback rule on a signal of its own: above 2 %
// over 5 minutes.
func twice() *rules.Plan {
	p := short()
	p.Signals = append(p.Signals, ratio("slow"))
	slow := rule(rules.RollbackRule, "slow", 1, "> 2 %")
	slow.Over = 5 * time.Minute
	p.Rules = append(p.Rules, slow)
	p.Phases[0].Rollback = []int{1, 2}
	return p
}

// TestOneRuleDoesNotHideAnother: errors fire at T+33m and end the release; slow,
// 30 of 1000 from T+40m on, has one bad minute of five at T+41m (0.6 %), two at
// T+42m (1.2 %), three (1.8 %) and at T+44m four of five (2.4 %): known at T+47m.
func TestOneRuleDoesNotHideAnother(t *testing.T) {
	p := twice()
	h := history(2*time.Hour,
		minutes(&p.Signals[0], 2*time.Hour, bad(50, 20*time.Minute, 40*time.Minute)),
		minutes(&p.Signals[1], 2*time.Hour, bad(30, 40*time.Minute, 9*time.Hour)))
	r := mustRun(t, Config{Plan: p, History: h, Every: 2 * time.Hour})
	var got []string
	for _, f := range r.Firings {
		got = append(got, f.Rule+f.At.Format(" 15:04"))
	}
	if want := []string{"back 00:33", "slow 00:47"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if r.Runs.RolledBack != 1 || r.Releases[0].Rule != "back" {
		t.Errorf("got %+v by %s, want one release rolled back by back", r.Runs, r.Releases[0].Rule)
	}
}

// TestPhasesThatCIStarts begin on their forecast; those on pass when the one
// before has passed.
func TestPhasesThatCIStarts(t *testing.T) {
	p := short()
	p.Phases[0].Advance = rules.Signalled
	next := p.Phases[0]
	next.Name, next.Start, next.Advance = "next", time.Hour, rules.OnPass
	p.Phases = append(p.Phases, next)
	h := history(3*time.Hour, minutes(&p.Signals[0], 3*time.Hour, bad(2, 0, 9*time.Hour)))
	r := mustRun(t, Config{Plan: p, History: h, Every: 3 * time.Hour})
	one, two := r.Releases[0].Phases[0], r.Releases[0].Phases[1]
	if !one.Started.Equal(T) || one.Outcome != OutcomePass {
		t.Errorf("got %+v, want started at T", one)
	}
	if want := T.Add(63 * time.Minute); !two.Started.Equal(want) || two.Outcome != OutcomePass || !two.Decided.Equal(want.Add(63*time.Minute)) {
		t.Errorf("got %+v, want started %s", two, want)
	}
}

// TestNoHistoryIsNoPass: what the history cannot answer for is left out, and
// nothing that rests on it is called a pass.
func TestNoHistoryIsNoPass(t *testing.T) {
	p := twice()
	h := history(2*time.Hour, minutes(&p.Signals[0], 2*time.Hour, bad(2, 0, 9*time.Hour)), Unavailable(&p.Signals[1], "now only"))
	r := mustRun(t, Config{Plan: p, History: h, Every: 2 * time.Hour})
	if r.Releases[0].Outcome != OutcomePart || r.Phases[0].Outcomes[OutcomePass] != 0 || r.Phases[0].Outcomes[OutcomePart] != 1 {
		t.Errorf("got %s and %v, want part", r.Releases[0].Outcome, r.Phases[0].Outcomes)
	}
	if x := r.Rollback[1]; x.Extent != None || x.Releases != 0 || x.Unjudged != 1 || !strings.Contains(x.Why, "now only") {
		t.Errorf("got %+v, want no history and why", x)
	}
	if s := r.Signals[1]; s.None != "now only" {
		t.Errorf("got %+v", s)
	}

	// The success rule itself: its phase has one rollback rule left.
	p.Rules[0].Signal, p.Rules[0].ShownSignal = 1, 1
	r = mustRun(t, Config{Plan: p, History: h, Every: 2 * time.Hour})
	if got := r.Releases[0].Phases[0]; got.Outcome != OutcomePart || got.Rules[0].Verdict != rules.Unknown || got.Rules[0].Extent != None {
		t.Errorf("got %+v, want the rule unknown, the phase in part", got)
	}
	if c := r.Phases[0].Rules[0]; c.Unjudged != 1 || c.Pass != 0 {
		t.Errorf("got %+v, want 1 unjudged", c)
	}
}

// TestNeverFetchedIsNoHistory: a plan that asks what the history was not asked.
func TestNeverFetchedIsNoHistory(t *testing.T) {
	p := short()
	r := mustRun(t, Config{Plan: p, History: history(2 * time.Hour), Every: 2 * time.Hour})
	if r.Rollback[0].Extent != None || r.Runs.Passed+r.Runs.Part != 0 || r.Runs.NoHistory != 1 || r.Releases[0].Outcome != OutcomeNone {
		t.Errorf("got %+v and %+v, want no history and no pass", r.Rollback[0], r.Runs)
	}
}

// TestAnAlarmThatIsNotKnown: a companion of which only the newest state is known
// is left out where it is not, and its rule then never passes.
func TestAnAlarmThatIsNotKnown(t *testing.T) {
	p := short()
	alarm := rules.Signal{Name: "alarm", Source: "cw", Kind: rules.Alarm, Of: -1, Period: time.Minute, Every: time.Minute,
		Query: rules.Query{Ask: &cloudwatch.Query{Alarm: "A"}}}
	p.Signals = append(p.Signals, alarm)
	p.Rules[0].Alarm = 1
	rd := rules.Reading{Signal: 1, From: T.Add(-time.Hour).Unix(), To: T.Add(4 * time.Hour).Unix()}
	for at := T.Add(90 * time.Minute).Unix(); at < rd.To; at += 60 {
		rd.Points = append(rd.Points, rules.Point{At: at, Samples: 1})
	}
	h := history(4*time.Hour, minutes(&p.Signals[0], 4*time.Hour, bad(2, 0, 9*time.Hour)), Assemble(&p.Signals[1], []rules.Reading{rd}))
	r := mustRun(t, Config{Plan: p, History: h, Every: 2 * time.Hour})
	if got := r.Releases[0].Phases[0]; got.Outcome != OutcomePart || got.Rules[0].Verdict != rules.Unknown || !strings.Contains(got.Rules[0].Reason, "since it was entered") {
		t.Errorf("before the state was entered: got %+v", got)
	}
	if got := r.Releases[1].Phases[0]; got.Outcome != OutcomePass || got.Rules[0].Verdict != rules.Pass {
		t.Errorf("after it: got %+v", got)
	}
}

// TestTheAlarmOfARollbackRule: where the history has it, the rule fires by it; where not,
// the rule is judged by its own numbers, and that is told.
func TestTheAlarmOfARollbackRule(t *testing.T) {
	p := short()
	p.Signals = append(p.Signals, rules.Signal{
		Name: "alarm", Source: "cw", Kind: rules.Alarm, Of: -1, Period: time.Minute, Every: time.Minute,
		Query: rules.Query{Ask: &cloudwatch.Query{Alarm: "A"}},
	})
	p.Rules[1].Alarm, p.Rules[1].OnNoData = 1, rules.PolicyRollback
	rd := rules.Reading{Signal: 1, From: T.Add(-time.Hour).Unix(), To: T.Add(6 * time.Hour).Unix()}
	for at := T.Add(90 * time.Minute).Unix(); at < rd.To; at += 60 {
		on := at >= T.Add(4*time.Hour+10*time.Minute).Unix()
		rd.Points = append(rd.Points, rules.Point{At: at, Value: map[bool]float64{true: 1}[on], Samples: 1})
	}
	own := minutes(&p.Signals[0], 6*time.Hour, bad(2, 0, 9*time.Hour))
	r := mustRun(t, Config{Plan: p, History: history(6*time.Hour, own, Assemble(&p.Signals[1], []rules.Reading{rd})), Every: 2 * time.Hour})
	var outcomes []string
	for _, rel := range r.Releases {
		outcomes = append(outcomes, rel.Outcome)
	}
	if got, want := strings.Join(outcomes, " "), "part pass rollback"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if x := r.Rollback[0]; len(r.Firings) != 1 || x.Extent != Partly || !strings.Contains(x.Why, "judged without its alarm: alarm: ") {
		t.Errorf("got %+v, %+v; want one firing, and where it was judged without its alarm", r.Firings, x)
	}
	own.Gaps = []Gap{{From: T.Add(20 * time.Minute).Unix(), To: T.Add(2 * time.Hour).Unix(), Detail: "throttled"}}
	r = mustRun(t, Config{Plan: p, History: history(2*time.Hour, own, Unavailable(&p.Signals[1], "now only")), Every: 2 * time.Hour})
	if x := r.Rollback[0]; len(r.Firings) != 0 || x.Extent != Partly || !strings.Contains(x.Why, "throttled") {
		t.Errorf("a hole, and no alarm: got %+v, %+v", r.Firings, x)
	}
}

// TestHolesAndSilence: what the source lost is silence and the rule's policy acts
// on it; what was not fetched is a hole of the history, on which it must not.
func TestHolesAndSilence(t *testing.T) {
	p := short()
	p.Rules[1].OnNoData = rules.PolicyRollback
	silent := minutes(&p.Signals[0], 2*time.Hour, func(since time.Duration) float64 {
		if since >= 20*time.Minute {
			return -1
		}
		return 0
	})
	r := mustRun(t, Config{Plan: p, History: history(2*time.Hour, silent), Every: 2 * time.Hour})
	if len(r.Firings) != 1 || r.Firings[0].Cause != rules.CauseNoData {
		t.Errorf("silence: got %+v; want one firing by policy", r.Firings)
	}
	holed := silent
	holed.Gaps = []Gap{{From: T.Add(20 * time.Minute).Unix(), To: T.Add(2 * time.Hour).Unix(), Detail: "throttled"}}
	r = mustRun(t, Config{Plan: p, History: history(2*time.Hour, holed), Every: 2 * time.Hour})
	if len(r.Firings) != 0 || r.Rollback[0].Extent != Partly || !strings.Contains(r.Rollback[0].Why, "throttled") {
		t.Errorf("hole: got %+v, %+v; want nothing fired and the hole told", r.Firings, r.Rollback[0])
	}
	if r.Runs.Passed+r.Runs.Part != 0 {
		t.Errorf("hole: got %+v, want no pass", r.Runs)
	}
}

// TestRangesThatCannotBe are refused.
func TestRangesThatCannotBe(t *testing.T) {
	p := short()
	h := history(2*time.Hour, minutes(&p.Signals[0], 2*time.Hour, bad(0, 0, 0)))
	for name, cfg := range map[string]Config{
		"no plan":          {History: h, From: T, To: h.To},
		"backwards":        {Plan: p, History: h, From: h.To, To: T},
		"before":           {Plan: p, History: h, From: T.Add(-time.Hour), To: h.To},
		"after":            {Plan: p, History: h, From: T, To: h.To.Add(time.Hour)},
		"no phase":         {Plan: &rules.Plan{Name: "p"}, History: h, From: T, To: h.To},
		"an unknown rule":  {Plan: p, History: h, From: T, To: h.To, Marks: []Mark{{From: T, To: h.To, Rules: []string{"unknown"}}}},
		"an empty period":  {Plan: p, History: h, From: T, To: h.To, Marks: []Mark{{From: T, To: T}}},
		"a period too far": {Plan: p, History: &History{From: T, To: T.Add(1e6 * time.Hour)}, From: T, To: T.Add(1e6 * time.Hour), Every: time.Minute},
	} {
		if r, err := Run(cfg); err == nil {
			t.Errorf("%s: got %d releases, want an error", name, len(r.Releases))
		}
	}
}

// TestStagesBeforeFiring: a state that a rule was in is told by its first time,
// whatever it is called.
func TestStagesBeforeFiring(t *testing.T) {
	w := Watch{Rule: "r"}
	w.follow([]fact.Event{
		{Kind: fact.RuleEvent, Subject: "r", To: "clear", At: T},
		{Kind: fact.RuleEvent, Subject: "other", To: "warning", At: T},
		{Kind: fact.RuleEvent, Subject: "r", To: "warning", At: T.Add(1 * time.Minute)},
		{Kind: fact.RuleEvent, Subject: "r", To: "silent", At: T.Add(2 * time.Minute)},
		{Kind: fact.RuleEvent, Subject: "r", To: "warning", At: T.Add(4 * time.Minute)},
		{Kind: fact.RuleEvent, Subject: "r", To: "holding", At: T.Add(5 * time.Minute)},
		{Kind: fact.RuleEvent, Subject: "r", To: "silent", At: T.Add(6 * time.Minute)},
	}, T.Add(9*time.Minute).Unix())
	if !w.First["warning"].Equal(T.Add(time.Minute)) || !w.First["holding"].Equal(T.Add(5*time.Minute)) || w.Silent != 5*60 {
		t.Errorf("got %+v, want warning at 1m, holding at 5m, 5m silent", w)
	}
}

// weighing is short with evidence in place of thresholds, limit 1 % and trigger
// 3 %, and without a success rule, which would fail what is held.
func weighing() *rules.Plan {
	p := short()
	p.FalseRollback, p.FalsePass, p.Phases[0].Success = .01, .05, nil
	for i := range p.Rules {
		r := &p.Rules[i]
		r.Method, r.Limit, r.Trigger, r.Alpha, r.For = rules.Sequential, .01, .03, .01, 0
	}
	return p
}

// TestEvidenceClimbs: a rate between limit and trigger holds the release and does
// not roll it back; one above the trigger does, after the rule has held or at
// once. Either is right or false like a firing.
func TestEvidenceClimbs(t *testing.T) {
	for _, tt := range []struct {
		name    string
		bad     float64 // of 1000 in each minute
		marks   []Mark
		outcome string
		verdict string
	}{
		{"healthy", 5, nil, OutcomePass, ""},
		{"between", 24, nil, OutcomeHeld, Unmarked},
		{"between, and it was bad", 24, []Mark{mark(0, time.Hour)}, OutcomeHeld, Right},
		{"between, and it was bad another time", 24, []Mark{mark(100*time.Minute, 110*time.Minute)}, OutcomeHeld, False},
		{"above", 60, []Mark{mark(0, time.Hour)}, OutcomeRollback, Right},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := weighing()
			h := history(2*time.Hour, minutes(&p.Signals[0], 2*time.Hour, bad(tt.bad, 0, 9*time.Hour)))
			r := mustRun(t, Config{Plan: p, History: h, Every: 2 * time.Hour, Marks: tt.marks})
			rel, w := r.Releases[0], r.Releases[0].Watches[0]
			if rel.Outcome != tt.outcome || rel.Judgement != tt.verdict {
				t.Fatalf("got %s %s: %s; want %s %s", rel.Outcome, rel.Judgement, rel.Reason, tt.outcome, tt.verdict)
			}
			_, holding := w.First[string(fact.RuleHolding)]
			switch tt.outcome {
			case OutcomeHeld:
				if !holding || rel.Held.IsZero() || rel.Rule != "back" || len(r.Firings) != 0 || r.Rollback[0].Stages["holding"].N != 1 {
					t.Errorf("got %+v, first %v, %d firings; want held by back and nothing fired", rel.Held, w.First, len(r.Firings))
				}
			case OutcomeRollback:
				if len(r.Firings) != 1 || r.Firings[0].Cause != rules.CauseEvidence {
					t.Errorf("got %+v, want one firing by evidence", r.Firings)
				}
			case OutcomePass:
				if holding || len(r.Firings) != 0 {
					t.Errorf("got %v, want neither held nor fired", w.First)
				}
			}
		})
	}
}
