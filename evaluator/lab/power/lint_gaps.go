package power

import (
	"fmt"

	"github.com/relgate/relgate/rules"
)

// gaps warns of a rule that counts empty periods as missing ones.
func (ln *linter) gaps(at rules.Checker, l *Line) {
	g := l.Gaps
	if g == nil || l.Blind != "" && l.Blind != "coverage" {
		return
	}
	if l.Blind != "" || l.patchy() {
		ln.uncovered(at.At("coverage"), l)
	}
	if on := at.At("on_no_data"); l.Blind == "" && g.Acts > tolerable && ln.once(on.Where()+" acts", l) {
		on.Warn("false-silence", "make grace longer than such a gap, or leave on_no_data at hold",
			"phase %q: at %s a gap of %s without samples comes in %s of all windows of %v: the release %s then, however good it is",
			l.Phase, perTime(l.PerMinute), span(g.quiet.Minutes()), percent(g.Acts), rules.Duration{Duration: l.phase.Window}, fate(l.rule.OnNoData))
	}
}

// patchy reports whether too many releases have to do without the rule's coverage,
// which their phase needs to pass.
func (l *Line) patchy() bool {
	needed := l.Kind == rules.RollbackRule || l.rule.Gate == rules.Required
	return l.Gaps != nil && 1-l.Gaps.Covered > tolerable && needed
}

// uncovered warns of a coverage that the traffic does not have.
func (ln *linter) uncovered(at rules.Checker, l *Line) {
	if !ln.once(at.Where()+" covered", l) {
		return
	}
	g := l.Gaps
	fix := "make the signal's period longer"
	c, grace := l.lighter(), ""
	if g.Tail > tolerable/2 {
		grace = fmt.Sprintf("grace = %q", l.patient())
	}
	switch {
	case c <= 0:
	case grace != "" && c < l.rule.Coverage:
		fix = fmt.Sprintf("write coverage = %q and %s, which its window nearly always has, or %s", rules.Percent.Short(c), grace, fix)
	case grace != "":
		fix = fmt.Sprintf("write %s, so that the end of its window is nearly always known, or %s", grace, fix)
	default:
		fix = fmt.Sprintf("write coverage = %q, which its window nearly always has, or %s", rules.Percent.Short(c), fix)
	}
	full := "only " + percent(1-g.Empty)
	if 1-g.Empty < .01 {
		full = "fewer than 1 %"
	}
	at.Warn("thin-traffic", fix, "phase %q: at %s %s of the periods of %v have any samples, and the rule wants %s: %s",
		l.Phase, perTime(l.PerMinute), full, rules.Duration{Duration: l.traffic.period}, rules.Percent.Short(l.rule.Coverage), l.costs())
}

// costs says what becomes of a rule without its coverage, and of its phase.
func (l *Line) costs() string {
	g, text := l.Gaps, ""
	if l.Kind == rules.RollbackRule && l.Blind != "" {
		text = "the rule could hardly ever fire, and "
	}
	if g.Silent > tolerable {
		text += fmt.Sprintf("the rule is silent in %s of the time, and ", percent(g.Silent))
	}
	missed := percent(1 - g.Covered)
	switch policy := l.rule.OnNoData; {
	case !l.patchy():
		return fmt.Sprintf("%sit cannot judge its window in %s of all cases", text, missed)
	case l.Kind == rules.Success && (policy == rules.PolicyFail || policy == rules.PolicyRollback):
		return fmt.Sprintf("%seven a good release %s in %s of all cases", text, fate(policy), missed)
	}
	return fmt.Sprintf("%seven a good release stays undecided in %s of all cases", text, missed)
}

// fate is what a policy does to a release.
func fate(p rules.Policy) string {
	if p == rules.PolicyRollback {
		return "is rolled back"
	}
	return "fails its phase"
}
