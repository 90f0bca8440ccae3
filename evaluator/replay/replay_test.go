package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/replay"
	"github.com/relgate/relgate/rules"
)

var start = time.Unix(1_750_000_200, 0).UTC()

const run = "p@1"

// messages is a plan that says something every minute and judges nothing.
func messages(n int) *rules.Plan {
	p := &rules.Plan{Name: "p", Version: "1", Start: start, Interval: time.Minute, Binding: rules.Binding{Run: run, UID: "x", Try: 1}}
	p.Phases = []rules.Phase{{Name: "all", Window: 100 * time.Hour}} // it is under way all the time
	for i := range n {
		p.Communications = append(p.Communications, rules.Communication{
			Name: fmt.Sprintf("m%d", i), At: time.Duration(i) * time.Minute, Channel: "c", Text: "t",
		})
	}
	return p
}

// memory is a journal of one run.
type memory struct {
	kept      []evaluator.Kept
	snapshots map[uint64][]byte // :: sequence → the state after that tick
	documents map[string][]byte
	oldest    uint64 // sequence of the first tick that was retained
}

func (m *memory) Origin(_ context.Context, id string) (evaluator.Recovery, error) {
	switch {
	case id != run || len(m.kept) == 0:
		return evaluator.Recovery{}, nil
	case m.oldest <= 1:
		return evaluator.Recovery{Digest: m.kept[0].Digest}, nil
	}
	k := m.kept[m.oldest-2]
	return evaluator.Recovery{Seq: k.Seq, At: k.Tick.At, Digest: k.Digest, Snapshot: m.snapshots[k.Seq]}, nil
}

func (m *memory) Entries(_ context.Context, id string, after uint64, limit int) ([]evaluator.Kept, error) {
	if id != run {
		return nil, nil
	}
	rest := m.kept[after:]
	list := slices.Clone(rest[:min(limit, len(rest))])
	for i := range list {
		list[i].Raw = slices.Clone(list[i].Raw)
	}
	return list, nil
}

func (m *memory) Document(_ context.Context, digest string) ([]byte, error) {
	return m.documents[digest], nil
}

// written is a run that ticked once a minute, with a changed plan from tick change
// on and a state after every tick.
func written(t *testing.T, ticks, change int) *memory {
	t.Helper()
	m := &memory{snapshots: map[uint64][]byte{}, documents: map[string][]byte{}}
	r := evaluator.Rerun{}
	for i := range ticks {
		p, digest := messages(20), "first"
		if i >= change {
			p, digest = messages(40), "second"
		}
		tick := evaluator.Tick{At: start.Add(time.Duration(i) * time.Minute)}
		if digest != r.Digest {
			document, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			m.documents[digest] = document
			if i == 0 {
				tick.Begin = &evaluator.Begun{By: "ci"}
			} else {
				tick.Edit = &evaluator.Edit{From: r.Digest, To: digest, Changes: []rules.Change{{Path: "communications"}}}
			}
			r.Change(p, digest)
		}
		state, events := evaluator.Step(r.Plan, r.State, tick)
		r.State = state
		k := evaluator.Kept{Seq: uint64(i + 1), Entry: evaluator.Entry{Run: run, After: uint64(i), Digest: digest, Tick: tick}}
		for e := range events {
			raw, err := json.Marshal(&events[e])
			if err != nil {
				t.Fatal(err)
			}
			k.Raw = append(k.Raw, raw)
		}
		snapshot, err := state.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		m.kept, m.snapshots[k.Seq] = append(m.kept, k), snapshot
	}
	return m
}

func TestReplayGivesTheSame(t *testing.T) {
	j := written(t, 600, 10)
	seen := 0
	got, err := replay.Replay(t.Context(), j, run, replay.Options{Each: func(k evaluator.Kept, p *rules.Plan, s *evaluator.State) error {
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
	j := written(t, 100, 10)
	j.oldest = 61
	got, err := replay.Replay(t.Context(), j, run, replay.Options{})
	if err != nil || got.Differs != nil || got.FromSeq != 60 || got.Ticks != 40 {
		t.Errorf("got %+v, %v; want 40 ticks from sequence 60", got, err)
	}
}

func TestReplayOfNothing(t *testing.T) {
	got, err := replay.Replay(t.Context(), written(t, 3, 10), "other@1", replay.Options{})
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
			func(k *evaluator.Kept) {
				k.Raw[0] = bytes.Replace(k.Raw[0], []byte(`"to":"due"`), []byte(`"to":"skipped"`), 1)
			},
			func(d *evaluator.Difference) bool {
				return bytes.Contains(d.Was, []byte("skipped")) && bytes.Contains(d.Gave, []byte("due"))
			},
		},
		"lost":  {func(k *evaluator.Kept) { k.Raw = nil }, func(d *evaluator.Difference) bool { return d.Was == nil && d.Gave != nil }},
		"added": {func(k *evaluator.Kept) { k.Raw = append(k.Raw, []byte("{}")) }, func(d *evaluator.Difference) bool { return d.Gave == nil && d.N > 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := replay.Replay(t.Context(), doctored{written(t, 30, 10), c.change}, run, replay.Options{})
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
	*memory
	change func(*evaluator.Kept)
}

func (d doctored) Entries(ctx context.Context, id string, after uint64, limit int) ([]evaluator.Kept, error) {
	kept, err := d.memory.Entries(ctx, id, after, limit)
	for i := range kept {
		if kept[i].Seq == 5 || kept[i].Seq == 8 {
			d.change(&kept[i])
		}
	}
	return kept, err
}

// A build with other words, and one that writes its fields in another order,
// replays the journal of this one without a difference.
func TestReplayDoesNotCareForWords(t *testing.T) {
	reworded := func(k *evaluator.Kept) {
		for i, raw := range k.Raw {
			var fields map[string]any
			if err := json.Unmarshal(raw, &fields); err != nil {
				t.Fatal(err)
			}
			fields["sentence"] = "said in other words"
			k.Raw[i], _ = json.MarshalIndent(fields, "", " ")
		}
	}
	got, err := replay.Replay(t.Context(), doctored{written(t, 30, 10), reworded}, run, replay.Options{})
	if err != nil || got.Differs != nil || got.Ticks != 30 {
		t.Errorf("got %+v, %v; want 30 ticks without a difference", got, err)
	}
}

func TestReplaySaysWhatItCannotRead(t *testing.T) {
	j := written(t, 30, 10)
	enough := errors.New("enough")
	_, err := replay.Replay(t.Context(), j, run, replay.Options{Each: func(evaluator.Kept, *rules.Plan, *evaluator.State) error { return enough }})
	if !errors.Is(err, enough) {
		t.Errorf("got %v, want the error of Each", err)
	}
	if _, err := replay.Replay(t.Context(), noDocument{j}, run, replay.Options{}); err == nil || !strings.Contains(err.Error(), `run "p@1"`) {
		t.Errorf("a plan document that is no plan: %v, want an error that names the run", err)
	}
}

// noDocument has plans that are not plans.
type noDocument struct{ *memory }

func (noDocument) Document(context.Context, string) ([]byte, error) { return []byte(`{"name":7}`), nil }
