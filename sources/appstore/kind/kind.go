// Package kind is what relgate knows of App Store Connect before it asks it: how its
// queries are written and checked, how often they are asked and what it keeps of the
// past. It is pure; the client is the package above it.
package kind

import (
	"fmt"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// Name is how configs name the kind.
const Name = "appstore"

// Kind describes App Store Connect.
type Kind struct{}

// Name is "appstore".
func (Kind) Name() string { return Name }

// Title is "App Store Connect".
func (Kind) Title() string { return "App Store Connect" }

// Query is an empty [Query].
func (Kind) Query() rules.SourceQuery { return new(Query) }

// Account is how a source of App Store Connect signs its questions.
func (Kind) Account() rules.Account {
	return rules.Account{Keys: []rules.AccountKey{
		{Key: "issuer", Doc: "App Store: issuer id of the team's key. Empty for an individual key."},
		{Key: "key_id", Doc: "App Store: id of the key. Required there.", Example: `"2X9R4HXF34"`, Required: true},
		{Key: "key", Doc: "App Store: the private key, the text of AuthKey_XXXX.p8. Required there.", Example: `{ file = "AuthKey.p8" }`, Required: true, Secret: true},
		{Key: "lookup_url", Doc: "App Store: base URL of the public lookup. Default: Apple's.", URL: true},
	}}
}

// Facts that a query may ask for.
const (
	Reviews = "reviews"
	Phased  = "phased_release_day"
	Share   = "phased_release_share"
	Lookup  = "lookup"
)

// Query asks for one fact of one app.
type Query struct {
	Fact      string   `json:"fact" toml:"fact"`                       // "reviews" (a mean: stars of this version's customer reviews), "phased_release_day" (a gauge: 1 to 7, 0 when not active), "phased_release_share" (a gauge in "%": of the users with automatic updates, those who get it) or "lookup" (a mean: new stars between two looks at the public storefront). Required.
	App       string   `json:"app,omitempty" toml:"app"`               // Numeric id of the app. Required.
	Version   string   `json:"version,omitempty" toml:"version"`       // The version: "1.0.0". This or version_id is required, but for lookup.
	VersionID string   `json:"version_id,omitempty" toml:"version_id"` // The id of the App Store version itself.
	Countries []string `json:"countries,omitempty" toml:"countries"`   // lookup: storefronts by two letters ("de"), required there; reviews: territories by three ("DEU"), all by default.
}

// Of is the query of App Store Connect that a signal has, nil when it has none.
func Of(q rules.Query) *Query {
	own, _ := q.Ask.(*Query)
	return own
}

// Source is "appstore".
func (*Query) Source() string { return Name }

// Facts are the pace of the store. Reviews can be weighed, and a time without any is
// known to have none.
func (q *Query) Facts() rules.Facts {
	f := rules.Facts{Every: 15 * time.Minute, Whole: true} // reviews come in when they come in
	if q.Fact == Reviews {
		f.Counted, f.Fills = []rules.Kind{rules.Mean}, true
	}
	return f
}

// Implied is the query as it is.
func (q *Query) Implied(*rules.Signal) rules.SourceQuery { return q }

// Lint reports what is wrong with the query.
func (q *Query) Lint(at rules.Checker, sig *rules.Signal) {
	at = at.At(Name)
	at.Required("app", q.App == "", `"the app's numeric id"`)
	q.LintForms(at)
	if q.Fact == "" {
		at.Required("fact", true, `"reviews"`)
		return
	}
	if !at.At("fact").OneOf("unknown-fact", "fact", q.Fact, []string{Reviews, Phased, Share, Lookup}) {
		return
	}
	kind := rules.Mean
	switch q.Fact {
	case Phased, Share:
		kind = rules.Gauge
	case Lookup:
		at.Required("countries", len(q.Countries) == 0, `["de", "us"]`)
	}
	if sig.Kind != kind {
		at.At("fact").Fail("wrong-kind", `give the signal kind = "`+kind.String()+`"`, "%q is a %v, the signal a %v", q.Fact, kind, sig.Kind)
	}
	if q.Fact == Share && sig.Unit != rules.Percent && sig.Kind == kind {
		at.At("fact").Fail("unit-mismatch", `give the signal unit = "%"`, "a share is in per cent")
	}
	at.Required("version", q.Fact != Lookup && q.Version == "" && q.VersionID == "", `"1.0.0"`)
}

// LintForms reports an app that is no number and countries that are no codes.
func (q *Query) LintForms(at rules.Checker) {
	if rules.Fixed(q.App) && strings.Trim(q.App, "0123456789") != "" {
		at.At("app").Fail("bad-value", "", "%q: want the app's numeric id", q.App)
	}
	letters := map[string]int{Reviews: 3, Phased: 3, Share: 3, Lookup: 2}[q.Fact]
	for i, country := range q.Countries {
		if letters > 0 && rules.Fixed(country) && len(country) != letters {
			at.At("countries").Index(i).Fail("bad-value", "", "%q: want a code of %d letters for %q", country, letters, q.Fact)
		}
	}
}

// Line is "FACT of app APP VERSION".
func (q *Query) Line() string {
	return strings.TrimSpace(fmt.Sprintf("%s of app %s %s", q.Fact, q.App, q.Version))
}

// Price is none: Apple does not bill its API.
func (*Query) Price(*rules.Signal) []rules.Question { return nil }

// Past is all reviews, and nothing else.
func (q *Query) Past(*rules.Signal) rules.Past {
	switch q.Fact {
	case Phased, Share:
		return rules.Past{None: "the App Store knows the present phased-release day only"}
	case Lookup:
		return rules.Past{None: "the public lookup knows the present ratings only"}
	}
	return rules.Past{Whole: true} // reviews are read newest first
}
