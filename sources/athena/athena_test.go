package athena_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/rules"
)

func TestGap(t *testing.T) {
	f := &fake{pages: []m{page(shipped, ten()...)}, bytes: 12_000_000}
	s, p := newSource(t, f)
	got := fetchOne(t, s, want(signal()))
	w := rules.Reading{
		Signal: 5, From: bucket() - 3600, To: bucket() + 3600,
		Points:       []rules.Point{{At: bucket(), Value: 0.431 - 0.31, Samples: 10000}},
		Parts:        []rules.Parts{{At: bucket(), Groups: tenGroups()}},
		SettledUntil: bucket() + 3600,
		Note:         "decile 3: 31.0 % of 1,000; decile 9: 43.1 % of 1,000",
		Ref:          "query-1",
	}
	if diff := cmp.Diff(w, got); diff != "" {
		t.Errorf("reading (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]time.Duration{500 * time.Millisecond}, p.slept); diff != "" {
		t.Errorf("paused (-want +got):\n%s", diff)
	}
	if st := s.Stats(); st.BytesScanned != 12_000_000 || st.Billed != 1 || st.Requests != 3 || st.Retries != 0 {
		t.Errorf("stats %+v, want 12 MB of one query in three requests", st)
	}
	start := f.seen("StartQueryExecution")[0]
	if start.QueryString != "SELECT 1" || len(start.ExecutionParameters) != 1 || start.ExecutionParameters[0] != "'1.0.0'" ||
		start.QueryExecutionContext.Database != "bioage" || start.WorkGroup != "relgate" || len(start.ClientRequestToken) != 64 {
		t.Errorf("started with %+v", start)
	}
}
