package rules

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// claims are the words, in English, by which a message says that a release has gone well.
var claims = []string{"success", "successful", "successfully", "passed", "complete", "completed", `live to 100\s*%`, `rolled out`}

// noClaim are the words that take it back where they stand before: "is being rolled out".
var noClaim = []string{"not", "yet", "be", "being", "until", "once", "when", "if", "after"}

var claim = regexp.MustCompile(`(?i)(?:\b(` + strings.Join(noClaim, "|") + `)\s+)?\b(` + strings.Join(claims, "|") + `)(?:[^\pL\pN]|$)`)

// claimOf is the first claim of a text, empty where it has none.
func claimOf(text string) string {
	for _, found := range claim.FindAllStringSubmatch(text, -1) {
		if found[1] == "" {
			return found[2]
		}
	}
	return ""
}

// lintClaim warns of a message that says that the release has gone well, and falls due
// before that can be decided.
func (c *compiler) lintClaim(at Checker, m *CommunicationSpec) {
	key, said := "text", claimOf(m.Text)
	if said == "" {
		key, said = "subject", claimOf(m.Subject)
	}
	if said == "" || m.At == nil {
		return
	}
	due := m.At.Duration + c.startOf(m.At.Phase)
	what, end := c.spokenOf(m)
	if due >= end || c.waits(m.OnlyIf, end) {
		return
	}
	who := "the run"
	if what != "run" {
		who = fmt.Sprintf("phase %q", what)
	}
	at.At(key).Warn("claims-early", fmt.Sprintf(`write on = "%s passed" in place of at, or only_if = "%[1]s passed" with a grace of %s or more`, what, formatSpan(end-due)),
		"says %q and falls due at %v, and %s cannot have passed before %v", said, Offset{due}, who, Offset{end})
}

// startOf is when a phase begins at the earliest, as time since T: 0 without a phase.
func (c *compiler) startOf(phase string) time.Duration {
	for i := range c.plan.Phases {
		if p := &c.plan.Phases[i]; p.Name == phase {
			return p.Start
		}
	}
	return 0
}

// spokenOf is what a message speaks of, the run or a phase, and when that can be decided at
// the earliest, as time since T. It speaks of the last of the phases that it names, else of
// the phase from whose start it counts, else of the run.
func (c *compiler) spokenOf(m *CommunicationSpec) (what string, end time.Duration) {
	counted, last := time.Duration(0), time.Duration(0)
	for i := range c.plan.Phases {
		p := &c.plan.Phases[i]
		over := p.Start + p.Window
		if names(m.Text+" "+m.Subject, p.Name) || names(m.Text+" "+m.Subject, p.Title) {
			if what == "" || over > end {
				what, end = p.Name, over
			}
		}
		if p.Name == m.At.Phase {
			counted = over
		}
		last = max(last, over)
	}
	switch {
	case what != "":
		return what, end
	case counted != 0:
		return m.At.Phase, counted
	}
	return "run", last
}

// names reports whether a text has a name, as a word of its own.
func names(text, name string) bool {
	return regexp.MustCompile(`(?i)(?:^|[^\pL\pN_-])` + regexp.QuoteMeta(name) + `(?:[^\pL\pN_-]|$)`).MatchString(text)
}

// waits reports whether a condition holds a message back until what can be decided at end
// has passed.
func (c *compiler) waits(w *Wanted, end time.Duration) bool {
	if w == nil || w.Not {
		return false
	}
	for _, s := range w.States {
		if s != Passed {
			return false
		}
	}
	for i := range c.plan.Phases {
		if p := &c.plan.Phases[i]; p.Name == w.Phase {
			return p.Start+p.Window >= end
		}
	}
	return true // the run
}
