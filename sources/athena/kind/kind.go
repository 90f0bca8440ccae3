// Package kind is what relgate knows of Athena before it asks it: how its queries are
// written and checked, how often they are asked and what they cost. It is pure; the
// client is the package above it.
package kind

import (
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// Name is how configs name the kind.
const Name = "athena"

// Kind describes Athena.
type Kind struct{}

// Name is "athena".
func (Kind) Name() string { return Name }

// Title is "Athena".
func (Kind) Title() string { return "Athena" }

// Query is an empty [Query].
func (Kind) Query() rules.SourceQuery { return new(Query) }

// Account is how a source of Athena gets at its account. Its queries take their time.
func (Kind) Account() rules.Account {
	return rules.Account{Timeout: 5 * time.Minute, Keys: []rules.AccountKey{
		{Key: "region", Doc: "AWS region. Default: what the AWS SDK finds in its environment."},
		{Key: "role_arn", Doc: "AWS role to assume. Default: the credentials that the AWS SDK finds."},
		{Key: "external_id", Doc: "AWS external id to assume the role with.", Secret: true},
	}}
}

// Query runs SQL. By default it returns one row per group, and the value is the largest
// gap between two groups' rates. With `rows = "periods"` it returns one row per period:
// period and value of a gauge, period, bad and total of a ratio.
type Query struct {
	Rows       string         `json:"rows,omitempty" toml:"rows"`                        // What a row is: "groups", or "periods" for any value or ratio ([docs/aws.md](aws.md#any-value-or-ratio-from-sql)). Default: "groups".
	SQL        string         `json:"sql" toml:"-"`                                      // the text of File, read when the config is
	File       string         `json:"file" toml:"file"`                                  // File with the query, beside the config file. Required.
	Parameters []string       `json:"parameters,omitempty" toml:"parameters" text:"sql"` // One for each question mark of the query, strings with their own quotes: ["'{version}'"].
	Database   string         `json:"database,omitempty" toml:"database"`                // The database. Required.
	Catalog    string         `json:"catalog,omitempty" toml:"catalog"`                  // The data catalog. Default: AwsDataCatalog.
	Workgroup  string         `json:"workgroup,omitempty" toml:"workgroup"`              // The workgroup. Default: primary.
	Output     string         `json:"output,omitempty" toml:"output"`                    // Where results go, "s3://bucket/prefix". Default: what the workgroup says.
	Groups     int            `json:"groups" toml:"groups"`                              // How many groups must be present, 10 for deciles; fewer are no data. Required where rows are groups.
	MinGroup   int            `json:"min_group" toml:"min_group"`                        // How many samples every group must have; fewer are no data. Required where rows are groups.
	Reuse      rules.Duration `json:"reuse,omitempty" toml:"reuse"`                      // How old a result of the same query may be, up to 7d. Default: 0s, each query runs.
}

// Of is the query of Athena that a signal has, nil when it has none.
func Of(q rules.Query) *Query {
	own, _ := q.Ask.(*Query)
	return own
}

// Source is "athena".
func (*Query) Source() string { return Name }

// FileText is the file of the SQL, and the SQL.
func (q *Query) FileText() (name, text string) { return q.File, q.SQL }

// SetText gives the query its SQL.
func (q *Query) SetText(text string) { q.SQL = text }

// Facts are the pace of queries, and how many groups they compare.
func (q *Query) Facts() rules.Facts {
	if q.ByPeriod() {
		return rules.Facts{Every: time.Hour, Whole: true, Settle: 15 * time.Minute} // lakes are filled in pieces of up to a quarter of an hour
	}
	return rules.Facts{
		Every: time.Hour, // a query's answer does not change; each one costs money
		Whole: true, Counted: []rules.Kind{rules.Gauge}, Groups: q.Groups,
	}
}

// Implied is the query as it is.
func (q *Query) Implied(*rules.Signal) rules.SourceQuery { return q }

// What a row may be.
const (
	Groups  = "groups"
	Periods = "periods"
)

// ByPeriod reports whether a row is a period, and no group.
func (q *Query) ByPeriod() bool { return q.Rows == Periods }

const mostReuse = 7 * 24 * time.Hour

// Lint reports what is wrong with the query.
func (q *Query) Lint(at rules.Checker, sig *rules.Signal) {
	at = at.At(Name)
	known := q.Rows == "" || at.At("rows").OneOf("unknown-rows", "rows", q.Rows, []string{Groups, Periods})
	if known && !q.ByPeriod() && sig.Kind != rules.Gauge {
		at.Fail("wrong-kind", `give the signal kind = "gauge", or the query rows = "periods" for a ratio`, "Athena's gap is a gauge, the signal a %v", sig.Kind)
	}
	if q.ByPeriod() && sig.Kind != rules.Gauge && sig.Kind != rules.Ratio {
		at.Fail("wrong-kind", `give the signal kind = "ratio" or "gauge"`, "rows of periods are a ratio or a gauge, the signal is a %v", sig.Kind)
	}
	at.Required("file", q.File == "" && q.SQL == "", `"sql/query.sql"`)
	at.Required("database", q.Database == "", `"the database's name"`)
	at.Excess("groups", q.ByPeriod() && q.Groups != 0, `it is for rows = "groups"`)
	at.Excess("min_group", q.ByPeriod() && q.MinGroup != 0, `it is for rows = "groups"`)
	if q.Groups < 2 && !q.ByPeriod() {
		at.At("groups").Fail("out-of-range", "write how many groups the query has, 10 for deciles", "%d: a gap needs two groups", q.Groups)
	}
	if q.MinGroup < 1 && !q.ByPeriod() {
		at.At("min_group").Fail("out-of-range", "write how many samples every group must have", "%d: want at least 1", q.MinGroup)
	}
	q.LintForms(at)
	if q.Reuse.Duration > mostReuse {
		at.At("reuse").Fail("out-of-range", "", "%v: want at most 7d, as Athena has them", q.Reuse)
	}
	if marks := questionMarks(q.SQL); q.SQL != "" && marks != len(q.Parameters) {
		at.At("parameters").Fail("wrong-count", "", "want one for each question mark of the query: got %d for %d", len(q.Parameters), marks)
	}
}

// LintForms reports a place for results that is none.
func (q *Query) LintForms(at rules.Checker) {
	if rules.Fixed(q.Output) && q.Output != "" && !strings.HasPrefix(q.Output, "s3://") {
		at.At("output").Fail("bad-url", "", `%q: want "s3://bucket/prefix"`, q.Output)
	}
}

// questionMarks counts the question marks of a query outside of strings, quoted
// names and comments.
func questionMarks(sql string) int {
	n := 0
	for i := 0; i < len(sql); i++ {
		switch {
		case sql[i] == '?':
			n++
		case sql[i] == '\'' || sql[i] == '"':
			i += skip(sql[i+1:], sql[i:i+1])
		case strings.HasPrefix(sql[i:], "--"):
			i += skip(sql[i+1:], "\n")
		case strings.HasPrefix(sql[i:], "/*"):
			i += 1 + skip(sql[i+2:], "*/")
		}
	}
	return n
}

// skip is how far it is to the end of the next occurrence of end in s.
func skip(s, end string) int {
	if i := strings.Index(s, end); i >= 0 {
		return i + len(end)
	}
	return len(s)
}

// Line is "query FILE".
func (q *Query) Line() string { return "query " + q.File }

// perQuery is the least that AWS bills, in US dollars: 10 MB at 5 dollars a terabyte,
// the list price of us-east-1, which most regions share.
const perQuery = 5.0 * 10 / 1e6

// Price is at least one query's.
func (q *Query) Price(*rules.Signal) []rules.Question {
	what := strings.Join(append([]string{q.SQL, q.Database}, q.Parameters...), "\x00")
	return []rules.Question{{API: "Athena", What: what, Unit: rules.Noun{One: "query", Many: "queries"}, USD: perQuery, AtLeast: true}}
}

// Past is none.
func (*Query) Past(*rules.Signal) rules.Past {
	return rules.Past{None: "Athena's SQL answers for the present only"}
}
