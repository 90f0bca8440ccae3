package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
)

type runsCommand struct {
	remote `embed:""`
	What   string `arg:"" optional:"" type:"given" help:"Plan id: its runs. Run id (PLAN@VERSION): that run with what happened in it. All runs when left out."`
	Limit  int    `default:"20" help:"The most that are listed."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Help is printed by --help.
func (runsCommand) Help() string {
	return `Runs are kept after they are over, as long as daemon.retention says.

  relgate runs
  relgate runs bioage
  relgate runs bioage@1.4.2`
}

func (c runsCommand) Run(ctx context.Context, con console) error {
	if strings.Contains(c.What, "@") {
		return c.one(ctx, con)
	}
	query := url.Values{"limit": {strconv.Itoa(c.Limit)}}
	if c.What != "" {
		query.Set("plan", c.What)
	}
	var list wire.RunList
	raw, err := c.fetch(ctx, "/v1/runs?"+query.Encode(), &list)
	if err != nil {
		return err
	}
	wrong := asked{}.foreign(list.APIVersion, "", "", "")
	for _, r := range list.Runs {
		wrong = cmp.Or(wrong, asked{plan: c.What}.foreign(list.APIVersion, r.Plan, r.Version, r.ID))
	}
	if wrong != "" {
		return unreachable(c.astray(wrong))
	}
	if c.Output == "json" {
		return writeBody(con.out, raw)
	}
	t := tabwriter.NewWriter(con.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "RUN\tSTATE\tVERDICT\tT\tDECIDED")
	for _, r := range list.Runs {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", plain(r.ID), plain(strings.ReplaceAll(r.State, "_", " ")), plain(r.Verdict), utc(r.Start), utc(r.DecidedAt))
	}
	return t.Flush()
}

func (c runsCommand) one(ctx context.Context, con console) error {
	var run wire.RunBody
	raw, err := c.fetch(ctx, "/v1/runs/"+url.PathEscape(c.What), &run)
	if err != nil {
		return err
	}
	if wrong := (asked{run: c.What}).foreign(run.APIVersion, run.Plan, run.Version, run.Run.ID); wrong != "" {
		return unreachable(c.astray(wrong))
	}
	if c.Output == "json" {
		return writeBody(con.out, raw)
	}
	explain(con.out, &run.PlanBody, coloured(con.out))
	showCriteria(con.out, &run.PlanBody)
	fmt.Fprintln(con.out, "\nwhat happened")
	heads := map[string]string{} // :: id of an event → its headline
	for i := range run.Events {
		e := &run.Events[i]
		heads[e.ID] = e.Headline
		if e.Because != "" && heads[e.Because] == e.Headline {
			continue // its root has said it
		}
		said := e.Headline
		if e.Kind == string(fact.PlanEvent) {
			said = e.Sentence // a headline has no room for what was and what is
		}
		at := utc(e.At)
		for _, line := range wrapped(plain(said), 56) {
			fmt.Fprintf(con.out, "  %-20s  %s\n", at, line)
			at = ""
		}
		if e.Principal != "" {
			fmt.Fprintf(con.out, "      token %s\n", plain(e.Principal)) // on a line of its own, which no name or reason can look like
		}
		if e.Kind == string(fact.PlanEvent) {
			for _, line := range e.Detail {
				indented(con.out, 6, plain(line))
			}
		}
	}
	if run.More {
		fmt.Fprintf(con.out, "  … more: relgate runs %s -o json, or /v1/runs/{id}/events\n", plain(c.What))
	}
	return nil
}

func writeBody(w io.Writer, body []byte) error {
	_, err := fmt.Fprintf(w, "%s\n", wire.PlainJSON(bytes.ToValidUTF8(bytes.TrimSpace(body), []byte("\uFFFD"))))
	return err
}

// utc writes a time for people, a dash where there is none.
func utc(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}
