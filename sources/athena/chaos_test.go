package athena_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/athena"
	"github.com/relgate/relgate/sources/athena/kind"
	"github.com/relgate/relgate/sources/simulator/simulatortest"
)

func suite(t *testing.T) simulatortest.Suite {
	t.Helper()
	gap := &rules.Signal{Name: "bias_gap", Kind: rules.Gauge, Period: time.Hour, Every: time.Hour, Of: -1,
		Query: rules.Query{Ask: &kind.Query{SQL: "SELECT decile, n, positives, newest, kpi FROM p WHERE v = ?", Parameters: []string{"'1.0.0'"},
			Database: "bioage", Workgroup: "relgate", Groups: 10, MinGroup: 100}}}
	return simulatortest.Suite{
		Handler: "aws",
		Open: func(base string, _ time.Time) (sources.Source, error) {
			return athena.New(context.Background(), athena.Config{
				Name: "athena", Region: "eu-central-1", BaseURL: base, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "x", ""),
				Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
			})
		},
		Wants: func(now time.Time) []sources.Want {
			to := now.Truncate(time.Hour).Unix() + 3600
			return []sources.Want{{Run: "p", Signal: gap, From: to - 2*3600, To: to}}
		},
	}
}

func TestHonestUnderChaos(t *testing.T) { simulatortest.Honest(t, suite(t)) }

func TestFaults(t *testing.T) { simulatortest.Faults(t, suite(t), "athena") }
