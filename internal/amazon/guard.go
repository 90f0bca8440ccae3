package amazon

import (
	"bufio"
	"context"
	"errors"
	"io"

	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/relgate/relgate/sources"
)

// maxBody is the longest answer that is read: 100,800 datapoints, the most that
// CloudWatch gives in one, are about two megabytes.
const maxBody = 32 << 20

// errLong is an answer that did not end.
var errLong = errors.New("the answer is too long")

// Guard looks at an answer before the SDK does: one that cannot be of the wanted
// format, "JSON" or "CBOR", is an error that says what it is instead. The SDK
// takes an empty 200 for an answer without data, and reports a page of HTML as an
// error of its decoder. It also bounds what is read, before any other step does.
func Guard(wanted string) func(*middleware.Stack) error {
	return deserialize("RefuseForeign", func(r *smithyhttp.Response) error {
		shorten(r)
		body := bufio.NewReaderSize(r.Body, 4096)
		head, err := body.Peek(4096)
		if len(head) == 0 && err != nil && !errors.Is(err, io.EOF) {
			return nil // the connection broke, and the SDK says so
		}
		closer := r.Body
		r.Body = struct {
			io.Reader
			io.Closer
		}{body, closer}
		ok := r.StatusCode >= 200 && r.StatusCode <= 299
		if said := sources.Foreign(wanted, r.Response, head, scrubbed); said != "" && (ok || len(head) > 0 || r.StatusCode/100 == 3) {
			return &smithy.DeserializationError{Err: foreign(said)}
		}
		return nil
	})
}

// foreign is what sources.Foreign said.
type foreign string

func (f foreign) Error() string { return string(f) }

// bound limits what is read of any answer, of an error above all: the SDK reads
// it to its end, which may never come.
func bound(stack *middleware.Stack) error {
	return deserialize("BoundAnswer", func(r *smithyhttp.Response) error { shorten(r); return nil })(stack)
}

func shorten(r *smithyhttp.Response) {
	s := &short{body: r.Body, left: maxBody, whole: r.StatusCode >= 200 && r.StatusCode <= 299}
	if !s.whole {
		s.left = sources.MaxErrorBody
	}
	r.Body = s
}

// short is the beginning of a body. Of an answer with data the rest would be
// missed, so there its end is an error.
type short struct {
	body  io.ReadCloser
	left  int64
	whole bool
}

func (s *short) Read(p []byte) (int, error) {
	if s.left <= 0 {
		if s.whole {
			return 0, errLong
		}
		return 0, io.EOF
	}
	n, err := s.body.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	return n, err
}

func (s *short) Close() error { return s.body.Close() }

// deserialize makes a step that sees the response before all others.
func deserialize(name string, look func(*smithyhttp.Response) error) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc(name, func(
			ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
		) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			if r, ok := out.RawResponse.(*smithyhttp.Response); ok && err == nil && r.Body != nil {
				err = look(r)
			}
			return out, metadata, err
		}), middleware.After)
	}
}
