package rules

import (
	"strconv"
	"time"
)

// lintRollout warns of phases of one target whose traffic does not grow from one to
// the next.
func (c *compiler) lintRollout(at Checker) {
	for i := range c.plan.Phases {
		p := &c.plan.Phases[i]
		before := c.before(i)
		for k := len(before) - 1; k >= 0; k-- {
			if q := before[k]; c.spec.Phases[i].Traffic != nil && p.Traffic < q.Traffic {
				at.At(p.Name, "traffic").Warn("traffic-falls", "put the phases in the order of their traffic, or give what is another rollout a target of its own",
					"%s, and phase %q before it has %s", Percent.Format(p.Traffic), q.Name, Percent.Format(q.Traffic))
				break
			}
		}
		if p.Traffic != 1 || p.Advance != Scheduled {
			continue
		}
		for _, q := range before {
			if end := q.Start + q.Window; q.Traffic < 1 && p.Start < end {
				at.At(p.Name, "start").Warn("phases-overlap", `write "`+Offset{end}.String()+`" or later`,
					"%v is inside the window of phase %q, %s until %v: everyone gets the release before that is known", Offset{p.Start}, q.Name, Percent.Format(q.Traffic), Offset{end})
				break
			}
		}
	}
}

// before lists the phases before one that roll out the same target.
func (c *compiler) before(i int) []*Phase {
	var list []*Phase
	for k := range c.plan.Phases[:i] {
		if q := &c.plan.Phases[k]; q.Target == c.plan.Phases[i].Target {
			list = append(list, q)
		}
	}
	return list
}

// oldStart is how long ago a start is that was probably forgotten.
const oldStart = day

// LintNow reports what is wrong with the plan at a time: it was written for one
// that is over.
func (p *Plan) LintNow(now time.Time) Problems {
	var found Problems
	if ago := now.Sub(p.Start); !p.Template() && ago > oldStart {
		Check("release", &found).At("start").Note("old-start", "write the start of the next release",
			"%s ago: a run that begins now begins late, and its phases with it", daysText(ago))
	}
	return found
}

// daysText is a length of time in whole days.
func daysText(d time.Duration) string {
	if n := int(d / day); n > 1 {
		return strconv.Itoa(n) + " days"
	}
	return "a day"
}
