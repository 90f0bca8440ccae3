package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/exporters/archive/archivetest"
	"github.com/relgate/relgate/exporters/email/smtptest"
	"github.com/relgate/relgate/exporters/outbox/faulttest"
	"github.com/relgate/relgate/exporters/slack"
	"github.com/relgate/relgate/exporters/slack/slacktest"
	"github.com/relgate/relgate/exporters/statuspage"
	"github.com/relgate/relgate/exporters/statuspage/statuspagetest"
	"github.com/relgate/relgate/rules"
)

// receivers are the other sides of a demo's sinks: Slack, Statuspage, a mail server, GitHub,
// Confluence, PagerDuty and Teams, each on a port of its own; and of the webhooks that start
// something at GitHub, GitLab and EventBridge. They are strict about what they
// are sent. What they took is kept in the demo's folder, so that it outlives a demo that is
// killed, as it would with the real ones.
type receivers struct {
	dir   string
	clock *virtualClock
	all   []*simulatedSink
	hosts map[string]string // :: host that the config names → address on loopback
	mail  *smtptest.Server  // nil where the config has none
	post  *simulatedSink    // the mail server's port and memory

	linkSecret string          // signs the links in e-mails; as old as they may be
	ahead      time.Duration   // of the clock of this machine: see now
	began      time.Time       // when this demo did
	fault      faulttest.Fault // of the first request of each two for the same

	mu    sync.Mutex
	tried map[string]*attempts // :: sink and event
	order []*attempts
}

// keeper is a receiver in memory whose memory can be kept.
type keeper interface {
	Save() ([]byte, error)
	Load(saved []byte) error
}

// simulatedSink is the other side of a sink, with a port and a file.
type simulatedSink struct {
	keeper
	sink     string // name in the config
	kind     string
	path     string
	fault    faulttest.Fault
	listener net.Listener
	server   *http.Server // nil of the mail server
	took     func() (messages int, wrong []string)

	mu     sync.Mutex     // guards the file, and what follows
	asked  map[string]int // :: what for → requests that change something
	spoilt int            // of them those with a fault
}

// newReceivers makes what a config's sinks need, and points the sinks at it.
func newReceivers(ctx context.Context, dir string, clock *virtualClock, cfg *config.Config, fault faulttest.Fault) (*receivers, error) {
	r := &receivers{dir: dir, clock: clock, hosts: map[string]string{}, began: time.Now(), fault: fault, tried: map[string]*attempts{}}
	if err := errors.Join(r.secret(), r.later()); err != nil {
		return nil, err
	}
	cfg.Daemon.LinkSecrets = []config.Secret{config.Plain(r.linkSecret)}
	cfg.Daemon.ExternalURL = either(cfg.Daemon.ExternalURL, "https://relgate.example.com")
	for i := range cfg.Sinks {
		s := &cfg.Sinks[i]
		s.Proxy, s.CA, s.Allow = config.Secret{}, "", nil
		if fault == faulttest.Hanging || fault == faulttest.Late {
			s.Timeout.Duration = 3 * time.Second
		}
		own := map[string]config.Secret{}
		for key, secret := range s.Own {
			if own[key] = secret; !secret.IsZero() {
				own[key] = config.Plain(randomSecret())
			}
		}
		s.Own = own
		if err := r.add(ctx, s, cfg.Plans); err != nil {
			return nil, errors.Join(fmt.Errorf("simulating sink %q: %w", s.Name, err), r.close())
		}
	}
	for i := range cfg.Webhooks {
		w := &cfg.Webhooks[i]
		if !hooked(w.Format) {
			continue
		}
		if fault == faulttest.Hanging || fault == faulttest.Late {
			w.Timeout = &rules.Duration{Duration: 3 * time.Second}
		}
		if err := r.addHook(ctx, w); err != nil {
			return nil, errors.Join(fmt.Errorf("simulating webhook %q: %w", w.Name, err), r.close())
		}
	}
	return r, nil
}

// secret makes the secret of links, or reads the one of an earlier demo in the same folder.
func (r *receivers) secret() error {
	path := filepath.Join(r.dir, "link-secret")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(randomSecret())
		err = replaceFile(path, text)
	}
	r.linkSecret = string(text)
	return err
}

// now is the time by which receivers and sinks say how long ago something was asked for. Each
// demo in a folder is an hour later than the one before: what that one had asked for when it was
// killed has been done by then, or never will be, and need not be waited for.
func (r *receivers) now() time.Time {
	now := time.Now().Add(r.ahead)
	if r.fault != faulttest.None {
		now = now.Add((hurried - 1) * time.Since(r.began))
	}
	return now
}

// stamps is the time by which webhooks say when they send.
func (r *receivers) stamps() time.Time {
	if r.fault == faulttest.None {
		return time.Now()
	}
	return r.now()
}

func (r *receivers) later() error {
	path := filepath.Join(r.dir, "starts")
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r.ahead = time.Duration(len(text)) * time.Hour
	return replaceFile(path, append(text, '.'))
}

// add makes the receiver of a sink.
func (r *receivers) add(ctx context.Context, s *config.SinkSpec, plans []*rules.Plan) error {
	secret := func(key string) string {
		text, _ := s.Secret(key) // it was put there
		return text
	}
	switch s.Type {
	case "slack":
		return r.addSlack(ctx, s, plans)
	case "statuspage":
		page := &statuspagetest.Server{Token: secret("token"), Page: s.Texts["page"], Components: componentsOf(s, plans)}
		took := func() (n int, wrong []string) {
			for _, i := range page.Incidents() {
				n += len(i.Updates)
			}
			return n, page.Wrong()
		}
		return r.serve(ctx, s, either(s.Texts["api"], statuspage.API), page, took)
	case "confluence":
		space := archivetest.NewConfluence(s.Texts["space"], s.Texts["email"], secret("token"))
		return r.serve(ctx, s, s.Texts["site"], space, func() (int, []string) { return len(space.Pages()), nil })
	case "github":
		repository := archivetest.NewGitHub(s.Texts["repository"], secret("token"))
		repository.Merges = true // as the people of the demo do at once what they are asked for
		return r.serve(ctx, s, either(s.Texts["api"], "https://api.github.com"), repository, func() (int, []string) { return repository.Commits() - 1, nil })
	case "email":
		return r.addMail(ctx, s, secret("password"))
	case "pagerduty", "teams":
		taken := &taker{key: secret("routing_key")}
		at := either(s.Texts["api"], "https://events.pagerduty.com")
		if s.Type == "teams" {
			at = "https://teams.example.com/workflow"
			s.Own["url"] = config.Plain(at)
		}
		return r.serve(ctx, s, at, taken, taken.count)
	case "folder":
		s.Texts["path"] = filepath.Join(r.dir, s.Name)
		return os.MkdirAll(s.Texts["path"], 0o755)
	}
	return nil // the banner is relgate's own: see bannerApp
}

// addSlack makes a workspace with the channels and people that the config names.
func (r *receivers) addSlack(ctx context.Context, s *config.SinkSpec, plans []*rules.Plan) error {
	token, _ := s.Secret("token")
	server := &slacktest.Server{Token: token, Channels: map[string]string{}, Users: map[string]string{}, Emails: map[string]string{}, Now: r.clock.Now, Clock: r.now}
	for n, name := range strings.Fields(strings.Join(append(targetsOf(s.Name, plans), s.Texts["channel"], s.Texts["live"]), " ")) {
		id := fmt.Sprintf("%07d", n)
		switch person, isPerson := strings.CutPrefix(name, "@"); {
		case strings.Contains(person, "@"):
			server.Emails[name], server.Users["u"+id] = "U"+id, "U"+id
		case isPerson:
			server.Users[person] = "U" + id
		case server.Channels[strings.TrimPrefix(name, "#")] == "":
			server.Channels[strings.TrimPrefix(name, "#")] = "C" + id
		}
	}
	at := either(s.Texts["api"], slack.API)
	if !s.Own["url"].IsZero() {
		at, server.Webhook, server.To = "https://hooks.slack.com/services/demo", "/services/demo", "C0000000"
		s.Own["url"] = config.Plain(at)
	}
	return r.serve(ctx, s, at, server, func() (int, []string) { return len(server.Messages()), server.Wrong() })
}

// targetsOf lists what plans name as targets at a sink, in the order of the plans.
func targetsOf(sink string, plans []*rules.Plan) (targets []string) {
	add := func(a rules.Address) {
		if a.Sink == sink && a.Target != "" {
			targets = append(targets, a.Target)
		}
	}
	for _, p := range plans {
		for i := range p.Communications {
			add(p.Communications[i].To)
		}
		for _, role := range p.Roles {
			add(role.Tell)
			add(role.Page)
		}
	}
	return targets
}

// componentsOf are the components that a status page must have, by ids of their own.
func componentsOf(s *config.SinkSpec, plans []*rules.Plan) map[string]string {
	all := map[string]string{}
	for _, text := range append(targetsOf(s.Name, plans), s.Texts["components"]) {
		target, _ := statuspage.ParseTarget(text) // what is none is told by the sink itself
		for _, c := range target.Components {
			all[fmt.Sprintf("component%04d", len(all))] = c.Name
		}
	}
	return all
}

// addMail makes a mail server that wants TLS and the account of the config.
func (r *receivers) addMail(ctx context.Context, s *config.SinkSpec, password string) error {
	certificate, text, err := smtptest.Certificate()
	if err != nil {
		return err
	}
	s.CA = filepath.Join(r.dir, s.Name+".pem")
	if err := os.WriteFile(s.CA, text, 0o600); err != nil {
		return err
	}
	c := smtptest.Config{User: s.Texts["username"], Password: password, Implicit: s.Texts["encryption"] == "implicit"}
	if s.Texts["encryption"] == "none" {
		s.CA = ""
	} else {
		c.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	}
	c.Taken = func() { _ = r.post.save() } // what is not kept is missed after a kill only
	c.Answer = r.mailFault
	r.mail = smtptest.Make(c)
	r.post = r.receiver(s, r.mail, func() (int, []string) { return len(r.mail.Messages()), r.mail.Violations() })
	if err := loadFile(r.post.path, r.post); err != nil {
		return err
	}
	if err := r.post.listen(ctx); err != nil {
		return err
	}
	s.Texts["server"] = r.post.listener.Addr().String()
	r.mail.Serve(r.post.listener)
	return nil
}

func (r *receivers) receiver(s *config.SinkSpec, of keeper, took func() (int, []string)) *simulatedSink {
	one := &simulatedSink{keeper: of, sink: s.Name, kind: s.Type, path: filepath.Join(r.dir, "receiver-"+s.Name+".json"), fault: r.fault, asked: map[string]int{}, took: took}
	r.all = append(r.all, one)
	return one
}

// serve gives a receiver a port, to which requests go that are for the host of an address.
func (r *receivers) serve(ctx context.Context, s *config.SinkSpec, address string, of interface {
	keeper
	http.Handler
}, took func() (int, []string)) error {
	one := r.receiver(s, of, took)
	to, err := url.Parse(address)
	if err != nil {
		return err // unreachable: the config was checked
	}
	if r.hosts[to.Host] != "" {
		return fmt.Errorf("another sink is at %s: a demo has one there", to.Host)
	}
	if err := loadFile(one.path, one); err != nil {
		return err
	}
	if err := one.listen(ctx); err != nil {
		return err
	}
	r.hosts[to.Host] = one.listener.Addr().String()
	one.server = &http.Server{Handler: one.keeping(of), ReadHeaderTimeout: 10 * time.Second}
	return nil
}

func (one *simulatedSink) listen(ctx context.Context) (err error) {
	var lc net.ListenConfig
	one.listener, err = lc.Listen(ctx, "tcp", "127.0.0.1:0")
	return err
}

// loadFile goes on from what an earlier demo in the same folder has kept.
func loadFile(path string, of keeper) error {
	saved, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return of.Load(saved)
}

// saveFile keeps what a later demo in the same folder goes on from.
func saveFile(path string, of keeper) error {
	text, err := of.Save()
	if err != nil {
		return err
	}
	return replaceFile(path, text)
}

// save keeps what the receiver has.
func (one *simulatedSink) save() error {
	one.mu.Lock()
	defer one.mu.Unlock()
	return saveFile(one.path, one)
}

// replaceFile writes a file whole, or not at all.
func replaceFile(path string, text []byte) error {
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// heldAnswer is an answer that is not sent yet.
type heldAnswer struct {
	header http.Header
	status int
	body   []byte
}

func (a *heldAnswer) Header() http.Header { return a.header }

func (a *heldAnswer) WriteHeader(status int) { a.status = status }

func (a *heldAnswer) Write(p []byte) (int, error) {
	a.body = append(a.body, p...)
	return len(p), nil
}

// RoundTrip brings a request to the receiver that is simulated at its host. Any other stays on
// this machine.
func (r *receivers) RoundTrip(req *http.Request) (*http.Response, error) {
	at := r.hosts[req.URL.Host]
	if at == "" && req.URL.Hostname() != "127.0.0.1" {
		return nil, errors.New("a demo reaches nothing but itself")
	}
	if at != "" {
		was := req
		req = was.Clone(was.Context())
		req.Host = either(was.Host, was.URL.Host)
		req.URL.Scheme, req.URL.Host = "http", at
	}
	return http.DefaultTransport.RoundTrip(req)
}

// Run serves until ctx is done.
func (r *receivers) Run(ctx context.Context) error {
	var group errgroup.Group
	for _, one := range r.all {
		if one.server != nil {
			group.Go(func() error { return serveUntil(ctx, one.server, one.listener) })
		}
	}
	return group.Wait()
}

func (r *receivers) close() error {
	var errs []error
	for _, one := range r.all {
		if one.listener == nil {
			continue
		}
		if err := one.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if r.mail != nil {
		r.mail.Close()
	}
	return errors.Join(errs...)
}

// receiverSummary is what a simulated receiver has taken.
type receiverSummary struct {
	Sink  string   `json:"sink"`
	Type  string   `json:"type"`
	Took  int      `json:"took"`  // messages, updates, pages or commits that are there
	Wrong []string `json:"wrong"` // what of it the real one would not have taken, or not so

	Spoilt int `json:"spoilt"` // requests that it did not answer as it should: see --receivers
}

func (r *receivers) summary() []receiverSummary {
	list := []receiverSummary{}
	for _, one := range r.all {
		s := receiverSummary{Sink: one.sink, Type: one.kind, Wrong: []string{}}
		took, wrong := one.took()
		one.mu.Lock()
		s.Spoilt = one.spoilt
		one.mu.Unlock()
		s.Took, s.Wrong = took, append(s.Wrong, wrong...)
		list = append(list, s)
	}
	return list
}

// taker is PagerDuty, or a workflow of Teams: it takes JSON and says so.
type taker struct {
	key string // PagerDuty's routing key; empty: Teams

	mu    sync.Mutex
	taken int
	wrong []string
}

func (t *taker) Save() ([]byte, error) {
	n, _ := t.count()
	return json.Marshal(n)
}

func (t *taker) Load(saved []byte) error { return json.Unmarshal(saved, &t.taken) }

func (t *taker) count() (int, []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken, slices.Clone(t.wrong)
}

func (t *taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent struct {
		Key    string `json:"routing_key"`
		Action string `json:"event_action"`
		Dedup  string `json:"dedup_key"`
		Type   string `json:"type"`
	}
	if err == nil {
		err = json.Unmarshal(body, &sent)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	pages := slices.Contains([]string{"trigger", "acknowledge", "resolve"}, sent.Action) && sent.Dedup != ""
	if err != nil || sent.Key != t.key || t.key != "" && !pages || t.key == "" && sent.Type != "message" {
		t.wrong = append(t.wrong, fmt.Sprintf("%s of %d bytes", r.Method, len(body)))
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	t.taken++
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	if t.key != "" {
		_ = json.NewEncoder(w).Encode(map[string]string{"status": "success", "message": "Event processed", "dedup_key": sent.Dedup})
	}
}
