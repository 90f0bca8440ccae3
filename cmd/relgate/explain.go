package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/exporters/gate"
)

type explainCommand struct {
	remote `embed:""`
	Plan   string `arg:"" optional:"" help:"Plan id; may be left out when the daemon runs one plan."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Help is printed by --help.
func (explainCommand) Help() string {
	return `Every phase and every rule: value, limit, how many points and samples, how old,
and what the verdict waits for.

  relgate explain
  relgate explain REL-2025-06-04 -o json | jq .phases`
}

func (c explainCommand) Run(ctx context.Context, con console) error {
	plan, err := c.plan(ctx, c.Plan)
	if err != nil {
		return err
	}
	a, err := c.call(ctx, http.MethodGet, "/v1/plans/"+url.PathEscape(plan), nil)
	if err != nil {
		return unreachable(err)
	}
	if a.status != http.StatusOK {
		return a.refusal()
	}
	if c.Output == "json" {
		_, err := fmt.Fprintf(con.out, "%s\n", bytes.TrimSpace(a.body))
		return err
	}
	var body gate.PlanBody
	if err := json.Unmarshal(a.body, &body); err != nil {
		return exit(exitUnreachable, fmt.Errorf("%s answered something that is not relgate's: %w", c.URL, err))
	}
	explain(con.out, &body, coloured(con.out))
	return nil
}

// explain writes a run for people: verdict, phases, rules with their numbers,
// and the signals that are in trouble.
func explain(w io.Writer, b *gate.PlanBody, colour bool) {
	fmt.Fprintf(w, "%s  %s %s\n%s (%s): %s\n", b.Plan, b.Title, b.Version, strings.ToUpper(b.Run.Verdict), b.Run.State, b.Run.Reason)
	fmt.Fprintf(w, "evaluated %s\n", b.EvaluatedAt.Format(time.DateTime))
	if b.Stale {
		fmt.Fprintln(w, "STALE: the daemon has not evaluated for three intervals; what follows is old")
	}
	if h := b.Run.Hold; h != nil && b.Run.State == "held" && (h.Reason == "" || !strings.Contains(b.Run.Reason, h.Reason)) {
		fmt.Fprintf(w, "%s by %s: %s\n", paint(colour, stateColours[evaluator.RuleHolding], "held"), holder(h), h.Reason)
	}
	for i := range b.Phases {
		explainPhase(w, &b.Phases[i], colour)
	}
	for _, s := range b.Signals {
		if s.Fault != "" {
			fmt.Fprintf(w, "\nsignal %s: %s%s: %s\n", s.Name, s.Fault, inARow(s.Failures), s.Detail)
		}
	}
}

func explainPhase(w io.Writer, p *gate.Body, colour bool) {
	fmt.Fprintf(w, "\n%s  %s, %g %%: %s, %s\n", p.Phase, p.Title, p.Traffic.TargetPercent, p.State, p.Verdict)
	if reason := phaseReason(p); reason != "" {
		fmt.Fprintf(w, "  %s\n", reason)
	}
	if p.Window.Start != nil && p.Window.End != nil {
		fmt.Fprintf(w, "  window %s to %s, %d %% done\n", p.Window.Start.Format(time.DateTime), p.Window.End.Format(time.DateTime), p.PercentComplete)
	}
	if p.Override != nil {
		fmt.Fprintf(w, "  overridden by %s: %s\n", p.Override.By, p.Override.Why)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for i := range p.Rules {
		r := &p.Rules[i]
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s %s\t%d of %d points\t%.0f samples\t%s  %s\n", r.Kind, r.ID, estimate(r, r.Value), r.Op, shown(r.Threshold, r.Unit),
			r.Points, r.Expected, r.Samples, result(r, colour), r.Reason)
		if r.Evidence != nil {
			fmt.Fprintf(t, "    %s\n", weighedLine(r))
		}
	}
	t.Flush()
}

// inARow says how often a signal has failed. An answer without data is a fault of
// nobody and fails nothing.
func inARow(failures int) string {
	switch failures {
	case 0:
		return ""
	case 1:
		return ", once"
	}
	return fmt.Sprintf(", %d times in a row", failures)
}

// result is what a rule says, in the colour of its state.
func result(r *gate.Rule, colour bool) string {
	return paint(colour, stateColours[evaluator.RuleState(r.State)], strings.ReplaceAll(r.Result, "_", " "))
}

// phaseReason is why a phase is where it is. The sentence of a hold is said once,
// above all phases.
func phaseReason(p *gate.Body) string {
	if h := p.Run.Hold; h != nil && h.Reason != "" {
		return strings.Replace(p.Reason, ": "+h.Reason, "", 1)
	}
	return p.Reason
}
