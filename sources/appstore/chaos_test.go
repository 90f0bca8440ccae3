package appstore_test

import (
	"context"
	"slices"
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

// shareSuite asks for the share of the phased release. That its answer holds null says that
// there is none, which no client can tell from a null that is wrong.
func shareSuite(t *testing.T) simulatortest.Suite {
	s := suite(t)
	share := &rules.Signal{Name: "share", Kind: rules.Gauge, Unit: rules.Percent, Period: 15 * time.Minute, Every: 15 * time.Minute, Of: -1,
		Query: rules.Query{Ask: &kind.Query{Fact: "phased_release_share", App: "6470000001", Version: "1.0.0"}}}
	s.Wants = func(now time.Time) []sources.Want {
		return []sources.Want{{Run: "p", Signal: share, From: now.Unix() - 3600, To: now.Unix()}}
	}
	s.Kinds = slices.DeleteFunc(simulator.ChaosKinds(), func(k string) bool { return k == "null" })
	return s
}

func TestTheShareIsHonestUnderChaos(t *testing.T) { simulatortest.Honest(t, shareSuite(t)) }

func TestFaultsOfTheShare(t *testing.T) { simulatortest.Faults(t, shareSuite(t), "appstore") }

func TestHonestUnderChaos(t *testing.T) { simulatortest.Honest(t, suite(t)) }

func TestFaults(t *testing.T) { simulatortest.Faults(t, suite(t), "appstore") }
