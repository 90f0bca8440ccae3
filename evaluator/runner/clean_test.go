package runner_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/journal/journaltest"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/rules"
)

// TestWhatAnUpstreamSaysIsCleanedBeforeItIsKept: faults, notes, ids and names of groups.
func TestWhatAnUpstreamSaysIsCleanedBeforeItIsKept(t *testing.T) {
	const evil = "no\nPASS\x1b[2K\u202e\u200b\xff"
	odd := func(r *rules.Reading) {
		r.Detail, r.Note, r.Ref = evil, evil, evil
		for _, p := range r.Points {
			r.Parts = append(r.Parts, rules.Parts{At: p.At, Groups: []rules.Group{{Name: "a"}, {Name: evil}}})
		}
	}
	j := open(t, journaltest.NewFile(t))
	r := newRunner(t, runner.Config{Policies: runner.Policies{Plans: []*rules.Plan{plan("p", 30*time.Second)}}, Journal: j, Fetcher: &world{bad: healthy, odd: odd}, Clock: newClock(20)})
	if err := r.Run(t.Context()); !errors.Is(err, errEnd) {
		t.Fatalf("Run: %v", err)
	}
	replays(t, j, "p@1")
	seen := map[string]int{}
	look := func(what, text string) {
		if text == "" {
			return
		}
		seen[what]++
		if class := rules.UnsafeIn(text); class != "" {
			t.Errorf("%s holds %s: %q", what, class, text)
		}
	}
	origin, err := j.Origin(t.Context(), "p@1")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := j.Entries(t.Context(), "p@1", origin.Seq, -1)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range entries {
		for _, rd := range k.Tick.Readings {
			look("detail", rd.Detail)
			look("note", rd.Note)
			look("ref", rd.Ref)
			for _, p := range rd.Parts {
				for _, g := range p.Groups {
					look("group", g.Name)
				}
			}
		}
		text, err := json.Marshal(k.Events)
		if err != nil {
			t.Fatal(err)
		}
		look("events", string(text))
	}
	for _, what := range []string{"detail", "note", "ref", "group", "events"} {
		if seen[what] == 0 {
			t.Errorf("the journal holds no %s: the test proves nothing", what)
		}
	}
}
