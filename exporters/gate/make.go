package gate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// View is a plan and its run as it stands after a committed tick. A Snapshot
// whose At is zero has seen no tick yet.
type View struct {
	Plan     *rules.Plan // required
	Snapshot evaluator.Snapshot
}

// Results lists what Rule.Result may say, success rules first.
func Results() []string {
	return []string{
		"pass", "pending", "fail",
		"not_triggered", "breaching", "warning", "holding", "triggered",
		"no_data", "stale", "source_error", "insufficient_samples", "unknown",
	}
}

// staleAfter is how many intervals a verdict lives that is not final.
const staleAfter = 3

// maker makes the bodies of one view. It is thrown away with them.
type maker struct {
	view   View
	base   string // external URL without a slash at its end, may be empty
	digest string // of the plan
	stale  bool   // the snapshot is older than it may be
}

func planDigest(p *rules.Plan) string {
	b, err := json.Marshal(p)
	if err != nil {
		return "" // unreachable: a compiled plan has a JSON form, the journal keeps it
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// expires is when the snapshot becomes stale.
func expires(s *evaluator.Snapshot) time.Time { return s.At.Add(staleAfter * s.Interval) }

// verdictOf is what the gate of a phase says. While a rollback of the run is
// ordered no gate of it is open, not even the one of a phase that passed before:
// a pipeline that asks again must not go on.
func verdictOf(s *evaluator.Snapshot, p *evaluator.PhaseView) (rules.Verdict, rules.Cause, string) {
	if s.Verdict == rules.Rollback && p.Verdict != rules.Rollback {
		return rules.Rollback, s.Cause, s.Reason
	}
	if decided(p.State) {
		return p.Verdict, p.Cause, p.Reason
	}
	return p.Verdict, p.Cause, heldReason(s, p.Reason)
}

// isFinal reports whether only a command can change the gate of a phase.
func isFinal(s *evaluator.Snapshot, p *evaluator.PhaseView) bool {
	return s.Verdict == rules.Rollback || s.Over || decided(p.State)
}

func decided(s rules.State) bool {
	return s == rules.Passed || s == rules.Failed || s == rules.RolledBack
}

func actionOf(v rules.Verdict) string {
	switch v {
	case rules.Pass:
		return "proceed"
	case rules.Fail:
		return "stop"
	case rules.Rollback:
		return "rollback"
	}
	return "hold"
}

func (m *maker) phase(i int) Body {
	s := &m.view.Snapshot
	p := &s.Phases[i]
	v, cause, reason := verdictOf(s, p)
	b := Body{
		APIVersion: APIVersion, Plan: s.Plan, Phase: p.Name, Title: p.Title, Generation: s.Generation,
		Verdict: v.String(), Cause: cause.String(), Pass: v == rules.Pass, Final: isFinal(s, p),
		State: p.State.String(), Action: actionOf(v), PercentComplete: percentComplete(s, p), Reason: reason,
		EvaluatedAt: s.At.UTC(),
		Window:      Span{at(p.Started), at(p.WindowEnd)},
		Deadline:    at(p.Deadline),
		Traffic:     Traffic{TargetPercent: orZero(number(p.Traffic, rules.Percent))},
		Subject:     Subject{Name: s.Title, Version: s.Version},
		Policy:      Policy{URI: m.link("v1", "plans", s.Plan), Digest: Digest{SHA256: &m.digest}},
		Run:         runOf(s),
		Rules:       m.phaseRules(p),
		Links:       Links{Self: m.link("v1", "gates", s.Plan, p.Name, "verdict")},
	}
	b.DataAsOf = newest(b.Rules)
	b.ExpiresAt, b.NextEvaluationAt = m.times(b.Final)
	b.Summary = summary(s, p, b.Rules)
	if p.By != "" {
		b.Override = &Override{Verdict: p.Verdict.String(), By: p.By, Why: p.Why, At: at(p.Decided)}
	}
	if m.stale && !b.Final {
		m.age(&b)
	}
	return b
}

// age turns a body into the answer of a daemon that stopped evaluating: what was
// pending or good three intervals ago is not known now.
func (m *maker) age(b *Body) {
	b.Verdict, b.Cause = rules.Unknown.String(), rules.CauseStale.String()
	b.Pass, b.Stale, b.Action = false, true, actionOf(rules.Unknown)
	b.Summary = "stale: nothing has been evaluated since " + b.EvaluatedAt.Format(time.RFC3339)
	b.Reason = b.Summary + "; it was " + b.Reason
}

func (m *maker) times(final bool) (expiresAt, next *time.Time) {
	s := &m.view.Snapshot
	if !final {
		expiresAt = at(expires(s))
	}
	if !s.Over {
		next = at(s.At.Add(s.Interval))
	}
	return expiresAt, next
}

func (m *maker) link(parts ...string) string {
	var b strings.Builder
	b.WriteString(m.base)
	for _, p := range parts {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(p))
	}
	return b.String()
}

func runOf(s *evaluator.Snapshot) Run {
	return Run{
		State: s.State.String(), Verdict: s.Verdict.String(), Cause: s.Cause.String(), Reason: s.Reason,
		Held: s.Held, Hold: holdOf(s), Over: s.Over, RolledBack: s.RolledBack,
	}
}

func holdOf(s *evaluator.Snapshot) *Hold {
	if !s.Held {
		return nil
	}
	h := &Hold{Kind: "person", By: s.Holder.By, Cause: s.Holder.Cause.String(), Reason: s.Holder.Why}
	if s.Holder.Rule {
		h.Kind = "rule"
	}
	return h
}

// heldReason says who holds the run, before why a phase is not decided. The phase
// may say the same itself.
func heldReason(s *evaluator.Snapshot, reason string) string {
	h := holdOf(s)
	if h == nil || s.State != rules.Held || h.Reason != "" && strings.Contains(reason, h.Reason) {
		return reason
	}
	said := "the run is held"
	switch {
	case h.Kind == "rule":
		said += " by rollback rule " + h.By
	case h.By != "":
		said += " by " + h.By
	}
	if h.Reason != "" {
		said += ": " + h.Reason
	}
	if reason == "" || reason == "the run is held" {
		return said
	}
	return said + "; " + reason
}

func (m *maker) phaseRules(p *evaluator.PhaseView) []Rule {
	s := &m.view.Snapshot
	out := make([]Rule, 0, len(p.Success)+len(p.Rollback))
	for i := range p.Success {
		out = append(out, m.rule(&p.Success[i]))
	}
	for _, i := range p.Rollback {
		out = append(out, m.rule(&s.Rollback[i]))
	}
	return out
}

func (m *maker) rule(r *evaluator.RuleView) Rule {
	e := r.Evidence
	out := Rule{
		ID: r.Name, Title: r.Title, Kind: r.Kind.String(), Result: resultOf(r), State: string(r.State),
		Verdict: r.Verdict.String(), Cause: r.Cause.String(), Reason: r.Reason, Signal: e.Signal,
		Op: e.Op.String(), Threshold: number(e.Threshold, e.Unit), Unit: e.Unit.String(), Evidence: evidence(r),
		Samples: orZero(number(e.Samples, rules.Number)), Points: e.Points, Expected: e.Expected, Window: Span{at(e.From), at(e.To)}, LastSampleAt: at(e.Newest),
		Held: e.Held, For: e.For, Note: e.Note, Owner: r.Owner, Action: r.Action, Command: r.Command, Query: r.Query,
	}
	if e.Known {
		out.Value = number(e.Value, e.Unit)
	}
	if e.Op == rules.NoOp {
		m.condition(r, &out)
	}
	return out
}

// condition fills in what the plan says of a rule that has not been judged.
func (m *maker) condition(r *evaluator.RuleView, out *Rule) {
	for i := range m.view.Plan.Rules {
		p := &m.view.Plan.Rules[i]
		if p.Name != r.Name || p.Kind != r.Kind {
			continue
		}
		out.Op, out.Unit = p.ShownWhen.Op.String(), p.ShownWhen.Unit.String()
		out.Threshold = number(p.ShownWhen.Threshold, p.ShownWhen.Unit)
		if p.ShownSignal >= 0 && p.ShownSignal < len(m.view.Plan.Signals) {
			out.Signal = m.view.Plan.Signals[p.ShownSignal].Name
		}
		return
	}
	out.Threshold = nil
}

func resultOf(r *evaluator.RuleView) string {
	if r.Kind == rules.RollbackRule {
		switch r.State {
		case evaluator.RuleFired:
			return "triggered"
		case evaluator.RuleBreaching:
			return "breaching"
		case evaluator.RuleWarning:
			return "warning"
		case evaluator.RuleHolding:
			return "holding"
		case evaluator.RuleClear:
			return "not_triggered"
		case evaluator.RuleIdle:
			return "pending"
		}
		return missing(r.Cause)
	}
	switch {
	case r.Verdict == rules.Unknown && r.State == evaluator.RuleIdle:
		return "pending"
	case r.Verdict == rules.Unknown || r.State == evaluator.RuleSilent && r.Verdict == rules.Pending:
		return missing(r.Cause)
	case r.Verdict == rules.Rollback:
		return rules.Fail.String()
	}
	return r.Verdict.String()
}

func missing(c rules.Cause) string {
	switch c {
	case rules.CauseNoData, rules.CauseStale, rules.CauseSourceError, rules.CauseInsufficientSamples:
		return c.String()
	}
	return "unknown"
}

// percentComplete is how much of a phase's window has passed: by now, or by when
// the phase was decided.
func percentComplete(s *evaluator.Snapshot, p *evaluator.PhaseView) int {
	until := s.At
	if decided(p.State) && !p.Decided.IsZero() {
		until = p.Decided
	}
	switch length := p.WindowEnd.Sub(p.Started); {
	case p.Started.IsZero() || length <= 0 || until.Before(p.Started):
		return 0
	case !until.Before(p.WindowEnd):
		return 100
	default:
		return int(100 * until.Sub(p.Started) / length)
	}
}

func summary(s *evaluator.Snapshot, p *evaluator.PhaseView, rs []Rule) string {
	var b strings.Builder
	switch {
	case decided(p.State):
		b.WriteString(strings.ReplaceAll(p.State.String(), "_", " "))
	case p.Started.IsZero():
		fmt.Fprintf(&b, "waiting, planned for %s", p.Scheduled.UTC().Format(time.RFC3339))
	default:
		length := p.WindowEnd.Sub(p.Started)
		fmt.Fprintf(&b, "monitoring window %s of %s", short(max(0, min(s.At.Sub(p.Started), length))), short(length))
	}
	if s.State == rules.Held || s.Held && !decided(s.State) {
		b.WriteString(", held")
		if s.Holder.By != "" {
			b.WriteString(" by " + s.Holder.By)
		}
	}
	c := count(rs)
	fmt.Fprintf(&b, "; %d of %d %s good", c.good, len(rs), ruleOrRules(len(rs)))
	if c.warning > 0 {
		fmt.Fprintf(&b, " (%d with a warning)", c.warning)
	}
	if c.bad > 0 {
		fmt.Fprintf(&b, ", %d bad", c.bad)
	}
	switch {
	case c.behind > 0 && decided(p.State):
		fmt.Fprintf(&b, ", %d not good by then", c.behind)
	case c.behind > 0:
		fmt.Fprintf(&b, ", %d not good so far", c.behind)
	}
	if c.silent > 0 {
		fmt.Fprintf(&b, ", %d without an answer", c.silent)
	}
	return b.String()
}

func ruleOrRules(n int) string {
	if n == 1 {
		return "rule"
	}
	return "rules"
}

// tally counts rules by how they speak of the release. A warning keeps nobody
// from going on: its rule is among the good. A success rule is bad once it has
// failed; before that it is behind when it would not pass as it stands.
type tally struct{ good, warning, bad, behind, silent int }

func count(rs []Rule) tally {
	var c tally
	for i := range rs {
		switch rs[i].Result {
		case "pass", "not_triggered":
			c.good++
		case "warning":
			c.good++
			c.warning++
		case "fail", "triggered", "breaching", "holding":
			c.bad++
		case "pending":
			c.pending(rs[i].State)
		default:
			c.silent++
		}
	}
	return c
}

// pending counts a rule that is not decided by the way it leans.
func (c *tally) pending(state string) {
	switch evaluator.RuleState(state) {
	case evaluator.RuleClear:
		c.good++
	case evaluator.RuleWarning:
		c.good++
		c.warning++
	case evaluator.RuleBreaching, evaluator.RuleHolding:
		c.behind++
	}
}

// short writes a length of time without the zeros at its end: "25m", "1h30m".
func short(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

func newest(rs []Rule) *time.Time {
	var t *time.Time
	for i := range rs {
		if n := rs[i].LastSampleAt; n != nil && (t == nil || n.After(*t)) {
			t = n
		}
	}
	return t
}

// number is an inner value in the unit that people read, null when it is not a
// finite number. It goes through the decimal form, so that 0.0007 is 0.07 %.
func number(v float64, u rules.Unit) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	text, _, _ := strings.Cut(u.Format(v), " ")
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil // a ratio at the very edge of float64 has no form in per cent
	}
	return &f
}

func orZero(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// at is a time for a body: UTC, null when there is none.
func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
