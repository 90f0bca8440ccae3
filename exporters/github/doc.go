// Package github answers GitHub's custom deployment protection rules: a job that deploys to
// an environment waits until the gate of a plan says that it may.
//
// GitHub sends a request to an App's webhook and waits for up to 30 days. [Answerer.Receive]
// verifies a request and keeps it before it answers GitHub; [Answerer.Run] asks the gate of the
// run that the deployment belongs to, and tells GitHub when that gate is open, or will not open
// any more. What is told is asked of the gate again before every attempt: an answer that was
// true before an outage of GitHub may not be true after it.
//
// GitHub takes an answer for a workflow run and an environment, not for a deployment. When a job
// is run again, the same run and environment have a newer deployment: the earlier request is
// closed without an answer, which would decide the newer one. That is looked at in each pass and
// once more before each answer is sent. An answer that GitHub gets before relgate gets the newer
// request cannot be told from one for it.
//
// What is kept of a request is all that a restart needs. A crash before GitHub is told tells it
// later. A crash after GitHub was told, and before that was kept, tells it again, unless the job
// was run again: GitHub refuses a second answer to a job that no longer waits.
package github
