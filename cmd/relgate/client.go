package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/relgate/relgate/exporters/server"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// remote says which daemon a command talks to.
type remote struct {
	URL       string `help:"Address of the daemon's public port." env:"RELGATE_URL" default:"http://127.0.0.1:8080"`
	Token     string `help:"Bearer token. Better: --token-file, or the environment." env:"RELGATE_TOKEN"`
	TokenFile string `help:"File that holds the bearer token." env:"RELGATE_TOKEN_FILE" type:"path"`
	CA        string `help:"PEM file of the certificate authorities to trust instead of the system's." env:"RELGATE_CA" type:"path"`
	Cert      string `help:"PEM file of a client certificate, for a daemon that asks for one." env:"RELGATE_CERT" type:"path"`
	Key       string `help:"PEM file of its private key." env:"RELGATE_KEY" type:"path"`
}

// answer is what the daemon said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

var (
	// errUnreachable marks an error on the way to the daemon, or a daemon that cannot
	// answer now.
	errUnreachable = errors.New("the daemon cannot be reached")
	// errForeign marks an answer that is not relgate's, or not to the question.
	errForeign = errors.New("this is not the answer of a relgate daemon")
)

// mayPass reports whether a command that waits may try again after an error.
func mayPass(err error) bool { return errors.Is(err, errUnreachable) || errors.Is(err, errForeign) }

// call sends one request. Any HTTP status is an answer; what never got one is
// errUnreachable.
func (r remote) call(ctx context.Context, method, path string, body any) (*answer, error) {
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encoding the request: %w", err)
		}
		payload = bytes.NewReader(b)
	}
	client, err := r.client()
	if err != nil {
		return nil, exit(exitUsage, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(r.URL, "/")+path, payload)
	if err != nil {
		return nil, exit(exitUsage, fmt.Errorf("the path %q: %w", path, withoutURL(err)))
	}
	if err := r.authorise(req); err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", "relgate/"+version)
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w%s", errUnreachable, r.shown(), withoutURL(err), r.certificateHint(err))
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("%w: reading its answer: %w", errUnreachable, err)
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: b}, nil
}

// client never follows a redirect: a login page is not a gate. The error is of the
// flags: a file that cannot be read, or that does not hold what it should.
func (r remote) client() (*http.Client, error) {
	c := &http.Client{
		Timeout:       90 * time.Second, // above the longest long poll
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	u, err := url.Parse(r.URL)
	switch {
	case err != nil:
		// The error may quote a part of the password in it.
		return nil, errors.New("--url: it cannot be read as an address: want one such as https://gate.example")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("--url %q: want an address such as https://gate.example", u.Redacted())
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("--url %q: want nothing behind the path", u.Redacted())
	case u.Scheme == "http" && r.CA+r.Cert+r.Key != "":
		return nil, fmt.Errorf("--url %q: --ca, --cert and --key are for https: over http nothing is encrypted and no certificate is checked", u.Redacted())
	case u.Scheme == "http":
		return c, nil
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true // the next call makes a transport of its own: files may have been replaced
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true) // HTTP/2 says less of why a connection was refused
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	c.Transport = t
	if r.CA != "" {
		if t.TLSClientConfig.RootCAs, err = server.Authorities(r.CA); err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
	}
	if (r.Cert == "") != (r.Key == "") {
		return nil, errors.New("--cert and --key belong together: give both")
	}
	if r.Cert != "" {
		pair, _, err := server.Files{Cert: r.Cert, Key: r.Key}.Load()
		if err != nil {
			return nil, fmt.Errorf("--cert and --key: %w", err)
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{*pair}
	}
	return c, nil
}

// shown is the address as it may be shown: without the password that may be in it.
func (r remote) shown() string {
	u, err := url.Parse(r.URL)
	if err != nil {
		return "its address" // unreachable: client has parsed it
	}
	return u.Redacted()
}

// certificateHint says what to do about an error of TLS, in brackets.
func (r remote) certificateHint(err error) string {
	if len(r.URL) < 6 || !strings.EqualFold(r.URL[:6], "https:") {
		return ""
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return " (the daemon's certificate is not trusted: name its authority with --ca)"
	}
	op, ok := errors.AsType[*net.OpError](err)
	switch {
	case ok && op.Op == "remote error" && strings.Contains(op.Error(), "certificate"):
		return " (the daemon wants a client certificate that it trusts: give --cert and --key)"
	case ok && (op.Op == "write" || op.Op == "read") && !op.Timeout():
		// With TLS 1.3 a refusal may come after the client believes itself connected.
		return " (the daemon ended the connection; if it wants a client certificate, give --cert and --key)"
	}
	return ""
}

// withoutURL drops the address that net/http repeats in its errors.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func (r remote) authorise(req *http.Request) error {
	token := r.Token
	if r.TokenFile != "" {
		b, err := os.ReadFile(r.TokenFile)
		if err != nil {
			return exit(exitUsage, fmt.Errorf("--token-file: %w", err))
		}
		if token = strings.TrimSpace(strings.TrimPrefix(string(b), "\ufeff")); token == "" {
			return exit(exitUsage, fmt.Errorf("--token-file: %s is empty", r.TokenFile))
		}
	}
	if strings.ContainsFunc(token, unicode.IsControl) {
		return exit(exitUsage, errors.New("the token has more than one line, or a control character: give --token-file the token alone"))
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// read gets a JSON answer into v; other than 200 is an error with its exit code.
func (r remote) read(ctx context.Context, path string, v any) error {
	_, err := r.fetch(ctx, path, v)
	return err
}

// fetch is read that gives the body as it came, too.
func (r remote) fetch(ctx context.Context, path string, v any) ([]byte, error) {
	a, err := r.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, unreachable(err)
	}
	if a.status != http.StatusOK {
		return nil, a.refusal()
	}
	return a.body, unreachable(r.decode(a, v))
}

// decode reads a body that should be relgate's.
func (r remote) decode(a *answer, v any) error {
	if err := json.Unmarshal(a.body, v); err != nil {
		return fmt.Errorf("%w: from %s: %w", errForeign, r.shown(), err)
	}
	return nil
}

// asked is what a question is about. What is empty was left to the daemon.
type asked struct{ plan, version, run string }

// query adds the version and the run to a query.
func (q asked) query(to url.Values) {
	if q.version != "" {
		to.Set("version", q.version)
	}
	if q.run != "" {
		to.Set("run", q.run)
	}
}

// foreign says how an answer is of another API, plan, version or run than the question
// was; run is the id of its run, empty where it has none.
func (q asked) foreign(api, plan, version, run string) string {
	ofPlan, ofVersion, _, _ := rules.ParseRunID(run)
	switch {
	case api != wire.APIVersion:
		return fmt.Sprintf("apiVersion is %q, want %q", api, wire.APIVersion)
	case q.plan != "" && plan != q.plan:
		return fmt.Sprintf("it is of plan %q, want %q", plan, q.plan)
	case q.version != "" && version != q.version:
		return fmt.Sprintf("it is of version %q, want %q", version, q.version)
	case q.run != "" && run != q.run:
		return fmt.Sprintf("it is of run %q, want %q", run, q.run)
	case run != "" && (ofPlan != plan || ofVersion != version):
		return fmt.Sprintf("it is of plan %q, version %q and run %q", plan, version, run)
	}
	return ""
}

// astray is the error of an answer that is not to the question.
func (r remote) astray(how string) error {
	return fmt.Errorf("%w to this question: from %s: %s", errForeign, r.shown(), plain(how))
}

// unreachable gives an error its exit code.
func unreachable(err error) error {
	if mayPass(err) {
		return exit(exitUnreachable, err)
	}
	return err
}

// problem is the daemon's own refusal, nil for any other answer, such as a proxy's page.
func (a *answer) problem() *wire.Problem {
	media, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	var p wire.Problem
	if err != nil || media != "application/problem+json" || json.Unmarshal(a.body, &p) != nil || p.Status != a.status {
		return nil
	}
	return &p
}

// refusal turns an answer that is no verdict into an error with its exit code.
func (a *answer) refusal() error {
	p := a.problem()
	switch {
	case a.status == http.StatusUnauthorized:
		return exit(exitAuth, fmt.Errorf("the daemon refused (401): %s: give the token with --token-file, or in RELGATE_TOKEN", a.said()))
	case a.status == http.StatusForbidden:
		return exit(exitAuth, fmt.Errorf("the daemon refused (403): %s", a.said()))
	case p != nil && a.status >= 400 && a.status < 500 && a.status != http.StatusTooManyRequests:
		return exit(exitUsage, fmt.Errorf("the daemon says (%d): %s", a.status, a.said()))
	}
	return exit(exitUnreachable, fmt.Errorf("%w: it answered %d: %s", errUnreachable, a.status, a.said()))
}

// said is the text of an answer that is no verdict, on one line.
func (a *answer) said() string {
	if p := a.problem(); p != nil {
		return plain(p.Title + ": " + p.Detail)
	}
	text := []rune(strings.ToValidUTF8(strings.TrimSpace(string(a.body)), "\uFFFD"))
	if len(text) > 200 {
		text = append(text[:200], '…')
	}
	return plain(string(text))
}

// plan gives the name of the plan that is meant: the one named, or the only one.
func (r remote) plan(ctx context.Context, named string) (string, error) {
	if named != "" {
		return named, nil
	}
	var list wire.PlanList
	if err := r.read(ctx, "/v1/plans", &list); err != nil {
		return "", err
	}
	if wrong := (asked{}).foreign(list.APIVersion, "", "", ""); wrong != "" {
		return "", unreachable(r.astray(wrong))
	}
	if len(list.Plans) != 1 {
		names := make([]string, len(list.Plans))
		for i, p := range list.Plans {
			names[i] = plain(p.Plan)
		}
		return "", exit(exitUsage, fmt.Errorf("the daemon has %s (%s): name one", amount(len(names), "plan"), strings.Join(names, ", ")))
	}
	if list.Plans[0].Plan == "" {
		return "", unreachable(r.astray("its plan has no name"))
	}
	return list.Plans[0].Plan, nil
}
