// Package simulation measures how a rule decides: it lets many releases with a
// known true rate run past it, and counts how often and how soon it warns,
// holds and rolls back.
//
// A [Release] says how a release fails, a [Traffic] how many events a look
// counts, a [Rule] what is judged. [Run] gives the outcomes. All rules of one
// run see the same releases, and a release is a function of the seed and its
// number alone, so that the result depends neither on the number of processors
// nor on which rules are compared.
//
// Beside the rules that weigh evidence there are the plain rules that others
// decide by, as their sources define them, so that one can see what either is
// worth, and where the plain one is as good.
package simulation
