package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

type explainCommand struct {
	remote  `embed:""`
	Plan    string `arg:"" optional:"" type:"given" help:"Plan id; may be left out when the daemon runs one plan."`
	Version string `type:"version" help:"The run of this version; the newest when left out."`
	RunID   string `name:"run" type:"given" help:"The run of this id."`
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
	about, query := asked{plan, c.Version, c.RunID}, url.Values{}
	about.query(query)
	path := "/v1/plans/" + url.PathEscape(plan)
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var body wire.PlanBody
	raw, err := c.fetch(ctx, path, &body)
	if err != nil {
		return err
	}
	if wrong := about.foreign(body.APIVersion, body.Plan, body.Version, body.Run.ID); wrong != "" {
		return unreachable(c.astray(wrong))
	}
	if c.Output == "json" {
		return writeBody(con.out, raw)
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
	labelled(w, "do now", cmp.Or(b.Do.Action, nothingToDo(b)))
	labelled(w, "who", cmp.Or(b.Do.Owner, b.Manager))
	labelled(w, "command", b.Do.Command)
	if b.Run.State == rules.RolledBack.String() && !b.Run.RolledBack {
		labelled(w, "then", fmt.Sprintf("relgate rollback-done --plan %s --run %s --by WHO --why HOW", b.Plan, b.Run.ID))
	}
	why := b.Detail
	if _, said, _ := strings.Cut(b.Headline, ": "); strings.TrimSuffix(b.Sentence, ".") != said {
		why = append([]string{b.Sentence}, why...)
	}
	for i, line := range why {
		labelled(w, []string{"why", ""}[min(i, 1)], line)
	}
	if h := b.Run.Hold; h != nil {
		labelled(w, "token", h.Principal)
	}
	if b.Stale {
		labelled(w, "stale", "what follows is from the last evaluation that is on disk")
	}
	labelled(w, "run", fmt.Sprintf("%s, %s; evaluated %s", b.Run.ID, b.Title, utc(b.EvaluatedAt)))
	showApprovals(w, b)
	showEffects(w, b)
	fmt.Fprintln(w)
	var phases [][]string
	for i := range b.Phases {
		p := &b.Phases[i]
		traffic := "-"
		if p.Traffic.TargetPercent != nil {
			traffic = fmt.Sprintf("%g %%", *p.Traffic.TargetPercent)
		}
		if seen := p.Traffic.ObservedPercent; seen != nil {
			traffic += fmt.Sprintf(" planned, %.3g %% seen", *seen)
		}
		phases = append(phases, []string{plain(p.Phase), traffic, plain(strings.ReplaceAll(p.State, "_", " ")), phaseTimes(p)})
	}
	for _, line := range tabled(phases) {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
	shown := rulesToShow(b)
	var rows [][]string
	for _, r := range shown {
		rows = append(rows, []string{result(r), plain(r.ID), plain(r.Measured() + " (" + r.Condition() + ")"), plain(r.Counts()), plain(r.Owner)})
	}
	for i, line := range tabled(rows) {
		said := result(shown[i])
		fmt.Fprintln(w, paint(colour, ruleColour(shown[i]), said)+strings.TrimPrefix(line, said))
	}
	for _, s := range b.Signals {
		if s.Fault == "" {
			continue
		}
		for _, line := range wrapped(fmt.Sprintf("signal %s: %s%s: %s", plain(s.Name), plain(faultText(s.Fault)), inARow(s.Failures), plain(s.Detail)), 80) {
			fmt.Fprintln(w, line)
		}
	}
}

// nothingToDo is what to do where the release asks for nothing.
func nothingToDo(b *wire.PlanBody) string {
	switch {
	case b.Stale || b.Run.Verdict == "unknown":
		return "mend what is said here: relgate cannot judge until then"
	case b.Run.Over:
		return "nothing: the run is over"
	}
	return "nothing: relgate goes on by itself"
}

// tabled puts rows into columns; a line is cut at 80.
func tabled(rows [][]string) []string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	t.Flush()
	var lines []string
	for line := range strings.Lines(b.String()) {
		lines = append(lines, cutName(strings.TrimRight(line, " \n"), 80))
	}
	return lines
}

// explainAll writes what every rule says in every phase that has begun.
func explainAll(w io.Writer, b *wire.PlanBody, colour bool) {
	say := func(r *wire.Rule) {
		fmt.Fprintf(w, "  %s %s\n", paint(colour, ruleColour(r), result(r)), plain(r.ID))
		for _, line := range wrapped(plain(r.Reason), 74) {
			fmt.Fprintf(w, "    %s\n", line)
		}
	}
	for i := range b.Phases {
		p := &b.Phases[i]
		if p.Window.Start == nil {
			continue
		}
		fmt.Fprintln(w)
		for _, line := range wrapped(fmt.Sprintf("phase %s: %s", plain(p.Phase), plain(p.Summary)), 80) {
			fmt.Fprintln(w, line)
		}
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

// phaseTimes is a phase's window; empty before it begins, of which the text above
// tells.
func phaseTimes(p *wire.Body) string {
	switch {
	case p.Window.Start == nil:
		return ""
	case p.Window.End == nil:
		return "since " + utc(p.Window.Start)
	}
	start, end := p.Window.Start.UTC(), p.Window.End.UTC()
	format := "15:04"
	if start.Format(time.DateOnly) != end.Format(time.DateOnly) {
		format = "01-02 15:04"
	}
	return fmt.Sprintf("%s to %s UTC, %d %%", start.Format("2006-01-02 15:04"), end.Format(format), p.PercentComplete)
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
		return slices.Index([]string{"triggered", "fail", "holding", "breaching", "warning", "would_fire", "would_hold", "source_error", "no_data", "stale", "unsettled", "unknown", "insufficient_samples", "pending", "not_triggered", "pass"}, r.Result)
	}
	slices.SortStableFunc(list, func(a, b *wire.Rule) int { return cmp.Compare(gravity(a), gravity(b)) })
	return list
}

// faultText says a fault of the API in words. One that this binary does not know is
// shown as it came.
func faultText(name string) string {
	var f rules.Fault
	if f.UnmarshalText([]byte(name)) != nil {
		return name
	}
	return words.Fault(f)
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

// result is what a rule says.
func result(r *wire.Rule) string { return strings.ReplaceAll(plain(r.Result), "_", " ") }

func ruleColour(r *wire.Rule) string { return stateColours[fact.RuleState(r.State)] }

var verdictColours = map[string]string{"pass": "32", "fail": "31", "rollback": "1;31", "pending": "36", "unknown": "33"}
