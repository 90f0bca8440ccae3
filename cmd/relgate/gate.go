package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/relgate/relgate/exporters/gate"
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
	Run        struct {
		State string     `json:"state"`
		Hold  *gate.Hold `json:"hold"`
	} `json:"run"`
	raw []byte
}

// held says who holds the run and why; empty while nobody keeps it from going on.
func (b *gateBody) held() string {
	h := b.Run.Hold
	if h == nil || b.Run.State != "held" {
		return ""
	}
	said := "held by " + holder(h)
	if h.Reason != "" {
		said += ": " + h.Reason
	}
	return said
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
		if held := b.held(); held != "" {
			fmt.Fprintln(con.err, held) // stdout is the verdict alone
		}
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
	query, lastAnswer, last := "", time.Now(), told{}
	for {
		b, err := c.ask(ctx, query)
		switch {
		case ctx.Err() != nil:
			return nil, waitEnded(ctx, c.Timeout, last)
		case errors.Is(err, errUnreachable):
			if time.Since(lastAnswer) > c.UnreachableFor {
				return nil, exit(exitUnreachable, err)
			}
			if err := sleep(ctx, time.Second+rand.N(time.Second)); err != nil {
				return nil, waitEnded(ctx, c.Timeout, last)
			}
			continue
		case err != nil:
			return nil, err
		case b.Verdict != "pending" && b.Verdict != "unknown":
			return b, nil
		}
		lastAnswer = time.Now()
		last.tell(con.err, b)
		query = "wait=30s&after=" + strconv.FormatUint(b.Generation, 10)
	}
}

// told is what somebody who waits has been told last.
type told struct{ summary, held string }

// tell writes what has changed: the summary, and the sentence of a hold once.
func (t *told) tell(w io.Writer, b *gateBody) {
	held := b.held()
	switch {
	case held != t.held && held != "":
		fmt.Fprintf(w, "%s: %s; %s\n", b.Verdict, b.Summary, held)
	case b.Summary != t.summary:
		fmt.Fprintf(w, "%s: %s\n", b.Verdict, b.Summary)
	}
	t.summary, t.held = b.Summary, held
}

func waitEnded(ctx context.Context, timeout time.Duration, last told) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		text := last.summary
		if last.held != "" {
			text += "; " + last.held
		}
		return exit(exitTimeout, fmt.Errorf("no decision within %s; last: %s", timeout, text))
	}
	return ctx.Err()
}
