// Package people is the people's part of a run: who must sign before something may
// happen, which messages are sent when, and the review that follows. It is pure: a
// [State] is made from the one before, and what changed is told as events.
//
// A signature is of the plan in force: an edit of the plan makes it void. It is given by
// a person, whom the name of a token, an address or a job of a CI system proves, and who
// is not the one that began the run unless the plan says so. One person signs once.
//
// A message is due on the plan's clock, at a time after a phase began, or whenever the
// run or a phase comes to a state. What became of it comes back as a result.
//
// A run that cannot be complete when its plan expects it says so once.
package people
