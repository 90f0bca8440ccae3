package main

import (
	"context"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/exporters/actuator"
	"github.com/relgate/relgate/exporters/actuator/lambda"
	"github.com/relgate/relgate/exporters/actuator/phased"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/internal/amazon"
	"github.com/relgate/relgate/rules"
)

// actors are the types of sinks that do what an event asks for, and read back that it is so:
// when they have answered, it is done.
var actors = map[string]bool{"lambda": true, "phased-release": true}

// alias is the alias of a Lambda function as a way back has it.
type alias struct{ *lambda.Alias }

func (a alias) Would(ctx context.Context) ([]string, string, error) {
	seen, err := a.Look(ctx)
	if err != nil {
		return nil, "", err
	}
	steps, refusal := a.Plan(seen)
	return steps, refusal, nil
}

func (a alias) Ready(ctx context.Context) (says, missing string, err error) {
	steps, refusal, err := a.Would(ctx)
	if err != nil || refusal != "" {
		return "", refusal, err
	}
	return actuator.Would(steps), "", nil
}

func (a alias) Act(ctx context.Context) (string, error) {
	done, err := a.Revert(ctx)
	return done.Words, err
}

// weight is an alias whose released version keeps at most a share of the requests.
type weight struct {
	alias
	share float64
}

func (w weight) Would(ctx context.Context) ([]string, string, error) {
	seen, err := w.Look(ctx)
	if err != nil {
		return nil, "", err
	}
	steps, refusal := w.PlanLower(seen, w.share)
	return steps, refusal, nil
}

func (w weight) Ready(ctx context.Context) (says, missing string, err error) {
	steps, refusal, err := w.Would(ctx)
	if err != nil || refusal != "" {
		return "", refusal, err
	}
	return actuator.Would(steps), "", nil
}

func (w weight) Act(ctx context.Context) (string, error) {
	done, err := w.Lower(ctx, w.share)
	return done.Words, err
}

// appRelease is the phased release of an app's version as a way back has it.
type appRelease struct{ *phased.Release }

func (p appRelease) Would(ctx context.Context) ([]string, string, error) {
	seen, err := p.Look(ctx)
	if err != nil {
		return nil, "", err
	}
	steps, refusal := p.PlanPause(seen)
	return steps, refusal, nil
}

// Ready is Would, but for a phased release that has not begun: it can be paused once it has.
func (p appRelease) Ready(ctx context.Context) (says, missing string, err error) {
	seen, err := p.Look(ctx)
	if err != nil {
		return "", "", err
	}
	if seen.Waits() {
		return "the phased release is there and has not begun: once it has, it can be paused", "", nil
	}
	steps, refusal := p.PlanPause(seen)
	if refusal != "" {
		return "", refusal, nil
	}
	return actuator.Would(steps), "", nil
}

func (p appRelease) Act(ctx context.Context) (string, error) {
	done, err := p.Pause(ctx)
	if err != nil {
		return "", err
	}
	return done.After.String(), nil
}

func lambdaEndpoint(d *daemon, s *config.SinkSpec, _ webhook.Config, _ webhook.Endpoint, e outbox.Endpoint) (outbox.Endpoint, error) {
	cfg := amazon.Config{Name: s.Name, Region: s.Texts["region"], BaseURL: s.Texts["api"], RoleARN: s.Texts["role_arn"], Log: d.log, Transport: d.transport}
	if d.upstreams.simulated {
		cfg.Credentials = demoCredentials()
	}
	account, err := lambda.Open(context.Background(), lambda.AccountConfig{Amazon: cfg, CodeDeployURL: s.Texts["api"], Now: d.arrivals})
	if err != nil {
		return e, err
	}
	e.Class = outbox.Action
	e.Sink = &actuator.Sink{Name: s.Name, Does: []string{rules.DoRevert, rules.DoWeigh}, Live: s.Live(), Time: 2 * s.Timeout.Duration, Idle: account.CloseIdleConnections, Open: func(step *wire.Effect) (actuator.Actuator, error) {
		a, err := lambda.New(lambda.Config{
			Account: account, Function: s.Texts["function"], Alias: s.Texts["alias"], CodeDeploy: s.Texts["codedeploy"], Version: step.Version, Previous: step.Previous,
		})
		if step.Do == rules.DoWeigh && err == nil {
			return weight{alias{a}, step.Share()}, nil
		}
		return alias{a}, err
	}}
	return e, nil
}

func phasedEndpoint(d *daemon, s *config.SinkSpec, _ webhook.Config, _ webhook.Endpoint, e outbox.Endpoint) (outbox.Endpoint, error) {
	account, err := phased.Open(phased.AccountConfig{
		Name: s.Name, BaseURL: s.Texts["api"], Issuer: s.Texts["issuer"], KeyID: s.Texts["key_id"], ReadKey: func() (string, error) { return s.Secret("key") }, Log: d.log,
	})
	if err != nil {
		return e, err
	}
	e.Class = outbox.Action
	e.Sink = &actuator.Sink{Name: s.Name, Does: []string{rules.DoPause}, Live: s.Live(), Time: 2 * s.Timeout.Duration, Idle: account.CloseIdleConnections, Open: func(step *wire.Effect) (actuator.Actuator, error) {
		r, err := phased.New(phased.Config{Account: account, App: s.Texts["app"], Version: step.Version})
		return appRelease{r}, err
	}}
	return e, nil
}
