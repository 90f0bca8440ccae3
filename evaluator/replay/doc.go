// Package replay runs a journal's ticks again and compares what they give with
// what the journal says they gave. It calls the same evaluator.Step as the
// daemon: a difference means that this version decides otherwise than the one
// that wrote the journal, or that the journal was touched. Ticks that an older judging
// stepped (evaluator.Judging) are compared too; their differences are listed, and the
// replay goes on from what the journal says.
package replay
