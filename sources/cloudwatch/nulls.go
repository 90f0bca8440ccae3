package cloudwatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/fxamacker/cbor/v2"
)

var errNull = errors.New("a null among the values")

// refuseNulls looks at an answer before the SDK does. The SDK reads a null in a
// list of values as 0, which would turn an unknown count of errors into no errors.
func refuseNulls(stack *middleware.Stack) error {
	check := middleware.DeserializeMiddlewareFunc("RefuseNulls", func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		response, ok := out.RawResponse.(*smithyhttp.Response)
		if err != nil || !ok || response.Body == nil || response.StatusCode != 200 {
			return out, metadata, err
		}
		body, err := io.ReadAll(response.Body) // its length is bounded
		_ = response.Body.Close()              // it has been read
		if err != nil {
			return out, metadata, fmt.Errorf("reading the answer: %w", err)
		}
		response.Body = io.NopCloser(bytes.NewReader(body))
		if err := findNull(body); err != nil {
			return out, metadata, &smithy.DeserializationError{Err: err}
		}
		return out, metadata, nil
	})
	return stack.Deserialize.Add(check, middleware.After)
}

// findNull says whether an answer of GetMetricData has a null where a number or a
// time should be, or cannot be read at all. An empty body is checked elsewhere.
func findNull(body []byte) error {
	if len(body) == 0 {
		return nil
	}
	var answer struct {
		MetricDataResults []struct{ Timestamps, Values []cbor.RawMessage }
	}
	if err := cbor.Unmarshal(body, &answer); err != nil {
		return err
	}
	for _, r := range answer.MetricDataResults {
		if slices.ContainsFunc(r.Timestamps, isNull) || slices.ContainsFunc(r.Values, isNull) {
			return errNull
		}
	}
	return nil
}

// isNull knows null and undefined.
func isNull(v cbor.RawMessage) bool {
	return len(v) == 1 && (v[0] == 0xf6 || v[0] == 0xf7)
}
