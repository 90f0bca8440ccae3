package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// driller rehearses the way back of plans.
type driller struct{ *daemon }

// drillMargin is what is left of the time of a drill to keep what became of it.
const drillMargin = 5 * time.Second

// Drill sends each step of the way back of a plan to what stands in for its receiver, keeps
// what was answered, and tells the runs of the plan that are under way.
func (d driller) Drill(ctx context.Context, plan string, r gate.DrillRequest) (wire.Drill, error) {
	cfg := d.inForce.Load()
	env := cfg.Named(r.Environment)
	if env == nil {
		known := "there are none yet"
		if list := cfg.EnvironmentNames(); len(list) > 0 {
			known = "known: " + strings.Join(list, ", ")
		}
		return wire.Drill{}, &gate.BadStart{Reason: fmt.Sprintf("the config has no [environments.%s]: %s", r.Environment, known)}
	}
	bound, err := d.rehearsed(ctx, cfg, plan, &r)
	if err != nil {
		return wire.Drill{}, err
	}
	stages, err := d.stages(cfg, env)
	if err != nil {
		return wire.Drill{}, err
	}
	drill := fact.Drill{ID: d.newID(), Environment: r.Environment, By: rules.OneLine(r.By), Why: rules.OneLine(r.Why), Principal: r.Principal}
	drill.Steps = d.rehearse(ctx, bound, stages, &drill)
	if len(drill.Steps) == 0 {
		return wire.Drill{}, &gate.BadStart{Reason: fmt.Sprintf("plan %q sends no step of a way back: nothing can be rehearsed", plan)}
	}
	drill.At = d.clock.Now().UTC().Truncate(time.Millisecond)
	if err := d.keepDrill(ctx, plan, &drill); err != nil {
		return wire.Drill{}, err
	}
	d.log.Info("the way back was rehearsed", "plan", plan, "environment", drill.Environment, "by", drill.By, "steps", len(drill.Steps), "taken", drill.Whole())
	d.tellDrill(ctx, plan, &drill)
	return wire.DrillOf(plan, &drill), nil
}

// newID tells a drill from every other.
func (d driller) newID() string {
	id := rand.Text()[:12]
	if d.uid != nil { // not by chance
		id = d.uid()
	}
	return fmt.Sprintf("%s-%d", id, d.clock.Now().UnixMilli())
}

// rehearsed is the plan whose steps are sent: bound to what is said, to what its file says, or
// as the newest run has it.
func (d driller) rehearsed(ctx context.Context, cfg *config.Config, name string, r *gate.DrillRequest) (*rules.Plan, error) {
	i := slices.IndexFunc(cfg.Plans, func(p *rules.Plan) bool { return p.Name == name })
	if i < 0 {
		return nil, gate.ErrNoRun
	}
	plan := cfg.Plans[i]
	set, previous := rules.Settings(r.Set)
	bind := rules.Bind{Version: cmp.Or(r.Version, plan.Version), Start: d.clock.Now().UTC().Truncate(time.Second), Parameters: set}
	var err error
	if bind.Version != "" {
		bind.Previous, err = d.before(ctx, name)
	} else {
		bind, err = d.likeTheNewest(ctx, name, bind)
	}
	if err != nil {
		return nil, err
	}
	bind.Previous = bind.Previous.With(previous)
	bound, err := plan.Bound(bind)
	if err != nil {
		return nil, &gate.BadStart{Reason: err.Error()}
	}
	return bound, nil
}

// before is the release before, as a run that begins now would have it.
func (d driller) before(ctx context.Context, plan string) (rules.Previous, error) {
	passed, err := d.journal.Runs(ctx, fact.RunFilter{Plan: plan, States: []rules.State{rules.Passed}, Limit: 1})
	if err != nil || len(passed) == 0 {
		return rules.Previous{}, err
	}
	return rules.Previous{Version: passed[0].Version, Parameters: passed[0].Parameters}, nil
}

// likeTheNewest binds a plan that names no version as its newest run was bound.
func (d driller) likeTheNewest(ctx context.Context, plan string, bind rules.Bind) (rules.Bind, error) {
	newest, err := d.journal.Runs(ctx, fact.RunFilter{Plan: plan, Limit: 1})
	if err != nil {
		return bind, err
	}
	if len(newest) == 0 {
		return bind, &gate.BadStart{Reason: "the plan names no version, and no run has begun: say which is released in the environment, with --version"}
	}
	own := maps.Clone(newest[0].Parameters)
	if own == nil {
		own = map[string]string{}
	}
	maps.Copy(own, bind.Parameters)
	bind.Version, bind.Parameters, bind.Previous = newest[0].Version, own, newest[0].Previous
	return bind, nil
}

// stages are the sinks of an environment :: the name that each stands in for → it.
func (d driller) stages(cfg *config.Config, env *config.EnvironmentSpec) (map[string]outbox.Sink, error) {
	common := webhook.Config{Version: version, External: cfg.Daemon.ExternalURL, Transport: d.transport}
	for _, n := range cfg.Daemon.WebhookAllow {
		common.Allow = append(common.Allow, n.String())
	}
	all := map[string]outbox.Sink{}
	for i := range env.Webhooks {
		w := &env.Webhooks[i]
		to, err := webhookEndpoint(w)
		if err == nil {
			all[w.Name], err = webhook.New(common, to)
		}
		if err != nil {
			return nil, &gate.BadStart{Reason: fmt.Sprintf("environments.%s.webhooks.%s: %v", env.Name, w.Name, err)}
		}
	}
	for i := range env.Sinks {
		s := &env.Sinks[i]
		net, err := sinkNetwork(s)
		if err == nil {
			var e outbox.Endpoint
			e, err = sinkMakers[s.Type](d.daemon, s, common, net, outbox.Endpoint{Name: s.Name})
			all[s.Name] = e.Sink
		}
		if err != nil {
			return nil, &gate.BadStart{Reason: fmt.Sprintf("environments.%s.sinks.%s: %v", env.Name, s.Name, err)}
		}
	}
	return all, nil
}

// rehearse sends the steps. Those of one receiver go there one after another, and the same
// step of several rules once; receivers are asked side by side.
func (d driller) rehearse(ctx context.Context, plan *rules.Plan, stages map[string]outbox.Sink, drill *fact.Drill) []fact.DrillStep {
	ctx, cancel := context.WithTimeout(ctx, gate.DrillTime-drillMargin)
	defer cancel()
	type part struct {
		rule   *rules.Rule
		effect *rules.Effect
		step   fact.DrillStep
	}
	var parts []*part
	for i := range plan.Rules {
		r := &plan.Rules[i]
		for k := range r.Effects {
			if e := &r.Effects[k]; e.Sent() {
				parts = append(parts, &part{r, e, fact.DrillStep{Rule: r.Name, Name: e.Name, Do: e.Do, To: e.To.String(), Mark: e.Mark}})
			}
		}
	}
	var group errgroup.Group
	for i, first := range parts {
		if slices.IndexFunc(parts, func(p *part) bool { return p.effect.To.Sink == first.effect.To.Sink }) < i {
			continue // its receiver has begun with another
		}
		group.Go(func() error {
			done := map[string]fact.DrillStep{}
			for n, p := range parts {
				if p.effect.To.Sink != first.effect.To.Sink {
					continue
				}
				same, ok := done[p.effect.What()]
				if !ok {
					d.try(ctx, plan, p.rule, p.effect, stages[first.effect.To.Sink], drill, uint64(n+1), &p.step)
					done[p.effect.What()] = p.step
					continue
				}
				p.step.OK, p.step.Answer, p.step.Took = same.OK, same.Answer, same.Took
			}
			return nil
		})
	}
	_ = group.Wait() // no try gives an error: it stands in its step
	var steps []fact.DrillStep
	for _, p := range parts {
		steps = append(steps, p.step)
	}
	for _, sink := range stages {
		if idle, ok := sink.(interface{ CloseIdleConnections() }); ok {
			idle.CloseIdleConnections()
		}
	}
	return steps
}

// try sends one step to what stands in for its receiver.
func (d driller) try(ctx context.Context, plan *rules.Plan, r *rules.Rule, e *rules.Effect, to outbox.Sink, drill *fact.Drill, n uint64, step *fact.DrillStep) {
	if to == nil {
		step.Answer = fmt.Sprintf("nothing stands in for %s there: write [environments.%s.webhooks.%s] or its sink", e.To.Sink, drill.Environment, e.To.Sink)
		return
	}
	m, err := d.drillMessage(plan, r, e, drill, n)
	if err != nil {
		step.Answer = err.Error() // unreachable: texts and numbers have a JSON form
		return
	}
	began := d.clock.Now()
	o := to.Send(ctx, m)
	step.Took = d.clock.Now().Sub(began).Round(time.Millisecond).String()
	step.OK = o.OK && !o.Skipped
	switch {
	case o.Skipped:
		step.Answer = "what stands in has nothing to do for a step of a way back"
	case !o.OK:
		step.Answer = rules.OneLine(o.Reason)
	case o.Kept != "":
		step.Answer = rules.OneLine(o.Kept)
	default:
		step.Answer = "taken"
	}
}

// drillMessage is a step as it is sent in a drill: as it would be, and marked.
func (d driller) drillMessage(plan *rules.Plan, r *rules.Rule, e *rules.Effect, drill *fact.Drill, n uint64) (outbox.Message, error) {
	event := fact.Event{
		ID: fmt.Sprintf("drill.%s/%d", drill.ID, n), N: n, Plan: plan.Name, Version: plan.Version, At: d.clock.Now().UTC().Truncate(time.Second),
		Kind: fact.EffectEvent, Subject: r.Name + "/" + e.Name, From: fact.Planned, To: fact.Intended, Cause: rules.CauseManual,
		// What is started may want the parameters, and there is no run to read them from.
		Begun:  &fact.Release{Start: plan.Start.UTC(), Try: 1, Parameters: plan.Binding.Parameters, Previous: plan.Binding.Previous},
		Why:    fact.Why{Code: fact.WhyEffectDue, Rule: r.Name},
		Effect: &fact.Effect{Rule: r.Name, Name: e.Name, Do: e.Do, To: e.To.String(), Command: e.Command, Link: e.Link, Version: e.Version, Previous: e.Previous, Share: e.Share, Within: e.Ack.String()},
	}
	body := wire.Event(plan, &event, nil)
	body.Effect.Drill = drill.Environment
	body.Target = e.To.Target
	body.Headline, body.Sentence = words.Drill(drill.Environment, drill.By, body.Headline), words.Drill(drill.Environment, drill.By, body.Sentence)
	data, err := json.Marshal(body)
	return outbox.Message{
		ID: event.ID, Type: wire.EventType(&event), N: n, Plan: plan.Name, Subject: event.Subject, At: event.At, Data: wire.PlainJSON(data), Order: true,
	}, err
}

// drillsOf is the source under which the drills of a plan are kept, as what was pushed to a
// source that no inbox can have the name of. What was said last is kept for ever.
func drillsOf(plan string) string { return "drill/" + plan }

func (d driller) keepDrill(ctx context.Context, plan string, drill *fact.Drill) error {
	said, err := json.Marshal(drill)
	if err != nil {
		return err // unreachable: texts and numbers have a JSON form
	}
	_, err = d.journal.KeepPush(ctx, drillsOf(plan), journal.Push{Key: drill.ID, At: drill.At, Alerts: []journal.Pushed{{Alert: "drill", Said: said}}})
	return err
}

// kept lists the drills of a plan that are known, the newest first.
func (d driller) kept(ctx context.Context, plan string) (list []fact.Drill, err error) {
	found, err := d.journal.Pushes(ctx, drillsOf(plan), time.Unix(0, 0))
	if err != nil {
		return nil, err
	}
	for _, p := range found {
		for _, said := range p.Alerts {
			var drill fact.Drill
			if err := json.Unmarshal(said.Said, &drill); err != nil {
				return nil, fmt.Errorf("a drill of plan %q: %w", plan, err)
			}
			list = append(list, drill)
		}
	}
	slices.Reverse(list) // of two at one time, the one that was kept last is newer
	slices.SortStableFunc(list, func(a, b fact.Drill) int { return b.At.Compare(a.At) })
	return list, nil
}

// Drills lists the drills of a plan that are known, the newest first.
func (d driller) Drills(ctx context.Context, plan string) ([]wire.Drill, error) {
	found, err := d.kept(ctx, plan)
	if err != nil {
		return nil, err
	}
	var list []wire.Drill
	for i := range found {
		list = append(list, wire.DrillOf(plan, &found[i]))
	}
	return list, nil
}

// newestDrill is the newest drill of a plan whose time has come, else the newest, nil where
// there is none. One that a wrong clock dates ahead must hide none that came after it.
func (d *daemon) newestDrill(ctx context.Context, plan string) (*fact.Drill, error) {
	found, err := driller{d}.kept(ctx, plan)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	now := d.clock.Now().Add(time.Minute) // clocks differ
	return &found[max(slices.IndexFunc(found, func(f fact.Drill) bool { return !f.At.After(now) }), 0)], nil
}

// tellDrill tells the runs of a plan that are not decided. A run that cannot be told now is
// told at the next start.
func (d *daemon) tellDrill(ctx context.Context, plan string, drill *fact.Drill) {
	for _, p := range d.runner.Published().Plans {
		if p.Name != plan {
			continue
		}
		for _, u := range p.Runs {
			if !u.Plan.WayBack || evaluator.Decided(u.Record.State) {
				continue
			}
			if err := d.runner.Report(ctx, u.Record.ID, fact.Result{Drill: drill}); err != nil {
				d.log.Warn("a run could not be told of a drill: it is told at the next start", "run", u.Record.ID, "err", err)
			}
		}
	}
}

// tellDrills tells the runs that a stop has kept from hearing of a drill, and those that began
// while one was kept, that go on after they were decided, or whose plan has a way back by an
// edit.
func (d *daemon) tellDrills(ctx context.Context) error {
	known := map[string]bool{} // :: run that hears of drills by itself → true
	for ctx.Err() == nil {
		changed := d.runner.Watch()
		if p := d.runner.Published(); p.Ready {
			known = d.tellNew(ctx, p, known)
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return nil
}

// tellNew tells the runs of the newest drill that were not under way, with a way back, when
// those under way were looked at last. It gives those that are now.
func (d *daemon) tellNew(ctx context.Context, published *runner.Published, before map[string]bool) map[string]bool {
	known := map[string]bool{}
	for _, p := range published.Plans {
		for _, u := range p.Runs {
			if !u.Plan.WayBack || evaluator.Decided(u.Record.State) {
				continue
			}
			if known[u.Record.ID] = true; before[u.Record.ID] {
				continue
			}
			drill, err := d.newestDrill(ctx, p.Name)
			if err == nil && drill != nil && (u.Snapshot.Effects.Drill == nil || u.Snapshot.Effects.Drill.ID != drill.ID) {
				err = d.runner.Report(ctx, u.Record.ID, fact.Result{Drill: drill})
			}
			if err != nil && ctx.Err() == nil {
				d.log.Warn("a run could not be told of a drill", "run", u.Record.ID, "err", err)
				delete(known, u.Record.ID) // it is told when anything changes
			}
		}
	}
	return known
}
