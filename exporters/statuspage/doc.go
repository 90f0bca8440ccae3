// Package statuspage tells customers on Atlassian Statuspage: one incident, or one scheduled
// maintenance, for each run, and an update of it for each message after the first. It sends
// messages of a plan only: what relgate says of an event is not written for customers.
//
// Statuspage knows no repetition. So the incident's id is kept before anything else is done,
// and the ids of the events that it tells of are in its metadata: what an answer was lost of
// is looked for there, and never sent in doubt.
package statuspage
