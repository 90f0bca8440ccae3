package lambda_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/relgate/relgate/exporters/actuator/lambda"
	"github.com/relgate/relgate/internal/amazon"
	"github.com/relgate/relgate/sources/simulator"
)

// The demo's Lambda and CodeDeploy are asked over HTTP, as the real ones are: a phase, the way
// back, and that the way back stands whatever the scenario's rollout does after it.
func TestTheSimulatorsAliasIsTakenBack(t *testing.T) {
	scenario, err := simulator.Load("healthy")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	at := start.Add(5 * time.Minute)
	sim, err := simulator.New(simulator.Config{Scenario: scenario, Start: start, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(sim.Handler("aws"))
	defer srv.Close()
	account, err := lambda.Open(t.Context(), lambda.AccountConfig{
		Amazon:        amazon.Config{Name: "live", Region: "eu-central-1", BaseURL: srv.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIDDEMO", "demo", "")},
		CodeDeployURL: srv.URL,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer account.CloseIdleConnections()
	for _, group := range []string{"", "bioage/prod"} {
		a, err := lambda.New(lambda.Config{Account: account, Function: "bioage-inference", Alias: "live", Version: "43", Previous: "42", CodeDeploy: group})
		if err != nil {
			t.Fatal(err)
		}
		if seen, err := a.Look(t.Context()); err != nil || group == "" && seen.Share != 0.1 {
			t.Errorf("%+v, %v; want version 43 with 10 %%", seen, err)
		}
		if d, err := a.Weigh(t.Context(), 0.5); err != nil || !d.Changed || d.After.Share != 0.5 {
			t.Errorf("%+v, %v", d, err)
		}
		if d, err := a.Revert(t.Context()); err != nil || !d.Changed || d.After.Share != 0 {
			t.Errorf("%+v, %v", d, err)
		}
		at = at.Add(time.Hour)
		if d, err := a.Revert(t.Context()); err != nil || d.Changed || d.After.Share != 0 {
			t.Errorf("an hour later: %+v, %v", d, err)
		}
	}
}
