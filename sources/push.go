package sources

import (
	"context"
	"time"
)

// Push is what was pushed to a source at a time.
type Push struct {
	Key    string    // by which the sender's repetition of it is known; empty: it cannot be
	At     time.Time // when it came
	Alerts []Alert
}

// Alert is what a push says of one alert.
type Alert struct {
	ID     string            `json:"id"` // what tells it from the source's other alerts
	Labels map[string]string `json:"labels"`
	State  AlertState        `json:"state"`

	// Begun is when the sender says that the alert went on, and Ended when it went off,
	// Unix milliseconds; 0 where it does not say.
	Begun int64 `json:"begun,omitempty"`
	Ended int64 `json:"ended,omitempty"`
	// Lasts is until when an alert that is never said to be off is on, Unix milliseconds; 0
	// for one that is.
	Lasts int64 `json:"lasts,omitempty"`
	// Ordered says that the sender may push states in another order than they came about:
	// one that began before the newest is old.
	Ordered bool `json:"ordered,omitempty"`
}

// AlertState is what is known of an alert.
type AlertState string

// States of alerts.
const (
	AlertOn      AlertState = "on"
	AlertOff     AlertState = "off"
	AlertUnknown AlertState = "unknown" // its own data is missing
)

// Pushes keeps what is pushed to the sources. Its methods may be called at the same time.
type Pushes interface {
	// Keep makes a push durable. It keeps nothing, and reports that, where the source has
	// one of the same key.
	Keep(ctx context.Context, source string, p Push) (kept bool, err error)
	// Kept gives the pushes to a source since a time, in the order in which they came.
	// Before them stands, of each alert, what was said of it last before that time.
	Kept(ctx context.Context, source string, since time.Time) ([]Push, error)
}
