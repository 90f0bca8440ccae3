// Package journal keeps what was decided: every tick of every run with what went
// in and what came out, the plans the runs ran under, where each run stands, how
// far each receiver has been told, and which orders it has not been told yet. Beside the
// runs it keeps what was pushed to inboxes, and what receivers answered.
//
// It is one SQLite file in WAL mode. Everything in it is keyed by run. There is no
// order between the ticks or the events of two runs.
//
// # Promises
//
// A batch is all there or not there at all, and is on disk (synchronous=FULL) when
// [Journal.Commit] returns. Each entry names the run's tick that it follows, so two
// writers never interleave: an entry that does not follow the run's newest tick is
// refused with [ErrFenced], and so is every commit of a journal that was opened
// again elsewhere.
//
// An order ([fact.Event.Order]) is told beside the cursor: a commit enters it
// for every known endpoint, whatever the endpoint was told before, and it stays
// entered until the endpoint is done with it.
//
// How far an endpoint has been told, and which orders it is done with, is written
// without waiting for the disk. A process that dies loses nothing of it; a power
// cut may lose the newest marks, and those events are delivered once more under the
// same id.
//
// The ticks of a run are a hash chain: each has a link that is made of the link before and
// of all that is kept of it. Ticks are compared with their links whenever they are read; the
// record of a run, its states and its cursors are not in the chain.
//
// A run is kept whole or dropped whole: see [Journal.Prune].
//
// The file is watched: [Journal.Check] notices that it was moved, deleted or
// replaced, and a commit is refused with [ErrMoved] then. After a failed commit,
// [Journal.Reopen] opens the file again in the same Journal.
//
// Runs that are over cost nothing: opening, committing and recovering take as long
// with a thousand of them as with none, because their queries go by run through an
// index. What grows with them is the list of runs, pruning, and what an endpoint
// reads when it begins, [Journal.Pending] and [Journal.DeadLetters].
//
// # Schema
//
// This is form 5. Times are whole Unix seconds, 0 for none, except next_at, dead.at,
// kept.at and those of pushes in milliseconds. JSON is text.
//
//	meta       one row: form; uid, random, the same for the life of the file;
//	           epoch, which every opening for writing increases
//	plans      digest -> document, the JSON of a bound plan
//	runs       a run: a RunRecord, column by column
//	uses       which run has ticks under which plan document
//	ticks      (run, seq) -> digest of the plan in force, number of the first
//	           event and how many there are, the tick, and its link in the chain of
//	           the run (package chain)
//	events     (run, n) -> sequence of the tick, time, kind, the event
//	snapshots  (run, seq) -> stored form of the state after that tick
//	endpoints  receivers that are known
//	cursors    (run, endpoint) -> the endpoint is done with the run's events up to
//	           n; failed attempts at the next one, and when it is tried again
//	orders     (run, n, endpoint) -> an order that the endpoint is not done with;
//	           failed attempts at it, and when it is tried again
//	dead       (run, n, endpoint) -> an event that the endpoint did not take
//	pushes     what was pushed to a source and when; a key by which it is known again
//	pushed     (source, alert, push) -> what the push said of the alert. Of the source
//	           "github/NAME": a deployment, and how it stood from then on
//	kept       (endpoint, key) -> a value that is kept for the endpoint, and since when;
//	           the key begins with the run that it goes with
//
// A run has a cursor for every known endpoint. An endpoint that becomes known
// later begins at the end of every run that exists then, and at the beginning of
// every run begun after that.
//
// A file of form 1, which has no table orders, of form 2, which has no pushes, of
// form 3, which has no table kept, or of form 4, which has no links, is upgraded when it is
// opened for writing, in one transaction: every order beyond a cursor is entered, and every
// tick gets its link. A file from before runs, which counted over all plans, is refused with [ErrOlder]. The statements are plain SQL on database/sql; what is SQLite's own
// stands in open.go and schema.go.
package journal
