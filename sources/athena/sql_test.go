package athena_test

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/relgate/relgate/rules"
)

// lake is a table of predictions in SQLite, and the shipped SQL in its words.
func lake(t *testing.T) (*sql.DB, string) {
	t.Helper()
	text, err := os.ReadFile("../../sql/bias_by_age_decile.sql")
	if err != nil {
		t.Fatal(err)
	}
	query := string(text)
	for _, word := range [][2]string{
		{"current_date - INTERVAL '2' DAY", "date('2025-06-05', '-2 day')"},
		{"AS double)", "AS REAL)"},
	} {
		if !strings.Contains(query, word[0]) {
			t.Fatalf("the SQL has no %q: translate it anew", word[0])
		}
		query = strings.ReplaceAll(query, word[0], word[1])
	}
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // each connection would have a memory of its own
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Exec(`CREATE TABLE predictions (user_id TEXT, age INTEGER, predicted_label INTEGER, event_time TEXT, event_date TEXT, release_version TEXT)`); err != nil {
		t.Fatal(err)
	}
	return db, query
}

// prediction is a row of the table; empty fields have a default.
type prediction struct {
	user, age, label, time, date, version any
}

func put(t *testing.T, db *sql.DB, p prediction) {
	t.Helper()
	or := func(v, otherwise any) any {
		if v == nil {
			return otherwise
		}
		return v
	}
	_, err := db.Exec(`INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?)`, p.user, p.age, p.label,
		or(p.time, "2025-06-04 02:30:00.000"), or(p.date, "2025-06-04"), or(p.version, "1.0.0"))
	if err != nil {
		t.Fatal(err)
	}
}

// result runs the SQL and gives its columns and rows as Athena writes them.
func result(t *testing.T, db *sql.DB, query string) (columns []string, cells [][]string) {
	t.Helper()
	rows, err := db.Query(query, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	if columns, err = rows.Columns(); err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		var row []string
		for _, v := range values {
			if v == nil {
				row = append(row, "NULL")
			} else {
				row = append(row, fmt.Sprint(v))
			}
		}
		cells = append(cells, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return columns, cells
}

// ages lie at the lower edge of each decile, and just below the next.
var ages = [10][2]int{{0, 23}, {24, 28}, {29, 32}, {33, 37}, {38, 42}, {43, 47}, {48, 53}, {54, 59}, {60, 67}, {68, 129}}

// people fills every decile with 100 users, of whom those given are positive.
func people(t *testing.T, db *sql.DB, positives [10]int) {
	t.Helper()
	for d, edge := range ages {
		for i := range 100 {
			label := 0
			if i < positives[d] {
				label = 1
			}
			put(t, db, prediction{user: fmt.Sprintf("u%d-%d", d, i), age: edge[i%2], label: label})
		}
	}
}

var rates = [10]int{35, 35, 31, 35, 35, 35, 35, 35, 43, 35}

func TestShippedSQL(t *testing.T) {
	tests := []struct {
		name string
		edit func(*testing.T, *sql.DB)
		want []string // the row of decile 3
	}{
		{"as it is", func(*testing.T, *sql.DB) {}, []string{"3", "100", "31", "2025-06-04 02:30:00.000", "0.12"}},
		{"ages that are not known do not count", func(t *testing.T, db *sql.DB) {
			put(t, db, prediction{user: "x", label: 1})
		}, []string{"3", "100", "31", "2025-06-04 02:30:00.000", "0.12"}},
		{"ages that cannot be do not count", func(t *testing.T, db *sql.DB) {
			put(t, db, prediction{user: "x", age: -1, label: 1})
			put(t, db, prediction{user: "y", age: 130, label: 1})
		}, []string{"3", "100", "31", "2025-06-04 02:30:00.000", "0.12"}},
		{"predictions without a label do not count", func(t *testing.T, db *sql.DB) {
			put(t, db, prediction{user: "x", age: 30})
		}, []string{"3", "100", "31", "2025-06-04 02:30:00.000", "0.12"}},
		{"another release does not count", func(t *testing.T, db *sql.DB) {
			put(t, db, prediction{user: "x", age: 30, label: 1, version: "0.9.0"})
		}, []string{"3", "100", "31", "2025-06-04 02:30:00.000", "0.12"}},
		{"old partitions do not count", func(t *testing.T, db *sql.DB) {
			put(t, db, prediction{user: "x", age: 30, label: 1, date: "2025-06-02"})
		}, []string{"3", "100", "31", "2025-06-04 02:30:00.000", "0.12"}},
		{"a user counts once, with the newest prediction", func(t *testing.T, db *sql.DB) {
			put(t, db, prediction{user: "u2-99", age: 32, label: 1, time: "2025-06-04 02:45:00.000"})
			put(t, db, prediction{user: "u2-98", age: 32, label: 1, time: "2025-06-04 01:00:00.000"})
		}, []string{"3", "100", "32", "2025-06-04 02:45:00.000", "0.11"}},
		{"an empty decile is a row, and no kpi", func(t *testing.T, db *sql.DB) {
			if _, err := db.Exec(`DELETE FROM predictions WHERE age >= 29 AND age < 33`); err != nil {
				t.Fatal(err)
			}
		}, []string{"3", "0", "0", "NULL", "NULL"}},
	}
	for _, tt := range tests {
		db, query := lake(t)
		people(t, db, rates)
		tt.edit(t, db)
		_, rows := result(t, db, query)
		if len(rows) != 10 {
			t.Fatalf("%s: %d rows, want one for each decile", tt.name, len(rows))
		}
		got := rows[2]
		if len(got[4]) > 6 {
			got[4] = strings.TrimRight(fmt.Sprintf("%.6f", parse(t, got[4])), "0")
		}
		if strings.Join(got, "|") != strings.Join(tt.want, "|") {
			t.Errorf("%s: decile 3 is %v, want %v", tt.name, got, tt.want)
		}
	}
}

func parse(t *testing.T, s string) (v float64) {
	t.Helper()
	if _, err := fmt.Sscan(s, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// What the shipped SQL gives is what the source asks for.
func TestShippedSQLThroughTheSource(t *testing.T) {
	db, query := lake(t)
	people(t, db, rates)
	columns, rows := result(t, db, query)
	typed := make([]string, len(columns))
	for i, name := range columns {
		typed[i] = name + " " + map[string]string{"decile": "integer", "n": "bigint", "positives": "bigint", "newest": "timestamp", "kpi": "double"}[name]
	}
	s, _ := newSource(t, &fake{pages: []m{page(typed, append([][]string{columns}, rows...)...)}})
	got := fetchOne(t, s, want(signal()))
	if got.Fault != rules.OK || got.Points[0].Value < 0.1199 || got.Points[0].Value > 0.1201 || got.Points[0].Samples != 1000 ||
		got.Note != "decile 3: 31.0 % of 100; decile 9: 43.0 % of 100" {
		t.Errorf("got %+v", got)
	}
	if _, err := db.Exec(`DELETE FROM predictions`); err != nil {
		t.Fatal(err)
	}
	_, rows = result(t, db, query)
	s, _ = newSource(t, &fake{pages: []m{page(typed, append([][]string{columns}, rows...)...)}})
	if got := fetchOne(t, s, want(signal())); got.Fault != rules.NoData || !strings.Contains(got.Detail, "decile 1 has no samples") {
		t.Errorf("an empty table: got %+v", got)
	}
}
