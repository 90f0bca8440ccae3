package wire

import (
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/rules"
)

// Site is what bodies need besides the run.
type Site struct {
	Base   string // external URL without a slash at its end; may be empty
	Digest string // of the run's plan, hex SHA-256; empty: not known
}

// Link is the address of a page.
func (c *Site) Link(parts ...string) string {
	var b strings.Builder
	b.WriteString(c.Base)
	for _, p := range parts {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(p))
	}
	return b.String()
}

func (c *Site) digest() Digest {
	if c.Digest == "" {
		return Digest{}
	}
	return Digest{SHA256: &c.Digest}
}

// runLink is null for a plan that no run was begun of.
func (c *Site) runLink(id string) *string {
	if id == "" {
		return nil
	}
	return new(c.Link("v1", "runs", id))
}

// Body is the answer of a gate of a run.
func (c *Site) Body(v *RunView, a *Answer) Body {
	s := &v.Snapshot
	b := c.blank(s.Plan, v.Plan.Version, a)
	b.Generation, b.Current, b.EvaluatedAt = s.Generation, currentName(s), at(s.At)
	b.Subject.Name, b.Policy.Digest, b.Run, b.Links.Run = s.Title, c.digest(), runOf(v), c.runLink(v.ID())
	b.ExpiresAt, b.NextEvaluationAt = times(s, a.Final)
	if a.Phase < 0 {
		b.wholeRun(s)
	} else {
		b.ofPhase(v, a.Phase)
	}
	if a.Stale {
		b.Summary = a.Headline
	}
	if v.ID() != "" {
		b.Policy.URI = *b.Links.Run
	}
	b.Links.Self = c.Link("v1", "gates", s.Plan, b.Phase, view(a.Question)) + about(v.ID(), b.Version)
	return b
}

// AbsentBody is the answer of a gate while there is no such run, or while it cannot be
// read. run is the id that was asked for, empty where a version was.
func (c *Site) AbsentBody(plan, phase, version, run string, a *Answer) Body {
	b := c.blank(plan, version, a)
	b.Phase, b.Summary = phase, a.Sentence
	b.State = rules.Waiting.String()
	_, _, try, _ := rules.ParseRunID(run)
	b.Run = Run{ID: run, Version: version, Try: try, State: rules.Waiting.String(), Verdict: b.Verdict, Cause: b.Cause, Reason: a.Sentence}
	b.Links.Self, b.Links.Run = c.Link("v1", "gates", plan, phase, view(a.Question))+about(run, version), c.runLink(run)
	return b
}

// about is the query that asks for the same run again.
func about(run, version string) string {
	switch {
	case run != "":
		return "?run=" + url.QueryEscape(run)
	case version != "":
		return "?version=" + url.QueryEscape(version)
	}
	return ""
}

func view(q Question) string {
	if q == Entry {
		return "entry"
	}
	return "verdict"
}

// blank is a body with what the answer alone says.
func (c *Site) blank(plan, version string, a *Answer) Body {
	v := a.Outcome.Verdict()
	return Body{
		APIVersion: APIVersion, Plan: plan, Question: a.Question, Version: version,
		Verdict: v.String(), Cause: a.Cause, Pass: a.Outcome == IsPass, Final: a.Final, Stale: a.Stale, Action: actionOf(v),
		Headline: a.Headline, Sentence: a.Sentence, Reason: a.Sentence, Detail: lines(a.Detail), Do: doOf(&a.Text),
		Subject: Subject{Version: version}, Policy: Policy{URI: c.Link("v1", "plans", plan)}, Rules: []Rule{}, Approvals: []Approval{},
	}
}

func doOf(t *words.Text) Do { return Do{Action: t.Do, Command: t.Command, Owner: t.Who} }

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

func (b *Body) ofPhase(v *RunView, k int) {
	s := &v.Snapshot
	p := &s.Phases[k]
	b.Phase, b.Title, b.State = p.Name, p.Title, p.State.String()
	b.Window, b.Deadline = Span{at(p.Started), at(p.WindowEnd)}, at(p.Deadline)
	b.Traffic = trafficOf(p)
	b.Rules = phaseRules(v, p)
	b.Approvals = toSign(s, p.Name)
	b.DataAsOf = newest(b.Rules)
	b.PercentComplete = percentComplete(s, p)
	b.Summary = summary(s, p, b.Rules)
	if by, why := overridden(p); by != "" {
		b.Override = &Override{Verdict: p.Verdict.String(), By: by, Principal: p.Why.Principal, Why: why, At: at(p.Decided)}
	}
}

// trafficOf is the share that a phase was planned to have, and what it is seen to have.
func trafficOf(p *fact.PhaseView) Traffic {
	t := Traffic{TargetPercent: number(p.Traffic, rules.Percent)}
	o := p.Observed
	if o == nil {
		return t
	}
	t.MismatchSince = at(o.Mismatch)
	if o.Known {
		t.ObservedPercent = number(math.Round(o.Share*1e5)/1e5, rules.Percent)
		t.ObservedSince, t.ObservedAt = at(o.Since), at(o.At)
	}
	return t
}

func (b *Body) wholeRun(s *fact.Snapshot) {
	b.Phase, b.Title, b.State = WholeRun, s.Title, s.State.String()
	b.Approvals = toSign(s, "")
	b.Window, b.Deadline = Span{at(s.Start), at(s.End)}, at(s.Horizon)
	b.PercentComplete = percent(s.Start, s.End, s.At)
	passed := 0
	for k := range s.Phases {
		if s.Phases[k].State == rules.Passed {
			passed++
		}
	}
	b.Summary = fmt.Sprintf("%s; %d of %d phases passed", strings.ReplaceAll(b.State, "_", " "), passed, len(s.Phases))
	if isHeld(s) && s.Holder.By != "" {
		b.Summary += ", held by " + s.Holder.By
	}
}

func times(s *fact.Snapshot, final bool) (expiresAt, next *time.Time) {
	if !final {
		expiresAt = at(Expires(s))
	}
	if !s.Over {
		next = at(s.At.Add(s.Interval))
	}
	return expiresAt, next
}

func runOf(v *RunView) Run {
	s := &v.Snapshot
	return Run{
		ID: v.ID(), Version: v.Plan.Version, Try: v.Plan.Binding.Try, Start: at(s.Start),
		State: s.State.String(), Verdict: s.Verdict.String(), Cause: s.Cause.String(), Reason: words.Run(v.Plan, s).Sentence,
		Held: s.Held, Hold: holdOf(v), Over: s.Over, RolledBack: s.RolledBack,
	}
}

func holdOf(v *RunView) *Hold {
	s := &v.Snapshot
	if !s.Held {
		return nil
	}
	h := &Hold{Kind: "person", By: s.Holder.By, Principal: s.Holder.Principal, Cause: s.Holder.Cause.String(), Reason: holdReason(v.Plan, s)}
	switch {
	case s.Holder.Rule:
		h.Kind = "rule"
	case s.Holder.Mismatch.Code != "":
		h.Kind, h.By = "traffic", s.Holder.Mismatch.Phase
	}
	return h
}

func phaseRules(v *RunView, p *fact.PhaseView) []Rule {
	out := make([]Rule, 0, len(p.Success)+len(p.Rollback))
	for i := range p.Success {
		out = append(out, ruleOf(v, &p.Success[i]))
	}
	for _, i := range p.Rollback {
		out = append(out, ruleOf(v, &v.Snapshot.Rollback[i]))
	}
	return out
}

func ruleOf(v *RunView, r *fact.RuleView) Rule {
	t := words.Rule(v.Plan, r, v.Snapshot.At)
	out := Rule{
		ID: r.Name, Title: r.Title, Kind: r.Kind.String(), Result: resultOf(r), State: string(r.State),
		Verdict: r.Verdict.String(), Cause: r.Cause.String(), Reason: t.Sentence, Evidence: evidence(&r.Evidence, r.Kind == rules.Success),
		Owner: r.Owner, Action: r.Action, Command: r.Command, Query: r.Query, WouldHave: r.WouldHave,
	}
	mode := rules.Enforce
	if r.Shadow {
		mode = rules.Shadow
	}
	out.Mode = mode.String()
	if r.Evidence.Op == rules.NoOp {
		out.planned(v.Plan, r.Name, r.Kind)
	}
	return out
}

func resultOf(r *fact.RuleView) string {
	if r.Kind == rules.RollbackRule {
		switch r.State {
		case fact.RuleFired:
			return "triggered"
		case fact.RuleBreaching:
			return "breaching"
		case fact.RuleWarning:
			return "warning"
		case fact.RuleHolding:
			return "holding"
		case fact.RuleWouldFire, fact.RuleWouldHold:
			return string(r.State)
		case fact.RuleClear:
			return "not_triggered"
		case fact.RuleIdle:
			return "pending"
		}
		return missing(r.Cause)
	}
	switch {
	case r.Verdict == rules.Unknown && r.State == fact.RuleIdle:
		return "pending"
	case r.Verdict == rules.Unknown || r.State == fact.RuleSilent && r.Verdict == rules.Pending:
		return missing(r.Cause)
	case r.Verdict == rules.Rollback:
		return rules.Fail.String()
	}
	return r.Verdict.String()
}

func missing(c rules.Cause) string {
	switch c {
	case rules.CauseNoData, rules.CauseStale, rules.CauseUnsettled, rules.CauseSourceError, rules.CauseInsufficientSamples:
		return c.String()
	}
	return "unknown"
}

// percentComplete is how much of a phase's window has passed: by now, or by when
// the phase was decided.
func percentComplete(s *fact.Snapshot, p *fact.PhaseView) int {
	until := s.At
	if Decided(p.State) && !p.Decided.IsZero() {
		until = p.Decided
	}
	return percent(p.Started, p.WindowEnd, until)
}

// percent is how much of a stretch has passed at a time.
func percent(from, to, now time.Time) int {
	switch length := to.Sub(from); {
	case from.IsZero() || length <= 0 || now.Before(from):
		return 0
	case !now.Before(to):
		return 100
	default:
		return int(100 * now.Sub(from) / length)
	}
}

// summary is how far a phase is, and how its rules stand.
func summary(s *fact.Snapshot, p *fact.PhaseView, rs []Rule) string {
	var b strings.Builder
	switch {
	case Decided(p.State):
		b.WriteString(strings.ReplaceAll(p.State.String(), "_", " "))
	case p.Started.IsZero():
		b.WriteString("waiting, planned for " + stamp(p.Scheduled))
	default:
		length := p.WindowEnd.Sub(p.Started)
		fmt.Fprintf(&b, "monitoring window %s of %s", short(max(0, min(s.At.Sub(p.Started), length))), short(length))
	}
	if isHeld(s) {
		b.WriteString(", held")
		if s.Holder.By != "" {
			b.WriteString(" by " + s.Holder.By)
		}
	}
	c := tally(rs)
	fmt.Fprintf(&b, "; %d of %d %s good", c.good, len(rs)-c.shadow, ruleOrRules(len(rs)-c.shadow))
	if c.warning > 0 {
		fmt.Fprintf(&b, " (%d with a warning)", c.warning)
	}
	if c.bad > 0 {
		fmt.Fprintf(&b, ", %d bad", c.bad)
	}
	switch {
	case c.behind > 0 && Decided(p.State):
		fmt.Fprintf(&b, ", %d not good by then", c.behind)
	case c.behind > 0:
		fmt.Fprintf(&b, ", %d not good so far", c.behind)
	}
	if c.silent > 0 {
		fmt.Fprintf(&b, ", %d without an answer", c.silent)
	}
	if c.shadow > 0 {
		fmt.Fprintf(&b, ", %d in shadow", c.shadow)
	}
	return b.String()
}

func ruleOrRules(n int) string {
	if n == 1 {
		return "rule"
	}
	return "rules"
}

// standings counts rules by how they speak of the release. A warning stops nothing:
// its rule is among the good. A success rule is bad once it has failed; before that
// it is behind when it would not pass as it stands. Rules in shadow count apart.
type standings struct{ good, warning, bad, behind, silent, shadow int }

func tally(rs []Rule) standings {
	var c standings
	for i := range rs {
		if rs[i].Mode == rules.Shadow.String() {
			c.shadow++
			continue
		}
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
func (c *standings) pending(state string) {
	switch fact.RuleState(state) {
	case fact.RuleClear:
		c.good++
	case fact.RuleWarning:
		c.good++
		c.warning++
	case fact.RuleBreaching, fact.RuleHolding:
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

func currentName(s *fact.Snapshot) string {
	if s.Current < 0 || s.Current >= len(s.Phases) {
		return ""
	}
	return s.Phases[s.Current].Name
}
