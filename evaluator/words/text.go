package words

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Text is what is said of something, at three lengths.
type Text struct {
	Headline string   // at most 80 characters: "ROLLBACK: API 5xx 5.0 % > 3 % for 11 min (552 of 11,010)"
	Sentence string   // what it is, one number that says how sure, one next step
	Detail   []string // lines, for who asks why; none of them repeats the sentence
	Do       string   // what to do now; empty where there is nothing to do
	Command  string   // the rehearsed command; empty where there is none
	Who      string   // owner
}

// The first word of a headline.
const (
	pass       = "PASS"
	wait       = "WAIT"
	hold       = "HOLD"
	fail       = "FAIL"
	rollback   = "ROLLBACK"
	unknown    = "UNKNOWN"
	superseded = "SUPERSEDED"
	warn       = "WARN"
	shadow     = "SHADOW"   // a rule in shadow has something against the release
	note       = "NOTE"     // something changed that is not good or bad for the release
	cleared    = "CLEAR"    // a rollback rule has nothing against the release
	ok         = "OK"       // a command was carried out, a source answers again
	refused    = "REFUSED"  // a command was not
	due        = "DUE"      // a message is to be sent
	notSent    = "NOT SENT" // a message is not to be sent any more
)

func verdictWord(v rules.Verdict) string {
	switch v {
	case rules.Pass:
		return pass
	case rules.Fail:
		return fail
	case rules.Rollback:
		return rollback
	case rules.Pending:
		return wait
	}
	return unknown
}

// width is the most characters of a headline.
const width = 80

// headline puts a verb and what follows together, in at most 80 characters. What
// stands in the parts behind the first gives way, last ones first; then the first
// is cut at a word.
func headline(verb string, parts ...string) string {
	parts = clean(parts)
	for n := len(parts); n > 1; n-- {
		if line := verb + ": " + strings.Join(parts[:n], " "); utf8.RuneCountInString(line) <= width {
			return line
		}
	}
	line := verb
	if len(parts) > 0 {
		line += ": " + parts[0]
	}
	return cut(line)
}

// cut shortens a line to 80 characters: to what stands before a semicolon, or at a word
// where there is one.
func cut(line string) string {
	r := []rune(line)
	if len(r) <= width {
		return line
	}
	if whole := string(r[:width+1]); strings.LastIndex(whole, ";") > width/2 {
		return whole[:strings.LastIndex(whole, ";")]
	}
	short := string(r[:width-2])
	if i := strings.LastIndexByte(short, ' '); i > width/2 {
		short = short[:i]
	}
	return strings.TrimRight(short, " ,;:(") + " …"
}

// clean gives the texts that say something, each on one line.
func clean(texts []string) []string {
	var list []string
	for _, t := range texts {
		if t = strings.Join(strings.Fields(t), " "); t != "" {
			list = append(list, t)
		}
	}
	return list
}

// sentence puts short sentences behind each other, with capitals and full stops.
func sentence(parts ...string) string {
	var b strings.Builder
	for _, p := range clean(parts) {
		if b.Len() > 0 {
			b.WriteString(" ")
		}
		b.WriteString(strings.TrimRight(p, "."))
		if !strings.HasSuffix(p, "?") {
			b.WriteString(".")
		}
	}
	return b.String()
}

// capital writes the first letter of a text large.
func capital(s string) string {
	_, first := utf8.DecodeRuneInString(s)
	return strings.ToUpper(s[:first]) + s[first:]
}

// causeText says a cause.
func causeText(c rules.Cause) string {
	switch c {
	case rules.CauseThreshold:
		return "its value decides"
	case rules.CauseWindow:
		return "its window has not ended"
	case rules.CauseNoData:
		return "no data"
	case rules.CauseStale:
		return "newest data too old"
	case rules.CauseUnsettled:
		return "data not settled yet"
	case rules.CauseSourceError:
		return "the source is unreachable"
	case rules.CauseInsufficientSamples:
		return "too few samples"
	case rules.CauseApproval:
		return "waiting for a start command"
	case rules.CauseManual:
		return "a person decided"
	case rules.CauseConfig:
		return "the source rejected the query"
	case rules.CauseEvidence:
		return "its evidence decides"
	case rules.CauseBaseline:
		return "the comparison with the baseline decides"
	}
	return "not judged yet"
}

// Fault says what was wrong with a reading: "the source is unreachable".
func Fault(f rules.Fault) string {
	switch f {
	case rules.NoData:
		return "the source has no data"
	case rules.StaleData:
		return "the source's newest data is too old"
	case rules.PartialData:
		return "the source answered in part"
	case rules.Throttled:
		return "the source asks to slow down"
	case rules.AuthFault:
		return "the source refused the credentials"
	case rules.ConfigFault:
		return "the source rejected the query"
	case rules.Unavailable:
		return "the source is unreachable or failed"
	}
	return "the source answered"
}

// ruleNamed finds a rule of a kind, nil without one.
func ruleNamed(plan *rules.Plan, kind rules.RuleKind, name string) *rules.Rule {
	for i := range plan.Rules {
		if r := &plan.Rules[i]; r.Kind == kind && r.Name == name {
			return r
		}
	}
	return nil
}

// anyRule finds a rule by name, a rollback rule first.
func anyRule(plan *rules.Plan, name string) *rules.Rule {
	if r := ruleNamed(plan, rules.RollbackRule, name); r != nil {
		return r
	}
	return ruleNamed(plan, rules.Success, name)
}

// titleOf is a rule's own title, or the name that it goes by.
func titleOf(plan *rules.Plan, name string) string {
	if r := anyRule(plan, name); r != nil && r.Title != "" {
		return r.Title
	}
	return name
}

func phaseNamed(plan *rules.Plan, name string) *rules.Phase {
	for k := range plan.Phases {
		if plan.Phases[k].Name == name {
			return &plan.Phases[k]
		}
	}
	return nil
}

// stateText writes a state as people say it.
func stateText(s string) string { return strings.ReplaceAll(s, "_", " ") }

// isText says in which state something is: "has failed".
func isText(s string) string {
	switch s {
	case rules.Failed.String(), rules.Passed.String():
		return "has " + s
	case rules.Monitoring.String():
		return "is under way"
	}
	return "is " + stateText(s)
}

// by names who did something, and the reason.
func by(who, why string) string {
	text := ""
	if who != "" {
		text = " by " + who
	}
	if why != "" {
		text += ": " + why
	}
	return text
}

// viewOf finds what a snapshot says of a success rule in a phase, nil without it.
func viewOf(p *fact.PhaseView, rule string) *fact.RuleView {
	for i := range p.Success {
		if p.Success[i].Name == rule {
			return &p.Success[i]
		}
	}
	return nil
}

// rollbackView finds what a snapshot says of a rollback rule, nil without it.
func rollbackView(s *fact.Snapshot, rule string) *fact.RuleView {
	for i := range s.Rollback {
		if s.Rollback[i].Name == rule {
			return &s.Rollback[i]
		}
	}
	return nil
}

// sorted lists the keys of a map in order.
func sorted(m map[string]string) []string {
	keys := slices.Collect(maps.Keys(m))
	slices.Sort(keys)
	return keys
}
