package email_test

import (
	"bytes"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/email"
	"github.com/relgate/relgate/exporters/wire"
)

// FuzzLetter has every text of an event be anything: there is one message, of the headers
// that relgate writes and two parts, and no line that a mail server would refuse.
func FuzzLetter(f *testing.F) {
	f.Add("Subject\r\nBcc: x@y.example", "text\r\n.\r\n", "https://x.example/\"><script>", "a@bioage.example")
	f.Add("=?utf-8?q?=0d=0aBcc:_x?=", "--relgate-0\r\n\r\n", "javascript:alert(1)", "b@bioage.example, <c@bioage.example>")
	f.Add(strings.Repeat("ü", 500), "\xff\x00\u202e", "", "d@bioage.example\r\nDATA")
	sink, err := email.New(email.Config{Name: "execs", Host: "mail.bioage.example", From: "gate@bioage.example", Memory: newMemory()})
	if err != nil {
		f.Fatal(err)
	}
	want := []string{"Auto-Submitted", "Content-Type", "Date", "From", "In-Reply-To", "Message-Id", "Mime-Version", "References", "Subject", "To", "X-Auto-Response-Suppress"}
	f.Fuzz(func(t *testing.T, subject, text, link, to string) {
		m := message(wire.EventBody{
			Kind: "communication", Type: "relgate.communication.due", ID: "id" + subject, Run: text, Plan: link, Headline: subject,
			Message: &wire.Message{Name: "n", Subject: subject, Text: text, Link: link, Target: to},
		})
		m.At = time.Unix(1_770_000_000, 0)
		raw, err := sink.Written(t.Context(), m)
		if err != nil || raw == nil {
			return // there is no address in it
		}
		parsed, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("%v:\n%s", err, raw)
		}
		if got := slices.Sorted(maps.Keys(parsed.Header)); !slices.Equal(got, want) {
			t.Errorf("headers %q, want %q", got, want)
		}
		for name, values := range parsed.Header {
			if len(values) != 1 {
				t.Errorf("header %s is there %d times", name, len(values))
			}
		}
		if all, err := parsed.Header.AddressList("To"); err != nil || len(all) != 1 {
			t.Errorf("To: %q: %v", parsed.Header.Get("To"), err)
		}
		for line := range bytes.Lines(raw) {
			if len(line) > 1000 || !bytes.HasSuffix(line, []byte("\r\n")) || bytes.Count(line, []byte("\r")) != 1 || bytes.ContainsFunc(line, func(r rune) bool { return r >= 0x7f }) {
				t.Errorf("line %q", line)
			}
		}
		_, parameters, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		parts := multipart.NewReader(parsed.Body, parameters["boundary"])
		for n := 0; ; n++ {
			p, err := parts.NextRawPart()
			if err == io.EOF && n == 2 {
				return
			}
			if err != nil || n >= 2 {
				t.Fatalf("part %d: %v", n, err)
			}
			body, err := io.ReadAll(quotedprintable.NewReader(p))
			if err != nil {
				t.Fatalf("part %d: %v", n, err)
			}
			if n == 1 && bytes.Contains(bytes.ToLower(body), []byte("<script")) {
				t.Errorf("the HTML has a script: %s", body)
			}
		}
	})
}
