package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/relgate/relgate"
	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources/simulator"
)

// load reads plan and scenario.
func (d *demo) load() error {
	var problems []config.Problem
	if d.Config != "" {
		d.config, problems = configs().Load(d.Config)
	} else {
		text, err := relgate.Files.ReadFile("config.toml")
		if err != nil {
			return err // unreachable unless the build lost the file
		}
		d.config, problems = configs().Decode("config.toml", text, relgate.Files.ReadFile)
	}
	if config.Errors(problems) > 0 {
		complain(d.con.err, problems)
		return fmt.Errorf("the config has %s", amount(config.Errors(problems), "problem"))
	}
	if len(d.config.Plans) != 1 {
		return fmt.Errorf("the config has %d plans; a demo runs one", len(d.config.Plans))
	}
	d.plan = d.config.Plans[0]
	if d.plan.Template() {
		return fmt.Errorf("plan %q names no version and no start; a demo runs a plan with both in [release]", d.plan.Name)
	}
	if d.Plain {
		plainly(d.plan)
	}
	var err error
	d.scenario, err = simulator.Load(d.Scenario)
	return err
}

// directory is where the demo keeps its files: a temporary one unless told.
func (d *demo) directory() (err error) {
	if d.Keep != "" {
		if err := os.MkdirAll(d.Keep, 0o755); err != nil {
			return err
		}
	}
	if d.Dir != "" {
		return os.MkdirAll(d.Dir, 0o755)
	}
	d.temporary, err = os.MkdirTemp("", "relgate-demo-")
	d.Dir = d.temporary
	return err
}

// redirect points the config at the simulated world.
func (d *demo) redirect() {
	d.world.simulate(d.config.Sources)
	d.world.take(d.config.Sinks)
	for i := range d.config.Webhooks {
		w := &d.config.Webhooks[i]
		if hooked(w.Format) {
			continue // its receiver is simulated: see addHook
		}
		w.URL, w.URLFrom, w.CA, w.Headers = d.receiver.url(w.Name), config.Secret{}, "", nil
		w.Secrets = []config.Secret{config.Plain(d.receiver.secret)}
		w.HubSecret, w.Proxy = config.Secret{}, config.Secret{}
		w.Format, w.Keys, w.Own = "", rules.FormatKeys{}, nil // the receiver reads the standard form
	}
	if g := d.config.Grafana; g != nil {
		g.URL, g.Token, g.CA = d.grafana.url(), config.Plain(d.grafana.token), ""
	}
	d.config.Alertmanagers, d.config.OTLP, d.config.GitHubs = nil, nil, nil
	d.config.Daemon.WebhookAllow = []config.Network{{Prefix: netip.MustParsePrefix("127.0.0.1/32")}}
	d.config.Daemon.Journal = filepath.Join(d.Dir, "relgate.db")
	d.config.Daemon.SigningKeys = d.config.Daemon.Journal + ".keys"
	d.config.Daemon.Public, d.config.Daemon.Private = "127.0.0.1:0", "127.0.0.1:0"
	d.config.Daemon.Tokens, d.config.Daemon.OIDC, d.config.Daemon.TLS = nil, nil, nil
}

// begins is when virtual time begins: a minute before the release, and before the first of
// the plan's messages.
func (d *demo) begins() time.Time {
	first := d.plan.Start
	for _, at := range d.awaited() {
		if at.Before(first) {
			first = at
		}
	}
	return first.Add(-time.Minute)
}

// awaited are the times before the release at which one of the plan's messages is due.
func (d *demo) awaited() (times []time.Time) {
	for i := range d.plan.Communications {
		c := &d.plan.Communications[i]
		every := int64(d.plan.Interval / time.Second)
		slot := (c.Quiet.Over(d.plan.Start.Add(c.At).Unix()) + every - 1) / every * every
		if at := time.Unix(slot, 0).UTC(); c.On.IsZero() && c.Phase == "" && at.Before(d.plan.Start) {
			times = append(times, at)
		}
	}
	return times
}

// plainly makes a plan judge by thresholds what it would weigh.
func plainly(plan *rules.Plan) {
	for i := range plan.Rules {
		plan.Rules[i].Method = rules.ByThreshold
	}
}
