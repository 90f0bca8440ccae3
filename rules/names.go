package rules

import (
	"fmt"
	"slices"
	"strings"
)

// Every enumeration of the language has one spelling, used in TOML, JSON,
// metrics and on the page. An unknown spelling is an error, never a zero.

var (
	verdictNames   = []string{"unknown", "pending", "pass", "fail", "rollback"}
	causeNames     = []string{"", "threshold", "window", "no_data", "stale", "source_error", "insufficient_samples", "approval", "manual", "config", "evidence", "baseline", "unsettled"}
	stateNames     = []string{"waiting", "monitoring", "held", "passed", "failed", "rolled_back", "superseded"}
	unitNames      = []string{"", "%", "s"}
	kindNames      = []string{"ratio", "mean", "gauge", "percentile", "alarm"}
	faultNames     = []string{"", "no_data", "stale", "partial", "throttled", "auth", "config", "unavailable"}
	policyNames    = []string{"hold", "fail", "rollback", "ignore"}
	ruleKindNames  = []string{"success", "rollback"}
	aggregateNames = []string{"pooled", "exceedance", "worst", "share", "mean", "last"}
	advanceNames   = []string{"scheduled", "signalled", "on_pass", "observed"}
	mismatchNames  = []string{"tell", "hold"}
	methodNames    = []string{"threshold", "sequential"}
	modeNames      = []string{"enforce", "shadow"}
	resumeNames    = []string{"manual", "auto"}
	gateNames      = []string{"required", "veto", "advisory"}
	proofNames     = []string{"by_traffic", "weak", "strong"}
	severityNames  = []string{"error", "warning", "note"}
	opNames        = []string{"", "<", "<=", ">", ">=", "==", "!="}
)

func name[T ~uint8](names []string, v T) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("invalid(%d)", uint8(v))
}

func parse[T ~uint8](what string, names []string, text []byte, into *T) error {
	for i, n := range names {
		if n == string(text) {
			*into = T(i)
			return nil
		}
	}
	known := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "" })
	return fmt.Errorf("unknown %s %q (want %s)", what, text, strings.Join(known, ", "))
}

func (v Verdict) String() string    { return name(verdictNames, v) }
func (c Cause) String() string      { return name(causeNames, c) }
func (s State) String() string      { return name(stateNames, s) }
func (u Unit) String() string       { return name(unitNames, u) }
func (k Kind) String() string       { return name(kindNames, k) }
func (f Fault) String() string      { return name(faultNames, f) }
func (p Policy) String() string     { return name(policyNames, p) }
func (k RuleKind) String() string   { return name(ruleKindNames, k) }
func (a Aggregate) String() string  { return name(aggregateNames, a) }
func (a Advance) String() string    { return name(advanceNames, a) }
func (m OnMismatch) String() string { return name(mismatchNames, m) }
func (o Op) String() string         { return name(opNames, o) }
func (m Method) String() string     { return name(methodNames, m) }
func (m Mode) String() string       { return name(modeNames, m) }
func (r Resume) String() string     { return name(resumeNames, r) }
func (g Gate) String() string       { return name(gateNames, g) }
func (p Proof) String() string      { return name(proofNames, p) }
func (s Severity) String() string   { return name(severityNames, s) }

func (v Verdict) MarshalText() ([]byte, error)    { return []byte(v.String()), nil }
func (c Cause) MarshalText() ([]byte, error)      { return []byte(c.String()), nil }
func (s State) MarshalText() ([]byte, error)      { return []byte(s.String()), nil }
func (u Unit) MarshalText() ([]byte, error)       { return []byte(u.String()), nil }
func (k Kind) MarshalText() ([]byte, error)       { return []byte(k.String()), nil }
func (f Fault) MarshalText() ([]byte, error)      { return []byte(f.String()), nil }
func (p Policy) MarshalText() ([]byte, error)     { return []byte(p.String()), nil }
func (k RuleKind) MarshalText() ([]byte, error)   { return []byte(k.String()), nil }
func (a Aggregate) MarshalText() ([]byte, error)  { return []byte(a.String()), nil }
func (a Advance) MarshalText() ([]byte, error)    { return []byte(a.String()), nil }
func (m OnMismatch) MarshalText() ([]byte, error) { return []byte(m.String()), nil }
func (o Op) MarshalText() ([]byte, error)         { return []byte(o.String()), nil }
func (m Method) MarshalText() ([]byte, error)     { return []byte(m.String()), nil }
func (m Mode) MarshalText() ([]byte, error)       { return []byte(m.String()), nil }
func (r Resume) MarshalText() ([]byte, error)     { return []byte(r.String()), nil }
func (g Gate) MarshalText() ([]byte, error)       { return []byte(g.String()), nil }
func (p Proof) MarshalText() ([]byte, error)      { return []byte(p.String()), nil }
func (s Severity) MarshalText() ([]byte, error)   { return []byte(s.String()), nil }

func (v *Verdict) UnmarshalText(b []byte) error   { return parse("verdict", verdictNames, b, v) }
func (c *Cause) UnmarshalText(b []byte) error     { return parse("cause", causeNames, b, c) }
func (s *State) UnmarshalText(b []byte) error     { return parse("state", stateNames, b, s) }
func (u *Unit) UnmarshalText(b []byte) error      { return parse("unit", unitNames, b, u) }
func (k *Kind) UnmarshalText(b []byte) error      { return parse("kind", kindNames, b, k) }
func (f *Fault) UnmarshalText(b []byte) error     { return parse("fault", faultNames, b, f) }
func (p *Policy) UnmarshalText(b []byte) error    { return parse("policy", policyNames, b, p) }
func (k *RuleKind) UnmarshalText(b []byte) error  { return parse("rule kind", ruleKindNames, b, k) }
func (a *Aggregate) UnmarshalText(b []byte) error { return parse("aggregate", aggregateNames, b, a) }
func (a *Advance) UnmarshalText(b []byte) error   { return parse("advance", advanceNames, b, a) }
func (m *OnMismatch) UnmarshalText(b []byte) error {
	return parse("answer to a mismatch", mismatchNames, b, m)
}
func (o *Op) UnmarshalText(b []byte) error       { return parse("operator", opNames, b, o) }
func (m *Method) UnmarshalText(b []byte) error   { return parse("evidence", methodNames, b, m) }
func (m *Mode) UnmarshalText(b []byte) error     { return parse("mode", modeNames, b, m) }
func (r *Resume) UnmarshalText(b []byte) error   { return parse("way to resume", resumeNames, b, r) }
func (g *Gate) UnmarshalText(b []byte) error     { return parse("gate", gateNames, b, g) }
func (p *Proof) UnmarshalText(b []byte) error    { return parse("proof", proofNames, b, p) }
func (s *Severity) UnmarshalText(b []byte) error { return parse("severity", severityNames, b, s) }

// Verdicts, States, Faults and Causes list every value in order, for metrics
// that show each of them from the first scrape.
func Verdicts() []Verdict { return []Verdict{Unknown, Pending, Pass, Fail, Rollback} }

// States lists every State in order.
func States() []State {
	return []State{Waiting, Monitoring, Held, Passed, Failed, RolledBack, Superseded}
}

// Faults lists every Fault in order.
func Faults() []Fault {
	return []Fault{OK, NoData, StaleData, PartialData, Throttled, AuthFault, ConfigFault, Unavailable}
}
