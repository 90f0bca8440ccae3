// Package email is the sink of the outbox that sends e-mail over SMTP.
//
// Each recipient gets an envelope and a message of their own: an address that is refused, or
// at which the server hangs, does not keep the message from the others, and no recipient sees
// the others. A Message-ID is made from the event's id and is the same on every attempt; the messages of a run name one
// thread.
//
// SMTP can neither be asked what it has taken nor told to take a message once. What a
// recipient's server said is therefore remembered, and so is that a message is about to be
// given to it. Where the answer was lost, a message of the plan's communications is not sent
// again, since customers would read it twice; anything else is, and its subject says so.
package email
