package report

import (
	"time"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// Source is all that a report is made of.
type Source struct {
	Plan       *rules.Plan       // of the run, as it is in force; required
	Digest     string            // of Plan, hex SHA-256; empty: not known
	Chain      *wire.Chain       // up to where the run stands; nil: not known
	Run        wire.RunBody      // where the run stands, with every event; required
	Digests    map[uint64]string // :: number of an event → digest of the plan in force then; one that is missing is not known
	Deliveries []Delivery        // of each endpoint that the journal knows
	Readings   []Series          // what was measured
	Forecast   []Forecast        // what check says of the plan as the run began
	Archive    string            // name of the archive that this is a copy for; empty: it is none
}

// Delivery is how far an endpoint has been told of the run.
type Delivery struct {
	Endpoint  string    `json:"endpoint"`
	Done      uint64    `json:"done" unit:"ordinal"`   // every event up to this one is done with: it arrived, was not wanted, or was given up
	Newest    uint64    `json:"newest" unit:"ordinal"` // the run's newest event
	Attempts  int       `json:"attempts" unit:"count"` // failed ones at the next event
	LastError string    `json:"lastError"`             // of the newest attempt; empty when none failed
	Waiting   []Waiting `json:"waiting"`               // orders that have not arrived
	GivenUp   []GivenUp `json:"givenUp"`               // events that never arrived
}

// Waiting is an order that has not arrived yet.
type Waiting struct {
	Event     string `json:"event"` // id
	Attempts  int    `json:"attempts" unit:"count"`
	LastError string `json:"lastError"`
}

// GivenUp is an event that an endpoint did not take.
type GivenUp struct {
	Event  string    `json:"event"` // id
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	Again  bool      `json:"again"` // it is going to be sent again
}

// Series is what the sources said of one signal, ascending; a period is there once.
type Series struct {
	Signal string
	Points []rules.Point
}

// Forecast is what check says of a rule in a phase.
type Forecast struct {
	Phase   string
	Rule    string
	Kind    rules.RuleKind
	Samples float64 // in the phase's window
	Minutes float64 // success: until half of the healthy releases have passed; rollback: until a fault at the trigger is found in half of the cases; 0 where none was given
	Said    string  // in check's own words
}
