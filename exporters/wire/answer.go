package wire

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/rules"
)

// Names that stand for a phase in a question. A phase of such a name cannot be asked
// for.
const (
	WholeRun = "run"     // the run as a whole
	Current  = "current" // the phase that the run is in
)

// staleAfter is how many intervals a verdict lives that is not final, and how far
// ahead of the clock a tick may be stamped.
const staleAfter = 3

// Outcome is what a gate's status code is made from.
type Outcome uint8

const (
	IsUnknown  Outcome = iota // what is known cannot be believed, or there is nothing
	IsPending                 // not decided, held, or no such run yet
	IsPass                    //
	IsFail                    // a phase has failed
	IsEnded                   // never a pass, and nothing to roll back: superseded, rolled back already, not begun in a failed run
	IsRollback                // roll back now
)

// Verdict is the word for an outcome.
func (o Outcome) Verdict() rules.Verdict {
	switch o {
	case IsPending:
		return rules.Pending
	case IsPass:
		return rules.Pass
	case IsFail, IsEnded:
		return rules.Fail
	case IsRollback:
		return rules.Rollback
	}
	return rules.Unknown
}

// Answer is what a gate says, with its words.
type Answer struct {
	Question Question
	Phase    int // index of the phase that is spoken of; -1 for the whole run
	Outcome  Outcome
	Cause    string
	Final    bool // only a command can change it
	Stale    bool // what was evaluated cannot be believed now
	words.Text
}

// RunView is a run as it stands after a committed tick. Its Plan is the bound one. A
// Snapshot whose At is zero has seen no tick yet.
type RunView struct {
	Plan     *rules.Plan // required
	Digest   string      // of Plan, hex SHA-256, as the journal has it; empty: not known
	Snapshot fact.Snapshot
}

// ID is the run's id; empty for a plan that no run was begun of.
func (v *RunView) ID() string { return v.Plan.Binding.Run }

// Decided reports whether a phase or a run has come to an end.
func Decided(s rules.State) bool {
	return s == rules.Passed || s == rules.Failed || s == rules.RolledBack || s == rules.Superseded
}

// isHeld reports whether a hold keeps a run from going on.
func isHeld(s *fact.Snapshot) bool {
	return s.State == rules.Held || s.Held && !Decided(s.State)
}

// Expires is when a snapshot becomes too old to be believed.
func Expires(s *fact.Snapshot) time.Time { return s.At.Add(staleAfter * s.Interval) }

// Age is how a snapshot stands to the clock.
type Age uint8

const (
	Fresh Age = iota
	Old       // older than three intervals
	Ahead     // stamped more than three intervals after now: a clock was set back
)

// AgeOf is how a snapshot stands to the clock. A run that is over gets no more ticks
// and needs none.
func AgeOf(s *fact.Snapshot, now time.Time) Age {
	switch limit := staleAfter * s.Interval; {
	case s.Over:
		return Fresh
	case now.After(s.At.Add(limit)):
		return Old
	case s.At.After(now.Add(limit)):
		return Ahead
	}
	return Fresh
}

// ended is what a whole run says of each of its phases, whatever their state: while a
// rollback is ordered no gate of the run is open, not even the one of a phase that
// passed, and a run that was superseded or rolled back opens none any more.
func (v *RunView) ended() (Outcome, bool) {
	s := &v.Snapshot
	switch {
	case s.Verdict == rules.Rollback:
		return IsRollback, true
	case s.State == rules.Superseded, s.RolledBack:
		return IsEnded, true
	}
	return IsUnknown, false
}

// PhasePassed answers whether a phase has passed.
func (v *RunView) PhasePassed(k int) Answer {
	s := &v.Snapshot
	p := &s.Phases[k]
	a := Answer{Question: Passed, Phase: k, Cause: p.Cause.String(), Final: Decided(p.State), Text: textPhase(v.Plan, s, k)}
	if o, ok := v.ended(); ok {
		a.Outcome, a.Final = o, true
		if p.Verdict != o.Verdict() {
			a.Cause, a.Text = s.Cause.String(), words.Run(v.Plan, s)
		}
		return a
	}
	switch {
	case p.State == rules.Failed:
		a.Outcome, a.Final = IsFail, !s.Accused
	case isHeld(s):
		if Decided(p.State) {
			a.Text = words.Run(v.Plan, s)
		}
		a.hold(s)
	case p.State == rules.Passed && p.Verdict == rules.Pass:
		a.Outcome = IsPass
	case s.State == rules.Failed: // it will not begin any more
		a.Outcome, a.Cause, a.Final, a.Text = IsEnded, s.Cause.String(), !s.Accused, words.Run(v.Plan, s)
	case p.Verdict == rules.Fail:
		a.Outcome, a.Final = IsFail, true
	case p.Verdict != rules.Unknown:
		a.Outcome = IsPending
	}
	return a
}

// hold closes a gate while the run is held.
func (a *Answer) hold(s *fact.Snapshot) {
	a.Outcome, a.Cause, a.Final = IsPending, s.Holder.Cause.String(), false
}

// planOverlaps reports whether the plan lets a phase begin before the end of an
// earlier one's window. A phase that waits for a command or a pass overlaps nothing
// unless the plan gives it a start.
func (v *RunView) planOverlaps(k, earlier int) bool {
	p, b := &v.Snapshot.Phases[k], &v.Snapshot.Phases[earlier]
	if p.Advance == rules.OnPass && earlier == k-1 || p.Advance != rules.Scheduled && !p.Scheduled.After(v.Snapshot.Start) {
		return false
	}
	return earlier < len(v.Plan.Phases) && p.Scheduled.Before(b.Scheduled.Add(v.Plan.Phases[earlier].Window))
}

// RunPassed answers whether every phase has passed, and the run has.
func (v *RunView) RunPassed() Answer {
	s := &v.Snapshot
	a := Answer{Question: Passed, Phase: -1, Cause: s.Cause.String(), Final: s.Over || Decided(s.State), Text: words.Run(v.Plan, s)}
	if o, ok := v.ended(); ok {
		a.Outcome, a.Final = o, true
		return a
	}
	_, undecided := v.open()
	switch {
	case s.Verdict == rules.Fail:
		a.Outcome, a.Final = IsFail, !s.Accused
	case isHeld(s):
		a.hold(s)
	case s.Verdict == rules.Pass && s.State == rules.Passed && !undecided:
		a.Outcome = IsPass
	case s.Verdict != rules.Unknown:
		a.Outcome, a.Final = IsPending, false
	}
	return a
}

// open is the first phase that has not passed.
func (v *RunView) open() (k int, ok bool) {
	for k := range v.Snapshot.Phases {
		if v.Snapshot.Phases[k].State != rules.Passed {
			return k, true
		}
	}
	return 0, false
}

// CurrentPassed answers for the latest phase that has begun. It is no pass while any
// other phase is undecided: between two phases nothing is decided about the next.
func (v *RunView) CurrentPassed() Answer {
	s := &v.Snapshot
	k := min(max(s.Current, 0), len(s.Phases)-1)
	a := v.PhasePassed(k)
	other, undecided := v.open()
	if a.Outcome != IsPass || !undecided {
		return a
	}
	if p := &s.Phases[other]; p.State == rules.Failed {
		a = v.PhasePassed(other)
		a.Phase = k
		return a
	}
	a.Outcome, a.Cause, a.Final = IsPending, rules.CauseWindow.String(), false
	said := fmt.Sprintf("phase %s has not begun", s.Phases[other].Name)
	if !s.Phases[other].Started.IsZero() {
		said = fmt.Sprintf("phase %s is not decided", s.Phases[other].Name)
	}
	a.say("WAIT: "+said, fmt.Sprintf("phase %s has passed; %s", s.Phases[k].Name, said))
	return a
}

// PhaseEntry answers whether a phase may begin. A phase that has begun or passed may,
// as long as the run is not held and has not ended badly.
func (v *RunView) PhaseEntry(k int) Answer {
	s := &v.Snapshot
	p := &s.Phases[k]
	a := Answer{Question: Entry, Phase: k, Text: words.Run(v.Plan, s)}
	if o, ok := v.ended(); ok {
		a.Outcome, a.Cause, a.Final = o, s.Cause.String(), true
		return a
	}
	missing := v.missing(k)
	switch {
	case s.State == rules.Failed || s.Verdict == rules.Fail:
		a.Outcome, a.Cause, a.Final = IsFail, s.Cause.String(), !s.Accused
	case isHeld(s):
		a.Text = words.Run(v.Plan, s)
		a.hold(s)
	case !p.Started.IsZero() || p.State == rules.Passed:
		a.Outcome, a.Cause = IsPass, rules.CauseWindow.String()
		a.say("PASS: phase "+p.Name+" has begun", fmt.Sprintf("phase %s has begun", p.Name))
	case missing != "":
		a.Outcome, a.Cause = IsPending, rules.CauseWindow.String()
		if missing == unsigned(s, p.Name) {
			a.Cause = rules.CauseApproval.String()
		}
		a.say("WAIT: "+missing, fmt.Sprintf("phase %s may not begin: %s", p.Name, missing))
	default:
		a.Outcome, a.Cause = IsPass, rules.CauseWindow.String()
		a.say("PASS: phase "+p.Name+" may begin", fmt.Sprintf("phase %s may begin", p.Name))
	}
	return a
}

// missing says what keeps a phase from beginning, empty when nothing does: the phases
// that were planned to end before it have passed, those planned to overlap have begun
// and have not run out of their window, and the planned start of this one is reached.
func (v *RunView) missing(k int) string {
	s := &v.Snapshot
	p := &s.Phases[k]
	for i := range k {
		b := &s.Phases[i]
		switch {
		case b.State == rules.Passed:
		case b.Started.IsZero():
			return fmt.Sprintf("phase %s has not begun", b.Name)
		case !v.planOverlaps(k, i):
			return fmt.Sprintf("phase %s has not passed", b.Name)
		case !s.At.Before(b.WindowEnd):
			return fmt.Sprintf("phase %s has ended and has not passed", b.Name)
		}
	}
	if said := unsigned(s, p.Name); said != "" {
		return said
	}
	due := p.Scheduled
	if p.Advance != rules.Scheduled && (p.Advance != rules.OnPass || k > 0) {
		due = s.Start // started by a command, a pass or its traffic, within the run
	}
	if s.At.Before(due) {
		return "planned for " + stamp(due)
	}
	return ""
}

// Believed is the answer as it may be given at an age of its snapshot: what is not
// final is not known any more once the daemon has not evaluated for three intervals.
func (a Answer) Believed(s *fact.Snapshot, age Age) Answer {
	if age == Fresh || a.Final {
		return a
	}
	said := "nothing has been evaluated since " + stamp(s.At)
	if age == Ahead {
		said = "the newest evaluation is stamped in the future, " + stamp(s.At) + ": the clock was set back"
	}
	return a.unknown(rules.CauseStale.String(), said)
}

// Troubled is the answer while something keeps the daemon from knowing: only an
// ordered rollback stands.
func (a Answer) Troubled(cause, says string) Answer {
	if a.Outcome == IsRollback {
		return a
	}
	return a.unknown(cause, says)
}

func (a Answer) unknown(cause, says string) Answer {
	was := a.Sentence
	a.Outcome, a.Cause, a.Final, a.Stale = IsUnknown, cause, false, true
	a.say("UNKNOWN: "+says, says)
	if was != "" {
		a.Sentence += " It was: " + was
	}
	return a
}

// say replaces the words; a sentence gets its full stop.
func (a *Answer) say(head, sentence string) {
	a.Text = words.Text{Headline: cut(head), Sentence: sentence + ".", Who: a.Who}
}

// Absent answers for a run that there is not yet.
func Absent(q Question, phase int, says string) Answer {
	a := Answer{Question: q, Phase: phase, Outcome: IsPending, Cause: rules.CauseWindow.String()}
	a.say("WAIT: "+says, says)
	return a
}

// Unasked answers for a gate that could not be asked.
func Unasked(q Question, says string) Answer {
	a := Answer{Question: q}.unknown("", says)
	a.Stale = false
	return a
}

// Unreadable answers for a run that may exist and cannot be read.
func Unreadable(q Question, phase int, says string) Answer {
	return Answer{Question: q, Phase: phase}.unknown(CauseJournal, says)
}

// cut shortens a headline to 80 characters.
func cut(text string) string {
	const most = 80
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}
