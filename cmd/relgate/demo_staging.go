package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources/simulator"
)

// stagingScenario is a world in which the version that is to be released has all requests:
// there is something to revert.
const stagingScenario = `
title = "staging"
[[rollout]]
at     = "T-48h"
signal = "traffic.lambda"
value  = "100 %"
`

// stage makes what stands in for receivers in the environments of the config, and points these
// at it: an upstream of its own for each sink, and the recorder for webhooks.
func (d *demo) stage(ctx context.Context) error {
	for i := range d.config.Environments {
		env := &d.config.Environments[i]
		for k := range env.Webhooks {
			w := &env.Webhooks[k]
			w.URL, w.URLFrom, w.CA, w.Headers = d.receiver.url(env.Name+"/"+w.Name), config.Secret{}, "", nil
			w.Secrets = []config.Secret{config.Plain(d.receiver.secret)}
			w.HubSecret, w.Proxy = config.Secret{}, config.Secret{}
			w.Format, w.Keys, w.Own = "", rules.FormatKeys{}, nil
		}
		for k := range env.Sinks {
			w, err := d.standIn(ctx, &env.Sinks[k])
			if err != nil {
				return fmt.Errorf("simulating %s in %s: %w", env.Sinks[k].Name, env.Name, err)
			}
			d.staging = append(d.staging, w)
			w.take(env.Sinks[k : k+1])
		}
	}
	return nil
}

func (d *demo) standIn(ctx context.Context, s *config.SinkSpec) (*world, error) {
	scenario, err := simulator.Parse("staging", stagingScenario)
	if err != nil {
		return nil, err
	}
	if s.Type == "lambda" {
		scenario.Names.Function, scenario.Names.Alias = s.Texts["function"], s.Texts["alias"]
	}
	return newWorld(ctx, "", scenario, d.plan.Start, d.clock) // every demo has a staging in which nothing was reverted
}

// rehearse does what the manager of the plan does before it: a drill, where the plan asks for
// one and there was none since the run began.
func (d *demo) rehearse(ctx context.Context, known *fact.Effects, begun time.Time) error {
	if d.plan.Rehearsal.MaxAge == 0 || known.Drill != nil && !known.Drill.At.Before(begun) || len(d.config.Environments) == 0 || d.drilled {
		return nil
	}
	d.drilled = true // one that fails is not tried again: it would fail again
	_, err := driller{d.daemon}.Drill(ctx, d.plan.Name, gate.DrillRequest{
		Environment: d.config.Environments[0].Name, Version: d.plan.Version, By: "the demo's " + d.plan.Manager, Why: "before the release",
	})
	if bad, ok := errors.AsType[*gate.BadStart](err); ok {
		d.log.Warn("the way back could not be rehearsed", "err", bad)
		return nil
	}
	return err
}
