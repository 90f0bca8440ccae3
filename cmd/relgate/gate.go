package main

import (
	"cmp"
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

	"github.com/relgate/relgate/exporters/wire"
)

type gateCommand struct {
	Check   gateCheckCommand   `cmd:"" help:"Ask once; the exit code is the verdict."`
	Wait    gateWaitCommand    `cmd:"" help:"Wait until the gate is decided; the exit code is the verdict."`
	Verdict gateVerdictCommand `cmd:"" help:"Print the verdict; the exit code only says whether it could be read."`
}

// gateTarget is the gate that is asked, and how the answer is shown.
type gateTarget struct {
	remote           `embed:""`
	Plan             string `arg:"" optional:"" type:"given" help:"Plan id; may be left out when the daemon has one plan."`
	Phase            string `arg:"" optional:"" type:"given" default:"run" help:"Phase name; run for the whole run, current for the latest phase that has begun."`
	Version          string `type:"version" help:"Version that is asked about: its newest try. Required for a plan whose runs begin by relgate start."`
	RunID            string `name:"run" type:"given" help:"Run that is asked about, by its id."`
	Entry            bool   `help:"Ask whether the phase may begin, in place of whether it has passed."`
	Output           string `short:"o" enum:"text,json,github,gitlab" default:"text" help:"text, json, github or gitlab. All but text write a result on every exit but 2."`
	RollbackExitCode bool   `help:"Exit 3 instead of 1 when a rollback is ordered."`
}

// verdict is a gate's answer that was accepted, or why there is none.
type verdict struct {
	wire.Body
	raw []byte // the body as it came
}

func (t gateTarget) question() wire.Question {
	if t.Entry {
		return wire.Entry
	}
	return wire.Passed
}

func (t gateTarget) asked() asked { return asked{t.Plan, t.Version, t.RunID} }

// path is where the gate is asked. The verdict is read from the view that is
// always 200; entry has no such view.
func (t gateTarget) path(query url.Values) string {
	t.asked().query(query)
	view := "/verdict"
	if t.Entry {
		view = "/entry"
	}
	p := "/v1/gates/" + url.PathEscape(t.Plan) + "/" + url.PathEscape(t.Phase) + view
	if len(query) > 0 {
		p += "?" + query.Encode()
	}
	return p
}

// ask reads the verdict once. An answer to another question is an error.
func (t gateTarget) ask(ctx context.Context, query url.Values) (*verdict, error) {
	a, err := t.call(ctx, http.MethodGet, t.path(query), nil)
	if err != nil {
		return nil, err
	}
	if a.problem() != nil || a.status != http.StatusOK && !(t.Entry && (a.status == http.StatusConflict || a.status == http.StatusServiceUnavailable)) {
		return nil, a.refusal()
	}
	v := &verdict{raw: a.body}
	if err := t.decode(a, &v.Body); err != nil {
		return nil, err
	}
	if wrong := cmp.Or(missingField(a.body), t.foreign(&v.Body), t.odd(&v.Body, a.status)); wrong != "" {
		return nil, t.astray(wrong)
	}
	return v, nil
}

// missingField names a field that every answer of a gate has.
func missingField(body []byte) string {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return err.Error()
	}
	for _, name := range []string{"apiVersion", "plan", "phase", "question", "current", "version", "generation", "verdict", "pass", "final", "stale", "action", "run"} {
		if v, ok := fields[name]; !ok || string(v) == "null" {
			return fmt.Sprintf("%q is missing", name)
		}
	}
	return ""
}

// foreign says how an answer differs from what was asked.
func (t gateTarget) foreign(b *wire.Body) string {
	phase := t.Phase
	if phase == wire.Current {
		phase = b.Current
	}
	wrong := t.asked().foreign(b.APIVersion, b.Plan, b.Version, b.Run.ID)
	switch {
	case wrong != "":
		return wrong
	case b.Question != t.question():
		return fmt.Sprintf("it answers %q, want %q", b.Question, t.question())
	case b.Phase != phase || phase == "":
		return fmt.Sprintf("it is of phase %q, want %q", b.Phase, cmp.Or(phase, t.Phase))
	case b.Run.Version != b.Version:
		return fmt.Sprintf("it is of version %q and of a run of version %q", b.Version, b.Run.Version)
	}
	return ""
}

var (
	verdictExit = map[string]int{
		"pass": exitPass, "pending": exitPending, "unknown": exitUnreachable, "fail": exitFail, "rollback": exitFail,
	}
	verdictAction = map[string]string{
		"pass": "proceed", "pending": "hold", "unknown": "hold", "fail": "stop", "rollback": "rollback",
	}
	// entryStatus is the status of /entry for a verdict.
	entryStatus = map[string]int{
		"pass": http.StatusOK, "pending": http.StatusServiceUnavailable, "unknown": http.StatusServiceUnavailable,
		"fail": http.StatusConflict, "rollback": http.StatusConflict,
	}
)

// odd says how the fields of an answer contradict each other.
func (t gateTarget) odd(b *wire.Body, status int) string {
	_, known := verdictExit[b.Verdict]
	decided := b.Verdict == "fail" || b.Verdict == "rollback" || b.Verdict == "pass" && !t.Entry
	switch {
	case !known:
		return fmt.Sprintf("the verdict is %q", b.Verdict)
	case b.Pass != (b.Verdict == "pass"):
		return fmt.Sprintf("verdict %q with pass %v", b.Verdict, b.Pass)
	case b.Stale && b.Verdict != "unknown":
		return fmt.Sprintf("verdict %q of what is stale", b.Verdict)
	case b.Final != decided && b.Verdict != "fail": // one that fails may still be rolled back
		return fmt.Sprintf("verdict %q with final %v", b.Verdict, b.Final)
	case b.Action != verdictAction[b.Verdict]:
		return fmt.Sprintf("verdict %q with action %q", b.Verdict, b.Action)
	case b.Run.ID == "" && b.Verdict != "pending" && b.Verdict != "unknown":
		return fmt.Sprintf("verdict %q of no run", b.Verdict)
	case b.Verdict == "pass" && b.Run.Held && b.Run.State == "held":
		return "verdict \"pass\" of a run that is held"
	case t.Entry && status != entryStatus[b.Verdict]:
		return fmt.Sprintf("verdict %q with status %d", b.Verdict, status)
	}
	return ""
}

// held says who holds the run and why; empty while nothing keeps it from going on.
func (v *verdict) held() string {
	h := v.Run.Hold
	if h == nil || v.Run.State != "held" {
		return ""
	}
	said := "held by " + holder(h)
	if h.Reason != "" {
		said += ": " + h.Reason
	}
	return said
}

func (t gateTarget) code(v *verdict) int {
	if v.Verdict == "rollback" && t.RollbackExitCode {
		return exitRollback
	}
	return verdictExit[v.Verdict]
}

// finish shows a verdict and gives the exit code; failed is why there is none, or why
// a wait ended without a decision.
func (t gateTarget) finish(con console, v *verdict, failed error) error {
	if failed == nil {
		code := t.code(v)
		if err := show(con, t.Output, v, code); err != nil {
			return err
		}
		if code == exitPass {
			return nil
		}
		return exit(code, nil)
	}
	code := codeOf(failed)
	if code == exitUsage || t.Output == "text" {
		return failed
	}
	if err := show(con, t.Output, t.none(failed), code); err != nil {
		return errors.Join(failed, err)
	}
	return failed
}

// codeOf is the exit code of an error.
func codeOf(err error) int {
	if coded, ok := errors.AsType[*exitError](err); ok {
		return coded.code
	}
	if errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	return exitFail
}

// none is the verdict of a gate that gave none: unknown, with the reason.
func (t gateTarget) none(failed error) *verdict {
	said := wire.Unasked(t.question(), plain(failed.Error()))
	v := &verdict{Body: (&wire.Site{}).AbsentBody(t.Plan, t.Phase, t.Version, t.RunID, &said)}
	v.Current = t.Phase
	v.raw, _ = json.Marshal(v.Body) // a body holds nothing that has no JSON form
	return v
}

// named is the target with its plan's name.
func (t gateTarget) named(ctx context.Context) (gateTarget, error) {
	plan, err := t.plan(ctx, t.Plan)
	t.Plan = plan
	return t, err
}

// once asks one time.
func (t gateTarget) once(ctx context.Context) (gateTarget, *verdict, error) {
	t, err := t.named(ctx)
	if err != nil {
		return t, nil, err
	}
	v, err := t.ask(ctx, url.Values{})
	return t, v, unreachable(err)
}

type gateCheckCommand struct {
	gateTarget `embed:""`
}

// Help is printed by --help.
func (gateCheckCommand) Help() string {
	return `Exit codes: 0 pass, 1 fail or rollback, 2 usage, 3 rollback with --rollback-exit-code,
4 not allowed, 8 pending, 69 unreachable, unknown, or not the answer to the question.

  relgate gate check shop ten --version 1.0.1
  relgate gate check shop ten --version 1.0.1 --entry && shift-traffic 10
  relgate gate check -o json | jq .rules`
}

func (c gateCheckCommand) Run(ctx context.Context, con console) error {
	t, v, err := c.once(ctx)
	return t.finish(con, v, err)
}

type gateVerdictCommand struct {
	gateTarget `embed:""`
}

func (c gateVerdictCommand) Run(ctx context.Context, con console) error {
	t, v, err := c.once(ctx)
	if err != nil {
		return t.finish(con, v, err)
	}
	if t.Output == "text" {
		if held := v.held(); held != "" {
			fmt.Fprintln(con.err, plain(held)) // stdout is the verdict alone
		}
		fmt.Fprintln(con.out, v.Verdict)
		return nil
	}
	return show(con, t.Output, v, exitPass)
}

type gateWaitCommand struct {
	gateTarget     `embed:""`
	Timeout        time.Duration `default:"50m" help:"Give up after this long (exit 124)."`
	UnreachableFor time.Duration `default:"1m" help:"Give up (exit 69) when the daemon has not answered for this long."`
}

// Help is printed by --help.
func (gateWaitCommand) Help() string {
	return `Waits while the verdict is pending or unknown, also for a run that has not begun and
through restarts of the daemon, and ends as gate check does. Exit 124 when --timeout
passes first.

  relgate gate wait shop ten --version 1.0.1 --timeout 50m`
}

func (c gateWaitCommand) Run(ctx context.Context, con console) error {
	deadline, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	v, err := c.decided(deadline, con)
	return c.finish(con, v, err)
}

// decided long-polls until the verdict is one. It fills in the plan's name.
func (c *gateWaitCommand) decided(ctx context.Context, con console) (*verdict, error) {
	query, lastAnswer, last := url.Values{}, time.Now(), told{}
	for {
		v, err := c.next(ctx, query)
		switch {
		case ctx.Err() != nil:
			return nil, waitEnded(ctx, c.Timeout, last)
		case mayPass(err):
			if time.Since(lastAnswer) > c.UnreachableFor {
				return nil, exit(exitUnreachable, err)
			}
			if err := sleep(ctx, time.Second+rand.N(time.Second)); err != nil {
				return nil, waitEnded(ctx, c.Timeout, last)
			}
			continue
		case err != nil:
			return nil, err
		case v.Verdict != "pending" && v.Verdict != "unknown":
			return v, nil
		}
		lastAnswer = time.Now()
		if c.RunID == "" {
			c.Version = v.Version // a wait that began with a version ends with it
		}
		last.tell(con.err, v)
		query = url.Values{"wait": {"30s"}, "after": {strconv.FormatUint(v.Generation, 10)}}
	}
}

// next asks once, for the plan's name first where it is not known.
func (c *gateWaitCommand) next(ctx context.Context, query url.Values) (*verdict, error) {
	t, err := c.named(ctx)
	if err != nil {
		return nil, err
	}
	c.Plan = t.Plan
	return t.ask(ctx, query)
}

// told is what was written last while waiting.
type told struct{ summary, held string }

// tell writes what has changed: the summary, and the sentence of a hold once.
func (t *told) tell(w io.Writer, v *verdict) {
	held := v.held()
	switch {
	case held != t.held && held != "":
		fmt.Fprintf(w, "%s: %s; %s\n", v.Verdict, plain(v.Summary), plain(held))
	case v.Summary != t.summary:
		fmt.Fprintf(w, "%s: %s\n", v.Verdict, plain(v.Summary))
	}
	t.summary, t.held = v.Summary, held
}

func waitEnded(ctx context.Context, timeout time.Duration, last told) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	text := cmp.Or(last.summary, "no answer from the daemon")
	if last.held != "" {
		text += "; " + last.held
	}
	return exit(exitTimeout, fmt.Errorf("no decision within %s; last: %s", timeout, plain(text)))
}
