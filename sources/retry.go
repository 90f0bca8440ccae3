package sources

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// farthest is the longest wait that an upstream may ask for. One that asks for
// more is broken, and must not silence a source for days.
const farthest = time.Hour

// Sleep is the Pause of real time.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// RetryAfter reads a Retry-After header, seconds or a date, as a time. It is the
// zero time if the header is missing or unreadable.
func RetryAfter(h http.Header, now time.Time) time.Time {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return time.Time{}
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		if !finite(s) || s < 0 {
			return time.Time{}
		}
		return now.Add(time.Duration(min(math.Ceil(s), farthest.Seconds())) * time.Second)
	}
	if at, err := http.ParseTime(v); err == nil {
		return bounded(at, now)
	}
	return time.Time{}
}

// EpochReset reads a header that holds Unix seconds. It is the zero time if the
// header is missing or unreadable.
func EpochReset(h http.Header, name string, now time.Time) time.Time {
	s, err := strconv.ParseFloat(strings.TrimSpace(h.Get(name)), 64)
	if err != nil || !finite(s) || s <= 0 || s > 1<<40 {
		return time.Time{}
	}
	return bounded(time.Unix(int64(math.Ceil(s)), 0).UTC(), now)
}

// bounded keeps a time within (now, now+farthest]; one in the past means none.
func bounded(at, now time.Time) time.Time {
	if !at.After(now) {
		return time.Time{}
	}
	if latest := now.Add(farthest); at.After(latest) {
		return latest
	}
	return at.UTC()
}

// backoff is the pause before another attempt: doubled each time, with up to a
// half of jitter on top. jitter gives 0 to 1.
func backoff(attempt int, least, most time.Duration, jitter func() float64) time.Duration {
	d := least
	for range attempt - 1 {
		if d *= 2; d >= most {
			break
		}
	}
	d = min(d, most)
	return d + time.Duration(float64(d)/2*jitter())
}
