// Package webhook is the sink of the outbox that posts over HTTP, signed.
//
// A request is the body of the Standard Webhooks specification,
// {"type","timestamp","data"}, where data is the message's, under three sets of
// headers, so that each kind of receiver finds its own: webhook-id,
// webhook-timestamp and webhook-signature of Standard Webhooks (one signature for
// each secret, so that secrets can be rotated), the ce-* attributes of CloudEvents'
// binary mode, and GitHub's X-Hub-Signature-256, which is keyed by a secret's text.
// The id is the event's own and is the same on every attempt; timestamp and
// signature are the attempt's.
//
// Any 2xx is delivered. Everything else, redirects included, is a failure.
//
// Addresses are checked when they are dialled, after the name was resolved, so
// that a name cannot be pointed at the inside of a network later.
package webhook
