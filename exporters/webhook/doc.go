// Package webhook tells other programs what was decided: it follows the journal
// with a durable cursor for each endpoint and run, and posts every event there,
// signed, at least once, the events of a run in order.
//
// No order is promised between two runs. An endpoint has one request in flight; a
// run whose event it does not take has attempts of its own and delays no other run.
// Events that can be sent at the same moment leave as they were committed.
//
// A request is the body of the Standard Webhooks specification,
// {"type","timestamp","data"}, where data is what [Config].Encode makes of the
// event, under three sets of headers, so that each kind of receiver finds its own:
// webhook-id, webhook-timestamp and webhook-signature of Standard Webhooks (one
// signature for each secret, so that secrets can be rotated), the ce-* attributes
// of CloudEvents' binary mode, and GitHub's X-Hub-Signature-256. The id is the
// event's own and is the same on every retry; timestamp and signature are the
// attempt's.
//
// Any 2xx is delivered. Everything else, redirects included, is a failure and is
// tried again: an [Action] endpoint for ever, with the event sent through a
// second endpoint after the third failure, a [Notify] endpoint for a day, after
// which the event becomes a dead letter that is listed and can be sent again. A
// Notify endpoint that answers 410 Gone buries the event at once.
//
// Addresses are checked when they are dialled, after the name was resolved, so
// that a name cannot be pointed at the inside of a network later.
package webhook
