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
	Period time.Duration `json:"period"`             // length of one period of event time
	Every  time.Duration `json:"every"`              // how often the source is asked; at least Period unless the source is cheap
	Settle time.Duration `json:"settle"`             // how long after its end a period may still change
	Keep   int           `json:"keep"`               // periods that the longest window of any rule needs
	Query  Query         `json:"query"`

	// A rule on a percentile that counts exceedances is judged on a derived
	// signal of kind Ratio: how many of the samples lay above Above. Of is the
	// index of the percentile's own signal, -1 when the signal is not derived.
	Of    int     `json:"of"`
	Above float64 `json:"above,omitempty"`

	// Baseline is the index of the signal that measures the same of what runs
	// beside the release, 0 when there is none: a baseline comes after all
	// declared signals, so that it is never the first.
	Baseline   int           `json:"baseline,omitempty"`
	BaselineOf string        `json:"baseline_of,omitempty"` // name of the signal that this one is the baseline of
	Maturity   time.Duration `json:"maturity,omitempty"`    // how old a period must be before it may help to pass: crashes are told late
	Cluster    float64       `json:"cluster,omitempty"`     // how many samples carry the information of one, at least 1; 0 means 1
	Rate       float64       `json:"rate,omitempty"`        // samples a second that the whole service is expected to have; 0 when unknown
}

// Query is what a source is asked for a signal. Exactly one field is set, the
// one of the signal's source; every source defines the meaning of its own.
type Query struct {
	CloudWatch *CloudWatchQuery `json:"cloudwatch,omitempty"`
	Sentry     *SentryQuery     `json:"sentry,omitempty"`
	AppStore   *AppStoreQuery   `json:"appstore,omitempty"`
	Athena     *AthenaQuery     `json:"athena,omitempty"`
}

// CloudWatchQuery names metrics, or one alarm. A ratio has bad and total, a
// percentile has a metric (its sample count and its exceedance counts are asked
// for with it), a mean and a gauge have a metric, an alarm has alarm.
type CloudWatchQuery struct {
	Namespace        string            `json:"namespace,omitempty" toml:"namespace"`                     // The metric's namespace: "AWS/Lambda". Required, but for alarms.
	Dimensions       map[string]string `json:"dimensions,omitempty" toml:"dimensions"`                   // All of the metric's dimensions: { FunctionName = "f", Resource = "f:live" }.
	Bad              string            `json:"bad,omitempty" toml:"bad"`                                 // A ratio's metric of what went wrong; its sum is asked.
	Total            string            `json:"total,omitempty" toml:"total"`                             // A ratio's metric of all there was; its sum is asked.
	Metric           string            `json:"metric,omitempty" toml:"metric"`                           // The metric of a percentile, a mean or a gauge.
	Stat             string            `json:"stat,omitempty" toml:"stat"`                               // Statistic of the metric. Default: the quantile's for a percentile ("p95"), "Average" for a gauge.
	Unit             string            `json:"unit,omitempty" toml:"unit"`                               // What CloudWatch counts the metric in: "Milliseconds", "Percent", "None". Required where the signal is in seconds or per cent.
	Alarm            string            `json:"alarm,omitempty" toml:"alarm"`                             // Name of the alarm whose state is asked.
	Composite        bool              `json:"composite,omitempty" toml:"composite"`                     // The alarm is a composite one. Default: false.
	MissingBadIsZero bool              `json:"missing_bad_is_zero,omitempty" toml:"missing_bad_is_zero"` // A period that has total but no bad had no bad ones: true of metrics that are only sent when something fails. Default: false.
}

// SentryQuery asks for sessions by status: crashed of all.
type SentryQuery struct {
	Project     string `json:"project" toml:"project"`         // Numeric id or slug of the project. Required.
	Release     string `json:"release" toml:"release"`         // The release, exactly: "com.example.app@1.0.0+100". Required.
	Environment string `json:"environment" toml:"environment"` // The environment. Default: all.
}

// AppStoreQuery asks for one fact of one app.
type AppStoreQuery struct {
	Fact      string   `json:"fact" toml:"fact"`                       // "reviews" (a mean: stars of this version's customer reviews), "phased_release_day" (a gauge: 1 to 7, 0 when not active) or "lookup" (a mean: new stars between two looks at the public storefront). Required.
	App       string   `json:"app,omitempty" toml:"app"`               // Numeric id of the app. Required.
	Version   string   `json:"version,omitempty" toml:"version"`       // The version: "1.0.0". This or version_id is required, but for lookup.
	VersionID string   `json:"version_id,omitempty" toml:"version_id"` // The id of the App Store version itself.
	Countries []string `json:"countries,omitempty" toml:"countries"`   // lookup: storefronts by two letters ("de"), required there; reviews: territories by three ("DEU"), all by default.
}

// AthenaQuery runs SQL that returns one row per group, and takes the largest gap
// between two groups' rates as its value.
type AthenaQuery struct {
	SQL        string   `json:"sql" toml:"-"`                           // the text of File, read when the config is
	File       string   `json:"file" toml:"file"`                       // File with the query, beside the config file. Required.
	Parameters []string `json:"parameters,omitempty" toml:"parameters"` // One for each question mark of the query, strings with their own quotes: ["'{version}'"].
	Database   string   `json:"database,omitempty" toml:"database"`     // The database. Required.
	Catalog    string   `json:"catalog,omitempty" toml:"catalog"`       // The data catalog. Default: AwsDataCatalog.
	Workgroup  string   `json:"workgroup,omitempty" toml:"workgroup"`   // The workgroup. Default: primary.
	Output     string   `json:"output,omitempty" toml:"output"`         // Where results go, "s3://bucket/prefix". Default: what the workgroup says.
	Groups     int      `json:"groups" toml:"groups"`                   // How many groups must be present, 10 for deciles; fewer are no data. Required.
	MinGroup   int      `json:"min_group" toml:"min_group"`             // How many samples every group must have; fewer are no data. Required.
	Reuse      Duration `json:"reuse,omitempty" toml:"reuse"`           // How old a result of the same query may be, up to 7d. Default: 0s, each query runs.
}

// Point is what one period of event time said. What Value and Samples hold is
// the signal's Kind.
type Point struct {
	At      int64   `json:"t"` // start of the period, Unix seconds
	Value   float64 `json:"v"`
	Samples float64 `json:"n"`
}

// Group is one of the groups that a period consists of: a decile, a number of
// stars.
type Group struct {
	Name    string  `json:"name"`
	Value   float64 `json:"v"` // how many of Samples are positive; for stars it is Samples itself
	Samples float64 `json:"n"`
}

// Parts says of what groups a period consists.
type Parts struct {
	At     int64   `json:"t"` // start of the period, as its Point's
	Groups []Group `json:"groups"`
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
	Points []Point `json:"points,omitempty"` // ascending; a period replaces what was known of it
	// Parts are the groups of those of Points that have any, ascending: the
	// deciles behind a gap, the stars behind a mean ("1" to "5"). Their Samples
	// add up to the point's. A reading with NoData may have parts of a period
	// without a point: its groups are known, and one is too small for a value.
	Parts []Parts `json:"parts,omitempty"`
	// SettledUntil is the watermark: every period that ends at or before it is
	// complete, and one that is absent will stay absent. Zero when unknown.
	SettledUntil int64  `json:"settled_until,omitempty"`
	Fault        Fault  `json:"fault,omitempty"`
	Detail       string `json:"detail,omitempty"`   // the fault in the source's words, secrets scrubbed, at most 300 bytes
	RetryAt      int64  `json:"retry_at,omitempty"` // the source asked not to be called before; Unix seconds
	Note         string `json:"note,omitempty"`     // what a person may want to know: the two deciles, the phased-release day
	Ref          string `json:"ref,omitempty"`      // the upstream's request or query id
	// Width is the width of the periods in seconds when the source could not give
	// the signal's own Period (Sentry falls back to one hour); zero means Period.
	Width int64 `json:"width,omitempty"`
	// Asking says that this is no answer yet: the question is still open and the
	// same want is to be asked again. It never reaches a tick.
	Asking bool `json:"-"`
}
