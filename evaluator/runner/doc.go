// Package runner gives evaluator.Step its ticks and makes each of them durable
// before anybody may see its result.
//
// One goroutine owns all runs. At every slot of the grid it asks what the plans
// want, steps them, commits one batch for all and publishes; a command is a tick
// of its own in between, also while a fetch is in flight. Whatever the journal
// does not take stops the runner: a supervisor starts it again from what is
// really on disk.
package runner
