package email_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/email"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/internal/certtest"
	"github.com/relgate/relgate/internal/peertest"
)

// read is a message as Python's email package reads it.
type read struct {
	Headers [][2]string
	Text    string
	HTML    string
	Parts   []string // content types, in order
	Defects []string
	Names   []string // display names in From
	Hrefs   []string // of the HTML
	Tags    []string // of the HTML, those that begin
	Shown   string   // what of the HTML is text
}

func (r *read) header(name string) (all []string) {
	for _, h := range r.Headers {
		if strings.EqualFold(h[0], name) {
			all = append(all, h[1])
		}
	}
	return all
}

// readByPython has Python's email package read messages.
func readByPython(t *testing.T, messages ...[]byte) []read {
	t.Helper()
	python := peertest.Need(t, "python3")
	in, _ := json.Marshal(messages)
	cmd := exec.CommandContext(t.Context(), python, "testdata/read.py")
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(in)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []read
	if err := json.Unmarshal(out, &all); err != nil || len(all) != len(messages) {
		t.Fatalf("%d of %d messages were read: %v", len(all), len(messages), err)
	}
	return all
}

func TestPythonReadsWhatIsSent(t *testing.T) {
	peertest.Need(t, "python3")
	h := newHouse(t)
	h.config.From, h.config.ReplyTo = "Größe, GmbH <gate@bioage.example>", "rm@bioage.example"
	if _, err := email.ParseAddress(h.config.From); err == nil {
		t.Fatal("a name with a bare comma is read as one address")
	}
	h.config.From = `"Größe, GmbH" <gate@bioage.example>`
	sink := h.sink(t)
	long := message(wire.EventBody{
		Kind: "review", Type: "relgate.review.open", ID: "bioage@1.0.x7k2/40", Run: "bioage@1.0", Plan: "bioage",
		Headline: "Review: <script>alert(1)</script> " + strings.Repeat("Überprüfung ", 30) + "\r\nBcc: evil@x.example",
		Sentence: strings.Repeat("x", 5000) + " \u202e\x00 🎉", Detail: []string{"a\r\n.\r\nMAIL FROM:<evil@x.example>", "=3D =\n"},
	})
	for _, m := range []outbox.Message{communication("cto@bioage.example"), alarm(), long} {
		if o := sink.Send(t.Context(), m); !o.OK {
			t.Fatalf("Send = %+v", o)
		}
	}
	var raw [][]byte
	for _, m := range h.Messages() {
		raw = append(raw, m.Data)
	}
	all := readByPython(t, raw...)
	for i, r := range all {
		if len(r.Defects) > 0 {
			t.Errorf("message %d has defects: %q", i, r.Defects)
		}
		if want := "multipart/alternative text/plain text/html"; strings.Join(r.Parts, " ") != want {
			t.Errorf("message %d has the parts %q, want %q", i, r.Parts, want)
		}
		for _, name := range []string{"Subject", "From", "To", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted", "MIME-Version", "Reply-To"} {
			if got := r.header(name); len(got) != 1 || got[0] == "" {
				t.Errorf("message %d: header %s = %q, want it once", i, name, got)
			}
		}
		if len(r.header("Bcc")) > 0 || len(r.header("X-Mailer")) > 0 {
			t.Errorf("message %d has headers that no one wrote: %q", i, r.Headers)
		}
		if got := r.header("Auto-Submitted")[0]; got != "auto-generated" {
			t.Errorf("message %d: Auto-Submitted: %s", i, got)
		}
		if got, want := r.header("Date")[0], "Mon, 02 Mar 2026 04:05:06 +0000"; got != want {
			t.Errorf("message %d: Date: %s, want %s", i, got, want)
		}
		if r.header("References")[0] != all[0].header("References")[0] || r.header("In-Reply-To")[0] != r.header("References")[0] {
			t.Errorf("message %d is of the thread %s, the first of %s; both are of one run", i, r.header("References"), all[0].header("References"))
		}
		if len(r.Names) != 1 || r.Names[0] != "Größe, GmbH" {
			t.Errorf("message %d: from %q", i, r.Names)
		}
		for _, tag := range r.Tags {
			if !strings.Contains(" html head meta title body div p h1 ul li strong a br span ", " "+tag+" ") {
				t.Errorf("message %d has the element %s", i, tag)
			}
		}
		for j := range i {
			if r.header("Message-ID")[0] == all[j].header("Message-ID")[0] {
				t.Errorf("messages %d and %d have one Message-ID", j, i)
			}
		}
	}
	first := all[0]
	if got, want := first.header("Subject")[0], "BioAge 1.0 läuft ✓"; got != want {
		t.Errorf("subject %q, want %q", got, want)
	}
	if want := "Guten Tag,\nalles gut.\n\n. ein Punkt am Anfang\n.\nEnde <b>nicht fett</b> & so\n\nOpen the run: https://gate.bioage.example/v1/runs/bioage@1.0\n"; !strings.HasPrefix(first.Text, want) {
		t.Errorf("text %q, want it to begin with %q", first.Text, want)
	}
	if want := "Ende <b>nicht fett</b> & so"; !strings.Contains(first.Shown, want) {
		t.Errorf("the HTML shows %q, want %q in it", first.Shown, want)
	}
	if len(first.Hrefs) != 1 || first.Hrefs[0] != "https://gate.bioage.example/v1/runs/bioage@1.0" {
		t.Errorf("links %q", first.Hrefs)
	}
	for _, want := range []string{"ROLLBACK: API 5xx 5.0 % > 3 % for 11 min", "552 of 11,010 requests", "Command: aws lambda update-alias --function-name x", "Owner: DevSecOps"} {
		if !strings.Contains(all[1].Text, want) || !strings.Contains(all[1].Shown, want) {
			t.Errorf("the alarm says %q, want %q in it, and in its HTML", all[1].Text, want)
		}
	}
	if got := all[2].header("Subject")[0]; len([]rune(got)) > 200 || !strings.HasPrefix(got, "Review: <script>alert(1)</script> Überprüfung") {
		t.Errorf("subject %q", got)
	}
	if strings.ContainsAny(all[2].Text, "\x00\u202e") || !strings.Contains(all[2].Text, strings.Repeat("x", 5000)) || !strings.Contains(all[2].Text, "🎉") || !strings.Contains(all[2].Text, "=3D =") {
		t.Errorf("text %.200q", all[2].Text)
	}
	// The same message on every attempt: only the server can tell two apart.
	h.memory.kept = map[string]string{}
	if o := sink.Send(t.Context(), communication("cto@bioage.example")); !o.OK {
		t.Fatalf("Send = %+v", o)
	}
	if again := h.Messages()[3].Data; string(again) != string(raw[0]) {
		t.Errorf("the same message sent again differs:\n%s\n%s", raw[0], again)
	}
}

// TestDebiansServerTakesWhatIsSent sends to aiosmtpd, which asks for STARTTLS and a password.
func TestDebiansServerTakesWhatIsSent(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's, which has the package
	peertest.NeedRun(t, "aiosmtpd", python, "-c", "import aiosmtpd")
	ca := certtest.NewAuthority(t, "ca")
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	ca.Issue(t, "mail", time.Now().Add(time.Hour)).Write(t, cert, key)
	cmd := exec.CommandContext(t.Context(), python, "testdata/server.py", cert, key, password)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stdin.Close() // it ends
		_ = cmd.Wait()
	}()
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	var port int
	if !lines.Scan() {
		t.Fatal("the server says nothing")
	}
	if _, err := fmt.Sscan(lines.Text(), &port); err != nil {
		t.Fatal(err)
	}
	sink, err := email.New(email.Config{
		Name: "execs", Host: "127.0.0.1", Port: port, Username: "relgate", Password: password, From: "gate@bioage.example",
		TLS: &tls.Config{RootCAs: ca.Pool()}, Memory: newMemory(),
	})
	if err != nil {
		t.Fatal(err)
	}
	o := sink.Send(t.Context(), communication("cto@bioage.example, refused@bioage.example, sec@bioage.example"))
	if !o.Refused || !strings.Contains(o.Reason, "refused@bioage.example: RCPT TO: the server answered 550") || !strings.Contains(o.Reason, "2 of 3 have it") {
		t.Errorf("Send = %+v, want one address refused", o)
	}
	for _, to := range []string{"cto@bioage.example", "sec@bioage.example"} {
		if !lines.Scan() {
			t.Fatalf("the server has no message for %s", to)
		}
		var got struct {
			To   []string
			TLS  bool
			User string
			Data []byte
		}
		if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if len(got.To) != 1 || got.To[0] != to || !got.TLS || got.User != "relgate" {
			t.Errorf("taken: %+v, want one to %s", got, to)
		}
		if r := readByPython(t, got.Data)[0]; len(r.Defects) > 0 || r.header("Subject")[0] != "BioAge 1.0 läuft ✓" || !strings.Contains(r.Text, "\n. ein Punkt am Anfang\n.\n") {
			t.Errorf("read: %+v", r)
		}
	}
}
