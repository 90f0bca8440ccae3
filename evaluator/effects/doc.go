// Package effects is the way back of a run: what its rollback rules ask for when they fire,
// step by step, and what became of each. It is pure: a [State] is made from the one before,
// and what changed is told as events.
//
// What a rule asks for before it rolls back only slows the fault down; the run is held
// meanwhile. What follows is the way back itself. A step is intended, and by that sent to a
// sink, a webhook or a person; acknowledged; done or failed, which comes back as a result
// or a command. What no one acknowledges is told to others, again and again.
//
// When the way back was taken, the signals are watched until they are good again: then
// users are safe, and all steps are verified. What cannot be undone has only stopped.
package effects
