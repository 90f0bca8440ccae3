package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/relgate/relgate/exporters/wire"
)

// plain is text from elsewhere on one line of a terminal or a log: what could show as
// something else is written as an escape, "\x1b" or "\u202e".
func plain(text string) string {
	if wire.UnsafeIn(text) == "" {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case wire.Unsafe(r) == "":
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// plainJSON is JSON from elsewhere on one line. It stays the same JSON: what could
// show as something else is written as JSON's own escape.
func plainJSON(raw []byte) []byte {
	var compact, out bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return []byte("{}") // unreachable: it was read as JSON before
	}
	for _, r := range strings.ToValidUTF8(compact.String(), "\uFFFD") {
		if wire.Unsafe(r) != "" {
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		}
		out.WriteRune(r)
	}
	return out.Bytes()
}

// annotation escapes what a line of GitHub's log would take for a command.
func annotation(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", "::", ": :").Replace(plain(text))
}

// markdown shows text as it is where Markdown and HTML are read.
func markdown(text string) string {
	var b strings.Builder
	for _, r := range plain(text) {
		if r > ' ' && r < 0x7f && strings.ContainsRune("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
