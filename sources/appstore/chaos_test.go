package appstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/appstore"
	"github.com/relgate/relgate/sources/appstore/kind"
	"github.com/relgate/relgate/sources/simulator"
	"github.com/relgate/relgate/sources/simulator/simulatortest"
)

func suite(t *testing.T) simulatortest.Suite {
	t.Helper()
	p8, _, err := simulator.DemoKey()
	if err != nil {
		t.Fatal(err)
	}
	rating := &rules.Signal{Name: "rating", Kind: rules.Mean, Period: 15 * time.Minute, Every: 15 * time.Minute, Of: -1,
		Query: rules.Query{Ask: &kind.Query{Fact: "reviews", App: "6470000001", Version: "1.0.0"}}}
	return simulatortest.Suite{
		Handler: "appstore",
		Open: func(base string, now time.Time) (sources.Source, error) {
			return appstore.New(appstore.Config{Name: "appstore", BaseURL: base, LookupURL: base, Issuer: "issuer", KeyID: "KEY", KeyPEM: p8,
				Now:   func() time.Time { return now },
				Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
		},
		Wants: func(now time.Time) []sources.Want {
			to := now.Truncate(15 * time.Minute).Unix()
			return []sources.Want{{Run: "p", Signal: rating, From: to - 3*3600, To: to}}
		},
	}
}

func TestHonestUnderChaos(t *testing.T) { simulatortest.Honest(t, suite(t)) }

func TestFaults(t *testing.T) { simulatortest.Faults(t, suite(t), "appstore") }
