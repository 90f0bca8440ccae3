// Package sources asks other people's APIs and turns their answers into
// readings, and does nothing else: it never judges.
//
// A [Source] is one account of one upstream. The [Pool] asks all of them at
// once, each under its own deadline, survives their panics, checks that every
// question has an answer, and counts.
package sources
