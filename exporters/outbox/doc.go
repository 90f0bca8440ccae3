// Package outbox tells other programs what was decided: it follows the journal with
// a durable cursor for each endpoint and run, and gives every event to the
// endpoint's [Sink], at least once, the events of a run in order. How a message
// looks and travels is the sink's matter.
//
// No order is promised between two runs. An endpoint has one message in flight; a
// run whose event it does not take has attempts of its own and delays no other run.
// Events that can be sent at the same moment leave as they were committed.
//
// What does not arrive is tried again: at an [Action] endpoint for ever, with the
// event sent through a second endpoint after the third failure, at a [Notify]
// endpoint for a day, after which the event becomes a dead letter that is listed
// and can be sent again. A Notify endpoint that refuses an event for good buries it
// at once.
package outbox
