package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// screen draws a run on a terminal, in place: phases with their countdowns,
// rollback rules with their values, the newest events.
type screen struct {
	w      io.Writer
	width  func() int // columns of the terminal now
	colour bool
	start  time.Time
	recent []string // newest last
	drawn  time.Time
	lines  int // of the frame on the screen
}

const (
	recentEvents  = 12
	frameInterval = 80 * time.Millisecond
	barWidth      = 24
)

// event remembers an event for the next frame.
func (s *screen) event(e evaluator.Event) {
	if e.Kind == evaluator.SignalEvent {
		return
	}
	s.recent = append(s.recent, eventLine(s.start, e))
	if extra := len(s.recent) - recentEvents; extra > 0 {
		s.recent = s.recent[extra:]
	}
}

// draw shows a snapshot, unless the last frame is too young and force is not set.
func (s *screen) draw(snap *evaluator.Snapshot, force bool) {
	if !force && time.Since(s.drawn) < frameInterval {
		return
	}
	s.drawn = time.Now()
	frame := s.frame(snap)
	var b strings.Builder
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.lines)
	}
	width := s.width()
	for _, line := range frame {
		b.WriteString("\x1b[2K" + clip(line, width) + "\n")
	}
	b.WriteString("\x1b[J")
	s.lines = len(frame)
	io.WriteString(s.w, b.String())
}

// clip cuts a line to a number of columns: a line that wrapped would be counted
// as one and drawn as two. Escape sequences take no column.
func clip(line string, width int) string {
	columns, escape := 0, false
	for i, r := range line {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		case columns == width-1:
			return line[:i] + "…\x1b[0m"
		default:
			columns++
		}
	}
	return line
}

func (s *screen) frame(snap *evaluator.Snapshot) []string {
	lines := []string{
		"",
		fmt.Sprintf("  %s  %s %s", s.bold(snap.Plan), snap.Title, snap.Version),
		fmt.Sprintf("  %s  %s  %s  %s", snap.At.Format(time.DateTime), offset(snap.Start, snap.At), s.runState(snap), s.verdict(snap.Verdict)),
		"",
	}
	for i := range snap.Phases {
		lines = append(lines, s.phase(snap, &snap.Phases[i]))
	}
	lines = append(lines, "")
	for _, r := range snap.Rollback {
		lines = append(lines, s.rule(r))
		lines = append(lines, s.sentence(r)...)
	}
	lines = append(lines, "")
	for _, e := range s.recent {
		lines = append(lines, "  "+e)
	}
	return lines
}

// runState is the run's state, and who holds it.
func (s *screen) runState(snap *evaluator.Snapshot) string {
	if snap.State != rules.Held || snap.Holder.By == "" {
		return snap.State.String()
	}
	return s.paint(stateColours[evaluator.RuleHolding], "held by "+snap.Holder.By)
}

// sentence is what a rule says that weighs evidence and speaks against the
// release: whole, in as many lines as it takes.
func (s *screen) sentence(r evaluator.RuleView) []string {
	if r.Evidence.Weighed == nil {
		return nil
	}
	switch r.State {
	case evaluator.RuleWarning, evaluator.RuleHolding, evaluator.RuleFired:
	default:
		return nil
	}
	lines := wrapped(r.Reason, max(20, s.width()-7))
	for i := range lines {
		lines[i] = "      " + s.paint(stateColours[r.State], lines[i])
	}
	return lines
}

func (s *screen) phase(snap *evaluator.Snapshot, p *evaluator.PhaseView) string {
	return fmt.Sprintf("  %-12s %6s  %-11s %s %-14s %s", p.Name, rules.Percent.Short(p.Traffic), p.State,
		bar(progress(snap.At, p)), countdown(snap, p), s.verdict(p.Verdict))
}

// progress is the share of a phase's window that has passed, 0..1.
func progress(at time.Time, p *evaluator.PhaseView) float64 {
	window := p.WindowEnd.Sub(p.Started)
	if p.Started.IsZero() || window <= 0 {
		return 0
	}
	return max(0, min(1, float64(at.Sub(p.Started))/float64(window)))
}

func countdown(snap *evaluator.Snapshot, p *evaluator.PhaseView) string {
	switch {
	case !p.Decided.IsZero():
		return "at " + offset(snap.Start, p.Decided)
	case p.Started.IsZero():
		return "from " + offset(snap.Start, p.Scheduled)
	case snap.At.Before(p.WindowEnd):
		return p.WindowEnd.Sub(snap.At).String() + " left"
	}
	return "settling"
}

func bar(share float64) string {
	full := int(share * barWidth)
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}

func (s *screen) rule(r evaluator.RuleView) string {
	value := "no data"
	if r.Evidence.Known {
		value = r.Evidence.Unit.Short(r.Evidence.Value)
	}
	held := ""
	switch {
	case r.Evidence.Weighed != nil:
		held = weighedState(r.Evidence.Weighed)
	case r.State == evaluator.RuleBreaching && r.Evidence.Held != "":
		held = r.Evidence.Held + " of " + r.Evidence.For
	}
	return fmt.Sprintf("  %-18s %10s  rolls back when %s %-8s %-10s %s", r.Name, value, r.Evidence.Op,
		r.Evidence.Unit.Format(r.Evidence.Threshold), s.state(r.State), held)
}

func (s *screen) verdict(v rules.Verdict) string {
	colours := map[rules.Verdict]string{rules.Pass: "32", rules.Fail: "31", rules.Rollback: "1;31", rules.Pending: "36", rules.Unknown: "33"}
	return s.paint(colours[v], v.String())
}

func (s *screen) state(r evaluator.RuleState) string {
	return s.paint(stateColours[r], fmt.Sprintf("%-10s", r))
}

func (s *screen) bold(text string) string { return s.paint("1", text) }

func (s *screen) paint(code, text string) string {
	return paint(s.colour, code, text)
}
