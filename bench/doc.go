// Package bench measures relgate against its peers and against minimal programs
// with the same task. Every benchmark runs its baseline in the same run, in turns,
// and reports the ratio. No benchmark fails for being slow; docs/benchmarks.md has
// the figures and the goals.
//
//	go test -run '^$' -bench . -count 3 ./...
//
// Its tests also give deliveries of the webhooks to other people's verifiers, which are
// in Go, in JavaScript (the folder verifiers) and a program, and proofs of runs to those of
// DSSE and in-toto.
//
// It is a module of its own, so that the peers, such as Prometheus, are not
// dependencies of relgate.
package bench
