// Package kind is what relgate knows of Sentry before it asks it: how its queries are
// written and checked, how often they are asked and how late sessions are told. It is
// pure; the client is the package above it.
package kind

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// Name is how configs name the kind.
const Name = "sentry"

// Kind describes Sentry.
type Kind struct{}

// Name is "sentry".
func (Kind) Name() string { return Name }

// Title is "Sentry".
func (Kind) Title() string { return "Sentry" }

// Query is an empty [Query].
func (Kind) Query() rules.SourceQuery { return new(Query) }

// Account is how a source of Sentry gets at its organization.
func (Kind) Account() rules.Account {
	return rules.Account{Keys: []rules.AccountKey{
		{Key: "org", Doc: "Sentry: slug of the organization. Required there.", Example: `"my-organization"`, Required: true},
		{Key: "token", Doc: "Sentry: auth token with the scope org:read. Required there.", Example: `{ env = "SENTRY_TOKEN" }`, Required: true, Secret: true},
	}}
}

// Query asks how many sessions of a release crashed, or how many of its users had a crash.
type Query struct {
	Of          string `json:"of,omitempty" toml:"of"`         // What is counted: "sessions" or "users". A user counts once in each period, and with several periods once in each of them: a window's share is that of Sentry's page only where the period is as long as the window. Default: "sessions".
	Project     string `json:"project" toml:"project"`         // Numeric id or slug of the project. Required.
	Release     string `json:"release" toml:"release"`         // The release, exactly: "com.example.app@1.0.0+100". Required.
	Environment string `json:"environment" toml:"environment"` // The environment. Default: all.
}

// Of is the query of Sentry that a signal has, nil when it has none.
func Of(q rules.Query) *Query {
	own, _ := q.Ask.(*Query)
	return own
}

// Source is "sentry".
func (*Query) Source() string { return Name }

// What is counted.
const (
	Sessions = "sessions"
	Users    = "users"
)

// Facts are the pace of sessions, and what they are called. Users are counted by the
// hour where the plan does not say: in periods of a minute, who stays for an hour would
// count sixty times, and a crash of theirs once.
func (q *Query) Facts() rules.Facts {
	f := rules.Facts{
		Every: time.Minute, Settle: 10 * time.Minute, // a session is updated while it runs, and a crash is told at the next start
		Maturity:  2 * time.Hour,
		Dimension: "release",
		Nouns: rules.Nouns{
			All: "sessions", Verb: "crashed",
			Good: rules.Noun{One: "crash-free session", Many: "crash-free sessions"}, Bad: rules.Noun{One: "crash", Many: "crashes"},
		},
	}
	if q.Of == Users {
		f.Every, f.Whole = time.Hour, true
		f.Nouns = rules.Nouns{
			All: "users", Verb: "had a crash",
			Good: rules.Noun{One: "crash-free user", Many: "crash-free users"}, Bad: rules.Noun{One: "user with a crash", Many: "users with a crash"},
		}
	}
	return f
}

// Implied is the query as it is.
func (q *Query) Implied(*rules.Signal) rules.SourceQuery { return q }

// Apart is the release.
func (q *Query) Apart() map[string]string { return map[string]string{"release": q.Release} }

// Beside is the query for another release.
func (q *Query) Beside(_, value string) rules.SourceQuery {
	changed := *q
	changed.Release = value
	return &changed
}

const day = 24 * time.Hour

// Lint reports what is wrong with the query.
func (q *Query) Lint(at rules.Checker, sig *rules.Signal) {
	if sig.Kind != rules.Ratio {
		at.At("kind").Fail("wrong-kind", `write kind = "ratio"`, "what Sentry counts is a ratio: crashed of all")
	}
	if sig.Period%time.Minute != 0 || sig.Period > 0 && day%sig.Period != 0 {
		at.At("period").Fail("bad-period", "", "%v: want whole minutes that divide a day, as Sentry has them", rules.Duration{Duration: sig.Period})
	}
	at = at.At(Name)
	if q.Of != "" {
		at.At("of").OneOf("unknown-count", "count", q.Of, []string{Sessions, Users})
	}
	at.Required("project", q.Project == "", `"the project's id or slug"`)
	at.Required("release", q.Release == "", `"package@1.0.0+100"`)
}

// LintForms finds nothing: Sentry takes any text.
func (*Query) LintForms(rules.Checker) {}

// Line is "sessions of PROJECT RELEASE ENVIRONMENT".
func (q *Query) Line() string {
	return strings.TrimSpace(fmt.Sprintf(cmp.Or(q.Of, Sessions)+" of %s %s %s", q.Project, q.Release, q.Environment))
}

// Price is none: Sentry does not bill its API.
func (*Query) Price(*rules.Signal) []rules.Question { return nil }

// Past is whatever Sentry answers: it says itself how far back it goes.
func (*Query) Past(*rules.Signal) rules.Past { return rules.Past{} }
