package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/rules"
)

// screen draws a run on a terminal, in place: what is the matter and what to do,
// the phases with their countdowns, the rollback rules with their values, and
// the newest events in what room is left.
type screen struct {
	w      io.Writer
	size   func() (columns, rows int) // of the terminal now
	colour bool
	recent []string // events, newest last
	drawn  time.Time
	lines  int // of the frame on the screen
}

const (
	recentEvents  = 30
	frameInterval = 80 * time.Millisecond
	barWidth      = 20
	// linger is how long the live view stays at an event, so that it can be read.
	linger = 700 * time.Millisecond
)

// event remembers an event for the next frame, and reports whether it is one to
// stay at.
func (s *screen) event(plan *rules.Plan, e, root *fact.Event) (stay bool) {
	if e.Kind == fact.SignalEvent || e.Kind == fact.VerdictEvent {
		return false
	}
	s.recent = append(s.recent, eventLine(plan, e, root))
	if extra := len(s.recent) - recentEvents; extra > 0 {
		s.recent = s.recent[extra:]
	}
	return e.Because == "" && (e.Kind == fact.PhaseEvent || e.Kind == fact.RunEvent || e.To == string(fact.RuleFired) || e.To == string(fact.RuleHolding))
}

// draw shows a run, unless the last frame is too young and force is not set.
func (s *screen) draw(u *runner.RunView, force bool) {
	if !force && time.Since(s.drawn) < frameInterval {
		return
	}
	s.drawn = time.Now()
	columns, rows := s.size()
	frame := s.frame(u, columns, rows)
	var b strings.Builder
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.lines)
	}
	for _, line := range frame {
		b.WriteString("\x1b[2K" + clip(line, columns) + "\n")
	}
	b.WriteString("\x1b[J")
	s.lines = len(frame)
	io.WriteString(s.w, b.String())
}

// clip cuts a line to a number of columns: a line that wrapped would be counted
// as one and drawn as two. Escape sequences take no column; where there was one the
// cut line ends with a reset.
func clip(line string, width int) string {
	columns, escape, reset := 0, false, ""
	for i, r := range line {
		switch {
		case r == '\x1b':
			escape, reset = true, "\x1b[0m"
		case escape:
			escape = r != 'm'
		case columns == width-1:
			return line[:i] + "…" + reset
		default:
			columns++
		}
	}
	return line
}

// frame is one line less than the terminal has, so that nothing scrolls away.
func (s *screen) frame(u *runner.RunView, columns, rows int) []string {
	snap := &u.Snapshot
	text := words.Run(u.Plan, snap)
	lines := []string{
		fmt.Sprintf("%s  %s", s.paint("1", u.Record.ID), plain(u.Plan.Title)),
		fmt.Sprintf("%s  %s  %s", snap.At.Format("2006-01-02 15:04:05 MST"), offset(snap.Start, snap.At), s.paint(stateColour(snap.State), snap.State.String())),
		s.paint(verdictColour(snap.Verdict), plain(text.Headline)),
	}
	lines = append(lines, s.todo(text, columns)...)
	lines = append(lines, "")
	for i := range snap.Phases {
		lines = append(lines, s.phase(snap, &snap.Phases[i]))
	}
	lines = append(lines, "")
	for i := range snap.Rollback {
		lines = append(lines, s.rule(u.Plan, &snap.Rollback[i]))
	}
	for i := range snap.Effects.Steps {
		v := &snap.Effects.Steps[i]
		lines = append(lines, fmt.Sprintf("%-16s %s: %s", "way back", plain(words.Step(v)), v.State))
	}
	room := rows - 2 - len(lines)
	if room <= 0 {
		return lines[:max(rows-1, 1)]
	}
	lines = append(lines, "")
	return append(lines, s.recent[max(0, len(s.recent)-room):]...)
}

// todo is what a person does now: the action and its command.
func (s *screen) todo(text words.Text, columns int) []string {
	if text.Do == "" {
		return nil
	}
	who := ""
	if text.Who != "" {
		who = "  (" + text.Who + ")"
	}
	var lines []string
	for i, line := range wrapped(plain(text.Do+who), max(20, columns-9)) {
		lead := "         "
		if i == 0 {
			lead = "do now   "
		}
		lines = append(lines, lead+line)
	}
	for _, line := range wrapped(plain(text.Command), max(20, columns-9)) {
		lines = append(lines, "         "+s.paint("1", line))
	}
	return lines
}

func (s *screen) phase(snap *fact.Snapshot, p *fact.PhaseView) string {
	seen := ""
	if o := p.Observed; o != nil && o.Known {
		seen = ", " + rules.Percent.Short(o.Share) + " seen"
	}
	return fmt.Sprintf("%-12s %6s  %s %s %s%s", cutName(p.Name, 12), rules.Percent.Short(p.Traffic),
		s.paint(stateColour(p.State), fmt.Sprintf("%-11s", strings.ReplaceAll(p.State.String(), "_", " "))),
		bar(progress(snap.At, p)), countdown(snap, p), seen)
}

// progress is the share of a phase's window that has passed, 0..1.
func progress(at time.Time, p *fact.PhaseView) float64 {
	window := p.WindowEnd.Sub(p.Started)
	if p.Started.IsZero() || window <= 0 {
		return 0
	}
	return max(0, min(1, float64(at.Sub(p.Started))/float64(window)))
}

func countdown(snap *fact.Snapshot, p *fact.PhaseView) string {
	switch {
	case !p.Decided.IsZero():
		return "at " + offset(snap.Start, p.Decided)
	case p.Started.IsZero():
		return "planned " + offset(snap.Start, p.Scheduled)
	case snap.At.Before(p.WindowEnd):
		return p.WindowEnd.Sub(snap.At).String() + " left"
	}
	return "settling"
}

func bar(share float64) string {
	full := int(share * barWidth)
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}

// rule is a rollback rule with its value, its trigger and how far it has come: a
// percentile in its own unit, though a share is judged.
func (s *screen) rule(plan *rules.Plan, r *fact.RuleView) string {
	value, held := "no data", ""
	switch q := r.Evidence.Quantile; {
	case q != nil:
		value = q.Unit.Short(q.Value)
	case r.Evidence.Known:
		value = r.Evidence.Unit.Short(r.Evidence.Value)
	}
	switch {
	case r.Evidence.Weighed != nil:
		held = weighedState(r.Evidence.Weighed)
	case r.State == fact.RuleBreaching && r.Evidence.Held != "":
		held = r.Evidence.Held + " of " + r.Evidence.For
	}
	return fmt.Sprintf("%-16s %9s  rolls back %-8s %s %s", cutName(r.Name, 16), value, trigger(plan, r.Name),
		s.paint(stateColours[r.State], fmt.Sprintf("%-9s", r.State)), held)
}

// trigger is what a rollback rule rolls back, as the plan has it: "> 3 %".
func trigger(plan *rules.Plan, rule string) string {
	for i := range plan.Rules {
		if r := &plan.Rules[i]; r.Kind == rules.RollbackRule && r.Name == rule {
			return r.ShownWhen.String()
		}
	}
	return "" // unreachable: the view was made from the plan
}

// cutName cuts a name to a number of columns.
func cutName(name string, columns int) string {
	if r := []rune(name); len(r) > columns {
		return string(r[:columns-1]) + "…"
	}
	return name
}

func (s *screen) paint(code, text string) string { return paint(s.colour, code, text) }

func verdictColour(v rules.Verdict) string {
	return map[rules.Verdict]string{rules.Pass: "32", rules.Fail: "31", rules.Rollback: "1;31", rules.Pending: "36", rules.Unknown: "33"}[v]
}

func stateColour(v rules.State) string {
	return map[rules.State]string{
		rules.Waiting: "2", rules.Monitoring: "36", rules.Held: "1;35", rules.Passed: "32", rules.Failed: "31", rules.RolledBack: "1;31", rules.Superseded: "2",
	}[v]
}
