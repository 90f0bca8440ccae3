package rules

import (
	"fmt"
	"strings"
)

// Severity says whether a problem keeps a plan from running.
type Severity uint8

const (
	SeverityError   Severity = iota // the plan cannot run
	SeverityWarning                 // it can, and is probably not what was meant
	SeverityNote                    // something that could be known and is not
)

// Problem is one thing that is wrong with a plan.
type Problem struct {
	Path     string   `json:"path"` // key path, "rollback.api-5xx-high.when"; see [Path]
	ID       string   `json:"id"`   // which lint, "unknown-signal"
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`       // what is wrong
	Fix      string   `json:"fix,omitempty"` // what to do about it
}

// Problems is everything that is wrong with a plan. It is an error when one of
// them is.
type Problems []Problem

// Error joins the errors, one a line.
func (ps Problems) Error() string {
	var lines []string
	for _, p := range ps {
		lines = append(lines, p.Path+": "+p.Message)
	}
	return strings.Join(lines, "\n")
}

// line is the problem in one line, with what to do about it.
func (p Problem) line() string {
	line := p.Path + ": " + p.Message
	if p.Fix != "" {
		line += ": " + p.Fix
	}
	return line
}

// Errors counts the problems that keep the plan from running.
func (ps Problems) Errors() int {
	n := 0
	for _, p := range ps {
		if p.Severity == SeverityError {
			n++
		}
	}
	return n
}

// Path joins keys to a key path, and quotes those that TOML would quote.
func Path(keys ...string) string {
	quoted := make([]string, len(keys))
	for i, k := range keys {
		quoted[i] = k
		if !bareKey(k) {
			quoted[i] = fmt.Sprintf("%q", k)
		}
	}
	return strings.Join(quoted, ".")
}

func bareKey(k string) bool {
	for i := range len(k) {
		c := k[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return k != ""
}
