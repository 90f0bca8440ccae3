package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources/kinds"
	"github.com/relgate/relgate/sources/simulator"
)

// place is the folder and the addresses of a daemon.
type place struct {
	dir     string
	private string // address
	cloud   string // URL of CloudWatch
	start   time.Time
	rules   int
}

// text is a config of so many rollback rules, each on a signal of its own that
// asks for the same metrics.
func (p place) text(tb testing.TB) string {
	tb.Helper()
	var names []string
	var list strings.Builder
	for i := range p.rules {
		names = append(names, fmt.Sprintf("%q", "rule-"+signalName(i)))
		fmt.Fprintf(&list, `
[rollback.rule-%[1]s]
signal  = %[1]q
when    = "> 3 %%"
for     = "10m"
action  = "revert"
command = "revert --now"
owner   = "Ops"
[signals.%[1]s]
source = "cw"
kind   = "ratio"
unit   = "%%"
[signals.%[1]s.cloudwatch]
namespace  = "AWS/ApiGateway"
dimensions = { ApiName = "bioage", Stage = "prod" }
bad        = "5XXError"
total      = "Count"
missing_bad_is_zero = true
`, signalName(i))
	}
	return fmt.Sprintf(`
[release]
plan     = "wide"
title    = "A wide plan"
version  = "1.0.0"
start    = %s
manager  = "Release Manager"
interval = "30s"

[phases.all]
title    = "All at once"
traffic  = "100 %%"
start    = "T"
window   = "24h"
owner    = "Ops"
success  = ["errors"]
rollback = [%s]

[success.errors]
signal = %q
when   = "< 1 %%"
owner  = "Ops"
%s
[sources.cw]
type   = "cloudwatch"
region = "eu-central-1"
url    = %q

[daemon]
journal = %q
public  = %q
private = %q
`, p.start.UTC().Format(time.RFC3339), strings.Join(names, ", "), signalName(0), list.String(), p.cloud,
		filepath.Join(p.dir, "relgate.db"), freeAddress(tb), p.private)
}

// write writes the config and gives its path.
func (p place) write(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(p.dir, "config.toml")
	if err := os.WriteFile(path, []byte(p.text(tb)), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

var farFuture = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)

func newPlace(tb testing.TB, rulesN int, start time.Time) place {
	return place{dir: tb.TempDir(), private: freeAddress(tb), cloud: "http://127.0.0.1:1", start: start, rules: rulesN}
}

// serve starts the daemon and waits until it is ready.
func (p place) serve(tb testing.TB, binary, config string) *process {
	tb.Helper()
	d := start(tb, binary, "serve", "--log-level", "warn", config)
	untilReady(tb, "http://"+p.private+"/-/ready")
	return d
}

// errKilled is what Save returns: the process counts as killed.
var errKilled = errors.New("killed")

// killed is a journal whose process is killed before it stores the state of a
// graceful end.
type killed struct{ *journal.Journal }

func (killed) Save(context.Context, string, uint64, []byte) error { return errKilled }

// history gives a place the journal of a run that was killed after so many
// minutes, every rule judged each minute.
func (p place) history(tb testing.TB, n int) {
	tb.Helper()
	cfg, problems := config.Reader{Kinds: kinds.All().Kinds()}.Decode("config.toml", []byte(p.text(tb)), os.ReadFile)
	if cfg == nil {
		tb.Fatal(problems)
	}
	j, err := journal.Open(tb.Context(), journal.Config{Path: filepath.Join(p.dir, "relgate.db")})
	if err != nil {
		tb.Fatal(err)
	}
	defer j.Close()
	clock := &bell{ring: make(chan struct{})}
	clock.now.Store(p.start.Unix())
	r, err := runner.New(runner.Config{Kinds: kinds.All().Kinds(), Policies: runner.Policies{Plans: cfg.Plans}, Journal: killed{j}, Fetcher: &minutes{}, Clock: clock})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	w := &watcher{clock: clock, runner: r}
	for range 2 * n {
		w.pass()
	}
	cancel()
	// A very wide run has its state stored with every tick, and nothing to save.
	if err := <-done; err != nil && !errors.Is(err, errKilled) {
		tb.Fatal(err)
	}
}

// BenchmarkStart is from the start of the process until /-/ready answers 200,
// against a daemon of net/http and client_golang: with an empty journal (the
// goal is 4 times the baseline), and with 10,000 rules to restore half an hour
// into their run (the goal is 500 ms).
func BenchmarkStart(b *testing.B) {
	binary, empty := build(b, "..", "./cmd/relgate"), build(b, ".", "./emptydaemon")
	b.Run("empty-journal", func(b *testing.B) {
		benchmarkStart(b, binary, empty, func() place { return newPlace(b, 10, farFuture) })
	})
	b.Run("rules=10000", func(b *testing.B) {
		benchmarkStart(b, binary, empty, func() place {
			p := newPlace(b, 10_000, time.Now().Add(-30*time.Minute).Truncate(time.Minute))
			p.history(b, 30)
			return p
		})
	})
}

// BenchmarkStartBesideEndedRuns is a start in the middle of a run whose journal has
// 1,000 ended runs of its plan, against the same without them. What runs of 30 hours
// cost the journal is measured in evaluator/journal (EndedRuns); here they have 800
// ticks, which is more than the journal checks whole when it opens. The goal is that
// nothing changes.
func BenchmarkStartBesideEndedRuns(b *testing.B) {
	binary := build(b, "..", "./cmd/relgate")
	began := time.Now().Add(-30 * time.Minute).Truncate(time.Minute)
	places := [2]place{newPlace(b, 100, began), newPlace(b, 100, began)}
	var all [2]took
	var paths [2]string
	for i, p := range places {
		p.history(b, 30)
		paths[i] = p.write(b)
	}
	places[1].endedRuns(b, 1000, 800)
	for b.Loop() {
		for i, p := range places {
			var d *process
			all[i].do(func() { d = p.serve(b, binary, paths[i]) })
			d.stop()
		}
	}
	b.ReportMetric(millis(all[1].median()), "ms")
	b.ReportMetric(millis(all[0].median()), "without-ms")
	b.ReportMetric(ratio(all[1], all[0]), "x_without")
	noOp(b)
}

// endedRuns gives a place's journal runs of its plan that passed, a tick a minute.
func (p place) endedRuns(tb testing.TB, n, minutes int) {
	tb.Helper()
	j, err := journal.Open(tb.Context(), journal.Config{Path: filepath.Join(p.dir, "relgate.db")})
	if err != nil {
		tb.Fatal(err)
	}
	defer j.Close()
	const at = 100 // in one commit
	for first := 0; first < n; first += at {
		for tick := range minutes {
			batch := make(fact.Batch, min(at, n-first))
			for i := range batch {
				batch[i] = p.endedTick(first+i, tick, tick == minutes-1)
			}
			if err := j.Commit(tb.Context(), batch); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// endedTick is a tick of the i-th ended run of a place.
func (p place) endedTick(i, tick int, last bool) fact.Entry {
	version := fmt.Sprintf("0.0.%d", i)
	e := fact.Entry{
		Run: rules.RunID("wide", version, 1), After: uint64(tick), Digest: "ended",
		Tick: fact.Tick{At: p.start.Add(time.Duration(tick-2000) * time.Minute)},
	}
	e.Record = fact.RunRecord{
		ID: e.Run, Plan: "wide", Version: version, Try: 1, Begun: p.start.Add(-2000 * time.Minute), At: e.Tick.At,
		Digest: e.Digest, Seq: e.After + 1, State: rules.Monitoring,
	}
	if tick == 0 {
		e.Document = []byte("{}")
	}
	if last {
		e.Record.State, e.Record.Verdict, e.Record.Over, e.Record.Decided = rules.Passed, rules.Pass, true, e.Tick.At
	}
	return e
}

func benchmarkStart(b *testing.B, binary, empty string, at func() place) {
	var ours, theirs took
	for b.Loop() {
		p := at()
		path := p.write(b)
		var d *process
		ours.do(func() { d = p.serve(b, binary, path) })
		d.stop()
		addr := freeAddress(b)
		theirs.do(func() { d = start(b, empty, addr); untilReady(b, "http://"+addr+"/-/ready") })
		d.stop()
	}
	b.ReportMetric(millis(ours.median()), "ms")
	b.ReportMetric(millis(theirs.median()), "empty-daemon-ms")
	b.ReportMetric(ratio(ours, theirs), "x_empty-daemon")
	noOp(b)
}

// idleFor is how long BenchmarkIdle measures.
const idleFor = 60 * time.Second

// BenchmarkIdle is what a daemon of 100 rules uses in a minute, each beside a
// daemon of net/http and client_golang: idle, the plan's start far in the future,
// and watching, every rule judged against a simulated CloudWatch that is asked once a
// minute. The goals are for idle: 35 MiB and 15 ms.
func BenchmarkIdle(b *testing.B) {
	binary, empty := build(b, "..", "./cmd/relgate"), build(b, ".", "./emptydaemon")
	scenario, err := simulator.Load("healthy")
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	sim, err := simulator.New(simulator.Config{Scenario: scenario, Start: began})
	if err != nil {
		b.Fatal(err)
	}
	cloud := httptest.NewServer(sim.Handler("aws"))
	b.Cleanup(cloud.Close)
	for b.Loop() {
		idle, watching := newPlace(b, 100, farFuture), newPlace(b, 100, began.Add(-30*time.Minute))
		watching.cloud = cloud.URL
		addr := freeAddress(b)
		all := []*process{idle.serve(b, binary, idle.write(b)), watching.serve(b, binary, watching.write(b)), start(b, empty, addr)}
		untilReady(b, "http://"+addr+"/-/ready")
		time.Sleep(5 * time.Second) // until the work of the start is over
		report(b, []string{"idle", "watching", "empty-daemon"}, all)
		for _, p := range all {
			p.stop()
		}
	}
	if asked := sim.Stats().Requests["cloudwatch/GetMetricData"]; asked == 0 {
		b.Error("the watching daemon did not ask anything")
	}
	noOp(b)
}

func report(b *testing.B, names []string, all []*process) {
	b.Helper()
	before := make([]time.Duration, len(all))
	for i, p := range all {
		before[i], _, _ = p.used()
	}
	time.Sleep(idleFor)
	for i, p := range all {
		cpu, resident, ok := p.used()
		if !ok {
			b.Skip("there is no /proc that tells what a process uses")
		}
		b.ReportMetric(millis(cpu-before[i])*float64(time.Minute)/float64(idleFor), names[i]+"-cpu-ms/min")
		b.ReportMetric(float64(resident)/(1<<20), names[i]+"-MiB")
	}
}

// BenchmarkSize is the binary as it is released, beside the empty daemon's. The
// goal is 30 MiB.
func BenchmarkSize(b *testing.B) {
	size := func(path string) float64 {
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		return float64(info.Size()) / (1 << 20)
	}
	ours, theirs := size(build(b, "..", "./cmd/relgate")), size(build(b, ".", "./emptydaemon"))
	for b.Loop() { // nothing to repeat
	}
	b.ReportMetric(ours, "MiB")
	b.ReportMetric(theirs, "empty-daemon-MiB")
	b.ReportMetric(ours/theirs, "x_empty-daemon")
	noOp(b)
}

// The config that the daemons are given is sound, and has the rules.
func TestConfig(t *testing.T) {
	cfg, problems := config.Reader{Kinds: kinds.All().Kinds()}.Decode("config.toml", []byte(newPlace(t, 100, farFuture).text(t)), os.ReadFile)
	if cfg == nil || config.Errors(problems) > 0 {
		t.Fatal(problems)
	}
	if got := len(cfg.Plans[0].Rules); got != 101 {
		t.Errorf("the plan has %d rules, want 101", got)
	}
}

// A place with a history has a journal that a daemon goes on from.
func TestHistory(t *testing.T) {
	p := newPlace(t, 3, epoch)
	p.history(t, 5)
	j, err := journal.Open(t.Context(), journal.Config{Path: filepath.Join(p.dir, "relgate.db"), ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	runs, err := j.Runs(t.Context(), fact.RunFilter{})
	if err != nil || len(runs) != 1 || runs[0].ID != "wide@1.0.0" || runs[0].Seq != 12 {
		t.Errorf("the beginning, and slots from then for 5 minutes at 30 s: %+v, %v; want wide@1.0.0 with 12 ticks", runs, err)
	}
}
