package runner

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// due is a run whose slot has come.
type due struct {
	*run
	slot  time.Time
	wants []fact.Want
	woken []string // signals that were pushed to
}

// tick runs one slot: ask, step, commit, publish.
func (r *Runner) tick(ctx context.Context) {
	dues, wants := r.dues(r.Clock.Now())
	if len(dues) == 0 {
		r.broken = r.Journal.Check()
		return
	}
	readings := r.fetch(ctx, dues, wants)
	if ctx.Err() != nil || r.broken != nil {
		return // a tick that was cut short never happened; its range is asked for again
	}
	batch := make([]staged, 0, len(dues))
	for _, d := range dues {
		mine := answered(readings[:len(d.wants)])
		readings = readings[len(d.wants):]
		// A tick that a push woke may have come before a source that failed may be asked.
		d.next, d.again = floor(d.slot, d.Plan.Interval).Add(d.Plan.Interval), d.again && len(d.woken) > 0
		d.hurry(d.slot)
		if d.idle {
			continue // a command ended the run while the sources were asked
		}
		// A command may have ticked meanwhile.
		at := later(d.slot, d.record.At)
		batch = append(batch, r.stage(d.run, fact.Tick{At: at, Readings: mine, Woken: d.woken}))
	}
	r.commit(ctx, batch)
}

// dues lists the runs whose slot has come, and what they want. A slot that is
// long past is skipped for the newest one: what was missed is in the wants.
func (r *Runner) dues(now time.Time) (dues []due, wants []Want) {
	first := r.nextSlot()
	r.eachRun(func(u *run) {
		slot := later(u.next, floor(now, u.Plan.Interval))
		if u.idle || u.next.After(now) && u.next.After(first) {
			return
		}
		r.counts.miss(uint64(slot.Sub(u.next) / u.Plan.Interval))
		wanted := evaluator.Wants
		if u.again {
			wanted = evaluator.AskAgain
		}
		d := due{run: u, slot: slot, wants: wanted(u.Plan, u.State, slot)}
		if len(u.woken) > 0 && !slot.Before(u.wake) {
			d.woken, u.woken = u.woken, nil
			d.wants = evaluator.Woken(u.Plan, u.State, slot, d.woken, u.again)
		}
		for _, w := range d.wants {
			wants = append(wants, Want{Run: u.record.ID, Index: w.Signal, Signal: &u.Plan.Signals[w.Signal], From: w.From, To: w.To})
		}
		dues = append(dues, d)
	})
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
	r.await(fetchCtx, cancel, nil, time.Time{}, func() { readings = r.Fetcher.Fetch(fetchCtx, now, wants) })
	r.counts.fetched(time.Since(began))
	return clean(wants, readings)
}

// staged is a tick that was evaluated and is not known outside yet.
type staged struct {
	*run
	into  *policy // of the first tick of a run, or the first after it was over: where it belongs
	after evaluator.Rerun
	idle  bool
	entry fact.Entry
	err   error // of encoding the state
}

// stage evaluates a tick, under the edited plan where there is one. The run itself
// stays as it is until the commit.
func (r *Runner) stage(u *run, tick fact.Tick) staged {
	began := time.Now()
	after, document := u.Rerun, u.document
	if a := u.amended; a != nil {
		after.Change(a.plan, a.digest)
		document, tick.Edit = a.document, a.edit
	}
	tick.Judging = evaluator.Judging
	state, events := evaluator.Step(after.Plan, after.State, tick)
	after.State = state
	r.counts.evaluated(time.Since(began))
	o := evaluator.Outlined(after.Plan, state)
	s := staged{run: u, after: after, idle: o.Idle, entry: fact.Entry{
		Run: u.record.ID, After: u.record.Seq, Digest: after.Digest, Document: document, Tick: tick, Events: events,
		Record: recorded(u.record, &after, o, events),
	}}
	if document != nil || o.Idle || u.unsaved+1 >= r.SnapshotEvery || u.weight+len(tick.Readings) > heavy {
		var err error
		if s.entry.Snapshot, err = state.MarshalBinary(); err != nil {
			s.err = fmt.Errorf("encoding the state of run %q: %w", u.record.ID, err)
		}
	}
	return s
}

// recorded is the record of a run after a tick.
func recorded(was fact.RunRecord, after *evaluator.Rerun, o fact.Outline, events []fact.Event) fact.RunRecord {
	rec := was
	rec.Seq, rec.N, rec.At, rec.Digest, rec.Start = rec.Seq+1, o.N, o.At, after.Digest, after.Plan.Start
	rec.Parameters = after.Plan.Binding.Parameters
	rec.State, rec.Verdict, rec.Over = o.State, o.Verdict, o.Over
	if rec.Seq == 1 {
		rec.Begun = o.At
	}
	switch decided := evaluator.Decided(o.State); {
	case !decided:
		rec.Decided, rec.Totals = time.Time{}, nil
	case !evaluator.Decided(was.State):
		rec.Decided = o.At
	}
	for i := range events {
		if events[i].Kind == fact.RunEvent {
			rec.Totals = events[i].Totals
		}
	}
	return rec
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
	b := make(fact.Batch, len(batch))
	for i, s := range batch {
		if b[i] = s.entry; s.err != nil {
			r.broken = s.err
			return
		}
	}
	began := time.Now()
	err := r.Journal.Commit(context.WithoutCancel(ctx), b)
	r.counts.committed(time.Since(began))
	if err != nil {
		r.broken = fmt.Errorf("committing tick %s: %w", b[0].Tick.At.Format(time.RFC3339), err)
		return
	}
	for i := range batch {
		r.settle(&batch[i])
		r.tell(batch[i].Plan, batch[i].entry)
	}
	for _, p := range r.policies {
		p.retire()
	}
	r.publish()
}

// settle moves a run to its committed state.
func (r *Runner) settle(s *staged) {
	u := s.run
	u.Rerun, u.idle, u.record = s.after, s.idle, s.entry.Record
	amended := u.amended != nil
	u.document, u.amended, u.view = nil, nil, nil
	u.unsaved, u.weight = u.unsaved+1, u.weight+len(s.entry.Tick.Readings)
	if s.entry.Snapshot != nil {
		u.unsaved, u.weight = 0, 0
	}
	if u.next.IsZero() || amended { // the interval may be another
		u.next = r.firstSlot(u)
	}
	if s.into != nil {
		s.into.add(u)
	}
}

// add puts a run where it belongs: the newest begun comes first.
func (p *policy) add(u *run) {
	at := slices.IndexFunc(p.runs, func(other *run) bool { return !other.record.Begun.After(u.record.Begun) })
	if at < 0 {
		at = len(p.runs)
	}
	p.runs = slices.Insert(p.runs, at, u)
}

// retire lets go of runs that are over. The newest stays: gates speak of it.
func (p *policy) retire() {
	for i := len(p.runs) - 1; i > 0; i-- {
		if u := p.runs[i]; u.idle && u.record.Over {
			p.runs = append(p.runs[:i:i], p.runs[i+1:]...)
		}
	}
}

// tell logs and counts what happened, after it is known to have happened.
func (r *Runner) tell(plan *rules.Plan, e fact.Entry) {
	r.counts.ticked(e)
	r.Log.Debug("tick", "run", e.Run, "seq", e.After+1, "at", e.Tick.At, "readings", len(e.Tick.Readings), "events", len(e.Events))
	var root *fact.Event
	for i := range e.Events {
		ev := &e.Events[i]
		if ev.Because == "" {
			root = ev
		}
		var cause *fact.Event
		if root != nil && ev.Because == root.ID {
			cause = root
		}
		said := ""
		if r.Say != nil {
			said = r.Say(plan, ev, cause)
		}
		level := slog.LevelInfo
		if ev.Quiet() {
			level = slog.LevelDebug
		}
		r.Log.Log(context.Background(), level, "event", "run", e.Run, "id", ev.ID, "kind", ev.Kind, "subject", ev.Subject, "phase", ev.Phase,
			"from", ev.From, "to", ev.To, "because", ev.Because, "says", said)
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
