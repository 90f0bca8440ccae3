package replay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/journal/journaltest"
	"github.com/relgate/relgate/evaluator/replay"
	"github.com/relgate/relgate/rules"
)

var start = time.Unix(1_750_000_200, 0).UTC()

// messages is a plan that says something every minute and judges nothing.
func messages(n int) *rules.Plan {
	p := &rules.Plan{Name: "p", Start: start, Interval: time.Minute}
	for i := range n {
		p.Communications = append(p.Communications, rules.Communication{
			Name: fmt.Sprintf("m%d", i), At: time.Duration(i) * time.Minute, Channel: "c", Text: "t",
		})
	}
	return p
}

// write lets a run tick once a minute into a journal, with a changed plan from
// tick change on and a state after every tick that every divides.
func write(t *testing.T, j journaltest.Journal, ticks, change, every int) {
	t.Helper()
	run := evaluator.Rerun{}
	for i := range ticks {
		p, digest := messages(20), "first"
		if i >= change {
			p, digest = messages(40), "second"
		}
		document, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if digest != run.Digest {
			run.Change(p, digest)
		}
		tick := evaluator.Tick{At: start.Add(time.Duration(i) * time.Minute)}
		state, events := evaluator.Step(run.Plan, run.State, tick)
		run.State = state
		e := evaluator.Entry{Plan: "p", Digest: digest, Document: document, Tick: tick, Events: events}
		if (i+1)%every == 0 {
			if e.Snapshot, err = state.MarshalBinary(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := j.Commit(t.Context(), uint64(i), evaluator.Batch{e}); err != nil {
			t.Fatal(err)
		}
	}
}

func open(t *testing.T) journaltest.Journal {
	t.Helper()
	j, err := new(journaltest.Memory).Open()
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestReplayGivesTheSame(t *testing.T) {
	j := open(t)
	write(t, j, 600, 10, 50)
	seen := 0
	got, err := replay.Replay(t.Context(), j, "p", replay.Options{Each: func(k evaluator.Kept, p *rules.Plan, s *evaluator.State) error {
		seen++
		if want := 20 + 20*btoi(seen > 10); len(p.Communications) != want {
			t.Errorf("tick %d was run under a plan with %d messages, want %d", seen, len(p.Communications), want)
		}
		return nil
	}})
	if err != nil || got.Differs != nil {
		t.Fatalf("got %+v, %v", got, err)
	}
	if got.Ticks != 600 || seen != 600 || got.Events < 40 || got.Plans != 2 || got.FromSeq != 0 || !got.From.Equal(start) || !got.To.Equal(start.Add(599*time.Minute)) {
		t.Errorf("got %+v, want 600 ticks, both plans, at least 40 events", got)
	}
	if !got.Snapshot.At.Equal(got.To) {
		t.Errorf("snapshot at %s, want %s", got.Snapshot.At, got.To)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestReplayOfWhatWasRetained(t *testing.T) {
	j := open(t)
	write(t, j, 100, 10, 30)
	if _, err := j.Prune(t.Context(), start.Add(70*time.Minute)); err != nil {
		t.Fatal(err)
	}
	got, err := replay.Replay(t.Context(), j, "p", replay.Options{})
	if err != nil || got.Differs != nil || got.FromSeq != 60 || got.Ticks != 40 {
		t.Errorf("got %+v, %v; want 40 ticks from sequence 60", got, err)
	}
}

func TestReplayOfNothing(t *testing.T) {
	got, err := replay.Replay(t.Context(), open(t), "nobody", replay.Options{})
	if err != nil || got.Ticks != 0 || got.Differs != nil {
		t.Errorf("got %+v, %v; want no ticks and no error", got, err)
	}
}

// TestReplayFindsTheFirst: an event that was changed, lost or added is named.
func TestReplayFindsTheFirst(t *testing.T) {
	for name, c := range map[string]struct {
		change func(k *evaluator.Kept)
		is     func(d *evaluator.Difference) bool
	}{
		"changed": {
			func(k *evaluator.Kept) { k.Raw[0] = append([]byte(" "), k.Raw[0]...) },
			func(d *evaluator.Difference) bool { return d.Was[0] == ' ' && d.Gave[0] == '{' },
		},
		"lost":  {func(k *evaluator.Kept) { k.Raw = nil }, func(d *evaluator.Difference) bool { return d.Was == nil && d.Gave != nil }},
		"added": {func(k *evaluator.Kept) { k.Raw = append(k.Raw, []byte("{}")) }, func(d *evaluator.Difference) bool { return d.Gave == nil && d.N > 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			j := open(t)
			write(t, j, 30, 10, 1000)
			got, err := replay.Replay(t.Context(), doctored{j, c.change}, "p", replay.Options{})
			if err != nil || got.Differs == nil {
				t.Fatalf("got %+v, %v; want a difference", got, err)
			}
			if d := got.Differs; d.Seq != 5 || !d.At.Equal(start.Add(4*time.Minute)) || !c.is(d) {
				t.Errorf("got %+v, want the first of sequence 5", d)
			}
			if got.Ticks != 4 {
				t.Errorf("got %d ticks that were the same, want 4", got.Ticks)
			}
		})
	}
}

// doctored changes the fifth tick and the eighth.
type doctored struct {
	journaltest.Journal
	change func(*evaluator.Kept)
}

func (d doctored) Entries(ctx context.Context, plan string, after uint64, limit int) ([]evaluator.Kept, error) {
	kept, err := d.Journal.Entries(ctx, plan, after, limit)
	for i := range kept {
		if kept[i].Seq == 5 || kept[i].Seq == 8 {
			d.change(&kept[i])
		}
	}
	return kept, err
}

func TestReplayErrors(t *testing.T) {
	j := open(t)
	write(t, j, 30, 10, 1000)
	enough := errors.New("enough")
	_, err := replay.Replay(t.Context(), j, "p", replay.Options{Each: func(evaluator.Kept, *rules.Plan, *evaluator.State) error { return enough }})
	if !errors.Is(err, enough) {
		t.Errorf("got %v, want the error of Each", err)
	}
	if _, err := replay.Replay(t.Context(), noDocument{j}, "p", replay.Options{}); err == nil {
		t.Error("a plan document that is no plan was replayed")
	}
}

// noDocument has plans that are not plans.
type noDocument struct{ journaltest.Journal }

func (noDocument) Document(context.Context, string) ([]byte, error) { return []byte(`{"name":7}`), nil }
