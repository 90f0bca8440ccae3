package simulator

import (
	"math"
	"strconv"
	"time"
)

// decile is one row of the bias query: predictions and positives of an age group.
type decile struct {
	n, positives float64
}

// decileShape is each decile's rate between the lowest (0) and the highest (1).
var decileShape = [10]float64{0.45, 0.6, 0.3, 1, 0.7, 0.5, 0.35, 0, 0.4, 0.55}

// deciles are the rows at a time. The gap between the rates is the level
// bias.gap, up to the rounding to whole numbers.
func (s *Simulator) deciles(now time.Time) [10]decile {
	newest := s.newestPrediction(now)
	gap, rate := s.world.level("bias.gap", newest), s.world.level("bias.rate", newest)
	hours := max(0, s.world.offset(newest).Hours())
	var out [10]decile
	for i := range out {
		n := math.Floor(s.world.level("bias.n", newest) * (1 + hours/10))
		share := min(1, max(0, rate+gap*(decileShape[i]-0.5)))
		out[i] = decile{n, math.Round(n * share)}
	}
	return out
}

// newestPrediction is the release's newest event in the lake at a time, Unix seconds. It stops
// when the release gets no requests any more: what it has predicted stays as it is.
func (s *Simulator) newestPrediction(now time.Time) int64 {
	newest := s.newestEvent(now)
	if at, gone := s.world.revertedSince(newest); gone {
		newest = floorTo(at, 60)
	}
	return newest
}

// newestEvent is the newest event in the lake at a time, Unix seconds. It lags, and it stops
// when the upstream goes silent.
func (s *Simulator) newestEvent(now time.Time) int64 {
	w := s.world
	newest := floorTo(now.Unix()-seconds(w.delay("athena").After.D), 60)
	newest -= seconds(w.lateness("athena", newest/60))
	for i := 0; i < 7*1440 && w.silent("athena", newest); i++ {
		newest -= 60
	}
	return newest
}

func biasColumns() []map[string]any {
	return []map[string]any{
		column("decile", "integer", 10), column("n", "bigint", 19), column("positives", "bigint", 19),
		column("newest", "timestamp", 3), column("kpi", "double", 17),
	}
}

// biasRows is the result of a query with its header: whatever the SQL, the rows
// of bias by age decile.
func (s *Simulator) biasRows(q *athenaQuery) []row {
	source := q
	if q.reusedOf != nil {
		source = q.reusedOf
	}
	rows := []row{textRow("decile", "n", "positives", "newest", "kpi")}
	ds := s.deciles(source.started)
	lo, hi := 1.0, 0.0
	for _, d := range ds {
		if d.n > 0 {
			lo, hi = min(lo, d.positives/d.n), max(hi, d.positives/d.n)
		}
	}
	newest := time.Unix(s.newestPrediction(source.started), 0).UTC().Format("2006-01-02 15:04:05.000")
	for i, d := range ds {
		if s.partial("athena", "GetQueryResults") && i%3 == 2 {
			continue // a partition that was not registered: its groups are missing
		}
		r := textRow(strconv.Itoa(i+1), whole(d.n), whole(d.positives), newest, strconv.FormatFloat(hi-lo, 'g', -1, 64))
		if hi < lo {
			r.Data[4] = datum{} // NULL
		}
		rows = append(rows, r)
	}
	return rows
}

func whole(f float64) string { return strconv.FormatFloat(f, 'f', 0, 64) }
