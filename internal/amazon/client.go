package amazon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/relgate/relgate/sources"
)

// Config says how to reach one AWS account.
type Config struct {
	Name        string                  // of the source, for the log and for the tokens of Athena's queries; required
	Region      string                  // required unless the SDK's own environment names one
	BaseURL     string                  // empty: the SDK's default, so AWS_ENDPOINT_URL is honoured
	CAFile      string                  // PEM certificates trusted besides the system's; empty: none
	RoleARN     string                  // role to assume; empty: none, and STS is never called
	ExternalID  *sources.Secret         // to assume it with, read each time that is done; nil: none
	Credentials aws.CredentialsProvider // nil: the SDK's chain
	MaxAttempts int                     // tries of one call, the first included; 3 if zero
	Pause       sources.Pause           // what retries and polling wait through; nil: real sleeping
	Log         *slog.Logger            // nil: no log
	Transport   http.RoundTripper       // in place of the network; nil: HTTP over connections of its own
}

// Load resolves the configuration of an AWS client that counts into c. It calls
// no network: credentials are fetched when the first request is signed.
func Load(ctx context.Context, cfg Config, c *Counters) (aws.Config, error) {
	if err := checkBaseURL(cfg.BaseURL); err != nil {
		return aws.Config{}, err
	}
	transport, err := newTransport(cfg.CAFile)
	if err != nil {
		return aws.Config{}, err
	}
	opts := []func(*config.LoadOptions) error{config.WithHTTPClient(transport)}
	if cfg.Region != "" {
		opts = append(opts, config.WithRegion(cfg.Region))
	}
	if cfg.Credentials != nil {
		opts = append(opts, config.WithCredentialsProvider(cfg.Credentials))
	}
	loaded, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("loading the AWS configuration: %w", err)
	}
	if loaded.Region == "" {
		return aws.Config{}, errors.New("loading the AWS configuration: no region: set region in the source or AWS_REGION")
	}
	loaded.APIOptions = append(loaded.APIOptions, bound)
	renew := &renewable{files: credentialFiles, mark: marked(credentialFiles())}
	if renew.inner = loaded.Credentials; cfg.RoleARN != "" {
		renew.inner = assumed(loaded, cfg)
	}
	renew.find = func(ctx context.Context) (aws.CredentialsProvider, error) {
		again, err := config.LoadDefaultConfig(ctx, opts...)
		if err != nil || cfg.RoleARN == "" {
			return again.Credentials, err
		}
		again.APIOptions = append(again.APIOptions, bound)
		return assumed(again, cfg), nil
	}
	loaded.Credentials = renew
	// Set last, so that calls for credentials are not counted as requests.
	counting := newCountingClient(loaded.HTTPClient, c)
	if cfg.Transport != nil {
		counting.next.Transport = cfg.Transport
	}
	loaded.HTTPClient = counting
	loaded.Retryer = func() aws.Retryer { return newRetryer(cfg.MaxAttempts, cfg.Pause, c, renew) }
	return loaded, nil
}

// assumed are the credentials of the role that a configuration names. Each time that
// they are asked for anew, the external id is the one that is kept now.
func assumed(loaded aws.Config, cfg Config) aws.CredentialsProvider {
	client := sts.NewFromConfig(loaded)
	return aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		return stscreds.NewAssumeRoleProvider(client, cfg.RoleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "relgate"
			if cfg.ExternalID != nil {
				o.ExternalID = aws.String(cfg.ExternalID.Value())
			}
		}).Retrieve(ctx)
	}))
}

// Endpoint is the base URL in the form that a client's options want it: nil
// when the SDK is to find its own.
func Endpoint(baseURL string) *string {
	if baseURL == "" {
		return nil
	}
	return aws.String(baseURL)
}

// checkBaseURL refuses what would leak or mislead: credentials in a URL end up
// in errors, and a query or fragment would silently be dropped.
func checkBaseURL(base string) error {
	if base == "" {
		return nil
	}
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return errors.New("reading the base URL: it is not a URL")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return errors.New("reading the base URL: want http://HOST or https://HOST")
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return errors.New("reading the base URL: it may hold no user, query or fragment")
	}
	return nil
}

func newTransport(caFile string) (*awshttp.BuildableClient, error) {
	client := awshttp.NewBuildableClient()
	if caFile == "" {
		return client, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("reading the CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading the CA file %q: no PEM certificate in it", caFile)
	}
	return client.WithTransportOptions(func(t *http.Transport) {
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		t.TLSClientConfig.RootCAs = pool
	}), nil
}
