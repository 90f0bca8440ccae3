package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/exporters/wire"
)

type explainCommand struct {
	remote  `embed:""`
	Plan    string `arg:"" optional:"" help:"Plan id; may be left out when the daemon runs one plan."`
	Version string `help:"The run of this version; the newest when left out."`
	RunID   string `name:"run" help:"The run of this id."`
	All     bool   `help:"Every phase and every rule, each with its sentence."`
	Output  string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Help is printed by --help.
func (explainCommand) Help() string {
	return `What happened, what to do, who; then why, the phases, and the rules with their
numbers, worst first. --all adds what each rule says.

  relgate explain
  relgate explain REL-2025-06-04 --version 1.0.0
  relgate explain REL-2025-06-04 -o json | jq .phases`
}

func (c explainCommand) Run(ctx context.Context, con console) error {
	plan, err := c.plan(ctx, c.Plan)
	if err != nil {
		return err
	}
	query := url.Values{}
	if c.Version != "" {
		query.Set("version", c.Version)
	}
	if c.RunID != "" {
		query.Set("run", c.RunID)
	}
	path := "/v1/plans/" + url.PathEscape(plan)
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	a, err := c.fetch(ctx, path)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return writeBody(con.out, a)
	}
	var body wire.PlanBody
	if err := json.Unmarshal(a, &body); err != nil || body.Plan != plan {
		return exit(exitUnreachable, fmt.Errorf("%s answered something that is not relgate's", c.URL))
	}
	explain(con.out, &body, coloured(con.out))
	if c.All {
		explainAll(con.out, &body, coloured(con.out))
	}
	return nil
}

// explain writes a run for a tired person: what, do, who, why, then the numbers.
func explain(w io.Writer, b *wire.PlanBody, colour bool) {
	fmt.Fprintln(w, paint(colour, verdictColours[b.Run.Verdict], plain(b.Headline)))
	labelled(w, "do now", cmp.Or(b.Do.Action, "nothing: relgate goes on by itself"))
	labelled(w, "who", cmp.Or(b.Do.Owner, b.Manager))
	labelled(w, "command", b.Do.Command)
	labelled(w, "why", b.Sentence)
	for _, line := range b.Detail {
		labelled(w, "", line)
	}
	if b.Stale {
		labelled(w, "stale", "the daemon has not evaluated for three intervals; what follows is old")
	}
	labelled(w, "run", fmt.Sprintf("%s, %s; evaluated %s", b.Run.ID, b.Title, utc(b.EvaluatedAt)))
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for i := range b.Phases {
		p := &b.Phases[i]
		traffic := "-"
		if p.Traffic.TargetPercent != nil {
			traffic = fmt.Sprintf("%g %%", *p.Traffic.TargetPercent)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", plain(p.Phase), traffic, plain(strings.ReplaceAll(p.State, "_", " ")), phaseTimes(p))
	}
	t.Flush()
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, r := range rulesToShow(b) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", result(r, colour), plain(r.ID), compared(r), counts(r), plain(r.Owner))
	}
	t.Flush()
	for _, s := range b.Signals {
		if s.Fault != "" {
			fmt.Fprintf(w, "signal %s: %s%s: %s\n", plain(s.Name), plain(s.Fault), inARow(s.Failures), plain(s.Detail))
		}
	}
}

// explainAll writes what every rule says in every phase that has begun.
func explainAll(w io.Writer, b *wire.PlanBody, colour bool) {
	say := func(r *wire.Rule) {
		fmt.Fprintf(w, "  %s %s\n", result(r, colour), plain(r.ID))
		for _, line := range wrapped(plain(r.Reason), 74) {
			fmt.Fprintf(w, "    %s\n", line)
		}
	}
	for i := range b.Phases {
		p := &b.Phases[i]
		if p.Window.Start == nil {
			continue
		}
		fmt.Fprintf(w, "\nphase %s: %s\n", plain(p.Phase), plain(p.Summary))
		for k := range p.Rules {
			if p.Rules[k].Kind == "success" {
				say(&p.Rules[k])
			}
		}
	}
	fmt.Fprintln(w, "\nrollback rules")
	for i := range b.Rollback {
		say(&b.Rollback[i])
	}
}

// labelled writes a text behind a label, wrapped; nothing for no text.
func labelled(w io.Writer, label, text string) {
	for i, line := range wrapped(plain(text), 69) {
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(w, "%-9s %s\n", label, line)
	}
}

func phaseTimes(p *wire.Body) string {
	switch {
	case p.Window.Start == nil:
		return plain(p.Summary)
	case p.Window.End == nil:
		return "since " + utc(p.Window.Start)
	}
	return fmt.Sprintf("%s to %s, %d %% done", p.Window.Start.UTC().Format("2006-01-02 15:04"), utc(p.Window.End), p.PercentComplete)
}

// rulesToShow is the rollback rules and the success rules of the current phase,
// the worst first.
func rulesToShow(b *wire.PlanBody) []*wire.Rule {
	var list []*wire.Rule
	for i := range b.Rollback {
		list = append(list, &b.Rollback[i])
	}
	for i := range b.Phases {
		if b.Phases[i].Phase != b.Current {
			continue
		}
		for k := range b.Phases[i].Rules {
			if r := &b.Phases[i].Rules[k]; r.Kind == "success" {
				list = append(list, r)
			}
		}
	}
	gravity := func(r *wire.Rule) int {
		return slices.Index([]string{"triggered", "fail", "holding", "breaching", "warning", "source_error", "no_data", "stale", "unknown", "insufficient_samples", "pending", "not_triggered", "pass"}, r.Result)
	}
	slices.SortStableFunc(list, func(a, b *wire.Rule) int { return cmp.Compare(gravity(a), gravity(b)) })
	return list
}

// compared is a rule's value beside its threshold.
func compared(r *wire.Rule) string {
	return fmt.Sprintf("%s (%s %s)", estimate(r, r.Value), r.Op, shown(r.Threshold, r.Unit))
}

// counts is what a rule's value rests on.
func counts(r *wire.Rule) string {
	if r.Weighed != nil && r.Weighed.Bad != nil && r.Samples != nil {
		return fmt.Sprintf("%.0f of %.0f", *r.Weighed.Bad, *r.Samples)
	}
	if r.Samples == nil {
		return "no samples"
	}
	return fmt.Sprintf("%.0f samples", *r.Samples)
}

// inARow says how often a signal has failed. An answer without data fails nothing.
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
func result(r *wire.Rule, colour bool) string {
	return paint(colour, stateColours[evaluator.RuleState(r.State)], strings.ReplaceAll(plain(r.Result), "_", " "))
}

var verdictColours = map[string]string{"pass": "32", "fail": "31", "rollback": "1;31", "pending": "36", "unknown": "33"}
