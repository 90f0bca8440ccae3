// Package bench measures relgate against its peers and against the least that
// anybody could do: every benchmark runs its baseline in the same run, in turns,
// and reports the ratio. Nothing here fails for being slow; docs/benchmarks.md
// has the figures and the goals.
//
//	go test -run '^$' -bench . -count 3 ./...
//
// It is a module of its own, so that what is measured against, Prometheus above
// all, is no dependency of relgate.
package bench
