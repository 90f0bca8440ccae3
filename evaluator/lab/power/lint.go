package power

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// tolerable is how likely a rule may be wrong about a healthy release before that is
// worth a warning.
const tolerable = 0.05

// Lint warns of what a plan's rules cannot decide, given the lines of [Forecast], and
// says what would help. It never keeps a plan from running. Of rules that weigh
// evidence and whose signal has no expected rate it gives notes.
func Lint(plan *rules.Plan, lines []Line) rules.Problems {
	ln := linter{seen: map[string]int{}}
	top := rules.Check("", &ln.found)
	for i := range lines {
		l := &lines[i]
		table := top.At(l.Kind.String(), l.Rule)
		window := top.At("phases", l.Phase, "window")
		switch {
		case l.Blind == "traffic":
			ln.idle(top.At("phases", l.Phase, "traffic"))
		case l.Blind != "":
			ln.blind(table, l)
		case l.Pass != nil && l.rule.Gate == rules.Required:
			ln.pass(window, l)
		case l.Single != nil && l.Single.Fails > tolerable && l.rule.Gate != rules.Advisory:
			ln.single(window, l)
		case len(l.Detect) > 0:
			ln.detect(window, l)
			ln.alarms(table.At("when"), l)
		}
		ln.gaps(table, l)
		ln.beside(top.At("phases", l.Phase, "traffic"), l)
	}
	ln.alone(top, plan)
	ln.unbudgeted(top, plan)
	ln.rates(top, plan)
	return ln.found
}

type linter struct {
	found rules.Problems
	seen  map[string]int // :: what a problem is of → its index in found
}

// once reports whether nothing was said of a thing yet. To what was said the phase
// is added.
func (ln *linter) once(what string, l *Line) bool {
	i, ok := ln.seen[what]
	if !ok {
		ln.seen[what] = len(ln.found)
		return true
	}
	p := &ln.found[i]
	p.Message += fmt.Sprintf("; phase %q too", l.Phase)
	return false
}

// holds begins a message: what a window has. Only periods that lie wholly in it count.
func (l *Line) holds() string {
	t := &l.traffic
	window, has, in := rules.Duration{Duration: l.phase.Window}.String(), "has", ""
	switch n := t.buckets(t.window); {
	case t.part:
		window, has = "the last "+rules.Duration{Duration: t.window}.String()+" of "+window, "have"
	case n == 0:
		return fmt.Sprintf("%s has no period of %v of %q that lies wholly in it", window, rules.Duration{Duration: t.period}, l.Signal)
	case n == 1 && t.window != l.phase.Window:
		in = fmt.Sprintf(" in the one period of %v that lies wholly in it", rules.Duration{Duration: t.period})
	case t.window != l.phase.Window:
		in = fmt.Sprintf(" in the %d periods of %v that lie wholly in it", n, rules.Duration{Duration: t.period})
	}
	return fmt.Sprintf("%s at %s %s %s samples of %q%s", window, perTime(l.PerMinute), has, number(l.Samples), l.Signal, in)
}

// idle warns of a phase that gets none of the traffic.
func (ln *linter) idle(at rules.Checker) {
	if _, told := ln.seen[at.Where()]; told {
		return
	}
	ln.seen[at.Where()] = len(ln.found)
	at.Warn("thin-traffic", "give it a share of the traffic",
		"the phase gets no traffic: its rules have no samples, and rules that need samples cannot pass")
}

func (ln *linter) blind(at rules.Checker, l *Line) {
	if l.Blind == "coverage" || !ln.once(at.At(l.Blind).Where(), l) {
		return
	}
	of, samples := "the window", l.Samples
	if l.Kind == rules.RollbackRule && l.Method == rules.ByThreshold {
		d := max(l.rule.Over, l.rule.For, l.traffic.period)
		of, samples = rules.Duration{Duration: d}.String(), l.traffic.in(d)
	}
	result := "the rule could hardly ever pass"
	if l.Kind == rules.RollbackRule {
		result = "the rule could hardly ever fire"
	}
	at.At("min_samples").Warn("min-samples-out-of-reach", "make it smaller or the stretch longer",
		"phase %q: at %s %s has %s samples: %s", l.Phase, perTime(l.PerMinute), of, number(samples), result)
}

// pass warns of a window that is too short for its rule to pass a healthy release.
func (ln *linter) pass(at rules.Checker, l *Line) {
	need := l.Pass.Needed()
	if need.By == InWindow {
		return
	}
	can := ""
	if w := l.Pass.Weak; w != nil && need != w && w.By == InWindow {
		can = "it can exclude " + l.shown(w.Bound) + ", "
	}
	what := "prove " + l.claim()
	if need != &l.Pass.Strong {
		what = "exclude " + l.shown(need.Bound)
	}
	extend := rules.Duration{Duration: l.phase.Extend}
	switch {
	case l.scant() && need.Typical < l.rule.MinSamples && need.By != Never:
		at.Warn("passes-late", span(need.Minutes)+" would do; evidence knows by itself how many samples it needs: leave min_samples out",
			"%s: rule %q wants %s (min_samples) and passes late", l.holds(), l.Rule, number(l.rule.MinSamples))
	case need.AtBest == Never:
		at.Warn("cannot-pass", ln.longer(l, need), "%s: for rule %q %sit cannot %s, also not with %v more", l.holds(), l.Rule, can, what, extend)
	case need.By == Never:
		at.Warn("seldom-passes", ln.longer(l, need), "%s: for rule %q %sit can %s only if hardly any sample is bad; most healthy releases (%s) stay undecided, also with %v more", l.holds(), l.Rule, can, what, l.shown(l.Pass.Healthy), extend)
	default:
		at.Warn("passes-late", ln.longer(l, need), "%s: for rule %q %sit cannot %s: a healthy release (%s) passes only after more time", l.holds(), l.Rule, can, what, l.shown(l.Pass.Healthy))
	}
}

// longer says which window would do.
func (ln *linter) longer(l *Line, need *Proof) string {
	if need.Minutes <= 0 {
		return `give it gate = "veto" or "advisory": no practical window can prove this`
	}
	fix := span(need.Minutes) + " would do"
	if share, ok := l.share(need); ok {
		fix += ", or " + rules.Percent.Short(share) + " of the traffic"
	}
	if d, ok := l.traffic.until(need.Most); ok && need.Most > need.Typical {
		fix += "; in " + span(d.Minutes()) + " 95 % of healthy releases pass"
	}
	if l.signal.Kind == rules.Gauge || need.Minutes > 7*24*60 {
		fix += `; else give it gate = "veto" or "advisory"`
	} else if need == &l.Pass.Strong && l.Pass.Weak != nil && l.Pass.Weak.By == InWindow {
		fix += fmt.Sprintf(`; or let success.%s have proof = "weak"`, rules.Path(l.Rule))
	}
	return fix
}

// share is how much of the traffic would do in the same window, if that is not so
// much that the phase asked for more.
func (l *Line) share(need *Proof) (float64, bool) {
	have := l.traffic.in(l.traffic.ripe())
	if have <= 0 || l.scant() {
		return 0, false
	}
	share := math.Ceil(100*l.phase.Traffic*need.Typical/have-1e-9) / 100
	most := 1.
	if l.phase.Traffic < rules.StrongFrom && l.rule.Proof == rules.ProofByTraffic && l.Pass.Needs == rules.ProofWeak {
		most = rules.StrongFrom - .01
	}
	return share, share <= most
}

func (ln *linter) single(at rules.Checker, l *Line) {
	fix := `let the rule weigh evidence = "sequential"`
	if l.signal.Kind == rules.Percentile {
		fix = `judge it by aggregate = "exceedance" and let it weigh evidence = "sequential"`
	}
	if d, ok := l.enough(); ok {
		fix = span(d.Minutes()) + " would do, or " + fix
	}
	at.Warn("false-failures", fix, "%s: rule %q fails a healthy release (%s, half of its limit) in %s of all cases",
		l.holds(), l.Rule, l.shown(l.Single.Healthy), percent(l.Single.Fails))
}

// enough is a window in which a single look is seldom wrong about a healthy release.
func (l *Line) enough() (time.Duration, bool) {
	b, _ := breachOf(l.rule, l.signal)
	if l.signal.Kind == rules.Percentile {
		return 0, false // more periods have a worse worst one
	}
	for d := l.traffic.window; d < 60*24*time.Hour; d += d/4/l.traffic.period*l.traffic.period + l.traffic.period {
		if fails, _ := b.chance(l.traffic.in(d)/l.traffic.cluster, l.Single.Healthy, 0); fails <= tolerable {
			return d, true
		}
	}
	return 0, false
}

// detect warns of a window in which its rollback rule would miss even a fault that
// is twice as bad as the trigger.
func (ln *linter) detect(at rules.Checker, l *Line) {
	worst := l.Detect[len(l.Detect)-1]
	missed := worst.Minutes <= 0 || worst.Minutes > l.phase.Window.Minutes()
	if worst.Power != nil {
		missed = *worst.Power < .5
	}
	if !missed {
		return
	}
	fix := "make it longer or the share larger"
	if l.rule.For >= l.phase.Window {
		fix = fmt.Sprintf("make it longer than the rule's for, %v, or that shorter", rules.Duration{Duration: l.rule.For})
	}
	if worst.Minutes > 0 {
		fix = span(worst.Minutes) + " would find it in every second release"
	}
	if g := l.Gaps; g != nil && g.Stretch > 0 && g.Stretch < .5 {
		fix = fmt.Sprintf("let the rule have a smaller coverage: it wants %s of the periods, and %s have any samples", rules.Percent.Short(l.rule.Coverage), percent(1-g.Empty))
	}
	how := ""
	if worst.Power != nil {
		how = " in " + percent(*worst.Power) + " of all cases"
	} else {
		how = " seldom or never"
	}
	at.Warn("slow-to-detect", fix, "%s: rollback rule %q finds a fault that is there from its start (%s)%s before the window ends",
		l.holds(), l.Rule, l.shown(worst.Rate), how)
}

// alarms warns of a rule that fires on healthy releases.
func (ln *linter) alarms(at rules.Checker, l *Line) {
	if l.False == nil || l.False.Window <= tolerable || !ln.once(at.Where(), l) {
		return
	}
	fix := `let the rule weigh evidence = "sequential", or judge more samples at once with over`
	if l.signal.Kind == rules.Percentile {
		fix = `judge it by aggregate = "exceedance" and let it weigh evidence = "sequential"`
	}
	at.Warn("false-alarms", fix,
		"phase %q: at %s the rule fires on a healthy release (%s) in %s of all cases within %v",
		l.Phase, perTime(l.PerMinute), l.shown(l.False.Healthy), percent(l.False.Window), rules.Duration{Duration: l.phase.Window})
}

// rates notes signals that have no rate, so that nothing could be said of them.
func (ln *linter) rates(top rules.Checker, plan *rules.Plan) {
	told := map[string]bool{}
	for k := range plan.Phases {
		p := &plan.Phases[k]
		for _, i := range append(append([]int{}, p.Success...), p.Rollback...) {
			r := &plan.Rules[i]
			s := &plan.Signals[r.ShownSignal]
			// Reviews and a query's groups come as they come; few know their rate.
			counted := s.Kind == rules.Ratio || s.Kind == rules.Percentile
			if r.Method != rules.Sequential || !counted || s.Rate > 0 || told[s.Name] {
				continue
			}
			told[s.Name] = true
			top.At("signals", s.Name, "expected_rate").Note("no-rate", `write expected_rate = "2/s", or what it is`,
				"missing: without it, check cannot say whether its rules can decide in their windows")
		}
	}
}

// Table is a forecast as lines of columns, for people.
func Table(lines []Line) [][]string {
	var rows [][]string
	for i := range lines {
		l := &lines[i]
		rows = append(rows, []string{l.Phase, l.Rule, perTime(l.PerMinute), number(l.Samples), strings.TrimSpace(l.String())})
	}
	return rows
}
