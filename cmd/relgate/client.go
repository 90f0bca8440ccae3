package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// remote says which daemon a command talks to.
type remote struct {
	URL       string `help:"Address of the daemon's public port." env:"RELGATE_URL" default:"http://127.0.0.1:8080"`
	Token     string `help:"Bearer token. Better: --token-file, or the environment." env:"RELGATE_TOKEN"`
	TokenFile string `help:"File that holds the bearer token." env:"RELGATE_TOKEN_FILE" type:"path"`
}

// answer is what the daemon said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// problem is an RFC 9457 body.
type problem struct {
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// errUnreachable marks an error on the way to the daemon, or a daemon that
// cannot answer now. Who waits may try again.
var errUnreachable = errors.New("the daemon cannot be reached")

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
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(r.URL, "/")+path, payload)
	if err != nil {
		return nil, exit(exitUsage, fmt.Errorf("--url %q: %w", r.URL, err))
	}
	if err := r.authorise(req); err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", "relgate/"+version)
	resp, err := httpClient().Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w", errUnreachable, r.URL, withoutURL(err))
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("%w: reading its answer: %w", errUnreachable, err)
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: b}, nil
}

// httpClient never follows a redirect: a login page is not a gate.
func httpClient() *http.Client {
	return &http.Client{
		Timeout:       90 * time.Second, // above the longest long poll
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
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
		token = strings.TrimSpace(string(b))
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// read gets a JSON answer into v; other than 200 is an error with its exit code.
func (r remote) read(ctx context.Context, path string, v any) error {
	a, err := r.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return unreachable(err)
	}
	if a.status != http.StatusOK {
		return a.refusal()
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		return exit(exitUnreachable, fmt.Errorf("%s answered something that is not relgate's: %w", r.URL, err))
	}
	return nil
}

func unreachable(err error) error {
	if errors.Is(err, errUnreachable) {
		return exit(exitUnreachable, err)
	}
	return err
}

// refusal turns an answer that is no verdict into an error with its exit code.
func (a *answer) refusal() error {
	said := a.said()
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return exit(exitAuth, fmt.Errorf("the daemon refused (%d): %s", a.status, said))
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnprocessableEntity:
		return exit(exitUsage, fmt.Errorf("the daemon says (%d): %s", a.status, said))
	}
	return exit(exitUnreachable, fmt.Errorf("%w: it answered %d: %s", errUnreachable, a.status, said))
}

func (a *answer) said() string {
	var p problem
	if json.Unmarshal(a.body, &p) == nil && (p.Detail != "" || p.Title != "") {
		return strings.TrimSpace(p.Title + ": " + p.Detail)
	}
	text := strings.TrimSpace(string(a.body))
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	return text
}

// plan gives the name of the plan that is meant: the one named, or the only one.
func (r remote) plan(ctx context.Context, named string) (string, error) {
	if named != "" {
		return named, nil
	}
	var list struct {
		Plans []struct {
			Plan string `json:"plan"`
		} `json:"plans"`
	}
	if err := r.read(ctx, "/v1/plans", &list); err != nil {
		return "", err
	}
	if len(list.Plans) != 1 {
		names := make([]string, len(list.Plans))
		for i, p := range list.Plans {
			names[i] = p.Plan
		}
		return "", exit(exitUsage, fmt.Errorf("the daemon runs %d plans (%s): name one", len(names), strings.Join(names, ", ")))
	}
	return list.Plans[0].Plan, nil
}
