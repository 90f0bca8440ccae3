package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

type gateCommand struct {
	Check   gateCheckCommand   `cmd:"" help:"Ask once; the exit code is the verdict."`
	Wait    gateWaitCommand    `cmd:"" help:"Wait until the gate is decided; the exit code is the verdict."`
	Verdict gateVerdictCommand `cmd:"" help:"Print the verdict; the exit code only says whether it could be read."`
}

// gateTarget is the gate that is asked, and how the answer is shown.
type gateTarget struct {
	remote           `embed:""`
	Plan             string `arg:"" optional:"" help:"Plan id; may be left out when the daemon runs one plan."`
	Phase            string `arg:"" optional:"" default:"current" help:"Phase name, or current."`
	Output           string `short:"o" enum:"text,json,github,gitlab" default:"text" help:"text, json, github or gitlab."`
	RollbackExitCode bool   `help:"Exit 3 instead of 1 when a rollback is ordered."`
}

// gateBody is the part of the gate's answer that the command line shows.
type gateBody struct {
	Plan       string `json:"plan"`
	Phase      string `json:"phase"`
	Generation uint64 `json:"generation"`
	Verdict    string `json:"verdict"`
	Final      bool   `json:"final"`
	Action     string `json:"action"`
	Summary    string `json:"summary"`
	Reason     string `json:"reason"`
	raw        []byte
}

func (t gateTarget) path(ctx context.Context, view, query string) (string, error) {
	plan, err := t.plan(ctx, t.Plan)
	if err != nil {
		return "", err
	}
	p := "/v1/gates/" + url.PathEscape(plan) + "/" + url.PathEscape(t.Phase) + "/" + view
	if query != "" {
		p += "?" + query
	}
	return p, nil
}

// ask reads the verdict once. A body that names no verdict is no verdict.
func (t gateTarget) ask(ctx context.Context, query string) (*gateBody, error) {
	path, err := t.path(ctx, "verdict", query)
	if err != nil {
		return nil, err
	}
	a, err := t.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, a.refusal()
	}
	body := gateBody{raw: a.body}
	if err := json.Unmarshal(a.body, &body); err != nil {
		return nil, exit(exitUnreachable, fmt.Errorf("%s answered something that is not a verdict: %w", t.URL, err))
	}
	if _, ok := verdictExit[body.Verdict]; !ok {
		return nil, exit(exitUnreachable, fmt.Errorf("%s answered an unknown verdict %q", t.URL, body.Verdict))
	}
	return &body, nil
}

var verdictExit = map[string]int{
	"pass": exitPass, "pending": exitPending, "unknown": exitUnreachable, "fail": exitFail, "rollback": exitFail,
}

func (t gateTarget) code(b *gateBody) error {
	code := verdictExit[b.Verdict]
	if b.Verdict == "rollback" && t.RollbackExitCode {
		code = exitRollback
	}
	if code == exitPass {
		return nil
	}
	return exit(code, nil)
}

type gateCheckCommand struct {
	gateTarget `embed:""`
}

// Help is printed by --help.
func (gateCheckCommand) Help() string {
	return `Exit codes: 0 pass, 1 fail or rollback, 2 usage, 3 rollback with --rollback-exit-code,
4 not allowed, 8 pending, 69 unreachable or unknown.

  relgate gate check REL-2025-06-04 lambda-10
  relgate gate check -o json | jq .rules`
}

func (c gateCheckCommand) Run(ctx context.Context, con console) error {
	b, err := c.ask(ctx, "")
	if err != nil {
		return unreachable(err)
	}
	if err := show(con, c.Output, b); err != nil {
		return err
	}
	return c.code(b)
}

type gateVerdictCommand struct {
	gateTarget `embed:""`
}

func (c gateVerdictCommand) Run(ctx context.Context, con console) error {
	b, err := c.ask(ctx, "")
	if err != nil {
		return unreachable(err)
	}
	if c.Output == "text" {
		fmt.Fprintln(con.out, b.Verdict)
		return nil
	}
	return show(con, c.Output, b)
}

type gateWaitCommand struct {
	gateTarget     `embed:""`
	Timeout        time.Duration `default:"50m" help:"Give up after this long (exit 124)."`
	UnreachableFor time.Duration `default:"1m" help:"Give up (exit 69) when the daemon has not answered for this long."`
}

// Help is printed by --help.
func (gateWaitCommand) Help() string {
	return `Waits while the verdict is pending or unknown, and ends as gate check does.
Exit 124 when --timeout passes first.

  relgate gate wait REL-2025-06-04 current --timeout 50m`
}

func (c gateWaitCommand) Run(ctx context.Context, con console) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	b, err := c.decided(ctx, con)
	if err != nil {
		return err
	}
	if err := show(con, c.Output, b); err != nil {
		return err
	}
	return c.code(b)
}

// decided long-polls until the verdict is one.
func (c gateWaitCommand) decided(ctx context.Context, con console) (*gateBody, error) {
	query, lastAnswer, lastSummary := "", time.Now(), ""
	for {
		b, err := c.ask(ctx, query)
		switch {
		case ctx.Err() != nil:
			return nil, waitEnded(ctx, c.Timeout, lastSummary)
		case errors.Is(err, errUnreachable):
			if time.Since(lastAnswer) > c.UnreachableFor {
				return nil, exit(exitUnreachable, err)
			}
			if err := sleep(ctx, time.Second+rand.N(time.Second)); err != nil {
				return nil, waitEnded(ctx, c.Timeout, lastSummary)
			}
			continue
		case err != nil:
			return nil, err
		case b.Verdict != "pending" && b.Verdict != "unknown":
			return b, nil
		}
		if b.Summary != lastSummary {
			fmt.Fprintf(con.err, "%s: %s\n", b.Verdict, b.Summary)
		}
		lastAnswer, lastSummary = time.Now(), b.Summary
		query = "wait=30s&after=" + strconv.FormatUint(b.Generation, 10)
	}
}

func waitEnded(ctx context.Context, timeout time.Duration, summary string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return exit(exitTimeout, fmt.Errorf("no decision within %s; last: %s", timeout, summary))
	}
	return ctx.Err()
}
