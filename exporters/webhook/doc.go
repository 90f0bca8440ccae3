// Package webhook tells other programs what was decided: it follows the journal
// with one durable cursor for each endpoint and posts every event there, signed,
// in order, at least once.
//
// A request is the body of the Standard Webhooks specification,
// {"type","timestamp","data"}, under three sets of headers, so that each kind of
// receiver finds its own: webhook-id, webhook-timestamp and webhook-signature of
// Standard Webhooks (one signature for each secret, so that secrets can be
// rotated), the ce-* attributes of CloudEvents' binary mode, and GitHub's
// X-Hub-Signature-256. The id is the event's own and is the same on every retry;
// the timestamp is the attempt's, and each attempt is signed anew.
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
