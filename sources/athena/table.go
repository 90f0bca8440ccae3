package athena

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"
)

// The columns that the SQL must give, and the one that it may.
const (
	colGroup     = "decile"
	colN         = "n"
	colPositives = "positives"
	colNewest    = "newest"
	colKPI       = "kpi"
)

// table is a result as Athena gives it: every value a string, or nil for NULL.
type table struct {
	names []string // in lower case, as Athena keeps them
	types []string // of the columns, up to a precision: "timestamp(3) with time zone" is a timestamp
	rows  [][]*string
}

// add takes in a page. Athena repeats the columns' names as the first row of
// the first page, and only there.
func (t *table) add(set *types.ResultSet, first bool) {
	if set.ResultSetMetadata != nil && len(t.names) == 0 {
		for _, c := range set.ResultSetMetadata.ColumnInfo {
			kind, _, _ := strings.Cut(strings.ToLower(aws.ToString(c.Type)), "(")
			t.names = append(t.names, strings.ToLower(aws.ToString(c.Name)))
			t.types = append(t.types, strings.TrimSpace(kind))
		}
	}
	for i, r := range set.Rows {
		row := make([]*string, len(r.Data))
		for k, d := range r.Data {
			row[k] = d.VarCharValue
		}
		if first && i == 0 && t.isHeader(row) {
			continue
		}
		t.rows = append(t.rows, row)
	}
}

func (t *table) isHeader(row []*string) bool {
	if len(row) != len(t.names) || len(row) == 0 {
		return false
	}
	for i, v := range row {
		if v == nil || !strings.EqualFold(*v, t.names[i]) {
			return false
		}
	}
	return true
}

// columns finds the needed columns by name and checks their types. kpi is -1 if
// the SQL has none. The error is for the author of the SQL.
type columns struct {
	group, n, positives, newest, kpi int
	numbered                         bool // groups have whole numbers for names
}

var (
	wholes  = []string{"tinyint", "smallint", "integer", "int", "bigint"}
	numbers = append([]string{"double", "float", "real", "decimal"}, wholes...)
	texts   = append([]string{"varchar", "char", "string"}, wholes...)
	times   = []string{"timestamp", "timestamp with time zone", "date"}
)

func (t *table) columns() (columns, error) {
	var c columns
	for _, want := range []struct {
		name  string
		types []string
		at    *int
	}{
		{colGroup, texts, &c.group},
		{colN, numbers, &c.n},
		{colPositives, numbers, &c.positives},
		{colNewest, times, &c.newest},
		{colKPI, numbers, &c.kpi},
	} {
		var err error
		if *want.at, err = t.find(want.name, want.types, want.name != colKPI); err != nil {
			return c, err
		}
	}
	c.numbered = slices.Contains(wholes, t.types[c.group])
	return c, nil
}

// find is the place of a column, -1 where there is none.
func (t *table) find(column string, of []string, required bool) (int, error) {
	at := -1
	for i, name := range t.names {
		if name != column {
			continue
		}
		if at >= 0 {
			return -1, fmt.Errorf("the SQL gives two columns %q", column)
		}
		at = i
		if !slices.Contains(of, t.types[i]) {
			return -1, fmt.Errorf("column %q is a %s: want one of %s", column, t.types[i], strings.Join(of, ", "))
		}
	}
	if at < 0 && required {
		return -1, fmt.Errorf("the SQL gives no column %q (it gives %s)", column, strings.Join(t.names, ", "))
	}
	return at, nil
}

// group is one row, read.
type group struct {
	name         string
	n, positives float64
	newest       time.Time // zero if n is zero
	kpi          float64   // NaN when the SQL gives none, or NULL
}

// rate is the share of positives.
func (g group) rate() float64 { return g.positives / g.n }

// read turns a row into a group. The error names the group, if it is known.
func (c columns) read(row []*string) (group, error) {
	g := group{kpi: math.NaN()}
	name := cell(row, c.group)
	if name == nil || strings.TrimSpace(*name) == "" {
		return g, fmt.Errorf("a row has no %s", colGroup)
	}
	g.name = strings.TrimSpace(*name)
	var err error
	if _, err = strconv.Atoi(g.name); err != nil && c.numbered {
		return g, fmt.Errorf("%s %s: not a whole number", colGroup, clip(g.name))
	}
	if g.n, err = number(cell(row, c.n)); err != nil {
		return g, fmt.Errorf("%s %s: %s: %w", colGroup, g.name, colN, err)
	}
	if g.positives, err = number(cell(row, c.positives)); err != nil {
		return g, fmt.Errorf("%s %s: %s: %w", colGroup, g.name, colPositives, err)
	}
	if newest := cell(row, c.newest); newest != nil || g.n != 0 { // an empty group has no newest event
		if g.newest, err = timestamp(newest); err != nil {
			return g, fmt.Errorf("%s %s: %s: %w", colGroup, g.name, colNewest, err)
		}
	}
	if kpi := cell(row, c.kpi); kpi != nil {
		if g.kpi, err = number(kpi); err != nil {
			return g, fmt.Errorf("%s %s: %s: %w", colGroup, g.name, colKPI, err)
		}
	}
	return g, nil
}

func cell(row []*string, i int) *string {
	if i < 0 || i >= len(row) {
		return nil
	}
	return row[i]
}

var errNull = errors.New("NULL")

// number reads a finite decimal number.
func number(v *string) (float64, error) {
	if v == nil {
		return 0, errNull
	}
	s := strings.TrimSpace(*v)
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || strings.ContainsAny(s, "xXpP_") {
		return 0, fmt.Errorf("%q is not a number", clip(s))
	}
	return f, nil
}

// timestamp reads Athena's forms of a time, with or without a fraction and with
// or without a zone. Without one it is UTC.
func timestamp(v *string) (time.Time, error) {
	if v == nil {
		return time.Time{}, errNull
	}
	s := strings.TrimSpace(*v)
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02", "2006-01-02 15:04:05 UTC", "2006-01-02 15:04:05 -07:00", "2006-01-02 15:04:05-07:00", time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	if i := strings.LastIndexByte(s, ' '); i > 0 && strings.Contains(s[i:], "/") {
		if zone, err := time.LoadLocation(s[i+1:]); err == nil {
			if t, err := time.ParseInLocation("2006-01-02 15:04:05", s[:i], zone); err == nil {
				return t.UTC(), nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time", clip(s))
}

func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}
