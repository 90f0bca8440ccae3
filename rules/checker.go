package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Checker reports problems of the value at one key path.
type Checker struct {
	path  string
	found *Problems
}

// Check begins at a path, which [Path] has made, and collects into found.
func Check(path string, found *Problems) Checker { return Checker{path, found} }

// At is the Checker of a key in the table.
func (c Checker) At(keys ...string) Checker {
	path := Path(keys...)
	if c.path != "" {
		path = c.path + "." + path
	}
	return Checker{path, c.found}
}

// Index is the Checker of an element of the array.
func (c Checker) Index(i int) Checker {
	return Checker{c.path + "[" + strconv.Itoa(i) + "]", c.found}
}

// Fail reports an error. What is wrong is said by format, what to do by fix.
func (c Checker) Fail(id, fix, format string, args ...any) {
	c.report(SeverityError, id, fix, format, args...)
}

// Warn reports a warning.
func (c Checker) Warn(id, fix, format string, args ...any) {
	c.report(SeverityWarning, id, fix, format, args...)
}

// Note reports what is worth knowing and no fault.
func (c Checker) Note(id, fix, format string, args ...any) {
	c.report(SeverityNote, id, fix, format, args...)
}

// Where is the key path that the Checker reports.
func (c Checker) Where() string { return c.path }

func (c Checker) report(severity Severity, id, fix, format string, args ...any) {
	*c.found = append(*c.found, Problem{
		Path: c.path, ID: id, Severity: severity, Message: fmt.Sprintf(format, args...), Fix: fix,
	})
}

// Required reports a key that is missing from the table, with what could stand
// there.
func (c Checker) Required(key string, missing bool, example string) {
	if missing {
		c.At(key).Fail("missing", "write "+Path(key)+" = "+example, "missing")
	}
}

// Excess reports a key that means nothing where it stands.
func (c Checker) Excess(key string, present bool, why string) {
	if present {
		c.At(key).Fail("excess-key", "leave it out", "%s", why)
	}
}

// OneOf reports a name that is not one of the known ones, and whether it is.
func (c Checker) OneOf(id, what, name string, known []string) bool {
	if slices.Contains(known, name) {
		return true
	}
	fix := DidYouMean(name, known)
	switch {
	case fix != "":
	case len(known) == 0:
		fix = "there is none yet"
	case len(known) > 12:
		fix = "known: " + strings.Join(known[:12], ", ") + ", …"
	default:
		fix = "known: " + strings.Join(known, ", ")
	}
	c.Fail(id, fix, "unknown %s %q", what, name)
	return false
}

// Name reports a name that cannot stand in URLs, metrics and ids of runs.
func (c Checker) Name(name string) {
	if !plainName(name) {
		c.Fail("bad-name", "", `name %q: want at most 64 letters, digits, "-", "_" and ".", the first a letter or digit`, name)
	}
}

func plainName(name string) bool {
	plain := strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == ""
	return plain && name != "" && len(name) <= 64 && !strings.ContainsAny(name[:1], "_-.")
}

// Span reports a length of time outside its bounds, or not in whole seconds:
// event time is counted in those.
func (c Checker) Span(key string, d *Duration, low, high time.Duration) {
	switch {
	case d == nil:
	case d.Duration < low || d.Duration > high:
		c.At(key).Fail("out-of-range", "", "%v: want %v to %v", d, Duration{low}, Duration{high})
	case d.Duration%time.Second != 0:
		c.At(key).Fail("out-of-range", "", "%v: want whole seconds", d)
	}
}
