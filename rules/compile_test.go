package rules

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func ptr[T any](v T) *T { return &v }

func dur(d time.Duration) *Duration { return &Duration{d} }

func when(text string) Condition {
	c, err := ParseCondition(text)
	if err != nil {
		panic(err)
	}
	return c
}

// goodSpec is a plan with nothing wrong, with one signal of every source.
func goodSpec() Spec {
	rule := func(name, signal, cond string) RuleSpec {
		return RuleSpec{Name: name, Signal: signal, When: when(cond), Owner: "Ops"}
	}
	return Spec{
		Release: ReleaseSpec{Plan: "launch", Title: "The launch", Version: "1.0.0", Manager: "Kim", Start: time.Date(2025, 6, 4, 4, 0, 0, 0, time.FixedZone("", 7200))},
		Phases: []PhaseSpec{
			{Name: "canary", Traffic: &Fraction{0.1}, Start: &Offset{}, Window: dur(2 * time.Hour), Owner: "Ops",
				Success: []string{"errors", "slow", "gap"}, Rollback: []string{"errors-high", "slow-high"}},
			{Name: "all", Traffic: &Fraction{1}, Advance: ptr(OnPass), Window: dur(24 * time.Hour), Owner: "Ops",
				Success: []string{"errors", "crashes", "stars"}, Rollback: []string{"errors-high"}},
		},
		Success: []SuccessSpec{
			{RuleSpec: rule("errors", "error_rate", "< 1 %"), Alarm: "page"},
			{RuleSpec: rule("slow", "p95", "<= 2.5 s")},
			{RuleSpec: rule("gap", "gap", "<= 0.07")},
			{RuleSpec: rule("crashes", "crash_free", ">= 99.5 %")},
			{RuleSpec: rule("stars", "stars", ">= 4.5")},
		},
		Rollback: []RollbackSpec{
			{RuleSpec: rule("errors-high", "error_rate", "> 3 %"), For: dur(10 * time.Minute), Action: "revert", Command: "revert --now"},
			{RuleSpec: rule("slow-high", "p95", "> 3 s"), Action: "revert", Command: "revert --now"},
		},
		Signals: []SignalSpec{
			{Name: "error_rate", Source: "cw", Kind: ptr(Ratio), Query: &CloudWatchQuery{Namespace: "AWS/ApiGateway", Bad: "5XXError", Total: "Count"}},
			{Name: "page", Source: "cw", Kind: ptr(Alarm), Query: &CloudWatchQuery{Alarm: "API5xx"}},
			{Name: "p95", Source: "cw", Kind: ptr(Percentile), Quant: &Fraction{0.95}, Unit: ptr(Seconds), Query: &CloudWatchQuery{Namespace: "AWS/Lambda", Metric: "Duration", Unit: "Milliseconds"}},
			{Name: "gap", Source: "lake", Kind: ptr(Gauge), Query: &AthenaQuery{SQL: "SELECT ?", Parameters: []string{"1"}, Database: "d", Groups: 10, MinGroup: 100, Reuse: Duration{time.Hour}}},
			{Name: "crash_free", Source: "sentry", Kind: ptr(Ratio), Good: true, Query: &SentryQuery{Project: "p", Release: "p@1"}},
			{Name: "stars", Source: "store", Kind: ptr(Mean), Query: &AppStoreQuery{Fact: "reviews", App: "64", Version: "1.0"}},
		},
		Communications: []CommunicationSpec{
			{Name: "later", At: &Moment{Offset: Offset{time.Hour}}, Channel: "mail", Text: "live"},
			{Name: "before", At: &Moment{Offset: Offset{-time.Hour}}, Channel: "chat", Text: "soon"},
		},
		Rehearsal: RehearsalSpec{Date: Date{"2025-05-30"}, Environment: "staging", Note: "all"},
		Approvals: []ApprovalSpec{{Name: "start", Roles: []string{"CTO", "Legal"}, NotAuthor: new(bool)}},
		Review:    ReviewSpec{PassCriteria: []string{"customers are pleased"}},
	}
}

func compileGood(t *testing.T) *Plan {
	t.Helper()
	plan, problems := Compile(goodSpec())
	if len(problems) > 0 {
		t.Fatalf("got problems\n%v\nwant none", problems)
	}
	return plan
}

// The journal keeps plans as JSON: what is read back has to be the same plan.
func TestPlanReadsBackFromJSON(t *testing.T) {
	plan := compileGood(t)
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ReadPlan(text, standIns)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, plan) {
		again, _ := json.Marshal(back)
		t.Errorf("got\n%s\nwant\n%s", again, text)
	}
}

func TestOrderIsTheFilesAndDerivedSignalsComeLast(t *testing.T) {
	plan := compileGood(t)
	var signals, rules []string
	for _, s := range plan.Signals {
		signals = append(signals, s.Name)
	}
	for _, r := range plan.Rules {
		rules = append(rules, r.Name)
	}
	if want := []string{"error_rate", "page", "p95", "gap", "crash_free", "stars", "p95 > 2.5 s", "p95 > 3 s"}; !reflect.DeepEqual(signals, want) {
		t.Errorf("got signals %q, want %q", signals, want)
	}
	if want := []string{"errors", "slow", "gap", "crashes", "stars", "errors-high", "slow-high"}; !reflect.DeepEqual(rules, want) {
		t.Errorf("got rules %q, want %q", rules, want)
	}
	if got, want := plan.Phases[0].Success, []int{0, 1, 2}; !reflect.DeepEqual(got, want) {
		t.Errorf("phase's success rules are %v, want %v", got, want)
	}
	if got, want := plan.Phases[0].Rollback, []int{5, 6}; !reflect.DeepEqual(got, want) {
		t.Errorf("phase's rollback rules are %v, want %v", got, want)
	}
	if plan.Rules[0].Alarm != 1 || plan.Rules[1].Alarm != -1 {
		t.Errorf("got alarms %d and %d, want 1 and -1", plan.Rules[0].Alarm, plan.Rules[1].Alarm)
	}
}

func TestPercentileIsJudgedByExceedance(t *testing.T) {
	plan := compileGood(t)
	good, bad := plan.Rules[1], plan.Rules[6]
	for _, tt := range []struct {
		rule        Rule
		signal      string
		above       float64
		when, shown string
	}{
		{good, "p95 > 2.5 s", 2.5, "<= 5 %", "<= 2.5 s"},
		{bad, "p95 > 3 s", 3, "> 5 %", "> 3 s"},
	} {
		s := plan.Signals[tt.rule.Signal]
		if s.Name != tt.signal || s.Kind != Ratio || s.Unit != Percent || s.Good || s.Quant != 0 || s.Of != 2 || s.Above != tt.above {
			t.Errorf("rule %q judges %+v, want %q, the share above %v", tt.rule.Name, s, tt.signal, tt.above)
		}
		if !reflect.DeepEqual(s.Query, plan.Signals[2].Query) || s.Period != plan.Signals[2].Period || s.Settle != plan.Signals[2].Settle {
			t.Errorf("derived signal %+v is not asked as its percentile is", s)
		}
		if tt.rule.When.String() != tt.when || tt.rule.ShownWhen.String() != tt.shown || tt.rule.ShownSignal != 2 || tt.rule.Aggregate != Exceedance {
			t.Errorf("rule %q: got %v, shown as %v on %d", tt.rule.Name, tt.rule.When, tt.rule.ShownWhen, tt.rule.ShownSignal)
		}
	}
	if got := cloudWatch(plan.Signals[2].Query.Ask).Stat; got != "p95" {
		t.Errorf("got statistic %q, want p95", got)
	}
}

func TestExceedanceOfOtherConditions(t *testing.T) {
	for _, tt := range []struct{ written, want string }{
		{"< 2 s", "<= 1 %"}, {"<= 2 s", "<= 1 %"}, {"> 2 s", "> 1 %"}, {">= 2 s", "> 1 %"},
	} {
		if got := exceeds(when(tt.written).Op, 0.99).String(); got != tt.want {
			t.Errorf("p99 %s is judged as a share %s, want %s", tt.written, got, tt.want)
		}
	}
}

// Two rules with one threshold share what is asked for.
func TestRulesShareADerivedSignal(t *testing.T) {
	spec := goodSpec()
	spec.Rollback[1].When = when("> 2.5 s")
	plan, problems := Compile(spec)
	if plan == nil {
		t.Fatal(problems)
	}
	if len(plan.Signals) != 7 || plan.Rules[1].Signal != plan.Rules[6].Signal {
		t.Errorf("got %d signals, rules on %d and %d, want 7 and the same", len(plan.Signals), plan.Rules[1].Signal, plan.Rules[6].Signal)
	}
}

// The other aggregates judge the percentile's own series.
func TestOtherAggregatesJudgeTheSeries(t *testing.T) {
	for _, a := range []Aggregate{Worst, Share} {
		spec := goodSpec()
		spec.Success[1].Aggregate, spec.Rollback[1].Aggregate = &a, &a
		if a == Share {
			spec.Success[1].MinShare, spec.Rollback[1].MinShare = &Fraction{0.9}, &Fraction{0.5}
		}
		plan, problems := Compile(spec)
		if plan == nil {
			t.Fatal(problems)
		}
		r := plan.Rules[1]
		if len(plan.Signals) != 6 || r.Signal != 2 || r.When != r.ShownWhen || r.Aggregate != a || a == Share && r.MinShare != 0.9 {
			t.Errorf("%v: got %d signals and rule %+v, want the percentile itself judged", a, len(plan.Signals), r)
		}
	}
}

func TestDefaults(t *testing.T) {
	plan := compileGood(t)
	if plan.Interval != 30*time.Second || plan.Start.Format(time.RFC3339) != "2025-06-04T02:00:00Z" {
		t.Errorf("got interval %v, start %v", plan.Interval, plan.Start)
	}
	if want := plan.Start.Add(26 * time.Hour); !plan.Completion.Equal(want) {
		t.Errorf("got completion %v, want the last window's end, %v", plan.Completion, want)
	}
	for _, tt := range []struct {
		signal                string
		period, every, settle time.Duration
	}{
		{"error_rate", time.Minute, time.Minute, 3 * time.Minute},
		{"page", time.Minute, time.Minute, 0},
		{"p95", time.Minute, time.Minute, 3 * time.Minute},
		{"gap", time.Hour, time.Hour, 0},
		{"crash_free", time.Minute, time.Minute, 10 * time.Minute},
		{"stars", 15 * time.Minute, 15 * time.Minute, 0},
	} {
		for _, s := range plan.Signals {
			if s.Name == tt.signal && (s.Period != tt.period || s.Every != tt.every || s.Settle != tt.settle) {
				t.Errorf("%s: got period %v, every %v, settle %v, want %v, %v, %v", s.Name, s.Period, s.Every, s.Settle, tt.period, tt.every, tt.settle)
			}
		}
	}
	p := plan.Phases[1]
	if p.Title != "all" || p.Start != 2*time.Hour || p.Extend != time.Hour || p.Advance != OnPass {
		t.Errorf("got phase %+v, want its name as title, the end before as start, an hour to extend", p)
	}
	r := plan.Rules[0]
	if r.Coverage != 0.8 || r.Grace != 6*time.Minute || r.Over != 0 || r.MinSamples != 0 || r.OnNoData != PolicyHold || r.OnError != PolicyHold {
		t.Errorf("got rule %+v, want coverage 0.8, grace 6m and hold", r)
	}
	if plan.Communications[0].Name != "before" || plan.Communications[1].Name != "later" {
		t.Errorf("got messages %v, want them by time", plan.Communications)
	}
}

func TestWhatIsWrittenIsKept(t *testing.T) {
	spec := goodSpec()
	spec.Release.Completion = Instant{Time: spec.Release.Start.Add(48 * time.Hour)}
	spec.Release.Interval = dur(time.Minute)
	spec.Signals[0].Period, spec.Signals[0].Settle = dur(5*time.Minute), dur(0)
	spec.Signals[3].Every, spec.Signals[5].Period = dur(30*time.Minute), dur(time.Hour)
	spec.Success[0].Coverage, spec.Success[0].MinSamples = &Fraction{0.5}, ptr(100.0)
	spec.Success[0].Over, spec.Success[0].Grace = dur(30*time.Minute), dur(time.Hour)
	spec.Success[0].Notify, spec.Success[0].Title = []string{"ops"}, "Errors"
	spec.Success[0].OnNoData, spec.Success[0].OnError = ptr(PolicyFail), ptr(PolicyRollback)
	spec.Phases[1].Start, spec.Phases[0].Extend, spec.Phases[0].Title = &Offset{3 * time.Hour}, dur(2*time.Hour), "Canary"
	plan, problems := Compile(spec)
	if plan == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	if plan.Completion.Sub(plan.Start) != 48*time.Hour || plan.Interval != time.Minute {
		t.Errorf("got completion %v, interval %v", plan.Completion, plan.Interval)
	}
	if s := plan.Signals[0]; s.Period != 5*time.Minute || s.Every != 5*time.Minute || s.Settle != 0 {
		t.Errorf("got signal %+v, want it asked once a period", s)
	}
	if s := plan.Signals[3]; s.Period != 30*time.Minute || s.Every != 30*time.Minute {
		t.Errorf("got signal %+v, want a period as long as it is asked", s)
	}
	if s := plan.Signals[5]; s.Period != time.Hour || s.Every != time.Hour {
		t.Errorf("got signal %+v, want it asked once a period", s)
	}
	r := plan.Rules[0]
	if r.Coverage != 0.5 || r.MinSamples != 100 || r.Over != 30*time.Minute || r.Grace != time.Hour || r.Notify[0] != "ops" ||
		r.Title != "Errors" || r.OnNoData != PolicyFail || r.OnError != PolicyRollback {
		t.Errorf("got rule %+v", r)
	}
	if p := plan.Phases[0]; p.Extend != 2*time.Hour || p.Title != "Canary" || plan.Phases[1].Start != 3*time.Hour {
		t.Errorf("got phases %+v", plan.Phases)
	}
}

// A signal keeps what the longest look back of any rule needs, until it has
// settled.
func TestKeep(t *testing.T) {
	plan := compileGood(t)
	for _, tt := range []struct {
		signal string
		want   int
	}{
		{"error_rate", 24*60 + 60 + 3 + 1}, // 24h window, 1h to extend, 3m to settle, and the period that is being filled
		{"page", 24*60 + 60 + 1},
		{"p95 > 2.5 s", 120 + 60 + 3 + 1},
		{"p95 > 3 s", 3 + 1}, // one period is judged as it comes
		{"gap", 2 + 1 + 1},
		{"stars", 4*25 + 1},
	} {
		for _, s := range plan.Signals {
			if s.Name == tt.signal && s.Keep != tt.want {
				t.Errorf("%s keeps %d buckets, want %d", s.Name, s.Keep, tt.want)
			}
		}
	}
}

func TestSharedSignalsJoinThePlanThatNamesThem(t *testing.T) {
	spec := goodSpec()
	spec.Shared = append(spec.Signals[:1:1], SignalSpec{Name: "not-named"}, spec.Signals[1], SignalSpec{Name: "only-rollback", Source: "cw", Kind: ptr(Alarm), Query: &CloudWatchQuery{Alarm: "x"}})
	spec.Rollback[1].Signal, spec.Rollback[1].When = "only-rollback", when("== 1")
	spec.Signals = spec.Signals[2:]
	spec.Shared = append(spec.Shared, SignalSpec{Name: "p95"}) // the plan's own comes first
	plan, problems := Compile(spec)
	if plan == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := plan.Signals[4].Name + " " + plan.Signals[5].Name + " " + plan.Signals[6].Name; got != "error_rate page only-rollback" {
		t.Errorf("got %s behind the plan's own signals, want the shared ones that rules name", got)
	}
	if plan.Signals[plan.Rules[0].Signal].Name != "error_rate" || plan.Signals[plan.Rules[0].Alarm].Name != "page" {
		t.Errorf("rule %+v does not judge the shared signals", plan.Rules[0])
	}
}

// A scenario gives the readings itself: its signals need no source.
func TestBareSignalsNeedNoSource(t *testing.T) {
	spec := goodSpec()
	for i := range spec.Signals {
		s := &spec.Signals[i]
		s.Source, s.Query = "", nil
	}
	if _, problems := Compile(spec); problems.Errors() == 0 {
		t.Error("got no errors for signals without sources")
	}
	spec.Bare, spec.Success[2].Aggregate = true, ptr(Worst)
	if plan, problems := Compile(spec); plan == nil || len(problems) > 0 {
		t.Errorf("got %v, want a plan without problems", problems)
	}
}

func TestCompileDoesNotChangeItsSpec(t *testing.T) {
	spec, same := goodSpec(), goodSpec()
	Compile(spec)
	if !reflect.DeepEqual(spec, same) {
		t.Errorf("got %+v, want %+v", spec, same)
	}
}
