package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// recover brings every run that is not over to where the journal left it, and the
// newest run of every plan. It writes nothing.
func (r *Runner) recover(ctx context.Context) error {
	open, err := r.Journal.Runs(ctx, fact.RunFilter{Open: true})
	if err != nil {
		return err
	}
	var had []*policy
	for _, rec := range open {
		if !contains(had, rec.Plan) {
			p := &policy{name: rec.Plan}
			if err := r.revive(ctx, p); err != nil {
				return err
			}
			had = append(had, p)
		}
	}
	policies, err := r.take(ctx, r.Policies, had)
	if err != nil {
		return err
	}
	r.policies = policies
	// A clock that was set back while no relgate ran goes on from the runs' stamps.
	r.eachRun(func(u *run) {
		if u.underWay() {
			r.Clock.NotBefore(u.record.At)
		}
	})
	return nil
}

func contains(list []*policy, name string) bool {
	for _, p := range list {
		if p.name == name {
			return true
		}
	}
	return false
}

// revive gives a plan the live runs that the journal has of it.
func (r *Runner) revive(ctx context.Context, p *policy) error {
	newest, err := r.Journal.Runs(ctx, fact.RunFilter{Plan: p.name, Limit: 1})
	if err != nil {
		return err
	}
	open, err := r.Journal.Runs(ctx, fact.RunFilter{Plan: p.name, Open: true})
	if err != nil {
		return err
	}
	if len(open) == 0 || len(newest) > 0 && newest[0].ID != open[0].ID {
		open = append(newest, open...)
	}
	for _, rec := range open {
		u, err := r.resume(ctx, rec)
		if err != nil {
			return fmt.Errorf("recovering run %q: %w", rec.ID, err)
		}
		p.runs = append(p.runs, u)
	}
	return nil
}

// resume is a run as the journal has it, under the plan that was in force. It
// publishes nothing and writes nothing.
func (r *Runner) resume(ctx context.Context, rec fact.RunRecord) (*run, error) {
	loaded := map[string]*rules.Plan{} // :: digest → plan; history mostly has one
	u := &run{record: rec, again: true, Rerun: evaluator.Rerun{Load: func(d string) (*rules.Plan, error) { return r.load(ctx, loaded, d) }}}
	from, err := r.Journal.Recover(ctx, rec.ID)
	if err != nil {
		return nil, err
	}
	if err := u.Start(from); err != nil {
		return nil, err
	}
	for _, k := range from.Later {
		diff, err := u.Next(k)
		if err != nil {
			return nil, fmt.Errorf("running tick %d again: %w", k.Seq, err)
		}
		switch {
		case diff != nil && diff.Older:
			r.Log.Warn("a tick is judged otherwise since relgate was upgraded; what was decided stands", "run", rec.ID, "difference", diff.String())
		case diff != nil && k.Tick.JudgedBy() > evaluator.Judging:
			return nil, fmt.Errorf("%w: %v; a newer relgate judged that tick: start that one, or restore the backup made before the upgrade", ErrDiverged, diff)
		case diff != nil:
			return nil, fmt.Errorf("%w: %v; start the former version once and stop it gracefully", ErrDiverged, diff)
		}
		u.unsaved, u.weight = u.unsaved+1, u.weight+len(k.Tick.Readings)
	}
	if u.State == nil {
		return nil, fmt.Errorf("the journal has no tick of it")
	}
	u.Load = nil // all that is needed is there, and ctx ends
	u.idle = evaluator.Outlined(u.Plan, u.State).Idle
	u.next = r.firstSlot(u)
	return u, nil
}

// firstSlot is the first slot that a run has not had, which may be long past. The
// tick that began the run asked no source: the sources are asked in the same slot.
func (r *Runner) firstSlot(u *run) time.Time {
	slot := floor(u.record.At, u.Plan.Interval)
	if u.record.Seq > 1 {
		slot = slot.Add(u.Plan.Interval)
	}
	return slot
}

func (r *Runner) load(ctx context.Context, loaded map[string]*rules.Plan, digest string) (*rules.Plan, error) {
	if p := loaded[digest]; p != nil {
		return p, nil
	}
	document, err := r.Journal.Document(ctx, digest)
	if err != nil {
		return nil, err
	}
	p, err := rules.ReadPlan(document, r.Kinds)
	if err != nil {
		return nil, fmt.Errorf("decoding plan document %q: %w", digest, err)
	}
	loaded[digest] = p
	return p, nil
}

func encode(p *rules.Plan) (document []byte, digest string, err error) {
	document, err = json.Marshal(p)
	if err != nil {
		return nil, "", fmt.Errorf("encoding the plan: %w", err)
	}
	sum := sha256.Sum256(document)
	return document, hex.EncodeToString(sum[:]), nil
}

// now is the time of a tick between slots. Stamps of a run never go back.
func (r *Runner) now(u *run) time.Time {
	return later(r.Clock.Now().UTC().Truncate(time.Second), u.record.At)
}

// save stores the state of every run.
func (r *Runner) save(ctx context.Context) (err error) {
	r.eachRun(func(u *run) {
		if err != nil || u.unsaved == 0 {
			return
		}
		state, failed := u.State.MarshalBinary()
		if failed == nil {
			failed = r.Journal.Save(ctx, u.record.ID, u.record.Seq, state)
		}
		if failed != nil {
			err = fmt.Errorf("storing the state of run %q: %w", u.record.ID, failed)
		}
	})
	return err
}
