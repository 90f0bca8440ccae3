// Package words says to people what the evaluator decided. It makes text from
// facts and from the plan that was in force, when it is asked for; no text is
// journalled, and none is compared in a replay. Gate, metrics, webhooks, terminal
// and scenarios use the same words.
//
// It is pure: what it knows of time is in the facts.
package words
