package prom_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/prom"
	"github.com/relgate/relgate/rules"
)

const openMetrics = "application/openmetrics-text; version=1.0.0"

func get(t *testing.T, h http.Handler, header ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	var body io.Reader = res.Body
	if res.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(res.Body)
		if err != nil {
			t.Fatalf("opening gzip: %v", err)
		}
		z.Multistream(false) // one member, for the readers that stop after it
		body = z
	}
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("reading the page: %v", err)
	}
	return res, string(b)
}

// wantLines fails for every line that the page does not hold.
func wantLines(t *testing.T, page string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains("\n"+page, "\n"+l+"\n") {
			t.Errorf("the page has no line %q", l)
		}
	}
}

func wantNone(t *testing.T, page string, prefixes ...string) {
	t.Helper()
	for _, p := range prefixes {
		if strings.Contains("\n"+page, "\n"+p) {
			t.Errorf("the page has a line that begins with %q", p)
		}
	}
}

func newExporter(now *time.Time, views ...prom.View) *prom.Exporter {
	e := prom.New(config(now))
	e.Update(prom.Views{Plans: views})
	return e
}

func TestPage(t *testing.T) {
	now := t0.Add(5 * time.Minute)
	e := newExporter(&now, view("REL-1"))
	_, page := get(t, e.Handler())
	wantLines(t, page,
		`relgate_run_state{plan="REL-1",state="monitoring"} 1`,
		`relgate_run_state{plan="REL-1",state="rolled_back"} 0`,
		`relgate_run_verdict{plan="REL-1",verdict="pending"} 1`,
		`relgate_gate_open{phase="ten",plan="REL-1"} 0`,
		`relgate_gate_verdict{phase="all",plan="REL-1",verdict="pending"} 1`,
		`relgate_phase_traffic_ratio{phase="ten",plan="REL-1"} 0.1`,
		`relgate_phase_monitoring_window_seconds{phase="all",plan="REL-1"} 3600`,
		`relgate_run_info{plan="REL-1",run="REL-1@1.0.0",version="1.0.0"} 1`,
		`relgate_run_state{plan="REL-1",state="superseded"} 0`,
		`relgate_plan_file_state{plan="REL-1",state="ok"} 1`,
		`relgate_plan_file_state{plan="REL-1",state="gone"} 0`,
		`relgate_clock_step_seconds_total{direction="forward"} 40`,
		`relgate_clock_step_seconds_total{direction="back"} 3600`,
		`relgate_clock_ahead_seconds 90`,
		`relgate_journal_ok 1`,
		`relgate_phase_started_timestamp_seconds{phase="ten",plan="REL-1"} 1.7490024e+09`,
		`relgate_rule_state{kind="rollback",phase="",plan="REL-1",rule="api-5xx",state="breaching"} 1`,
		`relgate_rule_value{kind="success",phase="ten",plan="REL-1",rule="api-5xx"} 0.002`,
		`relgate_rule_known{kind="success",phase="all",plan="REL-1",rule="api-5xx"} 0`,
		`relgate_rule_threshold{kind="success",phase="all",plan="REL-1",rule="api-5xx"} 0.01`,
		`relgate_rule_threshold{kind="rollback",phase="",plan="REL-1",rule="crash-free-low"} 0.98`,
		`relgate_signal_value{plan="REL-1",signal="api_5xx_rate"} 0.05`,
		`relgate_signal_known{plan="REL-1",signal="crash_free"} 0`,
		`relgate_signal_value{plan="REL-1",signal="p95 > 3 s"} 0.5`,
		`relgate_signal_fault{fault="ok",plan="REL-1",signal="api_5xx_rate"} 1`,
		`relgate_signal_fault{fault="throttled",plan="REL-1",signal="crash_free"} 1`,
		`relgate_events_total{kind="rule",plan="REL-1"} 2`,
		`relgate_events_total{kind="phase",plan="REL-1"} 0`,
		`relgate_events_total{kind="plan",plan="REL-1"} 0`,
		`relgate_ticks_total 7`,
		`relgate_ticks_missed_total 2`,
		`relgate_commands_total 1`,
		`relgate_evaluation_duration_seconds_sum 0.014`,
		`relgate_evaluation_duration_seconds_count 7`,
		`relgate_evaluation_last_duration_seconds 0.002`,
		`relgate_commit_duration_seconds_sum 60`,
		`relgate_fetch_duration_seconds_count 1`,
		`relgate_source_readings_total{fault="throttled",source="cloudwatch"} 2`,
		`relgate_source_readings_total{fault="auth",source="cloudwatch"} 0`,
		`relgate_source_fetch_seconds_total{source="cloudwatch"} 1.5`,
		`relgate_source_rate_known{source="cloudwatch"} 0`,
		`relgate_source_rate_remaining{source="sentry"} 12`,
		`relgate_webhook_lag_seconds{class="action",endpoint="pipeline"} 90`,
		`relgate_gate_requests_total{code="503",view="gate"} 9`,
		`relgate_gate_refusals_total{reason="scope"} 5`,
		`relgate_gate_refusals_total{reason="plan"} 0`,
		`relgate_http_connections 7`,
		`relgate_http_connections_limit 2000`,
		`relgate_http_connections_closed_total 3`,
		`relgate_http_tls_handshakes_refused_total 4`,
		`relgate_webhook_orders_pending{class="action",endpoint="pipeline"} 1`,
		`relgate_webhook_last_success_timestamp_seconds{class="action",endpoint="pipeline"} 1.7490024e+09`,
		`relgate_alertmanager_attempts_total{address="am-1:9093",alertmanager="main"} 9`,
		`relgate_alertmanager_failures_total{address="am-1:9093",alertmanager="main"} 4`,
		`relgate_alertmanager_refused_total{address="am-1:9093",alertmanager="main"} 2`,
		`relgate_alertmanager_lag_seconds{address="am-1:9093",alertmanager="main"} 180`,
		`relgate_alertmanager_lag_seconds{address="am-2:9093",alertmanager="main"} 0`,
		`relgate_alertmanager_last_success_timestamp_seconds{address="am-1:9093",alertmanager="main"} 1.7490024e+09`,
		`relgate_plan_info{manager="Ada",plan="REL-1",title="The launch",url="https://gate.example/v1/plans/REL-1",version="1.0.0"} 1`,
		`relgate_rule_info{gate="veto",kind="success",mode="enforce",op="<",owner="Ops",plan="REL-1",rule="api-5xx",signal="api_5xx_rate",title="API 5xx",unit="ratio"} 1`,
		`relgate_rule_info{gate="",kind="rollback",mode="enforce",op=">",owner="",plan="REL-1",rule="api-5xx",signal="api_5xx_rate",title="",unit="ratio"} 1`,
		`relgate_signal_info{kind="ratio",plan="REL-1",signal="crash_free",source="sentry",unit="ratio"} 1`,
		`relgate_plan_interval_seconds{plan="REL-1"} 30`,
		`relgate_run_planned_start_timestamp_seconds{plan="REL-1"} 1.7490024e+09`,
		`relgate_run_expected_completion_timestamp_seconds{plan="REL-1"} 1.7490096e+09`,
		`relgate_run_deadline_timestamp_seconds{plan="REL-1"} 1.7490132e+09`,
		`relgate_phase_planned_start_timestamp_seconds{phase="all",plan="REL-1"} 1.7490036e+09`,
		`relgate_phase_deadline_timestamp_seconds{phase="ten",plan="REL-1"} 1.7490036e+09`,
		`relgate_rollback_unacknowledged{plan="REL-1"} 0`,
		`relgate_rule_quantile_value{kind="rollback",phase="",plan="REL-1",rule="p95-high"} 2.25`,
		`relgate_rule_quantile_threshold{kind="rollback",phase="",plan="REL-1",rule="p95-high"} 3`,
		`relgate_rule_for_seconds{kind="rollback",phase="",plan="REL-1",rule="api-5xx"} 600`,
		`relgate_rule_breaching_seconds{kind="rollback",phase="",plan="REL-1",rule="api-5xx"} 240`,
		`relgate_rule_points{kind="success",phase="ten",plan="REL-1",rule="api-5xx"} 4`,
		`relgate_rule_points_expected{kind="success",phase="ten",plan="REL-1",rule="api-5xx"} 5`,
		`relgate_signal_overdue{plan="REL-1",signal="api_5xx_rate"} 0`,
		`relgate_config_last_reload_successful 1`,
		`relgate_build_info{goversion="unknown",revision="unknown",version="1.2.3"} 1`,
		`ALERTS{alertname="api-5xx",alertstate="pending",phase="",plan="REL-1",severity="critical"} 1`,
		fmt.Sprintf(`ALERTS_FOR_STATE{alertname="api-5xx",phase="",plan="REL-1",severity="critical"} %v`, float64(t0.Add(time.Minute).Unix())),
	)
	wantNone(t, page,
		`relgate_rule_value{kind="success",phase="all"`,
		`relgate_signal_value{plan="REL-1",signal="crash_free"}`,
		`relgate_phase_started_timestamp_seconds{phase="all"`,
		`relgate_phase_window_end_timestamp_seconds{phase="all"`,
		`relgate_signal_newest_timestamp_seconds{plan="REL-1",signal="crash_free"}`,
		`relgate_source_last_success_timestamp_seconds{source="cloudwatch"}`,
		`relgate_signal_known{plan="REL-1",signal="p95"}`,
		`relgate_source_rate_remaining{source="cloudwatch"}`,
		`ALERTS{alertname="crash-free-low"`,
		`relgate_phase_deadline_timestamp_seconds{phase="all"`,
		`relgate_phase_decided_timestamp_seconds`,
		`relgate_rule_quantile_threshold{kind="rollback",phase="",plan="REL-1",rule="api-5xx"}`,
		`relgate_run_decided_timestamp_seconds`,
		`relgate_rule_samples{kind="success",phase="all"`,
		`relgate_rule_points{kind="success",phase="all"`,
		`relgate_rule_points_expected{kind="success",phase="all"`,
		`relgate_rule_for_seconds{kind="rollback",phase="",plan="REL-1",rule="crash-free-low"`,
		`relgate_signal_samples{plan="REL-1",signal="crash_free"}`,
		`relgate_signal_fault{fault="ok",plan="REL-1",signal="p95 > 3 s"}`,
		`relgate_signal_overdue{plan="REL-1",signal="p95 > 3 s"}`,
		`relgate_webhook_last_success_timestamp_seconds{class="notify"`,
		`relgate_alertmanager_last_success_timestamp_seconds{address="am-2`,
	)
}

func TestFirstScrape(t *testing.T) {
	// Before the first tick every series of the plan is there, but times that are not known.
	now := t0
	v := view("REL-1")
	v.Run.Snapshot.At, v.Run.Snapshot.Seq = time.Time{}, 0
	_, page := get(t, newExporter(&now, v).Handler())
	wantLines(t, page,
		`relgate_events_total{kind="command",plan="REL-1"} 0`,
		`relgate_gate_open{phase="ten",plan="REL-1"} 0`,
	)
	wantNone(t, page, `relgate_last_tick_timestamp_seconds{plan="REL-1"}`)
}

func TestNoPlan(t *testing.T) {
	now := t0
	_, page := get(t, prom.New(config(&now)).Handler())
	wantLines(t, page, `relgate_config_last_reload_successful 1`)
	wantNone(t, page, "relgate_run_state{", "relgate_events_total{")
}

func TestPlanLeaves(t *testing.T) {
	now := t0
	e := newExporter(&now, view("a"), view("b"))
	e.Update(prom.Views{Plans: []prom.View{view("a")}})
	_, page := get(t, e.Handler())
	if strings.Contains(page, `plan="b"`) || strings.Contains(page, `plan="gone"`) {
		t.Error("a plan that is gone still has series")
	}
	wantLines(t, page, `relgate_events_total{kind="rule",plan="a"} 0`)
}

func TestVerdictOfGate(t *testing.T) {
	set := func(state rules.State, phase, run rules.Verdict) func(*fact.Snapshot) {
		return func(s *fact.Snapshot) {
			s.Phases[0].State, s.Phases[0].Verdict, s.Verdict = state, phase, run
		}
	}
	passed := func(s *fact.Snapshot) {
		set(rules.Passed, rules.Pass, rules.Pass)(s)
		s.State, s.Over = rules.Passed, true
	}
	held := func(s *fact.Snapshot) {
		set(rules.Passed, rules.Pass, rules.Pending)(s)
		s.State, s.Held = rules.Held, true
	}
	superseded := func(s *fact.Snapshot) {
		set(rules.Passed, rules.Pass, rules.Fail)(s)
		s.State, s.Over = rules.Superseded, true
	}
	for _, tt := range []struct {
		about string
		set   func(*fact.Snapshot)
		later time.Duration
		want  string
	}{
		{"a pass opens the gate", set(rules.Passed, rules.Pass, rules.Pending), 0, "pass"},
		{"a pass that is decided stays one", set(rules.Passed, rules.Pass, rules.Pending), time.Hour, "pass"},
		{"a pass of a phase that is not decided is none", set(rules.Monitoring, rules.Pass, rules.Pending), 0, "pending"},
		{"a held run opens nothing", held, 0, "pending"},
		{"a run that was superseded opens nothing", superseded, time.Hour, "fail"},
		{"a tick three intervals ahead of the clock is not believed", set(rules.Monitoring, rules.Pending, rules.Pending), -91 * time.Second, "unknown"},
		{"pending ages after three intervals", set(rules.Monitoring, rules.Pending, rules.Pending), 91 * time.Second, "unknown"},
		{"and not before", set(rules.Monitoring, rules.Pending, rules.Pending), 90 * time.Second, "pending"},
		{"a rollback of the run closes a phase that passed", set(rules.Passed, rules.Pass, rules.Rollback), 0, "rollback"},
		{"a rollback does not age", set(rules.Monitoring, rules.Pending, rules.Rollback), time.Hour, "rollback"},
		{"what is over does not age", passed, time.Hour, "pass"},
	} {
		v := view("p")
		tt.set(&v.Run.Snapshot)
		now := v.Run.Snapshot.At
		e := newExporter(&now, v)
		get(t, e.Handler()) // rendered while it is fresh
		now = now.Add(tt.later)
		_, page := get(t, e.Handler())
		open := 0
		if tt.want == "pass" {
			open = 1
		}
		t.Run(tt.about, func(t *testing.T) {
			for _, verdict := range rules.Verdicts() {
				hot := 0
				if verdict.String() == tt.want {
					hot = 1
				}
				wantLines(t, page, fmt.Sprintf(`relgate_gate_verdict{phase="ten",plan="p",verdict=%q} %d`, verdict, hot))
			}
			wantLines(t, page, fmt.Sprintf(`relgate_gate_open{phase="ten",plan="p"} %d`, open))
		})
	}
}

func TestOneHot(t *testing.T) {
	now := t0
	_, page := get(t, newExporter(&now, weighing("p")).Handler())
	families := parse(t, page)
	for name, label := range map[string]string{
		"relgate_run_state": "state", "relgate_plan_file_state": "state", "relgate_run_verdict": "verdict", "relgate_gate_verdict": "verdict",
		"relgate_phase_state": "state", "relgate_rule_state": "state", "relgate_signal_fault": "fault",
		"relgate_message_state": "state", "relgate_criterion_state": "state",
	} {
		sums := map[string]float64{}
		for _, m := range families[name].GetMetric() {
			key := ""
			for _, l := range m.GetLabel() {
				if l.GetName() != label {
					key += l.GetName() + "=" + l.GetValue() + ","
				}
			}
			sums[key] += m.GetGauge().GetValue()
		}
		if len(sums) == 0 {
			t.Errorf("%s: no series", name)
		}
		for key, sum := range sums {
			if sum != 1 {
				t.Errorf("%s{%s}: %v of its states are 1, want one", name, key, sum)
			}
		}
	}
}

func parse(t *testing.T, page string) map[string]*dto.MetricFamily {
	t.Helper()
	p := expfmt.NewTextParser(model.LegacyValidation)
	f, err := p.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		t.Fatalf("parsing the page: %v", err)
	}
	return f
}

func TestLint(t *testing.T) {
	now := t0
	_, page := get(t, newExporter(&now, weighing("a"), view("b")).Handler())
	problems, err := promlint.New(strings.NewReader(page)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for name := range parse(t, page) {
		if !regexp.MustCompile(`^(relgate_|go_|process_|ALERTS)`).MatchString(name) {
			t.Errorf("%s has none of our prefixes", name)
		}
	}
}

func TestEveryMetricIsShown(t *testing.T) {
	now := t0
	_, page := get(t, newExporter(&now, weighing("a"), decided("b")).Handler())
	families := parse(t, page)
	for _, m := range prom.Metrics() {
		f := families[m.Name]
		if f == nil {
			t.Errorf("%s is described and not on the page", m.Name)
			continue
		}
		if got := strings.ToLower(f.GetType().String()); got != m.Type {
			t.Errorf("%s: type %s on the page, %s in the description", m.Name, got, m.Type)
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		if got, want := fmt.Sprint(labels), fmt.Sprint(m.Labels); got != want && len(m.Labels) > 0 {
			t.Errorf("%s: labels %s on the page, %s in the description", m.Name, got, want)
		}
	}
}

func TestFormats(t *testing.T) {
	now := t0
	e := newExporter(&now, view("a"))
	_, plain := get(t, e.Handler())
	for _, accept := range []string{"", openMetrics, "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"} {
		for _, encoding := range []string{"identity", "gzip", "gzip;q=0", "deflate, gzip;q=0.5"} {
			t.Run(accept+"/"+encoding, func(t *testing.T) {
				for range 2 { // rendered, and from the cache
					res, page := get(t, e.Handler(), "Accept", accept, "Accept-Encoding", encoding)
					packed := res.Header.Get("Content-Encoding") == "gzip"
					if want := encoding == "gzip" || strings.HasSuffix(encoding, "0.5"); packed != want {
						t.Errorf("gzip is %v, want %v", packed, want)
					}
					dec := expfmt.NewDecoder(strings.NewReader(page), expfmt.ResponseFormat(res.Header))
					if accept == openMetrics {
						if !strings.HasSuffix(page, "\n# EOF\n") || strings.Count(page, "# EOF") != 1 {
							t.Errorf("the page does not end with its one end mark")
						}
						continue
					}
					n := 0
					for {
						var f dto.MetricFamily
						if err := dec.Decode(&f); err == io.EOF {
							break
						} else if err != nil {
							t.Fatalf("decoding: %v", err)
						}
						n++
					}
					if want := strings.Count(plain, "# TYPE "); n != want {
						t.Errorf("%d families, want %d", n, want)
					}
				}
			})
		}
	}
}

func TestMethods(t *testing.T) {
	now := t0
	srv := httptest.NewServer(newExporter(&now, view("a")).Handler())
	defer srv.Close()
	for _, tt := range []struct {
		method string
		status int
	}{{http.MethodGet, 200}, {http.MethodHead, 200}, {http.MethodPost, 405}} {
		r, _ := http.NewRequest(tt.method, srv.URL, nil)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != tt.status || tt.method == http.MethodHead && len(b) > 0 {
			t.Errorf("%s: %d with %d bytes (%v), want %d", tt.method, res.StatusCode, len(b), err, tt.status)
		}
	}
}

func TestUpdatesWhileScraped(t *testing.T) {
	now := t0
	e := newExporter(&now, view("a"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			v := view("a")
			v.Run.Snapshot.Generation = uint64(i)
			e.Update(prom.Views{Plans: []prom.View{v}})
		}
	}()
	for range 20 {
		get(t, e.Handler(), "Accept-Encoding", "gzip")
	}
	<-done
	_, page := get(t, e.Handler())
	wantLines(t, page, `relgate_run_generation{plan="a"} 199`)
}

func TestAJournalThatCannotBeWrittenClosesTheGates(t *testing.T) {
	now := t0.Add(5 * time.Minute)
	v := view("p")
	v.Run.Snapshot.Phases[0].State, v.Run.Snapshot.Phases[0].Verdict = rules.Passed, rules.Pass
	c := config(&now)
	c.Journal = func() prom.JournalStats { return prom.JournalStats{} }
	e := prom.New(c)
	e.Update(prom.Views{Plans: []prom.View{v}, Trouble: true})
	_, page := get(t, e.Handler())
	wantLines(t, page, `relgate_journal_ok 0`, `relgate_gate_open{phase="ten",plan="p"} 0`, `relgate_gate_verdict{phase="ten",plan="p",verdict="unknown"} 1`)
}

func TestAPlanWithoutARunShowsItsFile(t *testing.T) {
	now := t0
	e := prom.New(config(&now))
	e.Update(prom.Views{Plans: []prom.View{{Name: "web", File: "broken"}}})
	_, page := get(t, e.Handler())
	wantLines(t, page, `relgate_plan_file_state{plan="web",state="broken"} 1`, `relgate_plan_file_state{plan="web",state="ok"} 0`)
	wantNone(t, page, `relgate_run_state{plan="web"`, `relgate_run_info{plan="web"`)
}
