package email

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/mail"
	"net/url"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// letter is what is said to every recipient.
type letter struct {
	id    string // of the message
	at    time.Time
	run   string // names the run's thread
	event wire.EventBody
	once  bool // it is of the plan's communications: never sent again in doubt
	// repeated says that it may have arrived before, by what keeps watch over the sink.
	repeated bool
	unsure   bool // an earlier attempt may have been cut off
	subject  string
	title    string     // the first line of the text; empty where the text says it all
	blocks   [][]string // paragraphs, each of lines
	lines    []string   // numbers and details, one a line
	link     string     // of the event; empty for none
	foot     string     // what it is about
}

// mostSubject is the longest subject in characters: more is shown nowhere.
const mostSubject = 200

// write says a message of the outbox in words.
func write(m outbox.Message, external string) (*letter, error) {
	l := &letter{id: m.ID, at: m.At, repeated: m.Repeated, unsure: !m.Unsure.IsZero()}
	e := &l.event
	if err := json.Unmarshal(m.Data, e); err != nil {
		return nil, errors.New("the event cannot be read")
	}
	l.run, _, _ = strings.Cut(cmp.Or(e.ID, m.ID), "/")
	site := wire.Site{Base: external}
	n := site.Note(e)
	l.subject, l.link, l.once = n.Title, n.Link, e.Kind == "communication"
	if !l.once {
		l.title = plain(n.Title)
	}
	l.blocks = paragraphs(n.Text)
	for _, line := range n.Detail {
		l.lines = append(l.lines, plain(line))
	}
	if !l.once {
		for _, fact := range [][2]string{{"Do now", n.Do.Action}, {"Command", n.Do.Command}, {"Owner", n.Do.Owner}, {"By", e.By}, {"Why", e.Why}} {
			if fact[1] != "" {
				l.lines = append(l.lines, fact[0]+": "+plain(fact[1]))
			}
		}
	}
	l.subject = wire.Cut(wire.OneLine(plain(l.subject)), mostSubject)
	l.foot = plain("Sent by relgate: " + n.Context + ". Run " + cmp.Or(e.Run, "-") + ", event " + cmp.Or(e.ID, "-") + ".")
	return l, nil
}

// paragraphs splits a text at its empty lines.
func paragraphs(text string) [][]string {
	var all [][]string
	var now []string
	flush := func() {
		if len(now) > 0 {
			all, now = append(all, now), nil
		}
	}
	for line := range strings.Lines(strings.ReplaceAll(text, "\r\n", "\n")) {
		if line = strings.TrimRight(plain(line), " "); strings.TrimSpace(line) == "" {
			flush()
		} else {
			now = append(now, line)
		}
	}
	flush()
	return all
}

// plain is a text of one line, without what shows as something else.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if rules.Unsafe(r) != "" {
			return ' '
		}
		return r
	}, strings.TrimRight(strings.ToValidUTF8(text, "\ufffd"), "\r\n"))
}

// to is one who gets the letter.
type to struct {
	*mail.Address
	link, label string // of their own
}

// key tells recipients apart. One person may have several links, each for a role.
func (t to) key() string {
	key := strings.ToLower(t.Address.Address)
	if t.link != "" {
		key += " " + t.label
	}
	return key
}

//go:embed letter.html
var page string

var asHTML = template.Must(template.New("letter").Parse(page))

// compose makes the message to one recipient: the same bytes on every attempt, unless it
// is a repetition in doubt.
func (s *Sink) compose(l *letter, r to, repeated bool) (*gomail.Msg, error) {
	link, label := l.link, "Open the run"
	if r.link != "" {
		link, label = r.link, cmp.Or(plain(r.label), label)
	}
	if !webLink(link) {
		link = ""
	}
	subject, note := l.subject, ""
	if repeated {
		subject = "Repeated: " + subject
		note = "You may have this message already: the mail server did not say whether it took it."
	}
	var html, text strings.Builder
	err := asHTML.Execute(&html, map[string]any{
		"Subject": subject, "Title": l.title, "Note": note, "Blocks": l.blocks, "Lines": l.lines, "Link": link, "Label": label, "Foot": l.foot,
	})
	if err != nil {
		return nil, fmt.Errorf("writing the HTML: %w", err) // unreachable: the template has only these fields
	}
	for _, part := range [][]string{{note}, {l.title}} {
		if part[0] != "" {
			text.WriteString(part[0] + "\n\n")
		}
	}
	for _, block := range l.blocks {
		text.WriteString(strings.Join(block, "\n") + "\n\n")
	}
	if len(l.lines) > 0 {
		text.WriteString(strings.Join(l.lines, "\n") + "\n\n")
	}
	if link != "" {
		text.WriteString(label + ": " + link + "\n\n")
	}
	text.WriteString("-- \n" + l.foot + "\n")

	m := gomail.NewMsg(gomail.WithCharset(gomail.CharsetUTF8), gomail.WithEncoding(gomail.EncodingQP), gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(s.from)
	m.ToMailAddress(r.Address)
	if s.replyTo != nil {
		m.ReplyToMailAddress(s.replyTo)
	}
	// One message in two mailboxes is shown once. With a link of one's own each is another.
	about := l.id
	if r.link != "" {
		about += "\x00" + r.key()
	}
	m.SetMessageIDWithValue(s.messageID("event", about))
	root := "<" + s.messageID("run", l.run) + ">"
	m.SetGenHeader(gomail.HeaderInReplyTo, root)
	m.SetGenHeader(gomail.HeaderReferences, root)
	m.SetDateWithValue(l.at.UTC())
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	// No text holds its own digest, so none can end a part.
	m.SetBoundary("relgate-" + digest("boundary", text.String()+"\x00"+html.String())[:32])
	m.Subject(subject)
	m.SetBodyString(gomail.TypeTextPlain, text.String())
	m.AddAlternativeString(gomail.TypeTextHTML, html.String())
	return m, nil
}

// messageID is the id of a message or a thread, without angle brackets.
func (s *Sink) messageID(kind, of string) string {
	_, domain, _ := strings.Cut(s.from.Address, "@")
	return kind + "." + digest(kind, of)[:32] + "@" + strings.ToLower(domain)
}

func digest(kind, of string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(kind+"\x00"+of)))
}

// webLink reports whether a link leads to a page.
func webLink(link string) bool {
	u, err := url.Parse(link)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && plain(link) == link
}
