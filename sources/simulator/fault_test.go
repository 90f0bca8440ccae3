package simulator_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"

	"github.com/relgate/relgate/sources/simulator"
)

func faulty(t *testing.T, upstream, kind, more string) *simulator.Scenario {
	t.Helper()
	s, err := simulator.Parse("faulty", fmt.Sprintf("[[fault]]\nupstream = %q\nkind = %q\nfrom = \"T+1h\"\nto = \"T+2h\"\n%s", upstream, kind, more))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFaultsSpeakAsTheUpstreamDoes(t *testing.T) {
	for _, tt := range []struct {
		upstream, kind string
		status         int
		body           string
	}{
		{"cloudwatch", "500", 500, "InternalServiceFault"},
		{"cloudwatch", "503", 503, "<html>"},
		{"cloudwatch", "throttle", 400, "ThrottlingException"},
		{"cloudwatch", "auth", 403, "AccessDeniedException"},
		{"cloudwatch", "garbage", 200, "<!doctype html>"},
		{"cloudwatch", "empty200", 200, ""},
		{"cloudwatch", "login", 302, "Found"},
		{"cloudwatch", "204", 204, ""},
		{"cloudwatch", "foreign", 200, "MetricDataResults"},
		{"cloudwatch", "expired", 403, "ExpiredTokenException"},
		{"sentry", "foreign", 200, "<?xml"},
		{"sentry", "expired", 401, "Invalid token"},
		{"sentry", "no_project", 400, "No projects available"},
		{"athena", "500", 500, "InternalServerException"},
		{"athena", "throttle", 400, "CONCURRENT_QUERY_LIMIT_EXCEEDED"},
		{"lambda", "throttle", 429, "CallerRateLimitExceeded"},
		{"sentry", "500", 500, "Internal Error"},
		{"sentry", "throttle", 429, "too frequently. Limit is 40 requests in 1 seconds"},
		{"sentry", "auth", 401, "Invalid token"},
		{"appstore", "500", 500, "UNEXPECTED_ERROR"},
		{"appstore", "throttle", 429, "RATE_LIMIT_EXCEEDED"},
		{"appstore", "auth", 401, "NOT_AUTHORIZED"},
		{"lookup", "502", 502, "Bad Gateway"},
	} {
		d := newDesk(t, faulty(t, tt.upstream, tt.kind, "delay = \"7s\"\n"))
		for _, at := range []time.Duration{time.Hour - time.Second, time.Hour, 2*time.Hour - time.Second, 2 * time.Hour} {
			w := d.one(at, tt.upstream)
			on := at >= time.Hour && at < 2*time.Hour
			if hit := w.Code == tt.status && strings.Contains(w.Body.String(), tt.body) && (tt.body != "" || w.Body.Len() == 0); hit != on {
				t.Errorf("%s %s at T+%v: %d %s; want the fault: %v", tt.upstream, tt.kind, at, w.Code, w.Body, on)
			}
			if after := w.Header().Get("Retry-After"); on && tt.kind == "throttle" && after != "7" {
				t.Errorf("%s throttled with Retry-After %q, want 7", tt.upstream, after)
			}
		}
	}
}

// one sends some request to an upstream.
func (d desk) one(at time.Duration, upstream string) *httptest.ResponseRecorder {
	switch upstream {
	case "cloudwatch":
		return d.aws(at, "GraniteServiceVersion20100801.DescribeAlarms", `{}`)
	case "athena":
		return d.aws(at, "AmazonAthena.GetQueryExecution", `{"QueryExecutionId":"x"}`)
	case "lookup":
		return d.ask(at, "appstore", httptest.NewRequest(http.MethodGet, "/lookup?id=6470000001", nil))
	case "appstore":
		r := httptest.NewRequest(http.MethodGet, "/v1/apps", nil)
		r.Header.Set("Authorization", "Bearer "+unsigned(start.Add(at)))
		return d.ask(at, "appstore", r)
	}
	path := sessionsURL + "?" + sessionsOf(release)
	if upstream == "lambda" {
		path = "/2015-03-31/functions/bioage-inference/aliases/live"
	}
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer t")
	if upstream == "lambda" {
		upstream = "aws"
	}
	return d.ask(at, upstream, r)
}

// unsigned is a token with all that is checked without a public key.
func unsigned(now time.Time) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"ES256","kid":"K","typ":"JWT"}`)) + "." +
		part(fmt.Appendf(nil, `{"iss":"i","aud":"appstoreconnect-v1","iat":%d,"exp":%d}`, now.Unix(), now.Unix()+600)) + "." + part(make([]byte, 64))
}

func TestUnsignedAWSRequestsAreRefused(t *testing.T) {
	d := newDesk(t, loaded(t, "healthy"))
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
	r.Header.Set("X-Amz-Target", "AmazonAthena.ListWorkGroups")
	if w := d.ask(0, "aws", r); w.Code != 403 || !strings.Contains(w.Body.String(), "MissingAuthenticationToken") {
		t.Errorf("unsigned: %d %s, want 403", w.Code, w.Body)
	}
	if w := d.aws(0, "AmazonDynamo.GetItem", "{}"); w.Code != 404 {
		t.Errorf("another service: %d %s, want 404", w.Code, w.Body)
	}
}

func TestAHangingRequestWaitsForItsClient(t *testing.T) {
	hung := make(chan struct{}, 1)
	sim, clk, url := serve(t, "aws", simulator.Config{Scenario: faulty(t, "cloudwatch", "hang", ""), OnHang: func() { hung <- struct{}{} }})
	client := cloudwatch.NewFromConfig(awsConfig(t, url))
	clk.at(time.Hour)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := client.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{})
		done <- err
	}()
	<-hung
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the client's own cancellation", err)
	}
	if n := sim.Stats().Hung; n != 1 {
		t.Errorf("%d requests hung, want 1", n)
	}
}

func TestASlowAnswerComesAfterItsPause(t *testing.T) {
	var paused atomic.Int64
	_, clk, url := serve(t, "aws", simulator.Config{Scenario: faulty(t, "cloudwatch", "slow", "delay = \"9s\"\n"),
		Pause: func(_ context.Context, d time.Duration) error { paused.Add(int64(d)); return nil }})
	client := cloudwatch.NewFromConfig(awsConfig(t, url))
	clk.at(time.Hour)
	out, err := client.DescribeAlarms(context.Background(), &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"API5xxAlarm"}})
	if err != nil || len(out.MetricAlarms) != 1 || paused.Load() != int64(9*time.Second) {
		t.Errorf("got %v, %v after a pause of %v; want the alarm after 9s", out, err, time.Duration(paused.Load()))
	}
}

func TestTheSDKKnowsTheErrors(t *testing.T) {
	for kind, code := range map[string]string{"throttle": "Throttling", "auth": "AccessDenied", "500": "InternalServiceError"} {
		_, clk, url := serve(t, "aws", simulator.Config{Scenario: faulty(t, "cloudwatch", kind, "")})
		client := cloudwatch.NewFromConfig(awsConfig(t, url), func(o *cloudwatch.Options) { o.RetryMaxAttempts = 1 })
		clk.at(time.Hour)
		_, err := client.GetMetricData(context.Background(), &cloudwatch.GetMetricDataInput{
			StartTime: aws.Time(start), EndTime: aws.Time(start.Add(time.Hour)), MetricDataQueries: []types.MetricDataQuery{apiQuery("q", "Count", "Sum")}})
		var api smithy.APIError
		if !errors.As(err, &api) || api.ErrorCode() != code {
			t.Errorf("%s: got %v, want code %s", kind, err, code)
		}
	}
}

func TestPartialAnswersShowIt(t *testing.T) {
	d := newDesk(t, faulty(t, "cloudwatch", "partial", ""))
	body := fmt.Sprintf(`{"StartTime":%d,"EndTime":%d,"MetricDataQueries":[{"Id":"q","MetricStat":{"Metric":{"Namespace":"AWS/ApiGateway","MetricName":"Count","Dimensions":%s},"Period":60,"Stat":"Sum"}}]}`,
		start.Add(30*time.Minute).Unix(), start.Add(time.Hour).Unix(), apiDims)
	if w := d.aws(90*time.Minute, "GraniteServiceVersion20100801.GetMetricData", body); !strings.Contains(w.Body.String(), `"StatusCode":"PartialData"`) {
		t.Errorf("CloudWatch: %s, want PartialData", w.Body)
	}
	d = newDesk(t, faulty(t, "sentry", "partial", ""))
	w := d.one(90*time.Minute, "sentry")
	if n := strings.Count(w.Body.String(), ","); w.Code != 200 || n > 31*5 {
		t.Errorf("Sentry: %d with %d commas, want shorter series than intervals: %s", w.Code, n, w.Body)
	}
}

func TestChaosIsReproducibleAndSpoils(t *testing.T) {
	answers := func(seed uint64) (out []string) {
		sim, err := simulator.New(simulator.Config{Scenario: loaded(t, "healthy"), Start: start, Now: func() time.Time { return start.Add(time.Hour) },
			Chaos: &simulator.Chaos{Seed: seed, Rate: 1, Kinds: []string{"status", "truncate", "null", "nan", "type", "missing", "order", "duplicate", "page"}}})
		if err != nil {
			t.Fatal(err)
		}
		d := desk{sim, new(time.Time)}
		for range 40 {
			w := d.one(time.Hour, "cloudwatch")
			out = append(out, fmt.Sprint(w.Code, w.Body))
		}
		if n := sim.Stats().Spoilt; n != 40 {
			t.Errorf("%d answers spoilt of 40", n)
		}
		return out
	}
	a, b, other := answers(1), answers(1), answers(2)
	same, different := 0, map[string]bool{}
	for i := range a {
		if a[i] != b[i] {
			t.Errorf("answer %d: %s, then %s with the same seed", i, a[i], b[i])
		}
		if a[i] == other[i] {
			same++
		}
		different[a[i]] = true
	}
	if same > 20 || len(different) < 20 {
		t.Errorf("%d answers equal under another seed, %d different ones under one", same, len(different))
	}
}
