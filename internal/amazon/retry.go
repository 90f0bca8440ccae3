package amazon

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/relgate/relgate/sources"
)

// retryer is the SDK's standard retryer, except that it waits through a Pause.
//
// The SDK asks RetryDelay how long to sleep and then sleeps by the machine's
// clock. So the wait happens a step earlier, in GetRetryToken, the only call
// between two attempts that has the context, and RetryDelay is zero.
type retryer struct {
	*retry.Standard
	throttle retry.IsErrorThrottles
	pause    sources.Pause
	counters *Counters
	renew    *renewable // nil: credentials that do not change
}

func newRetryer(attempts int, pause sources.Pause, c *Counters, renew *renewable) *retryer {
	standard := retry.NewStandard(func(o *retry.StandardOptions) {
		if attempts > 0 {
			o.MaxAttempts = attempts
		}
	})
	if pause == nil {
		pause = Sleep
	}
	return &retryer{Standard: standard, throttle: retry.DefaultThrottles, pause: pause, counters: c, renew: renew}
}

// IsErrorRetryable is asked exactly once for every attempt that failed, which
// makes it the place to count the answers that asked us to slow down.
func (r *retryer) IsErrorRetryable(err error) bool {
	if r.throttle.IsErrorThrottle(err).Bool() {
		r.counters.throttled.Add(1)
	}
	return r.Standard.IsErrorRetryable(err) || r.renew.refused(err)
}

// GetRetryToken takes a token of the retry budget and then waits.
func (r *retryer) GetRetryToken(ctx context.Context, opErr error) (func(error) error, error) {
	release, err := r.Standard.GetRetryToken(ctx, opErr)
	if err != nil {
		return nil, err
	}
	attempt := 1
	if n, ok := ctx.Value(retriesKey{}).(*int); ok {
		*n++
		attempt = *n
	}
	delay, err := r.Standard.RetryDelay(attempt, opErr)
	if err != nil {
		return nil, err
	}
	if err := r.pause(ctx, delay); err != nil {
		return nil, err
	}
	return release, nil
}

// RetryDelay is zero: GetRetryToken has waited.
func (r *retryer) RetryDelay(int, error) (time.Duration, error) { return 0, nil }

type retriesKey struct{}

// Call makes one call of a client. Its context carries the number of retries
// made, so that the waits between them grow.
//
// A panic of the SDK is an error: it panics on some answers, such as a
// timestamp in JSON that is not a number.
func Call[In, Out, Options any](ctx context.Context, call func(context.Context, *In, ...func(*Options)) (*Out, error), in *In) (out *Out, err error) {
	defer func() {
		if v := recover(); v != nil {
			out, err = nil, fmt.Errorf("unreadable answer: the SDK panicked: %v", v)
		}
	}()
	return call(context.WithValue(ctx, retriesKey{}, new(int)), in)
}

// Sleep is the Pause of real time.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

var _ aws.RetryerV2 = (*retryer)(nil)
