// Package outbox tells other programs what was decided: it follows the journal and
// gives every event to each endpoint's [Sink], at least once, under the same id on
// every attempt. How a message looks and travels is the sink's matter.
//
// Each endpoint has two lanes. Orders (roll back, hold, resume, abort) are attempted
// as soon as their commit is seen, side by side, whatever else is stuck or hangs,
// an earlier order too; a receiver goes by the event's number in its run. At most
// 256 of an endpoint's are in flight together, and 64 of those places are kept for
// orders that were never tried. All other events are sent one by one behind a
// durable cursor, those of a run in order; a run whose event is not taken has
// attempts of its own and delays no other run.
//
// What does not arrive is tried again: at an [Action] endpoint for ever, at a
// [Notify] endpoint for a day, after which the event becomes a dead letter that is
// listed and can be sent again. What a receiver refuses for good becomes one at
// once, unless it is an order. What waits for a person at the receiver is asked for again
// until that one has acted. A new event, a success after failures and
// [Outbox.Retry] have what waits tried sooner than planned. A second endpoint is
// told of each order that does not arrive, and of each run that is stuck, side by
// side.
//
// A receiver that knows a repetition by the id takes a message once. Where it does not,
// the sink finds out what it has, with the help of a [Memory]; where it cannot, see [Once].
package outbox
