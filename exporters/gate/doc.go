// Package gate tells CI the verdict over HTTP.
//
// One body, three views: /gate says the verdict in the status code and fails
// closed, /verdict always answers 200 and leaves the reading to the caller,
// /rollback answers 200 only when the release has to be taken back. The body is
// the same in all three and every field of it is always present.
//
// The package decides nothing. [Gate.Update] is given the snapshots of a tick
// that has been committed; the answers to it are made once and kept as bytes, so
// that a request routes, checks the token and picks bytes. The one thing a
// request adds is age: a verdict that is not final, and older than three
// intervals of its plan, is answered as unknown.
package gate
