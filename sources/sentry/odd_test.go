package sentry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/sentry"
)

// sound is an answer about the minutes 11:57 and 11:58 and 11:59; each row of
// the test spoils it in one place.
const sound = `{"start":"2025-06-04T11:57:00Z","end":"2025-06-04T12:00:00Z","query":"",
 "intervals":["2025-06-04T11:57:00Z","2025-06-04T11:58:00Z","2025-06-04T11:59:00Z"],
 "groups":[{"by":{"session.status":"healthy"},"totals":{"sum(session)":30},"series":{"sum(session)":[10,10,10]}},
           {"by":{"session.status":"errored"},"series":{"sum(session)":[0,0,0]}},{"by":{"session.status":"abnormal"},"series":{"sum(session)":[0,0,0]}},
           {"by":{"session.status":"crashed"},"totals":{"sum(session)":3},"series":{"sum(session)":[1,1,1]}}]}`

func TestAnswersThatContradictThemselves(t *testing.T) {
	tests := []struct {
		name     string
		old, new string
		fault    rules.Fault
	}{
		{"nothing is wrong", "", "", rules.OK},
		{"an unknown field", `"query":""`, `"query":"","x":{}`, rules.OK},
		{"totals that are a little newer", `"sum(session)":30`, `"sum(session)":31`, rules.OK},
		{"no totals", `"totals":{"sum(session)":30},`, ``, rules.OK},
		{"null totals", `"sum(session)":30`, `"sum(session)":null`, rules.OK},
		{"totals far above the series", `"sum(session)":30`, `"sum(session)":3000`, rules.PartialData},
		{"no series", `"series":{"sum(session)":[10,10,10]}`, `"series":{}`, rules.PartialData},
		{"series left out", `,"series":{"sum(session)":[10,10,10]}`, ``, rules.PartialData},
		{"a series too short", `[10,10,10]`, `[10,10]`, rules.PartialData},
		{"a series too long", `[10,10,10]`, `[10,10,10,10]`, rules.PartialData},
		{"a negative count", `[10,10,10]`, `[10,-1,10]`, rules.PartialData},
		{"a count in words", `[10,10,10]`, `[10,"NaN",10]`, rules.Unavailable},
		{"a bare NaN", `[10,10,10]`, `[10,NaN,10]`, rules.Unavailable},
		{"a count that is infinite", `[10,10,10]`, `[10,1e999,10]`, rules.Unavailable},
		{"a status twice", `"crashed"`, `"healthy"`, rules.PartialData},
		{"a status is missing", `{"by":{"session.status":"errored"},"series":{"sum(session)":[0,0,0]}},`, ``, rules.PartialData},
		{"an unknown status", `"crashed"`, `"crashed_badly"`, rules.PartialData},
		{"a status that is a number", `"crashed"`, `7`, rules.PartialData},
		{"groups without status", `"by":{"session.status":"crashed"}`, `"by":{}`, rules.PartialData},
		{"no groups member", `"groups":[`, `"grps":[`, rules.PartialData},
		{"groups null", `"groups":[`, `"groups":null,"g":[`, rules.NoData},
		{"all series left out, and totals", `"groups":[`, `"groups":[{"by":{"session.status":"healthy"},"totals":{"sum(session)":30}}],"g":[`, rules.PartialData},
		{"groups with empty series", `"groups":[`, `"groups":[{"by":{"session.status":"healthy"},"totals":{"sum(session)":0},"series":{"sum(session)":[]}},{"by":{},"series":{}}],"g":[`, rules.NoData},
		{"no groups and no intervals", `"intervals":[`, `"groups":[],"intervals":[],"i":[`, rules.PartialData},
		{"groups empty", `"groups":[`, `"groups":[],"g":[`, rules.NoData},
		{"no intervals", `"intervals":[`, `"intervals":[],"i":[`, rules.PartialData},
		{"uneven intervals", `"2025-06-04T11:59:00Z"]`, `"2025-06-04T11:59:30Z"]`, rules.PartialData},
		{"intervals backwards", `"2025-06-04T11:58:00Z",`, `"2025-06-04T11:56:00Z",`, rules.PartialData},
		{"no start", `"start":"2025-06-04T11:57:00Z",`, ``, rules.PartialData},
		{"a start that is not a time", `"start":"2025-06-04T11:57:00Z"`, `"start":"now"`, rules.Unavailable},
		{"an end before the intervals", `"end":"2025-06-04T12:00:00Z"`, `"end":"2025-06-04T11:00:00Z"`, rules.PartialData},
		{"another stretch of time", `2025-06-04T11`, `2025-06-04T15`, rules.PartialData},
		{"a list", `{"start"`, `[{"start"`, rules.Unavailable},
	}
	for _, tt := range tests {
		body := strings.ReplaceAll(sound, tt.old, tt.new)
		if tt.old == "" {
			body = sound
		} else if body == sound {
			t.Errorf("%s: the row spoils nothing", tt.name)
		}
		f := newFake(t, func(w http.ResponseWriter, _ url.Values) { fmt.Fprint(w, body) })
		got := f.source(t).Fetch(t.Context(), noon, []sources.Want{want(0, 3)})[0]
		if got.Fault != tt.fault {
			t.Errorf("%s: got %q %q, want %q", tt.name, got.Fault, got.Detail, tt.fault)
		}
		if tt.fault == rules.OK && (len(got.Points) != 3 || got.SettledUntil != noon.Unix()-120) ||
			tt.fault != rules.OK && (len(got.Points) != 0 || got.SettledUntil != 0) {
			t.Errorf("%s: got %+v, want points and a watermark exactly when all is well", tt.name, got)
		}
	}
}

// Whatever Sentry answers, there is one reading a want, its points are in the
// answer, and it has a watermark only if nothing was wrong.
func TestOddAnswersNeverBecomePoints(t *testing.T) {
	f := newFake(t, nil)
	source := f.source(t)
	values := rapid.SampledFrom([]any{0, 1, 5, 100, 7, 12, 0.5, 1, 2, 3, 4, 50, 60, 70, 80, 90, 1e18, -1, nil, "NaN", "12", true})
	rapid.Check(t, func(t *rapid.T) {
		minutes := rapid.IntRange(1, 4).Draw(t, "minutes")
		status := rapid.SampledFrom([]string{"healthy", "crashed", "errored", "abnormal", "unhandled", "new", ""})
		groups, all, crashed := []any{}, make([]float64, minutes), make([]float64, minutes)
		for i := range rapid.IntRange(0, 5).Draw(t, "groups") {
			name := []string{"healthy", "crashed", "errored", "abnormal", "unhandled"}[i]
			if rapid.IntRange(0, 5).Draw(t, "odd status") == 0 {
				name = status.Draw(t, "status")
			}
			row := []any{}
			for i := range rapid.SampledFrom([]int{minutes, minutes, minutes, minutes - 1}).Draw(t, "length") {
				v := values.Draw(t, "value")
				row = append(row, v)
				n := 0.0
				switch v := v.(type) {
				case int:
					n = float64(v)
				case float64:
					n = v
				}
				all[i] += n
				if name == "crashed" {
					crashed[i] += n
				}
			}
			groups = append(groups, map[string]any{"by": map[string]any{"session.status": name}, "series": map[string]any{"sum(session)": row}})
		}
		code := rapid.SampledFrom([]int{200, 200, 200, 200, 204, 301, 400, 401, 403, 404, 429, 500, 503}).Draw(t, "code")
		cut := rapid.SampledFrom([]int{0, 0, 0, 1, 20, 90}).Draw(t, "cut")
		f.answer = func(w http.ResponseWriter, q url.Values) {
			var at []string
			for u := unix(q.Get("start")); u < unix(q.Get("end")); u += 60 {
				at = append(at, time.Unix(u, 0).UTC().Format(time.RFC3339))
			}
			b, _ := json.Marshal(map[string]any{"start": q.Get("start"), "end": q.Get("end"), "intervals": at, "groups": groups})
			w.WriteHeader(code)
			_, _ = w.Write(b[:max(0, len(b)-cut)])
		}
		w := want(5, int64(minutes))
		w.Signal.Settle = 0
		got := source.Fetch(context.Background(), noon, []sources.Want{w})
		if len(got) != 1 || got[0].Signal != 5 || got[0].From != w.From || got[0].To != w.To {
			t.Fatalf("got %+v, want one reading of signal 5", got)
		}
		r := got[0]
		if r.Fault != rules.OK && r.SettledUntil != 0 || r.Fault == rules.OK && len(r.Points) == 0 || (code != 200 || cut > 0) && r.Fault == rules.OK {
			t.Fatalf("got %+v of code %d cut by %d", r, code, cut)
		}
		for _, p := range r.Points {
			if i := (p.At - w.From) / 60; p.Samples != all[i] || p.Value != crashed[i] || p.Samples <= 0 {
				t.Fatalf("point %+v, but Sentry said %v crashed of %v", p, crashed[i], all[i])
			}
		}
	})
}

var _ sources.Source = (*sentry.Source)(nil)
var _ sources.Metered = (*sentry.Source)(nil)
