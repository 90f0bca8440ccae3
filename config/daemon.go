package config

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// between reports a duration outside its bounds and gives its default.
func between(c rules.Checker, d *rules.Duration, otherwise, low, high time.Duration) *rules.Duration {
	if d == nil {
		return &rules.Duration{Duration: otherwise}
	}
	if d.Duration < low || d.Duration > high {
		c.Fail("out-of-range", "", "%v: want %v to %v", d, rules.Duration{Duration: low}, rules.Duration{Duration: high})
	}
	return d
}

// within reports a number outside its bounds and gives its default.
func within(c rules.Checker, n *int, otherwise, low, high int) *int {
	if n == nil {
		return &otherwise
	}
	if *n < low || *n > high {
		c.Fail("out-of-range", "", "%d: want %d to %d", *n, low, high)
	}
	return n
}

// checkURL reports an address that is not an absolute http or https URL, without
// showing it: it may hold a token.
func checkURL(c rules.Checker, text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		c.Fail("bad-url", "", `want an absolute URL such as "https://ci.example.com/hooks"`)
		return
	}
	if u.User != nil {
		c.Fail("bad-url", "put them into a header or a token", "the URL holds credentials")
	}
}

// listen reports an address that cannot be listened on.
func listen(c rules.Checker, text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	_, port, err := net.SplitHostPort(text)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n > 65535 {
		c.Fail("bad-address", "", `%q: want a host and a port such as "127.0.0.1:8080"`, text)
	}
	return text
}

// checkSecret warns of a secret that stands in the config, without showing it.
func checkSecret(c rules.Checker, s Secret) {
	if s.Inline() {
		c.Warn("inline-secret", `write { env = "NAME" }, { file = "path" } or { credential = "name" }`, "the secret stands in the config itself")
	}
}

// DefaultPrivate is where a daemon answers on metrics and health if its config does
// not say.
const DefaultPrivate = "127.0.0.1:9091"

// Private reads where the config at path lets a daemon answer on metrics and
// health, whatever else in it is wrong. The error says that it cannot be read or
// is not TOML.
func Private(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the config: %w", err)
	}
	l := &loader{order: map[string]int{}}
	main := l.parse(path, data)
	if main.broken {
		return "", fmt.Errorf("reading the config: %s", l.problems[len(l.problems)-1]) // syntax is the last
	}
	return cmp.Or(main.doc.Daemon.Private, DefaultPrivate), nil
}

// daemon checks the parts that only the main file has, and hands them over.
func (l *loader) daemon(main *file) {
	var found rules.Problems
	top := rules.Check("", &found)
	for i := range main.doc.Sources {
		s := &main.doc.Sources[i]
		checkSource(top.At("sources", s.Name), s, l.kinds)
		s.CA = main.beside(s.CA)
		for key, secret := range s.Secrets {
			secret.file = main.beside(secret.file)
			s.Secrets[key] = secret
		}
	}
	for i := range main.doc.Webhooks {
		w := &main.doc.Webhooks[i]
		checkWebhook(top.At("webhooks", w.Name), w, main.doc.Webhooks, l.formats)
		l.settleWebhook(main, w)
	}
	if g := main.doc.Grafana; g != nil {
		checkGrafana(top.At("grafana"), g, main.doc.Webhooks)
		g.CA = main.beside(g.CA)
		l.settleSecret(main, &g.Token)
	}
	if o := main.doc.OTLP; o != nil {
		checkOTLP(top.At("otlp"), o, main.doc.Webhooks)
		l.settleOTLP(main, o)
	}
	taken := webhookNames(main.doc.Webhooks)
	if main.doc.Grafana.Annotates() {
		taken = append(taken, GrafanaEndpoint)
	}
	if main.doc.OTLP != nil {
		taken = append(taken, OTLPEndpoint)
	}
	banners := 0
	for i := range main.doc.Sinks {
		s := &main.doc.Sinks[i]
		checkSink(top.At("sinks", s.Name), s, taken)
		if s.Type == bannerSink.name {
			if banners++; banners == 2 {
				top.At("sinks", s.Name).Fail("conflict", "keep one of them", "there is another sink of type banner, and an app asks for one list")
			}
		}
		l.settleSink(main, s)
	}
	l.environments(top.At("environments"), main)
	for i := range main.doc.Alertmanagers {
		a := &main.doc.Alertmanagers[i]
		checkAlertmanager(top.At("alertmanager", a.Name), a)
		l.settleAlertmanager(main, a)
	}
	for i := range main.doc.GitHubs {
		g := &main.doc.GitHubs[i]
		checkGitHub(top.At("github", g.Name), g)
		l.settleGitHub(main, g)
	}
	d := &main.doc.Daemon
	checkDaemon(top.At("daemon"), d)
	d.Journal = main.journal(d.Journal)
	if d.SigningKeys == "" {
		d.SigningKeys = d.Journal + ".keys"
	} else {
		d.SigningKeys = main.journal(d.SigningKeys)
	}
	if t := d.TLS; t != nil {
		t.Cert, t.Key, t.ClientCA = main.beside(t.Cert), main.beside(t.Key), main.beside(t.ClientCA)
	}
	for i := range d.Tokens {
		l.settleSecret(main, &d.Tokens[i].Token)
	}
	for i := range d.LinkSecrets {
		checkSecret(top.At("daemon", "link_secrets").Index(i), d.LinkSecrets[i])
		l.settleSecret(main, &d.LinkSecrets[i])
	}
	for i := range d.OIDC {
		d.OIDC[i].CA = main.beside(d.OIDC[i].CA)
	}
	l.judge(main, found)
	l.config.Sources, l.config.Webhooks, l.config.Alertmanagers, l.config.Sinks, l.config.Grafana, l.config.OTLP, l.config.Daemon = main.doc.Sources, main.doc.Webhooks, main.doc.Alertmanagers, main.doc.Sinks, main.doc.Grafana, main.doc.OTLP, *d
	l.config.GitHubs, l.config.Environments = main.doc.GitHubs, main.doc.Environments
}

// journal is the path of the journal. A relative one is below the folder that the
// service manager or the image gives relgate for its state, because the config's
// own folder is not relgate's to write there; else beside the config file.
func (f *file) journal(named string) string {
	named = cmp.Or(named, "relgate.db")
	if dirs := filepath.SplitList(os.Getenv("STATE_DIRECTORY")); len(dirs) > 0 && !filepath.IsAbs(named) {
		return filepath.Join(dirs[0], named)
	}
	return f.beside(named)
}

// settleWebhook makes the file names of a webhook paths.
func (l *loader) settleWebhook(f *file, w *WebhookSpec) {
	w.CA = f.beside(w.CA)
	for _, s := range []*Secret{&w.URLFrom, &w.HubSecret, &w.Proxy} {
		l.settleSecret(f, s)
	}
	for i := range w.Secrets {
		l.settleSecret(f, &w.Secrets[i])
	}
	for _, secrets := range []map[string]Secret{w.Headers, w.Own} {
		for name, s := range secrets {
			l.settleSecret(f, &s)
			secrets[name] = s
		}
	}
}

// settleSecret makes the file name of a secret a path, and notes the file as one to
// watch: a secret that is replaced or revoked counts at once.
func (l *loader) settleSecret(f *file, s *Secret) {
	if s.file = f.beside(s.file); s.file != "" {
		data, err := l.readFile(filepath.ToSlash(s.file))
		l.noteFile(s.file, data, err)
	}
}

// eventKinds are the kinds of the evaluator's events.
var eventKinds = []string{"run", "phase", "verdict", "rule", "signal", "communication", "command", "plan", "approval", "review", "rollout", "effect"}

func checkWebhook(c rules.Checker, w *WebhookSpec, all []WebhookSpec, formats []rules.WebhookFormat) {
	format := checkFormat(c, w, formats)
	ownPlace := format != nil && format.URL != ""
	ownCredentials := format != nil && (!format.Signed || format.Headers && len(w.Headers) > 0)
	if w.Class == "" {
		w.Class = "notify"
	}
	c.At("class").OneOf("unknown-class", "class", w.Class, []string{"action", "notify"})
	c.Required("url", w.URL == "" && w.URLFrom.IsZero() && !ownPlace, `"https://ci.example.com/hooks/relgate"`)
	if w.URL != "" && !w.URLFrom.IsZero() {
		c.At("url_from").Fail("conflict", "keep one of them", "url is given as well")
	}
	checkURL(c.At("url"), w.URL)
	checkSecret(c.At("url_from"), w.URLFrom)
	for i, kind := range w.Events {
		c.At("events").Index(i).OneOf("unknown-event", "kind of event", kind, eventKinds)
	}
	checkSelection(c, w)
	for i, s := range w.Secrets {
		at := c.At("secrets").Index(i)
		checkSecret(at, s)
		if encoded, ok := strings.CutPrefix(s.inline, "whsec_"); ok {
			if key, err := base64.StdEncoding.DecodeString(encoded); err != nil || len(key) == 0 {
				at.Fail("bad-value", `make one with: echo "whsec_$(openssl rand -base64 32)"`, "what follows whsec_ is not base64")
			}
		}
	}
	checkSecret(c.At("hub_secret"), w.HubSecret)
	c.Required("secrets", w.Class == "action" && len(w.Secrets) == 0 && w.HubSecret.IsZero() && !ownCredentials, `[{ env = "RELGATE_WEBHOOK_SECRET" }]`)
	checkProxy(c.At("proxy"), w.Proxy)
	w.Timeout = between(c.At("timeout"), w.Timeout, 15*time.Second, time.Second, 5*time.Minute)
	checkHeaders(c.At("headers"), w.Headers)
	checkEscalation(c.At("escalate_to"), w, all)
	checkTold(c.At("escalate_to"), w, all, formats)
}

// eventStates lists what an event of each kind can lead to: the last part of its type.
var eventStates = map[string][]string{
	"run":           {"waiting", "monitoring", "held", "passed", "failed", "rolled_back", "superseded", "over"},
	"phase":         {"waiting", "monitoring", "held", "passed", "failed", "rolled_back", "superseded"},
	"verdict":       {"pending", "pass", "fail", "rollback", "unknown"},
	"rule":          {"idle", "clear", "breaching", "fired", "silent", "warning", "holding", "would_fire", "would_hold", "pending", "pass", "fail", "unknown"},
	"signal":        {"ok", "no_data", "stale", "partial", "throttled", "auth", "config", "unavailable"},
	"communication": {"due", "sent", "failed", "skipped"},
	"approval":      {"asked", "approved", "rejected", "void", "expired", "overridden"},
	"review":        {"open", "reminded", "edited", "approved", "void", "complete", "archived", "failed"},
	"rollout":       {"mismatch", "match", "over"},
	"effect":        {"intended", "acknowledged", "done", "failed", "skipped", "dropped", "escalated", "taken", "safe", "stopped", "unproven", "ready", "missing", "unknown", "rehearsed", "overridden"},
	"command":       {"applied", "refused"},
	"plan":          {"edited", "judged_anew", "late"},
}

// severities lists the severities of events, the least first.
var severities = []string{"info", "warning", "critical"}

// orderTypes maps the types that orders can have to their severity. A run goes on
// from a hold in any of its states.
var orderTypes = map[string]string{
	"relgate.run.rolled_back": "critical", "relgate.run.failed": "critical", "relgate.rule.fired": "critical",
	"relgate.effect.intended": "warning", "relgate.run.held": "warning", "relgate.run.superseded": "warning",
	"relgate.run.waiting": "info", "relgate.run.monitoring": "info", "relgate.run.passed": "info", "relgate.command.applied": "info",
}

// checkSelection reports what can never be sent to a webhook.
func checkSelection(c rules.Checker, w *WebhookSpec) {
	if w.Severity != "" {
		c.At("severity").OneOf("unknown-severity", "severity", w.Severity, severities)
	}
	bad := false
	for i, t := range w.Types {
		at := c.At("types").Index(i)
		kind, state, _ := strings.Cut(strings.TrimPrefix(t, "relgate."), ".")
		states, known := eventStates[kind]
		switch {
		case !strings.HasPrefix(t, "relgate.") || !known:
			at.Fail("unknown-type-of-event", `write "relgate.KIND.STATE", as in "relgate.run.rolled_back"`, "type %q: want one of the kinds %s", t, strings.Join(eventKinds, ", "))
			bad = true
		case !slices.Contains(states, state):
			bad = true
			at.Fail("unknown-type-of-event", rules.DidYouMean(state, states), "type %q: a %s event leads to %s", t, kind, strings.Join(states, ", "))
		}
	}
	if w.Class != "action" || bad {
		return
	}
	selects := func(t string) bool {
		kind, _, _ := strings.Cut(strings.TrimPrefix(t, "relgate."), ".")
		selected := len(w.Events)+len(w.Types) == 0 || slices.Contains(w.Events, kind) || slices.Contains(w.Types, t)
		return selected && slices.Index(severities, orderTypes[t]) >= slices.Index(severities, w.Severity)
	}
	switch {
	case !slices.ContainsFunc(slices.Collect(maps.Keys(orderTypes)), selects):
		c.Warn("no-orders", `add "run" to events`, "nothing that this webhook selects is an order: it is told of no rollback, hold, resume or abort")
	case selects("relgate.run.held") && !(selects("relgate.run.monitoring") && selects("relgate.run.waiting")):
		remedy := `add "relgate.run.monitoring" and "relgate.run.waiting" to types`
		if w.Severity != "" && w.Severity != severities[0] {
			remedy = "leave severity out, and name in types what it wants"
		}
		c.Warn("no-resume", remedy, "this webhook is told that a run is held, and not that it goes on again")
	}
}

// checkProxy reports a proxy in the config itself that is not a URL, and warns of one
// that holds a password. Where it is kept elsewhere it is checked when it is read.
func checkProxy(c rules.Checker, s Secret) {
	if !s.Inline() {
		return
	}
	u, err := url.Parse(s.inline)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		c.Fail("bad-url", "", `want an http or https URL such as "http://proxy.example.com:3128"`)
	} else if u.User != nil {
		checkSecret(c, s)
	}
}

func checkHeaders(c rules.Checker, headers map[string]Secret) {
	for name, s := range headers {
		switch lower := strings.ToLower(name); {
		case slices.Contains([]string{"authorization", "cookie", "x-api-key", "proxy-authorization"}, lower):
			checkSecret(c.At(name), s)
		case slices.Contains(ownHeaders, lower), strings.HasPrefix(lower, "ce-"), strings.HasPrefix(lower, "webhook-"):
			c.At(name).Fail("bad-header", "leave it out", "relgate sets this header itself")
		}
	}
}

// ownHeaders are those of a delivery that relgate sets, in lower case, beside all that
// begin with "ce-" and "webhook-": a receiver tells events apart by them.
var ownHeaders = []string{"host", "content-length", "content-type", "transfer-encoding", "connection", "idempotency-key", "x-hub-signature-256"}

func checkEscalation(c rules.Checker, w *WebhookSpec, all []WebhookSpec) {
	if w.EscalateTo == "" {
		return
	}
	names := make([]string, 0, len(all))
	for _, other := range all {
		names = append(names, other.Name)
	}
	if c.OneOf("unknown-webhook", "webhook", w.EscalateTo, names) && w.EscalateTo == w.Name {
		c.Fail("conflict", "name another webhook", "a webhook cannot escalate to itself")
	}
}

func checkDaemon(c rules.Checker, d *DaemonSpec) {
	d.Public = listen(c.At("public"), d.Public, "127.0.0.1:8080")
	d.Private = listen(c.At("private"), d.Private, DefaultPrivate)
	if d.Public == d.Private && !strings.HasSuffix(d.Public, ":0") {
		c.At("private").Fail("conflict", "give it a port of its own", "this is the public address too")
	}
	d.Retention = between(c.At("retention"), d.Retention, 90*24*time.Hour, time.Hour, 3660*24*time.Hour)
	d.SnapshotEvery = within(c.At("snapshot_every"), d.SnapshotEvery, 100, 1, 100_000)
	d.History = within(c.At("history"), d.History, 5, 0, 100)
	checkURL(c.At("external_url"), d.ExternalURL)
	if t := d.TLS; t != nil {
		tls := c.At("tls")
		tls.Required("cert", t.Cert == "", `"gate.pem"`)
		tls.Required("key", t.Key == "", `"gate.key"`)
	}
	for i := range d.Tokens {
		at := c.At("tokens", d.Tokens[i].Name)
		checkToken(at, &d.Tokens[i])
		for _, other := range d.Tokens[:i] {
			if other.Hash != "" && strings.EqualFold(other.Hash, d.Tokens[i].Hash) {
				at.At("hash").Fail("conflict", "give each token a secret of its own", "token %q has the same secret", other.Name)
			}
		}
	}
	for i := range d.OIDC {
		checkOIDC(c.At("oidc", d.OIDC[i].Name), &d.OIDC[i], d.OIDC)
	}
	checkExposed(c, d)
}

// Local reports whether only this machine can reach the public port.
func (d *DaemonSpec) Local() bool {
	host, _, err := net.SplitHostPort(d.Public)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// checkExposed warns of an API without tokens that other machines can reach.
func checkExposed(c rules.Checker, d *DaemonSpec) {
	if _, _, err := net.SplitHostPort(d.Public); err != nil || len(d.Tokens)+len(d.OIDC) > 0 {
		return // an address that cannot be listened on is a problem of its own
	}
	if !d.Local() {
		c.At("public").Warn("no-tokens", "add [daemon.tokens.NAME]", "without a token the gate can be read from other machines, and takes no command from anywhere")
	}
	if d.ExternalURL != "" {
		c.At("external_url").Warn("no-tokens", "add [daemon.tokens.NAME]", "people reach the gate through a proxy, and a proxy that hides who asks makes their commands look as if they came from this machine")
	}
}

var tokenScopes = []string{"read", "start", "phase", "stop", "override", "approve", "command"}

func checkToken(c rules.Checker, t *TokenSpec) {
	if t.Hash == "" && t.Token.IsZero() {
		c.At("hash").Fail("missing", `write hash = "sha256:…" or token = { env = "NAME" }`, "missing")
	}
	if t.Hash != "" && !t.Token.IsZero() {
		c.At("hash").Fail("conflict", "keep one of them", "token is given as well")
	}
	if t.Hash != "" {
		if _, err := t.Digest(); err != nil {
			c.At("hash").Fail("bad-value", "", `want "sha256:" and the 64 hex digits of the token's digest`)
		}
	}
	checkSecret(c.At("token"), t.Token)
	checkScopes(c, t.Scopes, t.Plans)
	if strings.HasPrefix(strings.ToLower(t.Name), "oidc:") {
		c.Fail("bad-name", "", "what begins with oidc: is the name of a job of a CI system")
	}
}
