package slack

import (
	"regexp"
	"strings"

	"github.com/relgate/relgate/exporters/wire"
)

// Slack's limits, in characters as they are sent.
const (
	maxBlocks   = 50
	maxHeader   = 150
	maxSection  = 3000
	maxContext  = 2000
	maxFallback = 4000
	maxSections = 8 // of one text: more is no message to read
)

// block is a block of Block Kit: a header, section, context or actions.
type block struct {
	Type     string `json:"type"`
	Text     *text  `json:"text,omitempty"`
	Elements []any  `json:"elements,omitempty"`
}

// text is a text object. Verbatim keeps Slack from looking for names and links in it.
type text struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Emoji    *bool  `json:"emoji,omitempty"`
	Verbatim bool   `json:"verbatim,omitempty"`
}

type button struct {
	Type     string `json:"type"`
	ActionID string `json:"action_id"`
	Text     *text  `json:"text"`
	URL      string `json:"url"`
}

func plain(s string) *text {
	return &text{Type: "plain_text", Text: s, Emoji: new(false)}
}

func markup(s string) *text { return &text{Type: "mrkdwn", Text: s, Verbatim: true} }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// escape writes text so that Slack shows it as it is.
func escape(s string) string { return escaper.Replace(s) }

// fit is a text escaped, and cut to at most so many characters.
func fit(s string, most int) string {
	for n := most; ; n = n * 3 / 4 {
		if out := escape(wire.Cut(s, n)); len([]rune(out)) <= most {
			return out
		}
	}
}

// pieces are the parts of a text, each of at most so many characters when it is escaped,
// divided between lines where that can be.
func pieces(s string, most int) (list []string) {
	var now strings.Builder
	size := 0
	flush := func() {
		if t := strings.TrimSpace(now.String()); t != "" {
			list = append(list, t)
		}
		now.Reset()
		size = 0
	}
	for line := range strings.Lines(s) {
		out := escape(line)
		if n := len([]rune(out)); size+n > most {
			flush()
			if n > most {
				out = fit(line, most)
			}
		}
		now.WriteString(out)
		size += len([]rune(out))
	}
	flush()
	if len(list) > maxSections {
		list = append(list[:maxSections:maxSections], "…")
	}
	return list
}

// address is a link that a text names. It has been escaped.
var address = regexp.MustCompile(`https?://[^\s<>|*_~` + "`" + `]+[^\s<>|*_~` + "`" + `.,;:!?)\]'"]`)

// body is what people see of a note.
type body struct {
	Text   string  `json:"text"` // where blocks are not shown: in notifications
	Blocks []block `json:"blocks"`
}

// look is how a note is shown.
type look struct {
	formatted bool     // its text is mrkdwn
	mentions  []string // as Slack writes them: "<!here>"
	repeated  bool     // it may have arrived before
}

// show writes a note as a message.
func show(n wire.Note, l look) body {
	if l.repeated {
		n = n.Repeated()
	}
	var b body
	add := func(bl block) { b.Blocks = append(b.Blocks, bl) }
	section := func(t *text) { add(block{Type: "section", Text: t}) }
	add(block{Type: "header", Text: plain(fit(n.Title, maxHeader))})
	if len(l.mentions) > 0 {
		section(markup(strings.Join(l.mentions, " ")))
	}
	for _, part := range pieces(n.Text, maxSection*2/3) { // links make it longer
		if l.formatted {
			linked := address.ReplaceAllString(part, "<$0>")
			if len([]rune(linked)) > maxSection {
				linked = part
			}
			section(markup(linked))
		} else {
			section(plain(part))
		}
	}
	if n.Do.Action != "" {
		owner := ""
		if n.Do.Owner != "" {
			owner = " (" + fit(wire.OneLine(n.Do.Owner), 200) + ")"
		}
		section(markup("*Do now*" + owner + ": " + fit(wire.OneLine(n.Do.Action), 2000)))
	}
	if n.Do.Command != "" {
		section(markup("```" + fit(strings.ReplaceAll(n.Do.Command, "```", "` ` `"), 2900) + "```"))
	}
	for _, part := range pieces(strings.Join(n.Detail, "\n"), maxSection) {
		section(plain(part))
	}
	if n.Context != "" {
		add(block{Type: "context", Elements: []any{plain(fit(n.Context, maxContext))}})
	}
	if n.Link != "" && len(n.Link) <= maxSection {
		add(block{Type: "actions", Elements: []any{button{Type: "button", ActionID: "relgate_open", Text: plain("Open the release"), URL: n.Link}}})
	}
	b.Text = strings.TrimSpace(strings.Join(l.mentions, " ") + " " + fit(n.Title, maxHeader))
	if first, _, _ := strings.Cut(strings.TrimSpace(n.Text), "\n"); first != "" && first != n.Title {
		b.Text += "\n" + fit(first, maxFallback/2)
	}
	return b
}
