package wire

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/relgate/relgate/rules"
)

// Plain is text from elsewhere on one line: what could show as something else than what
// is written is an escape, "\u001b" or "\u202e".
func Plain(text string) string {
	if rules.UnsafeIn(text) == "" {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case rules.Unsafe(r) == "":
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		default: // as JSON does it, so that a line of a JSON log stays one
			for _, unit := range utf16.AppendRune(nil, r) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		}
	}
	return b.String()
}

// PlainJSON is the same JSON with JSON's own escapes for what could show as something
// else where people look at it: bidirectional controls, invisible characters, controls.
// White space between values stays.
func PlainJSON(text []byte) []byte {
	if !bytes.ContainsFunc(text, escaped) {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		if !escaped(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.Bytes()
}

// escaped reports whether a character of JSON is written as an escape. What is below a
// space can only stand between values there.
func escaped(r rune) bool { return r >= 0x7f && rules.Unsafe(r) != "" }
