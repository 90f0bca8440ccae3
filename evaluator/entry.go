package evaluator

import "time"

// Entry is one tick of one plan as it is journalled: what went in, what came
// out, and the plan that was in force.
type Entry struct {
	Plan     string  // name of the plan
	Digest   string  // names the plan's document: hex SHA-256 of it
	Document []byte  // the plan's JSON; set whenever the journal may not have it yet, else nil
	Tick     Tick    //
	Events   []Event // what the tick changed, in order
	Snapshot []byte  // stored form of the State after the tick; nil for most ticks
}

// Batch is the entries of one instant, at most one for a plan. A journal keeps
// all of them or none.
type Batch []Entry

// Kept is an entry as a journal gives it back. Document and Snapshot are nil;
// Raw holds the events' JSON as it was stored and sent.
type Kept struct {
	Seq uint64 // sequence of its batch
	Entry
	Raw [][]byte
}

// Recovery is where a run goes on: a state, and the ticks since.
type Recovery struct {
	Seq      uint64    // of the tick after which Snapshot was taken; 0 for the beginning
	At       time.Time // of that tick; zero for the beginning
	Digest   string    // of the plan under which it was taken; of the first tick for the beginning; empty when there is no tick
	Snapshot []byte    // nil for the beginning
	Later    []Kept    // in order
}

// Stored is an event at its place in the journal.
type Stored struct {
	Pos   uint64 // position over all plans, from 1, without gaps
	Seq   uint64 // of the batch that brought it
	Event Event
	Raw   []byte // its JSON as stored; this is what is sent
}
