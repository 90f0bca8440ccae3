// Package sources asks other people's APIs and turns their answers into
// readings. It never judges them.
//
// A [Source] is one account of one upstream. The [Pool] asks all of them at
// once, each under its own deadline, survives their panics, checks that every
// question has an answer and that every answer can be true, and counts. A
// [Client] is the HTTP client of those upstreams that speak plain JSON.
//
// There is no circuit breaker here. Whether an upstream that failed is asked
// again at the next tick is the evaluator's decision: its back-off is part of
// the journalled state, so a daemon that was restarted asks what it would have
// asked without the restart. A breaker with a clock of its own would differ.
// This package protects an upstream within one tick: attempts are few and
// spaced, Retry-After is obeyed, and a source that has not answered an earlier
// question is not asked another one.
package sources
