package archive

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
)

// markdown writes XHTML. HTML in the Markdown, and links that run scripts, are left out.
var markdown = goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough), goldmark.WithRendererOptions(html.WithXHTML()))

// storage is Markdown in Confluence's storage format: XHTML.
func storage(text []byte) (string, error) {
	var b bytes.Buffer
	if err := markdown.Convert([]byte(strings.ToValidUTF8(string(text), "\ufffd")), &b); err != nil {
		return "", failure(true, "the report cannot be written as a page") // unreachable: it writes to memory
	}
	// Goldmark leaves a comment where HTML was.
	value := strings.ReplaceAll(b.String(), "<!-- raw HTML omitted -->", "")
	// XML has no place for these characters, also where Markdown wrote them as "&#11;".
	value = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0xfffe || r == 0xffff {
			return -1
		}
		return r
	}, value)
	if err := wellFormed(value); err != nil {
		return "", failure(true, "the report cannot be written as a page: %v", err)
	}
	return value, nil
}

// wellFormed reports what makes a text no XHTML.
func wellFormed(value string) error {
	d := xml.NewDecoder(strings.NewReader("<page>" + value + "</page>"))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
