package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/sources/simulator"
)

// world is the simulated upstreams, each on a port of its own.
type world struct {
	simulator   *simulator.Simulator
	sentryToken string
	appStoreKey string                  // PEM
	pushSecret  string                  // by which alerts are signed
	others      map[string]http.Handler // beside the upstreams, by their names
	listeners   map[string]net.Listener
	servers     map[string]*http.Server
}

// newWorld makes the upstreams of a scenario on free loopback ports; Run serves. What clients
// write is kept in a folder, where one is named: it outlives a demo that is killed, as it would
// with the real ones.
func newWorld(ctx context.Context, dir string, scenario *simulator.Scenario, start time.Time, clock *virtualClock) (*world, error) {
	private, public, err := simulator.DemoKey()
	if err != nil {
		return nil, err
	}
	w := &world{sentryToken: randomSecret(), appStoreKey: string(private), pushSecret: randomSecret()}
	keep, path := func() {}, filepath.Join(dir, "upstreams.json")
	if dir != "" {
		keep = func() { _ = saveFile(path, w.simulator) } // what is not kept is missed after a kill only
	}
	w.simulator, err = simulator.New(simulator.Config{
		Scenario: scenario, Start: start, Now: clock.Now, OnHang: clock.hangs, Pause: clock.pause,
		OnWrite:     keep,
		SentryToken: w.sentryToken, AppStorePublicKey: public, TokenClock: time.Now,
	})
	if err == nil && dir != "" {
		err = loadFile(path, w.simulator)
	}
	if err != nil {
		return nil, err
	}
	return w, w.listen(ctx, map[string]string{})
}

// listen takes the ports: the addresses given, free loopback ports otherwise.
func (w *world) listen(ctx context.Context, addresses map[string]string) error {
	w.listeners, w.servers = map[string]net.Listener{}, map[string]*http.Server{}
	for _, name := range w.names() {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", either(addresses[name], "127.0.0.1:0"))
		if err != nil {
			return errors.Join(fmt.Errorf("listening for the simulated %s: %w", name, err), w.close())
		}
		w.listeners[name] = l
		handler := w.others[name]
		if handler == nil {
			handler = w.simulator.Handler(name)
		}
		w.servers[name] = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	}
	return nil
}

// names are those of all that is served.
func (w *world) names() []string {
	return append(simulator.Handlers(), slices.Sorted(maps.Keys(w.others))...)
}

// simulate points sources at the simulated upstreams.
func (w *world) simulate(specs []config.SourceSpec) {
	for i := range specs {
		s := &specs[i]
		switch s.Type {
		case "cloudwatch", "athena", "lambda-alias":
			s.URL = w.url("aws")
			*s = s.With(map[string]string{"role_arn": ""}, nil)
		case "sentry":
			s.URL = w.url("sentry")
			*s = s.With(nil, map[string]config.Secret{"token": config.Plain(w.sentryToken)})
		case "appstore":
			s.URL = w.url("appstore")
			*s = s.With(map[string]string{"lookup_url": s.URL}, map[string]config.Secret{"key": config.Plain(w.appStoreKey)})
		case "inbox": // only Sentry and Grafana push to theirs; for another any token will do
			for key, secret := range map[string]string{"bearer": rand.Text(), "secret": w.pushSecret} {
				if !s.Secrets[key].IsZero() {
					*s = s.With(nil, map[string]config.Secret{key: config.Plain(secret)})
				}
			}
		}
		s.CA = ""
	}
}

// take points sinks that act at the simulated upstreams. There they do act.
func (w *world) take(sinks []config.SinkSpec) {
	for i := range sinks {
		s := &sinks[i]
		switch s.Type {
		case "lambda":
			s.Texts["api"], s.Texts["role_arn"] = w.url("aws"), ""
		case "phased-release":
			s.Texts["api"], s.Own["key"] = w.url("appstore"), config.Plain(w.appStoreKey)
		default:
			continue
		}
		s.Texts["act"] = "live"
	}
}

func (w *world) url(name string) string { return "http://" + w.listeners[name].Addr().String() }

// Run serves until ctx is done.
func (w *world) Run(ctx context.Context) error {
	var group errgroup.Group
	for name, server := range w.servers {
		group.Go(func() error { return serveUntil(ctx, server, w.listeners[name]) })
	}
	return group.Wait()
}

// serveUntil serves until ctx is done, then drops what is left: an answer of a
// simulated upstream is not needed any more.
func serveUntil(ctx context.Context, server *http.Server, l net.Listener) error {
	stopped := context.AfterFunc(ctx, func() { server.Close() })
	defer stopped()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (w *world) close() error {
	var errs []error
	for _, l := range w.listeners {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
