package cloudwatch

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"github.com/relgate/relgate/internal/amazon"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

// Config says which account and region to ask, and how.
type Config = amazon.Config

// Source asks CloudWatch in one account and region. It is a sources.Source.
type Source struct {
	name     string
	client   *cloudwatch.Client
	counters *amazon.Counters
	idle     func() // closes idle connections
	log      *slog.Logger

	// counted is set once the endpoint has refused a percentile rank, fewer once it
	// has refused to look for log alarms.
	counted, fewer atomic.Bool

	region string
	known  seenNames
}

// New makes a source. It calls no network; an error says what is wrong with the
// configuration.
func New(ctx context.Context, cfg Config) (*Source, error) {
	counters := new(amazon.Counters)
	loaded, err := amazon.Load(ctx, cfg, counters)
	if err != nil {
		return nil, fmt.Errorf("making source %q: %w", cfg.Name, err)
	}
	client := cloudwatch.NewFromConfig(loaded, func(o *cloudwatch.Options) {
		if base := amazon.Endpoint(cfg.BaseURL); base != nil {
			o.BaseEndpoint = base
		}
		o.APIOptions = append(o.APIOptions, refuseNulls, amazon.Guard("CBOR"))
	})
	return &Source{
		name: cfg.Name, region: loaded.Region, client: client, counters: counters, idle: func() { amazon.CloseIdle(loaded) },
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
			s.fill(&readings[i], a, answers, now)
		}
	}
	s.lookForUnseen(ctx, now, wants, asks, answers, readings)
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
