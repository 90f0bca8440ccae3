// Package report writes what became of a run, for the people who review it: what was
// decided and why, what was measured, who approved, what was sent, what was overridden.
// It also writes a plan as the document that people sign.
//
// It is pure. [Make] turns what the journal has of a run into a [Report], and decides
// nothing about the release; Markdown, HTML and JSON are three forms of one Report. A
// report has no clock: of the same journal it is the same, byte for byte. What is not
// known is said to be not known, and is never a criterion that is met.
package report
