package replay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal/journaltest"
	"github.com/relgate/relgate/evaluator/replay"
	"github.com/relgate/relgate/rules"
)

var start = time.Unix(1_750_000_200, 0).UTC()

// run is the run that the tests are about.
const run = "p@1.0"

// messages is the bound plan of a run that says something every minute and judges
// nothing.
func messages(n int) *rules.Plan {
	p := &rules.Plan{
		Name: "p", Version: "1.0", Start: start, Interval: time.Minute,
		Binding: rules.Binding{Run: run, UID: "u1", Try: 1},
	}
	for i := range n {
		p.Communications = append(p.Communications, rules.Communication{
			Name: fmt.Sprintf("m%d", i), At: time.Duration(i) * time.Minute, Channel: "c", Text: "t",
		})
	}
	return p
}

// write lets the run tick once a minute into a journal, with a changed plan from
// tick change on and a state after every tick that every divides.
func write(t *testing.T, j journaltest.Journal, ticks, change, every int) {
	t.Helper()
	again := evaluator.Rerun{}
	for i := range ticks {
		p, digest := messages(20), "first"
		if i >= change {
			p, digest = messages(40), "second"
		}
		document, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if digest != again.Digest {
			again.Change(p, digest)
		}
		tick := fact.Tick{Judging: evaluator.Judging, At: start.Add(time.Duration(i) * time.Minute)}
		if i == 0 {
			tick.Begin = &fact.Begun{}
		}
		state, events := evaluator.Step(again.Plan, again.State, tick)
		again.State = state
		at := evaluator.Outlined(again.Plan, state)
		e := fact.Entry{
			Run: run, After: uint64(i), Digest: digest, Document: document, Tick: tick, Events: events,
			Record: fact.RunRecord{
				ID: run, Plan: "p", Version: "1.0", Try: 1, Start: start, Begun: start, Digest: digest,
				Seq: uint64(i) + 1, N: at.N, At: at.At, State: at.State, Verdict: at.Verdict, Over: at.Over,
			},
		}
		if (i+1)%every == 0 {
			if e.Snapshot, err = state.MarshalBinary(); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Commit(t.Context(), fact.Batch{e}); err != nil {
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

func TestReplayFromTheBeginningGivesTheSameEvents(t *testing.T) {
	j := open(t)
	write(t, j, 600, 10, 50)
	seen := 0
	got, err := replay.Replay(t.Context(), j, run, replay.Options{Each: func(k fact.Kept, p *rules.Plan, s *evaluator.State) error {
		seen++
		if want := 20 + 20*btoi(seen > 10); len(p.Communications) != want {
			t.Errorf("tick %d was run under a plan with %d messages, want %d", seen, len(p.Communications), want)
		}
		return nil
	}})
	if err != nil || got.Differs != nil {
		t.Fatalf("got %+v, %v", got, err)
	}
	if got.Ticks != 600 || seen != 600 || got.Events < 40 || got.Plans != 2 || !got.From.Equal(start) || !got.To.Equal(start.Add(599*time.Minute)) {
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

func TestReplayOfARunThatTheJournalDoesNotKnow(t *testing.T) {
	j := open(t)
	write(t, j, 3, 10, 1000)
	got, err := replay.Replay(t.Context(), j, "p@2.0", replay.Options{})
	if err != nil || got.Ticks != 0 || got.Differs != nil {
		t.Errorf("got %+v, %v; want no ticks and no error", got, err)
	}
}

// edit changes one field of an event's JSON, the number of the event among others.
func edit(t *testing.T, raw []byte, field string, value any) []byte {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	if _, known := fields[field]; !known {
		t.Fatalf("event %s has no %q", raw, field)
	}
	fields[field] = value
	b, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReplayNamesTheFirstEventWhoseFactsDiffer(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, k *fact.Kept)
		is     func(d *fact.Difference) bool
	}{
		"a subject that was changed": {
			func(t *testing.T, k *fact.Kept) { k.Raw[0] = edit(t, k.Raw[0], "subject", "forged") },
			func(d *fact.Difference) bool {
				return strings.Contains(string(d.Was), "forged") && strings.Contains(string(d.Gave), `"m4"`)
			},
		},
		"an event that is no JSON": {
			func(_ *testing.T, k *fact.Kept) { k.Raw[0] = []byte("{") },
			func(d *fact.Difference) bool { return string(d.Was) == "{" && d.Gave != nil },
		},
		"an event that was lost": {
			func(_ *testing.T, k *fact.Kept) { k.Raw = nil },
			func(d *fact.Difference) bool { return d.N == 0 && d.Was == nil && d.Gave != nil },
		},
		"an event that was added": {
			func(_ *testing.T, k *fact.Kept) { k.Raw = append(k.Raw, []byte("{}")) },
			func(d *fact.Difference) bool { return d.N > 0 && d.Was != nil && d.Gave == nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := open(t)
			write(t, j, 30, 10, 1000)
			got, err := replay.Replay(t.Context(), doctored{j, func(k *fact.Kept) { c.change(t, k) }}, run, replay.Options{})
			if err != nil || got.Differs == nil {
				t.Fatalf("got %+v, %v; want a difference", got, err)
			}
			if d := got.Differs; d.Seq != 5 || !d.At.Equal(start.Add(4*time.Minute)) || !c.is(d) {
				t.Errorf("got sequence %d at %s: was %s, gave %s; want the first event of sequence 5", d.Seq, d.At, d.Was, d.Gave)
			}
			if got.Ticks != 4 {
				t.Errorf("got %d ticks that were the same, want 4", got.Ticks)
			}
		})
	}
}

// The journal may hold the same facts in another encoding: fields in another order,
// or one that this version does not have. A build that encodes otherwise goes on.
func TestReplayComparesFactsAndNotTheirEncoding(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, k *fact.Kept){
		"spaces": func(_ *testing.T, k *fact.Kept) { k.Raw[0] = append([]byte(" "), k.Raw[0]...) },
		"fields in another order": func(t *testing.T, k *fact.Kept) {
			before := string(k.Raw[0])
			if k.Raw[0] = edit(t, k.Raw[0], "plan", "p"); string(k.Raw[0]) == before {
				t.Error("the order is the same")
			}
		},
		"a field more": func(_ *testing.T, k *fact.Kept) {
			k.Raw[0] = append(k.Raw[0][:len(k.Raw[0])-1:len(k.Raw[0])-1], `,"sentence":"in other words"}`...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := open(t)
			write(t, j, 30, 10, 1000)
			got, err := replay.Replay(t.Context(), doctored{j, func(k *fact.Kept) { change(t, k) }}, run, replay.Options{})
			if err != nil || got.Differs != nil || got.Ticks != 30 {
				t.Errorf("got %+v, %v; want 30 ticks that are the same", got, err)
			}
		})
	}
}

// doctored changes the fifth tick and the eighth.
type doctored struct {
	journaltest.Journal
	change func(*fact.Kept)
}

func (d doctored) Entries(ctx context.Context, run string, after uint64, limit int) ([]fact.Kept, error) {
	kept, err := d.Journal.Entries(ctx, run, after, limit)
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
	_, err := replay.Replay(t.Context(), j, run, replay.Options{Each: func(fact.Kept, *rules.Plan, *evaluator.State) error { return enough }})
	if !errors.Is(err, enough) {
		t.Errorf("got %v, want the error of Each", err)
	}
	if _, err := replay.Replay(t.Context(), noDocument{j}, run, replay.Options{}); err == nil {
		t.Error("a plan document that is no plan was replayed")
	}
}

// noDocument has plans that are not plans.
type noDocument struct{ journaltest.Journal }

func (noDocument) Document(context.Context, string) ([]byte, error) { return []byte(`{"name":7}`), nil }
