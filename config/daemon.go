package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// checker looks at one part of a config: it reports what is wrong under a key
// path, and fills in defaults.
type checker struct {
	path  string
	found *[]rules.Problem
}

func (c checker) at(key string) checker {
	return checker{path: c.path + "." + key, found: c.found}
}

func (c checker) report(severity rules.Severity, id, fix, format string, args ...any) {
	*c.found = append(*c.found, rules.Problem{
		Path: c.path, ID: id, Severity: severity, Message: fmt.Sprintf(format, args...), Fix: fix,
	})
}

func (c checker) fail(id, fix, format string, args ...any) {
	c.report(rules.SeverityError, id, fix, format, args...)
}

func (c checker) warn(id, fix, format string, args ...any) {
	c.report(rules.SeverityWarning, id, fix, format, args...)
}

// required reports a key that is missing.
func (c checker) required(key string, missing bool, example string) {
	if missing {
		c.at(key).fail("missing", "write "+key+" = "+example, "missing")
	}
}

// oneOf reports a text that is not one of the known ones.
func (c checker) oneOf(id, text string, known ...string) bool {
	if slices.Contains(known, text) {
		return true
	}
	fix := rules.DidYouMean(text, known)
	if fix == "" {
		fix = "want one of " + strings.Join(known, ", ")
	}
	c.fail(id, fix, "unknown %q", text)
	return false
}

// between reports a duration outside its bounds and gives its default.
func (c checker) between(d *rules.Duration, otherwise, low, high time.Duration) *rules.Duration {
	if d == nil {
		return &rules.Duration{Duration: otherwise}
	}
	if d.Duration < low || d.Duration > high {
		c.fail("out-of-range", "", "%v: want %v to %v", d, rules.Duration{Duration: low}, rules.Duration{Duration: high})
	}
	return d
}

// count reports a number outside its bounds and gives its default.
func (c checker) count(n *int, otherwise, low, high int) *int {
	if n == nil {
		return &otherwise
	}
	if *n < low || *n > high {
		c.fail("out-of-range", "", "%d: want %d to %d", *n, low, high)
	}
	return n
}

// url reports an address that is not an absolute http or https URL, without
// showing it: it may hold a token.
func (c checker) url(text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		c.fail("bad-url", "", `want an absolute URL such as "https://ci.example.com/hooks"`)
		return
	}
	if u.User != nil {
		c.fail("bad-url", "put them into a header or a token", "credentials in a URL")
	}
}

// listen reports an address that nobody can listen on.
func (c checker) listen(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	_, port, err := net.SplitHostPort(text)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n > 65535 {
		c.fail("bad-address", "", `%q: want a host and a port such as "127.0.0.1:8080"`, text)
	}
	return text
}

// secret warns of a secret that stands in the config, without showing it.
func (c checker) secret(s Secret) {
	if s.Inline() {
		c.warn("inline-secret", `write { env = "NAME" } or { file = "path" }`, "a secret in the config itself")
	}
}

// daemon checks the parts that only the main file has, and hands them over.
func (l *loader) daemon(main *file) {
	var found []rules.Problem
	top := func(key string) checker { return checker{path: key, found: &found} }
	for i := range main.doc.Sources {
		s := &main.doc.Sources[i]
		checkSource(top(rules.Path("sources", s.Name)), s)
		s.CA, s.Key.file, s.Token.file, s.ExternalID.file = main.beside(s.CA), main.beside(s.Key.file), main.beside(s.Token.file), main.beside(s.ExternalID.file)
	}
	for i := range main.doc.Webhooks {
		w := &main.doc.Webhooks[i]
		checkWebhook(top(rules.Path("webhooks", w.Name)), w, main.doc.Webhooks)
		main.settleWebhook(w)
	}
	d := &main.doc.Daemon
	checkDaemon(top("daemon"), d)
	d.Journal = main.beside(d.Journal)
	for i := range d.Tokens {
		d.Tokens[i].Token.file = main.beside(d.Tokens[i].Token.file)
	}
	l.judge(main, found)
	l.config.Sources, l.config.Webhooks, l.config.Daemon = main.doc.Sources, main.doc.Webhooks, *d
}

// settleWebhook makes the file names of a webhook paths.
func (f *file) settleWebhook(w *WebhookSpec) {
	w.CA, w.URLFrom.file = f.beside(w.CA), f.beside(w.URLFrom.file)
	for i := range w.Secrets {
		w.Secrets[i].file = f.beside(w.Secrets[i].file)
	}
	for name, s := range w.Headers {
		s.file = f.beside(s.file)
		w.Headers[name] = s
	}
}

func checkSource(c checker, s *SourceSpec) {
	timeout := 20 * time.Second
	if s.Type == "athena" {
		timeout = 5 * time.Minute
	}
	s.Timeout = c.at("timeout").between(s.Timeout, timeout, time.Second, time.Hour)
	s.MaxAttempts = c.at("max_attempts").count(s.MaxAttempts, 3, 1, 10)
	c.at("url").url(s.URL)
	c.at("lookup_url").url(s.LookupURL)
	for key, secret := range map[string]Secret{"token": s.Token, "key": s.Key, "external_id": s.ExternalID} {
		c.at(key).secret(secret)
	}
	if s.Budget != nil && *s.Budget < 0 {
		c.at("budget").fail("out-of-range", "", "want US dollars a month, not less than 0")
	}
	if s.Type == "" {
		c.required("type", true, `"cloudwatch"`)
		return
	}
	if c.at("type").oneOf("unknown-type", s.Type, sourceTypes...) {
		checkSourceType(c, s)
	}
}

var sourceTypes = []string{"cloudwatch", "sentry", "appstore", "athena"}

// checkSourceType reports keys that a source of its type needs, and those that
// mean nothing to it.
func checkSourceType(c checker, s *SourceSpec) {
	own := map[string][]string{
		"cloudwatch": {"region", "role_arn", "external_id"},
		"athena":     {"region", "role_arn", "external_id"},
		"sentry":     {"org", "token"},
		"appstore":   {"issuer", "key_id", "key", "lookup_url"},
	}[s.Type]
	set := []struct {
		key string
		is  bool
	}{
		{"region", s.Region != ""}, {"role_arn", s.RoleARN != ""}, {"external_id", !s.ExternalID.IsZero()},
		{"org", s.Org != ""}, {"token", !s.Token.IsZero()},
		{"issuer", s.Issuer != ""}, {"key_id", s.KeyID != ""}, {"key", !s.Key.IsZero()}, {"lookup_url", s.LookupURL != ""},
	}
	for _, k := range set {
		if k.is && !slices.Contains(own, k.key) {
			c.at(k.key).fail("key-of-other-source", "", "means nothing to a source of type %q", s.Type)
		}
	}
	switch s.Type {
	case "sentry":
		c.required("org", s.Org == "", `"my-organization"`)
		c.required("token", s.Token.IsZero(), `{ env = "SENTRY_TOKEN" }`)
	case "appstore":
		c.required("key_id", s.KeyID == "", `"2X9R4HXF34"`)
		c.required("key", s.Key.IsZero(), `{ file = "AuthKey.p8" }`)
	}
}

// eventKinds are the kinds of the evaluator's events.
var eventKinds = []string{"run", "phase", "verdict", "rule", "signal", "communication", "command"}

func checkWebhook(c checker, w *WebhookSpec, all []WebhookSpec) {
	if w.Class == "" {
		w.Class = "notify"
	}
	c.at("class").oneOf("unknown-class", w.Class, "action", "notify")
	c.required("url", w.URL == "" && w.URLFrom.IsZero(), `"https://ci.example.com/hooks/relgate"`)
	if w.URL != "" && !w.URLFrom.IsZero() {
		c.at("url_from").fail("conflict", "keep one of them", "url is given as well")
	}
	c.at("url").url(w.URL)
	c.at("url_from").secret(w.URLFrom)
	for i, kind := range w.Events {
		c.at("events"+index(i)).oneOf("unknown-event", kind, eventKinds...)
	}
	for i, s := range w.Secrets {
		c.at("secrets" + index(i)).secret(s)
	}
	c.required("secrets", w.Class == "action" && len(w.Secrets) == 0, `[{ env = "RELGATE_WEBHOOK_SECRET" }]`)
	w.Timeout = c.at("timeout").between(w.Timeout, 15*time.Second, time.Second, 5*time.Minute)
	checkHeaders(c.at("headers"), w.Headers)
	checkEscalation(c.at("escalate_to"), w, all)
}

func checkHeaders(c checker, headers map[string]Secret) {
	for name, s := range headers {
		switch strings.ToLower(name) {
		case "authorization", "cookie", "x-api-key", "proxy-authorization":
			c.at(rules.Path(name)).secret(s)
		case "host", "content-length", "content-type", "transfer-encoding", "connection":
			c.at(rules.Path(name)).fail("bad-header", "leave it out", "this header is relgate's own")
		}
	}
}

func checkEscalation(c checker, w *WebhookSpec, all []WebhookSpec) {
	if w.EscalateTo == "" {
		return
	}
	names := make([]string, 0, len(all))
	for _, other := range all {
		names = append(names, other.Name)
	}
	if c.oneOf("unknown-webhook", w.EscalateTo, names...) && w.EscalateTo == w.Name {
		c.fail("conflict", "name another webhook", "a webhook that fails cannot tell of it")
	}
}

func checkDaemon(c checker, d *DaemonSpec) {
	if d.Journal == "" {
		d.Journal = "relgate.db"
	}
	d.Public = c.at("public").listen(d.Public, "127.0.0.1:8080")
	d.Private = c.at("private").listen(d.Private, "127.0.0.1:9091")
	if d.Public == d.Private && !strings.HasSuffix(d.Public, ":0") {
		c.at("private").fail("conflict", "give it a port of its own", "this is the public address too")
	}
	d.Retention = c.at("retention").between(d.Retention, 90*24*time.Hour, time.Hour, 3660*24*time.Hour)
	d.SnapshotEvery = c.at("snapshot_every").count(d.SnapshotEvery, 100, 1, 100_000)
	c.at("external_url").url(d.ExternalURL)
	for i := range d.Tokens {
		checkToken(checker{path: c.path + "." + rules.Path("tokens", d.Tokens[i].Name), found: c.found}, &d.Tokens[i])
	}
	checkExposed(c, d)
}

// checkExposed warns of an API without tokens that other machines can reach.
func checkExposed(c checker, d *DaemonSpec) {
	host, _, _ := net.SplitHostPort(d.Public)
	ip, err := netip.ParseAddr(host)
	local := host == "localhost" || err == nil && ip.IsLoopback()
	if !local && len(d.Tokens) == 0 {
		c.at("public").warn("no-tokens", "add [daemon.tokens.NAME]", "the gate can be read from other machines without a token")
	}
}

func checkToken(c checker, t *TokenSpec) {
	if t.Hash == "" && t.Token.IsZero() {
		c.at("hash").fail("missing", `write hash = "sha256:…" or token = { env = "NAME" }`, "missing")
	}
	if t.Hash != "" && !t.Token.IsZero() {
		c.at("hash").fail("conflict", "keep one of them", "token is given as well")
	}
	if t.Hash != "" {
		if _, err := t.Digest(); err != nil {
			c.at("hash").fail("bad-value", "", `want "sha256:" and the 64 hex digits of the token's digest`)
		}
	}
	c.at("token").secret(t.Token)
	c.required("scopes", len(t.Scopes) == 0, `["read"]`)
	for i, scope := range t.Scopes {
		c.at("scopes"+index(i)).oneOf("unknown-scope", scope, "read", "command")
	}
}
