// Package evaluator says what readings mean over time. It is one pure function,
// [Step]: a plan, a state and a tick give the next state and the events.
//
// Time comes in with the tick. The package has no clock, no I/O, no lock, no log
// and no metric; it imports package rules and the pure part of the standard
// library, and a test keeps it so. The live daemon, `relgate test` and `relgate
// replay` all call the same function.
//
// It decides in facts: a [Code] that names the ground, numbers, names, times. Package
// words says them to people.
//
// The laws, each with a test: equal inputs give equal outputs; Step never changes
// its arguments; a State that went through its stored form changes no event;
// what is unknown is never a pass; a decision stands until a command moves it;
// an event exists if and only if a state changed, and names the event that it
// goes back to.
package evaluator
