// Package inbox takes alerts that others push, and answers as a source whether they are on.
//
// A push is verified as its format can be, decoded, and kept before it is answered: see
// [Inbox.Receive]. What was kept is read at each tick: see [Inbox.Fetch]. So what a run
// knew is in its readings, as of any other source, and a push that came while relgate was
// killed is answered by the next tick.
//
// Silence is not health. Alerts are known for as long after a push as the heartbeat of the
// inbox says, and are not known after that. An alert that was never pushed is not known
// either, unless the query says so: its name may be misspelled.
package inbox
