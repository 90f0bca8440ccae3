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

// upstreams makes sources. Its fields replace what a config says, for runs
// against simulated upstreams; the zero value replaces nothing.
type upstreams struct {
	awsURL      string                  // base URL of CloudWatch and Athena
	credentials aws.CredentialsProvider // of AWS
	sentryURL   string
	sentryToken string
	appStoreURL string // of App Store Connect and the lookup
	appStoreKey []byte // PEM
	pause       sources.Pause
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
		return cloudwatch.New(ctx, cloudwatch.Config{
			Name: s.Name, Region: s.Region, BaseURL: either(u.awsURL, s.URL), CAFile: s.CA, RoleARN: s.RoleARN,
			Credentials: u.credentials, MaxAttempts: *s.MaxAttempts, Pause: u.pause, Log: u.log,
		})
	case "athena":
		return athena.New(ctx, athena.Config{
			Name: s.Name, Region: s.Region, BaseURL: either(u.awsURL, s.URL), CAFile: s.CA, RoleARN: s.RoleARN,
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
	token := u.sentryToken
	if token == "" {
		var err error
		if token, err = s.Token.Value(); err != nil {
			return nil, err
		}
	}
	return sentry.New(sentry.Config{
		Name: s.Name, BaseURL: either(u.sentryURL, s.URL, sentryURL), Org: s.Org, Token: token, CAFile: s.CA,
		MaxAttempts: *s.MaxAttempts, Pause: u.pause, Log: u.log,
	})
}

func (u upstreams) appStore(s *config.SourceSpec) (sources.Source, error) {
	key := u.appStoreKey
	if key == nil {
		text, err := s.Key.Value()
		if err != nil {
			return nil, err
		}
		key = []byte(text)
	}
	return appstore.New(appstore.Config{
		Name: s.Name, BaseURL: either(u.appStoreURL, s.URL, appStoreURL), LookupURL: either(u.appStoreURL, s.LookupURL, lookupURL),
		Issuer: s.Issuer, KeyID: s.KeyID, KeyPEM: key, CAFile: s.CA,
		MaxAttempts: *s.MaxAttempts, Pause: u.pause, Log: u.log,
	})
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
