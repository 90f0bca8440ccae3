package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/sources/simulator"
)

// desk asks a simulator without a network, at any time.
type desk struct {
	sim *simulator.Simulator
	now *time.Time
}

func newDesk(t interface{ Fatal(...any) }, s *simulator.Scenario) desk {
	now := start
	sim, err := simulator.New(simulator.Config{Scenario: s, Start: start, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return desk{sim, &now}
}

func loaded(t interface{ Fatal(...any) }, name string) *simulator.Scenario {
	s, err := simulator.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask sends one request at a time since T and gives the body.
func (d desk) ask(at time.Duration, handler string, r *http.Request) *httptest.ResponseRecorder {
	*d.now = start.Add(at)
	w := httptest.NewRecorder()
	d.sim.Handler(handler).ServeHTTP(w, r)
	return w
}

// aws sends a request in AWS JSON, signed in form.
func (d desk) aws(at time.Duration, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", target)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=A/b, SignedHeaders=host, Signature=00")
	return d.ask(at, "aws", r)
}

const (
	apiDims    = `[{"Name":"ApiName","Value":"bioage"},{"Name":"Stage","Value":"prod"}]`
	stableDims = `[{"Name":"FunctionName","Value":"bioage-inference"},{"Name":"Resource","Value":"bioage-inference:live"},{"Name":"ExecutedVersion","Value":"42"}]`
	aliasDims  = `[{"Name":"FunctionName","Value":"bioage-inference"},{"Name":"Resource","Value":"bioage-inference:live"}]`
	canaryDims = `[{"Name":"FunctionName","Value":"bioage-inference"},{"Name":"Resource","Value":"bioage-inference:live"},{"Name":"ExecutedVersion","Value":"43"}]`
)

// metric asks for one statistic in periods of a minute, oldest first: values by
// their minute since T.
func (d desk) metric(t interface{ Fatal(...any) }, at time.Duration, name, dims, stat string, from, to time.Duration) map[int]float64 {
	ns := "AWS/ApiGateway"
	if strings.Contains(dims, "FunctionName") {
		ns = "AWS/Lambda"
	}
	w := d.aws(at, "GraniteServiceVersion20100801.GetMetricData", fmt.Sprintf(
		`{"StartTime":%d,"EndTime":%d,"ScanBy":"TimestampAscending","MetricDataQueries":[{"Id":"q","MetricStat":{"Metric":{"Namespace":%q,"MetricName":%q,"Dimensions":%s},"Period":60,"Stat":%q}}]}`,
		start.Add(from).Unix(), start.Add(to).Unix(), ns, name, dims, stat))
	var got struct {
		MetricDataResults []struct{ Timestamps, Values []float64 }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || len(got.MetricDataResults) != 1 {
		t.Fatal("metric", name, w.Code, w.Body.String(), err)
	}
	out := map[int]float64{}
	for i, v := range got.MetricDataResults[0].Values {
		out[int(time.Unix(int64(got.MetricDataResults[0].Timestamps[i]), 0).Sub(start)/time.Minute)] = v
	}
	return out
}

func sum(values map[int]float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// rate5xx is the pooled rate of a range as it is known at a time.
func (d desk) rate5xx(t interface{ Fatal(...any) }, at, from, to time.Duration) float64 {
	return sum(d.metric(t, at, "5XXError", apiDims, "Sum", from, to)) / sum(d.metric(t, at, "Count", apiDims, "Sum", from, to))
}

// crashFree is the pooled rate of a range of at most 16 h.
func (d desk) crashFree(t *testing.T, at, from, to time.Duration) (rate, sessions float64) {
	t.Helper()
	return d.crashFreeOf(t, release, at, from, to)
}

// crashFreeOf is the same of any release.
func (d desk) crashFreeOf(t *testing.T, name string, at, from, to time.Duration) (rate, sessions float64) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, sessionsURL+"?"+sessionsOf(name, "start", start.Add(from).Format(time.RFC3339), "end", start.Add(to).Format(time.RFC3339)), nil)
	r.Header.Set("Authorization", "Bearer t")
	var got sessionsAnswer
	w := d.ask(at, "sentry", r)
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		t.Fatal(w.Code, w.Body, err)
	}
	var all, crashed float64
	for _, g := range got.Groups {
		all += *g.Totals["sum(session)"]
		if g.By["session.status"] == "crashed" {
			crashed = *g.Totals["sum(session)"]
		}
	}
	return 1 - crashed/max(1, all), all
}

func (d desk) alarm(t *testing.T, at time.Duration) string {
	t.Helper()
	var got struct {
		MetricAlarms []struct{ StateValue string }
	}
	w := d.aws(at, "GraniteServiceVersion20100801.DescribeAlarms", `{"AlarmNames":["API5xxAlarm"]}`)
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.MetricAlarms) != 1 {
		t.Fatal(w.Code, w.Body, err)
	}
	return got.MetricAlarms[0].StateValue
}

// phases of config.toml, offsets from T.
var phases = []struct{ from, to time.Duration }{
	{0, 15 * time.Minute}, {20 * time.Minute, 50 * time.Minute}, {30 * time.Minute, 150 * time.Minute},
	{150 * time.Minute, 390 * time.Minute}, {390 * time.Minute, 1830 * time.Minute},
}

func TestEveryPhaseIsWellWithinItsThresholdsWhenHealthy(t *testing.T) {
	for _, name := range []string{"healthy", "blip", "late-data", "outage"} {
		d := newDesk(t, loaded(t, name))
		for i, p := range phases {
			at := p.to + 10*time.Minute
			if rate := d.rate5xx(t, at, p.from, p.to); rate >= 0.008 {
				t.Errorf("%s, phase %d: 5xx rate %.4f, want well below 1 %%", name, i+1, rate)
			}
			n, slow := sum(d.metric(t, at, "Duration", canaryDims, "SampleCount", p.from, p.to)), sum(d.metric(t, at, "Duration", canaryDims, "TC(2500:)", p.from, p.to))
			if n < 400 || slow/n > 0.03 {
				t.Errorf("%s, phase %d: %v of %v invocations above 2.5 s, want few of many", name, i+1, slow, n)
			}
			if i >= 2 {
				to := min(p.to, p.from+15*time.Hour)
				if rate, all := d.crashFree(t, at, p.from, to); rate < 0.997 || all < 1000 {
					t.Errorf("%s, phase %d: crash-free %.4f of %v sessions, want above 99.7 %% of many", name, i+1, rate, all)
				}
			}
		}
		for at := time.Duration(0); at <= 31*time.Hour; at += time.Minute {
			if state := d.alarm(t, at); state != "OK" {
				t.Fatalf("%s: alarm is %s at T+%v, want OK all through", name, state, at)
			}
		}
	}
}

func TestAPI5xxRisesOnTheMinute(t *testing.T) {
	d := newDesk(t, loaded(t, "api-5xx"))
	bad := d.metric(t, 3*time.Hour, "5XXError", apiDims, "Average", 50*time.Minute, 80*time.Minute)
	for m := 50; m < 80; m++ {
		if high := bad[m] > 0.03; high != (m >= 60) {
			t.Errorf("minute %d: rate %.4f, want above 3 %% from minute 60 on", m, bad[m])
		}
	}
	// What is seen first must already show it: a rule of ten minutes fires at 70.
	early := d.metric(t, 70*time.Minute+30*time.Second, "5XXError", apiDims, "Average", 60*time.Minute, 70*time.Minute)
	for m := 60; m < 70; m++ {
		if early[m] <= 0.03 {
			t.Errorf("minute %d as seen at T+70m30s: rate %.4f, want above 3 %%", m, early[m])
		}
	}
	if was, is := d.alarm(t, 71*time.Minute), d.alarm(t, 72*time.Minute); was != "OK" || is != "ALARM" {
		t.Errorf("alarm %s at T+71m, %s at T+72m; want OK, and ALARM after ten minutes that are complete", was, is)
	}
}

func TestCrashesCrossTheThresholdWithinHalfAnHour(t *testing.T) {
	d := newDesk(t, loaded(t, "crash"))
	if rate, _ := d.crashFree(t, 65*time.Minute, 30*time.Minute, 60*time.Minute); rate < 0.995 {
		t.Errorf("before: crash-free %.4f, want above 99.5 %%", rate)
	}
	if rate, all := d.crashFree(t, 100*time.Minute, 60*time.Minute, 90*time.Minute); rate > 0.975 || rate < 0.965 || all < 100 {
		t.Errorf("after: crash-free %.4f of %v, want 97 %% of at least 100", rate, all)
	}
}

func TestLatencyRises(t *testing.T) {
	d := newDesk(t, loaded(t, "latency"))
	for m, v := range d.metric(t, 2*time.Hour, "Duration", canaryDims, "p95", 50*time.Minute, 90*time.Minute) {
		if (m < 60 && v > 2500) || (m > 62 && (v < 3800 || v > 4200)) {
			t.Errorf("minute %d: p95 %v ms, want below 2500 before minute 60 and about 4000 after 62", m, v)
		}
	}
	n := sum(d.metric(t, 2*time.Hour, "Duration", canaryDims, "SampleCount", 63*time.Minute, 68*time.Minute))
	if slow := sum(d.metric(t, 2*time.Hour, "Duration", canaryDims, "TC(3000:)", 63*time.Minute, 68*time.Minute)); slow/n < 0.1 {
		t.Errorf("%v of %v above 3 s in five minutes, want far more than 5 %%", slow, n)
	}
}

type cells struct {
	Data []struct{ VarCharValue string }
}

// biasRows runs the bias query at a time: its rows, without their header.
func (d desk) biasRows(t *testing.T, at time.Duration) []cells {
	t.Helper()
	var id struct{ QueryExecutionID string }
	token := fmt.Sprintf("token-%040d", at)
	w := d.aws(at, "AmazonAthena.StartQueryExecution", `{"QueryString":"SELECT 1","WorkGroup":"relgate","ClientRequestToken":"`+token+`"}`)
	if err := json.Unmarshal(w.Body.Bytes(), &id); err != nil || w.Code != 200 {
		t.Fatal(w.Code, w.Body, err)
	}
	for range 3 {
		d.aws(at, "AmazonAthena.GetQueryExecution", `{"QueryExecutionId":"`+id.QueryExecutionID+`"}`)
	}
	w = d.aws(at, "AmazonAthena.GetQueryResults", `{"QueryExecutionId":"`+id.QueryExecutionID+`"}`)
	var got struct {
		ResultSet struct{ Rows []cells }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.ResultSet.Rows) != 11 {
		t.Fatal(w.Code, w.Body, err)
	}
	return got.ResultSet.Rows[1:]
}

// newest is the time of the newest prediction in the rows of a time.
func (d desk) newest(t *testing.T, at time.Duration) string {
	t.Helper()
	return d.biasRows(t, at)[0].Data[3].VarCharValue
}

// gap is the gap between the rates of the rows of a time.
func (d desk) gap(t *testing.T, at time.Duration) float64 {
	t.Helper()
	rows := d.biasRows(t, at)
	lo, hi := 1.0, 0.0
	for _, r := range rows {
		var n, positives float64
		fmt.Sscan(r.Data[1].VarCharValue, &n)
		fmt.Sscan(r.Data[2].VarCharValue, &positives)
		lo, hi = min(lo, positives/n), max(hi, positives/n)
	}
	var kpi float64
	if fmt.Sscan(rows[0].Data[4].VarCharValue, &kpi); kpi != hi-lo {
		t.Errorf("kpi %v, but the rows' gap is %v", kpi, hi-lo)
	}
	return hi - lo
}

func TestTheBiasGapGrows(t *testing.T) {
	d := newDesk(t, loaded(t, "bias"))
	for _, tt := range []struct {
		at       time.Duration
		min, max float64
	}{{3 * time.Hour, 0.02, 0.04}, {4*time.Hour + 30*time.Minute, 0.06, 0.08}, {6 * time.Hour, 0.115, 0.125}} {
		if gap := d.gap(t, tt.at); gap < tt.min || gap > tt.max {
			t.Errorf("gap at T+%v: %v, want %v to %v", tt.at, gap, tt.min, tt.max)
		}
	}
}

// Once the alias is taken back the release predicts nothing more: what it has predicted is
// still there, and grows old.
func TestNoPredictionsAfterTheAliasIsTakenBack(t *testing.T) {
	d := newDesk(t, loaded(t, "bias"))
	r := httptest.NewRequest(http.MethodPut, "/2015-03-31/functions/bioage-inference/aliases/live", strings.NewReader(`{"FunctionVersion": "42", "RoutingConfig": {"AdditionalVersionWeights": {}}}`))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=A/b, SignedHeaders=host, Signature=00")
	if w := d.ask(6*time.Hour, "aws", r); w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body)
	}
	before := d.gap(t, 6*time.Hour+10*time.Minute)
	first, newest := d.newest(t, 6*time.Hour+10*time.Minute), d.newest(t, 9*time.Hour)
	if gap := d.gap(t, 9*time.Hour); first != newest || gap != before {
		t.Errorf("the newest prediction is of %s and then of %s, the gap %v and then %v", first, newest, before, gap)
	}
	saved, err := d.sim.Save()
	if err != nil {
		t.Fatal(err)
	}
	other := newDesk(t, loaded(t, "bias"))
	if err := other.sim.Load(saved); err != nil {
		t.Fatal(err)
	}
	if got := other.newest(t, 9*time.Hour); got != newest {
		t.Errorf("a world that goes on from what was kept has a prediction of %s, want %s", got, newest)
	}
	if other.sim.Load([]byte("{")) == nil {
		t.Error("it goes on from what is cut off")
	}
}

func TestABlipIsNoMoreThanAMinute(t *testing.T) {
	d := newDesk(t, loaded(t, "blip"))
	for m, v := range d.metric(t, 5*time.Hour, "5XXError", apiDims, "Average", 170*time.Minute, 190*time.Minute) {
		if (m == 180) != (v > 0.4) {
			t.Errorf("minute %d: rate %.3f, want a half in minute 180 only", m, v)
		}
	}
}

func TestSilenceLeavesNothingForEver(t *testing.T) {
	d := newDesk(t, loaded(t, "no-data"))
	if _, all := d.crashFree(t, 2*time.Hour, 30*time.Minute, 60*time.Minute); all == 0 {
		t.Error("nothing before the silence")
	}
	if _, all := d.crashFree(t, 20*time.Hour, 60*time.Minute, 10*time.Hour); all != 0 {
		t.Errorf("%v sessions of the silence", all)
	}
}

func TestAFalsePeakNeverLastsTenMinutes(t *testing.T) {
	d := newDesk(t, loaded(t, "late-data"))
	peak := 0
	for at := 30 * time.Minute; at < 3*time.Hour; at += 15 * time.Second {
		run := 0
		rates := d.metric(t, at, "5XXError", apiDims, "Average", 30*time.Minute, 3*time.Hour)
		for m := 30; m < 180; m++ {
			if rates[m] <= 0.03 {
				run = 0
				continue
			}
			run++
			peak = max(peak, run)
		}
		if m := int(at / time.Minute); m > 62 && m <= 80 && len(rates) > m-30-3 {
			t.Fatalf("T+%v: %d minutes are visible, want the last three to be late", at, len(rates))
		}
	}
	if peak < 4 || peak >= 10 {
		t.Errorf("at most %d minutes in a row looked bad, want a false peak that is gone before ten", peak)
	}
}

func TestRatingsFall(t *testing.T) {
	d := newDesk(t, loaded(t, "ratings"))
	r := httptest.NewRequest(http.MethodGet, "/lookup?id=6470000001&country=us", nil)
	mean := func(at time.Duration) (sum, n float64) {
		var got struct {
			Results []struct{ AverageUserRating, UserRatingCount float64 }
		}
		if err := json.Unmarshal(d.ask(at, "appstore", r).Body.Bytes(), &got); err != nil || len(got.Results) != 1 {
			t.Fatal(got, err)
		}
		return got.Results[0].AverageUserRating * got.Results[0].UserRatingCount, got.Results[0].UserRatingCount
	}
	s0, n0 := mean(390 * time.Minute)
	s1, n1 := mean(1830 * time.Minute)
	if m := (s1 - s0) / (n1 - n0); m > 3.9 || m < 3.5 {
		t.Errorf("mean of the last day: %.2f, want about 3.6 to 3.7", m)
	}
}

func TestAnswersDoNotDependOnWhatElseIsAsked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := loaded(t, rapid.SampledFrom(simulator.Scenarios()).Draw(t, "scenario"))
		type question struct{ at, from int }
		var qs []question
		for range rapid.IntRange(2, 12).Draw(t, "questions") {
			qs = append(qs, question{rapid.IntRange(0, 4*3600).Draw(t, "at"), rapid.IntRange(0, 230).Draw(t, "from")})
		}
		answer := func(d desk, q question) string {
			from := time.Duration(q.from) * time.Minute
			out := d.metric(t, time.Duration(q.at)*time.Second, "5XXError", apiDims, "Sum", from, from+10*time.Minute)
			alarm := d.aws(time.Duration(q.at)*time.Second, "GraniteServiceVersion20100801.DescribeAlarms", `{}`)
			return fmt.Sprint(out, alarm.Body)
		}
		a, b := newDesk(t, s), newDesk(t, s)
		first := make([]string, len(qs))
		for i, q := range qs {
			first[i] = answer(a, q)
		}
		for _, i := range rapid.Permutation(indexes(len(qs))).Draw(t, "order") {
			if got := answer(b, qs[i]); got != first[i] {
				t.Fatalf("question %+v: %s in another order, %s before", qs[i], got, first[i])
			}
		}
	})
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func TestWhatIsSeenOnlyGrowsAndThenStays(t *testing.T) {
	healthy, few := newDesk(t, loaded(t, "healthy")), newDesk(t, loaded(t, "low-traffic-healthy"))
	for _, q := range []struct {
		desk             desk
		name, dims, stat string
	}{
		{healthy, "Count", apiDims, "Sum"}, {healthy, "5XXError", apiDims, "Sum"}, {healthy, "Duration", canaryDims, "SampleCount"}, {healthy, "Duration", canaryDims, "TC(2000:)"},
		{few, "Count", apiDims, "Sum"}, {few, "Duration", canaryDims, "SampleCount"}, {few, "Duration", canaryDims, "TC(1500:)"}, {few, "Duration", canaryDims, "TC(3000:)"}, {few, "Errors", canaryDims, "Sum"},
	} {
		d := q.desk
		final := d.metric(t, 20*time.Hour, q.name, q.dims, q.stat, 40*time.Minute, 60*time.Minute)
		last, partly := map[int]float64{}, 0
		for at := 40 * time.Minute; at < 70*time.Minute; at += 10 * time.Second {
			now := d.metric(t, at, q.name, q.dims, q.stat, 40*time.Minute, 60*time.Minute)
			for m := 40; m < 60; m++ {
				end := time.Duration(m+1) * time.Minute
				switch {
				case now[m] < last[m]:
					t.Fatalf("%s %s of minute %d fell from %v to %v at T+%v", q.name, q.stat, m, last[m], now[m], at)
				case at < end && now[m] != 0:
					t.Fatalf("%s %s of minute %d is %v at T+%v, before it ended", q.name, q.stat, m, now[m], at)
				case at >= end+3*time.Minute && now[m] != final[m]:
					t.Fatalf("%s %s of minute %d is %v at T+%v, want the final %v", q.name, q.stat, m, now[m], at, final[m])
				case now[m] > 0 && now[m] < final[m]:
					partly++
				}
			}
			last = now
		}
		if partly == 0 && sum(final) > 20 {
			t.Errorf("%s %s was never seen in part", q.name, q.stat)
		}
	}
}
