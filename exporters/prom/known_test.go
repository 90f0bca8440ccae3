package prom_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/prom"
	"github.com/relgate/relgate/rules"
)

// lines lists the lines of a page that begin with a name.
func lines(page, name string) string {
	var found []string
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, name) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return strings.Join(found, "\n")
}

func TestASignalIsOverdueOnlyWhenItsAnswerIsLate(t *testing.T) {
	at := t0.Add(5 * time.Minute)
	for _, tt := range []struct {
		about    string
		due      time.Duration // from the tick
		timeout  time.Duration
		interval time.Duration
		want     string // empty: absent
	}{
		{"nothing needs it", 0, 20 * time.Second, 30 * time.Second, ""},
		{"an hourly one between two answers", 40 * time.Minute, 20 * time.Second, 30 * time.Second, "0"},
		{"it is asked in this tick", time.Nanosecond, 20 * time.Second, 30 * time.Second, "0"},
		{"one answer was lost, and the next is on its way", -100 * time.Second, 20 * time.Second, 30 * time.Second, "0"},
		{"and that one is late too", -101 * time.Second, 20 * time.Second, 30 * time.Second, "1"},
		{"a query that may take five minutes", -10 * time.Minute, 5 * time.Minute, 30 * time.Second, "0"},
		{"and has not come back", -12 * time.Minute, 5 * time.Minute, 30 * time.Second, "1"},
		{"a plan that ticks every five minutes", -10 * time.Minute, 20 * time.Second, 5 * time.Minute, "0"},
		{"and is late", -11 * time.Minute, 20 * time.Second, 5 * time.Minute, "1"},
	} {
		v := view("p")
		s := &v.Run.Snapshot
		s.At, s.Interval = at, tt.interval
		s.Signals[0].Due = at.Add(tt.due)
		if tt.due == 0 {
			s.Signals[0].Due = time.Time{}
		}
		now := at.Add(time.Hour) // when it is scraped does not matter: that ticks are old is another alert
		e := prom.New(config(&now))
		e.Update(prom.Views{Plans: []prom.View{v}, Timeouts: map[string]time.Duration{"cloudwatch": tt.timeout}})
		_, page := get(t, e.Handler())
		want := ""
		if tt.want != "" {
			want = `relgate_signal_overdue{plan="p",signal="api_5xx_rate"} ` + tt.want
		}
		if got := lines(page, `relgate_signal_overdue{plan="p",signal="api_5xx_rate"}`); got != want {
			t.Errorf("%s: %q, want %q", tt.about, got, want)
		}
	}
}

func TestTheStartOfAnAlertThatFiresDoesNotMove(t *testing.T) {
	for _, tt := range []struct {
		about string
		set   func(s *fact.Snapshot)
		alert string
		want  time.Time
	}{
		{"a rollback rule, by the stretch that it judged", func(s *fact.Snapshot) {
			s.Rollback[0].State = fact.RuleFired
		}, `ALERTS_FOR_STATE{alertname="api-5xx",phase="",`, t0.Add(time.Minute)},
		{"a rollback rule that fired because no data came", func(s *fact.Snapshot) {
			s.Rollback[1].State, s.Fired = fact.RuleFired, &fact.Event{At: t0.Add(2 * time.Minute)}
		}, `ALERTS_FOR_STATE{alertname="crash-free-low",`, t0.Add(2 * time.Minute)},
		{"a success rule that failed its phase because no data came", func(s *fact.Snapshot) {
			s.Phases[0].Success[0].State, s.Phases[0].Success[0].Evidence = fact.RuleFired, fact.Evidence{}
			s.Phases[0].Decided = t0.Add(3 * time.Minute)
		}, `ALERTS_FOR_STATE{alertname="api-5xx",phase="ten",`, t0.Add(3 * time.Minute)},
	} {
		v := view("p")
		tt.set(&v.Run.Snapshot)
		for range 3 {
			v.Run.Snapshot.At = v.Run.Snapshot.At.Add(time.Hour)
			now := v.Run.Snapshot.At
			_, page := get(t, newExporter(&now, v).Handler())
			line := lines(page, tt.alert)
			if want := fmt.Sprint(float64(tt.want.Unix())); !strings.HasSuffix(line, "} "+want) {
				t.Errorf("%s: %q, want %s", tt.about, line, want)
			}
		}
	}
}

func TestARollbackIsUnacknowledgedUntilItIsReported(t *testing.T) {
	for _, tt := range []struct {
		verdict rules.Verdict
		done    bool
		want    int
	}{
		{rules.Pending, false, 0},
		{rules.Fail, false, 0},
		{rules.Rollback, false, 1},
		{rules.Rollback, true, 0},
	} {
		v := view("p")
		v.Run.Snapshot.Verdict, v.Run.Snapshot.RolledBack = tt.verdict, tt.done
		now := t0.Add(5 * time.Minute)
		_, page := get(t, newExporter(&now, v).Handler())
		wantLines(t, page, fmt.Sprintf(`relgate_rollback_unacknowledged{plan="p"} %d`, tt.want))
	}
}

func TestADecidedRunSaysWhenAndHasNoDeadline(t *testing.T) {
	now := t0.Add(time.Hour)
	_, page := get(t, newExporter(&now, decided("p")).Handler())
	when := fmt.Sprint(float64(t0.Add(4 * time.Minute).Unix()))
	wantLines(t, page, `relgate_run_decided_timestamp_seconds{plan="p"} `+when, `relgate_phase_decided_timestamp_seconds{phase="ten",plan="p"} `+when)
	wantNone(t, page, "relgate_run_deadline_timestamp_seconds", `relgate_phase_decided_timestamp_seconds{phase="all"`, "relgate_signal_overdue")
}

// Of a run that nothing was asked for yet, and of sources and endpoints that have
// answered nothing, the page shows no time and no number that would be made up.
func TestWhatIsNotKnownIsAbsent(t *testing.T) {
	v := weighing("p")
	p, s := v.Run.Plan, &v.Run.Snapshot
	p.Start, p.Completion = time.Time{}, time.Time{}
	s.At, s.Start, s.Horizon, s.Effects = time.Time{}, time.Time{}, time.Time{}.Add(time.Hour), fact.Effects{}
	idle := func(r *fact.RuleView) {
		r.State, r.Evidence = fact.RuleIdle, fact.Evidence{Weighed: r.Evidence.Weighed}
	}
	for k := range s.Phases {
		f := &s.Phases[k]
		f.State, f.Scheduled, f.Started, f.WindowEnd, f.Deadline = rules.Waiting, time.Time{}.Add(time.Hour), time.Time{}, time.Time{}, time.Time{}
		if f.Observed != nil {
			f.Observed = &fact.Observed{Signal: "share"}
		}
		for i := range f.Success {
			idle(&f.Success[i])
		}
	}
	for i := range s.Rollback {
		idle(&s.Rollback[i])
	}
	for i := range s.Signals {
		s.Signals[i] = fact.SignalView{Name: s.Signals[i].Name}
	}
	now := t0
	c := config(&now)
	c.Sources = func() []prom.SourceStats { return []prom.SourceStats{{Source: "cloudwatch", RateRemaining: -1}} }
	c.Webhooks = func() []prom.EndpointStats { return []prom.EndpointStats{{Endpoint: "pipeline", Class: "action"}} }
	c.Inboxes = func() []prom.InboxStats { return []prom.InboxStats{{Source: "am"}} }
	c.Alerts = func() []prom.PusherStats { return []prom.PusherStats{{Alertmanager: "main", Address: "am-1"}} }
	c.Runner = func() prom.RunnerStats { return prom.RunnerStats{} }
	c.Reload, c.Process = nil, false
	e := prom.New(c)
	e.Update(prom.Views{Plans: []prom.View{v}})
	_, page := get(t, e.Handler())
	if !strings.Contains(page, `relgate_rule_state{kind="rollback",phase="",plan="p",rule="errors-high",state="idle"} 1`) {
		t.Fatalf("the page does not show the rules:\n%s", page)
	}
	for line := range strings.Lines(page) {
		if strings.Contains(line, "_timestamp_seconds") {
			t.Errorf("a time that is not known is shown: %s", line)
		}
	}
	wantNone(t, page,
		"relgate_phase_observed_ratio{", "relgate_rule_value{", "relgate_rule_value_low", "relgate_rule_value_high", "relgate_rule_samples{", "relgate_rule_bad_samples",
		"relgate_rule_points{", "relgate_rule_points_expected", "relgate_rule_breaching_seconds",
		"relgate_signal_value", "relgate_signal_samples", "relgate_signal_fault", "relgate_signal_overdue", "relgate_source_rate_remaining", "ALERTS",
		"relgate_evaluation_last_duration_seconds", "relgate_commit_last_duration_seconds", "relgate_fetch_last_duration_seconds",
	)
}

// Of a rule that judges a share of the periods, comparison, threshold and unit are
// those of the share, judged or not.
func TestARuleOnAShareOfThePeriodsIsShownAsThat(t *testing.T) {
	v := view("p")
	r := &v.Run.Plan.Rules[0]
	r.Aggregate, r.MinShare, r.When = rules.Share, .95, rules.Condition{Op: rules.LessOrEqual, Threshold: 2.5, Unit: rules.Seconds}
	v.Run.Plan.Signals[0].Unit = rules.Seconds
	now := t0
	_, page := get(t, newExporter(&now, v).Handler())
	wantLines(t, page,
		`relgate_rule_threshold{kind="success",phase="all",plan="p",rule="api-5xx"} 0.95`,
		`relgate_rule_info{gate="veto",kind="success",mode="enforce",op=">=",owner="Ops",plan="p",rule="api-5xx",signal="api_5xx_rate",title="API 5xx",unit="ratio"} 1`,
		`relgate_rule_info{gate="",kind="rollback",mode="enforce",op=">",owner="",plan="p",rule="api-5xx",signal="api_5xx_rate",title="",unit="seconds"} 1`,
	)
}

// What was counted under two configs is their sum; what stands now is the newer's.
func TestPlusAddsWhatOnlyGrows(t *testing.T) {
	fill := func(v reflect.Value, n int64) {
		for i := range v.NumField() {
			switch f := v.Field(i); f.Kind() {
			case reflect.Uint64:
				f.SetUint(uint64(n))
			case reflect.Int, reflect.Int64:
				f.SetInt(n)
			}
		}
	}
	sums := func(v reflect.Value, stands ...string) {
		for i := range v.NumField() {
			name, want, got := v.Type().Field(i).Name, int64(111), int64(0)
			if slices.Contains(stands, name) {
				want = 100
			}
			switch f := v.Field(i); f.Kind() {
			case reflect.Uint64:
				got = int64(f.Uint())
			case reflect.Int, reflect.Int64:
				got = f.Int()
			default:
				continue
			}
			if got != want {
				t.Errorf("%s.%s is %d, want %d", v.Type().Name(), name, got, want)
			}
		}
	}
	var sources [3]prom.SourceStats
	var endpoints [3]prom.EndpointStats
	var pushers [3]prom.PusherStats
	for i, n := range []int64{100, 10, 1} {
		fill(reflect.ValueOf(&sources[i]).Elem(), n)
		fill(reflect.ValueOf(&endpoints[i]).Elem(), n)
		fill(reflect.ValueOf(&pushers[i]).Elem(), n)
		sources[i].Readings = map[rules.Fault]uint64{rules.OK: uint64(n)}
	}
	sources[1].LastSuccess, endpoints[2].LastSuccess, pushers[2].LastSuccess = t0, t0, t0
	pusher := pushers[0].Plus(pushers[1]).Plus(pushers[2])
	sums(reflect.ValueOf(pusher), "Lag")
	source, endpoint := sources[0].Plus(sources[1]).Plus(sources[2]), endpoints[0].Plus(endpoints[1]).Plus(endpoints[2])
	sums(reflect.ValueOf(source))
	sums(reflect.ValueOf(endpoint), "Pending", "Lag", "OrdersPending")
	if source.Readings[rules.OK] != 111 || sources[0].Readings[rules.OK] != 100 {
		t.Errorf("%d readings, of which the first has %d; want 111 and 100", source.Readings[rules.OK], sources[0].Readings[rules.OK])
	}
	if !source.LastSuccess.Equal(t0) || !endpoint.LastSuccess.Equal(t0) || !pusher.LastSuccess.Equal(t0) {
		t.Errorf("the newest success is %v, %v and %v, want %v", source.LastSuccess, endpoint.LastSuccess, pusher.LastSuccess, t0)
	}
	silent := prom.SourceStats{RateRemaining: -1}
	if got := silent.Plus(prom.SourceStats{RateRemaining: 7}).RateRemaining; got != 7 {
		t.Errorf("before the new source has asked, the rate is %v, want what the old one was told: 7", got)
	}
}
