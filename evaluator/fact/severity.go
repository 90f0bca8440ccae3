package fact

import "github.com/relgate/relgate/rules"

// Severity says how much an event matters to the people who are told of it.
type Severity string

const (
	Info     Severity = "info"     // it goes as planned
	Warning  Severity = "warning"  // a person may want to look
	Critical Severity = "critical" // a person or a program must act
)

// Severities lists every Severity, the least first.
func Severities() []Severity { return []Severity{Info, Warning, Critical} }

// AtLeast reports whether s matters as much as o, or more.
func (s Severity) AtLeast(o Severity) bool { return s.rank() >= o.rank() }

func (s Severity) rank() int {
	for i, o := range Severities() {
		if s == o {
			return i
		}
	}
	return 0
}

// Severity of an event follows from its kind and the state that it leads to: a
// rollback and a failed run are critical; what holds a run, fails a phase, may lead
// to a rollback or keeps relgate from judging is a warning.
func (e *Event) Severity() Severity {
	switch e.Kind {
	case RunEvent, PhaseEvent:
		switch e.To {
		case rules.RolledBack.String():
			return Critical
		case rules.Failed.String():
			if e.Kind == RunEvent {
				return Critical
			}
			return Warning
		case rules.Held.String(), rules.Superseded.String():
			return Warning
		}
	case VerdictEvent:
		switch e.To {
		case rules.Rollback.String():
			return Critical
		case rules.Fail.String(), rules.Unknown.String():
			return Warning
		}
	case RuleEvent:
		switch e.To {
		case string(RuleFired):
			return Critical
		case string(RuleBreaching), string(RuleSilent), string(RuleWarning), string(RuleHolding), string(RuleWouldFire), string(RuleWouldHold), rules.Fail.String():
			return Warning
		}
	case SignalEvent:
		if e.To != "ok" {
			return Warning
		}
	case CommunicationEvent:
		if e.To == Skipped || e.To == Failed {
			return Warning
		}
	case PlanEvent:
		if e.To == Late {
			return Warning
		}
	case CommandEvent:
		if e.To == "refused" {
			return Warning
		}
	case ApprovalEvent:
		switch e.To {
		case Overridden:
			return Critical
		case Rejected, Void, Expired:
			return Warning
		}
	case ReviewEvent:
		if e.To == Failed {
			return Warning
		}
	case RolloutEvent:
		if e.To == Mismatch {
			return Warning
		}
	case EffectEvent:
		switch e.To {
		case Failed, Escalated, Unproven:
			return Critical
		case Overridden:
			return Critical
		case Intended, Missing:
			return Warning
		}
	}
	return Info
}

// Order reports whether an event orders something of those who carry out the
// rollout: roll back, hold, resume or abort, or a step of the way back. Orders are told first, whatever else
// waits.
func (e *Event) Order() bool {
	switch e.Kind {
	case RunEvent:
		return e.To == rules.RolledBack.String() || e.To == rules.Held.String() || e.From == rules.Held.String()
	case RuleEvent:
		return e.To == string(RuleFired)
	case EffectEvent:
		return e.To == Intended
	case CommandEvent:
		return e.To == "applied" && (e.Subject == string(Hold) || e.Subject == string(Resume) || e.Subject == string(Abort))
	}
	return false
}

// Quiet reports whether people need not hear of an event: it asks something of a receiver before
// that is needed, or the answer says the same again.
func (e *Event) Quiet() bool {
	return e.Kind == EffectEvent && (e.To == Asked || e.From == Asked && len(e.Notify) > 0)
}
