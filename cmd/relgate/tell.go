package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/evaluator/people"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/exporters/email"
	"github.com/relgate/relgate/exporters/links"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/report"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// linkLife is how long a link to sign by is good, from when it was asked for.
const linkLife = 7 * 24 * time.Hour

// linker makes links to sign by. Its zero value makes none.
type linker struct {
	keys links.Keys
	base string // external URL without a slash at its end
}

// links makes the links of a config: it needs secrets and an address of the daemon. The error
// says why there are none though the config wants them.
func (d *daemon) links(cfg *config.Config) (linker, error) {
	keys, err := linkKeys(cfg)
	if err != nil || len(keys) == 0 || cfg.Daemon.ExternalURL == "" {
		return linker{}, err
	}
	return linker{keys, externalBase(cfg)}, nil
}

// linkKeys reads the secrets that sign links, now. A config may have none.
func linkKeys(cfg *config.Config) (links.Keys, error) {
	var keys links.Keys
	for _, s := range cfg.Daemon.LinkSecrets {
		key, err := s.Value()
		if err != nil {
			return nil, fmt.Errorf("daemon.link_secrets: %w", err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	if err := keys.Check(); err != nil {
		return nil, fmt.Errorf("daemon.link_secrets: %w", err)
	}
	return keys, nil
}

// to is the link by which an address signs for a role what an event asks for, empty where
// the config wants none.
func (l linker) to(s fact.Stored, role, address string) (string, error) {
	if len(l.keys) == 0 {
		return "", nil
	}
	c := links.Claims{Run: s.Event.Run, Allows: s.Event.Subject, Role: role, Person: address, PlanDigest: s.Digest, Expires: s.Event.At.Add(linkLife), ID: s.Event.ID}
	if s.Event.Kind == fact.ReviewEvent {
		c.Allows = theReview
	}
	token, err := links.Make(l.keys, c)
	if err != nil {
		return "", err
	}
	return l.base + signPath + token, nil
}

const (
	signPath  = "/v1/sign/"
	theReview = "the review" // what such a link is for; no phase has this name
)

// askedOf are the roles whose signature an event asks for.
func askedOf(plan *rules.Plan, e *fact.Event) []string {
	switch {
	case e.Kind == fact.ApprovalEvent && e.To == fact.Asked && e.Signature != nil:
		return []string{e.Signature.Role}
	case e.Kind == fact.ReviewEvent && e.From == fact.Approved && e.To == fact.Void:
		return []string{e.Subject} // it was edited since, and is to be signed again
	case e.Kind == fact.ReviewEvent && (e.To == fact.Open || e.To == fact.Reminded):
		lacks := func(role string) bool { return strings.Contains(", "+e.Why.Text+", ", ", "+role+", ") }
		return slices.DeleteFunc(slices.Clone(plan.Review.Sign), func(role string) bool { return !lacks(role) })
	}
	return nil
}

// whom gives those whom an event asks to sign, by a sink of e-mail: each address that signs
// has a link of its own, which signs for that address alone.
func (d *daemon) whom(sink string) func(ctx context.Context, e *wire.EventBody) ([]email.Recipient, error) {
	return func(ctx context.Context, e *wire.EventBody) (list []email.Recipient, err error) {
		if e.Kind != string(fact.ApprovalEvent) && e.Kind != string(fact.ReviewEvent) {
			return nil, nil
		}
		s, err := d.journal.Event(ctx, e.Run, e.N)
		if err != nil {
			return nil, err
		}
		plan, err := d.encoder.plan(ctx, s.Digest)
		if err != nil {
			return nil, err
		}
		link, err := d.links(d.inForce.Load())
		if err != nil {
			return nil, err // who was asked without a link could not answer
		}
		for _, name := range askedOf(plan, &s.Event) {
			r := plan.Role(name)
			if r == nil {
				continue
			}
			for _, who := range r.Sign {
				if !strings.Contains(who, "@") {
					continue
				}
				to, err := link.to(s, name, who)
				if err != nil {
					return nil, err
				}
				list = append(list, email.Recipient{Address: who, Link: to, Label: "Sign as " + name})
			}
			if r.Tell.Sink == sink && r.Tell.Target != "" && !slices.ContainsFunc(r.Sign, func(who string) bool { return strings.EqualFold(who, r.Tell.Target) }) {
				list = append(list, email.Recipient{Address: r.Tell.Target})
			}
		}
		return list, nil
	}
}

// externalBase is where people reach the daemon, without a slash at its end; empty: nowhere.
func externalBase(cfg *config.Config) string { return strings.TrimSuffix(cfg.Daemon.ExternalURL, "/") }

// encodeFor makes what a sink sends: the event, with the message that people get there. Base
// is where links to runs lead.
func (e *encoder) encodeFor(sink *config.SinkSpec, base string) func(ctx context.Context, s fact.Stored) ([]byte, error) {
	return func(ctx context.Context, s fact.Stored) ([]byte, error) {
		event, err := e.eventFor(ctx, s, sink, base)
		if err != nil {
			return nil, err
		}
		body, err := json.Marshal(event)
		return wire.PlainJSON(body), err
	}
}

// eventFor is an event as a sink is told of it.
func (e *encoder) eventFor(ctx context.Context, s fact.Stored, sink *config.SinkSpec, base string) (wire.EventBody, error) {
	event, err := e.event(ctx, s)
	if err != nil || !slices.Contains(s.Event.Tell, sink.Name) {
		return event, err
	}
	plan, err := e.plan(ctx, s.Digest)
	if err != nil {
		return event, err
	}
	if event.Target = wire.TargetOf(plan, &s.Event, sink.Name); s.Event.Kind != fact.RunEvent {
		event.Message, err = e.message(ctx, plan, s, sink, base)
	}
	return event, err
}

// message is what people are told of an event that is a message itself: a communication, an
// approval or a review.
func (e *encoder) message(ctx context.Context, plan *rules.Plan, s fact.Stored, sink *config.SinkSpec, base string) (*wire.Message, error) {
	page := ""
	if base != "" && s.Run != "" {
		page = (&wire.Site{Base: base}).Link("v1", "runs", s.Run)
	}
	root, err := rootOf(ctx, e.journal, s)
	if err != nil {
		return nil, err
	}
	return wire.MessageOf(plan, &s.Event, words.Event(plan, &s.Event, root), sink.Name, page, s.Link), nil
}

// reporting is a sink that tells the run what became of what it sent, before it says so
// itself: what was sent and not told is tried again, and the sink knows that it was sent.
type reporting struct {
	outbox.Sink
	daemon *daemon
	name   string
	does   bool // what it takes is done, and was read back
	steps  bool // it is asked for steps of the way back only
}

// Send sends, and reports. Of a step of the way back the run is also told that it was
// refused: it is tried again, but others must know. What is not waited for any more is not
// asked for: a person may have skipped it since, or done it.
func (r *reporting) Send(ctx context.Context, m outbox.Message) outbox.Outcome {
	if m.Type == stepLooked {
		return r.look(ctx, m)
	}
	var step fact.EffectView
	if m.Type == stepAsked {
		var err error
		switch step, err = r.step(ctx, m); {
		case err != nil:
			return outbox.Outcome{Reason: "its run cannot be read: " + err.Error()}
		case step.Sink == r.name && !step.Waits():
			return outbox.Outcome{OK: true, Skipped: true}
		}
		if r.daemon.turn != nil {
			r.daemon.turn(ctx, m.N)
		}
	}
	o := r.Sink.Send(ctx, m)
	if r.daemon.attempted != nil {
		r.daemon.attempted(r.name, m, o)
	}
	refused := o.Refused && step.Sink == r.name && step.State != fact.Failed // else it is known
	if !o.OK && !refused || !awaited(m.Type) || r.steps && m.Type != stepAsked {
		return o
	}
	result := fact.Result{Event: m.ID, Sink: r.name, OK: o.OK, Done: o.OK && r.does, Kept: o.Kept}
	if refused {
		result.Reason = o.Reason
	}
	if err := r.daemon.report(ctx, m.ID, result); err != nil && o.OK {
		return outbox.Outcome{Reason: "it was sent, and the run could not be told: " + err.Error()}
	}
	return o
}

// CloseIdleConnections frees the connections of the sink behind it.
func (r *reporting) CloseIdleConnections() {
	if s, ok := r.Sink.(interface{ CloseIdleConnections() }); ok {
		s.CloseIdleConnections()
	}
}

// awaited reports whether a run waits for what becomes of an event of a type.
func awaited(kind string) bool {
	return kind == "relgate.communication.due" || kind == "relgate.review.complete" || kind == stepAsked
}

// stepAsked is the type of an event that asks for a step of the way back.
const stepAsked = "relgate.effect.intended"

// stepLooked is the type of an event that asks whether a step could be done.
const stepLooked = "relgate.effect.asked"

// look asks the sink whether a step could be done, and tells the run what it says. It is never
// sent as an event: whom it reached might do the step. A question that the run does not wait
// for any more is not asked, and one that fails is asked again by the run.
func (r *reporting) look(ctx context.Context, m outbox.Message) outbox.Outcome {
	v, err := r.daemon.runner.Recall(ctx, runOf(m.ID))
	switch {
	case errors.Is(err, runner.ErrUnknownRun) || errors.Is(err, runner.ErrUnknownPlan):
		return outbox.Outcome{OK: true, Skipped: true}
	case err != nil:
		return outbox.Outcome{Reason: "its run cannot be read: " + err.Error()}
	case m.N <= v.Snapshot.Generation && !slices.ContainsFunc(v.Snapshot.Effects.Proofs, func(p fact.ProofView) bool { return p.Event == m.N }):
		return outbox.Outcome{OK: true, Skipped: true}
	}
	if r.daemon.turn != nil {
		r.daemon.turn(ctx, m.N)
	}
	o := outbox.Outcome{OK: true, Skipped: true}
	if sink, ok := r.Sink.(outbox.Looker); ok {
		o = sink.Look(ctx, m)
	}
	if r.daemon.attempted != nil {
		r.daemon.attempted(r.name, m, o)
	}
	result := fact.Result{Event: m.ID, Sink: r.name, OK: o.OK, Done: o.OK && !o.Skipped && o.Kept != "", Kept: o.Kept}
	if !o.OK {
		result.Kept, result.Reason = "", o.Reason
	}
	if err := r.daemon.report(ctx, m.ID, result); err != nil {
		return outbox.Outcome{Reason: "it was asked, and the run could not be told: " + err.Error()}
	}
	return outbox.Outcome{OK: true, Skipped: true}
}

// report tells a run of a result. A run that is gone has nothing to be told.
func (d *daemon) report(ctx context.Context, event string, r fact.Result) error {
	err := d.runner.Report(ctx, runOf(event), r)
	if errors.Is(err, runner.ErrUnknownRun) || errors.Is(err, runner.ErrUnknownPlan) {
		return nil
	}
	return err
}

// runOf is the run of an event, by the event's id.
func runOf(event string) string {
	id, _, _ := strings.Cut(event, "/")
	if i := strings.LastIndexByte(id, '.'); i > 0 {
		id = id[:i] // the UID follows
	}
	return id
}

// step is where the step stands that a message asks for. What its run does not show yet was
// only just asked for; of a run that is gone nothing waits.
func (r *reporting) step(ctx context.Context, m outbox.Message) (fact.EffectView, error) {
	v, err := r.daemon.runner.Recall(ctx, runOf(m.ID))
	switch {
	case errors.Is(err, runner.ErrUnknownRun) || errors.Is(err, runner.ErrUnknownPlan):
		return fact.EffectView{State: fact.Dropped, Sink: r.name}, nil
	case err != nil:
		return fact.EffectView{}, err
	}
	for _, s := range v.Snapshot.Effects.Steps {
		if s.Event == m.N {
			return s, nil
		}
	}
	return fact.EffectView{State: fact.Intended, Sink: r.name}, nil
}

// burials is a journal that tells the run of what a sink did not take.
type burials struct {
	*journal.Journal
	report func(ctx context.Context, event string, r fact.Result) error
}

// Bury tells an event's run that it did not arrive, and makes it a dead letter. A crash
// between the two has it tried and given up again, which tells the run nothing new; the
// other way round the run would wait for ever. While the run cannot be told the event is no
// dead letter: the outbox keeps it, and tries it and this again.
func (b burials) Bury(ctx context.Context, endpoint, run string, n uint64, now time.Time, reason string) error {
	s, err := b.Journal.Event(ctx, run, n)
	switch {
	case errors.Is(err, journal.ErrNotFound): // the run was dropped
	case err != nil:
		return err
	case awaited(wire.EventType(&s.Event)) && slices.Contains(s.Event.Tell, endpoint):
		if err := b.report(ctx, s.Event.ID, fact.Result{Event: s.Event.ID, Sink: endpoint, Reason: reason}); err != nil {
			return fmt.Errorf("telling the run that a message did not arrive: %w", err)
		}
	}
	return b.Journal.Bury(ctx, endpoint, run, n, now, reason)
}

// signer signs by links.
type signer struct {
	desk    desk
	journal *journal.Journal
}

// find gives the run of a link and where its role stands. A *links.Closed says why the link
// is of no use any more.
func (s signer) find(ctx context.Context, c links.Claims) (*wire.RunView, error) {
	v, err := s.desk.Run(ctx, c.Run)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, &links.Closed{Reason: "This run no longer exists."}
	}
	if v.Digest != c.PlanDigest {
		return nil, &links.Closed{Reason: "The plan was changed after this link was sent. The people who must sign get a new link."}
	}
	if c.Allows == theReview {
		return v, reviewed(&v.Snapshot.People.Review, c.Role)
	}
	for _, a := range v.Snapshot.People.Approvals {
		for _, r := range a.Roles {
			if a.Allows != c.Allows || r.Role != c.Role {
				continue
			}
			if r.State != fact.Asked && r.State != fact.Rejected {
				return nil, &links.Closed{Reason: "This has been answered: " + c.Role + " is " + r.State + "."}
			}
			return v, nil
		}
	}
	return nil, &links.Closed{Reason: "The plan no longer asks " + c.Role + " for this signature."}
}

// reviewed says why a role cannot sign the review now, nil where it can.
func reviewed(v *fact.ReviewView, role string) error {
	k := slices.IndexFunc(v.Roles, func(r fact.RoleView) bool { return r.Role == role })
	switch {
	case k < 0:
		return &links.Closed{Reason: "The plan no longer asks " + role + " for this signature."}
	case v.State != fact.Open:
		return &links.Closed{Reason: "The review is not open."}
	case v.Roles[k].State == fact.Approved:
		return &links.Closed{Reason: "This has been answered: " + role + " has signed the review."}
	}
	return nil
}

// Describe says what is signed.
func (s signer) Describe(ctx context.Context, c links.Claims) (links.Words, error) {
	v, err := s.find(ctx, c)
	if err != nil {
		return links.Words{}, err
	}
	p := v.Plan
	w := links.Words{
		Title: "Sign for " + words.Allowed(c.Allows) + " of " + p.Title + " " + p.Version,
		Facts: [][2]string{{"Run", c.Run}, {"You sign as", c.Role + ", " + c.Person}, {"T", p.Start.UTC().Format("2006-01-02 15:04 UTC")}, {"Manager", p.Manager}, {"Plan (SHA-256)", c.PlanDigest}},
		Decisions: []links.Decision{
			{Value: "approve", Label: "Approve", NeedsWhy: true}, {Value: "reject", Label: "Reject", NeedsWhy: true},
		},
	}
	if c.Allows == theReview {
		w.Title = "Sign the review of " + p.Title + " " + p.Version
		w.Decisions = []links.Decision{{Value: "approve", Label: "Approve", NeedsWhy: true}}
		w.Lines = append(w.Lines, words.Run(p, &v.Snapshot).Sentence)
		for _, k := range v.Snapshot.People.Criteria {
			w.Lines = append(w.Lines, words.Criterion(k.Name)+": "+strings.ReplaceAll(string(k.State), "_", " "))
		}
		run, err := readRun(ctx, s.journal, c.Run)
		if err != nil {
			return links.Words{}, err
		}
		for _, f := range report.Make(&report.Source{Plan: run.plan, Run: run.body()}).Review.Fields {
			w.Lines = append(w.Lines, f.Asks+": "+cmp.Or(f.Text, "not written"))
		}
		return w, nil
	}
	for i := range p.Phases {
		ph := &p.Phases[i]
		w.Lines = append(w.Lines, ph.Title+": "+rules.Percent.Short(ph.Traffic)+", watched for "+rules.Duration{Duration: ph.Window}.String())
	}
	for _, a := range v.Snapshot.People.Approvals {
		if a.Allows == c.Allows {
			w.Lines = append(w.Lines, words.Unsigned(&a))
		}
	}
	return w, nil
}

// Sign gives the command.
func (s signer) Sign(ctx context.Context, c links.Claims, decision, why string) error {
	v, err := s.find(ctx, c)
	if err != nil {
		return err
	}
	kind := fact.Approve
	if decision == "reject" {
		kind = fact.Reject
	}
	command := fact.Command{ID: c.ID, Kind: kind, Subject: c.Allows, Role: c.Role, By: c.Person, Why: why, Principal: people.MailPrincipal + c.Person, Read: c.PlanDigest}
	if c.Allows == theReview {
		command.Kind, command.Subject = fact.SignReview, ""
	}
	e, err := s.desk.Command(ctx, v.Plan.Name, c.Run, command)
	if err != nil {
		return err
	}
	if e.ID == "" { // the same was given before; it may count no more
		if _, err := s.find(ctx, c); err == nil {
			return &links.Closed{Reason: "This link has signed before, and that signature no longer counts. Nothing was signed now: use the link of the newest e-mail."}
		}
	}
	if e.To != "applied" {
		return &links.Closed{Reason: words.Event(v.Plan, &e, nil).Sentence}
	}
	return nil
}

// serveLinks is the page behind links to sign by, with the secrets of the config in force.
func (d *daemon) serveLinks(w http.ResponseWriter, r *http.Request) {
	keys, err := linkKeys(d.inForce.Load())
	if err == nil && len(keys) == 0 {
		http.NotFound(w, r)
		return
	}
	var page *links.Page
	if err == nil {
		page, err = links.NewPage(links.Config{Keys: keys, Signer: signer{desk{runner: d.runner, journal: d.journal}, d.journal}, Now: d.clock.Now, Log: d.log})
	}
	if err != nil {
		d.log.Error("links to sign by cannot be opened", "err", err)
		w.Header().Set("Retry-After", "60")
		http.Error(w, "Nothing was signed: relgate cannot read the secrets of its links. The reason is in its log. Open the link again later.", http.StatusServiceUnavailable)
		return
	}
	page.ServeHTTP(w, r)
}
