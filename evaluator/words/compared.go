package words

import (
	"fmt"
	"math"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// pastRate is the rate of the earlier releases.
func (s *speaker) pastRate() string {
	v := s.weighed.Past.Bad / s.weighed.Past.Samples
	if s.sig.Good {
		v = 1 - v
	}
	return rate(s.sig.Good, v)
}

// worse says how surely a release is worse than what it is compared with.
func (s *speaker) worse() string {
	w := s.weighed
	switch {
	case w.Past != nil && w.Past.Worse >= math.Ln2:
		return fmt.Sprintf("Chance of this in a release as good as those before: under %s (warns at %s)", oneIn(w.Past.Worse), oneIn(w.Bound))
	case w.Baseline != nil && max(w.Baseline.Worse, w.Baseline.Warning) >= math.Ln2:
		return fmt.Sprintf("Chance of this in a release no worse than the baseline: under %s (warns at %s)", oneIn(max(w.Baseline.Worse, w.Baseline.Warning)), oneIn(w.Bound))
	}
	return ""
}

// beside compares with what runs beside the release.
func (s *speaker) beside() string {
	b := s.weighed.Baseline
	if b == nil {
		return ""
	}
	counts := fmt.Sprintf("%s of %s", count(b.Bad), count(b.Samples))
	switch {
	case !b.Compared && !s.weighed.Rung.Holds():
		return ""
	case !b.Compared && b.Samples > 0:
		return fmt.Sprintf("The baseline has ended, with %s: the limit alone decides", counts)
	case !b.Compared:
		return "The baseline has no samples in these minutes: the limit alone decides"
	case b.Unreachable:
		return "The source of the baseline is unreachable"
	case b.Samples <= 0:
		return "The baseline over the same minutes is not known yet"
	}
	text := fmt.Sprintf("Baseline over the same minutes: %s (%s)", counts, share(b.Bad/b.Samples))
	if !b.Until.IsZero() {
		text += " until " + clock(b.Until, s.at)
	}
	if e := max(b.Worse, 0); e >= evidence.ConfirmAt {
		text += fmt.Sprintf("; chance of this in a release no worse: under %s", oneIn(e))
	}
	return text
}

// past compares with the releases before.
func (s *speaker) past() string {
	p := s.weighed.Past
	switch {
	case p == nil:
		return ""
	case p.Looked == 0:
		return "No baseline yet: no earlier release has passed here"
	case p.Releases == 0:
		return "No baseline yet: earlier releases did not count this"
	}
	who := "The last release that passed"
	if p.Releases > 1 {
		who = fmt.Sprintf("The last %d releases that passed", p.Releases)
	}
	text := fmt.Sprintf("%s: %s (%s of %s)", who, s.pastRate(), count(p.Bad), count(p.Samples))
	if s.rule.Kind == rules.RollbackRule && s.weighed.Rung == fact.WarnRung && s.weighed.Rests == rules.CauseBaseline {
		text += "; they ran at other times, so this only warns"
	}
	return text
}
