package words

import (
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// age says how old data must be before they count.
func (s *speaker) age() string {
	if s.sig.Maturity > 0 {
		return "are " + spanOf(s.sig.Maturity) + " old"
	}
	return "have settled"
}

// atPresent is a wait at the present traffic, in words.
func (s *speaker) atPresent(more fact.Shortfall) string {
	if s.weighed.Outlook.Present <= 0 {
		return " (none come at present)"
	}
	return fmt.Sprintf(" (%s at this traffic)", span(more.Wait))
}

// ahead says what would decide, the most important first.
func (s *speaker) ahead() []string {
	w := s.weighed
	if s.decided() || s.rule.Kind != rules.Success || w.Rung.Holds() || s.view.Why.Code == fact.WhyCutShort {
		return nil
	}
	if s.sig.Kind == rules.Gauge {
		return clean([]string{s.gapAhead()})
	}
	o := w.Outlook
	if o == nil || w.Window != nil && w.Window.Refutes {
		return nil
	}
	c := countedAs(s.plan, s.sig)
	excludes, proves := "", s.shortfall(&o.Proves, c.good, "prove "+s.target())
	if w.Trigger != w.Limit {
		excludes = s.shortfall(&o.Excludes, c.good, "exclude the "+s.trigger()+" trigger")
		if w.Weak && o.Meets.More == 0 {
			excludes += ", enough for this phase"
		}
	}
	first, second := proves, excludes
	if w.Weak && excludes != "" {
		first, second = excludes, proves
	}
	lines := []string{first, second}
	if w.Weak && o.Meets.More > 0 {
		good := c.good
		if s.sig.Kind == rules.Mean {
			good = noun{"review of five stars", "reviews of five stars"}
		}
		lines = append([]string{capital(good.more(o.Meets.More)) + fmt.Sprintf(" needed to meet %s%s", s.target(), s.atPresent(o.Meets))}, lines...)
	}
	if s.sig.Kind == rules.Mean {
		lines = append(lines, s.shortfall(&o.Fails, c.good, "show it bad"))
	}
	switch {
	case o.Futile:
		lines = append([]string{"Cannot pass before its deadline at this traffic, even with no further failures: extend the window or send more traffic"}, lines...)
	case o.Late:
		lines = append([]string{"Its samples count only after its deadline: extend the window"}, lines...)
	}
	if o.WarnBad > 0 {
		lines = append(lines, capital(c.bad.more(o.WarnBad))+fmt.Sprintf(" in the next %s would warn", count(o.WarnIn)))
	}
	return clean(lines)
}

// shortfall says what it takes to show something: "about 360 more good samples
// would prove < 1 % (18 min at this traffic)".
func (s *speaker) shortfall(n *fact.Shortfall, good noun, what string) string {
	switch {
	case n.Never && s.sig.Kind == rules.Mean:
		return ""
	case n.Never:
		return "No number of samples would " + what
	case n.Young && n.Ripe.IsZero():
		return fmt.Sprintf("These would %s once they %s", what, s.age())
	case n.Young:
		return fmt.Sprintf("These would %s once they %s, at %s", what, s.age(), clock(n.Ripe, s.at))
	case n.More > 0:
		return capital(good.more(n.More)) + " would " + what + s.atPresent(*n)
	}
	return "These " + what
}

// gapAhead says what would decide about a gap.
func (s *speaker) gapAhead() string {
	g := s.weighed.Groups
	switch {
	case g == nil || g.Compared < 2:
		return ""
	case g.AtMost <= s.weighed.Limit && g.Thin:
		return "The source gave no value with these groups, so nothing passes on them"
	case g.AtMost <= s.weighed.Limit:
		return "These prove it small enough"
	case g.Decides > 0 && s.ev.Value > s.weighed.Limit:
		return fmt.Sprintf("About %s samples a group would prove it too large", about(g.Decides))
	case g.Decides > 0:
		return fmt.Sprintf("About %s samples a group would prove it small enough", about(g.Decides))
	}
	return ""
}

// window says what the window itself showed, where that was worse than it is together
// with what was gathered after it.
func (s *speaker) window() string {
	o := s.weighed.Window
	if o == nil {
		return ""
	}
	own := o.Bad / o.Samples
	if s.sig.Good {
		own = 1 - own
	}
	text := fmt.Sprintf("%s in the window, %s with the %s after it", rate(s.sig.Good, own), rate(s.sig.Good, s.ev.Value), spanOf(time.Duration(o.After)*time.Second))
	if o.Refutes {
		text += fmt.Sprintf(": the window missed %s, which nothing after it makes good", s.target())
	}
	return text
}
