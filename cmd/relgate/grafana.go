package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/exporters/grafana"
	"github.com/relgate/relgate/exporters/grafana/grafanatest"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/server"
)

type grafanaCommand struct {
	Sync      grafanaSyncCommand      `cmd:"" help:"Bring folder, dashboard and, where the config asks for them, alert rules to Grafana."`
	Dashboard grafanaDashboardCommand `cmd:"" help:"Write the dashboard to a file, for provisioning without a server."`
}

type grafanaDashboardCommand struct {
	Output      string `short:"o" default:"-" help:"File to write; - is standard output."`
	ExternalURL string `name:"external-url" help:"Where people reach relgate, for links. Left out: the dashboard links to the runbook only."`
	Datasource  string `help:"Uid of the Prometheus that is chosen at first. Left out: Grafana's default."`
}

// Help is printed by --help.
func (grafanaDashboardCommand) Help() string {
	return `Grafana reads it from the folder of a dashboard provider, or take it in by
Dashboards, New, Import.

  relgate grafana dashboard -o relgate-dashboard.json`
}

func (c grafanaDashboardCommand) Run(con console) error {
	text, err := grafana.Board{BaseURL: c.ExternalURL, Datasource: c.Datasource}.JSON()
	if err != nil {
		return err // unreachable: it is made of what JSON has
	}
	if c.Output == "-" {
		_, err = con.out.Write(text)
		return err
	}
	if c.Output == "" {
		return exit(exitUsage, errors.New("--output is empty: is a variable not set?"))
	}
	return os.WriteFile(c.Output, text, 0o644)
}

type grafanaSyncCommand struct {
	File      string `arg:"" optional:"" default:"config.toml" help:"Config file, with [grafana]." type:"path"`
	Overwrite bool   `help:"Replace what a person has changed, too."`
	Output    string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Help is printed by --help.
func (grafanaSyncCommand) Help() string {
	return `It makes what is not there and updates what only relgate has written. What a person
has changed is kept and named. It may be run again at any time.

  relgate grafana sync config.toml

Exit codes: 0 done, 1 Grafana refused, 2 usage or config, 4 Grafana refused the token,
69 Grafana cannot be reached.`
}

// syncReport is what sync -o json prints.
type syncReport struct {
	Changes []syncedThing `json:"changes"`
	Error   string        `json:"error"`
}

type syncedThing struct {
	What string `json:"what"` // folder, dashboard, alerts
	Name string `json:"name"`
	Did  string `json:"did"`
}

func (c grafanaSyncCommand) Run(ctx context.Context, con console) error {
	stdlog.SetOutput(io.Discard) // GF_LOG has the client of the API log bodies
	cfg, problems := configs().Load(c.File)
	complain(con.err, problems)
	if cfg == nil {
		return exit(exitUsage, fmt.Errorf("%s: %s; nothing was written", c.File, amount(config.Errors(problems), "problem")))
	}
	if cfg.Grafana == nil {
		return exit(exitUsage, fmt.Errorf(`%s: there is no [grafana]: write one with url and token`, c.File))
	}
	client, err := newGrafana(cfg.Grafana)
	if err != nil {
		return exit(exitUsage, err)
	}
	defer client.CloseIdleConnections()
	wanted := grafanaWants(cfg)
	wanted.Overwrite = c.Overwrite
	done, failed := client.Sync(ctx, wanted)
	if err := c.show(con, done, failed); err != nil {
		return err
	}
	return syncExit(ctx, failed)
}

// show prints what was done, also where the rest failed.
func (c grafanaSyncCommand) show(con console, done []grafana.Change, failed error) error {
	if c.Output == "json" {
		report := syncReport{Changes: []syncedThing{}}
		for _, d := range done {
			report.Changes = append(report.Changes, syncedThing{d.What, d.Name, string(d.Did)})
		}
		if failed != nil {
			report.Error = failed.Error()
		}
		return showJSON(con.out, report, "  ")
	}
	var rows [][]string
	for _, d := range done {
		said := string(d.Did)
		if d.Did == grafana.Kept {
			said += "; --overwrite replaces it"
		}
		rows = append(rows, []string{d.What, plain(d.Name), said})
	}
	for _, line := range tabled(rows) {
		fmt.Fprintln(con.out, line)
	}
	return nil
}

// syncExit is how the command ends.
func syncExit(ctx context.Context, failed error) error {
	if failed == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	code := exitFail
	if e, ok := errors.AsType[*grafana.Error](failed); ok {
		switch {
		case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
			code = exitAuth
		case e.Status == 0, e.Status >= 500, e.Status/100 == 3:
			code = exitUnreachable
		}
	}
	return exit(code, failed)
}

// newGrafana makes the client of a config's Grafana. The token is read here, so that a
// missing one is an error before anything is lost.
func newGrafana(g *config.GrafanaSpec) (*grafana.Client, error) {
	token, err := g.Token.Value()
	if err != nil {
		return nil, fmt.Errorf("grafana: token: %w", err)
	}
	c := grafana.Config{URL: g.URL, Token: token, Timeout: g.Timeout.Duration, Version: version}
	if g.CA != "" {
		pool, err := server.Authorities(g.CA)
		if err != nil {
			return nil, fmt.Errorf("grafana: ca: %w", err)
		}
		c.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return grafana.New(c)
}

// annotations is the endpoint that writes annotations. A rule that names its webhooks says
// nothing of it: it hears of everything.
func annotations(cfg *config.Config) (outbox.Endpoint, error) {
	client, err := newGrafana(cfg.Grafana)
	if err != nil {
		return outbox.Endpoint{}, err
	}
	return outbox.Endpoint{
		Name: config.GrafanaEndpoint, Class: outbox.Notify, Types: grafana.Types(), Overhears: true,
		Sink: client.Annotator(cfg.Daemon.ExternalURL),
	}, nil
}

// againAfter is how long the daemon waits after each failure in a row.
var againAfter = []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}

// provision does what `relgate grafana sync` does, at the start and when another config is
// in force, where it asks for that. What fails is said and tried again: it keeps no release
// from being watched.
func (d *daemon) provision(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		replaced, cfg := d.reloads.replaced(), d.inForce.Load()
		again := make(<-chan time.Time)
		if cfg.Grafana != nil && cfg.Grafana.Sync {
			if err := d.syncGrafana(ctx, cfg); err == nil {
				failures = 0
			} else if ctx.Err() == nil {
				wait := againAfter[min(failures, len(againAfter)-1)]
				failures++
				d.log.Warn("bringing the dashboard to Grafana", "err", err, "next", wait)
				again = time.After(wait)
			}
		}
		select {
		case <-again:
		case <-replaced:
		case <-ctx.Done():
		}
	}
	return nil
}

// syncGrafana brings what a config wants to its Grafana, and logs what changed there.
func (d *daemon) syncGrafana(ctx context.Context, cfg *config.Config) error {
	client, err := newGrafana(cfg.Grafana)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	done, err := client.Sync(ctx, grafanaWants(cfg))
	for _, c := range done {
		if c.Did != grafana.Unchanged {
			d.log.Info("grafana", "what", c.What, "name", c.Name, "did", string(c.Did))
		}
	}
	return err
}

// simulatedGrafana is the Grafana of a demo, in memory.
type simulatedGrafana struct {
	token    string
	memory   *grafanatest.Server
	listener net.Listener
	server   *http.Server
}

func newSimulatedGrafana(ctx context.Context) (*simulatedGrafana, error) {
	g := &simulatedGrafana{token: randomSecret()}
	g.memory = grafanatest.New(g.token, "")
	var lc net.ListenConfig
	var err error
	if g.listener, err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("listening for the simulated Grafana: %w", err)
	}
	g.server = &http.Server{Handler: g.memory, ReadHeaderTimeout: 10 * time.Second}
	return g, nil
}

func (g *simulatedGrafana) url() string { return "http://" + g.listener.Addr().String() }

// Run serves until ctx is done.
func (g *simulatedGrafana) Run(ctx context.Context) error {
	return serveUntil(ctx, g.server, g.listener)
}

func (g *simulatedGrafana) close() error {
	if err := g.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// grafanaWants is what a config wants to be in its Grafana.
func grafanaWants(cfg *config.Config) grafana.Wanted {
	g := cfg.Grafana
	w := grafana.Wanted{
		Board:  grafana.Board{BaseURL: cfg.Daemon.ExternalURL, Datasource: g.Datasource},
		Folder: cmp.Or(g.Folder, grafana.UID), Alerts: g.Alerts,
	}
	for _, p := range cfg.Plans {
		w.Plans = append(w.Plans, p.Name)
	}
	return w
}
