package simulator_test

import (
	"context"
	"errors"
	"math"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	athenatypes "github.com/aws/aws-sdk-go-v2/service/athena/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"github.com/relgate/relgate/sources/simulator"
)

// start is the T of all tests.
var start = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

// clock is a virtual time that a test moves.
type clock struct{ since atomic.Int64 }

func (c *clock) at(d time.Duration) { c.since.Store(int64(d)) }
func (c *clock) now() time.Time     { return start.Add(time.Duration(c.since.Load())) }

// upstream serves one handler of a simulator of an embedded scenario.
func upstream(t *testing.T, handler, scenario string) (*simulator.Simulator, *clock, string) {
	t.Helper()
	s, err := simulator.Load(scenario)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, handler, simulator.Config{Scenario: s})
}

func serve(t *testing.T, handler string, cfg simulator.Config) (*simulator.Simulator, *clock, string) {
	t.Helper()
	c := new(clock)
	cfg.Start, cfg.Now = start, c.now
	sim, err := simulator.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(sim.Handler(handler))
	t.Cleanup(srv.Close)
	return sim, c, srv.URL
}

// awsConfig is what a user has: an endpoint in the environment, and keys.
func awsConfig(t *testing.T, url string) aws.Config {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL", url)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func apiQuery(id, name, stat string) types.MetricDataQuery {
	return types.MetricDataQuery{Id: &id, MetricStat: &types.MetricStat{
		Metric: &types.Metric{Namespace: aws.String("AWS/ApiGateway"), MetricName: &name, Dimensions: []types.Dimension{
			{Name: aws.String("ApiName"), Value: aws.String("bioage")}, {Name: aws.String("Stage"), Value: aws.String("prod")}}},
		Period: aws.Int32(60), Stat: &stat}}
}

func durationQuery(id, version, stat string, period int32) types.MetricDataQuery {
	return types.MetricDataQuery{Id: &id, MetricStat: &types.MetricStat{
		Metric: &types.Metric{Namespace: aws.String("AWS/Lambda"), MetricName: aws.String("Duration"), Dimensions: []types.Dimension{
			{Name: aws.String("FunctionName"), Value: aws.String("bioage-inference")},
			{Name: aws.String("Resource"), Value: aws.String("bioage-inference:live")},
			{Name: aws.String("ExecutedVersion"), Value: &version}}},
		Period: &period, Stat: &stat, Unit: types.StandardUnitMilliseconds}}
}

// series fetches all pages and joins them by Id.
func series(t *testing.T, c *cloudwatch.Client, in *cloudwatch.GetMetricDataInput) map[string]types.MetricDataResult {
	t.Helper()
	out := map[string]types.MetricDataResult{}
	p := cloudwatch.NewGetMetricDataPaginator(c, in, func(o *cloudwatch.GetMetricDataPaginatorOptions) { o.StopOnDuplicateToken = true })
	for p.HasMorePages() {
		page, err := p.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.MetricDataResults {
			have := out[*r.Id]
			r.Timestamps, r.Values = append(have.Timestamps, r.Timestamps...), append(have.Values, r.Values...)
			out[*r.Id] = r
		}
	}
	return out
}

func TestCloudWatchClientReadsCountsAndPercentiles(t *testing.T) {
	sim, clk, url := upstream(t, "aws", "healthy")
	client := cloudwatch.NewFromConfig(awsConfig(t, url))
	clk.at(65 * time.Minute)
	in := &cloudwatch.GetMetricDataInput{StartTime: aws.Time(start.Add(30 * time.Minute)), EndTime: aws.Time(start.Add(60 * time.Minute)),
		MetricDataQueries: []types.MetricDataQuery{
			apiQuery("bad", "5XXError", "Sum"), apiQuery("all", "Count", "Sum"), apiQuery("rate", "5XXError", "Average"),
			durationQuery("p", "43", "p95", 60), durationQuery("n", "43", "SampleCount", 60),
			durationQuery("slow", "43", "TC(2500:)", 60), durationQuery("fast", "43", "TC(:2500)", 60),
			apiQuery("typo", "5xxError", "Sum")}}
	got := series(t, client, in)
	for _, id := range []string{"bad", "all", "rate", "p", "n", "slow", "fast"} {
		if len(got[id].Values) != 30 || got[id].StatusCode != types.StatusCodeComplete {
			t.Fatalf("query %q: %d values, status %q; want 30, Complete", id, len(got[id].Values), got[id].StatusCode)
		}
	}
	if r, ok := got["typo"]; !ok || len(r.Values) != 0 || r.StatusCode != types.StatusCodeComplete {
		t.Errorf("misspelt metric: %+v; want an empty complete series", r)
	}
	for i := range 30 {
		bad, all, rate := got["bad"].Values[i], got["all"].Values[i], got["rate"].Values[i]
		if math.Abs(rate-bad/all) > 1e-12 || rate > 0.01 {
			t.Errorf("minute %d: rate %v of %v/%v; want their quotient, below 1 %%", i, rate, bad, all)
		}
		if n, slow, fast := got["n"].Values[i], got["slow"].Values[i], got["fast"].Values[i]; slow+fast != n || slow/n > 0.05 {
			t.Errorf("minute %d: %v slow and %v fast of %v; want them to add up and few to be slow", i, slow, fast, n)
		}
		if p := got["p"].Values[i]; p < 1400 || p > 1800 {
			t.Errorf("minute %d: p95 %v ms, want about 1600", i, p)
		}
		if want := start.Add(time.Duration(59-i) * time.Minute); !got["p"].Timestamps[i].Equal(want) {
			t.Errorf("timestamp %d is %v, want %v: newest first", i, got["p"].Timestamps[i], want)
		}
	}
	if st := sim.Stats(); st.Metrics != 8 || st.Requests["cloudwatch/GetMetricData"] != 1 {
		t.Errorf("stats %+v; want one request of 8 metrics", st)
	}
}

func TestCloudWatchPagesRepeatAnID(t *testing.T) {
	_, clk, url := upstream(t, "aws", "healthy")
	client := cloudwatch.NewFromConfig(awsConfig(t, url))
	clk.at(65 * time.Minute)
	in := &cloudwatch.GetMetricDataInput{StartTime: aws.Time(start), EndTime: aws.Time(start.Add(60 * time.Minute)), ScanBy: types.ScanByTimestampAscending,
		MetricDataQueries: []types.MetricDataQuery{apiQuery("a", "Count", "Sum"), apiQuery("b", "5XXError", "Sum")}}
	want := series(t, client, in)
	in.MaxDatapoints = aws.Int32(50)
	got := series(t, client, in)
	for _, id := range []string{"a", "b"} {
		if len(got[id].Values) != 60 {
			t.Fatalf("query %q: %d values over all pages, want 60", id, len(got[id].Values))
		}
		for i := range got[id].Values {
			if got[id].Values[i] != want[id].Values[i] || !got[id].Timestamps[i].Equal(want[id].Timestamps[i]) {
				t.Errorf("query %q point %d: %v at %v, want %v at %v", id, i, got[id].Values[i], got[id].Timestamps[i], want[id].Values[i], want[id].Timestamps[i])
			}
		}
	}
}

func TestCloudWatchRefusesBadQuestions(t *testing.T) {
	_, _, url := upstream(t, "aws", "healthy")
	client := cloudwatch.NewFromConfig(awsConfig(t, url))
	ask := func(qs ...types.MetricDataQuery) error {
		_, err := client.GetMetricData(context.Background(), &cloudwatch.GetMetricDataInput{
			StartTime: aws.Time(start.Add(-time.Hour)), EndTime: aws.Time(start), MetricDataQueries: qs})
		return err
	}
	many := make([]types.MetricDataQuery, 501)
	for i := range many {
		many[i] = apiQuery("q", "Count", "Sum")
	}
	odd := apiQuery("q", "Count", "Sum")
	odd.MetricStat.Period = aws.Int32(90)
	for name, err := range map[string]error{
		"501 queries":   ask(many...),
		"duplicate Id":  ask(apiQuery("q", "Count", "Sum"), apiQuery("q", "Count", "Sum")),
		"period of 90s": ask(odd),
		"unknown stat":  ask(apiQuery("q", "Count", "p101")),
		"empty TC":      ask(apiQuery("q", "Count", "TC(:)")),
		"math":          ask(types.MetricDataQuery{Id: aws.String("e"), Expression: aws.String("100*a/b")}),
		"bad Id":        ask(apiQuery("Q", "Count", "Sum")),
	} {
		var api smithy.APIError
		if !errors.As(err, &api) || api.ErrorCode() != "ValidationError" {
			t.Errorf("%s: got %v, want ValidationError", name, err)
		}
	}
}

func TestDescribeAlarmsLeavesMissingNamesOut(t *testing.T) {
	_, clk, url := upstream(t, "aws", "healthy")
	client := cloudwatch.NewFromConfig(awsConfig(t, url))
	clk.at(time.Hour)
	out, err := client.DescribeAlarms(context.Background(), &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"API5xxAlarm", "gone"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.MetricAlarms) != 1 || *out.MetricAlarms[0].AlarmName != "API5xxAlarm" || out.MetricAlarms[0].StateValue != types.StateValueOk {
		t.Errorf("got %+v, want API5xxAlarm alone, OK", out.MetricAlarms)
	}
	var names []string
	p := cloudwatch.NewDescribeAlarmsPaginator(client, &cloudwatch.DescribeAlarmsInput{MaxRecords: aws.Int32(1)})
	for p.HasMorePages() {
		page, err := p.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.MetricAlarms {
			names = append(names, *a.AlarmName)
		}
	}
	if len(names) != 2 {
		t.Errorf("paged through alarms %q, want two", names)
	}
}

func TestAthenaClientRunsAQuery(t *testing.T) {
	sim, clk, url := upstream(t, "aws", "healthy")
	client := athena.NewFromConfig(awsConfig(t, url))
	clk.at(3 * time.Hour)
	ctx := context.Background()
	in := &athena.StartQueryExecutionInput{QueryString: aws.String("SELECT decile FROM p WHERE v = ?"), WorkGroup: aws.String("relgate"),
		ExecutionParameters: []string{"'1.0.0'"}, ClientRequestToken: aws.String("0123456789012345678901234567890123")}
	started, err := client.StartQueryExecution(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := client.StartQueryExecution(ctx, in)
	if err != nil || *again.QueryExecutionId != *started.QueryExecutionId {
		t.Fatalf("same token again: %v, %v; want the same id", again, err)
	}
	var states []athenatypes.QueryExecutionState
	for range 3 {
		got, err := client.GetQueryExecution(ctx, &athena.GetQueryExecutionInput{QueryExecutionId: started.QueryExecutionId})
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, got.QueryExecution.Status.State)
		if got.QueryExecution.Status.State == "SUCCEEDED" && *got.QueryExecution.Statistics.DataScannedInBytes < 10_000_000 {
			t.Errorf("scanned %d bytes, want at least the billed minimum", *got.QueryExecution.Statistics.DataScannedInBytes)
		}
	}
	if states[0] != "QUEUED" || states[1] != "RUNNING" || states[2] != "SUCCEEDED" {
		t.Errorf("states %v, want QUEUED RUNNING SUCCEEDED", states)
	}
	var rows []athenatypes.Row
	p := athena.NewGetQueryResultsPaginator(client, &athena.GetQueryResultsInput{QueryExecutionId: started.QueryExecutionId, MaxResults: aws.Int32(4)})
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, page.ResultSet.Rows...)
	}
	if len(rows) != 11 || *rows[0].Data[0].VarCharValue != "decile" || *rows[10].Data[0].VarCharValue != "10" {
		t.Errorf("%d rows over all pages, want one header and ten deciles", len(rows))
	}
	if n := sim.Stats().Queries; n != 1 {
		t.Errorf("%d queries ran, want 1", n)
	}
	in.ExecutionParameters = []string{"'1.0.1'"}
	if _, err := client.StartQueryExecution(ctx, in); err == nil {
		t.Error("same token, other parameters: no error")
	}
}

func TestLambdaClientMovesTheAlias(t *testing.T) {
	_, clk, url := upstream(t, "aws", "healthy")
	client := lambda.NewFromConfig(awsConfig(t, url))
	ctx := context.Background()
	get := func() *lambda.GetAliasOutput {
		out, err := client.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: aws.String("bioage-inference"), Name: aws.String("live")})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	clk.at(5 * time.Minute)
	was := get()
	if *was.FunctionVersion != "42" || was.RoutingConfig.AdditionalVersionWeights["43"] != 0.1 {
		t.Fatalf("at T+5m: version %s, %v; want 42 with 43 at 0.1", *was.FunctionVersion, was.RoutingConfig)
	}
	put := func(revision string, rc *lambdatypes.AliasRoutingConfiguration) error {
		_, err := client.UpdateAlias(ctx, &lambda.UpdateAliasInput{FunctionName: aws.String("bioage-inference"), Name: aws.String("live"),
			FunctionVersion: aws.String("42"), RevisionId: &revision, RoutingConfig: rc})
		return err
	}
	var stale *lambdatypes.PreconditionFailedException
	if err := put("old", nil); !errors.As(err, &stale) {
		t.Errorf("stale revision: got %v, want PreconditionFailedException", err)
	}
	if err := put(*was.RevisionId, nil); err != nil {
		t.Fatal(err)
	}
	if got := get(); got.RoutingConfig == nil {
		t.Error("an update without RoutingConfig took the weights away; the real service leaves them")
	}
	if err := put(*was.RevisionId, &lambdatypes.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{}}); err != nil {
		t.Fatal(err)
	}
	clk.at(40 * time.Minute)
	if got := get(); got.RoutingConfig != nil || *got.FunctionVersion != "42" {
		t.Errorf("after the rollback: %s %v, want 42 alone whatever the rollout says", *got.FunctionVersion, got.RoutingConfig)
	}
}
