// Package runner gives evaluator.Step its ticks and makes each of them durable
// before its result can be seen.
//
// One goroutine owns all runs. At every slot of the grid it asks what the runs
// want, steps them, commits one batch for all and publishes; a command or the start
// of a run is a tick of its own in between, also while a fetch is in flight.
//
// While the journal cannot be written nothing is decided or published. The runner
// tries again, opens the journal again, recovers every run from what is really in it,
// and goes on.
package runner
