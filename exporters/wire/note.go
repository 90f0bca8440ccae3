package wire

import (
	"slices"
	"strings"
	"time"
)

// Note is what people are told of an event, in the parts that a chat message, a page or a
// letter has.
type Note struct {
	Title   string   // one line; never empty
	Text    string   // may have several lines; may be empty
	Detail  []string // lines for who asks why
	Do      Do
	Context string // what it is about and since when, one line
	Link    string // to the run; empty where no address is known
}

// Note makes the note of an event: of a communication its message, of all else the
// event's own words.
func (c *Site) Note(e *EventBody) Note {
	n := Note{Title: e.Headline, Text: e.Sentence, Detail: e.Detail, Do: Do{Action: e.Action, Command: e.Command, Owner: e.Owner}}
	if c.Base != "" && e.Run != "" {
		n.Link = c.Link("v1", "runs", e.Run)
	}
	if m := e.Message; m != nil {
		n = Note{Title: m.Subject, Text: m.Text, Link: either(m.Link, n.Link)}
	}
	n.Title = either(OneLine(n.Title), either(OneLine(e.Headline), either(OneLine(e.Type), "relgate")))
	about := []string{OneLine(e.Plan + " " + e.Version), OneLine(e.Phase)}
	if e.At != nil {
		about = append(about, e.At.UTC().Format("2006-01-02 15:04 ")+time.UTC.String())
	}
	n.Context = strings.Join(slices.DeleteFunc(about, func(s string) bool { return s == "" }), " | ")
	return n
}

// Repeated is the note of a message that may have arrived before.
func (n Note) Repeated() Note {
	n.Context = strings.TrimPrefix(n.Context+" | this may be here twice: relgate does not know whether it arrived before", " | ")
	return n
}

// OneLine is a text in one line, with single spaces.
func OneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// Cut is a text of at most so many characters; what was cut off is an ellipsis.
func Cut(text string, most int) string {
	runes := []rune(text)
	switch {
	case len(runes) <= most:
		return text
	case most <= 0:
		return ""
	}
	return strings.TrimRight(string(runes[:most-1]), " ") + "…"
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
