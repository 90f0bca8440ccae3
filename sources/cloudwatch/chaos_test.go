package cloudwatch_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/cloudwatch"
	"github.com/relgate/relgate/sources/cloudwatch/kind"
	"github.com/relgate/relgate/sources/simulator/simulatortest"
)

// planWants are the questions of the plan in config.toml, and two with expressions.
func planWants(now time.Time) []sources.Want {
	rate := &rules.Signal{Name: "api_5xx_rate", Kind: rules.Ratio, Unit: rules.Percent, Period: time.Minute, Settle: 3 * time.Minute, Of: -1,
		Query: rules.Query{Ask: &kind.Query{Namespace: "AWS/ApiGateway", Dimensions: map[string]string{"ApiName": "bioage", "Stage": "prod"},
			Bad: rules.Several{"5XXError"}, Total: rules.Several{"Count"}, MissingBadIsZero: true}}}
	latency := rules.Query{Ask: &kind.Query{Namespace: "AWS/Lambda", Metric: "Duration", Unit: "Milliseconds",
		Dimensions: map[string]string{"FunctionName": "bioage-inference", "Resource": "bioage-inference:live", "ExecutedVersion": "43"}}}
	p95 := &rules.Signal{Name: "lambda_p95", Kind: rules.Percentile, Quant: 0.95, Unit: rules.Seconds, Period: time.Minute, Settle: 3 * time.Minute, Of: -1, Query: latency}
	above := &rules.Signal{Name: "lambda_p95>2.5", Kind: rules.Ratio, Unit: rules.Percent, Period: time.Minute, Settle: 3 * time.Minute, Of: 1, Above: 2.5, Query: latency}
	alarm := &rules.Signal{Name: "api_5xx_alarm", Kind: rules.Alarm, Period: time.Minute, Of: -1, Query: rules.Query{Ask: &kind.Query{Alarm: "API5xxAlarm"}}}
	expressions := func(bad, total string, zero bool) *rules.Signal {
		s, q := *rate, *kind.Of(rate.Query)
		q.Bad, q.Total, q.MissingBadIsZero = rules.Several{bad}, rules.Several{total}, zero
		q.Metrics = []kind.Metric{{Name: "server", Metric: "5XXError"}, {Name: "client", Metric: "4XXError"}, {Name: "all", Metric: "Count"}}
		s.Query = rules.Query{Ask: &q}
		return &s
	}
	to := now.Truncate(time.Minute).Unix()
	var wants []sources.Want
	for i, s := range []*rules.Signal{rate, p95, above, alarm, expressions("server + client", "all", true), expressions("(all - server) / 2", "all - client", false)} {
		wants = append(wants, sources.Want{Run: "p", Index: i, Signal: s, From: to - 1200, To: to})
	}
	return wants
}

func suite(t *testing.T) simulatortest.Suite {
	t.Helper()
	return simulatortest.Suite{
		Handler: "aws",
		Open: func(base string, _ time.Time) (sources.Source, error) {
			return cloudwatch.New(context.Background(), cloudwatch.Config{
				Name: "cloudwatch", Region: "eu-central-1", BaseURL: base, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "x", ""),
				Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
			})
		},
		Wants: planWants,
	}
}

func TestHonestUnderChaos(t *testing.T) { simulatortest.Honest(t, suite(t)) }

func TestFaults(t *testing.T) { simulatortest.Faults(t, suite(t), "cloudwatch") }
