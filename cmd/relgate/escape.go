package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/exporters/wire"
)

// plain is text from elsewhere on one line of a terminal or a log.
func plain(text string) string { return wire.Plain(text) }

// plainJSON is JSON from elsewhere on one line.
func plainJSON(raw []byte) []byte {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return []byte("{}") // unreachable: it was read as JSON before
	}
	return wire.PlainJSON(bytes.ToValidUTF8(compact.Bytes(), []byte("\uFFFD")))
}

// showJSON writes a value as JSON; an indent of "" puts it on one line.
func showJSON(w io.Writer, v any, indent string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(wire.PlainJSON(b.Bytes()))
	return err
}

// plainLines is a writer of lines for people, or of a log: what could show as something
// else is written as an escape, but for line breaks and tabs. Each Write holds whole
// characters.
type plainLines struct{ to io.Writer }

func (p plainLines) Write(text []byte) (int, error) {
	var b strings.Builder
	for part := range strings.SplitAfterSeq(string(text), "\n") {
		for i, cell := range strings.Split(strings.TrimSuffix(part, "\n"), "\t") {
			if i > 0 {
				b.WriteByte('\t')
			}
			b.WriteString(plain(cell))
		}
		if strings.HasSuffix(part, "\n") {
			b.WriteByte('\n')
		}
	}
	if _, err := io.WriteString(p.to, b.String()); err != nil {
		return 0, err
	}
	return len(text), nil
}

// complain writes what is wrong with a config, a line each.
func complain(w io.Writer, problems []config.Problem) {
	for _, p := range problems {
		fmt.Fprintln(w, plain(p.String()))
	}
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
