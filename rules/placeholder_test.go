package rules

import (
	"strings"
	"testing"
)

func TestBracesAroundABareNameAreAPlaceholder(t *testing.T) {
	value := func(name, _ string) string { return "<" + name + ">" }
	for text, want := range map[string]string{
		"":                              "",
		"com.x@{version}+100":           "com.x@<version>+100",
		"{a}{b-2_c.d}":                  "<a><b-2_c.d>",
		"--routing-config Weights={}":   "--routing-config Weights={}",
		`{"a":{"b":1}}`:                 `{"a":{"b":1}}`,
		`{"a":{version}}`:               `{"a":<version>}`,
		"{Version} {1a} { a } {a b} {a": "{Version} {1a} { a } {a b} {a",
		"${HOME} ${name}":               "${HOME} $<name>",
		"{{name}}":                      "{name}",
		"{{name}} and {name}":           "{name} and <name>",
		"{a}{{b}}{c}":                   "<a>{b}<c>",
		"{{a}{b}}":                      "{<a><b>}",
		"{{ .Values.x }}":               "{{ .Values.x }}",
	} {
		if got := expand(text, value); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// Whatever the text: no panic; text without placeholders stays what it is, and a
// placeholder leaves the text around it alone.
func FuzzPlaceholder(f *testing.F) {
	for _, text := range []string{"", "{}", "{a}", "{{a}}", "x{a.b-c_1}y", `{"a":{"b":{c}}}`, "{{{a}}}", "{a", "é{a}\x00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		names := placeholderNames(text)
		same := expand(text, func(name, _ string) string { return "{" + name + "}" })
		if len(names) == 0 && !strings.Contains(text, "{{") && same != text {
			t.Errorf("%q has no placeholder and becomes %q", text, same)
		}
		if !strings.Contains(text, "{{") && same != text {
			t.Errorf("%q: putting the names back gives %q", text, same)
		}
		for _, n := range names {
			if bareName(n) != len(n) || !strings.Contains(text, "{"+n+"}") {
				t.Errorf("%q: found %q, which is no name in braces", text, n)
			}
		}
	})
}
