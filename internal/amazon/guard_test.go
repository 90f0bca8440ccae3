package amazon

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/relgate/relgate/rules"
)

// endless is a body without an end, and how much of it was read.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) { e.read += int64(len(p)); return len(p), nil }
func (e *endless) Close() error               { return nil }

// through runs a response through guards, as the SDK would, and reads what is left.
func through(t *testing.T, status int, body io.ReadCloser, guards ...func(*middleware.Stack) error) ([]byte, error) {
	t.Helper()
	stack := middleware.NewStack("test", smithyhttp.NewStackRequest)
	for _, g := range guards {
		if err := g(stack); err != nil {
			t.Fatal(err)
		}
	}
	response := &smithyhttp.Response{Response: &http.Response{StatusCode: status, Header: http.Header{}, Body: body}}
	out, _, err := stack.Deserialize.HandleMiddleware(t.Context(), nil, middleware.HandlerFunc(
		func(context.Context, any) (any, middleware.Metadata, error) {
			return response, middleware.Metadata{}, nil
		}))
	if err != nil {
		return nil, err
	}
	_ = out
	return io.ReadAll(response.Body)
}

func TestGuardBoundsAnswers(t *testing.T) {
	for _, guard := range []func(*middleware.Stack) error{bound, Guard("JSON")} {
		e := new(endless)
		if got, _ := through(t, 500, e, guard); len(got) > 64<<10 || e.read > 70<<10 {
			t.Errorf("%d bytes of an endless 500, %d read", len(got), e.read)
		}
	}
	e := new(endless)
	if _, err := through(t, 200, e, bound); !errors.Is(err, errLong) || e.read > maxBody {
		t.Errorf("an endless 200: %v after %d bytes", err, e.read)
	}
}

func TestGuardNamesForeigners(t *testing.T) {
	tests := []struct {
		status       int
		wanted, body string
		want         string
	}{
		{200, "JSON", `{"a":1}`, ""},
		{200, "CBOR", "\xa0", ""},
		{200, "CBOR", "<html>", "answered with HTML, not CBOR: a login page or proxy?"},
		{200, "JSON", "", "answered with an empty body, not JSON"},
		{403, "JSON", "", ""},
		{502, "JSON", "<HTML>", "answered with HTML, not JSON: a login page or proxy?"},
		{302, "JSON", "", "redirects elsewhere: a login page or proxy? is the url right?"},
	}
	for _, tt := range tests {
		got, err := through(t, tt.status, io.NopCloser(strings.NewReader(tt.body)), Guard(tt.wanted))
		if tt.want == "" {
			if err != nil || string(got) != tt.body {
				t.Errorf("%d %q: %q, %v", tt.status, tt.body, got, err)
			}
			continue
		}
		if f, ok := errors.AsType[*smithy.DeserializationError](err); !ok || f.Err.Error() != tt.want {
			t.Errorf("%d %q: %v, want %q", tt.status, tt.body, err, tt.want)
		}
		if f := Explain("Op", err, now()); f.Fault != rules.Unavailable || !strings.Contains(f.Detail, tt.want) {
			t.Errorf("%d %q: %+v", tt.status, tt.body, f)
		}
	}
}

// A key that lies across the place where a quotation is cut is removed as a whole.
func TestGuardRemovesSecretsBeforeItCuts(t *testing.T) {
	for most := range 130 {
		body := strings.Repeat("x", most) + " AKIAIOSFODNN7EXAMPLE and more"
		_, err := through(t, 200, io.NopCloser(strings.NewReader(body)), Guard("JSON"))
		if err == nil || strings.Contains(err.Error(), "AKIA") {
			t.Errorf("after %d bytes: %v", most, err)
		}
		header := http.Header{"Retry-After": {strings.Repeat("x", most%40) + " AKIAIOSFODNN7EXAMPLE"}}
		throttled := &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: 429, Header: header}}, Err: coded("Throttling", "slow")}
		if f := Explain("Op", throttled, now()); strings.Contains(f.Detail, "AKIA") {
			t.Errorf("after %d bytes: %q", most%40, f.Detail)
		}
	}
}
