package series

import "time"

// Secs is a duration in whole seconds.
func Secs(d time.Duration) int64 { return int64(d / time.Second) }

// When is a time from Unix seconds.
func When(unix int64) time.Time { return time.Unix(unix, 0).UTC() }

// WhenOrZero is the time, or the zero time for zero.
func WhenOrZero(unix int64) time.Time {
	if unix == 0 {
		return time.Time{}
	}
	return When(unix)
}

// AlignDown is the newest multiple of w that is not after t.
func AlignDown(t, w int64) int64 {
	if r := t % w; r < 0 {
		return t - r - w
	} else {
		return t - r
	}
}

// AlignUp is the oldest multiple of w that is not before t.
func AlignUp(t, w int64) int64 { return AlignDown(t+w-1, w) }
