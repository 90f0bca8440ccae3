// Package rules is the language of a release plan: what a signal, a reading, a
// condition, a rule, a phase and a plan are, and what they say at one instant.
//
// It knows nothing of time passing, of files or of networks: package config
// reads TOML into a [Spec], [Compile] turns the Spec into a [Plan] whose parts
// refer to each other by index, and package evaluator says what readings mean
// over time. [Plan.Bound] makes the plan of one run, with its placeholders replaced,
// and [Diff] says what an edit changed. The package imports the standard library only.
package rules
