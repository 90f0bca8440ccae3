package sentry_test

import (
	"context"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/sentry"
	"github.com/relgate/relgate/sources/sentry/kind"
	"github.com/relgate/relgate/sources/simulator/simulatortest"
)

func suite(t *testing.T) simulatortest.Suite {
	t.Helper()
	crashFree := &rules.Signal{Name: "crash_free", Kind: rules.Ratio, Good: true, Unit: rules.Percent, Period: time.Minute, Settle: 10 * time.Minute, Of: -1,
		Query: rules.Query{Ask: &kind.Query{Project: "bioage-ios", Release: "com.bioage.app@1.0.0+100", Environment: "production"}}}
	return simulatortest.Suite{
		Handler: "sentry",
		Open: func(base string, _ time.Time) (sources.Source, error) {
			return sentry.New(sentry.Config{Name: "sentry", BaseURL: base, Org: "bioage", Token: "token",
				Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
		},
		Wants: func(now time.Time) []sources.Want {
			to := now.Truncate(time.Minute).Unix()
			return []sources.Want{{Run: "p", Signal: crashFree, From: to - 1800, To: to}}
		},
	}
}

func TestHonestUnderChaos(t *testing.T) { simulatortest.Honest(t, suite(t)) }

func TestFaults(t *testing.T) { simulatortest.Faults(t, suite(t), "sentry") }
