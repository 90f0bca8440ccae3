// Package kind is what relgate knows of Lambda's aliases before it asks: how its queries
// are written and checked, and how often they are asked. It is pure; the client is the
// package above it.
package kind

import (
	"fmt"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// Name is how configs name the kind: a sink of type "lambda" is what moves such an alias.
const Name = "lambda-alias"

// Kind describes Lambda.
type Kind struct{}

// Name is "lambda-alias".
func (Kind) Name() string { return Name }

// Title is "a Lambda alias".
func (Kind) Title() string { return "a Lambda alias" }

// Query is an empty [Query].
func (Kind) Query() rules.SourceQuery { return new(Query) }

// Account is how a source of Lambda gets at its account.
func (Kind) Account() rules.Account {
	return rules.Account{Keys: []rules.AccountKey{
		{Key: "region", Doc: "AWS region. Default: what the AWS SDK finds in its environment."},
		{Key: "role_arn", Doc: "AWS role to assume. Default: the credentials that the AWS SDK finds."},
		{Key: "external_id", Doc: "AWS external id to assume the role with.", Secret: true},
	}}
}

// Query asks which share of its requests an alias gives to a version, by its weights. The
// signal is a gauge in "%".
type Query struct {
	Function string `json:"function" toml:"function"` // Name or ARN of the function. Required.
	Alias    string `json:"alias" toml:"alias"`       // Name of the alias. Required.
	Version  string `json:"version" toml:"version"`   // Number of the version that is released: "{lambda}". Required.
}

// Of is the query of Lambda that a signal has, nil when it has none.
func Of(q rules.Query) *Query {
	own, _ := q.Ask.(*Query)
	return own
}

// Source is "lambda-alias".
func (*Query) Source() string { return Name }

// Facts are the pace: the weights are known at once, and cost nothing.
func (*Query) Facts() rules.Facts { return rules.Facts{Every: time.Minute, Whole: true} }

// Implied is the query as it is.
func (q *Query) Implied(*rules.Signal) rules.SourceQuery { return q }

// Lint reports what is wrong with the query.
func (q *Query) Lint(at rules.Checker, sig *rules.Signal) {
	if sig.Kind != rules.Gauge {
		at.At(Name).Fail("wrong-kind", `give the signal kind = "gauge"`, "the share of a version is a gauge, the signal a %v", sig.Kind)
	} else if sig.Unit != rules.Percent {
		at.At("unit").Fail("unit-mismatch", `write unit = "%"`, "the share of a version is in per cent")
	}
	at = at.At(Name)
	at.Required("function", q.Function == "", `"the function's name"`)
	at.Required("alias", q.Alias == "", `"live"`)
	at.Required("version", q.Version == "", `"{lambda}"`)
	q.LintForms(at)
}

// LintForms reports a version that is no number.
func (q *Query) LintForms(at rules.Checker) {
	if rules.Fixed(q.Version) && (strings.Trim(q.Version, "0123456789") != "" || strings.HasPrefix(q.Version, "0")) {
		at.At("version").Fail("bad-value", "", "%q: want the number of a published version, such as 42", q.Version)
	}
}

// Line is "share of version VERSION at FUNCTION:ALIAS".
func (q *Query) Line() string {
	return fmt.Sprintf("share of version %s at %s:%s", q.Version, q.Function, q.Alias)
}

// Price is none: Lambda does not bill its API.
func (*Query) Price(*rules.Signal) []rules.Question { return nil }

// Past is none.
func (*Query) Past(*rules.Signal) rules.Past {
	return rules.Past{None: "Lambda knows the present weights of an alias only"}
}
