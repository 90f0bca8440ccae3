// Package github answers GitHub's custom deployment protection rules: a job that deploys to
// an environment waits until the gate of a plan says that it may.
//
// GitHub sends a request to an App's webhook and waits for up to 30 days. [Answerer.Receive]
// verifies a request and keeps it before it answers GitHub; [Answerer.Run] asks the gate of the
// run that the deployment belongs to, and tells GitHub when that gate is open, or will not open
// any more. What is told is asked of the gate again before every attempt: an answer that was
// true before an outage of GitHub may not be true after it.
//
// What is kept of a request is all that a restart needs. A crash before GitHub is told tells it
// later. A crash after GitHub was told, and before that was kept, tells it again: GitHub refuses
// a second answer to a decided request, which does nothing.
package github
