// Package scenario runs unit tests for plans: files that hold a plan, what its
// signals did over time, what people commanded, and the events and verdicts that
// must come of it. `relgate test` runs them, the evaluator's own golden tests are
// such files, and `relgate replay -o scenario` writes one from a journal.
//
// A file is a txtar archive; docs/testing-plans.md describes its sections.
// [Parse] reads it, [File.Run] drives the evaluator as the daemon would, and a
// [Result] says what differed.
package scenario
