package wire

import (
	"unicode"
	"unicode/utf8"
)

// Unsafe names the class of a character that can make a terminal, a log or a page
// show something else than what is written: "a line break", "the escape character",
// "a control character", "a bidirectional control". It is empty for every other one.
func Unsafe(r rune) string {
	switch {
	case r == '\n', r == '\r', r == '\v', r == '\f', r == 0x85, r == 0x2028, r == 0x2029:
		return "a line break"
	case r == 0x1b, r == 0x9b:
		return "the escape character"
	case unicode.IsControl(r):
		return "a control character"
	case unicode.Is(unicode.Bidi_Control, r):
		return "a bidirectional control"
	}
	return ""
}

// UnsafeIn is the class of the first unsafe character of a text, or "text that is not
// UTF-8"; empty where there is none.
func UnsafeIn(text string) string {
	if !utf8.ValidString(text) {
		return "text that is not UTF-8"
	}
	for _, r := range text {
		if class := Unsafe(r); class != "" {
			return class
		}
	}
	return ""
}
