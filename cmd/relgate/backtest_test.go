package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/sources/simulator"
)

// backtested runs the command and gives its exit code and what it said.
func backtested(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"backtest"}, args...), console{out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}

// rising is a plan of one phase on API errors, asked of url.
func rising(t *testing.T, url string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rising.toml")
	text := fmt.Sprintf(`
[release]
plan     = "RISING"
title    = "Errors rise"
start    = 2025-06-04T02:00:00Z
manager  = "Release Manager"
interval = "30s"
[phases.canary]
traffic  = "10 %%"
start    = "T"
window   = "4h"
owner    = "Ops"
success  = ["errors"]
rollback = ["errors-high"]
[success.errors]
signal   = "errors"
when     = "< 1 %%"
owner    = "Ops"
[rollback.errors-high]
signal   = "errors"
when     = "> 3 %%"
for      = "10m"
action   = "take it back"
owner    = "Ops"
[signals.errors]
source   = "cloudwatch"
kind     = "ratio"
unit     = "%%"
[signals.errors.cloudwatch]
namespace  = "AWS/ApiGateway"
dimensions = { ApiName = "bioage", Stage = "prod" }
bad        = "5XXError"
total      = "Count"
missing_bad_is_zero = true
[sources.cloudwatch]
type     = "cloudwatch"
region   = "eu-central-1"
url      = %q
max_attempts = 1
`, url)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
	return path
}

// TestBacktestAgainstUpstreams fetches from served upstreams as from real ones:
// errors rise to 5 % an hour after T, which a threshold of 10 minutes tells 13
// minutes later.
func TestBacktestAgainstUpstreams(t *testing.T) {
	start := time.Now().UTC().Add(-6 * time.Hour).Truncate(time.Hour)
	scenario, err := simulator.Load("api-5xx")
	if err != nil {
		t.Fatal(err)
	}
	sim, err := simulator.New(simulator.Config{Scenario: scenario, Start: start})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim.Handler("aws"))
	defer server.Close()
	at := func(d time.Duration) string { return start.Add(d).Format(time.RFC3339) }
	code, out, errs := backtested(t, rising(t, server.URL), "--from", at(0), "--to", at(5*time.Hour), "--bad", at(time.Hour)+"/"+at(5*time.Hour), "-o", "json")
	if code != exitPass {
		t.Fatalf("exit %d: %s", code, errs)
	}
	var got backtestOutput
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	r := got.Plans[0]
	if len(r.Firings) == 0 || !r.Firings[0].At.Equal(start.Add(73*time.Minute)) || r.Firings[0].Judgement != "right" || r.Firings[0].Delay != 13*60 {
		t.Errorf("got %+v, want right at T+1h13m", r.Firings)
	}
	if r.Signals[0].Points != 300 {
		t.Errorf("got %d points, want 300 minutes", r.Signals[0].Points)
	}
	if strings.Contains(out+errs, "very-secret") {
		t.Error("the output holds the secret key")
	}
}

// TestBacktestWithoutHistory: no source answers.
func TestBacktestWithoutHistory(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	code, out, errs := backtested(t, rising(t, server.URL), "--from", "5h")
	if code != exitFail || out != "" || !strings.Contains(errs, "no history could be fetched: errors: ") {
		t.Errorf("got exit %d, stdout %q, stderr %q; want 1, nothing, and why", code, out, errs)
	}
}

func TestBacktestUsage(t *testing.T) {
	config := filepath.Join(root, "config.toml")
	for _, args := range [][]string{
		{config}, {config, "--from", "yesterday"}, {config, "--from", "2025-06-02", "--to", "2025-06-01"},
		{config, "--from", "3d", "--bad", "no-such-file"}, {config, "--from", "3d", "--every", "1s"},
		{config, "--from", "3d", "--output", "json"}, {config, "--load", "a", "--save", "b"}, {config, "--load", "none", "--from", "3d"},
		{"no-such.toml", "--from", "3d"}, {config, "--from", "3d", "--compare", "no-such.toml"}, {config, "--from", "3d", "--plan", "other"},
		{"--demo", "healthy", "--load", "x"}, {"--demo", "no-such"}, {config, "--from", "3d", "-o", "yaml"},
	} {
		if code, out, errs := backtested(t, args...); code != exitUsage || out != "" || errs == "" {
			t.Errorf("%q: exit %d, stdout %q, stderr %q; want 2, nothing, and why", args, code, out, errs)
		}
	}
}

// TestBacktestPage: the page is well-formed, needs nothing from elsewhere, and
// holds the figures that the table has.
func TestBacktestPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.html")
	code, out, errs := backtested(t, "--demo", "latency", "--from", "T", "--to", "T+3d", "--bad", "T+1h/T+3h",
		"--compare", filepath.Join(root, "config.toml"), "--output", path)
	if code != exitPass {
		t.Fatalf("exit %d: %s", code, errs)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	elements := map[string]int{}
	dec := xml.NewDecoder(bytes.NewReader(text))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok {
			elements[e.Name.Local]++
			for _, a := range e.Attr {
				if a.Name.Local == "src" || a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("<%s %s=%q>: the page must need nothing else", e.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
	if elements["script"]+elements["link"]+elements["img"] > 0 || elements["svg"] < 6 || elements["circle"] < 2 || elements["path"] < 6 {
		t.Errorf("got elements %v, want charts and nothing from elsewhere", elements)
	}
	page := string(text)
	for _, want := range []string{"Side by side", "lambda-p95-high", "prefers-color-scheme: dark", "no history", "bad period 1", "Athena"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, not := range []string{"ZgotmplZ", "NaN", "Inf", "http://", "https://", "url("} {
		if strings.Contains(page, not) {
			t.Errorf("the page holds %q", not)
		}
	}
	for line := range strings.Lines(out) { // each firing of the table is on the page
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == "lambda-p95-high" && !strings.Contains(page, fields[0]+" "+fields[1]) {
			t.Errorf("the page lacks the firing %q", line)
		}
	}
}

// TestSpreadStops when its context is done, and gives the first error.
func TestSpreadStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := spread(ctx, 1000, func(int) error {
		cancel() // whichever comes first: few are under way, the others are not begun
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	wrong := errors.New("wrong")
	if err := spread(t.Context(), 10, func(i int) error { return wrong }); !errors.Is(err, wrong) {
		t.Errorf("got %v, want the error of what it did", err)
	}
}
