package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// due is a plan whose slot has come.
type due struct {
	*run
	slot  time.Time
	wants []evaluator.Want
}

// tick runs one slot: ask, step, commit, publish.
func (r *Runner) tick(ctx context.Context) {
	dues, wants := r.dues(r.Clock.Now())
	readings := r.fetch(ctx, dues, wants)
	if ctx.Err() != nil || r.broken != nil {
		return // a tick that was cut short never happened; its range is asked for again
	}
	batch := make([]staged, 0, len(dues))
	for _, d := range dues {
		mine := answered(readings[:len(d.wants)])
		readings = readings[len(d.wants):]
		// A command may have ticked while the sources were asked.
		at := later(d.slot, d.at)
		batch = append(batch, r.stage(ctx, d.run, evaluator.Tick{At: at, Readings: mine}))
		d.next = d.slot.Add(d.Plan.Interval)
	}
	r.commit(ctx, batch)
}

// dues lists the plans whose slot has come, and what they want. A slot that is
// long past is skipped for the newest one: what was missed is in the wants.
func (r *Runner) dues(now time.Time) (dues []due, wants []Want) {
	first := r.nextSlot()
	for _, u := range r.runs {
		slot := later(u.next, floor(now, u.Plan.Interval))
		if u.next.After(now) && u.next.After(first) {
			continue
		}
		r.counts.miss(uint64(slot.Sub(u.next) / u.Plan.Interval))
		d := due{run: u, slot: slot, wants: evaluator.Wants(u.Plan, u.State, slot)}
		for _, w := range d.wants {
			wants = append(wants, Want{Plan: u.Plan.Name, Index: w.Signal, Signal: &u.Plan.Signals[w.Signal], From: w.From, To: w.To})
		}
		dues = append(dues, d)
	}
	return dues, wants
}

// fetch asks the sources and answers commands meanwhile.
func (r *Runner) fetch(ctx context.Context, dues []due, wants []Want) []rules.Reading {
	if len(wants) == 0 {
		return nil
	}
	limit, now := r.FetchTimeout, dues[0].slot
	for _, d := range dues {
		now = later(now, d.slot)
		if r.FetchTimeout <= 0 && (limit <= 0 || d.Plan.Interval*8/10 < limit) {
			limit = d.Plan.Interval * 8 / 10
		}
	}
	fetchCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var readings []rules.Reading
	began := time.Now()
	r.await(fetchCtx, cancel, nil, func() { readings = r.Fetcher.Fetch(fetchCtx, now, wants) })
	r.counts.fetched(time.Since(began))
	return clean(wants, readings)
}

// staged is a tick that was evaluated and that nobody knows of yet.
type staged struct {
	*run
	state *evaluator.State
	entry evaluator.Entry
	err   error // of reading what went before, or of encoding the state
}

// stage evaluates a tick. The run itself stays as it is until the commit.
func (r *Runner) stage(ctx context.Context, u *run, tick evaluator.Tick) staged {
	if err := r.remember(ctx, u, &tick); err != nil {
		return staged{run: u, err: err}
	}
	began := time.Now()
	state, events := evaluator.Step(u.Plan, u.State, tick)
	r.counts.evaluated(time.Since(began))
	s := staged{run: u, state: state, entry: evaluator.Entry{
		Plan: u.Plan.Name, Digest: u.Digest, Document: u.document, Tick: tick, Events: events,
	}}
	if u.changed || u.unsaved+1 >= r.SnapshotEvery || u.weight+len(tick.Readings) > heavy {
		var err error
		if s.entry.Snapshot, err = state.MarshalBinary(); err != nil {
			s.err = fmt.Errorf("encoding the state of plan %q: %w", u.Plan.Name, err)
		}
	}
	return s
}

// remember gives the first tick of a run the releases that passed before. They
// are journalled with it: what the journal says later changes nothing.
func (r *Runner) remember(ctx context.Context, u *run, tick *evaluator.Tick) (err error) {
	if r.History > 0 && u.at.IsZero() {
		tick.Past, err = r.Journal.Passed(context.WithoutCancel(ctx), u.Plan.Name, r.History)
	}
	return err
}

// commit makes staged ticks durable and then known. An error is kept in broken.
//
// Crash windows: before Commit nothing has happened, and the next start asks the
// sources for the same range again. In Commit the batch is there or it is not,
// and the next start finds out. After Commit and before publish the next start
// publishes it, and the webhooks' cursors stand before its events.
func (r *Runner) commit(ctx context.Context, batch []staged) {
	if len(batch) == 0 {
		return
	}
	b := make(evaluator.Batch, len(batch))
	for i, s := range batch {
		if b[i] = s.entry; s.err != nil {
			r.broken = s.err
			return
		}
	}
	began := time.Now()
	seq, err := r.Journal.Commit(context.WithoutCancel(ctx), r.seq, b)
	r.counts.committed(time.Since(began))
	if err != nil {
		r.broken = fmt.Errorf("committing tick %s: %w", b[0].Tick.At.Format(time.RFC3339), err)
		return
	}
	r.seq = seq
	for _, s := range batch {
		s.settle(s, seq)
		r.tell(s.entry, seq)
	}
	r.publish()
}

// settle moves a run to its committed state.
func (u *run) settle(s staged, seq uint64) {
	u.State, u.at, u.seq = s.state, s.entry.Tick.At, seq
	u.document, u.changed = nil, false
	u.unsaved, u.weight = u.unsaved+1, u.weight+len(s.entry.Tick.Readings)
	if s.entry.Snapshot != nil {
		u.unsaved, u.weight = 0, 0
	}
}

// tell logs and counts what happened, after it is known to have happened.
func (r *Runner) tell(e evaluator.Entry, seq uint64) {
	r.counts.ticked(e)
	r.Log.Debug("tick", "plan", e.Plan, "seq", seq, "at", e.Tick.At, "readings", len(e.Tick.Readings), "events", len(e.Events))
	for i := range e.Events {
		ev := &e.Events[i]
		r.Log.Info("event", "plan", ev.Plan, "seq", seq, "id", ev.ID, "kind", ev.Kind, "subject", ev.Subject,
			"phase", ev.Phase, "from", ev.From, "to", ev.To, "reason", ev.Reason)
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
