// Package proof makes what proves how a run was decided: two signed statements in the
// formats of in-toto, and the ticks that they rest on. docs/proof.md describes it, so that
// whoever wants to check one needs nothing of relgate.
//
// It is pure. The statements say what passed and what failed; what is not known is in none.
package proof
