package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/prom"
	"github.com/relgate/relgate/exporters/server"
	"github.com/relgate/relgate/exporters/signing"
	"github.com/relgate/relgate/rules"
)

// clock is the time that a daemon lives in.
type clock interface {
	runner.Clock
	WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)
	tickTimeout() time.Duration // how long a tick waits for the sources
	clockStats() prom.ClockStats
}

// assembly is what a daemon is made of.
type assembly struct {
	config    *config.Config // at the start; a reload replaces its plans, sources and webhooks
	path      string         // of the config file, for reloading; empty: no reload
	clock     clock
	upstreams upstreams
	transport http.RoundTripper // of webhooks; nil: the network, with its address check
	arrivals  func() time.Time  // by which sinks say how long ago they asked for something; nil: time.Now
	// after has deliveries wait by the time of arrivals; nil: they have this machine's time.
	after     func(time.Duration) <-chan time.Time
	attempted func(sink string, m outbox.Message, o outbox.Outcome) // told how each attempt of a sink went; nil does nothing
	turn      func(ctx context.Context, n uint64)                   // waits until the n-th event, a step of the way back, may be sent; nil: at once
	uid       func() string                                         // what a new run is marked with; nil: random
	log       *slog.Logger
}

// daemon is the one place where sources, evaluator and exporters meet.
type daemon struct {
	assembly
	journal *journal.Journal
	asked   fetcher
	runner  *runner.Runner
	gate    *gate.Gate
	metrics *prom.Exporter
	hooks   atomic.Pointer[outbox.Outbox]
	told    totals[prom.EndpointStats] // by all webhooks so far
	inForce atomic.Pointer[config.Config]
	encoder *encoder
	pushers atomic.Pointer[pushers]  // of alerts; a reload replaces them
	posted  totals[prom.PusherStats] // by all of them so far
	inboxes inboxes                  // of alerts that others push
	boards  boards                   // of banners

	answerers atomic.Pointer[answerers] // of deployments at GitHub; a reload replaces them
	requests  requests                  // of what GitHub sends
	reloads   *reloads
	public    port
	private   port
}

// port is a listener and what serves it.
type port struct {
	net.Listener
	server *server.Server
}

// newDaemon opens the journal and the ports and puts the parts together. It
// starts nothing; close undoes it.
func newDaemon(ctx context.Context, a assembly) (*daemon, error) {
	d := &daemon{assembly: a, reloads: newReloads(a.clock.Now())}
	d.upstreams.pushes = kept{d}
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *daemon) open(ctx context.Context) error {
	made, err := d.upstreams.connect(ctx, d.config.Sources)
	if err != nil {
		return err
	}
	d.asked.use(d.newPool(d.config, made))
	d.inboxes.use(made)
	if d.journal, err = journal.Open(ctx, journal.Config{Path: d.config.Daemon.Journal, Endpoints: endpointNames(d.config)}); err != nil {
		return err
	}
	if _, err := signing.OpenOrMake(d.config.Daemon.SigningKeys); err != nil {
		return err
	}
	d.encoder = &encoder{journal: d.journal, kinds: d.upstreams.all().Kinds(), plans: map[string]*rules.Plan{}}
	d.runner, err = runner.New(runner.Config{
		Kinds: d.upstreams.all().Kinds(), Policies: policies(d.config), Journal: d.journal, Fetcher: &d.asked, Clock: d.clock, Log: d.log, NewUID: d.uid, Say: logLine,
		SnapshotEvery: *d.config.Daemon.SnapshotEvery, History: *d.config.Daemon.History, Drilled: d.newestDrill,
	})
	if err != nil {
		return err
	}
	hooks, err := d.newWebhooks(d.config)
	if err != nil {
		return err
	}
	d.useHooks(hooks)
	d.inForce.Store(d.config)
	alerts, err := d.newPushers(d.config)
	if err != nil {
		return err
	}
	d.usePushers(alerts)
	if err := d.newExporters(); err != nil {
		return err
	}
	answerers, err := d.newAnswerers(d.config)
	if err != nil {
		return err
	}
	d.answerers.Store(&answerers)
	return d.listen(ctx)
}

// idle reports whether there is nothing to do: no plan can be used, and no run is
// under way by a plan in the journal.
func (d *daemon) idle(ctx context.Context) (bool, error) {
	if len(d.config.Plans) > 0 {
		return false, nil
	}
	runs, err := d.journal.Runs(ctx, fact.RunFilter{Open: true, Limit: 1})
	return len(runs) == 0, err
}

func (d *daemon) newExporters() error {
	tokens, err := gateTokens(d.config.Daemon.Tokens)
	if err != nil {
		return err
	}
	jobs, err := gateJobs(d.config.Daemon.OIDC)
	if err != nil {
		return err
	}
	desk := desk{runner: d.runner, journal: d.journal}
	d.gate, err = gate.New(gate.Config{
		Tokens: tokens, Jobs: jobs, PublicBadges: d.config.Daemon.PublicBadges, OpenCommands: d.config.Daemon.Local(), Commander: desk, Starter: desk, Past: desk, Driller: driller{d},
		BaseURL: d.config.Daemon.ExternalURL, Now: d.clock.Now, Log: d.log,
	})
	if err != nil {
		return err
	}
	d.metrics = prom.New(d.observed())
	return nil
}

// listen opens the ports and makes their servers.
func (d *daemon) listen(ctx context.Context) error {
	var certificates *server.Certificates
	if files := d.config.Daemon.TLS; files != nil {
		var err error
		if certificates, err = server.NewCertificates(server.Files(*files)); err != nil {
			return fmt.Errorf("daemon.tls: %w", err)
		}
	}
	d.public.server = server.New(d.publicHandler(), server.Config{
		Name: "public", Limit: server.PublicLimit(), Wait: gate.MaxWait, TLS: certificates, Drain: d.gate.Drain, Log: d.log,
	})
	d.private.server = server.New(d.privateHandler(), server.Config{
		Name: "private", Limit: server.PrivateLimit, Wait: gate.MaxWait, Log: d.log,
	})
	var lc net.ListenConfig
	var err error
	if d.public.Listener, err = lc.Listen(ctx, "tcp", d.config.Daemon.Public); err != nil {
		return fmt.Errorf("listening on daemon.public: %w", err)
	}
	if d.private.Listener, err = lc.Listen(ctx, "tcp", d.config.Daemon.Private); err != nil {
		return fmt.Errorf("listening on daemon.private: %w", err)
	}
	return nil
}

// close lets go of what open took. Ports that a server has closed already are
// no error.
func (d *daemon) close() error {
	var errs []error
	for _, p := range []port{d.public, d.private} {
		if p.Listener != nil {
			if err := p.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	errs = append(errs, d.asked.close(ctx))
	if d.journal != nil {
		errs = append(errs, d.journal.Close())
	}
	return errors.Join(errs...)
}

// Run runs everything until ctx is done or a part fails, and stops it all.
func (d *daemon) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.runner.Run(ctx) })
	group.Go(func() error { return d.follow(ctx) })
	group.Go(func() error { return d.deliver(ctx) })
	group.Go(func() error { return d.provision(ctx) })
	group.Go(func() error { return d.alert(ctx) })
	group.Go(func() error { return d.answer(ctx) })
	group.Go(func() error { return d.prune(ctx) })
	group.Go(func() error { return d.watchConfig(ctx) })
	group.Go(func() error { return d.announce(ctx) })
	group.Go(func() error { return d.tellDrills(ctx) })
	group.Go(func() error { return d.public.server.Run(ctx, d.public) })
	group.Go(func() error { return d.private.server.Run(ctx, d.private) })
	d.log.Info("serving", "public", d.public.Addr().String(), "private", d.private.Addr().String(), "plans", len(d.config.Plans))
	return group.Wait()
}

// follow shows every committed tick to the exporters.
func (d *daemon) follow(ctx context.Context) error {
	for {
		changed := d.runner.Watch()
		published := d.runner.Published()
		d.gate.Update(gateViews(published))
		d.metrics.Update(metricViews(published, d.asked.pool.Load().Timeouts()))
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// prune drops runs that ended longer ago than the retention, once an hour. Those
// that a later run is compared with stay.
func (d *daemon) prune(ctx context.Context) error {
	for {
		if err := sleep(ctx, time.Hour); err != nil {
			return nil
		}
		before := d.clock.Now().Add(-d.config.Daemon.Retention.Duration)
		if _, err := d.journal.Prune(ctx, before, *d.config.Daemon.History); err != nil && ctx.Err() == nil {
			d.log.Warn("pruning the journal", "err", err)
		}
		if err := d.prunePushes(ctx); err != nil && ctx.Err() == nil {
			d.log.Warn("pruning what was pushed to inboxes", "err", err)
		}
	}
}

// publicHandler is what everyone can reach: the gate and the deliveries behind tokens, the
// inboxes and the webhooks of GitHub Apps behind what their senders sign, and whether the
// daemon is alive and ready, without.
func (d *daemon) publicHandler() http.Handler {
	mux, gates := http.NewServeMux(), d.gate.Handler()
	mux.Handle("/", gates)
	mux.Handle("GET /-/", gate.PublicHealth(d.alive, d.runner.Ready))
	d.deliveryRoutes(mux)
	mux.Handle("POST /v1/inbox/{source}", http.HandlerFunc(d.receive))
	mux.Handle(signPath+"{token}", http.HandlerFunc(d.serveLinks))
	mux.Handle("GET /v1/keys", http.HandlerFunc(d.serveKeys))
	mux.Handle("POST /v1/github/{app}", http.HandlerFunc(d.receiveGitHub))
	mux.Handle("GET /v1/plans/{plan}/banner.json", http.HandlerFunc(d.serveBanner))
	others := gate.Straight(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The gates go round the mux: they are what is asked all the time.
		if strings.HasPrefix(r.URL.Path, "/v1/gates/") {
			gates.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

func (d *daemon) privateHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", d.metrics.Handler())
	mux.Handle("/-/", gate.Health(d.alive, d.runner.Ready))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return gate.Straight(d.gate.Private(mux))
}

func (d *daemon) alive() error { return d.runner.Healthy(d.clock.Now()) }
