package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/internal/peertest"
)

// eventually asks until ok says yes, at most a minute: real programs take the
// time that they take.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	within(t, time.Minute, what, ok)
}

// within is eventually with a time of its own.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for !ok() {
		if sleep(ctx, 50*time.Millisecond) != nil {
			t.Fatalf("gave up waiting for %s", what)
		}
	}
}

// start runs a program until the test ends and gives its standard output.
func start(t *testing.T, name string, args ...string) io.Reader {
	t.Helper()
	cmd := exec.Command(name, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return out
}

// startDemo runs a demo that goes on answering, and gives the addresses of its
// public and private port.
func startDemo(t *testing.T, args ...string) (public, private string) {
	t.Helper()
	out := bufio.NewReader(start(t, binary(t), append([]string{"demo", "--dir", t.TempDir()}, args...)...))
	gate, metrics := regexp.MustCompile(`^gate +http://([^/]+)/`), regexp.MustCompile(`^metrics +http://([^/]+)/`)
	for {
		line, err := out.ReadString('\n')
		if err != nil {
			t.Fatalf("the demo ended before it said where it answers: %v", err)
		}
		if m := gate.FindStringSubmatch(line); m != nil {
			public = m[1]
		}
		if m := metrics.FindStringSubmatch(line); m != nil {
			go io.Copy(io.Discard, out) // until the process ends
			return public, m[1]
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestPromtoolFindsNothingToSay(t *testing.T) {
	promtool := peertest.Need(t, "promtool")
	_, private := startDemo(t, "--speed", "3600")
	var page string
	eventually(t, "the first tick", func() bool {
		_, page = get(t, "http://"+private+"/metrics")
		return strings.Contains(page, "relgate_gate_open{")
	})
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(page)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func TestPrometheusScrapesAndADashboardAnswers(t *testing.T) {
	prometheus := peertest.Need(t, "prometheus")
	_, private := startDemo(t, "--speed", "20000")
	dir, address := t.TempDir(), freePort(t)
	config := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs: [{job_name: relgate, static_configs: [{targets: [%q]}]}]\n", private)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	start(t, prometheus, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=error")
	for _, query := range append(panelQueries(t),
		`max by (phase) (relgate_gate_open{plan="REL-2025-06-04"})`,
		`sum by (verdict) (relgate_gate_verdict{phase="lambda-10"}) > 0`,
		`relgate_rule_value{rule="api-5xx-high"} < 0.03`,
		`rate(relgate_source_requests_total[1m])`,
		`up{job="relgate"} == 1`,
	) {
		eventually(t, "an answer to "+query, func() bool {
			var answer struct {
				Status string
				Data   struct{ Result []any }
			}
			status, body := get(t, "http://"+address+"/api/v1/query?query="+url.QueryEscape(query))
			return status == http.StatusOK && json.Unmarshal([]byte(body), &answer) == nil && answer.Status == "success" && len(answer.Data.Result) > 0
		})
	}
}
