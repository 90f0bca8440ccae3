package evaluator

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// clock is how reasons write a time.
const clock = "2006-01-02 15:04:05 MST"

// span writes a number of seconds: "45 s", "10m0s".
func span(seconds int64) string {
	if seconds < 60 {
		return strconv.FormatInt(seconds, 10) + " s"
	}
	return (time.Duration(seconds) * time.Second).String()
}

// count writes a number of samples with separators: "6,012".
func count(n float64) string {
	if n != math.Trunc(n) || math.Abs(n) >= 1e15 {
		return strconv.FormatFloat(n, 'g', 6, 64)
	}
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// what names what a rule judges: its title, and for a derived signal what is
// counted.
func what(plan *rules.Plan, r *rules.Rule) string {
	t := r.Title
	if t == "" {
		t = r.Name
	}
	sig := &plan.Signals[r.Signal]
	if sig.Of < 0 || sig.Of >= len(plan.Signals) || r.ShownSignal == r.Signal {
		return t
	}
	return t + ", share above " + plan.Signals[sig.Of].Unit.Short(sig.Above) + ":"
}

// units gives the unit that a rule's value is shown in.
func units(plan *rules.Plan, r *rules.Rule) rules.Unit {
	sig := &plan.Signals[r.Signal]
	if sig.Kind == rules.Percentile && r.Aggregate == rules.Share {
		return rules.Percent
	}
	return sig.Unit
}

// compared writes a value beside its threshold: "5.03 % > 3 %". When the
// condition does not hold it writes the one that does.
func compared(plan *rules.Plan, r *rules.Rule, v float64) string {
	u, c := units(plan, r), r.When
	if plan.Signals[r.Signal].Kind == rules.Percentile && r.Aggregate == rules.Share {
		c = rules.Condition{Op: rules.GreaterOrEqual, Threshold: r.MinShare}
		return fmt.Sprintf("%s of points %s, wanted %s", u.Short(v), r.When, u.Short(c.Threshold))
	}
	op := c.Op
	if !c.Holds(v) {
		op = opposite(op)
	}
	return fmt.Sprintf("%s %s %s", u.Short(v), op, u.Short(c.Threshold))
}

func opposite(op rules.Op) rules.Op {
	switch op {
	case rules.Less:
		return rules.GreaterOrEqual
	case rules.LessOrEqual:
		return rules.Greater
	case rules.Greater:
		return rules.LessOrEqual
	case rules.GreaterOrEqual:
		return rules.Less
	case rules.Equal:
		return rules.NotEqual
	case rules.NotEqual:
		return rules.Equal
	}
	return op
}

// numbers writes what a value rests on: "(10 of 10 points, 6,012 samples,
// newest 45 s old)".
func numbers(v *stretch, at int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "(%d of %d points, %s samples", v.points, v.expected, count(v.samples))
	if v.newest != 0 {
		fmt.Fprintf(&b, ", newest %s old", span(max(0, at-v.newest)))
	}
	b.WriteString(")")
	return b.String()
}

func (s *stepper) firedReason(r *rules.Rule, j *judged) string {
	if r.Datapoints.M > 0 {
		return datapointsWords(s.plan, r, j, &j.fire, s.at)
	}
	forWhat := ""
	if r.For > 0 {
		forWhat = " for " + r.For.String()
	} else if r.Over > 0 {
		forWhat = " over " + r.Over.String()
	}
	return fmt.Sprintf("%s %s%s %s", what(s.plan, r), compared(s.plan, r, j.fire.value), forWhat, numbers(&j.fire, s.at))
}

func (s *stepper) ruleReason(r *rules.Rule, rs *ruleState, j *judged) string {
	return rollbackWords(s.lay, r, rs, j, s.at)
}

// rollbackWords says where a rollback rule stands that has not fired.
func rollbackWords(lay *layout, r *rules.Rule, rs *ruleState, j *judged, at int64) string {
	plan := lay.plan
	v := j.shown()
	switch rs.state {
	case codeIdle:
		if !rs.active {
			return fmt.Sprintf("%s: no phase that names it has begun", plainTitle(r))
		}
		return fmt.Sprintf("%s: waiting for the first data", plainTitle(r))
	case codeSilent:
		last := "nothing known yet"
		if v.newest != 0 {
			last = "newest point " + span(max(0, at-v.newest)) + " old"
		}
		return fmt.Sprintf("%s cannot be judged: %s, %s", plainTitle(r), causeWords(rs.cause), last)
	case codeBreaching:
		if j.last != 0 {
			return keptWords(plan, r, j, at)
		}
		if r.Datapoints.M > 0 {
			return datapointsWords(plan, r, j, &v, at)
		}
		return fmt.Sprintf("%s %s for %s of %s %s", what(plan, r), compared(plan, r, v.value), span(v.to-v.from), r.For, numbers(&v, at))
	}
	if r.Datapoints.M > 0 {
		return datapointsWords(plan, r, j, &v, at)
	}
	return fmt.Sprintf("%s %s %s", what(plan, r), compared(plan, r, v.value), numbers(&v, at))
}

func plainTitle(r *rules.Rule) string {
	if r.Title != "" {
		return r.Title
	}
	return r.Name
}

func (s *stepper) silentReason(r *rules.Rule, since int64, c rules.Cause) string {
	return fmt.Sprintf("%s cannot be judged for %s: %s, and its policy is %s", plainTitle(r), span(s.at-since), causeWords(c), policyFor(r, c))
}

// successWords says where a success rule stands in its phase.
func successWords(lay *layout, st *State, v *successView, open bool) string {
	plan, r := lay.plan, v.rule
	if v.alarm {
		return alarmWords(lay, v)
	}
	value := "no value yet"
	if v.stretch.known {
		value = compared(plan, r, v.stretch.value)
	}
	text := fmt.Sprintf("%s %s %s", what(plan, r), value, numbers(&v.stretch, st.at))
	switch {
	case open && v.silence.cause != rules.CauseNone:
		return text + " so far: " + causeWords(v.silence.cause)
	case open:
		return text + " so far"
	case v.opinion.verdict == rules.Pending && v.opinion.cause == rules.CauseInsufficientSamples:
		return text + ": wants " + wanted(r)
	case v.opinion.verdict == rules.Pending:
		return text + ": " + causeWords(v.opinion.cause)
	}
	return text
}

// wanted is how much of a window a rule wants to see before it judges it.
func wanted(r *rules.Rule) string {
	points := rules.Percent.Short(r.Coverage) + " of the points"
	if r.MinSamples > 0 {
		return count(r.MinSamples) + " samples and " + points
	}
	return points
}

func (s *stepper) successReason(k, i int) string {
	if f := s.st.phases[k].success[i].frozen; f != nil {
		return f.reason
	}
	v := s.judgedView(k, i)
	return s.st.viewWords(s.lay, k, i, s.at, &v)
}

// passCause is what a phase passes by: by evidence where any of its rules does.
func (s *stepper) passCause(k int) rules.Cause {
	p, judged := &s.plan.Phases[k], false
	for i := range s.st.phases[k].success {
		ss := &s.st.phases[k].success[i]
		switch {
		case s.plan.Rules[p.Success[i]].Gate == rules.Advisory || ss.verdict != rules.Pass:
		case ss.cause == rules.CauseEvidence:
			return rules.CauseEvidence
		default:
			judged = true
		}
	}
	for _, r := range p.Rollback {
		if !judged && s.lay.weigh[r] != nil {
			return rules.CauseEvidence
		}
	}
	return rules.CauseThreshold
}

// passReason puts the values of a passed phase in one sentence.
func (s *stepper) passReason(k int) string {
	var parts []string
	for i := range s.st.phases[k].success {
		if !s.st.phases[k].success[i].ignored {
			parts = append(parts, s.successReason(k, i))
		}
	}
	switch n := len(s.plan.Phases[k].Rollback); {
	case n == 1:
		parts = append(parts, "1 rollback rule clear")
	case n > 1:
		parts = append(parts, fmt.Sprintf("%d rollback rules clear", n))
	}
	return strings.Join(parts, "; ")
}

// causeWords says a cause to people.
func causeWords(c rules.Cause) string {
	switch c {
	case rules.CauseNoData:
		return "no data"
	case rules.CauseStale:
		return "data has not settled or is too old"
	case rules.CauseSourceError:
		return "the source cannot be asked"
	case rules.CauseInsufficientSamples:
		return "too few samples or points, or too little evidence"
	case rules.CauseConfig:
		return "the source says that the question is wrong"
	case rules.CauseWindow:
		return "the window has not ended"
	case rules.CauseManual:
		return "a person decided"
	case rules.CauseBaseline:
		return "the comparison with the baseline decides"
	case rules.CauseApproval:
		return "waiting to be started"
	}
	return "not judged yet"
}

func signalReason(sig *rules.Signal, rd *rules.Reading) string {
	if rd.Fault == rules.OK {
		return fmt.Sprintf("%s answers again", sig.Name)
	}
	if rd.Detail == "" {
		return fmt.Sprintf("%s: %s", sig.Name, rd.Fault)
	}
	return fmt.Sprintf("%s: %s: %s", sig.Name, rd.Fault, rd.Detail)
}
