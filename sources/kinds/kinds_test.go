package kinds_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	appstore "github.com/relgate/relgate/sources/appstore/kind"
	athena "github.com/relgate/relgate/sources/athena/kind"
	cloudwatch "github.com/relgate/relgate/sources/cloudwatch/kind"
	inbox "github.com/relgate/relgate/sources/inbox/kind"
	"github.com/relgate/relgate/sources/kinds"
	lambda "github.com/relgate/relgate/sources/lambda/kind"
	sentry "github.com/relgate/relgate/sources/sentry/kind"
	"github.com/relgate/relgate/sources/simulator"
)

const day = 24 * time.Hour

// A kind's name is its queries', and journals read back what they have.
func TestStoredForms(t *testing.T) {
	stored := map[string]string{
		"cloudwatch":   `{"cloudwatch":{"namespace":"N","dimensions":{"A":"b"},"bad":"B","total":"T","metric":"M","stat":"p95","unit":"Seconds","alarm":"A","missing_bad_is_zero":true}}`,
		"sentry":       `{"sentry":{"project":"p","release":"r","environment":""}}`,
		"appstore":     `{"appstore":{"fact":"reviews","app":"1","version":"1.0","version_id":"v","countries":["DEU"]}}`,
		"athena":       `{"athena":{"sql":"SELECT ?","file":"q.sql","parameters":["1"],"database":"d","catalog":"c","workgroup":"w","output":"s3://b","groups":10,"min_group":100,"reuse":"1h"}}`,
		"lambda-alias": `{"lambda-alias":{"function":"f","alias":"live","version":"43"}}`,
		"inbox":        `{"inbox":{"match":{"alertname":"A"},"unseen_is_ok":true}}`,
	}
	for _, kind := range kinds.All().Kinds() {
		text := stored[kind.Name()]
		plan, err := rules.ReadPlan([]byte(`{"signals":[{"query":`+text+`}]}`), kinds.All().Kinds())
		if err != nil || plan.Signals[0].Query.Ask == nil {
			t.Fatalf("%s: got %v, %v", kind.Name(), plan, err)
		}
		ask := plan.Signals[0].Query.Ask
		if again, err := json.Marshal(plan.Signals[0].Query); string(again) != text || err != nil {
			t.Errorf("got %s (%v)\nwant %s", again, err, text)
		}
		if ask.Source() != kind.Name() || reflect.TypeOf(ask) != reflect.TypeOf(kind.Query()) {
			t.Errorf("%s has queries of %s", kind.Name(), ask.Source())
		}
	}
}

// What a query's values are, beside numbers: missing ones may count as zero, and one may
// lie between groups.
func TestWhatValuesAre(t *testing.T) {
	for _, tt := range []struct {
		query  rules.SourceQuery
		zeros  string
		groups int
	}{
		{&cloudwatch.Query{Bad: rules.Several{"B"}}, "", 0},
		{&cloudwatch.Query{Bad: rules.Several{"B"}, MissingBadIsZero: true}, "B", 0},
		{&cloudwatch.Query{Bad: rules.Several{"B", "C"}, MissingBadIsZero: true}, "B + C", 0},
		{&sentry.Query{}, "", 0},
		{&appstore.Query{Fact: "reviews"}, "", 0},
		{&athena.Query{Groups: 10}, "", 10},
	} {
		if f := tt.query.Facts(); f.Zeros != tt.zeros || f.Groups != tt.groups {
			t.Errorf("%+v: got %q and %d groups, want %q and %d", tt.query, f.Zeros, f.Groups, tt.zeros, tt.groups)
		}
	}
}

// How often a source is asked where the plan does not say.
func TestPace(t *testing.T) {
	for _, tt := range []struct {
		query                   rules.SourceQuery
		every, settle, maturity time.Duration
		whole, fills            bool
		counted                 []rules.Kind
	}{
		{&cloudwatch.Query{}, time.Minute, 3 * time.Minute, 0, false, false, nil},
		{&cloudwatch.Query{Alarm: "a"}, time.Minute, 0, 0, false, false, nil},
		{&sentry.Query{}, time.Minute, 10 * time.Minute, 2 * time.Hour, false, false, nil},
		{&sentry.Query{Of: sentry.Users}, time.Hour, 10 * time.Minute, 2 * time.Hour, true, false, nil},
		{&appstore.Query{Fact: "reviews"}, 15 * time.Minute, 0, 0, true, true, []rules.Kind{rules.Mean}},
		{&appstore.Query{Fact: "lookup"}, 15 * time.Minute, 0, 0, true, false, nil},
		{&athena.Query{Groups: 10}, time.Hour, 0, 0, true, false, []rules.Kind{rules.Gauge}},
		{&athena.Query{Rows: athena.Periods}, time.Hour, 15 * time.Minute, 0, true, false, nil},
		{&lambda.Query{}, time.Minute, 0, 0, true, false, nil},
		{&inbox.Query{}, 10 * time.Second, 0, 0, false, false, nil},
	} {
		f := tt.query.Facts()
		if f.Every != tt.every || f.Settle != tt.settle || f.Maturity != tt.maturity || f.Whole != tt.whole || f.Fills != tt.fills || !slices.Equal(f.Counted, tt.counted) {
			t.Errorf("%s: got %+v", tt.query.Source(), f)
		}
	}
}

// What is asked for of the past, and what is told not to be there.
func TestPast(t *testing.T) {
	metric := &cloudwatch.Query{}
	for _, tt := range []struct {
		name   string
		query  rules.SourceQuery
		kind   rules.Kind
		period time.Duration
		none   bool
		whole  bool
		keeps  time.Duration
	}{
		{"minutes", metric, rules.Ratio, time.Minute, false, false, 15 * day},
		{"seconds", metric, rules.Ratio, 10 * time.Second, false, false, 3 * time.Hour},
		{"five minutes", metric, rules.Ratio, 5 * time.Minute, false, false, 63 * day},
		{"hours", metric, rules.Ratio, time.Hour, false, false, 455 * day},
		{"an alarm", &cloudwatch.Query{Alarm: "a"}, rules.Alarm, time.Minute, false, true, 0},
		{"sessions", &sentry.Query{}, rules.Ratio, time.Minute, false, false, 0},
		{"reviews", &appstore.Query{Fact: "reviews"}, rules.Mean, time.Minute, false, true, 0},
		{"lookup", &appstore.Query{Fact: "lookup"}, rules.Mean, time.Minute, true, false, 0},
		{"phased release", &appstore.Query{Fact: "phased_release_day"}, rules.Gauge, time.Minute, true, false, 0},
		{"its share", &appstore.Query{Fact: "phased_release_share"}, rules.Gauge, time.Minute, true, false, 0},
		{"an alias", &lambda.Query{}, rules.Gauge, time.Minute, true, false, 0},
		{"SQL", &athena.Query{}, rules.Gauge, time.Minute, true, false, 0},
		{"what is pushed", &inbox.Query{}, rules.Alarm, time.Minute, true, false, 0},
	} {
		got := tt.query.Past(&rules.Signal{Kind: tt.kind, Period: tt.period})
		if (got.None != "") != tt.none || got.Whole != tt.whole || got.Keeps != tt.keeps || (got.Keeps > 0) != (got.Kept != "") {
			t.Errorf("%s: got %+v", tt.name, got)
		}
	}
}

// account is what a config says.
type account map[string]string

func (a account) Text(key string) string { return a[key] }

func (a account) Secret(key string) (string, error) {
	if a[key] == "?" {
		return "", errors.New("it cannot be read")
	}
	return a[key], nil
}

// Every kind opens its source, with the upstream's own address where none is given. A
// secret that cannot be read opens nothing.
func TestOpen(t *testing.T) {
	list := kinds.All()
	ecKey, _, err := simulator.DemoKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		o := sources.Opening{Name: "s", MaxAttempts: 1, Simulated: true, Account: account{
			"region": "eu-central-1", "org": "o", "token": "t", "key_id": "K", "key": string(ecKey),
			"format": "alertmanager", "heartbeat": "5m", "bearer": "b",
		}}
		if src, err := list.Open(t.Context(), e.Kind.Name(), o); src == nil || err != nil {
			t.Errorf("%s: got %v, %v", e.Kind.Name(), src, err)
		}
		broken := account{"region": "eu-central-1", "format": "alertmanager", "heartbeat": "5m"}
		for _, k := range e.Kind.Account().Keys {
			if k.Secret {
				broken[k.Key] = "?"
			}
		}
		o.Account = broken
		if src, err := list.Open(t.Context(), e.Kind.Name(), o); err == nil {
			t.Errorf("%s: got %v without its secret", e.Kind.Name(), src)
		}
	}
	if src, err := list.Open(t.Context(), "almanac", sources.Opening{}); src != nil || err == nil {
		t.Errorf("got %v of a kind that does not exist", src)
	}
}

// A query says in a line what it asks, what it costs, and what can be told apart.
func TestWhatAQuerySaysOfItself(t *testing.T) {
	dimensions := map[string]string{"F": "f", "V": "43"}
	metric := &cloudwatch.Query{Namespace: "N", Metric: "D", Stat: "p95", Dimensions: dimensions}
	expressions := &cloudwatch.Query{
		Namespace: "N", Dimensions: dimensions, Bad: rules.Several{"all - ok"}, Total: rules.Several{"2 * all"},
		Metrics: []cloudwatch.Metric{{Name: "all", Metric: "T"}, {Name: "ok", Metric: "O", Namespace: "M", Dimensions: map[string]string{"V": "43"}}},
	}
	zeros := *expressions
	if zeros.MissingBadIsZero = true; zeros.Facts().Zeros != "T + O" {
		t.Errorf("zeros of %q", zeros.Facts().Zeros)
	}
	if apart := expressions.Apart(); len(apart) != 1 || apart["V"] != "43" {
		t.Errorf("expressions are told apart by %v", apart)
	}
	for _, tt := range []struct {
		query  rules.SourceQuery
		signal rules.Signal
		line   string
		asked  []string // what is billed
	}{
		{metric, rules.Signal{Of: -1, Kind: rules.Percentile}, "N D p95", []string{`"N" map[F:f V:43] 0s "D" p95`, `"N" map[F:f V:43] 0s "D" SampleCount`}},
		{metric, rules.Signal{Of: 0, Above: 2.5}, "N D p95", []string{`"N" map[F:f V:43] 0s "D" PR(:2.5)`}},
		{&cloudwatch.Query{Namespace: "N", Metric: "M"}, rules.Signal{Of: -1, Kind: rules.Mean}, "N M", []string{`"N" map[] 0s "M" Sum`, `"N" map[] 0s "M" SampleCount`}},
		{&cloudwatch.Query{Namespace: "N", Bad: rules.Several{"B"}, Total: rules.Several{"T"}}, rules.Signal{Of: -1}, "N B / T", []string{`"N" map[] 0s "B" Sum`, `"N" map[] 0s "T" Sum`}},
		{&cloudwatch.Query{Namespace: "N", Bad: rules.Several{"B", "C"}, Total: rules.Several{"T", "C"}}, rules.Signal{Of: -1}, "N B + C / T + C",
			[]string{`"N" map[] 0s "B" Sum`, `"N" map[] 0s "C" Sum`, `"N" map[] 0s "T" Sum`, `"N" map[] 0s "C" Sum`}},
		{expressions, rules.Signal{Of: -1}, "N all - ok / 2 * all", []string{`"N" map[F:f V:43] 0s "T" Sum`, `"M" map[V:43] 0s "O" Sum`, `"N" map[F:f V:43] 0s "T" Sum`}},
		{&cloudwatch.Query{Alarm: "a"}, rules.Signal{Of: -1, Kind: rules.Alarm}, "alarm a", []string{"a"}},
		{&sentry.Query{Project: "p", Release: "r"}, rules.Signal{Of: -1}, "sessions of p r", nil},
		{&sentry.Query{Of: sentry.Users, Project: "p", Release: "r"}, rules.Signal{Of: -1}, "users of p r", nil},
		{&appstore.Query{Fact: "reviews", App: "1", Version: "2"}, rules.Signal{Of: -1}, "reviews of app 1 2", nil},
		{&inbox.Query{Match: map[string]string{"severity": "page", "alertname": "A"}}, rules.Signal{Of: -1, Kind: rules.Alarm}, `alerts with alertname="A", severity="page"`, nil},
		{&lambda.Query{Function: "f", Alias: "live", Version: "43"}, rules.Signal{Of: -1, Kind: rules.Gauge}, "share of version 43 at f:live", nil},
		{&athena.Query{File: "q.sql", SQL: "S", Database: "d", Parameters: []string{"1"}}, rules.Signal{Of: -1}, "query q.sql", []string{"S\x00d\x001"}},
	} {
		var asked []string
		for _, q := range tt.query.Price(&tt.signal) {
			asked = append(asked, q.What)
		}
		if got := tt.query.Line(); got != tt.line || !slices.Equal(asked, tt.asked) {
			t.Errorf("got %q, asked %q; want %q, %q", got, asked, tt.line, tt.asked)
		}
		tt.query.LintForms(rules.Check("", new(rules.Problems)))
	}
	for _, q := range []rules.BesideQuery{metric, &sentry.Query{Project: "p", Release: "43"}} {
		dimension := q.Facts().Dimension
		if q.Source() == cloudwatch.Name {
			dimension = "V"
		}
		beside := q.Beside(dimension, "42").(rules.BesideQuery)
		if q.Apart()[dimension] != "43" || beside.Apart()[dimension] != "42" || len(q.Apart()) != len(beside.Apart()) {
			t.Errorf("%s: %v beside %v", q.Source(), q.Apart(), beside.Apart())
		}
	}
}
