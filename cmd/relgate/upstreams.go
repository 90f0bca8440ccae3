package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/appstore"
	"github.com/relgate/relgate/sources/athena"
	"github.com/relgate/relgate/sources/cloudwatch"
	"github.com/relgate/relgate/sources/sentry"
)

// Where the upstreams live, unless the config or the SDK's environment says
// otherwise.
const (
	sentryURL   = "https://sentry.io"
	appStoreURL = "https://api.appstoreconnect.apple.com"
	lookupURL   = "https://itunes.apple.com"
)

// upstreams makes sources of what a config says.
type upstreams struct {
	credentials aws.CredentialsProvider // of AWS; nil: the SDK's chain
	pause       sources.Pause           // what retries wait through; nil: real time
	log         *slog.Logger
}

// connect makes every source of a config. A secret that cannot be read is an
// error here: a daemon that cannot ask must not look as if it could.
func (u upstreams) connect(ctx context.Context, specs []config.SourceSpec) (map[string]sources.Source, error) {
	made := make(map[string]sources.Source, len(specs))
	for i := range specs {
		src, err := u.source(ctx, &specs[i])
		if err != nil {
			return nil, fmt.Errorf("source %q: %w", specs[i].Name, err)
		}
		made[specs[i].Name] = src
	}
	return made, nil
}

func (u upstreams) source(ctx context.Context, s *config.SourceSpec) (sources.Source, error) {
	switch s.Type {
	case "cloudwatch":
		external, err := optional(s.ExternalID)
		if err != nil {
			return nil, err
		}
		return cloudwatch.New(ctx, cloudwatch.Config{
			Name: s.Name, Region: s.Region, BaseURL: s.URL, CAFile: s.CA, RoleARN: s.RoleARN, ExternalID: external,
			Credentials: u.credentials, MaxAttempts: *s.MaxAttempts, Pause: u.pause, Log: u.log,
		})
	case "athena":
		external, err := optional(s.ExternalID)
		if err != nil {
			return nil, err
		}
		return athena.New(ctx, athena.Config{
			Name: s.Name, Region: s.Region, BaseURL: s.URL, CAFile: s.CA, RoleARN: s.RoleARN, ExternalID: external,
			Credentials: u.credentials, MaxAttempts: *s.MaxAttempts, Pause: u.pause, Log: u.log,
		})
	case "sentry":
		return u.sentry(s)
	case "appstore":
		return u.appStore(s)
	}
	return nil, fmt.Errorf("unknown type %q", s.Type) // unreachable unless the config was not checked
}

func (u upstreams) sentry(s *config.SourceSpec) (sources.Source, error) {
	token, err := s.Token.Value()
	if err != nil {
		return nil, err
	}
	return sentry.New(sentry.Config{
		Name: s.Name, BaseURL: either(s.URL, sentryURL), Org: s.Org, Token: token, CAFile: s.CA,
		MaxAttempts: *s.MaxAttempts, Pause: u.pause, Log: u.log,
	})
}

func (u upstreams) appStore(s *config.SourceSpec) (sources.Source, error) {
	key, err := s.Key.Value()
	if err != nil {
		return nil, err
	}
	return appstore.New(appstore.Config{
		Name: s.Name, BaseURL: either(s.URL, appStoreURL), LookupURL: either(s.LookupURL, lookupURL),
		Issuer: s.Issuer, KeyID: s.KeyID, KeyPEM: []byte(key), CAFile: s.CA,
		MaxAttempts: *s.MaxAttempts, Pause: u.pause, Log: u.log,
	})
}

// optional reads a secret that need not be there.
func optional(s config.Secret) (string, error) {
	if s.IsZero() {
		return "", nil
	}
	return s.Value()
}

// either is the first text that is not empty.
func either(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
