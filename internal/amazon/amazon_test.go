package amazon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/relgate/relgate/rules"
)

func now() time.Time { return time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC) }

func answered(status int, err error) error {
	return &smithy.OperationError{ServiceID: "CloudWatch", OperationName: "GetMetricData", Err: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status, Header: http.Header{}}}, Err: err,
	}}
}

func coded(code, message string) error { return &smithy.GenericAPIError{Code: code, Message: message} }

func TestExplain(t *testing.T) {
	tests := []struct {
		err    error
		fault  rules.Fault
		detail string
	}{
		{answered(400, coded("Throttling", "Rate exceeded")), rules.Throttled, "Op: Throttling: Rate exceeded"},
		{answered(400, coded("ValidationError", "no\nsecond line")), rules.ConfigFault, "Op: ValidationError: no"},
		{answered(400, coded("InvalidSignatureException", "x")), rules.AuthFault, "Op: InvalidSignatureException: x"},
		{answered(400, coded("InvalidRequestException", "Insufficient permissions to execute")), rules.AuthFault, "Op: InvalidRequestException: Insufficient permissions to execute"},
		{answered(400, coded("RequestTimeoutException", "slow")), rules.Unavailable, "Op: RequestTimeoutException: slow"},
		{answered(408, errors.New("slow")), rules.Unavailable, "Op: HTTP 408: slow"},
		{answered(407, errors.New("proxy")), rules.AuthFault, "Op: HTTP 407: proxy"},
		{answered(301, errors.New("moved")), rules.Unavailable, "Op: HTTP 301: moved"},
		{answered(200, &smithy.DeserializationError{Err: errors.New("no map")}), rules.Unavailable, "Op: HTTP 200: unreadable answer: no map"},
		{answered(500, coded("AccessDeniedException", "x")), rules.Unavailable, "Op: AccessDeniedException: x"},
		{fmt.Errorf("get identity: get credentials: %w", errors.New("no EC2 IMDS role found")), rules.AuthFault, "Op: get identity: get credentials: no EC2 IMDS role found"},
		{fmt.Errorf("get identity: %w", context.DeadlineExceeded), rules.Unavailable, "Op: no answer before the deadline"},
		{&aws.RequestCanceledError{Err: context.Canceled}, rules.Unavailable, "Op: cancelled"},
		{&url.Error{Op: "Post", URL: "https://hidden@host/", Err: errors.New("EOF")}, rules.Unavailable, "Op: EOF"},
		{&url.Error{Op: "Post", URL: "http://h", Err: &net.OpError{Op: "dial", Addr: &net.TCPAddr{Port: 9}, Err: errors.New("refused")}}, rules.Unavailable, "Op: dial: refused"},
		{&net.OpError{Op: "readfrom", Err: &net.OpError{Op: "write", Addr: &net.TCPAddr{Port: 9}, Err: net.ErrClosed}}, rules.Unavailable, "Op: readfrom: use of closed network connection"},
		{errors.New("anything"), rules.Unavailable, "Op: anything"},
	}
	for _, tt := range tests {
		got := Explain("Op", tt.err, now())
		if got.Fault != tt.fault || got.Detail != tt.detail {
			t.Errorf("Explain(%v) = fault %d %q, want %d %q", tt.err, got.Fault, got.Detail, tt.fault, tt.detail)
		}
		if (got.RetryAt != 0) != (tt.fault == rules.Throttled) {
			t.Errorf("Explain(%v): retry at %d", tt.err, got.RetryAt)
		}
	}
}

func TestScrub(t *testing.T) {
	tests := []struct{ text, want string }{
		{"as it is", "as it is"},
		{"host:monitoring x-amz-security-token:IQoJb3JpZ2luX2VjEAA x", "host:monitoring x-amz-security-token:[removed] x"},
		{`{"SecretAccessKey": "wJalrXUtnFEMI"}`, `{"SecretAccessKey": [removed]}`},
		{"the key AKIAIOSFODNN7EXAMPLE is unknown", "the key [removed] is unknown"},
		{"Authorization=AWS4 x", "Authorization=[removed] x"},
		{"line\r\nfeed\x00", "line  feed "},
		{"The security token included in the request is invalid", "The security token included in the request is invalid"},
	}
	for _, tt := range tests {
		if got := Scrub(tt.text); got != tt.want {
			t.Errorf("Scrub(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func FuzzScrub(f *testing.F) {
	f.Add(strings.Repeat("é", 200))
	f.Add("x-amz-security-token: abc")
	f.Add("\xff\xfe" + strings.Repeat("a", 400))
	f.Fuzz(func(t *testing.T, text string) {
		got := Scrub(text)
		if len(got) > MaxDetail || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\x00") {
			t.Errorf("Scrub(%q) = %q", text, got)
		}
		if again := Scrub(got); len(got) < MaxDetail-40 && again != got {
			t.Errorf("Scrub(%q) = %q, and of that %q", text, got, again)
		}
	})
}

// Retries wait through the pause, longer each time, and the SDK adds nothing.
func TestRetryerPauses(t *testing.T) {
	var slept []time.Duration
	counters := new(Counters)
	r := newRetryer(4, func(_ context.Context, d time.Duration) error {
		slept = append(slept, d)
		return nil
	}, counters, nil)
	type in struct{}
	type out struct{}
	throttled := coded("Throttling", "")
	_, _ = Call(t.Context(), func(ctx context.Context, _ *in, _ ...func(*struct{})) (*out, error) {
		for range 3 {
			if !r.IsErrorRetryable(throttled) {
				t.Error("a throttled call is not retried")
			}
			if _, err := r.GetRetryToken(ctx, throttled); err != nil {
				t.Error(err)
			}
			if d, err := r.RetryDelay(1, throttled); d != 0 || err != nil {
				t.Errorf("the SDK would sleep %s itself", d)
			}
		}
		return nil, nil
	}, &in{})
	for i, d := range slept {
		if limit := time.Second << (i + 1); d < 0 || d > limit {
			t.Errorf("pause %d is %s, want at most %s", i+1, d, limit)
		}
	}
	if len(slept) != 3 || counters.Stats().Throttled != 3 || r.MaxAttempts() != 4 {
		t.Errorf("%d pauses, %d throttled, %d attempts", len(slept), counters.Stats().Throttled, r.MaxAttempts())
	}
	stop := errors.New("stop")
	r.pause = func(context.Context, time.Duration) error { return stop }
	if _, err := r.GetRetryToken(t.Context(), throttled); !errors.Is(err, stop) {
		t.Errorf("a pause that fails: %v, want %v", err, stop)
	}
	if newRetryer(0, nil, counters, nil).MaxAttempts() != retry.DefaultMaxAttempts {
		t.Error("no number of attempts is not the SDK's own")
	}
}

func TestCallOutlivesAPanic(t *testing.T) {
	out, err := Call(t.Context(), func(context.Context, *int, ...func(*int)) (*int, error) { panic("NewFloat(NaN)") }, new(int))
	if out != nil || err == nil || Explain("Op", err, now()).Fault != rules.Unavailable {
		t.Errorf("Call = %v, %v", out, err)
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("Sleep = %v", err)
	}
	if err := Sleep(t.Context(), 0); err != nil {
		t.Errorf("Sleep = %v", err)
	}
}
