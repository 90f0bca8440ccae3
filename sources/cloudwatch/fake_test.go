package cloudwatch_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/fxamacker/cbor/v2"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/cloudwatch"
	"github.com/relgate/relgate/sources/cloudwatch/kind"
)

// call is one request as the fake saw it, in the shape of the model.
type call struct {
	Op        string
	Header    http.Header
	StartTime cbor.Tag
	EndTime   cbor.Tag
	NextToken string
	Queries   []query `cbor:"MetricDataQueries"`

	AlarmNames []string
	AlarmTypes []string
}

// isLook tells a look over a year from the questions of a tick.
func (c call) isLook() bool {
	from, _ := c.StartTime.Content.(float64)
	to, _ := c.EndTime.Content.(float64)
	return to-from > 300*86400
}

type query struct {
	ID         string `cbor:"Id"`
	MetricStat struct {
		Metric struct {
			Namespace, MetricName string
			Dimensions            []struct{ Name, Value string }
		}
		Period int64
		Stat   string
		Unit   string
	}
}

// fake is CloudWatch on loopback: what it answers is up to the test.
type fake struct {
	mu       sync.Mutex
	calls    []call
	looks    []call                                                      // questions over a year: whether a name was ever seen
	everSeen func(call) (status int, header map[string]string, body any) // of a look; no values if nil
	answer   func(call) (status int, header map[string]string, body any)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var c call
	if err := cbor.Unmarshal(body, &c); err != nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	c.Op = r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	c.Header = r.Header
	f.mu.Lock()
	answerer := f.answer
	if c.isLook() {
		f.looks = append(f.looks, c)
		if answerer = f.everSeen; answerer == nil {
			answerer = byStat(nil)
		}
	} else {
		f.calls = append(f.calls, c)
	}
	f.mu.Unlock()
	status, header, answer := answerer(c)
	w.Header().Set("Content-Type", "application/cbor")
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.Header().Set("X-Amzn-Requestid", "req-1")
	for k, v := range header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(status)
	switch b := answer.(type) {
	case nil:
	case string:
		_, _ = io.WriteString(w, b)
	case []byte:
		_, _ = w.Write(b)
	default:
		out, err := cbor.Marshal(b)
		if err != nil {
			panic(err)
		}
		_, _ = w.Write(out)
	}
}

// seen is the requests so far.
func (f *fake) seen() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]call(nil), f.calls...)
}

type m = map[string]any

// stamp is a timestamp as CloudWatch writes it: tag 1 on a float.
func stamp(at int64) cbor.Tag { return cbor.Tag{Number: 1, Content: float64(at)} }

// result is one MetricDataResult.
func result(id, status string, points ...float64) m {
	times, values := []any{}, []any{}
	for i := 0; i+1 < len(points); i += 2 {
		times, values = append(times, stamp(int64(points[i]))), append(values, points[i+1])
	}
	return m{"Id": id, "Label": "x", "StatusCode": status, "Timestamps": times, "Values": values, "Messages": []any{}}
}

func results(list ...m) m { return m{"MetricDataResults": list, "Messages": []any{}} }

// byStat answers every query with the points that are given for "Metric Stat".
func byStat(points map[string][]float64) func(call) (int, map[string]string, any) {
	return func(c call) (int, map[string]string, any) {
		var list []m
		for _, q := range c.Queries {
			list = append(list, result(q.ID, "Complete", points[q.MetricStat.Metric.MetricName+" "+q.MetricStat.Stat]...))
		}
		return 200, nil, results(list...)
	}
}

// pauses records what a source would have slept.
type pauses struct {
	mu    sync.Mutex
	slept []time.Duration
}

func (p *pauses) pause(ctx context.Context, d time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slept = append(p.slept, d)
	return ctx.Err()
}

type tb interface {
	Helper()
	Cleanup(func())
	Fatal(...any)
}

func newSource(t tb, f http.Handler) (*cloudwatch.Source, *pauses) {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	p := new(pauses)
	s, err := sourceAt(server.URL, p)
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

func sourceAt(url string, p *pauses) (*cloudwatch.Source, error) {
	return cloudwatch.New(context.Background(), cloudwatch.Config{
		Name: "cloudwatch", Region: "eu-central-1", BaseURL: url, Pause: p.pause,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "hidden-key-material", "hidden-session"),
	})
}

const t0 = int64(1748995200) // 2025-06-04T00:00:00Z

func at(minutes float64) float64 { return float64(t0) + 60*minutes }

// now is ten minutes after t0, with settle of three.
func now() time.Time { return time.Unix(t0+600, 0).UTC() }

func want(s *rules.Signal, from, to int64) sources.Want {
	return sources.Want{Run: "p", Index: 7, Signal: s, From: t0 + 60*from, To: t0 + 60*to}
}

func signal(of rules.Kind, unit rules.Unit, q kind.Query) *rules.Signal {
	return &rules.Signal{
		Name: "s", Source: "cloudwatch", Kind: of, Unit: unit, Period: time.Minute, Every: time.Minute,
		Settle: 3 * time.Minute, Of: -1, Query: rules.Query{Ask: &q},
	}
}

func errorRate() *rules.Signal {
	return signal(rules.Ratio, rules.Percent, kind.Query{
		Namespace: "AWS/ApiGateway", Dimensions: map[string]string{"ApiName": "bioage", "Stage": "prod"},
		Bad: rules.Several{"5XXError"}, Total: rules.Several{"Count"}, MissingBadIsZero: true,
	})
}

func p95() *rules.Signal {
	s := signal(rules.Percentile, rules.Seconds, kind.Query{
		Namespace: "AWS/Lambda", Metric: "Duration", Unit: "Milliseconds",
		Dimensions: map[string]string{"FunctionName": "f", "Resource": "f:live", "ExecutedVersion": "43"},
	})
	s.Quant = 0.95
	return s
}

func above(seconds float64) *rules.Signal {
	s := p95()
	s.Kind, s.Of, s.Above, s.Unit, s.Quant = rules.Ratio, 0, seconds, rules.Percent, 0
	return s
}

func alarm(name string) *rules.Signal {
	return signal(rules.Alarm, rules.Number, kind.Query{Alarm: name})
}

func fetch(t *testing.T, s *cloudwatch.Source, wants ...sources.Want) []rules.Reading {
	t.Helper()
	got := s.Fetch(t.Context(), now(), wants)
	if len(got) != len(wants) {
		t.Fatalf("%d readings for %d wants", len(got), len(wants))
	}
	for i, r := range got {
		if r.Signal != wants[i].Index || r.From != wants[i].From || r.To != wants[i].To {
			t.Errorf("reading %d answers signal %d [%d, %d), want signal %d [%d, %d)",
				i, r.Signal, r.From, r.To, wants[i].Index, wants[i].From, wants[i].To)
		}
		if len(r.Detail) > 300 {
			t.Errorf("reading %d: detail of %d bytes", i, len(r.Detail))
		}
	}
	return got
}
