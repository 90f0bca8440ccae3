// Package kinds is the one list of the kinds of sources. A new kind has a folder of its
// own, with what it is in a package kind and its client above that, and a line here.
package kinds

import (
	"context"
	"fmt"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/appstore"
	appstorekind "github.com/relgate/relgate/sources/appstore/kind"
	"github.com/relgate/relgate/sources/athena"
	athenakind "github.com/relgate/relgate/sources/athena/kind"
	"github.com/relgate/relgate/sources/cloudwatch"
	cloudwatchkind "github.com/relgate/relgate/sources/cloudwatch/kind"
	"github.com/relgate/relgate/sources/inbox"
	inboxkind "github.com/relgate/relgate/sources/inbox/kind"
	"github.com/relgate/relgate/sources/lambda"
	lambdakind "github.com/relgate/relgate/sources/lambda/kind"
	"github.com/relgate/relgate/sources/sentry"
	sentrykind "github.com/relgate/relgate/sources/sentry/kind"
)

// All is every kind, in the order in which people are told of them.
func All() List {
	return List{
		{cloudwatchkind.Kind{}, cloudwatch.Open},
		{sentrykind.Kind{}, sentry.Open},
		{appstorekind.Kind{}, appstore.Open},
		{athenakind.Kind{}, athena.Open},
		{lambdakind.Kind{}, lambda.Open},
		{inboxkind.Kind{}, inbox.Open},
	}
}

// List is some kinds of sources.
type List []Entry

// Entry is a kind with what opens a source of it.
type Entry struct {
	Kind rules.SourceKind
	Open sources.Open
}

// Kinds are what the kinds say of themselves.
func (l List) Kinds() rules.Kinds {
	all := make(rules.Kinds, 0, len(l))
	for _, e := range l {
		all = append(all, e.Kind)
	}
	return all
}

// Open makes a source of the kind with that name.
func (l List) Open(ctx context.Context, kind string, o sources.Opening) (sources.Source, error) {
	for _, e := range l {
		if e.Kind.Name() == kind {
			return e.Open(ctx, o)
		}
	}
	return nil, fmt.Errorf("unknown type %q", kind)
}
