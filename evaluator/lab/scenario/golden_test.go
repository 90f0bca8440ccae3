package scenario_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relgate/relgate/evaluator/lab/scenario"
)

var update = flag.Bool("update", false, "rewrite the events and verdicts of the golden scenarios; read what changed")

// The evaluator's golden scenarios hold, and what the evaluator did in them,
// written down tick by tick, holds as a scenario too.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("../../testdata/scenario/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d golden scenarios, %v; want at least 20", len(files), err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			r := run(t, path, data)
			if *update {
				if data, err = scenario.Update(data, r); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, data, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			for _, d := range r.Differences {
				t.Error(d)
			}
			if !strings.Contains(string(data), "-- events --") && !strings.Contains(string(data), "-- verdicts --") && !strings.Contains(string(data), "-- datapoints --") {
				t.Error("it expects nothing")
			}
			if r.Plan == nil {
				return // nothing was run that could be written
			}
			written, err := scenario.Write(r.Plan, r.Ticks, r.Events)
			if err != nil {
				t.Fatal(err)
			}
			again := run(t, "written.txtar", written)
			for _, d := range again.Differences {
				t.Errorf("written and run again: %v", d)
			}
			if len(again.Events) != len(r.Events) {
				t.Errorf("written and run again it has %d events, want %d", len(again.Events), len(r.Events))
			}
		})
	}
}

func run(t testing.TB, name string, data []byte) scenario.Result {
	t.Helper()
	f, err := scenario.Parse(name, data)
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Run(compile)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
