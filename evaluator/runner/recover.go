package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// recover brings every plan to where the journal left it.
func (r *Runner) recover(ctx context.Context) (err error) {
	if r.seq, err = r.Journal.Seq(ctx); err != nil {
		return err
	}
	for _, p := range r.Plans {
		u, err := r.resume(ctx, p)
		if err != nil {
			return fmt.Errorf("recovering plan %q: %w", p.Name, err)
		}
		r.runs = append(r.runs, u)
	}
	return nil
}

// resume is the run of a plan as the journal has it, under the plan as it is
// now. It publishes nothing and writes nothing.
func (r *Runner) resume(ctx context.Context, p *rules.Plan) (*run, error) {
	document, digest, err := encode(p)
	if err != nil {
		return nil, err
	}
	// :: digest → plan; history mostly has one
	loaded := map[string]*rules.Plan{digest: p}
	u := &run{Rerun: evaluator.Rerun{Load: func(d string) (*rules.Plan, error) { return r.load(ctx, loaded, d) }}}
	from, err := r.Journal.Recover(ctx, p.Name)
	if err != nil {
		return nil, err
	}
	if err := u.Start(from); err != nil {
		return nil, err
	}
	u.seq, u.at = from.Seq, from.At
	for _, k := range from.Later {
		diff, err := u.Next(k)
		if err != nil {
			return nil, fmt.Errorf("running sequence %d again: %w", k.Seq, err)
		}
		if diff != nil {
			return nil, fmt.Errorf("%w: sequence %d, event %d: it was %s, now it is %s; start the former version once and stop it gracefully",
				ErrDiverged, k.Seq, diff.N+1, quote(diff.Was), quote(diff.Gave))
		}
		u.seq, u.at, u.unsaved, u.weight = k.Seq, k.Tick.At, u.unsaved+1, u.weight+len(k.Tick.Readings)
	}
	u.Load = nil // all that is needed is there, and ctx ends
	u.next = r.firstSlot(p, u.at)
	if u.Digest != digest {
		u.changed = u.State != nil // a plan that never ran has nothing to be carried over
		u.document = document
		u.Change(p, digest)
	}
	return u, nil
}

// firstSlot is when a run ticks next: at once when it never did, else at the
// first slot after its newest tick, which may be long past.
func (r *Runner) firstSlot(p *rules.Plan, at time.Time) time.Time {
	if at.IsZero() {
		return floor(r.Clock.Now(), p.Interval)
	}
	return floor(at, p.Interval).Add(p.Interval)
}

func (r *Runner) load(ctx context.Context, loaded map[string]*rules.Plan, digest string) (*rules.Plan, error) {
	if p := loaded[digest]; p != nil {
		return p, nil
	}
	document, err := r.Journal.Document(ctx, digest)
	if err != nil {
		return nil, err
	}
	p := new(rules.Plan)
	if err := json.Unmarshal(document, p); err != nil {
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

// settle ticks the plans that were changed while nobody ran them, so that the
// change is in the journal before anything rests on it.
func (r *Runner) settle(ctx context.Context) {
	var batch []staged
	for _, u := range r.runs {
		if u.changed {
			batch = append(batch, r.stage(ctx, u, evaluator.Tick{At: r.now(u)}))
		}
	}
	r.commit(ctx, batch)
}

// now is the time of a tick between slots.
func (r *Runner) now(u *run) time.Time {
	return later(r.Clock.Now().UTC().Truncate(time.Second), u.at)
}

// save stores the state of every run.
func (r *Runner) save(ctx context.Context) error {
	for _, u := range r.runs {
		if u.unsaved == 0 || u.at.IsZero() || u.changed {
			continue
		}
		state, err := u.State.MarshalBinary()
		if err == nil {
			err = r.Journal.Save(ctx, u.Plan.Name, u.seq, state)
		}
		if err != nil {
			return fmt.Errorf("storing the state of plan %q: %w", u.Plan.Name, err)
		}
	}
	return nil
}

func quote(b []byte) string {
	if b == nil {
		return "no event"
	}
	return string(b)
}
