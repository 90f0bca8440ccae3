package wire

import (
	"bytes"
	"fmt"
	"unicode/utf16"

	"github.com/relgate/relgate/rules"
)

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
