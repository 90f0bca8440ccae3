package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/relgate/relgate/exporters/wire"
)

// command runs the command line in this process.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, console{out: &out, err: &errs})
	return code, out.String(), errs.String()
}

// ended runs a demo to the end of its plan and leaves the daemon answering.
func ended(t *testing.T, scenario string) (url string) {
	t.Helper()
	public, _ := startDemo(t, "--speed", "max", "--scenario", scenario)
	url = "http://" + public
	eventually(t, "the end of "+scenario, func() bool {
		var plan wire.PlanBody
		_, body := get(t, url+"/v1/plans/REL-2025-06-04")
		return json.Unmarshal([]byte(body), &plan) == nil && plan.Run.Verdict != "pending" && plan.Run.Verdict != ""
	})
	return url
}

func TestGateCommandsExitWithTheVerdict(t *testing.T) {
	t.Parallel()
	url := ended(t, "api-5xx")
	for _, tt := range []struct {
		args []string
		code int
		out  string
	}{
		{[]string{"gate", "check"}, exitFail, "ROLLBACK REL-2025-06-04/run"},
		{[]string{"gate", "check", "--entry", "REL-2025-06-04", "mobile-50"}, exitFail, "ROLLBACK REL-2025-06-04/mobile-50"},
		{[]string{"gate", "check", "--rollback-exit-code"}, exitRollback, "ROLLBACK"},
		{[]string{"gate", "check", "REL-2025-06-04", "lambda-10"}, exitFail, "ROLLBACK REL-2025-06-04/lambda-10"},
		{[]string{"gate", "check", "REL-2025-06-04", "no-such-phase"}, exitUsage, ""},
		{[]string{"gate", "check", "--version", "0.0.9"}, exitPending, "no run of version 0.0.9 yet"},
		{[]string{"gate", "check", "NO-PLAN"}, exitUsage, ""},
		{[]string{"gate", "wait", "--timeout", "30s"}, exitFail, "ROLLBACK"},
		{[]string{"gate", "verdict"}, exitPass, "rollback\n"},
		{[]string{"gate", "check", "-o", "gitlab"}, exitFail, "relgate_verdict=rollback\nrelgate_pass=false\n"},
		{[]string{"explain"}, exitPass, "api-5xx-high"},
	} {
		code, out, errs := command(t, append(tt.args, "--url", url)...)
		if code != tt.code || !strings.Contains(out, tt.out) {
			t.Errorf("%q: exit %d, stdout %q, stderr %q; want exit %d and %q", tt.args, code, out, errs, tt.code, tt.out)
		}
	}
	code, out, _ := command(t, "gate", "check", "-o", "json", "--url", url)
	var body wire.Body
	if err := json.Unmarshal([]byte(out), &body); err != nil || body.Verdict != "rollback" || code != exitFail {
		t.Errorf("gate check -o json: exit %d, %v, verdict %q", code, err, body.Verdict)
	}
}

func TestCommandsAreRecordedWithWhoAndWhy(t *testing.T) {
	t.Parallel()
	url := ended(t, "crash")
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"hold", "--why", "lunch"}, exitUsage, "--by"},
		{[]string{"rollback-done", "--by", "Ada", "--why", "alias is on 42 again"}, exitPass, "applied"},
		{[]string{"rollback-done", "--by", "Ada", "--why", "twice"}, exitFail, "refused"},
		{[]string{"override", "maybe", "--by", "Ada", "--why", "x"}, exitUsage, "pass"},
	} {
		code, out, errs := command(t, append(tt.args, "--url", url)...)
		if code != tt.code || !strings.Contains(out+errs, tt.says) {
			t.Errorf("%q: exit %d, %q%q; want exit %d and %q", tt.args, code, out, errs, tt.code, tt.says)
		}
	}
	if code, _, _ := command(t, "gate", "check", "--rollback-exit-code", "--url", url); code != exitFail {
		t.Errorf("gate check after the rollback was done: exit %d, want %d", code, exitFail)
	}
}

func TestAnUnreachableDaemonIsNoPass(t *testing.T) {
	closed := "http://127.0.0.1:1" // nothing listens there; a port that was free might be taken by another test
	captive := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html>Please log in</html>"))
	}))
	defer captive.Close()
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusUnauthorized)
	}))
	defer locked.Close()
	moved := httptest.NewServer(http.RedirectHandler(captive.URL, http.StatusFound))
	defer moved.Close()
	for _, tt := range []struct {
		url  string
		code int
	}{
		{closed, exitUnreachable}, {captive.URL, exitUnreachable}, {locked.URL, exitAuth}, {moved.URL, exitUnreachable}, {"::", exitUsage},
	} {
		for _, args := range [][]string{{"gate", "check", "P"}, {"gate", "verdict", "P"}, {"gate", "wait", "P", "--unreachable-for", "0s"}, {"explain", "P"}} {
			if code, out, _ := command(t, append(args, "--url", tt.url)...); code != tt.code {
				t.Errorf("%q at %s: exit %d, stdout %q; want %d", args, tt.url, code, out, tt.code)
			}
		}
	}
}
