package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// presenter shows a demo: live on a terminal, in lines elsewhere.
type presenter interface {
	logs() io.Writer // where a log does not disturb
	begin(d *demo)
	event(plan *rules.Plan, e, root *fact.Event) error
	frame(u *runner.RunView, last bool)
	summary(s *summary) error
	stay(d *demo) // the plan is done and the daemon goes on
}

func newPresenter(con console, format string, d *demo) presenter {
	if format == "json" {
		return &jsonPresenter{out: con.out, err: con.err}
	}
	lines := linePresenter{out: con.out, err: con.err, plan: d.plan}
	if f, ok := terminal(con.out); ok {
		return &screenPresenter{linePresenter: lines, demo: d, screen: screen{w: con.out, size: size(f), colour: coloured(f)}}
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

// size gives the columns and rows of a terminal, also after it was resized.
func size(f *os.File) func() (columns, rows int) {
	return func() (int, int) {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			return w, h
		}
		return 80, 24
	}
}

// jsonPresenter writes one event a line and the summary, and nothing else.
type jsonPresenter struct{ out, err io.Writer }

func (p *jsonPresenter) logs() io.Writer             { return p.err }
func (p *jsonPresenter) begin(*demo)                 {}
func (p *jsonPresenter) frame(*runner.RunView, bool) {}
func (p *jsonPresenter) stay(*demo)                  {}

func (p *jsonPresenter) event(plan *rules.Plan, e, root *fact.Event) error {
	return showJSON(p.out, wire.Event(plan, e, root), "")
}

func (p *jsonPresenter) summary(s *summary) error {
	return showJSON(p.out, map[string]*summary{"summary": s}, "")
}

// linePresenter writes plain lines.
type linePresenter struct {
	out, err io.Writer
	plan     *rules.Plan
}

func (p *linePresenter) logs() io.Writer             { return p.err }
func (p *linePresenter) frame(*runner.RunView, bool) {}

func (p *linePresenter) begin(d *demo) {
	fmt.Fprintf(p.out, "%s %s %s\nscenario  %s: %s\n", p.plan.Name, plain(p.plan.Title), p.plan.Version, d.scenario.Name, d.scenario.Title)
	p.where(d)
}

func (p *linePresenter) where(d *demo) {
	fmt.Fprintf(p.out, "gate      http://%s/v1/gates/%s/run/verdict\nmetrics   http://%s/metrics\n",
		d.daemon.public.Addr(), p.plan.Name, d.daemon.private.Addr())
	if d.grafana != nil {
		fmt.Fprintf(p.out, "grafana   %s, simulated\n", d.grafana.url())
	}
	fmt.Fprintln(p.out)
}

func (p *linePresenter) event(plan *rules.Plan, e, root *fact.Event) error {
	if e.Quiet() {
		return nil
	}
	at := offset(plan.Start, e.At)
	for _, line := range wrapped(plain(words.Event(plan, e, root).Headline), 69) {
		if _, err := fmt.Fprintf(p.out, "%-10s %s\n", at, line); err != nil {
			return err
		}
		at = ""
	}
	if e.Kept != "" && (e.Kind == fact.CommunicationEvent || e.Kind == fact.ReviewEvent) {
		fmt.Fprintf(p.out, "%-10s %s\n", "", plain(e.Kept)) // the receiver's own name for it
	}
	return nil
}

func (p *linePresenter) summary(s *summary) error {
	fmt.Fprintf(p.out, "\n%s\n", plain(s.Headline))
	labelled(p.out, "do now", s.Do)
	labelled(p.out, "who", s.Who)
	labelled(p.out, "command", s.Command)
	labelled(p.out, "why", s.Sentence)
	fmt.Fprintf(p.out, "run       %s, scenario %s, decided at %s\n", s.Run, s.Scenario, s.Offset)
	for _, phase := range s.Phases {
		fmt.Fprintf(p.out, "  %-12s %-12s %s\n", phase.Phase, strings.ReplaceAll(phase.State.String(), "_", " "), phase.Verdict)
	}
	for i := range s.Rollback {
		p.rollback(&s.Rollback[i])
	}
	for _, d := range s.Deliveries {
		fmt.Fprintf(p.out, "  webhook %-10s %s verified, %d repeated, %d out of order\n", d.Endpoint, amount(d.Verified, "event"), d.Repeated, d.OutOfOrder)
	}
	p.people(s)
	return nil
}

// people says what became of the people's part of the plan, row by row.
func (p *linePresenter) people(s *summary) {
	at := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return " at " + offset(p.plan.Start, *t)
	}
	row := func(lead, text string) {
		for _, line := range wrapped(plain(text), 78-len(lead)) {
			fmt.Fprintf(p.out, "%s%s\n", lead, line)
			lead = strings.Repeat(" ", len(lead))
		}
	}
	for i := range s.People.Approvals {
		a := &s.People.Approvals[i]
		fmt.Fprintf(p.out, "\napprovals: %s, %d of %d\n", words.Allowed(a.Allows), a.Have, a.Need)
		for _, r := range a.Roles {
			row("  ", fmt.Sprintf("%s %s%s%s", r.Role, r.State, named(" by ", r.By), at(r.At)))
		}
	}
	if len(s.People.Messages) > 0 {
		fmt.Fprintln(p.out, "\ncommunications")
	}
	for _, m := range s.People.Messages {
		row("  ", fmt.Sprintf("%s: %s, %s%s", m.Name, m.To, m.State, at(m.At)))
		row("    ", m.Kept)
		for _, a := range s.Attempts {
			if a.Subject == m.Name && awaited(a.Type) {
				row("    ", a.words())
			}
		}
	}
	for _, b := range s.Banner {
		row("  ", "the app showed: "+b.Text)
	}
	if r := s.People.Review; r != nil {
		fmt.Fprintf(p.out, "\nreview: %s\n", either(r.State, "not before the run is over"))
		for _, one := range r.Roles {
			row("  ", fmt.Sprintf("%s %s%s%s", one.Role, one.State, named(" by ", one.By), at(one.At)))
		}
		row("  ", r.Link)
	}
	if len(s.People.Criteria) > 0 {
		fmt.Fprintln(p.out, "\npass criteria")
	}
	for _, c := range s.People.Criteria {
		row(fmt.Sprintf("  %-8s ", strings.ReplaceAll(c.State, "_", " ")), c.Text)
	}
	if len(s.Receivers) > 0 {
		fmt.Fprintln(p.out, "\nreceivers, simulated")
	}
	for _, r := range s.Receivers {
		row("  ", fmt.Sprintf("%s: %d taken, %d wrong", r.Sink, r.Took, len(r.Wrong)))
		for _, w := range r.Wrong {
			row("    ", w)
		}
		if r.Spoilt > 0 {
			row("    ", fmt.Sprintf("%s: %s", amount(r.Spoilt, "request"), faultWords[s.Faults]))
		}
		for _, a := range s.Attempts {
			if a.Sink == r.Sink && a.Type != "relgate.communication.due" {
				row("    ", a.Type+": "+a.words())
			}
		}
	}
}

// named is a name with a word before it; nothing for no name.
func named(word, name string) string {
	if name == "" {
		return ""
	}
	return word + name
}

// rollback says when a rule first warned, held the run and fired.
func (p *linePresenter) rollback(r *rollbackSummary) {
	said := r.against()
	if len(said) == 0 {
		return
	}
	var steps []string
	for _, m := range said {
		steps = append(steps, m.To+" at "+m.Offset)
	}
	fmt.Fprintf(p.out, "  rule %s: %s\n", r.Rule, strings.Join(steps, ", "))
}

func (p *linePresenter) stay(d *demo) {
	fmt.Fprintln(p.out, "\nThe plan is done; the daemon goes on answering. Ctrl-C ends it.")
	p.where(d)
}

// screenPresenter draws in place, and ends like linePresenter.
type screenPresenter struct {
	linePresenter
	demo   *demo
	screen screen
}

// logs go nowhere: they would tear the frame. What matters is on it.
func (p *screenPresenter) logs() io.Writer { return io.Discard }

// event keeps an event for the next frame. Time stays at one that matters, so
// that it can be read.
func (p *screenPresenter) event(plan *rules.Plan, e, root *fact.Event) error {
	if !e.Quiet() && p.screen.event(plan, e, root) {
		p.demo.clock.stay(linger)
	}
	return nil
}

func (p *screenPresenter) frame(u *runner.RunView, last bool) { p.screen.draw(u, last) }
