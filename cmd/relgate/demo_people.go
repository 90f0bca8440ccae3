package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/rules"
)

// deliverWithin guards against a receiver that never answers: what a run is told of a message
// is told before time moves on.
const deliverWithin = 3 * time.Minute

// act is what happens before time moves on: what was committed is delivered, apps look at
// their banner, and people do what is asked of them. So a result of a message, which the run
// takes in, comes at the same instant of every demo.
func (d *demo) act(ctx context.Context) error {
	for ctx.Err() == nil {
		u := d.release()
		if u == nil || d.clock.finished() || u.Snapshot.Generation == d.acted && len(d.deeds(u)) == 0 {
			break
		}
		before := u.Snapshot.Generation
		if err := d.drain(ctx, deliverWithin); err != nil {
			return err
		}
		if err := d.app.look(ctx); err != nil {
			return err
		}
		if err := d.people(ctx); err != nil {
			return err
		}
		if u = d.release(); u.Snapshot.Generation == before {
			d.acted = before
			break
		}
	}
	return ctx.Err()
}

// drain waits until what was committed is delivered. What cannot be delivered is not waited for:
// see stuck.
func (d *demo) drain(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		stuck := d.stuck()
		draining, stop := context.WithTimeout(ctx, time.Second)
		err := d.daemon.hooks.Load().DrainBut(draining, stuck)
		stop()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("waiting for the deliveries: %w", err)
		}
	}
}

// stuck are the endpoints that refuse a step of the way back: it is tried again for as long as
// it stands, while time goes on.
func (d *demo) stuck() (names []string) {
	u := d.release()
	if u == nil {
		return nil
	}
	for _, s := range u.Snapshot.Effects.Steps {
		if s.State == fact.Failed && s.Role == "" {
			names = append(names, s.Sink)
		}
	}
	return names
}

// people does what the people of the plan would do: who is asked for a signature gives it, each
// as a person of their own, and who must sign the review does.
func (d *demo) people(ctx context.Context) error {
	u := d.release()
	if err := d.rehearse(ctx, &u.Snapshot.Effects, u.Record.Begun); err != nil {
		return err
	}
	part := &u.Snapshot.People
	for i := range part.Approvals {
		a := &part.Approvals[i]
		for _, r := range a.Roles {
			if r.State != fact.Asked {
				continue
			}
			if err := d.sign(ctx, u.Plan, u.Record.ID, fact.Command{Kind: fact.Approve, Subject: a.Allows, Role: r.Role, Why: "read the plan and its rehearsal"}); err != nil {
				return err
			}
		}
	}
	if err := d.steps(ctx, u); err != nil {
		return err
	}
	if part.Review.State != fact.Open {
		return nil
	}
	if err := d.write(ctx, u.Plan, u.Record.ID); err != nil {
		return err
	}
	for _, r := range part.Review.Roles {
		if r.State == fact.Approved {
			continue
		}
		if err := d.sign(ctx, u.Plan, u.Record.ID, fact.Command{Kind: fact.SignReview, Role: r.Role, Why: "read the review"}); err != nil {
			return err
		}
	}
	return nil
}

// How long the people of the demo take to do a step of the way back, and the workflows that
// its webhooks start.
const (
	demoDeed = 5 * time.Minute
	demoJob  = 2 * time.Minute
)

// steps does those of the way back that are due: see deeds.
func (d *demo) steps(ctx context.Context, u *runner.RunView) error {
	for _, c := range d.deeds(u) {
		if _, err := d.daemon.runner.Command(ctx, u.Plan.Name, u.Record.ID, c); err != nil {
			return err
		}
	}
	return nil
}

// deeds are what is to be said by now of steps of the way back, by the people who do them and
// by the jobs that a webhook has started.
func (d *demo) deeds(u *runner.RunView) (list []fact.Command) {
	now := u.Snapshot.At
	for _, s := range u.Snapshot.Effects.Steps {
		c := fact.Command{Kind: fact.EffectDone, Subject: s.Rule + "/" + s.Name, By: "the demo's " + s.Role, Principal: "demo " + s.Role, Why: "done as rehearsed"}
		switch {
		case slices.Contains(d.Absent, s.Role):
			continue
		case s.Role != "" && s.State == fact.Intended:
			c.Kind, c.Why = fact.AckEffect, "on it"
		case s.State != fact.Acknowledged:
			continue
		case s.Role != "" && now.Before(s.At.Add(demoDeed)):
			continue
		case s.Role == "":
			if now.Before(s.At.Add(demoJob)) || !d.told(s.Sink, fmt.Sprintf("%s.demo/%d", u.Record.ID, s.Event)) {
				continue
			}
			c.By, c.Principal, c.Why = "the job of "+s.Sink, "demo "+s.Sink, either(s.Kept, "done as told")
		}
		c.ID = fmt.Sprintf("demo %s %s %d", c.Kind, c.Subject, s.Event)
		list = append(list, c)
	}
	return list
}

// before reports whether a step that was asked for, or asked about, before an event has no answer.
func before(e *fact.Effects, n uint64) bool {
	return slices.ContainsFunc(e.Steps, func(s fact.EffectView) bool { return s.Role == "" && s.State == fact.Intended && s.Event < n }) ||
		slices.ContainsFunc(e.Proofs, func(p fact.ProofView) bool { return p.Event != 0 && p.Event < n })
}

// turn has steps of the way back sent in their order, for a moment at the longest: so the
// same demo has the same events.
func (d *demo) turn(ctx context.Context, n uint64) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		published, u := d.daemon.runner.Watch(), d.release()
		if u == nil || u.Snapshot.Generation >= n && !before(&u.Snapshot.Effects, n) {
			return
		}
		select {
		case <-published:
		case <-ctx.Done():
		}
	}
}

// told reports whether a webhook's receiver has an event. The recorder has what was
// acknowledged.
func (d *demo) told(webhook, event string) bool {
	for i := range d.config.Webhooks {
		if w := &d.config.Webhooks[i]; w.Name == webhook {
			return !hooked(w.Format) || d.receivers.did(webhook, event)
		}
	}
	return false
}

// write fills in the fields of the review, once.
func (d *demo) write(ctx context.Context, plan *rules.Plan, run string) error {
	for _, field := range [][2]string{
		{"feedback", "No complaint reached support."},
		{"lessons", "The order of the phases was right: what goes wrong shows in the alias first."},
		{"actions", "None."},
	} {
		event, err := d.daemon.runner.Command(ctx, plan.Name, run, fact.Command{
			ID: "demo " + field[0], Kind: fact.EditReview, Subject: field[0], By: "the demo's " + plan.Manager, Principal: "demo " + plan.Manager, Why: field[1],
		})
		if err == nil && event.To == "refused" {
			err = fmt.Errorf("the review cannot be written: %s", event.Why.Code)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sign gives a signature as the plan's own person for a role would: by the link that an
// e-mail brought, or by the API with a token. Where no e-mail can bring a link, no one signs.
func (d *demo) sign(ctx context.Context, plan *rules.Plan, run string, c fact.Command) error {
	c.ID, c.By = "demo "+c.Role+" "+fmt.Sprint(d.clock.Now().Unix()), "the demo's "+c.Role
	who := ""
	if r := plan.Role(c.Role); r != nil && len(r.Sign) > 0 {
		who = r.Sign[0]
	}
	switch {
	case strings.Contains(who, "@") && d.receivers.mail == nil:
		return nil
	case strings.Contains(who, "@"):
		return d.signByLink(ctx, who, &c)
	case who == "" || strings.HasPrefix(who, "token:"):
		return d.door.sign(ctx, d, plan.Name, run, &c)
	}
	c.Principal = who // a job of a CI system
	event, err := d.daemon.runner.Command(ctx, plan.Name, run, c)
	if err == nil && event.To == "refused" {
		err = fmt.Errorf("the demo's %s may not sign: %s", c.Role, event.Why.Code)
	}
	return err
}

var (
	demoLink = regexp.MustCompile(signPath + `[A-Za-z0-9_.=-]+`)
	demoForm = regexp.MustCompile(`name="form" value="([^"]+)"`)
)

// signByLink opens the newest link in someone's e-mails that still asks for a signature, and
// sends the form of its page.
func (d *demo) signByLink(ctx context.Context, address string, c *fact.Command) error {
	title := "Sign for " + words.Allowed(c.Subject)
	if c.Kind == fact.SignReview {
		title = "Sign the review of"
	}
	for _, m := range slices.Backward(d.receivers.mail.Messages()) {
		if !slices.Contains(m.To, address) {
			continue
		}
		link, err := linkIn(m.Data)
		if err != nil {
			return fmt.Errorf("the e-mail to %s: %w", address, err)
		}
		if link == "" {
			continue
		}
		link = "http://" + d.daemon.public.Addr().String() + link // as a proxy would lead there
		code, page, err := browse(ctx, http.MethodGet, link, nil)
		if err != nil {
			return err
		}
		form := demoForm.FindStringSubmatch(page)
		if code != http.StatusOK || form == nil || !strings.Contains(html.UnescapeString(page), title) {
			continue // it was answered, or is for something else
		}
		code, _, err = browse(ctx, http.MethodPost, link, url.Values{"form": {html.UnescapeString(form[1])}, "decision": {"approve"}, "why": {c.Why}})
		if err != nil {
			return err
		}
		if code != http.StatusOK {
			return fmt.Errorf("the link for %s: status %d", c.Role, code)
		}
		return nil
	}
	return fmt.Errorf("no e-mail brought %s a link to sign by", c.Role)
}

// linkIn is the path of the link to sign by in an e-mail, empty where it has none.
func linkIn(data []byte) (string, error) {
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(m.Body)
	if err != nil {
		return "", err
	}
	// Long lines are folded.
	return demoLink.FindString(strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(string(text))), nil
}

// browse makes a request as a browser does.
func browse(ctx context.Context, method, at string, form url.Values) (code int, page string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, at, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// signersDoor is the API for those who sign by a token. The demo's other address needs none, so
// that it can be looked at.
type signersDoor struct {
	gate     *gate.Gate
	secrets  map[string]string // :: role → secret of its token
	listener net.Listener
	server   *http.Server
}

func newSignersDoor(ctx context.Context, d *demo) (*signersDoor, error) {
	s := &signersDoor{secrets: map[string]string{}}
	c := gate.Config{Now: d.clock.Now, Log: d.log}
	desk := desk{runner: d.daemon.runner, journal: d.daemon.journal}
	c.Commander, c.Past = desk, desk
	scopes := map[string][]gate.Scope{} // :: token → what it may do
	roles := map[string][]string{}      // :: token → its roles
	for _, role := range signersOf(d.plan) {
		name := "demo " + role
		if r := d.plan.Role(role); r != nil && len(r.Sign) > 0 {
			token, ok := strings.CutPrefix(r.Sign[0], "token:")
			if !ok {
				continue
			}
			name = token
		}
		scopes[name], roles[name] = append(scopes[name], gate.ApproveAs(role)), append(roles[name], role)
	}
	for name := range scopes {
		secret := randomSecret()
		sum := sha256.Sum256([]byte(secret))
		c.Tokens = append(c.Tokens, gate.Token{Name: name, SHA256: hex.EncodeToString(sum[:]), Scopes: scopes[name]})
		for _, role := range roles[name] {
			s.secrets[role] = secret
		}
	}
	var err error
	if s.gate, err = gate.New(c); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	if s.listener, err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("listening for those who sign: %w", err)
	}
	s.server = &http.Server{Handler: s.gate.Handler(), ReadHeaderTimeout: 10 * time.Second}
	return s, nil
}

// signersOf are the roles that a plan asks for signatures, each once.
func signersOf(plan *rules.Plan) (roles []string) {
	for _, a := range plan.Approvals {
		roles = append(roles, a.Roles...)
	}
	roles = append(roles, plan.Review.Sign...)
	slices.Sort(roles)
	return slices.Compact(roles)
}

// sign gives a command by the API.
func (s *signersDoor) sign(ctx context.Context, d *demo, plan, run string, c *fact.Command) error {
	s.gate.Update(gateViews(d.daemon.runner.Published()))
	body, err := json.Marshal(map[string]string{"id": c.ID, "kind": string(c.Kind), "subject": c.Subject, "role": c.Role, "run": run, "by": c.By, "why": c.Why})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.listener.Addr().String()+"/v1/plans/"+plan+"/commands", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.secrets[c.Role])
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the demo's %s may not sign: status %d: %.300s", c.Role, resp.StatusCode, said)
	}
	return nil
}

// Run serves until ctx is done.
func (s *signersDoor) Run(ctx context.Context) error { return serveUntil(ctx, s.server, s.listener) }

func (s *signersDoor) close() error {
	if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
