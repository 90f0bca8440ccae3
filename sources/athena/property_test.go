package athena_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

type failer interface {
	Errorf(string, ...any)
}

// sound checks what every reading must be.
func sound(t failer, r rules.Reading) {
	if r.Fault > rules.Unavailable || (r.Fault == rules.OK) == (r.Detail != "") || len(r.Detail) > 300 {
		t.Errorf("fault %d with detail %q", r.Fault, r.Detail)
	}
	if (r.Fault == rules.OK) != (len(r.Points) == 1) {
		t.Errorf("fault %d with %d points", r.Fault, len(r.Points))
	}
	if r.SettledUntil != 0 && r.Fault != rules.OK && r.Fault != rules.NoData {
		t.Errorf("fault %d settled until %d", r.Fault, r.SettledUntil)
	}
	for _, p := range r.Parts {
		if p.At != bucket() || r.Fault != rules.OK && r.Fault != rules.NoData {
			t.Errorf("fault %d with parts at %d", r.Fault, p.At)
		}
		total, low, high := 0.0, math.Inf(1), math.Inf(-1)
		for _, g := range p.Groups {
			if !(g.Value >= 0 && g.Value <= g.Samples) || math.IsInf(g.Samples, 0) {
				t.Errorf("group %+v", g)
			}
			total, low, high = total+g.Samples, min(low, g.Value/g.Samples), max(high, g.Value/g.Samples)
		}
		if len(r.Points) == 1 && (r.Points[0].Samples != total || r.Points[0].Value != high-low) {
			t.Errorf("point %+v of groups %+v", r.Points[0], p.Groups)
		}
	}
	if (r.Fault == rules.OK) != (len(r.Points) == 1 && len(r.Parts) == 1) {
		t.Errorf("fault %d with %d points and %d parts", r.Fault, len(r.Points), len(r.Parts))
	}
	for _, p := range r.Points {
		if p.At != bucket() || !(p.Value >= 0 && p.Value <= 1) || !(p.Samples >= 1000) || math.IsInf(p.Samples, 0) {
			t.Errorf("point %+v", p)
		}
	}
}

// Rows drawn from what a lake may hold: a gap comes only of ten deciles, each
// once and whole, and it is then the gap of exactly those rows.
func TestNoRowsWithoutNumbersGiveAPoint(t *testing.T) {
	f := &fake{}
	s, _ := newSource(t, f)
	rapid.Check(t, func(t *rapid.T) {
		odd := []string{"NULL", "", "NaN", "Infinity", "-1", "0", "99", "1e400", "x", "0x10"}
		value := func(good, label string) string {
			if rapid.IntRange(0, 60).Draw(t, label+" is odd") > 0 {
				return good
			}
			return rapid.SampledFrom(odd).Draw(t, label)
		}
		rows := [][]string{header()[:4]}
		var groups []rules.Group
		good, low, high := 0, math.Inf(1), math.Inf(-1)
		seen := map[string]bool{}
		count := rapid.SampledFrom([]int{10, 10, 10, 10, 9, 11, 0}).Draw(t, "rows")
		for i := range count {
			n := rapid.IntRange(100, 5000).Draw(t, "n")
			positives := rapid.IntRange(0, n).Draw(t, "positives")
			row := []string{value(fmt.Sprint(i+1), "decile"), value(fmt.Sprint(n), "n"), value(fmt.Sprint(positives), "positives"), value("2025-06-04 02:30:00.000", "newest")}
			rows = append(rows, row)
			if whole(row) && !seen[row[0]] {
				seen[row[0]] = true
				a, _ := strconv.ParseFloat(row[2], 64)
				b, _ := strconv.ParseFloat(row[1], 64)
				groups = append(groups, groupOf(row))
				good, low, high = good+1, min(low, a/b), max(high, a/b)
			}
		}
		f.mu.Lock()
		f.pages, f.queries = []m{page(shipped[:4], rows...)}, nil
		f.mu.Unlock()
		r := s.Fetch(context.Background(), now(), []sources.Want{want(signal())})[0]
		sound(t, r)
		if ok := good == 10 && count == 10; ok != (r.Fault == rules.OK) {
			t.Fatalf("%d good rows of %d: fault %d %q", good, count, r.Fault, r.Detail)
		}
		if r.Fault == rules.OK && r.Points[0].Value != high-low {
			t.Errorf("gap %v, want %v", r.Points[0].Value, high-low)
		}
		if r.Fault == rules.OK && !slices.Equal(ordered(r.Parts[0].Groups), ordered(groups)) {
			t.Errorf("groups %+v, want %+v", r.Parts[0].Groups, groups)
		}
	})
}

// ordered sorts groups by their names as text.
func ordered(groups []rules.Group) []rules.Group {
	slices.SortFunc(groups, func(a, b rules.Group) int { return strings.Compare(a.Name, b.Name) })
	return groups
}

// whole reports whether a row is one that may count.
func whole(row []string) bool {
	n, errN := strconv.ParseFloat(row[1], 64)
	positives, errP := strconv.ParseFloat(row[2], 64)
	_, errD := strconv.Atoi(row[0])
	return errD == nil && errN == nil && errP == nil && !strings.ContainsAny(row[1]+row[2], "x") &&
		n >= 100 && !math.IsInf(n, 0) && positives >= 0 && positives <= n && strings.HasPrefix(row[3], "2025")
}

// Any bytes, JSON or not, as an answer to any call.
func FuzzAnswer(f *testing.F) {
	f.Add("GetQueryResults", 200, `{"ResultSet":{"Rows":[{"Data":[{"VarCharValue":"1"},null]},null],"ResultSetMetadata":{"ColumnInfo":[null]}}}`)
	f.Add("GetQueryResults", 200, `{"ResultSet":{}}`)
	// The SDK panics on this one.
	f.Add("GetQueryExecution", 200, `{"QueryExecution":{"Status":{"State":"SUCCEEDED","CompletionDateTime":"NaN"}}}`)
	f.Add("GetQueryExecution", 200, `{"QueryExecution":{"Status":null}}`)
	f.Add("StartQueryExecution", 200, `{"QueryExecutionId":7}`)
	f.Add("StartQueryExecution", 400, `{"__type":"TooManyRequestsException"}`)
	f.Add("GetQueryExecution", 503, `<html>`)
	upstream := &fake{pages: []m{page(shipped, ten()...)}}
	s, _ := newSource(f, upstream)
	f.Fuzz(func(t *testing.T, op string, status int, body string) {
		if status < 200 || status > 599 || status == http.StatusNoContent || status == http.StatusNotModified {
			return // not a status with a body
		}
		upstream.mu.Lock()
		upstream.queries = nil
		upstream.before = func(c call) (int, map[string]string, any) {
			if c.Op == op {
				return status, nil, body
			}
			return 0, nil, nil
		}
		upstream.mu.Unlock()
		sound(t, s.Fetch(context.Background(), now(), []sources.Want{want(signal())})[0])
	})
}

// Any text in any cell.
func FuzzRows(f *testing.F) {
	f.Add(3, 0, "NULL")
	f.Add(3, 1, "1e3")
	f.Add(3, 3, "2025-06-04 02:30:00 Europe/Berlin")
	f.Add(3, 3, "2025-06-04 02:30:00 ../../etc/passwd")
	f.Add(0, 0, "decile")
	f.Add(4, 4, "0.121")
	upstream := &fake{}
	s, _ := newSource(f, upstream)
	f.Fuzz(func(t *testing.T, row, column int, value string) {
		rows := ten()
		if row < 0 || row >= len(rows) || column < 0 || column >= len(rows[0]) {
			return
		}
		rows[row][column] = value
		upstream.mu.Lock()
		upstream.pages, upstream.queries = []m{page(shipped, rows...)}, nil
		upstream.mu.Unlock()
		sound(t, s.Fetch(context.Background(), now(), []sources.Want{want(signal())})[0])
	})
}
