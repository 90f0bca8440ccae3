package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/prom"
	"github.com/relgate/relgate/sources"
)

// reloads remembers how the config was read last.
type reloads struct {
	one     sync.Mutex // held by the reload in progress
	known   sync.Mutex // held while the journal knows other endpoints than the webhooks in force
	mu      sync.Mutex
	state   prom.ReloadStats
	changed chan struct{} // closed when the webhooks were replaced
}

func newReloads(now time.Time) *reloads {
	return &reloads{state: prom.ReloadStats{OK: true, Success: now}, changed: make(chan struct{})}
}

func (r *reloads) stats() prom.ReloadStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// done notes how a reload went: whether all of the config is good.
func (r *reloads) done(now time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.OK = ok
	if ok {
		r.state.Success = now
	}
}

// replace says that the webhooks were replaced.
func (r *reloads) replace() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.changed)
	r.changed = make(chan struct{})
}

// replaced gives a channel that is closed when the webhooks are replaced next.
func (r *reloads) replaced() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// untilReplaced has begin start what the config in force needs, and once that is replaced ends
// it and begins anew, until ctx is done.
func (r *reloads) untilReplaced(ctx context.Context, begin func(ctx context.Context, group *errgroup.Group)) error {
	for ctx.Err() == nil {
		replaced := r.replaced()
		current, cancel := context.WithCancel(ctx)
		group, current := errgroup.WithContext(current)
		begin(current, group)
		select {
		case <-replaced:
		case <-ctx.Done():
		}
		cancel()
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// watchConfig reloads when a file changes or SIGHUP comes.
func (d *daemon) watchConfig(ctx context.Context) error {
	if d.path == "" {
		<-ctx.Done()
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		err := config.Watch(ctx, d.config, func() *config.Config { return d.reload(ctx) })
		if ctx.Err() == nil {
			d.log.Warn("watching the config: only SIGHUP reloads it now", "err", err)
		}
		return nil
	})
	group.Go(func() error {
		hup := make(chan os.Signal, 1)
		signal.Notify(hup, hangup...)
		defer signal.Stop(hup)
		for {
			select {
			case <-hup:
				d.reload(ctx)
			case <-ctx.Done():
				return nil
			}
		}
	})
	return group.Wait()
}

// reload puts a changed config in force. What is wrong with one plan hinders no
// other; what is wrong with the rest of it leaves the old config running. Either
// is said in the log and in a metric. It gives the config that is in force from
// now on, or nil.
func (d *daemon) reload(ctx context.Context) *config.Config {
	d.reloads.one.Lock()
	defer d.reloads.one.Unlock()
	defer d.reloading()()
	next, problems := configsOf(d.upstreams.all()).Load(d.path)
	for _, p := range problems {
		d.log.Warn("config", "problem", p.String())
	}
	if next == nil {
		d.log.Error("config not reloaded: the old one stays in force", "path", d.path, "problems", config.Errors(problems))
		d.reloads.done(d.clock.Now(), false)
		return nil
	}
	if err := d.adopt(ctx, next); err != nil {
		d.log.Error("config not reloaded: the old one stays in force", "path", d.path, "err", err)
		d.reloads.done(d.clock.Now(), false)
		return nil
	}
	if n := config.Errors(problems); n > 0 {
		d.log.Error("config reloaded in part: plans with problems are not in force; their runs go on by the plans in the journal", "path", d.path, "problems", n, "plans", len(next.Plans))
	} else {
		d.log.Info("config reloaded", "path", d.path, "plans", len(next.Plans))
	}
	d.reloads.done(d.clock.Now(), config.Errors(problems) == 0)
	return next
}

// adopt puts the tokens of a new config in force, and makes everything else that it
// needs before it replaces anything.
func (d *daemon) adopt(ctx context.Context, next *config.Config) error {
	// The tokens before anything that may fail: what is revoked must not stay because a
	// source's secret is missing or the journal cannot be written.
	tokens, err := gateTokens(next.Daemon.Tokens)
	if err != nil {
		return err
	}
	jobs, err := gateJobs(next.Daemon.OIDC)
	if err != nil {
		return err
	}
	if err := d.gate.SetTokens(tokens, jobs...); err != nil {
		return err
	}
	if err := d.adoptRest(ctx, next); err != nil {
		return fmt.Errorf("after its tokens, which are in force: %w", err)
	}
	return nil
}

// adoptRest is adopt after the tokens.
func (d *daemon) adoptRest(ctx context.Context, next *config.Config) error {
	made, err := d.upstreams.connect(ctx, next.Sources)
	if err != nil {
		return err
	}
	hooks, err := d.newWebhooks(next)
	if err != nil {
		return err
	}
	alerts, err := d.newPushers(next)
	if err != nil {
		return err
	}
	answers, err := d.newAnswerers(next)
	if err != nil {
		return err
	}
	same := d.config.Daemon
	same.Tokens, same.OIDC = next.Daemon.Tokens, next.Daemon.OIDC
	if !reflect.DeepEqual(next.Daemon, same) {
		d.log.Warn("changes to [daemon] other than tokens and oidc take effect at the next start")
	}
	// The sources first: a plan's first tick follows at once.
	old := d.asked.use(d.newPool(next, made))
	if err := d.putInForce(ctx, next, hooks, alerts, answers); err != nil {
		d.retire(ctx, d.asked.use(old))
		return fmt.Errorf("putting the plans in force: %w", err)
	}
	d.inboxes.use(made)
	d.retire(ctx, old)
	return nil
}

// putInForce replaces the plans and the webhooks. The journal knows the new
// endpoints before the runner commits what the reload causes: they are told of it.
func (d *daemon) putInForce(ctx context.Context, next *config.Config, hooks *outbox.Outbox, alerts pushers, answers answerers) error {
	d.reloads.known.Lock()
	defer d.reloads.known.Unlock()
	if err := d.journal.Know(ctx, hooks.Names()...); err != nil {
		d.log.Warn("new webhooks are told only of what comes after the journal can be written again", "err", err)
	}
	if err := d.runner.Reload(ctx, policies(next)); err != nil {
		return err
	}
	hooks.TakeOver(d.hooks.Load())
	d.useHooks(hooks)
	d.inForce.Store(next)
	d.usePushers(alerts)
	d.answerers.Store(&answers)
	d.reloads.replace()
	return nil
}

// retire lets a pool end its questions. One that does not is left behind: the
// new one is in force already.
func (d *daemon) retire(ctx context.Context, old *sources.Pool) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := old.Close(ctx); err != nil {
		d.log.Warn("ending the questions of the old config", "err", err)
	}
}
