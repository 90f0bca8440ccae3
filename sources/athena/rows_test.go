package athena_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/rules"
)

// edit changes the good ten rows.
func edit(f func(rows [][]string) [][]string) []m { return []m{page(shipped, f(ten())...)} }

func set(row, column int, value string) []m {
	return edit(func(rows [][]string) [][]string {
		rows[row][column] = value
		return rows
	})
}

// What a result may hold, and what it means. Rows are counted with the header.
func TestRows(t *testing.T) {
	rename := func(i int, column string) []m {
		columns := append([]string(nil), shipped...)
		columns[i] = column
		rows := ten()
		rows[0][i], _, _ = strings.Cut(column, " ")
		return []m{page(columns, rows...)}
	}
	all := func(column int, value string) []m {
		return edit(func(rows [][]string) [][]string {
			for _, r := range rows[1:] {
				r[column] = value
			}
			return rows
		})
	}
	tests := []struct {
		name   string
		pages  []m
		fault  rules.Fault
		detail string
	}{
		{"as it should be", []m{page(shipped, ten()...)}, rules.OK, ""},
		{"in two pages, the header on the first only", []m{page(shipped, ten()[:6]...), page(shipped, ten()[6:]...)}, rules.OK, ""},
		{"a header on the second page too is a broken row", []m{page(shipped, ten()[:6]...), page(shipped, append([][]string{header()}, ten()[6:]...)...)}, rules.NoData, "decile decile"},
		{"without a header", []m{page(shipped, ten()[1:]...)}, rules.OK, ""},
		{"the header alone", []m{page(shipped, header())}, rules.NoData, "0 of 10 groups; decile 1 is missing"},
		{"no rows at all", []m{page(shipped)}, rules.NoData, "0 of 10 groups"},
		{"an empty result", []m{{}}, rules.ConfigFault, `no column "decile"`},
		{"a decile less", edit(func(r [][]string) [][]string { return append(r[:4], r[5:]...) }), rules.NoData, "9 of 10 groups; decile 4 is missing"},
		{"a decile more", edit(func(r [][]string) [][]string { return append(r, decile(11, 1000, 350, "0.121")) }), rules.NoData, "decile 11 is not expected"},
		{"a decile twice", edit(func(r [][]string) [][]string { return append(r[:10], decile(3, 1000, 350, "0.121")) }), rules.NoData, "decile 3 is there twice"},
		{"a decile without samples", edit(func(r [][]string) [][]string {
			r[7] = []string{"7", "0", "0", "NULL", "NULL"}
			return r
		}), rules.NoData, "decile 7 has no samples"},
		{"a decile with too few", edit(func(r [][]string) [][]string {
			r[7] = decile(7, 99, 35, "0.121")
			return r
		}), rules.NoData, "decile 7 has 99 samples, needs 100"},
		{"the decile is NULL", set(2, 0, "NULL"), rules.NoData, "no decile"},
		{"the decile is no number", set(2, 0, "NaN"), rules.NoData, "decile NaN: not a whole number"},
		{"the decile is empty", set(2, 0, ""), rules.NoData, "no decile"},
		{"n is NULL", set(2, 1, "NULL"), rules.NoData, "decile 2: n: NULL"},
		{"positives are NULL", set(2, 2, "NULL"), rules.NoData, "decile 2: positives: NULL"},
		{"positives are NaN", set(2, 2, "NaN"), rules.NoData, "decile 2: positives"},
		{"n is infinite", set(2, 1, "Infinity"), rules.NoData, "decile 2: n"},
		{"n is no number", set(2, 1, "many"), rules.NoData, `decile 2: n: "many"`},
		{"n is hexadecimal", set(2, 1, "0x400"), rules.NoData, "decile 2"},
		{"fewer than none", set(2, 2, "-1"), rules.NoData, "decile 2 has -1 positives"},
		{"more positives than samples", set(2, 2, "1001"), rules.NoData, "decile 2 has 1001 positives"},
		{"newest is NULL", set(2, 3, "NULL"), rules.NoData, "decile 2: newest: NULL"},
		{"newest is no time", set(2, 3, "yesterday"), rules.NoData, "decile 2: newest"},
		{"kpi is NULL", set(2, 4, "NULL"), rules.NoData, "decile 2: kpi: NULL"},
		{"kpi is NaN", set(2, 4, "NaN"), rules.NoData, "decile 2: kpi"},
		{"kpi says otherwise", all(4, "0.05"), rules.ConfigFault, "the SQL's kpi is 0.05"},
		{"kpi is rounded", all(4, "0.1210000001"), rules.OK, ""},
		{"all old", all(3, "2025-06-04 00:59:59.000"), rules.StaleData, "newest event at 2025-06-04T00:59:59Z, 2h0m21s old"},
		{"one old", set(2, 3, "2025-06-03 00:00:00.000"), rules.OK, ""},
		{"just young enough", all(3, "2025-06-04 01:00:20.000"), rules.OK, ""},
		{"from the future", all(3, "2025-06-04 05:00:00.000"), rules.ConfigFault, "in UTC?"},
		{"a column in upper case", rename(0, "DECILE integer"), rules.OK, ""},
		{"no decile column", rename(0, "bucket integer"), rules.ConfigFault, `no column "decile"`},
		{"no newest column", rename(3, "latest timestamp"), rules.ConfigFault, `no column "newest"`},
		{"no kpi column", rename(4, "gap double"), rules.OK, ""},
		{"two columns n", rename(4, "n double"), rules.ConfigFault, `two columns "n"`},
		{"n is text", rename(1, "n varchar"), rules.ConfigFault, `column "n" is a varchar`},
		{"decile is a double", rename(0, "decile double"), rules.ConfigFault, `column "decile" is a double`},
		{"newest is text", rename(3, "newest varchar"), rules.ConfigFault, `column "newest" is a varchar`},
		{"kpi is text", rename(4, "kpi varchar"), rules.ConfigFault, `column "kpi"`},
		{"positives are a decimal", rename(2, "positives decimal(18,2)"), rules.OK, ""},
		{"newest has a precision and a zone", rename(3, "newest timestamp(3) with time zone"), rules.OK, ""},
		{"decile is text", rename(0, "decile varchar(2)"), rules.OK, ""},
		{"a short row", edit(func(r [][]string) [][]string { r[5] = r[5][:2]; return r }), rules.NoData, "decile 5: positives: NULL"},
		{"a long row", edit(func(r [][]string) [][]string { r[5] = append(r[5], "1"); return r }), rules.NoData, "6 values for 5 columns"},
		{"newest with UTC behind it", all(3, "2025-06-04 02:30:00.000 UTC"), rules.OK, ""},
		{"newest with a zone behind it", all(3, "2025-06-04 04:30:00.000 Europe/Berlin"), rules.OK, ""},
		{"newest with an offset", all(3, "2025-06-04 04:30:00.000 +02:00"), rules.OK, ""},
		{"newest as a date, long past", all(3, "2025-06-03"), rules.StaleData, "27h0m20s old"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := newSource(t, &fake{pages: tt.pages})
			got := fetchOne(t, s, want(signal()))
			if got.Fault != tt.fault || !strings.Contains(got.Detail, tt.detail) {
				t.Errorf("fault %d %q, want %d with %q", got.Fault, got.Detail, tt.fault, tt.detail)
			}
			if ok := tt.fault == rules.OK; ok != (len(got.Points) == 1) || ok && got.Points[0].Value != 0.431-0.31 {
				t.Errorf("points %+v", got.Points)
			}
			if settled := got.SettledUntil != 0; settled != (tt.fault == rules.OK || tt.fault == rules.NoData) {
				t.Errorf("fault %d: settled until %d", got.Fault, got.SettledUntil)
			}
		})
	}
}

// A group that is too small for a gap is reported, not hidden: no point, so that
// no threshold is judged by it, but the counts of all groups.
func TestSmallGroupsAreReported(t *testing.T) {
	empty := []string{"7", "0", "0", "NULL", "NULL"}
	nulls := func(r [][]string) [][]string { // as the shipped SQL writes it
		r[7] = empty
		for _, row := range r[1:] {
			row[4] = "NULL"
		}
		return r
	}
	old := "2025-06-01 00:00:00.000"
	tests := []struct {
		name   string
		pages  []m
		detail string
		seven  rules.Group
		parts  int
	}{
		{"fewer than min_group", edit(func(r [][]string) [][]string {
			r[7] = decile(7, 99, 35, "0.121")
			return r
		}), "decile 7 has 99 samples, needs 100", rules.Group{Name: "7", Value: 35, Samples: 99}, 1},
		{"none", edit(nulls), "decile 7 has no samples", rules.Group{Name: "7"}, 1},
		{"none, and the rest is old", edit(func(r [][]string) [][]string {
			for _, row := range nulls(r)[1:] {
				if row[0] != "7" {
					row[3] = old
				}
			}
			return r
		}), "decile 7 has no samples", rules.Group{}, 0},
		{"none in any", edit(func(r [][]string) [][]string {
			for i := range r[1:] {
				r[i+1] = []string{fmt.Sprint(i + 1), "0", "0", "NULL", "NULL"}
			}
			return r
		}), "decile 1 has no samples", rules.Group{}, 0},
		{"one is missing", edit(func(r [][]string) [][]string { return append(r[:4], r[5:]...) }), "decile 4 is missing", rules.Group{}, 0},
		{"one has more positives than samples", set(7, 1, "349"), "decile 7 has 350 positives of 349", rules.Group{}, 0},
		{"fewer than none", edit(func(r [][]string) [][]string {
			r[7] = []string{"7", "-1", "-1", "NULL", "NULL"}
			return r
		}), "decile 7", rules.Group{}, 0},
	}
	for _, tt := range tests {
		s, _ := newSource(t, &fake{pages: tt.pages})
		got := fetchOne(t, s, want(signal()))
		sound(t, got)
		if got.Fault != rules.NoData || !strings.Contains(got.Detail, tt.detail) || len(got.Points) != 0 || got.SettledUntil != bucket()+3600 {
			t.Errorf("%s: got %+v, want no data with %q", tt.name, got, tt.detail)
		}
		if len(got.Parts) != tt.parts {
			t.Errorf("%s: %d parts, want %d", tt.name, len(got.Parts), tt.parts)
			continue
		}
		for _, p := range got.Parts {
			want := tenGroups()
			want[6] = tt.seven
			if diff := cmp.Diff(want, p.Groups); diff != "" || p.At != bucket() {
				t.Errorf("%s: at %d, groups (-want +got):\n%s", tt.name, p.At, diff)
			}
		}
	}
}

// Columns are found by name, in any order, among others.
func TestColumnsByName(t *testing.T) {
	columns := []string{"kpi double", "newest timestamp", "note varchar", "positives bigint", "n bigint", "decile integer"}
	rows := [][]string{{"kpi", "newest", "note", "positives", "n", "decile"}}
	for i := 10; i >= 1; i-- {
		rows = append(rows, []string{"0.1", "2025-06-04 02:30:00.000", "NULL", fmt.Sprint(300 + 10*(i%2*10)), "1000", fmt.Sprint(i)})
	}
	s, _ := newSource(t, &fake{pages: []m{page(columns, rows...)}})
	got := fetchOne(t, s, want(signal()))
	if got.Fault != rules.OK || got.Note != "decile 2: 30.0 % of 1,000; decile 1: 40.0 % of 1,000" {
		t.Errorf("fault %d %q, note %q", got.Fault, got.Detail, got.Note)
	}
}

func TestPagesInACircle(t *testing.T) {
	f := &fake{pages: []m{page(shipped, ten()[:6]...), page(shipped, ten()[6:]...)}}
	f.before = func(c call) (int, map[string]string, any) {
		if c.Op == "GetQueryResults" {
			return 200, nil, m{"ResultSet": page(shipped, ten()...), "NextToken": "again"}
		}
		return 0, nil, nil
	}
	s, _ := newSource(t, f)
	if got := fetchOne(t, s, want(signal())); got.Fault != rules.PartialData || len(got.Points) != 0 {
		t.Errorf("fault %d %q, %d points", got.Fault, got.Detail, len(got.Points))
	}
}
