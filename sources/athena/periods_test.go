package athena_test

import (
	"context"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/athena/kind"
)

// byPeriod is a signal whose SQL gives a row for each hour.
func byPeriod(of rules.Kind) *rules.Signal {
	s := signal()
	s.Kind, s.Settle = of, 15*time.Minute
	s.Query = rules.Query{Ask: &kind.Query{SQL: "SELECT 1", Database: "d", Rows: kind.Periods}}
	return s
}

// hours asks for the three hours before now and the one that has not ended.
func hours(s *rules.Signal) sources.Want {
	return sources.Want{Run: "p", Index: 5, Signal: s, From: bucket() - 2*3600, To: bucket() + 2*3600}
}

var (
	counts = []string{"period timestamp", "bad bigint", "total bigint"}
	levels = []string{"period timestamp", "value double", "samples bigint"}
)

func hour(h string) string { return "2025-06-04 " + h + ":00:00.000" }

// A row is a point: of a ratio its counts, of a gauge its level.
func TestPeriods(t *testing.T) {
	for _, tt := range []struct {
		name    string
		kind    rules.Kind
		columns []string
		rows    [][]string
		want    []rules.Point // At is in hours
		note    string
		fault   rules.Fault
		detail  string
	}{
		{name: "counts, in any order, and what was not asked for", kind: rules.Ratio, columns: counts,
			rows: [][]string{{"period", "bad", "total"}, {hour("02"), "3", "100"}, {hour("00"), "1", "90"}, {"2025-06-03 20:00:00", "9", "9"}, {hour("03"), "4", "5"}},
			want: []rules.Point{{At: 0, Value: 1, Samples: 90}, {At: 2, Value: 3, Samples: 100}}},
		{name: "levels", kind: rules.Gauge, columns: levels,
			rows: [][]string{{hour("01"), "-2.5", "7"}, {hour("02"), "1e-3", "8"}},
			want: []rules.Point{{At: 1, Value: -2.5, Samples: 7}, {At: 2, Value: 0.001, Samples: 8}}},
		{name: "levels alone", kind: rules.Gauge, columns: []string{"value real", "other varchar", "period date"},
			rows: [][]string{{"7", "x", "2025-06-04"}}, want: []rules.Point{{At: 0, Value: 7, Samples: 1}}},
		{name: "what is not known", kind: rules.Ratio, columns: counts,
			rows: [][]string{{hour("00"), "NULL", "90"}, {hour("01"), "0", "0"}, {hour("02"), "3", "100"}},
			want: []rules.Point{{At: 2, Value: 3, Samples: 100}}, note: "2 of 3 rows have a NULL, a NaN or no samples: left out"},
		{name: "quotients by zero", kind: rules.Gauge, columns: levels,
			rows: [][]string{{hour("01"), "NaN", "7"}, {hour("02"), "Infinity", "8"}}, fault: rules.NoData, detail: "each of 2 rows has a NULL, a NaN or no samples"},
		{name: "no rows", kind: rules.Ratio, columns: counts, fault: rules.NoData, detail: "the SQL gives no rows"},
		{name: "old rows", kind: rules.Ratio, columns: counts, rows: [][]string{{"2025-06-03 20:00:00", "9", "9"}},
			fault: rules.NoData, detail: "no row of the periods from 2025-06-04T00:00:00Z on: the newest of 1 rows is of 2025-06-03T20:00:00Z"},
		{name: "a row too many", kind: rules.Ratio, columns: counts, rows: [][]string{{hour("01"), "1", "2"}, {hour("01"), "1", "2"}},
			fault: rules.ConfigFault, detail: "period 2025-06-04T01:00:00Z is there twice"},
		{name: "minutes", kind: rules.Ratio, columns: counts, rows: [][]string{{"2025-06-04 01:30:00", "1", "2"}},
			fault: rules.ConfigFault, detail: "period 2025-06-04T01:30:00Z does not begin a period of 1h: round it with date_trunc"},
		{name: "fractions", kind: rules.Ratio, columns: counts, rows: [][]string{{"2025-06-04 01:00:00.5", "1", "2"}},
			fault: rules.ConfigFault, detail: "is within a second"},
		{name: "no time", kind: rules.Ratio, columns: counts, rows: [][]string{{"NULL", "1", "2"}}, fault: rules.ConfigFault, detail: "period: NULL"},
		{name: "more bad ones than all", kind: rules.Ratio, columns: counts, rows: [][]string{{hour("01"), "3", "2"}},
			fault: rules.ConfigFault, detail: "period 2025-06-04T01:00:00Z: bad is 3 of total 2"},
		{name: "less than nothing", kind: rules.Ratio, columns: counts, rows: [][]string{{hour("01"), "-3", "2"}}, fault: rules.ConfigFault, detail: "bad is -3 of total 2"},
		{name: "less than no samples", kind: rules.Gauge, columns: levels, rows: [][]string{{hour("01"), "3", "-2"}}, fault: rules.ConfigFault, detail: "value is 3 of samples -2"},
		{name: "a word", kind: rules.Gauge, columns: levels, rows: [][]string{{hour("01"), "many", "2"}}, fault: rules.ConfigFault, detail: `"many" is not a number`},
		{name: "no column", kind: rules.Ratio, columns: levels, fault: rules.ConfigFault, detail: `the SQL gives no column "bad" (it gives period, value, samples)`},
		{name: "a column of words", kind: rules.Gauge, columns: []string{"period varchar", "value double"}, fault: rules.ConfigFault, detail: `column "period" is a varchar`},
		{name: "a kind that has no rows", kind: rules.Mean, columns: levels, fault: rules.ConfigFault, detail: "rows of periods are a ratio or a gauge, not a mean"},
	} {
		f := &fake{pages: []m{page(tt.columns, tt.rows...)}}
		s, _ := newSource(t, f)
		r := fetchOne(t, s, hours(byPeriod(tt.kind)))
		for i := range tt.want {
			tt.want[i].At = bucket() + 3600*(tt.want[i].At-2)
		}
		if diff := cmp.Diff(tt.want, r.Points); diff != "" || r.Fault != tt.fault || !strings.Contains(r.Detail, tt.detail) || r.Note != tt.note {
			t.Errorf("%s: fault %v %q, note %q: %s", tt.name, r.Fault, r.Detail, r.Note, diff)
		}
		settled := bucket() // at 03:00:20 the hour from two on may still grow
		if r.Fault == rules.ConfigFault {
			settled = 0
		}
		if r.SettledUntil != settled {
			t.Errorf("%s: settled until %d, want %d", tt.name, r.SettledUntil, settled)
		}
	}
}

// An answer tells of the time when its query began, less the age that a reused result may
// have, and not of the time when it was read.
func TestPeriodsAreAsOldAsTheirQuery(t *testing.T) {
	clock := func(h, m int) time.Time { return time.Date(2025, 6, 4, h, m, 0, 0, time.UTC) }
	for _, tt := range []struct {
		name    string
		began   time.Time // zero: Athena does not say
		reuse   time.Duration
		reused  bool
		points  int
		settled time.Time
	}{
		{name: "a query that began now", began: clock(3, 40), points: 3, settled: clock(3, 0)},
		{name: "one that was found again in its slot", began: clock(3, 10), points: 3, settled: clock(2, 0)},
		{name: "one that does not say when it began", points: 3, settled: clock(2, 0)},
		{name: "a clock that is ahead", began: clock(4, 40), points: 3, settled: clock(3, 0)},
		{name: "reuse that was allowed and not needed", began: clock(3, 40), reuse: time.Hour, points: 3, settled: clock(3, 0)},
		{name: "a reused result", began: clock(3, 40), reuse: 30 * time.Minute, reused: true, points: 3, settled: clock(2, 0)},
		{name: "a reused result from before the hour ended", began: clock(3, 40), reuse: time.Hour, reused: true, points: 2, settled: clock(2, 0)},
	} {
		status := m{"State": "SUCCEEDED"}
		if !tt.began.IsZero() {
			status["SubmissionDateTime"] = tt.began.Unix()
		}
		f := &fake{pages: []m{page(counts, []string{"period", "bad", "total"}, []string{hour("00"), "1", "9"}, []string{hour("01"), "1", "9"}, []string{hour("02"), "1", "9"})},
			reused: tt.reused, state: func(string, int) m { return status }}
		s, _ := newSource(t, f)
		sig := byPeriod(rules.Ratio)
		kind.Of(sig.Query).Reuse.Duration = tt.reuse
		r := s.Fetch(t.Context(), clock(3, 40), []sources.Want{hours(sig)})[0]
		if len(r.Points) != tt.points || r.SettledUntil != tt.settled.Unix() || r.Fault != rules.OK {
			t.Errorf("%s: fault %v %q, %d points settled until %s, want %d until %s", tt.name, r.Fault, r.Detail, len(r.Points), time.Unix(r.SettledUntil, 0).UTC(), tt.points, tt.settled)
		}
		w := hours(sig)
		w.From = bucket()
		if tt.points == 2 {
			const want = "no period from 2025-06-04T02:00:00Z on had ended when the answer was made, 2025-06-04T02:40:00Z"
			if r = s.Fetch(t.Context(), clock(3, 40), []sources.Want{w})[0]; r.Fault != rules.NoData || r.Detail != want {
				t.Errorf("%s: fault %v %q, want %q", tt.name, r.Fault, r.Detail, want)
			}
		}
	}
}

// The manual's SQL, and one of a level, against the simulator.
func TestPeriodsOfTheSimulator(t *testing.T) {
	text, err := os.ReadFile("../../docs/aws.md")
	if err != nil {
		t.Fatal(err)
	}
	_, sql, _ := strings.Cut(string(text), "```sql\n")
	sql, _, _ = strings.Cut(sql, "```")
	at := launch.Add(26*time.Hour + 20*time.Minute)
	ratio, level := byPeriod(rules.Ratio), byPeriod(rules.Gauge)
	for s, q := range map[*rules.Signal]string{ratio: sql, level: "SELECT date_trunc('hour', t) AS period, avg(bad) AS value, count(*) AS samples FROM x WHERE v = ? GROUP BY 1"} {
		*kind.Of(s.Query) = kind.Query{SQL: q, Parameters: []string{"'1.0.0'"}, Database: "shop", Workgroup: "relgate", Rows: kind.Periods}
	}
	s, sim := simulated(t, "healthy", at, nil)
	var wants []sources.Want
	for _, sig := range []*rules.Signal{ratio, level} {
		wants = append(wants, sources.Want{Run: "p", Signal: sig, From: at.Add(-10 * time.Hour).Truncate(time.Hour).Unix(), To: at.Unix()})
	}
	got := s.Fetch(t.Context(), at, wants)
	for i, r := range got {
		if r.Fault != rules.OK || len(r.Points) != 10 || r.SettledUntil != at.Truncate(time.Hour).Unix() {
			t.Fatalf("reading %d: fault %v %q, %d points, settled until %d", i, r.Fault, r.Detail, len(r.Points), r.SettledUntil)
		}
	}
	for i, p := range got[0].Points {
		if q := got[1].Points[i]; p.Samples < 1000 || q.At != p.At || q.Samples != p.Samples || math.Abs(q.Value-p.Value/p.Samples) > 1e-12 {
			t.Errorf("%+v as a ratio, %+v as a level", p, q)
		}
	}
	if n := sim.Stats().Queries; n != 2 || s.Stats().Billed != 2 {
		t.Errorf("%d queries ran, %d billed", n, s.Stats().Billed)
	}
}

// Any text in any cell.
func FuzzPeriods(f *testing.F) {
	f.Add(true, 1, 1, "NULL")
	f.Add(true, 1, 2, "1e400")
	f.Add(false, 1, 0, "2025-06-04 02:00:00 Europe/Berlin")
	f.Add(false, 0, 0, "period")
	f.Add(false, 1, 1, "-Infinity")
	upstream := &fake{}
	s, _ := newSource(f, upstream)
	f.Fuzz(func(t *testing.T, ratio bool, row, column int, value string) {
		rows, columns, of := [][]string{{hour("01"), "1", "100"}, {hour("02"), "2", "100"}}, levels, rules.Gauge
		if ratio {
			columns, of = counts, rules.Ratio
		}
		if row < 0 || row >= len(rows) || column < 0 || column >= len(columns) {
			return
		}
		rows[row][column] = value
		upstream.mu.Lock()
		upstream.pages, upstream.queries = []m{page(columns, rows...)}, nil
		upstream.mu.Unlock()
		w := hours(byPeriod(of))
		soundPeriods(t, w, s.Fetch(context.Background(), now(), []sources.Want{w})[0])
	})
}

// soundPeriods checks what every reading of periods must be.
func soundPeriods(t failer, w sources.Want, r rules.Reading) {
	if r.Fault > rules.Unavailable || (r.Fault == rules.OK) == (r.Detail != "") || len(r.Detail) > 300 || (r.Fault == rules.OK) != (len(r.Points) > 0) {
		t.Errorf("fault %d with detail %q and %d points", r.Fault, r.Detail, len(r.Points))
	}
	last := int64(math.MinInt64)
	for _, p := range r.Points {
		if p.At <= last || p.At%3600 != 0 || p.At < w.From || p.At >= w.To || p.At+3600 > now().Unix() {
			t.Errorf("point at %s", strconv.FormatInt(p.At, 10))
		}
		if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) || !(p.Samples > 0) || math.IsInf(p.Samples, 0) || w.Signal.Kind == rules.Ratio && (p.Value < 0 || p.Value > p.Samples) {
			t.Errorf("point %+v", p)
		}
		last = p.At
	}
}
