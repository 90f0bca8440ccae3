// Package gate tells CI the verdict over HTTP.
//
// One body, four views: /gate says in the status code whether a phase has passed,
// /entry whether it may begin, and both fail closed; /verdict answers 200 and leaves
// the reading to the caller; /rollback answers 200 only when the release has to be
// rolled back. The body is the same in all of them ([wire.Body]) and every field of it
// is always present.
//
// A gate speaks of one version. A question names it, or the plan's file does; an
// answer for one run is never given for another.
//
// Who may ask or command is decided before anything else: by a bearer token, its
// scopes and its plans. Without any token reading is open, and commands are taken
// only over the loopback address, from no proxy and no page of another site. What is
// refused is counted by its reason.
//
// The package decides nothing. [Gate.Update] is given the runs after a tick that has
// been committed; the answers to it are made once and kept as bytes, so that a request
// routes, checks the token and picks bytes. The one thing a request adds is age: a
// verdict that is not final, and older than three intervals of its plan or from the
// future, is answered as unknown.
package gate
