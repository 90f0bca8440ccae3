package appstore

import (
	"cmp"
	"context"

	"github.com/relgate/relgate/sources"
)

const (
	ownURL    = "https://api.appstoreconnect.apple.com"
	lookupURL = "https://itunes.apple.com"
)

// Open makes a source of App Store Connect.
func Open(_ context.Context, o sources.Opening) (sources.Source, error) {
	read := func() (string, error) { return o.Account.Secret("key") }
	return New(Config{
		Name: o.Name, BaseURL: cmp.Or(o.BaseURL, ownURL), LookupURL: cmp.Or(o.Account.Text("lookup_url"), lookupURL),
		Issuer: o.Account.Text("issuer"), KeyID: o.Account.Text("key_id"), ReadKey: read, CAFile: o.CAFile,
		MaxAttempts: o.MaxAttempts, Pause: o.Pause, Log: o.Log,
	})
}
