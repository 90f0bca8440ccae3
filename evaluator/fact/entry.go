package fact

import (
	"time"

	"github.com/relgate/relgate/rules"
)

// Entry is one tick of one run as it is journalled: what went in, what came out,
// and the plan that was in force.
type Entry struct {
	Run      string  // id of the run
	After    uint64  // sequence of the run's tick before; 0 for the first. The entry's own is one more
	Digest   string  // names the plan's document: hex SHA-256 of it
	Document []byte  // the plan's JSON; set whenever the journal may not have it yet, else nil
	Tick     Tick    //
	Events   []Event // what the tick changed, in order
	Snapshot []byte  // stored form of the State after the tick; nil for most ticks

	// Where the run stands after the tick, so that runs can be listed without
	// their states.
	Record RunRecord
}

// Batch is the entries of one instant, at most one for a run. A journal keeps
// all of them or none.
type Batch []Entry

// RunRecord is a run in a list: what it is, and where it stands.
type RunRecord struct {
	ID         string            // "shop@1.0.0", "shop@1.0.0~2"
	Plan       string            // name of its plan
	Version    string            //
	Try        int               // 1 for the first run of this version
	Start      time.Time         // T
	Begun      time.Time         // its first tick
	Digest     string            // of the plan in force
	Parameters map[string]string // declared parameters with their values
	Previous   rules.Previous    //

	Seq     uint64        // of its newest tick
	N       uint64        // events so far
	At      time.Time     // its newest tick
	State   rules.State   //
	Verdict rules.Verdict //
	Decided time.Time     // when it was decided; zero while it is not. An override may clear it again
	Over    bool          // it gets no more ticks unless a command comes
	Totals  []Total       // of a run that passed: what it has counted
}

// RunFilter says which runs are listed. The zero value lists all.
type RunFilter struct {
	ID        string        // the run of this id; empty means any
	Plan      string        // runs of this plan; empty means of all plans
	Version   string        // tries of this version; empty means any
	States    []rules.State // runs in one of these states; empty means any
	Undecided bool          // only runs that are not decided
	Open      bool          // only runs that are not over
	Limit     int           // the most that are listed; zero means no limit
}

// Kept is an entry as a journal gives it back, without document, snapshot and
// record. Text and Raw hold the JSON of the tick and of its events as it was stored.
type Kept struct {
	Seq uint64 // in its run, from 1
	Entry
	Text []byte
	Raw  [][]byte
	Link string // of the chain; empty in a journal of a form that had none
}

// Recovery is where a run goes on: a state, and the ticks since.
type Recovery struct {
	Seq      uint64    // of the tick after which Snapshot was taken; 0 for the beginning
	At       time.Time // of that tick; zero for the beginning
	Digest   string    // of the plan under which it was taken; of the first tick for the beginning; empty when there is no tick
	Snapshot []byte    // nil for the beginning
	Later    []Kept    // in order
}

// Stored is an event at its place in the journal: Event.N in its run.
type Stored struct {
	Run    string // id of the run
	Seq    uint64 // of the tick that brought it
	Digest string // of the plan that was in force
	Link   string // of that tick in the chain; empty in a journal of a form that had none
	Event  Event
	Raw    []byte // its JSON as stored
}

// RunCursor is how far an endpoint, which is told of events, has come in a run.
// Orders aside: they are kept apart, as [PendingOrder].
type RunCursor struct {
	Run       string    // id of the run
	N         uint64    // every event up to this one is done with: delivered, a dead letter, not wanted, or an order
	End       uint64    // the run's newest event
	Attempts  int       // failed ones at the first event after N that is no order
	NextAt    time.Time // when that one is tried again; zero means at once
	LastError string    // why the newest attempt failed
}

// PendingOrder is an order that an endpoint is not done with. See [Event.Order].
type PendingOrder struct {
	Stored
	Attempts  int       // failed ones
	NextAt    time.Time // when it is tried again; zero means at once
	LastError string    // why the newest attempt failed
}

// DeadLetter is an event that an endpoint did not take.
type DeadLetter struct {
	Endpoint string
	At       time.Time // when it was given up
	Reason   string    // why the last attempt failed
	Again    bool      // it is to be sent again
	Stored
}
