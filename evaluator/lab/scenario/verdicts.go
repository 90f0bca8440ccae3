package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/rules"
)

// verdict is one expected answer: of a phase, of a rule in a phase, or of the run.
type verdict struct {
	line    int
	at      time.Duration
	rule    string // empty for a phase or the run
	subject string // a phase, or "run"
	verdict rules.Verdict
	state   string // a State, or a RuleState of a rule; empty is not compared
	cause   *rules.Cause
	reason  string // a part of what is said of it; empty is not compared
}

// verdict reads "T+15m lambda-10 pending monitoring window" and "T+15m errors in
// lambda-10 pending: it cannot pass".
func (p *parser) verdict(n int, line string) {
	v, err := parseVerdict(line)
	if err != nil {
		p.failf(n, "%v", err)
		return
	}
	v.line = n
	p.file.verdicts = append(p.file.verdicts, v)
}

func parseVerdict(line string) (verdict, error) {
	head, reason, _ := strings.Cut(line, ": ")
	fields := strings.Fields(head)
	v := verdict{reason: strings.TrimSpace(reason)}
	if len(fields) > 4 && fields[2] == "in" {
		v.rule = fields[1]
		fields = slices.Delete(fields, 1, 3)
	}
	if len(fields) < 3 {
		return v, fmt.Errorf("%q: want \"T+15m PHASE verdict\", then perhaps the state, the cause and \": a part of the reason\"; PHASE may be run, or RULE in PHASE", line)
	}
	v.subject = fields[1]
	var err error
	if v.at, err = parseTime(fields[0]); err != nil {
		return v, err
	}
	if err = v.verdict.UnmarshalText([]byte(fields[2])); err != nil {
		return v, err
	}
	for _, word := range fields[3:] {
		var c rules.Cause
		switch {
		case v.state == "" && slices.Contains(v.states(), word):
			v.state = word
		case v.cause == nil && word != "" && c.UnmarshalText([]byte(word)) == nil:
			v.cause = &c
		default:
			return v, fmt.Errorf("%q is neither a state, %v, nor a cause", word, v.states())
		}
	}
	return v, nil
}

// states lists what a state may be.
func (v *verdict) states() []string {
	var names []string
	if v.rule != "" {
		for _, s := range fact.RuleStates() {
			names = append(names, string(s))
		}
		return names
	}
	for _, s := range rules.States() {
		names = append(names, s.String())
	}
	return names
}

func (v *verdict) String() string {
	subject := v.subject
	if v.rule != "" {
		subject = v.rule + " in " + subject
	}
	s := fmt.Sprintf("%s %s %s", formatTime(v.at), subject, v.verdict)
	if v.state != "" {
		s += " " + v.state
	}
	if v.cause != nil {
		s += " " + v.cause.String()
	}
	if v.reason != "" {
		s += ": " + v.reason
	}
	return s
}

// answered is what a snapshot says of the same subject, as exact as was asked; ok
// is whether it is what was expected. The reason is given as far as it was
// expected, in full where it is another.
func (v *verdict) answered(plan *rules.Plan, s *fact.Snapshot) (got verdict, ok bool, err error) {
	now, said, err := v.find(plan, s)
	if err != nil {
		return now, false, err
	}
	got = verdict{at: v.at, rule: v.rule, subject: v.subject, verdict: now.verdict}
	ok = now.verdict == v.verdict
	if v.state != "" {
		got.state, ok = now.state, ok && now.state == v.state
	}
	if v.cause != nil {
		got.cause, ok = now.cause, ok && *now.cause == *v.cause
	}
	if v.reason != "" {
		got.reason = v.reason
		if !saidIn(said, v.reason) {
			got.reason, ok = allOf(said), false
		}
	}
	return got, ok, nil
}

// find gives all that a snapshot says of the subject.
func (v *verdict) find(plan *rules.Plan, s *fact.Snapshot) (verdict, words.Text, error) {
	if v.subject == "run" && v.rule == "" {
		return verdict{verdict: s.Verdict, state: s.State.String(), cause: &s.Cause}, words.Run(plan, s), nil
	}
	i := slices.IndexFunc(s.Phases, func(p fact.PhaseView) bool { return p.Name == v.subject })
	if i < 0 {
		return verdict{}, words.Text{}, fmt.Errorf("unknown phase %q", v.subject)
	}
	p := &s.Phases[i]
	if v.rule == "" {
		return verdict{verdict: p.Verdict, state: p.State.String(), cause: &p.Cause}, words.Phase(plan, s, i), nil
	}
	list := slices.Clone(p.Success)
	for _, k := range p.Rollback {
		list = append(list, s.Rollback[k])
	}
	i = slices.IndexFunc(list, func(r fact.RuleView) bool { return r.Name == v.rule })
	if i < 0 {
		return verdict{}, words.Text{}, fmt.Errorf("phase %q has no rule %q", v.subject, v.rule)
	}
	r := &list[i]
	return verdict{verdict: r.Verdict, state: string(r.State), cause: &r.Cause}, words.Rule(plan, r, s.At), nil
}
