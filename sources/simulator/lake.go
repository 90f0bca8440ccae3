package simulator

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A query whose SQL names a column "period" has a row for each period of the API's
// requests that are in the lake: how many failed, of how many, and their share. The rest
// of the SQL is not read.
var (
	periodColumn = regexp.MustCompile(`(?i)\bAS\s+period\b`)
	badColumn    = regexp.MustCompile(`(?i)\bAS\s+bad\b`)
	truncation   = regexp.MustCompile(`(?i)\bdate_trunc\s*\(\s*'(minute|hour|day)'`)
)

// lakeDays is how far back such a query goes.
const lakeDays = 2

// result is the result of a query, with its header, and its columns.
func (s *Simulator) result(q *athenaQuery) (rows []row, columns []map[string]any) {
	if !periodColumn.MatchString(q.in.QueryString) {
		return s.biasRows(q), biasColumns()
	}
	source := q
	if q.reusedOf != nil {
		source = q.reusedOf
	}
	counts := badColumn.MatchString(q.in.QueryString)
	if counts {
		rows = []row{textRow("period", "bad", "total")}
		columns = []map[string]any{column("period", "timestamp", 3), column("bad", "bigint", 19), column("total", "bigint", 19)}
	} else {
		rows = []row{textRow("period", "value", "samples")}
		columns = []map[string]any{column("period", "timestamp", 3), column("value", "double", 17), column("samples", "bigint", 19)}
	}
	width := truncated(q.in.QueryString)
	newest := s.newestEvent(source.started)
	for at := floorTo(newest-lakeDays*86400, width); at < newest; at += width {
		if s.partial("athena", "GetQueryResults") && at/width%3 == 2 {
			continue // a partition that was not registered
		}
		total, bad := s.requests(at, min(at+width, newest), newest)
		if total == 0 {
			continue // a group without rows is no row
		}
		period := time.Unix(at, 0).UTC().Format("2006-01-02 15:04:05.000")
		if counts {
			rows = append(rows, textRow(period, whole(bad), whole(total)))
		} else {
			rows = append(rows, textRow(period, strconv.FormatFloat(bad/total, 'g', -1, 64), whole(total)))
		}
	}
	return rows, columns
}

// requests counts the API's requests of some minutes, and those that failed.
func (s *Simulator) requests(from, to, now int64) (total, bad float64) {
	for m := from / 60; m < to/60; m++ {
		n, failed := s.world.api5xx(m, now)
		total, bad = total+n, bad+failed
	}
	return total, bad
}

// truncated is the width of the periods that a query groups by, an hour where it does
// not say.
func truncated(sql string) int64 {
	m := truncation.FindStringSubmatch(sql)
	if m == nil {
		return 3600
	}
	return map[string]int64{"minute": 60, "hour": 3600, "day": 86400}[strings.ToLower(m[1])]
}

func column(name, typ string, precision int) map[string]any {
	return map[string]any{"CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": name, "Label": name,
		"Type": typ, "Precision": precision, "Scale": 0, "Nullable": "UNKNOWN", "CaseSensitive": typ == "varchar"}
}
