package evaluator

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// keptRun is a run as a journal would keep it: every tick with its events' JSON,
// and the state after each.
func keptRun(t *testing.T, plan *rules.Plan) (kept []fact.Kept, states [][]byte) {
	t.Helper()
	w := newWorld(t, plan)
	for end := plan.Start.Add(25 * time.Minute); w.now.Before(end); w.now = w.now.Add(plan.Interval) {
		tick := fact.Tick{At: w.now, Judging: Judging}
		for _, q := range Wants(plan, w.state, w.now) {
			tick.Readings = append(tick.Readings, w.answer(q))
		}
		state, events := Step(plan, w.state, tick)
		w.state = state
		k := fact.Kept{Seq: uint64(len(kept) + 1), Entry: fact.Entry{Run: plan.Name, Digest: "one", Tick: tick, Events: events}}
		for i := range events {
			raw, err := json.Marshal(&events[i])
			if err != nil {
				t.Fatal(err)
			}
			k.Raw = append(k.Raw, raw)
		}
		kept, states = append(kept, k), append(states, store(t, state))
	}
	return kept, states
}

func loadOnly(plan *rules.Plan) func(string) (*rules.Plan, error) {
	return func(digest string) (*rules.Plan, error) {
		if digest == "gone" {
			return nil, errors.New("no such plan")
		}
		return plan, nil
	}
}

func TestRerunGivesTheSameEventsFromAnyStoredState(t *testing.T) {
	plan := smallPlan()
	kept, states := keptRun(t, plan)
	for from := range kept {
		r := Rerun{Load: loadOnly(plan)}
		recovery := fact.Recovery{Digest: "one"}
		if from > 0 {
			recovery.Seq, recovery.Snapshot = uint64(from), states[from-1]
		}
		if err := r.Start(recovery); err != nil {
			t.Fatalf("from %d: %v", from, err)
		}
		for _, k := range kept[from:] {
			if d, err := r.Next(k); d != nil || err != nil {
				t.Fatalf("from %d: tick %d: %+v, %v", from, k.Seq, d, err)
			}
		}
	}
}

func TestRerunNamesTheFirstDifference(t *testing.T) {
	plan := smallPlan()
	kept, _ := keptRun(t, plan)
	first := 0
	for len(kept[first].Raw) == 0 {
		first++
	}
	swap := func(from, to string) func(k *fact.Kept) {
		return func(k *fact.Kept) {
			was := k.Raw[0]
			if k.Raw[0] = bytes.Replace(was, []byte(from), []byte(to), 1); bytes.Equal(was, k.Raw[0]) {
				t.Fatalf("there is no %s in %s", from, was)
			}
		}
	}
	for name, change := range map[string]func(k *fact.Kept){
		"another state":        swap(`"to":"`, `"to":"x`),
		"another ground":       swap(`"code":"`, `"code":"x`),
		"another root":         swap(`"cause":`, `"because":"REL/7","cause":`),
		"another id":           swap(`"id":"REL/`, `"id":"REL/9`),
		"no JSON":              func(k *fact.Kept) { k.Raw[0] = k.Raw[0][1:] },
		"an event too many":    func(k *fact.Kept) { k.Raw = append(k.Raw, []byte("{}")) },
		"an event too few":     func(k *fact.Kept) { k.Raw = k.Raw[:len(k.Raw)-1] },
		"nothing in its place": func(k *fact.Kept) { k.Raw[0] = []byte("null") },
	} {
		r := Rerun{Load: loadOnly(plan)}
		if err := r.Start(fact.Recovery{Digest: "one"}); err != nil {
			t.Fatal(err)
		}
		for i, k := range kept[:first+1] {
			k.Raw = append([][]byte(nil), k.Raw...)
			if i == first {
				change(&k)
			}
			d, err := r.Next(k)
			if (d != nil) != (i == first) || err != nil {
				t.Errorf("%s: tick %d of %d: difference %+v, %v", name, i, first, d, err)
			}
		}
	}
}

// Events are compared by their facts, not by their bytes: another order of
// fields, white space and a field that this program does not know are no
// difference.
func TestRerunComparesFacts(t *testing.T) {
	plan := smallPlan()
	kept, _ := keptRun(t, plan)
	r := Rerun{Load: loadOnly(plan)}
	if err := r.Start(fact.Recovery{Digest: "one"}); err != nil {
		t.Fatal(err)
	}
	evidence := 0
	for _, k := range kept {
		k.Raw = slices.Clone(k.Raw)
		for i, raw := range k.Raw {
			var fields map[string]any // Go writes a map's keys in order
			if err := json.Unmarshal(raw, &fields); err != nil {
				t.Fatal(err)
			}
			fields["sentence"] = "in other words"
			other, err := json.MarshalIndent(fields, "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			k.Raw[i] = other
			if fields["evidence"] != nil {
				evidence++
			}
		}
		if d, err := r.Next(k); d != nil || err != nil {
			t.Fatalf("tick %d: %+v, %v", k.Seq, d, err)
		}
	}
	if evidence == 0 {
		t.Error("no event has evidence: the test proves little")
	}
}

func TestRerunSaysWhatItCannotRead(t *testing.T) {
	plan := smallPlan()
	kept, _ := keptRun(t, plan)
	r := Rerun{Load: loadOnly(plan)}
	if err := r.Start(fact.Recovery{}); err != nil || r.State != nil {
		t.Errorf("a run that never was: %v, %v", r.State, err)
	}
	if err := r.Start(fact.Recovery{Digest: "gone"}); err == nil {
		t.Error("a plan that is gone gives no error")
	}
	if err := r.Start(fact.Recovery{Digest: "one", Seq: 7, Snapshot: []byte("soup")}); err == nil || !strings.Contains(err.Error(), "sequence 7") {
		t.Errorf("a broken state: %v, want an error that names its sequence", err)
	}
	gone := kept[0]
	gone.Digest = "gone"
	if _, err := r.Next(gone); err == nil {
		t.Error("a tick under a plan that is gone gives no error")
	}
	if d, err := r.Next(kept[0]); d != nil || err != nil {
		t.Errorf("the first tick of all: %+v, %v", d, err)
	}
	changed := kept[1]
	changed.Digest = "two" // the plan was loaded anew: Adopt carries the run over
	if _, err := r.Next(changed); err != nil || r.Digest != "two" {
		t.Errorf("a changed plan: digest %q, %v", r.Digest, err)
	}
}
