package sentry

import (
	"cmp"
	"context"

	"github.com/relgate/relgate/sources"
)

const ownURL = "https://sentry.io"

// Open makes a source of Sentry.
func Open(_ context.Context, o sources.Opening) (sources.Source, error) {
	read := func() (string, error) { return o.Account.Secret("token") }
	return New(Config{
		Name: o.Name, BaseURL: cmp.Or(o.BaseURL, ownURL), Org: o.Account.Text("org"), ReadToken: read, CAFile: o.CAFile,
		MaxAttempts: o.MaxAttempts, Pause: o.Pause, Log: o.Log,
	})
}
