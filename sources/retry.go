package sources

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// farthest is the longest wait that is read from a header. A question is never put
// off for so long: see [Patience].
const farthest = time.Hour

// leastPatience is how long any upstream may ask to be left alone.
const leastPatience = 5 * time.Minute

// Patience is how long an upstream may ask to be left alone about a signal: five
// minutes, or as long as the signal's own distance between questions. A rule whose
// stretch is ten minutes must not be blind for an hour because a proxy says so.
func Patience(every time.Duration) time.Duration { return max(leastPatience, every) }

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

// asksFor quotes a Retry-After header for a person, "" where there is none.
func asksFor(h http.Header, scrub func(string) string) string {
	v := cut(Clip(scrub(h.Get("Retry-After"))), 40)
	if v == "" {
		return ""
	}
	return "; Retry-After: " + v
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
