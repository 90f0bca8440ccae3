package actuator

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
)

// Error says why what was asked for was not done, or why that is not known.
type Error struct {
	Reason     string        // for people: what was wrong, where, what to do; without a secret
	Final      bool          // another attempt would end the same until a person has changed something
	Doubt      bool          // it may have been done nevertheless: the next attempt looks first
	RetryAfter time.Duration // for how long the other side wants to be left alone; zero where it did not say
}

// Error is the reason.
func (e *Error) Error() string { return e.Reason }

// Refuse is an error of a world that is not as it was expected.
func Refuse(format string, args ...any) *Error {
	return &Error{Reason: fmt.Sprintf(format, args...), Final: true}
}

// Outcome is what an attempt came to that ended with err, or with words about what was done.
func Outcome(done string, err error) outbox.Outcome {
	if err == nil {
		return outbox.Outcome{OK: true, Kept: done}
	}
	o := outbox.Outcome{Reason: err.Error()}
	if e, ok := errors.AsType[*Error](err); ok {
		o.Refused, o.Doubt, o.RetryAfter = e.Final, e.Doubt, e.RetryAfter
	}
	return o
}

// Percent writes a share, 0 to 1, for people. What is not all is never written as all, and
// what is not nothing never as nothing.
func Percent(share float64) string {
	text := strings.TrimRight(strings.TrimRight(strconv.FormatFloat(share*100, 'f', 4, 64), "0"), ".")
	switch {
	case text == "0" && share > 0:
		text = "under 0.0001"
	case text == "100" && share < 1:
		text = "over 99.9999"
	}
	return text + " %"
}
