// Package recipes writes how a client of the gate asks about one plan: the pipeline of a CI
// system, or what a progressive delivery controller wants, with numbers from the plan's windows.
package recipes
