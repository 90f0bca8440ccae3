package rules

import "time"

// Unit is what a signal's numbers are counted in. Sources convert to it at the
// edge, once; inside relgate a ratio is 0..1 and a time is in seconds.
type Unit uint8

const (
	Number  Unit = iota // a plain number: stars, a gap, a count
	Percent             // a ratio; 0..1 inside, written and shown as per cent
	Seconds             // a time; written with a unit ("2.5 s", "300 ms")
)

// Kind says how the points of a signal may be put together.
type Kind uint8

const (
	// Ratio points hold two counts: Value of Samples were bad. A window's value
	// is sum(Value)/sum(Samples); with Signal.Good it is one minus that.
	Ratio Kind = iota
	// Mean points hold a sum and a count: Value is the sum over Samples things.
	// A window's value is sum(Value)/sum(Samples).
	Mean
	// Gauge points hold a level. A window's value is its newest point; a success
	// rule judges that, a rollback rule judges each point.
	Gauge
	// Percentile points hold a quantile of Samples things. They are never
	// averaged; see Rule.Aggregate.
	Percentile
	// Alarm points are 0 for OK and 1 for ALARM. A window's value is its worst.
	Alarm
)

// Signal is a named measurement: where it comes from and what its numbers mean.
type Signal struct {
	Name   string        `json:"name"`
	Source string        `json:"source"` // name of the source that is asked
	Kind   Kind          `json:"kind"`
	Unit   Unit          `json:"unit"`
	Good   bool          `json:"good,omitempty"`     // Ratio: the value is the good share, 1 - bad/total
	Quant  float64       `json:"quantile,omitempty"` // Percentile: 0..1, for example 0.95
	Period time.Duration `json:"period"`             // width of one bucket of event time
	Every  time.Duration `json:"every"`              // how often the source is asked; at least Period unless the source is cheap
	Settle time.Duration `json:"settle"`             // how long after its end a bucket may still change
	Keep   int           `json:"keep"`               // buckets that the longest window of any rule needs
	Query  Query         `json:"query"`

	// A rule on a percentile that counts exceedances is judged on a derived
	// signal of kind Ratio: how many of the samples lay above Above. Of is the
	// index of the percentile's own signal, -1 when the signal is not derived.
	Of    int     `json:"of"`
	Above float64 `json:"above,omitempty"`
}

// Query is what a source is asked for a signal. Exactly one field is set, the
// one of the signal's source; every source defines the meaning of its own.
type Query struct {
	CloudWatch *CloudWatchQuery `json:"cloudwatch,omitempty"`
	Sentry     *SentryQuery     `json:"sentry,omitempty"`
	AppStore   *AppStoreQuery   `json:"appstore,omitempty"`
	Athena     *AthenaQuery     `json:"athena,omitempty"`
}

// CloudWatchQuery names metrics, or one alarm. A ratio has Bad and Total, a
// percentile has Metric with Stat "p95" and so on (its sample count and its
// exceedance counts are asked for with it), a gauge has Metric, an alarm has
// Alarm.
type CloudWatchQuery struct {
	Namespace  string            `json:"namespace,omitempty" toml:"namespace"`
	Dimensions map[string]string `json:"dimensions,omitempty" toml:"dimensions"`
	Bad        string            `json:"bad,omitempty" toml:"bad"`       // metric name, Sum is asked
	Total      string            `json:"total,omitempty" toml:"total"`   // metric name, Sum is asked
	Metric     string            `json:"metric,omitempty" toml:"metric"` // metric name
	Stat       string            `json:"stat,omitempty" toml:"stat"`     // "p95", "Average", "Maximum", …
	Unit       string            `json:"unit,omitempty" toml:"unit"`     // CloudWatch's unit of Metric: "Milliseconds", "Seconds", "Percent", "None"
	Alarm      string            `json:"alarm,omitempty" toml:"alarm"`   // alarm name; DescribeAlarms is asked
	Composite  bool              `json:"composite,omitempty" toml:"composite"`
	// MissingBadIsZero reads a bucket that has Total but no Bad as no bad ones:
	// true of metrics that are only sent when something fails.
	MissingBadIsZero bool `json:"missing_bad_is_zero,omitempty" toml:"missing_bad_is_zero"`
}

// SentryQuery asks for sessions by status: crashed of all.
type SentryQuery struct {
	Project     string `json:"project" toml:"project"`         // numeric id or slug
	Release     string `json:"release" toml:"release"`         // exact, package@version+build
	Environment string `json:"environment" toml:"environment"` // empty asks for all
}

// AppStoreQuery asks for one fact of one app.
type AppStoreQuery struct {
	// Fact is "reviews" (Mean: stars of this version's customer reviews),
	// "phased_release_day" (Gauge: 1..7, 0 when not active) or "lookup" (Mean:
	// new stars between two snapshots of the public storefront figures).
	Fact      string   `json:"fact" toml:"fact"`
	App       string   `json:"app,omitempty" toml:"app"`               // numeric app id
	Version   string   `json:"version,omitempty" toml:"version"`       // version string, looked up once; or
	VersionID string   `json:"version_id,omitempty" toml:"version_id"` // the appStoreVersion id itself
	Countries []string `json:"countries,omitempty" toml:"countries"`   // lookup: two-letter storefronts; reviews: three-letter territories
}

// AthenaQuery runs SQL that returns one row per group with the columns named
// here, and takes the largest gap between two groups' rates as its value.
type AthenaQuery struct {
	SQL        string   `json:"sql" toml:"-"`                           // the text of File, read when the config is
	File       string   `json:"file" toml:"file"`                       // path beside the config file
	Parameters []string `json:"parameters,omitempty" toml:"parameters"` // positional execution parameters, strings with their own quotes
	Database   string   `json:"database,omitempty" toml:"database"`
	Catalog    string   `json:"catalog,omitempty" toml:"catalog"`
	Workgroup  string   `json:"workgroup,omitempty" toml:"workgroup"`
	Output     string   `json:"output,omitempty" toml:"output"` // s3://bucket/prefix, empty when the workgroup says
	Groups     int      `json:"groups" toml:"groups"`           // groups that must be present, 10 for deciles
	MinGroup   int      `json:"min_group" toml:"min_group"`     // samples that every group must have
	Reuse      Duration `json:"reuse,omitempty" toml:"reuse"`   // how old a reused result may be; zero runs afresh
}

// Point is what one bucket of event time said. What Value and Samples hold is
// the signal's Kind.
type Point struct {
	At      int64   `json:"t"` // start of the bucket, Unix seconds
	Value   float64 `json:"v"`
	Samples float64 `json:"n"`
}

// Fault is why a reading has no points, or fewer than were asked for.
type Fault uint8

const (
	OK          Fault = iota // the source answered in full
	NoData                   // it answered, and has nothing for this signal
	StaleData                // it answered with data older than its own promise
	PartialData              // it answered in part: some of what was asked is missing
	Throttled                // it asked us to come later
	AuthFault                // it refused our credentials
	ConfigFault              // it says that the question is wrong
	Unavailable              // it could not be reached, or failed
)

// Reading is what a source answered for one signal in one tick. It is an input
// of the evaluator and is journalled as it is.
type Reading struct {
	Signal int     `json:"signal"` // index in Plan.Signals
	From   int64   `json:"from"`   // range asked for, Unix seconds, From inclusive
	To     int64   `json:"to"`
	Points []Point `json:"points,omitempty"` // ascending; a bucket replaces what was known of it
	// SettledUntil is the watermark: every bucket that ends at or before it is
	// complete, and one that is absent will stay absent. Zero when unknown.
	SettledUntil int64  `json:"settled_until,omitempty"`
	Fault        Fault  `json:"fault,omitempty"`
	Detail       string `json:"detail,omitempty"`   // the fault in the source's words, secrets scrubbed, at most 300 bytes
	RetryAt      int64  `json:"retry_at,omitempty"` // the source asked not to be called before; Unix seconds
	Note         string `json:"note,omitempty"`     // what a person may want to know: the two deciles, the phased-release day
	Ref          string `json:"ref,omitempty"`      // the upstream's request or query id
	// Width is the width of the buckets in seconds when the source could not give
	// the signal's own Period (Sentry falls back to one hour); zero means Period.
	Width int64 `json:"width,omitempty"`
}
