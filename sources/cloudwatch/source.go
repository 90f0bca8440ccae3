package cloudwatch

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/internal/amazon"
)

// Config says which account and region to ask, and how.
type Config struct {
	Name        string                  // of the source, for the log; required
	Region      string                  // required unless the SDK's environment names one
	BaseURL     string                  // empty: the SDK's default, so AWS_ENDPOINT_URL is honoured
	CAFile      string                  // PEM certificates trusted besides the system's; empty: none
	RoleARN     string                  // role to assume; empty: none, and STS is never called
	ExternalID  string                  // to assume it with; a secret; empty: none
	Credentials aws.CredentialsProvider // nil: the SDK's chain
	MaxAttempts int                     // tries of one call, the first included; 3 if zero
	Pause       sources.Pause           // what retries wait through; nil: real sleeping
	Log         *slog.Logger            // nil: no log
}

// Source asks CloudWatch in one account and region. It is a sources.Source.
type Source struct {
	name     string
	client   *cloudwatch.Client
	counters *amazon.Counters
	idle     func() // closes idle connections
	log      *slog.Logger

	// rank is set once the endpoint has refused a trimmed count.
	rank atomic.Bool
}

// New makes a source. It calls no network; an error says what is wrong with the
// configuration.
func New(ctx context.Context, cfg Config) (*Source, error) {
	counters := new(amazon.Counters)
	loaded, err := amazon.Load(ctx, amazon.Config{
		Region: cfg.Region, BaseURL: cfg.BaseURL, CAFile: cfg.CAFile, RoleARN: cfg.RoleARN, ExternalID: cfg.ExternalID,
		Credentials: cfg.Credentials, MaxAttempts: cfg.MaxAttempts, Pause: cfg.Pause,
	}, counters)
	if err != nil {
		return nil, fmt.Errorf("making source %q: %w", cfg.Name, err)
	}
	client := cloudwatch.NewFromConfig(loaded, func(o *cloudwatch.Options) {
		if base := amazon.Endpoint(cfg.BaseURL); base != nil {
			o.BaseEndpoint = base
		}
		o.APIOptions = append(o.APIOptions, refuseNulls)
	})
	return &Source{
		name: cfg.Name, client: client, counters: counters, idle: func() { amazon.CloseIdle(loaded) },
		log: cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)),
	}, nil
}

// Stats is what the source has done since it was made. Billed counts the metric
// statistics that were asked for.
func (s *Source) Stats() sources.Stats { return s.counters.Stats() }

// CloseIdleConnections closes the connections that no request uses. The source
// may be used again.
func (s *Source) CloseIdleConnections() { s.idle() }

// Fetch answers every want, in order.
func (s *Source) Fetch(ctx context.Context, now time.Time, wants []sources.Want) []rules.Reading {
	readings := make([]rules.Reading, len(wants))
	asks := make([]ask, len(wants))
	for i, w := range wants {
		readings[i] = rules.Reading{Signal: w.Index, From: w.From, To: w.To}
		a, err := askFor(w)
		if err != nil {
			readings[i].Fault, readings[i].Detail = rules.ConfigFault, amazon.Scrub(err.Error())
			continue
		}
		asks[i] = a
	}
	answers := s.metrics(ctx, now, asks)
	alarms := s.alarms(ctx, now, asks)
	for i, a := range asks {
		switch {
		case a.alarm != "":
			alarms[a.alarm].fill(&readings[i], a, now)
		case a.period != 0:
			fill(&readings[i], a, answers[a.value], answers[a.count], now)
		}
	}
	return readings
}

// fail puts a failure into a reading.
func fail(r *rules.Reading, f amazon.Failure) {
	r.Fault, r.Detail, r.RetryAt = f.Fault, f.Detail, f.RetryAt
}

// floor is the start of the period that holds t, for t of either sign.
func floor(t, period int64) int64 {
	r := t % period
	if r < 0 {
		r += period
	}
	return t - r
}
