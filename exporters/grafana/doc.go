// Package grafana is relgate's side of Grafana: the dashboard as data, alert rules for
// each plan, and annotations of what was decided.
//
// What it writes belongs to the people who look at it. Everything stays editable, and
// what a person has changed is kept until relgate is told to overwrite it. Everything is
// there once, however often it is written: a folder and a dashboard by their uid, a rule
// group by its folder and name, an annotation by a tag with the event's id.
//
// The client of Grafana's API is gapi. What it leaves to its caller is done here: time
// limits, redirects, the status of an answer, names that are safe in a path.
package grafana
