package rules

import (
	"slices"
	"strings"
)

// reserved are the names that a parameter cannot have, because a placeholder or a
// setting of that name means something else.
var reserved = []string{"version", "previous", "plan", "name"}

func (c *compiler) lintParameters(top Checker) {
	for _, s := range c.spec.Parameters {
		at := top.At("parameters", s.Name)
		if n := bareName(s.Name); n == 0 || n < len(s.Name) || strings.Contains(s.Name, ".") || len(s.Name) > 64 {
			at.Fail("bad-name", "", `name %q: want at most 64 small letters, digits, "_" and "-", the first a letter`, s.Name)
		}
		if slices.Contains(reserved, s.Name) {
			at.Fail("bad-name", "choose another name", "{%s} means something else", s.Name)
		}
		if s.Required && s.Default != nil {
			at.At("required").Fail("conflict", "keep one of them", "a default is given as well")
		}
		if _, err := wholePattern(s.Pattern); err != nil {
			at.At("pattern").Fail("bad-value", `write a regular expression (RE2) such as "[0-9]+"`, "%v", err)
			continue
		}
		d := c.plan.parameter(s.Name)
		if s.Default != nil {
			if err := d.takes(s.Default.Text); err != nil {
				at.At("default").Fail("bad-value", "", "%v", err)
			}
		} else if c.plan.Version != "" {
			at.Fail("missing", "give it a default", "the plan begins its run by itself, so nothing tells it this parameter")
		}
	}
}

// lintPrevious checks what the release says of the one before.
func (c *compiler) lintPrevious(at Checker) {
	for _, name := range sortedKeys(c.spec.Release.Previous) {
		value, at := c.spec.Release.Previous[name].Text, at.At(name)
		if name == "version" {
			if err := CheckVersion(value); err != nil {
				at.Fail("bad-version", "", "%v", err)
			}
			continue
		}
		if !at.OneOf("unknown-parameter", "parameter", name, c.plan.parameterNames()) {
			continue
		}
		if err := c.plan.parameter(name).takes(value); err != nil {
			at.Fail("bad-value", "", "%v", err)
		}
	}
}

// lintTexts checks the placeholders of all texts, and the texts that come of them.
func (c *compiler) lintTexts() {
	top := Check("", &c.problems)
	c.lintParameters(top)
	c.lintPrevious(top.At("release", "previous"))
	used := map[string]bool{} // :: parameter → whether a placeholder names it
	said := map[string]bool{} // :: key path and text → whether it has been checked
	c.plan.eachText(func(text *string, _ textUse, keys ...string) {
		if keys[0] == "signals" && keys[2] == "baseline" && *text != c.specs[c.signals[keys[1]]].Baseline.Value {
			return // the release's own query has it too
		}
		at := Check(textPath(keys...), &c.problems)
		if said[at.Where()+*text] {
			return // a derived signal has the text of the declared one
		}
		said[at.Where()+*text] = true
		for _, name := range placeholderNames(*text) {
			c.lintPlaceholder(at, keys, name)
			used[strings.TrimPrefix(name, "previous.")] = true
		}
	})
	for _, d := range c.plan.Parameters {
		if !used[d.Name] {
			top.At("parameters", d.Name).Warn("unused-parameter", "write {"+d.Name+"} where it is meant, or leave it out", "no text has {%s}", d.Name)
		}
	}
	if len(used) > 0 && c.problems.Errors() == 0 {
		_, found := c.plan.filled(c.plan.examples())
		c.problems = append(c.problems, found...)
	}
}

// lintPlaceholder reports a placeholder that stands for nothing. That of a signal
// which another file declares is reported for this plan, which lacks the
// parameter.
func (c *compiler) lintPlaceholder(at Checker, keys []string, name string) {
	if c.knownPlaceholder(name) {
		return
	}
	message := keys[0] == "communications"
	if _, ok := c.plan.MessageField(name); ok && message {
		return
	}
	if i, ok := c.signals[keys[1]]; ok && keys[0] == "signals" && i >= c.shared {
		parameter := strings.TrimPrefix(name, "previous.")
		Check("parameters", &c.problems).At(parameter).Fail("unknown-parameter", "declare it, or name another signal", "missing: signal %q, which the rules name, has {%s}", keys[1], name)
		return
	}
	names := []string{"version", "previous", "plan"}
	for _, n := range c.plan.parameterNames() {
		names = append(names, n, "previous."+n)
	}
	if message {
		names = append(names, messageFields...)
		for i := range c.plan.Rules {
			names = append(names, valueField+c.plan.Rules[i].Name)
		}
	}
	fix := "declare it in [parameters], or write {{" + name + "}} for the text itself"
	if near := Nearest(name, names); near != "" {
		fix = "did you mean {" + near + "}? Write {{" + name + "}} for the text itself"
	}
	at.Fail("unknown-placeholder", fix, "{%s} stands for nothing", name)
}

func (c *compiler) knownPlaceholder(name string) bool {
	switch name {
	case "version", "previous", "plan":
		return true
	}
	return c.plan.parameter(strings.TrimPrefix(name, "previous.")) != nil
}
