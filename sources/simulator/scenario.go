package simulator

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

//go:embed scenarios/*.toml
var embedded embed.FS

// Scenario is what the simulated world does over time: base levels, and what
// happens to them at offsets from T. It is read from TOML; see the package
// comment for the file. A Scenario is not changed once it is in use.
type Scenario struct {
	Name  string `toml:"-"`     // file name without .toml
	Title string `toml:"title"` // one line for people
	Ends  string `toml:"ends"`  // how the plan of config.toml ends under it: passed, failed, rolled_back, unknown
	Seed  uint64 `toml:"seed"`  // of the noise; two scenarios of one seed differ only where they say so

	Names   Names            `toml:"names"`
	Levels  map[string]Value `toml:"levels"`  // base levels by signal name; what is absent has the default
	Publish map[string]Delay `toml:"publish"` // when data become visible, by upstream
	Rollout []Change         `toml:"rollout"` // traffic.lambda and traffic.mobile; replaces the default rollout
	Alarm   Alarm            `toml:"alarm"`
	Sentry  SentrySettings   `toml:"sentry"`

	CloudWatch CloudWatchSettings `toml:"cloudwatch"`

	Changes     []Change     `toml:"change"`
	Faults      []Fault      `toml:"fault"`
	Late        []Late       `toml:"late"`
	Corrections []Correction `toml:"correction"`
}

// Names is what the simulated things are called. Empty fields have the names of
// the project's config.toml.
type Names struct {
	API         string `toml:"api"`         // API Gateway ApiName
	Stage       string `toml:"stage"`       // API Gateway Stage
	Function    string `toml:"function"`    // Lambda function
	Alias       string `toml:"alias"`       // its alias
	Stable      string `toml:"stable"`      // the version before the release
	Canary      string `toml:"canary"`      // the version that is released
	Alarm       string `toml:"alarm"`       // CloudWatch alarm on the API's 5xx rate
	Org         string `toml:"org"`         // Sentry organization slug
	Project     string `toml:"project"`     // Sentry project slug
	ProjectID   string `toml:"project_id"`  // Sentry project id
	Release     string `toml:"release"`     // Sentry release that is rolled out
	Previous    string `toml:"previous"`    // Sentry release before it
	Environment string `toml:"environment"` // Sentry environment
	App         string `toml:"app"`         // App Store app id
	Bundle      string `toml:"bundle"`      // its bundle id
	Version     string `toml:"version"`     // App Store version that is rolled out
	Issuer      string `toml:"issuer"`      // App Store Connect issuer; "*" accepts any
	KeyID       string `toml:"key_id"`      // App Store Connect key id; "*" accepts any

	SentryAlert  string `toml:"sentry_alert"`  // Sentry's alert rule on crash-free sessions
	GrafanaAlert string `toml:"grafana_alert"` // Grafana's alert rule on the bias gap
}

// Delay is when a datum of one minute can be seen: nothing until After the
// minute's end, a first part of it then, and all of it Complete after the end.
type Delay struct {
	After    Span `toml:"after"`
	Complete Span `toml:"complete"`
}

// Alarm is the alarm on the API's 5xx rate: ALARM when Datapoints of the last
// Of minutes are above Threshold.
type Alarm struct {
	Threshold  Value `toml:"threshold"`  // "3 %" if absent
	Datapoints int   `toml:"datapoints"` // 10 if absent
	Of         int   `toml:"of"`         // 10 if absent
	// Type is metric, composite or log; metric if absent.
	Type string `toml:"type"`
}

// CloudWatchSettings is how the simulated CloudWatch keeps its metrics.
type CloudWatchSettings struct {
	Sparse  bool  `toml:"sparse"`  // a metric of failures has no value in a minute without one
	Spacing Span  `toml:"spacing"` // one value in so long; one minute if absent
	Ranks   *bool `toml:"ranks"`   // false: PR(:x) is refused
	// Chance has each invocation go to a version, and fail, by a chance of its own, up to
	// drawMost in a minute: counts swing as they do where requests know nothing of each other.
	Chance bool `toml:"chance"`
}

// SentrySettings is what the simulated Sentry can do.
type SentrySettings struct {
	// Resolution is the smallest interval it takes: "1m" if absent; "1h" refuses
	// shorter ones with Sentry's own 400.
	Resolution Span `toml:"resolution"`
	// Minutes is the longest range that is answered in intervals below an hour: any if
	// absent; "6h" refuses longer ones in the words of older versions.
	Minutes Span `toml:"minutes"`
}

// Change sets a signal to a value from At, for For (for ever if absent). With
// Over the value is reached in a straight line of that length.
type Change struct {
	At     Offset `toml:"at"`
	For    Span   `toml:"for"`
	Over   Span   `toml:"over"`
	Signal string `toml:"signal"`
	Value  Value  `toml:"value"`
}

// Fault is a stretch of time in which an upstream misbehaves.
type Fault struct {
	Upstream  string `toml:"upstream"`  // cloudwatch, athena, lambda, sentry, appstore or lookup
	Operation string `toml:"operation"` // only this one, as Stats counts it; all if absent
	From      Offset `toml:"from"`
	To        Offset `toml:"to"`    // for ever if absent
	Kind      string `toml:"kind"`  // one of the kinds in the package comment
	Delay     Span   `toml:"delay"` // slow: how long an answer takes, 5s if absent; throttle: Retry-After, none if absent
}

// Late delays what an upstream publishes of the minutes from From to To.
type Late struct {
	Upstream string `toml:"upstream"`
	From     Offset `toml:"from"`
	To       Offset `toml:"to"`
	Delay    Span   `toml:"delay"`
}

// Correction publishes a false value for the minutes from At to At+For, and
// corrects it After it was first published.
type Correction struct {
	At     Offset `toml:"at"`
	For    Span   `toml:"for"`
	Signal string `toml:"signal"`
	Value  Value  `toml:"value"`
	After  Span   `toml:"after"`
}

// Scenarios lists the names of the embedded scenarios, sorted.
func Scenarios() []string {
	entries, err := embedded.ReadDir("scenarios")
	if err != nil {
		return nil // unreachable: the directory is embedded
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".toml"))
	}
	return names
}

// Load reads an embedded scenario by its name, or a file by its path. The
// errors say what is wrong with the file and where.
func Load(nameOrPath string) (*Scenario, error) {
	if slices.Contains(Scenarios(), nameOrPath) {
		text, err := embedded.ReadFile("scenarios/" + nameOrPath + ".toml")
		if err != nil {
			return nil, fmt.Errorf("reading scenario %q: %w", nameOrPath, err)
		}
		return Parse(nameOrPath, string(text))
	}
	text, err := os.ReadFile(nameOrPath)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("reading scenario %q: no such file, and no embedded scenario (there are %s)",
			nameOrPath, strings.Join(Scenarios(), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("reading scenario %q: %w", nameOrPath, err)
	}
	return Parse(nameOrPath, string(text))
}

// Parse reads the text of a scenario file. An unknown key, a wrong type, an
// unknown signal, upstream or kind is an error; all of them are returned,
// joined.
func Parse(name, text string) (*Scenario, error) {
	s := &Scenario{Name: name}
	meta, err := toml.Decode(text, s)
	if err != nil {
		if pe, ok := errors.AsType[toml.ParseError](err); ok {
			return nil, fmt.Errorf("scenario %q: line %d: %s", name, pe.Position.Line, pe.Message)
		}
		return nil, fmt.Errorf("scenario %q: %w", name, err)
	}
	var errs []error
	for _, k := range meta.Undecoded() {
		errs = append(errs, fmt.Errorf("scenario %q: unknown key %q", name, k.String()))
	}
	for _, e := range s.check() {
		errs = append(errs, fmt.Errorf("scenario %q: %w", name, e))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	s.complete()
	return s, nil
}

func (s *Scenario) check() []error {
	var errs []error
	bad := func(where string, i int, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s %d: %s", where, i+1, fmt.Sprintf(format, args...)))
	}
	for _, name := range sortedKeys(s.Levels) {
		if _, ok := defaultLevels[name]; !ok {
			errs = append(errs, fmt.Errorf("levels: unknown signal %q (there are %s)", name, strings.Join(sortedKeys(defaultLevels), ", ")))
		}
	}
	for _, name := range sortedKeys(s.Publish) {
		if _, ok := defaultPublish[name]; !ok {
			errs = append(errs, fmt.Errorf("publish: unknown upstream %q (there are %s)", name, strings.Join(sortedKeys(defaultPublish), ", ")))
		}
	}
	s.checkChanges("change", s.Changes, bad)
	s.checkChanges("rollout", s.Rollout, bad)
	s.checkFaults(bad)
	for i, l := range s.Late {
		if _, ok := defaultPublish[l.Upstream]; !ok {
			bad("late", i, "unknown upstream %q", l.Upstream)
		}
		if !l.From.set || !l.To.set || l.To.D <= l.From.D {
			bad("late", i, "wants from and to, to after from")
		}
	}
	for i, c := range s.Corrections {
		if _, ok := correctable[c.Signal]; !ok {
			bad("correction", i, "signal %q cannot be corrected (there are %s)", c.Signal, strings.Join(sortedKeys(correctable), ", "))
		}
		if !c.At.set || c.For.D <= 0 || c.After.D <= 0 || !c.Value.set {
			bad("correction", i, "wants at, for, after and value")
		}
	}
	if !slices.Contains([]string{"", "metric", "composite", "log"}, s.Alarm.Type) {
		errs = append(errs, fmt.Errorf("alarm: unknown type %q (there are metric, composite and log)", s.Alarm.Type))
	}
	if d := s.CloudWatch.Spacing.D; d%time.Minute != 0 || d < 0 || d > time.Hour {
		errs = append(errs, errors.New("cloudwatch: spacing wants whole minutes, an hour at most"))
	}
	if s.Alarm.Datapoints < 0 || s.Alarm.Of < 0 || s.Alarm.Of > 1440 || (s.Alarm.Of > 0 && s.Alarm.Datapoints > s.Alarm.Of) {
		errs = append(errs, errors.New("alarm: wants datapoints of at most of"))
	}
	return errs
}

func (s *Scenario) checkChanges(where string, list []Change, bad func(string, int, string, ...any)) {
	for i, c := range list {
		if _, ok := defaultLevels[c.Signal]; !ok {
			bad(where, i, "unknown signal %q (there are %s)", c.Signal, strings.Join(sortedKeys(defaultLevels), ", "))
		}
		if !c.At.set {
			bad(where, i, "wants at, such as \"T+40m\"")
		}
		if !c.Value.set {
			bad(where, i, "wants value")
		}
	}
}

func (s *Scenario) checkFaults(bad func(string, int, string, ...any)) {
	for i, f := range s.Faults {
		if !slices.Contains(upstreams, f.Upstream) {
			bad("fault", i, "unknown upstream %q (there are %s)", f.Upstream, strings.Join(upstreams, ", "))
		}
		if !slices.Contains(faultKinds, f.Kind) {
			bad("fault", i, "unknown kind %q (there are %s)", f.Kind, strings.Join(faultKinds, ", "))
		}
		if slices.Contains(sentryKinds, f.Kind) && f.Upstream != "sentry" {
			bad("fault", i, "kind %q is for sentry", f.Kind)
		}
		if !f.From.set {
			bad("fault", i, "wants from, such as \"T+1h\"")
		}
		if f.To.set && f.To.D <= f.From.D {
			bad("fault", i, "to is not after from")
		}
	}
}

// complete fills in what the file left out.
func (s *Scenario) complete() {
	s.Names = s.Names.orDefault()
	if !s.Alarm.Threshold.set {
		s.Alarm.Threshold = Value{0.03, true}
	}
	if s.Alarm.Of == 0 {
		s.Alarm.Of = max(10, s.Alarm.Datapoints)
	}
	if s.Alarm.Datapoints == 0 {
		s.Alarm.Datapoints = min(10, s.Alarm.Of)
	}
	if s.Sentry.Resolution.D == 0 {
		s.Sentry.Resolution.D = time.Minute
	}
	if len(s.Rollout) == 0 {
		s.Rollout = defaultRollout()
	}
}

func (n Names) orDefault() Names {
	d := defaultNames
	for _, f := range []struct{ have, def *string }{
		{&n.API, &d.API}, {&n.Stage, &d.Stage}, {&n.Function, &d.Function}, {&n.Alias, &d.Alias},
		{&n.Stable, &d.Stable}, {&n.Canary, &d.Canary}, {&n.Alarm, &d.Alarm}, {&n.Org, &d.Org},
		{&n.Project, &d.Project}, {&n.ProjectID, &d.ProjectID}, {&n.Release, &d.Release},
		{&n.Previous, &d.Previous}, {&n.Environment, &d.Environment}, {&n.App, &d.App},
		{&n.Bundle, &d.Bundle}, {&n.Version, &d.Version}, {&n.Issuer, &d.Issuer}, {&n.KeyID, &d.KeyID},
		{&n.SentryAlert, &d.SentryAlert}, {&n.GrafanaAlert, &d.GrafanaAlert},
	} {
		if *f.have == "" {
			*f.have = *f.def
		}
	}
	return n
}
