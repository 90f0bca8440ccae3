package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/exporters/outbox/faulttest"
	"github.com/relgate/relgate/exporters/signing"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources/simulator"
)

type demoCommand struct {
	Scenario     string        `default:"healthy" help:"What happens: ${scenarios}, or a scenario file."`
	Speed        string        `default:"1220" help:"Virtual seconds in a real one, at most; 0 or max: as fast as it goes."`
	ExitWhenDone bool          `help:"End with the plan; the exit code is its verdict."`
	Output       string        `short:"o" enum:"text,json" default:"text" help:"text, or json: one event a line and a summary."`
	Config       string        `type:"path" help:"Config whose plan is run; the one inside the binary when left out."`
	Plain        bool          `help:"Judge all rules by plain thresholds, to see what weighing evidence is for."`
	Dir          string        `type:"path" help:"Keep journal and deliveries here, and go on where an earlier demo stopped."`
	ResumeAfter  time.Duration `help:"With --dir: virtual time that has passed since the earlier demo stopped."`
	Receivers    string        `enum:"good,fail,hang,late,lie" default:"good" help:"How the other sides of the sinks answer what they are first asked for: good; fail: 500; hang: not at all; late: not at all, and do it later; lie: do it, and say 500."`
	Absent       []string      `help:"Roles of the plan whose people do and answer nothing that the way back asks of them." placeholder:"ROLE"`
	Keep         string        `type:"path" help:"Leave the run's report and its proof here: report.md, report.html, report.json, bundle.json, keys.json."`
}

// Help is printed by --help.
func (demoCommand) Help() string {
	return `Starts four simulated upstreams, senders of alerts, a webhook receiver that verifies
signatures, the other sides of the config's sinks (Slack, Statuspage, a mail server,
Confluence, GitHub, an app with its banner) and of its webhooks (GitHub, GitLab,
EventBridge), and the daemon, all on loopback, and lets the release plan run in virtual
time. Who is asked for a signature signs, by the link in the e-mail or by a token; the
messages are sent at their times; after a rollback the way back is taken, in the simulated
world, by whoever is asked for it; the review is written, signed and archived.

  relgate demo --exit-when-done
  relgate demo --exit-when-done --scenario api-5xx --speed 600
  relgate demo --exit-when-done --scenario no-data --speed max -o json | tail -1
  relgate demo --exit-when-done --scenario low-traffic-healthy --plain
  relgate demo --exit-when-done --keep reports
  relgate demo --exit-when-done --receivers lie
  relgate demo --exit-when-done --scenario crash --absent "Mobile Lead"

Exit codes with --exit-when-done: 0 passed, 3 rolled back, 1 failed, 8 undecided.`
}

// demo is a run in virtual time with everything that it needs.
type demo struct {
	demoCommand
	con      console
	config   *config.Config
	plan     *rules.Plan
	scenario *simulator.Scenario
	clock    *virtualClock
	world    *world
	staging  []*world // where its drill is
	drilled  bool
	receiver *recorder
	grafana  *simulatedGrafana // nil where the config has none
	daemon   *daemon
	show     presenter
	log      *slog.Logger

	receivers *receivers // of the sinks
	app       *bannerApp
	door      *signersDoor
	acted     uint64 // events of the run of which nothing is left to do

	temporary string // folder to remove at the end; empty when --dir names one
}

func (c demoCommand) Run(ctx context.Context, con console) error {
	d := &demo{demoCommand: c, con: con}
	err := d.prepare(ctx)
	if err == nil {
		err = d.run(ctx)
	}
	if closed := d.close(); err == nil {
		err = closed
	}
	var coded *exitError
	if err != nil && ctx.Err() == nil && !errors.As(err, &coded) {
		return exit(exitUnreachable, err) // no verdict: not to be mistaken for the plan's failure
	}
	return err
}

// prepare reads what is needed and opens everything; nothing runs yet.
func (d *demo) prepare(ctx context.Context) error {
	speed, err := parseSpeed(d.Speed)
	if err != nil {
		return exit(exitUsage, err)
	}
	if err := d.load(); err != nil {
		return exit(exitUsage, err)
	}
	d.show = newPresenter(d.con, d.Output, d)
	d.log = newLog(d.show.logs(), "warn", "text")
	d.clock = newVirtualClock(d.begins(), speed)
	d.clock.quiet, d.clock.awaited = d.plan.Start.Add(-time.Minute), d.awaited()
	if err := d.directory(); err != nil {
		return err
	}
	if d.world, err = newWorld(ctx, d.Dir, d.scenario, d.plan.Start, d.clock); err != nil {
		return err
	}
	if d.receiver, err = newRecorder(ctx, filepath.Join(d.Dir, "received.jsonl"), func() time.Time { return d.receivers.stamps() }); err != nil {
		return err
	}
	if d.config.Grafana != nil {
		if d.grafana, err = newSimulatedGrafana(ctx); err != nil {
			return err
		}
	}
	if d.receivers, err = newReceivers(ctx, d.Dir, d.clock, d.config, receiverFaults[d.Receivers]); err != nil {
		return err
	}
	if d.app, err = newBannerApp(d.Dir, d.plan.Name, d.config); err != nil {
		return err
	}
	d.redirect()
	if err := d.stage(ctx); err != nil {
		return err
	}
	var deliveries func(time.Duration) <-chan time.Time
	turn := d.turn
	if d.receivers.fault != faulttest.None {
		deliveries, turn = d.receivers.after, nil
	}
	d.daemon, err = newDaemon(ctx, assembly{
		config: d.config, clock: d.clock, log: d.log, uid: func() string { return "demo" }, transport: d.receivers, arrivals: d.receivers.now,
		after: deliveries, attempted: d.receivers.attempted, turn: turn,
		upstreams: upstreams{
			simulated: true,
			pause:     d.clock.pause, log: d.log,
		},
	})
	if err != nil {
		return err
	}
	if d.door, err = newSignersDoor(ctx, d); err != nil {
		return err
	}
	if bannerOf(d.config) != nil {
		d.app.base = "http://" + d.daemon.public.Addr().String()
	}
	d.clock.act = d.act
	return d.resume(ctx)
}

func parseSpeed(text string) (float64, error) {
	if text == "max" {
		return 0, nil
	}
	speed, err := strconv.ParseFloat(text, 64)
	if err != nil || speed < 0 || math.IsInf(speed, 0) || math.IsNaN(speed) {
		return 0, fmt.Errorf("--speed %q: want a number from 0, or max", text)
	}
	return speed, nil
}

// resume sets the clock to where an earlier demo in the same folder stopped. A
// release that begins later begins at its own time.
func (d *demo) resume(ctx context.Context) error {
	last, err := d.daemon.lastTick(ctx, d.plan)
	if err != nil || last.IsZero() {
		return err
	}
	if at := last.Add(d.ResumeAfter); at.After(d.clock.Now()) {
		d.clock.set(at)
	}
	return nil
}

// parts are all that runs in a demo: the upstreams, the receivers and the daemon.
func (d *demo) parts() []func(context.Context) error {
	parts := []func(context.Context) error{d.world.Run, d.receiver.Run, d.receivers.Run, d.door.Run, d.daemon.Run}
	if d.grafana != nil {
		parts = append(parts, d.grafana.Run)
	}
	for _, w := range d.staging {
		parts = append(parts, w.Run)
	}
	return parts
}

// run lets time pass until the plan is decided, tells everybody, and gives the
// verdict as the exit code.
func (d *demo) run(ctx context.Context) error {
	d.clock.until(d.done)
	pushes, err := newDemoPusher(d.world, d.config.Sources, d.Dir, "http://"+d.daemon.public.Addr().String())
	if err != nil {
		return err
	}
	d.clock.arrived = pushes.push
	running, stop := context.WithCancel(ctx)
	defer stop()
	group, running := errgroup.WithContext(running)
	for _, part := range d.parts() {
		group.Go(func() error { return part(running) })
	}
	group.Go(func() error {
		defer stop()
		return d.present(running)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return d.verdict()
}

// done reports whether nothing more is to be seen: the run is decided, and not watched on
// for a rollback, or its last deadline has passed.
func (d *demo) done() bool {
	u := d.release()
	if u == nil {
		return d.refused() != ""
	}
	s := &u.Snapshot
	if s.At.After(s.Start.Add(time.Hour)) && unsigned(s) || noWayBack(s) {
		return true // no one gives what is missing
	}
	switch s.State {
	case rules.Failed:
		return !s.Accused
	case rules.Passed:
		return d.plan.Review.IsZero() || s.People.Review.State != "" || s.Over
	case rules.RolledBack:
		// Who has not taken the way back within the hour will not.
		return len(s.Effects.Steps) == 0 || s.Over || s.Effects.Back.IsZero() && s.At.After(s.Effects.Rolled.Add(time.Hour))
	}
	return s.Over || (!s.Horizon.IsZero() && s.At.After(s.Horizon.Add(2*d.plan.Interval)))
}

// unsigned reports whether signatures are all that keeps a release from beginning.
func unsigned(s *fact.Snapshot) bool {
	begun := func(p fact.PhaseView) bool { return !p.Started.IsZero() }
	missing := func(a fact.ApprovalView) bool { return a.Allows == rules.ApprovesStart && !a.Given() }
	return !slices.ContainsFunc(s.Phases, begun) && slices.ContainsFunc(s.People.Approvals, missing)
}

// noWayBack reports whether a phase has waited for an hour because the way back is not known to
// exist, and all before it are decided.
func noWayBack(s *fact.Snapshot) bool {
	for i := range s.Phases {
		p := &s.Phases[i]
		if !p.Started.IsZero() {
			if p.Decided.IsZero() {
				return false
			}
			continue
		}
		return s.At.After(p.Scheduled.Add(time.Hour)) && slices.Contains([]fact.Code{fact.WhyWayAsked, fact.WhyWayMissing, fact.WhyNotRehearsed}, p.Why.Code)
	}
	return false
}

// refused is why the plan's run cannot begin, empty while nothing keeps it.
func (d *demo) refused() string {
	p, ok := d.daemon.runner.Published().Plan(d.plan.Name)
	if !ok || p.File == runner.FileOK {
		return ""
	}
	return p.Note
}

// release is the run that the demo shows, nil before it has begun: the newest of
// the plan's version. A folder may hold a run of an earlier version too.
func (d *demo) release() *runner.RunView {
	p, ok := d.daemon.runner.Published().Plan(d.plan.Name)
	if !ok {
		return nil
	}
	for i := range p.Runs {
		if p.Runs[i].Record.Version == d.plan.Version {
			return &p.Runs[i]
		}
	}
	return nil
}

// present shows events and frames until the plan is done, then the summary.
func (d *demo) present(ctx context.Context) error {
	d.show.begin(d)
	var n uint64
	for {
		committed, published := d.daemon.journal.Watch(), d.daemon.runner.Watch()
		finished := d.clock.finished()
		var err error
		if n, err = d.showEvents(ctx, n); err != nil {
			return ignoreDone(ctx, err)
		}
		if u := d.release(); u != nil {
			d.show.frame(u, finished)
		}
		if why := d.refused(); finished && d.release() == nil {
			return exit(exitUsage, fmt.Errorf("the run cannot begin: %s", why))
		}
		if finished {
			return ignoreDone(ctx, d.finish(ctx, n))
		}
		select {
		case <-committed:
		case <-published:
		case <-d.clock.end:
		case <-ctx.Done():
			return nil
		}
	}
}

func ignoreDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// showEvents shows the run's events after the n-th, and gives the number of the
// last.
func (d *demo) showEvents(ctx context.Context, n uint64) (uint64, error) {
	u := d.release()
	for u != nil {
		events, err := d.daemon.journal.Events(ctx, u.Record.ID, n, 500)
		if err != nil || len(events) == 0 {
			return n, err
		}
		for _, e := range events {
			n = e.Event.N
			root, err := rootOf(ctx, d.daemon.journal, e)
			if err != nil {
				return n, err
			}
			if err := d.show.event(u.Plan, &e.Event, root); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// finish waits for the deliveries and shows the summary. Without --exit-when-done
// the daemon then goes on answering.
func (d *demo) finish(ctx context.Context, n uint64) error {
	drained := d.drain(ctx, 30*time.Second)
	if _, err := d.showEvents(ctx, n); err != nil {
		return err
	}
	s, err := d.summary(ctx)
	if err != nil {
		return err
	}
	if err := d.show.summary(s); err != nil {
		return err
	}
	if err := d.keep(ctx, s); err != nil {
		return err
	}
	if drained != nil {
		return drained
	}
	for _, r := range s.Receivers {
		if len(r.Wrong) > 0 {
			return fmt.Errorf("sink %q sent what its receiver does not take: %s", r.Sink, r.Wrong[0])
		}
	}
	if !d.ExitWhenDone {
		d.show.stay(d)
		<-ctx.Done()
	}
	return nil
}

// keep leaves the run's report and its proof where the caller wants them.
func (d *demo) keep(ctx context.Context, s *summary) error {
	if d.Keep == "" {
		return nil
	}
	r, err := d.daemon.reportOf(ctx, &wire.EventBody{Run: s.Run, Plan: s.Plan, Version: d.plan.Version}, "")
	if err != nil {
		return err
	}
	keys, err := signing.Open(d.config.Daemon.SigningKeys)
	if err != nil {
		return err
	}
	bundle, err := bundleOf(ctx, d.daemon.journal, s.Run, keys)
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{
		"report.md": r.Markdown, "report.html": r.HTML, "report.json": r.JSON, "bundle.json": bundle, "keys.json": keys.Public(),
	} {
		if err := os.WriteFile(filepath.Join(d.Keep, name), text, 0o644); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(d.con.err, "proof: python3 docs/verify.py %s %s\n", filepath.Join(d.Keep, "bundle.json"), filepath.Join(d.Keep, "keys.json"))
	return err
}

func (d *demo) verdict() error {
	u := d.release()
	if u == nil {
		return exit(exitPending, nil) // unreachable: the run ended the demo
	}
	switch {
	case u.Snapshot.State == rules.RolledBack: // its verdict is fail once the way back is taken
		return exit(exitRollback, nil)
	case u.Snapshot.Verdict == rules.Pass:
		return nil
	case u.Snapshot.Verdict == rules.Fail:
		return exit(exitFail, nil)
	}
	return exit(exitPending, nil)
}

func (d *demo) close() error {
	var errs []error
	if d.daemon != nil {
		errs = append(errs, d.daemon.close())
	}
	if d.world != nil {
		errs = append(errs, d.world.close())
	}
	for _, w := range d.staging {
		errs = append(errs, w.close())
	}
	if d.receiver != nil {
		errs = append(errs, d.receiver.close())
	}
	if d.grafana != nil {
		errs = append(errs, d.grafana.close())
	}
	if d.receivers != nil {
		errs = append(errs, d.receivers.close())
	}
	if d.door != nil {
		errs = append(errs, d.door.close())
	}
	if d.temporary != "" {
		errs = append(errs, os.RemoveAll(d.temporary))
	}
	return errors.Join(errs...)
}

// lastTick is the time of a plan's newest tick in the journal, zero if none.
func (d *daemon) lastTick(ctx context.Context, plan *rules.Plan) (time.Time, error) {
	runs, err := d.journal.Runs(ctx, fact.RunFilter{Plan: plan.Name, Limit: 1})
	if err != nil || len(runs) == 0 {
		return time.Time{}, err
	}
	return runs[0].At, nil
}

func randomSecret() string { return "demo-secret-" + rand.Text() }
