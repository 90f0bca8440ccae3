// Package format is how a webhook writes an event for one kind of receiver, and what
// that receiver's answers mean.
//
// A format is pure: from the same facts and keys it makes the same [Call] on every
// attempt, and it knows no clock and no network. What it makes is sent by package
// webhook, under the same checks of addresses, time limits and retries as every other
// delivery.
//
// Each format has a file of its own, which ends in an entry of the list that [All]
// gives. The standard one, the body of Standard Webhooks, is package webhook's own.
package format
