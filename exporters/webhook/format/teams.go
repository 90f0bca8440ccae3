package format

import (
	"strings"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// Teams is a card in a channel or a chat of Microsoft Teams, by a workflow that begins
// with "When a Teams webhook request is received". Its answer, 202, says that the workflow
// was begun: nothing says that the card was shown.
var teams = Format{
	WebhookFormat: rules.WebhookFormat{
		Name: "teams", Doc: "a card in Microsoft Teams, by a workflow's webhook", Escalations: always,
	},
	Open: func(e Endpoint) Maker {
		return func(f Facts) (*Call, error) {
			body, err := teamsBody(e, f)
			if err != nil {
				return nil, err
			}
			return &Call{URL: e.URL, Body: body}, nil
		}
	},
}

// maxCard is the most that Teams takes of a message: 28 KB.
const maxCard = 28_000

// teamsMessage is the message that the workflow takes.
type teamsMessage struct {
	Type        string            `json:"type"`
	Attachments []teamsAttachment `json:"attachments"`
}

type teamsAttachment struct {
	ContentType string  `json:"contentType"`
	ContentURL  *string `json:"contentUrl"`
	Content     card    `json:"content"`
}

// card is an Adaptive Card of version 1.2.
type card struct {
	Schema  string       `json:"$schema"`
	Type    string       `json:"type"`
	Version string       `json:"version"`
	Body    []richText   `json:"body"`
	Actions []cardAction `json:"actions,omitempty"`
}

// richText is a block of plain text: a TextBlock would take what is in it for Markdown.
type richText struct {
	Type      string    `json:"type"`
	Separator bool      `json:"separator,omitempty"`
	Inlines   []textRun `json:"inlines"`
}

type textRun struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Size     string `json:"size,omitempty"`
	Weight   string `json:"weight,omitempty"`
	Color    string `json:"color,omitempty"`
	FontType string `json:"fontType,omitempty"`
	IsSubtle bool   `json:"isSubtle,omitempty"`
}

type cardAction struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

// teamsBody is the message of an event, as long as it may be: details are left out first,
// and a text that is too long is cut.
func teamsBody(e Endpoint, f Facts) ([]byte, error) {
	n := noteOf(e, f)
	for most := 8000; ; most /= 2 {
		n.Text = wire.Cut(n.Text, most)
		body, err := encode(teamsMessage{Type: "message", Attachments: []teamsAttachment{{ContentType: "application/vnd.microsoft.card.adaptive", Content: cardOf(f, n)}}})
		if err != nil || len(body) <= maxCard || most == 0 {
			return body, err
		}
		n.Detail, n.Do.Action, n.Do.Command = nil, wire.Cut(n.Do.Action, most), wire.Cut(n.Do.Command, most)
	}
}

func cardOf(f Facts, n wire.Note) card {
	c := card{Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.2"}
	add := func(text string, as textRun) {
		for line := range strings.Lines(text) {
			if line = strings.TrimRight(line, "\r\n"); line != "" {
				as.Type, as.Text = "TextRun", line
				c.Body = append(c.Body, richText{Type: "RichTextBlock", Inlines: []textRun{as}})
			}
		}
	}
	title := textRun{Size: "large", Weight: "bolder", Color: map[string]string{"critical": "attention", "warning": "warning"}[f.Event.Severity]}
	add(wire.Cut(n.Title, 300), title)
	add(n.Text, textRun{})
	if n.Do.Action != "" {
		add("Do now: "+wire.OneLine(n.Do.Action)+owned(n.Do.Owner), textRun{Weight: "bolder"})
	}
	add(n.Do.Command, textRun{FontType: "monospace"})
	for _, line := range n.Detail {
		add(line, textRun{Size: "small"})
	}
	add(n.Context, textRun{Size: "small", IsSubtle: true})
	if n.Link != "" {
		c.Actions = []cardAction{{Type: "Action.OpenUrl", Title: "Open the release", URL: n.Link}}
	}
	return c
}

func owned(owner string) string {
	if owner == "" {
		return ""
	}
	return " (" + owner + ")"
}

// noteOf is what people are told by a message: of its event, or that this does not arrive.
func noteOf(e Endpoint, f Facts) wire.Note {
	site := wire.Site{Base: e.External}
	n := site.Note(&f.Event)
	if s := f.Stuck; s != nil {
		n.Text = strings.TrimSpace("relgate cannot deliver this to " + s.Endpoint + ": " + s.Reason + ".\n" + n.Text)
		n.Title = "Not delivered to " + s.Endpoint + ": " + n.Title
	}
	if f.Repeated {
		n = n.Repeated()
	}
	return n
}
