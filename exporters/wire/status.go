package wire

import (
	"strconv"
	"time"

	"github.com/relgate/relgate/rules"
)

// Status is how the newest run of a plan stands, in a few words: what its badge says.
type Status struct {
	APIVersion  string     `json:"apiVersion"`
	Plan        string     `json:"plan"`
	Version     string     `json:"version"`     // empty while there is no run
	Run         string     `json:"run"`         // id; empty while there is no run
	Phase       string     `json:"phase"`       // the latest that has begun, else the first; empty while there is no run
	Traffic     Traffic    `json:"traffic"`     // of that phase
	State       string     `json:"state"`       // of the run; empty while there is none
	Verdict     string     `json:"verdict"`     // of the run: pass, pending, fail, rollback; unknown also where its phase is
	Stale       bool       `json:"stale"`       // what was evaluated cannot be believed now
	Words       string     `json:"words"`       // "monitoring 10 %"
	Tone        string     `json:"tone"`        // good, under_way, attention, bad, none: what a badge is coloured by
	EvaluatedAt *time.Time `json:"evaluatedAt"` // null while there is no run
}

// Tones of a status. Good is a run that has passed and nothing else.
const (
	Good      = "good"
	UnderWay  = "under_way"
	Attention = "attention" // a person has to see to it
	Bad       = "bad"
	None      = "none" // not known, or nothing to say
)

// NoStatus is the status of a plan without a run, or of one of which nothing is known.
func NoStatus(plan, said string) Status {
	return Status{APIVersion: APIVersion, Plan: plan, Verdict: rules.Unknown.String(), Words: said, Tone: None}
}

// StatusOf is a run's status by the answers for the whole run and for the phase that it is
// in: a run is not known better than its phase.
func StatusOf(v *RunView, a, current Answer) Status {
	s := &v.Snapshot
	if a.Outcome == IsPending && current.Outcome == IsUnknown {
		a = current
	}
	out := Status{
		APIVersion: APIVersion, Plan: s.Plan, Version: v.Plan.Version, Run: v.ID(), Phase: currentName(s), State: s.State.String(),
		Verdict: a.Outcome.Verdict().String(), Stale: a.Stale, EvaluatedAt: at(s.At),
	}
	if k := s.Current; len(s.Phases) > 0 {
		out.Traffic = trafficOf(&s.Phases[min(max(k, 0), len(s.Phases)-1)])
	}
	switch a.Outcome {
	case IsPass:
		out.Words, out.Tone = "passed", Good
	case IsRollback:
		out.Words, out.Tone = "rollback ordered", Bad
	case IsFail:
		out.Words, out.Tone = "failed", Bad
	case IsEnded:
		out.Words, out.Tone = ended(s.State, s.RolledBack)
	case IsPending:
		out.Words, out.Tone = underWay(s.State, isHeld(s), out.Traffic.TargetPercent)
	default:
		out.Words, out.Tone = "unknown", None
		if a.Stale && a.Cause == CauseJournal {
			out.Words = "unknown: journal"
		} else if a.Stale {
			out.Words = "unknown: stale"
		}
	}
	return out
}

func ended(state rules.State, rolledBack bool) (said, tone string) {
	switch {
	case rolledBack || state == rules.RolledBack:
		return "rolled back", Bad
	case state == rules.Superseded:
		return "superseded", None
	}
	return "failed", Bad
}

// underWay is what is said of a run that is not decided. In a phase it says how many users
// have the release.
func underWay(state rules.State, held bool, traffic *float64) (said, tone string) {
	switch {
	case held:
		return "held", Attention
	case state == rules.Monitoring && traffic != nil:
		return "monitoring " + strconv.FormatFloat(*traffic, 'f', -1, 64) + " %", UnderWay
	case state == rules.Monitoring:
		return "monitoring", UnderWay
	case state == rules.Waiting:
		return "waiting", UnderWay
	}
	return "not decided", UnderWay
}
