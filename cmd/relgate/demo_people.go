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
		if u == nil || d.clock.finished() || u.Snapshot.Generation == d.acted {
			break
		}
		before := u.Snapshot.Generation
		draining, cancel := context.WithTimeout(ctx, deliverWithin)
		err := d.daemon.hooks.Load().Drain(draining)
		cancel()
		if err != nil {
			return fmt.Errorf("waiting for the deliveries: %w", err)
		}
		if err := d.app.look(ctx); err != nil {
			return err
		}
		if err := d.people(ctx); err != nil {
			return err
		}
		if u = d.release(); u.Snapshot.Generation == before {
			d.acted = before
		}
	}
	return ctx.Err()
}

// people does what the people of the plan would do: who is asked for a signature gives it, each
// as a person of their own, and who must sign the review does.
func (d *demo) people(ctx context.Context) error {
	u := d.release()
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

// demoDeed is how long the people of the demo take to do a step of the way back.
const demoDeed = 5 * time.Minute

// steps does those of the way back that a person does.
func (d *demo) steps(ctx context.Context, u *runner.RunView) error {
	now := u.Snapshot.At
	for _, s := range u.Snapshot.Effects.Steps {
		c := fact.Command{Subject: s.Rule + "/" + s.Name, By: "the demo's " + s.Role, Principal: "demo " + s.Role}
		switch {
		case s.Role == "":
			continue
		case s.State == fact.Intended:
			c.Kind, c.Why = fact.AckEffect, "on it"
		case s.State == fact.Acknowledged && !now.Before(s.At.Add(demoDeed)):
			c.Kind, c.Why = fact.EffectDone, "done as rehearsed"
		default:
			continue
		}
		c.ID = "demo " + string(c.Kind) + " " + c.Subject
		if _, err := d.daemon.runner.Command(ctx, u.Plan.Name, u.Record.ID, c); err != nil {
			return err
		}
	}
	return nil
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
