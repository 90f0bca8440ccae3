package rules

import "strings"

// A placeholder is a name in braces: {version}. Braces around anything else are
// text, so that JSON and shell code may stand beside placeholders. {{name}} is
// how the text {name} itself is written.

// expand replaces the placeholders of a text by what value gives for their names
// and for the text that stands before. A text without placeholders comes back as
// it is.
func expand(text string, value func(name, before string) string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	var b strings.Builder
	for text != "" {
		before, name, after, ok := nextPlaceholder(text)
		b.WriteString(before)
		if !ok {
			break
		}
		if doubled(before, after) {
			// One of the two braces on the left is written already.
			b.WriteString(name)
			text = after
			continue
		}
		b.WriteString(value(name, b.String()))
		text = after
	}
	return b.String()
}

// nextPlaceholder cuts a text at its first name in braces. For {{name}} before
// ends with one brace and after begins with one.
func nextPlaceholder(text string) (before, name, after string, ok bool) {
	for i := 0; i < len(text); i++ {
		if text[i] != '{' {
			continue
		}
		if n := bareName(text[i+1:]); n > 0 && i+1+n < len(text) && text[i+1+n] == '}' {
			return text[:i], text[i+1 : i+1+n], text[i+2+n:], true
		}
	}
	return text, "", "", false
}

// doubled reports whether the name between the two stands in double braces.
func doubled(before, after string) bool {
	return strings.HasSuffix(before, "{") && strings.HasPrefix(after, "}")
}

// bareName is how long the name is that s begins with, 0 when it begins with none.
func bareName(s string) int {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '_' || c == '.' || c == '-')) {
			return i
		}
	}
	return len(s)
}

// placeholderNames lists the names of a text's placeholders, in order.
func placeholderNames(text string) []string {
	var names []string
	expand(text, func(name, _ string) string {
		names = append(names, name)
		return ""
	})
	return names
}
