package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// presenter shows a demo to somebody.
type presenter interface {
	logs() io.Writer // where a log does not disturb
	begin(d *demo)
	event(e evaluator.Stored) error
	frame(s *evaluator.Snapshot, last bool)
	summary(s *summary) error
	stay(d *demo) // the plan is done and the daemon goes on
}

func newPresenter(con console, format string, plan *rules.Plan) presenter {
	if format == "json" {
		return &jsonPresenter{out: con.out, err: con.err}
	}
	lines := linePresenter{out: con.out, err: con.err, plan: plan}
	if f, ok := terminal(con.out); ok {
		return &screenPresenter{linePresenter: lines, screen: screen{w: con.out, width: columns(f), colour: coloured(f), start: plan.Start}}
	}
	return &lines
}

// terminal reports whether what is written can be drawn on.
func terminal(w io.Writer) (*os.File, bool) {
	f, ok := w.(*os.File)
	return f, ok && isatty.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb"
}

// coloured reports whether colours are wanted.
func coloured(w io.Writer) bool {
	_, ok := terminal(w)
	return ok && os.Getenv("NO_COLOR") == ""
}

// columns gives the width of a terminal, also after it was resized.
func columns(f *os.File) func() int {
	return func() int {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
		return 80
	}
}

// jsonPresenter writes one event a line and the summary, and nothing else.
type jsonPresenter struct{ out, err io.Writer }

func (p *jsonPresenter) logs() io.Writer                 { return p.err }
func (p *jsonPresenter) begin(*demo)                     {}
func (p *jsonPresenter) frame(*evaluator.Snapshot, bool) {}
func (p *jsonPresenter) stay(*demo)                      {}

func (p *jsonPresenter) event(e evaluator.Stored) error {
	_, err := fmt.Fprintf(p.out, "%s\n", e.Raw)
	return err
}

func (p *jsonPresenter) summary(s *summary) error {
	return json.NewEncoder(p.out).Encode(map[string]*summary{"summary": s})
}

// linePresenter writes plain lines.
type linePresenter struct {
	out, err io.Writer
	plan     *rules.Plan
}

func (p *linePresenter) logs() io.Writer                 { return p.err }
func (p *linePresenter) frame(*evaluator.Snapshot, bool) {}

func (p *linePresenter) begin(d *demo) {
	fmt.Fprintf(p.out, "%s %s %s: scenario %s: %s\n", p.plan.Name, p.plan.Title, p.plan.Version, d.scenario.Name, d.scenario.Title)
	p.where(d)
}

func (p *linePresenter) where(d *demo) {
	fmt.Fprintf(p.out, "gate http://%s/v1/gates/%s/current/verdict   metrics http://%s/metrics\n\n",
		d.daemon.public.Addr(), p.plan.Name, d.daemon.private.Addr())
}

func (p *linePresenter) event(e evaluator.Stored) error {
	if e.Event.Kind == evaluator.SignalEvent && e.Event.From == string(evaluator.RuleIdle) {
		return nil
	}
	_, err := fmt.Fprintln(p.out, eventLine(p.plan.Start, e.Event))
	return err
}

func (p *linePresenter) summary(s *summary) error {
	fmt.Fprintf(p.out, "\n%s: %s at %s: %s\n", s.Plan, strings.ToUpper(s.Verdict.String()), s.Offset, s.Reason)
	for _, phase := range s.Phases {
		fmt.Fprintf(p.out, "  %-12s %-12s %-9s %s\n", phase.Phase, phase.State, phase.Verdict, phase.Reason)
	}
	for i := range s.Rollback {
		p.rollback(&s.Rollback[i])
	}
	for _, d := range s.Deliveries {
		fmt.Fprintf(p.out, "  webhook %-10s %s verified, %d repeated, %d out of order\n", d.Endpoint, amount(d.Verified, "event"), d.Repeated, d.OutOfOrder)
	}
	return nil
}

// rollback says when a rule first warned, held the run and fired, and the sentence
// of the gravest.
func (p *linePresenter) rollback(r *rollbackSummary) {
	said := r.against()
	if len(said) == 0 {
		return
	}
	var steps []string
	for _, m := range said {
		steps = append(steps, m.To+" at "+m.Offset)
	}
	fmt.Fprintf(p.out, "  rule %s: %s: %s\n", r.Rule, strings.Join(steps, ", "), said[len(said)-1].Reason)
}

func (p *linePresenter) stay(d *demo) {
	fmt.Fprintln(p.out, "\nThe plan is done; the daemon goes on answering. Ctrl-C ends it.")
	p.where(d)
}

// screenPresenter draws in place, and ends like linePresenter.
type screenPresenter struct {
	linePresenter
	screen screen
}

// logs go nowhere: they would tear the frame. What matters is on it.
func (p *screenPresenter) logs() io.Writer { return io.Discard }

func (p *screenPresenter) event(e evaluator.Stored) error {
	p.screen.event(e.Event)
	return nil
}

func (p *screenPresenter) frame(s *evaluator.Snapshot, last bool) {
	p.screen.draw(s, last)
}
