package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
	"github.com/relgate/relgate/exporters/slack/slacktest"
	"github.com/relgate/relgate/internal/amazon"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/cloudwatch"
	"github.com/relgate/relgate/sources/kinds"
	"github.com/relgate/relgate/sources/simulator"
)

// loopPlan is the plan of a closed loop. The release gets a tenth of the requests, and a rule without
// `for` has the alias reverted.
const loopPlan = `
[release]
plan           = "loop"
title          = "A launch"
version        = "1.0.0"
start          = %s
manager        = "Manager"
interval       = "30s"
evidence       = "sequential"
false_rollback = "1 %%"
previous       = { version = "0.9.0", lambda = 42 }

[parameters]
lambda = 43

[people]
"On Call" = { page = "pager" }
Manager   = { page = "chat #releases" }

[phases.canary]
traffic  = "10 %%"
start    = "T"
window   = "24h"
owner    = "On Call"
success  = ["errors"]
rollback = ["errors-high"]

[success.errors]
title  = "errors"
signal = "errors"
when   = "< 1 %%"
owner  = "On Call"

[rollback.errors-high]
title  = "errors"
signal = "errors"
when   = "> 3 %%"
action = "revert the alias"
owner  = "On Call"

[rollback.errors-high.effects]
alias = { do = "revert", to = "alias", version = "{lambda}", previous = "{previous.lambda}", ack = "1m" }

[signals.errors]
source   = "cloudwatch"
kind     = "ratio"
unit     = "%%"
baseline = { dimension = "ExecutedVersion", value = "{previous.lambda}" }
[signals.errors.cloudwatch]
namespace  = "AWS/Lambda"
dimensions = { FunctionName = "bioage-inference", Resource = "bioage-inference:live", ExecutedVersion = "{lambda}" }
bad        = "Errors"
total      = "Invocations"

[sources.cloudwatch]
type   = "cloudwatch"
region = "eu-central-1"
url    = "http://cloudwatch.example"

[sinks.alias]
type     = "lambda"
region   = "eu-central-1"
function = "bioage-inference"
alias    = "live"
act      = "live"
api      = "http://lambda.example"

[sinks.pager]
type        = "pagerduty"
routing_key = { env = "NONE" }
api         = "http://pager.example"

[sinks.chat]
type    = "slack"
token   = { env = "NONE" }
channel = "#releases"
api     = "http://chat.example/api/"

[daemon]
journal = "loop.db"
public  = "127.0.0.1:0"
private = "127.0.0.1:0"
`

// loopScenario is the world of a closed loop: a fifth of what the release answers fails from its
// first request on, and nothing else does.
const loopScenario = `
title = "a fifth of the release's requests fail"
seed  = %d

[cloudwatch]
chance = true

[levels]
"lambda.requests"      = %d
"lambda.errors"        = "20 %%"
"lambda.stable.errors" = "0.1 %%"
"day.swing"            = 0

[[rollout]]
at     = "T"
signal = "traffic.lambda"
value  = "10 %%"
`

// loop is what became of a closed loop. Times are zero of what did not happen.
type loop struct {
	seed        uint64
	rate        int       // requests a second, of both versions
	fault       time.Time // the release gets its first request
	order       time.Time // the run was rolled back
	reverted    time.Time // the alias stands as it should
	told        time.Time // a person's receiver has a message, and has said so
	taken       time.Time // relgate has read back that the alias stands as it should
	safe, since time.Time // it says that users are safe, and since when
	end         string    // of the way back
	downs       [3]time.Duration
	spoilt      int      // requests that had a fault
	wrong       []string // what the chat would not have taken
}

func (l *loop) String() string {
	after := func(at time.Time) string {
		if at.IsZero() {
			return "never"
		}
		return at.Sub(l.fault).Round(time.Second).String()
	}
	return fmt.Sprintf("seed %d, %d a second: down %v, since the fault: order %v, told %v, reverted %v, read back %v, safe %v since %v, end %q", l.seed, l.rate, l.downs,
		after(l.order), after(l.told), after(l.reverted), after(l.taken), after(l.safe), after(l.since), l.end)
}

// loopHouse is a daemon with its world, in virtual time.
type loopHouse struct {
	loop
	mu                 sync.Mutex
	alias, pager, chat *loopReceiver
	slack              *slacktest.Server
	daemon             *daemon
}

// attempted notes what an attempt of a sink came to.
func (h *loopHouse) attempted(sink string, m outbox.Message, o outbox.Outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := map[string]*loopReceiver{"pager": h.pager, "chat": h.chat}[sink]
	if m.Type == "relgate.effect.missing" {
		return // before the fault: what is not ready yet
	}
	if at != nil && o.OK && !o.Skipped && h.told.IsZero() && !at.since().IsZero() { // else it said so and was lying
		h.told = time.Now()
	}
}

// open makes the world and the daemon of a loop.
func (h *loopHouse) open(t *testing.T, dir string) {
	start := time.Now().Add(time.Minute)
	h.fault = start
	scenario, err := simulator.Parse("loop", fmt.Sprintf(loopScenario, h.seed, 60*h.rate))
	if err != nil {
		t.Fatal(err)
	}
	world, err := simulator.New(simulator.Config{Scenario: scenario, Start: start})
	if err != nil {
		t.Fatal(err)
	}
	h.slack = &slacktest.Server{Token: "xoxb-loop", Channels: map[string]string{"releases": "C0000001"}}
	h.alias = loopAlias(world.Handler("aws")).roll(h.seed, "alias")
	h.pager, h.chat = loopPager("loop").roll(h.seed, "pager"), loopChat(h.slack).roll(h.seed, "chat")
	network := outboxtest.Network{Handler: loopNetwork{
		"cloudwatch.example": world.Handler("aws"), "lambda.example": h.alias, "pager.example": h.pager, "chat.example": h.chat,
	}}
	cfg, problems := configs().Decode(filepath.Join(dir, "config.toml"), []byte(fmt.Sprintf(loopPlan, start.UTC().Format(time.RFC3339))), nil)
	if config.Errors(problems) > 0 {
		t.Fatal(problems)
	}
	for i := range cfg.Sinks {
		for key := range cfg.Sinks[i].Own {
			cfg.Sinks[i].Own[key] = config.Plain(map[string]string{"pager": "loop", "chat": "xoxb-loop"}[cfg.Sinks[i].Name])
		}
	}
	list := slices.Clone(kinds.All())
	for i := range list {
		if list[i].Kind.Name() == "cloudwatch" {
			list[i].Open = func(ctx context.Context, o sources.Opening) (sources.Source, error) {
				c, err := amazon.Opened(o)
				if err != nil {
					return nil, err
				}
				c.Transport = network
				return cloudwatch.New(ctx, c)
			}
		}
	}
	log := slog.New(slog.DiscardHandler)
	h.daemon, err = newDaemon(t.Context(), assembly{
		config: cfg, clock: newWallClock(log), log: log, transport: network, attempted: h.attempted,
		upstreams: upstreams{list: list, simulated: true, log: log},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// run has everything of a daemon run that needs no port, until the way back has ended or a day is over.
func (h *loopHouse) run(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	group, ctx := errgroup.WithContext(ctx)
	d := h.daemon
	for _, part := range []func(context.Context) error{d.runner.Run, d.follow, d.deliver, d.alert, d.answer, d.prune} {
		group.Go(func() error { return part(ctx) })
	}
	last, n := time.Now().Add(26*time.Hour), uint64(0)
	for h.end == "" && time.Now().Before(last) {
		committed := d.journal.Watch()
		for {
			events, err := d.journal.Events(ctx, "loop@1.0.0", n, 100)
			if err != nil {
				t.Fatal(err)
			}
			for i := range events {
				n = events[i].Event.N
				h.note(&events[i].Event)
			}
			if len(events) == 0 {
				break
			}
		}
		if h.end != "" {
			break
		}
		select {
		case <-committed:
		case <-time.After(time.Hour):
		}
	}
	stop()
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
	h.reverted, h.wrong = h.alias.since(), h.slack.Wrong()
	for k, r := range []*loopReceiver{h.alias, h.pager, h.chat} {
		h.downs[k] = r.down
		h.spoilt += r.refused
	}
}

// note takes in an event of the run.
func (h *loopHouse) note(e *fact.Event) {
	switch {
	case e.Kind == fact.RunEvent && e.To == rules.RolledBack.String():
		h.order = e.At
	case e.Kind != fact.EffectEvent:
	case e.To == fact.Taken:
		h.taken = e.At
	case e.To == fact.Safe:
		h.safe, h.since, h.end = e.At, e.Why.Since, e.To
	case e.To == fact.Stopped || e.To == fact.Unproven:
		h.end = e.To
	}
}

// loopFigures are docs/deciding.md's own: the minutes of data within which 99 of 100 releases are
// rolled back of which a fifth fails, by requests a second.
var loopFigures = map[int]time.Duration{2: 9 * time.Minute, 20: 5 * time.Minute}

const (
	loopSettle = 3 * time.Minute // of CloudWatch
	loopPeriod = time.Minute     // in which the signal is counted, and asked for: a minute is seen when the next one ends
)

// loopLeg is a part of a closed loop, and how long it took in each.
type loopLeg struct {
	name string
	took func(l *loop) time.Duration
	most func(l *loop) time.Duration // it takes at most; nil: no bound is promised
	all  bool                        // in all runs; else in 99 of 100
}

// loopLegs are the three that are promised, and what they are made of.
var loopLegs = []loopLeg{
	{"fault to order", func(l *loop) time.Duration { return l.order.Sub(l.fault) }, func(l *loop) time.Duration { return loopFigures[l.rate] + loopPeriod }, false},
	{"order to reverted or a person told", (*loop).heard, func(*loop) time.Duration { return time.Minute }, false},
	{"order to reverted", func(l *loop) time.Duration { return l.after(l.reverted) }, nil, false},
	{"order to a person told", func(l *loop) time.Duration { return l.after(l.told) }, nil, false},
	{"reverted to read back", func(l *loop) time.Duration { return max(0, l.taken.Sub(l.reverted)) }, nil, false},
	{"first whole minute after that to \"users are safe\"", func(l *loop) time.Duration { return l.safe.Sub(l.whole()) }, func(*loop) time.Duration { return loopSettle + 3*loopPeriod }, true},
	{"read back to \"users are safe\"", func(l *loop) time.Duration { return l.safe.Sub(l.taken) }, func(*loop) time.Duration { return loopSettle + 4*loopPeriod }, true},
}

// heard is how long after the order the fault was over, or a person knew.
func (l *loop) heard() time.Duration {
	return min(l.after(l.reverted), l.after(l.told))
}

// never is how long after the order something happened that did not happen.
const never = time.Duration(math.MaxInt64)

// after is how long after the order something happened.
func (l *loop) after(at time.Time) time.Duration {
	if at.IsZero() {
		return never
	}
	return at.Sub(l.order)
}

// whole is when the first period begins that is all after the way back was taken: what came
// before may have failures in it.
func (l *loop) whole() time.Time { return l.taken.Add(loopPeriod - 1).Truncate(loopPeriod) }

// The loop is closed, with receivers that fail, hang and lie: what they do is said at
// loopReceiver. The parts are those of the daemon, but for its ports, with the simulated
// CloudWatch and Lambda, in virtual time. A fifth of the release's requests fails from the
// first on, and its rule has no `for`. Three legs are held to bounds: from the fault to the
// order, from there until the alias is reverted or a person knows, and from there until
// relgate says that users are safe. In each run a sink must have confirmed something.
//
// There are 40 runs, and 1,000 with -long, as docs/benchmarks.md has them:
//
//	go test ./cmd/relgate -run TestClosedLoop -long -v
func TestClosedLoop(t *testing.T) {
	runs := 20
	if *long {
		runs = 500
	}
	loops := map[int][]loop{2: make([]loop, runs), 20: make([]loop, runs)}
	t.Run("runs", func(t *testing.T) {
		for rate, list := range loops {
			for i := range list {
				t.Run(fmt.Sprintf("%d a second, %d", rate, i+1), func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					synctest.Test(t, func(t *testing.T) {
						h := &loopHouse{loop: loop{seed: uint64(i + 1 + 1000*rate), rate: rate}}
						h.open(t, dir)
						h.run(t)
						list[i] = h.loop
					})
				})
			}
		}
	})
	t.Logf("| leg | requests a second | median | 95 %% | 99 %% | most | bound | within it |")
	t.Logf("|---|---|---|---|---|---|---|---|")
	for _, leg := range loopLegs {
		for _, rate := range []int{2, 20} {
			leg.check(t, loops[rate])
		}
	}
	none, untold, spoilt := 0, 0, 0
	for _, list := range loops {
		for i := range list {
			list[i].check(t)
			spoilt += list[i].spoilt
			if list[i].told.IsZero() {
				untold++
			}
			if list[i].taken.IsZero() && list[i].told.IsZero() {
				none++
			}
		}
	}
	t.Logf("no sink confirmed anything in %d of %d, no person was told before users were safe in %d; requests with a fault: %d", none, 2*runs, untold, spoilt)
	if none > 0 {
		t.Errorf("in %d no sink confirmed anything, want none", none)
	}
}

// check holds a leg of some loops to its bound, and shows how long it took.
func (leg loopLeg) check(t *testing.T, loops []loop) {
	t.Helper()
	var took []time.Duration
	within, bound, share := 0, "", ""
	for i := range loops {
		l := &loops[i]
		d := leg.took(l)
		took = append(took, d)
		if leg.most == nil {
			continue
		}
		bound = leg.most(l).String()
		if d >= 0 && d <= leg.most(l) {
			within++
		} else {
			t.Logf("%s: %v: %v", leg.name, d, l)
		}
	}
	slices.Sort(took)
	at := func(q float64) string {
		if d := took[int(math.Ceil(q*float64(len(took))))-1]; d != never {
			return d.Round(time.Second).String()
		}
		return "never"
	}
	if leg.most != nil {
		share = fmt.Sprintf("%d of %d", within, len(loops))
		// A few runs prove no share: they may have one that is late.
		if late := len(loops) - within; late > max(1, len(loops)/100) || leg.all && late > 0 {
			t.Errorf("%s, %d a second: %s within %s", leg.name, loops[0].rate, share, bound)
		}
	}
	t.Logf("| %s | %d | %v | %v | %v | %v | %s | %s |", leg.name, loops[0].rate, at(.5), at(.95), at(.99), at(1), bound, share)
}

// check holds a loop to what is so in each.
func (l *loop) check(t *testing.T) {
	t.Helper()
	if l.order.IsZero() || l.reverted.IsZero() || l.taken.Before(l.reverted.Truncate(time.Second)) || l.end != fact.Safe || !l.since.Equal(l.whole()) {
		t.Errorf("the way back did not end well: %v", l)
	}
	for _, wrong := range l.wrong {
		t.Errorf("seed %d: a wrong request: %s", l.seed, wrong)
	}
}
