package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/evaluator/replay"
	"github.com/relgate/relgate/exporters/proof"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

type proveCommand struct {
	RunID  string `arg:"" name:"run" type:"given" help:"Run id (PLAN@VERSION)."`
	Output string `short:"o" type:"path" help:"File to write; standard output when left out." placeholder:"FILE"`
	keyFile
}

// Help is printed by --help.
func (proveCommand) Help() string {
	return `Writes a bundle that proves how a run was decided: what passed and what failed, in two
signed in-toto statements (SVR, Test Result), and every tick with its raw counts, bound to
them by the run's hash chain. The run is gone through again first, and must give the
journal's events. docs/verify.py checks a bundle offline, and docs/proof.md says how.

  relgate prove bioage@1.4.2 -o bundle.json
  curl -s https://gate.example.com/v1/keys > keys.json
  python3 verify.py bundle.json keys.json`
}

// Run writes the bundle.
func (c proveCommand) Run(ctx context.Context, con console) error {
	keys, err := c.open()
	if err != nil {
		return err
	}
	j, err := journal.Open(ctx, journal.Config{Path: c.Journal, ReadOnly: true})
	if err != nil {
		return exit(exitUsage, err)
	}
	defer j.Close()
	bundle, err := bundleOf(ctx, j, c.RunID, keys)
	if err != nil {
		return err
	}
	if c.Output != "" {
		return os.WriteFile(c.Output, bundle, 0o644)
	}
	_, err = con.out.Write(bundle)
	return err
}

// bundleOf proves a run of a journal.
func bundleOf(ctx context.Context, j *journal.Journal, run string, by proof.Signer) ([]byte, error) {
	record, err := recordOf(ctx, j, run)
	if err != nil {
		return nil, err
	}
	s := proof.Source{Plans: map[string][]byte{}, Judging: evaluator.Judging, Version: version, Now: time.Now()}
	report, err := replay.Replay(ctx, j, record.ID, replay.Options{Kinds: upstreamKinds(), Each: func(k fact.Kept, plan *rules.Plan, _ *evaluator.State) error {
		s.Ticks, s.View = append(s.Ticks, k), wire.RunView{Plan: plan, Digest: k.Digest}
		if s.Plans[k.Digest] != nil {
			return nil
		}
		s.Plans[k.Digest], err = j.Document(ctx, k.Digest)
		return err
	}})
	switch {
	case err != nil:
		return nil, err
	case report.Differs != nil:
		return nil, exit(exitFail, fmt.Errorf("this version does not reproduce the decisions in the journal, and proves none of them: %v", report.Differs))
	}
	s.View.Snapshot = report.Snapshot
	bundle, err := proof.Make(&s, by)
	if err != nil {
		return nil, fmt.Errorf("proving run %q: %w", run, err)
	}
	return bundle, nil
}
