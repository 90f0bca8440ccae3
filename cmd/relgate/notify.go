package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/relgate/relgate/evaluator"
)

// notify tells systemd of the daemon's state, by the protocol of sd_notify. It
// does nothing where no service manager listens.
func (d *daemon) notify(states ...string) {
	if _, err := systemd.SdNotify(false, strings.Join(states, "\n")); err != nil {
		d.log.Warn("telling systemd", "err", err)
	}
}

// announce tells systemd that the daemon is ready, as soon as it answers from the
// recovered journal, then what it does, and that it is healthy as often as the
// unit's watchdog wants to hear it, until ctx is done.
func (d *daemon) announce(ctx context.Context) error {
	watchdog, err := systemd.SdWatchdogEnabled(false)
	if err != nil { // no reason to stop watching releases: systemd restarts what it does not hear from
		d.log.Warn("reading what systemd's watchdog wants: it is not told that relgate is healthy", "err", err)
		watchdog = 0
	}
	for changed := d.runner.Watch(); !d.runner.Published().Ready; changed = d.runner.Watch() {
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
	said := d.status()
	d.notify(systemd.SdNotifyReady, "STATUS="+said)
	alive := time.NewTimer(watchdog / 2)
	defer alive.Stop()
	if watchdog == 0 {
		alive.Stop()
	}
	for {
		changed := d.runner.Watch()
		if now := d.status(); now != said {
			said = now
			d.notify("STATUS=" + said)
		}
		select {
		case <-changed:
		case <-alive.C:
			alive.Reset(d.pat(watchdog / 2))
		case <-ctx.Done():
			d.notify(systemd.SdNotifyStopping, "STATUS=stopping")
			return nil
		}
	}
}

// pat tells the watchdog that the daemon is healthy, if it is, and gives the time
// after which to do so again: sooner if it is not, because one that recovers must
// not be killed for the pause before the next look.
func (d *daemon) pat(every time.Duration) time.Duration {
	if err := d.runner.Healthy(d.clock.Now()); err != nil {
		d.log.Error("not healthy: systemd's watchdog is not told, and will restart relgate", "err", err)
		return every / 10
	}
	d.notify(systemd.SdNotifyWatchdog)
	return every
}

// status is what `systemctl status` shows.
func (d *daemon) status() string {
	published, open := d.runner.Published(), 0
	for _, plan := range published.Plans {
		for _, u := range plan.Runs {
			if !evaluator.Decided(u.Record.State) {
				open++
			}
		}
	}
	text := fmt.Sprintf("%s, %s under way", amount(len(published.Plans), "plan"), amount(open, "run"))
	if published.Trouble != nil {
		text += "; the journal cannot be written: see the log"
	}
	if !d.reloads.stats().OK {
		text += "; the config has problems: see `relgate check`"
	}
	return text
}

// reloading tells systemd that a reload begins. What it returns tells of its end.
func (d *daemon) reloading() (done func()) {
	if !d.runner.Published().Ready {
		return func() {} // its end must not pass for the end of the start
	}
	d.notify(systemd.SdNotifyReloading, strings.TrimSpace(systemd.SdNotifyMonotonicUsec()))
	return func() { d.notify(systemd.SdNotifyReady, "STATUS="+d.status()) }
}
