package simulator

import (
	"maps"
	"slices"
	"time"
)

// upstreams are the names that faults, Stats and Chaos know.
var upstreams = []string{"cloudwatch", "athena", "lambda", "sentry", "appstore", "lookup"}

// faultKinds are what a fault can be; the package comment explains each.
var faultKinds = []string{
	"500", "502", "503", "504", "hang", "silent", "throttle", "partial", "garbage", "auth", "empty200", "slow",
	"login", "204", "foreign", "endless", "expired", "no_groups", "empty_series", "no_project",
}

// sentryKinds are the kinds of faults that only Sentry has.
var sentryKinds = []string{"no_groups", "empty_series", "no_project"}

// defaultLevels is a healthy world: the name of each signal and its base level.
// It has enough traffic for rules that weigh evidence: the first window of each
// phase has as many requests, sessions and predictions as a proof needs.
var defaultLevels = map[string]float64{
	"api.requests":            1200,  // API requests a minute
	"api.5xx":                 0.002, // share of them that end in 5xx
	"api.4xx":                 0.01,  // share of them that end in 4xx
	"api.latency_p95":         1.8,   // seconds
	"lambda.requests":         900,   // invocations through the alias a minute, both versions
	"lambda.errors":           0.001, // share of the released version's that fail
	"lambda.p95":              1.6,   // seconds, of the released version
	"lambda.cold":             0,     // share of the invocations that start cold, either version's
	"lambda.stable.errors":    0.001, // share of those of the version before it that fail
	"lambda.stable.p95":       1.5,   // seconds, of the version before it
	"sessions":                1000,  // app sessions a minute, both releases
	"sessions.crash":          0.001, // share of the new release's that crash
	"sessions.previous.crash": 0.002, // share of those of the release before it that crash
	"reviews.per_hour":        8,     // when the release is at 100 %
	"reviews.stars":           4.7,   // their mean
	"bias.gap":                0.03,  // between the highest and the lowest decile's rate
	"bias.rate":               0.3,   // of positive outcomes, over all deciles
	"bias.n":                  6000,  // predictions in each decile at T
	"day.swing":               0.2,   // how far traffic goes up and down over a day
	"traffic.lambda":          0,     // share of invocations that the released version gets
	"traffic.mobile":          0.02,  // share of users who have the release: testers at first
}

// correctable are the signals whose published value may be false at first.
var correctable = map[string]string{
	"api.5xx":        "cloudwatch",
	"lambda.p95":     "cloudwatch",
	"sessions.crash": "sentry",
}

// defaultPublish is when data can be seen. All of it is complete two minutes
// after the minute it belongs to.
var defaultPublish = map[string]Delay{
	"cloudwatch": {After: Span{D: 20 * time.Second}, Complete: Span{D: 2 * time.Minute}},
	"sentry":     {After: Span{D: 30 * time.Second}, Complete: Span{D: 2 * time.Minute}},
	"appstore":   {After: Span{D: time.Minute}, Complete: Span{D: time.Minute}},
	"athena":     {After: Span{D: 2 * time.Minute}, Complete: Span{D: 2 * time.Minute}},
}

var defaultNames = Names{
	API: "bioage", Stage: "prod", Function: "bioage-inference", Alias: "live", Stable: "42", Canary: "43",
	Alarm: "API5xxAlarm", Org: "bioage", Project: "bioage-ios", ProjectID: "4507001",
	Release: "com.bioage.app@1.0.0+100", Previous: "com.bioage.app@0.9.8+92", Environment: "production",
	App: "6470000001", Bundle: "com.bioage.app", Version: "1.0.0", Issuer: "*", KeyID: "*",
	SentryAlert: "Crash-free sessions", GrafanaAlert: "BiasGap",
}

// defaultRollout is the plan of config.toml carried out on time.
func defaultRollout() []Change {
	at := func(d time.Duration, signal string, v float64) Change {
		return Change{At: Offset{d, true}, Signal: signal, Value: Value{v, true}}
	}
	return []Change{
		at(0, "traffic.lambda", 0.1),
		at(20*time.Minute, "traffic.lambda", 1),
		at(30*time.Minute, "traffic.mobile", 0.1),
		at(150*time.Minute, "traffic.mobile", 0.5),
		at(390*time.Minute, "traffic.mobile", 1),
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
