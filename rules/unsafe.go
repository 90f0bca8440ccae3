package rules

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Unsafe names the class of a character that can make a terminal, a log or a page
// show something else than what is written: "a line break", "the escape character",
// "a control character", "a bidirectional control", "an invisible character". It is
// empty for every other one.
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
	case unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r), strings.ContainsRune(blanks, r):
		return "an invisible character"
	}
	return ""
}

// blanks is letters and marks that show nothing: the grapheme joiner, the fillers of
// Hangul, the inherent vowels of Khmer, the variation selectors of Mongolian, and the
// empty Braille cell.
const blanks = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"

// UnsafeIn is the class of the first unsafe character of a text, or "text that is not
// UTF-8"; empty where there is none. The joiner between two emoji, which makes one
// picture of them, is safe there.
func UnsafeIn(text string) string {
	if !utf8.ValidString(text) {
		return "text that is not UTF-8"
	}
	before := rune(0)
	for i, r := range text {
		if class := Unsafe(r); class != "" && !(r == joiner && emojiEnds(before) && emojiBegins(text[i+utf8.RuneLen(joiner):])) {
			return class
		}
		before = r
	}
	return ""
}

const joiner = '\u200d'

// emojiEnds reports whether an emoji may end with a character: a symbol, a tone of skin,
// or the mark for a picture in colour.
func emojiEnds(r rune) bool {
	return unicode.Is(unicode.So, r) || r >= 0x1f3fb && r <= 0x1f3ff || r == 0xfe0f
}

// emojiBegins reports whether a text begins with an emoji.
func emojiBegins(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	return unicode.Is(unicode.So, r) && r != utf8.RuneError
}

// OneLine is a text from elsewhere as it may be kept: on one line, with spaces for what
// is unsafe, and valid UTF-8.
func OneLine(text string) string {
	if UnsafeIn(text) == "" {
		return text
	}
	return strings.Map(func(r rune) rune {
		if Unsafe(r) != "" {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
