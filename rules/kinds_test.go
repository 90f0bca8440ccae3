package rules

import (
	"strings"
	"time"
)

// Stand-ins for kinds of sources, with what the core asks of each and a little of what
// they check. The kinds themselves are tested beside their clients.

type standIn struct {
	name  string
	empty func() SourceQuery
}

func (k standIn) Name() string       { return k.name }
func (k standIn) Title() string      { return k.name }
func (k standIn) Account() Account   { return Account{} }
func (k standIn) Query() SourceQuery { return k.empty() }

var standIns = Kinds{
	standIn{"cloudwatch", func() SourceQuery { return new(CloudWatchQuery) }},
	standIn{"sentry", func() SourceQuery { return new(SentryQuery) }},
	standIn{"appstore", func() SourceQuery { return new(AppStoreQuery) }},
	standIn{"athena", func() SourceQuery { return new(AthenaQuery) }},
}

// PlainQuery is what a query may leave to others.
type PlainQuery struct{}

func (PlainQuery) Lint(Checker, *Signal)    {}
func (PlainQuery) LintForms(Checker)        {}
func (PlainQuery) Line() string             { return "" }
func (PlainQuery) Price(*Signal) []Question { return nil }
func (PlainQuery) Past(*Signal) Past        { return Past{} }

// CloudWatchQuery is of metrics: it can have a baseline, and its signal implies a part.
type CloudWatchQuery struct {
	PlainQuery       `toml:"-" json:"-"`
	Namespace        string            `json:"namespace,omitempty" toml:"namespace"`
	Dimensions       map[string]string `json:"dimensions,omitempty" toml:"dimensions"`
	Bad              string            `json:"bad,omitempty" toml:"bad"`
	Total            string            `json:"total,omitempty" toml:"total"`
	Metric           string            `json:"metric,omitempty" toml:"metric"`
	Stat             string            `json:"stat,omitempty" toml:"stat"`
	Unit             string            `json:"unit,omitempty" toml:"unit"`
	Alarm            string            `json:"alarm,omitempty" toml:"alarm"`
	MissingBadIsZero bool              `json:"missing_bad_is_zero,omitempty" toml:"missing_bad_is_zero"`
}

func cloudWatch(q SourceQuery) *CloudWatchQuery { return q.(*CloudWatchQuery) }

func (*CloudWatchQuery) Source() string { return "cloudwatch" }

func (q *CloudWatchQuery) Facts() Facts {
	if q.Alarm != "" {
		return Facts{Every: time.Minute}
	}
	f := Facts{Every: time.Minute, Settle: 3 * time.Minute, Dimension: "ExecutedVersion"}
	if q.MissingBadIsZero {
		f.Zeros = q.Bad
	}
	return f
}

func (q *CloudWatchQuery) Implied(sig *Signal) SourceQuery {
	if sig.Kind != Percentile || q.Stat != "" {
		return q
	}
	changed := *q
	changed.Stat = "p" + Moved(sig.Quant, 2)
	return &changed
}

func (q *CloudWatchQuery) Apart() map[string]string { return q.Dimensions }

func (q *CloudWatchQuery) Beside(dimension, value string) SourceQuery {
	changed := Query{Ask: q}.clone().Ask.(*CloudWatchQuery)
	changed.Dimensions[dimension] = value
	return changed
}

func (q *CloudWatchQuery) Lint(at Checker, sig *Signal) {
	at.At("cloudwatch").Required("bad", sig.Kind == Ratio && q.Bad == "", `"x"`)
}

// SentryQuery is of sessions: it can have a baseline, and its crashes are told late.
type SentryQuery struct {
	PlainQuery `toml:"-" json:"-"`
	Project    string `json:"project" toml:"project"`
	Release    string `json:"release" toml:"release"`
}

func sentry(q SourceQuery) *SentryQuery { return q.(*SentryQuery) }

func (*SentryQuery) Source() string { return "sentry" }

func (*SentryQuery) Facts() Facts {
	return Facts{Every: time.Minute, Settle: 10 * time.Minute, Maturity: 2 * time.Hour, Dimension: "release"}
}

func (q *SentryQuery) Implied(*Signal) SourceQuery { return q }

func (q *SentryQuery) Apart() map[string]string { return map[string]string{"release": q.Release} }

func (q *SentryQuery) Beside(_, value string) SourceQuery {
	changed := *q
	changed.Release = value
	return &changed
}

// AppStoreQuery is of facts: some of their means have counts.
type AppStoreQuery struct {
	PlainQuery `toml:"-" json:"-"`
	Fact       string   `json:"fact" toml:"fact"`
	App        string   `json:"app,omitempty" toml:"app"`
	Version    string   `json:"version,omitempty" toml:"version"`
	Countries  []string `json:"countries,omitempty" toml:"countries"`
}

func appStore(q SourceQuery) *AppStoreQuery { return q.(*AppStoreQuery) }

func (*AppStoreQuery) Source() string { return "appstore" }

func (q *AppStoreQuery) Facts() Facts {
	f := Facts{Every: 15 * time.Minute, Whole: true}
	if q.Fact == "reviews" {
		f.Counted = []Kind{Mean}
	}
	return f
}

func (q *AppStoreQuery) Implied(*Signal) SourceQuery { return q }

func (q *AppStoreQuery) LintForms(at Checker) {
	if Fixed(q.App) && strings.Trim(q.App, "0123456789") != "" {
		at.At("app").Fail("bad-value", "", "%q: want the app's numeric id", q.App)
	}
	for i, c := range q.Countries {
		if Fixed(c) && len(c) != 3 {
			at.At("countries").Index(i).Fail("bad-value", "", "%q: want a code of 3 letters", c)
		}
	}
}

// AthenaQuery is of SQL in a file: its gauge has counts.
type AthenaQuery struct {
	PlainQuery `toml:"-" json:"-"`
	SQL        string   `json:"sql" toml:"-"`
	File       string   `json:"file" toml:"file"`
	Parameters []string `json:"parameters,omitempty" toml:"parameters" text:"sql"`
	Database   string   `json:"database,omitempty" toml:"database"`
	Groups     int      `json:"groups" toml:"groups"`
	MinGroup   int      `json:"min_group" toml:"min_group"`
	Reuse      Duration `json:"reuse,omitempty" toml:"reuse"`
}

func athena(q SourceQuery) *AthenaQuery { return q.(*AthenaQuery) }

func (*AthenaQuery) Source() string { return "athena" }

func (q *AthenaQuery) Facts() Facts {
	return Facts{Every: time.Hour, Whole: true, Counted: []Kind{Gauge}, Groups: q.Groups}
}

func (q *AthenaQuery) Implied(*Signal) SourceQuery { return q }

func (q *AthenaQuery) FileText() (name, text string) { return q.File, q.SQL }

func (q *AthenaQuery) SetText(text string) { q.SQL = text }
