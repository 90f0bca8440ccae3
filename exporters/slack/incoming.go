package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
)

// IncomingConfig is what the sink of an incoming webhook needs.
type IncomingConfig struct {
	Endpoint string        // its name; required
	Net      *webhook.Sink // that reaches the webhook's address; required
	URL      string        // of the webhook: a secret; required
	Channel  string        // that the webhook posts to, "#ops": a message for another is refused; empty: not known
	External string        // where people reach relgate, without a slash at its end; may be empty
	Memory   outbox.Memory // required
}

// NewIncoming makes the sink. Its receiver can neither be asked for a message nor tell a
// repetition.
func NewIncoming(c IncomingConfig) outbox.Sink {
	return outbox.Once{Sink: incoming{c}, Memory: c.Memory, Endpoint: c.Endpoint, Again: outbox.Alarm}
}

type incoming struct{ config IncomingConfig }

// posting is what an incoming webhook takes.
type posting struct {
	body
	UnfurlLinks bool `json:"unfurl_links"` // who unfurls a link opens it: approvals are links
	UnfurlMedia bool `json:"unfurl_media"`
}

func (s incoming) CloseIdleConnections() { s.config.Net.CloseIdleConnections() }

// Send makes one attempt.
func (s incoming) Send(ctx context.Context, m outbox.Message) outbox.Outcome {
	t, err := read(m, wire.Site{Base: s.config.External})
	if err != nil {
		return outbox.Outcome{Refused: true, Reason: err.Error()}
	}
	if t.to.channel != "" && s.config.Channel != "" && !sameChannel(t.to.channel, s.config.Channel) {
		return outbox.Outcome{Refused: true, Reason: fmt.Sprintf("it is for %s, and this webhook posts to %s: use a bot's token for more than one channel", t.to.channel, s.config.Channel)}
	}
	l := look{formatted: t.Message != nil, repeated: m.Repeated}
	for _, word := range t.to.mentions {
		if text := mention(word); text != "" {
			l.mentions = append(l.mentions, text)
		} else {
			l.mentions = append(l.mentions, escape(word)) // a webhook cannot look names up
		}
	}
	text, err := json.Marshal(posting{body: show(t.note, l)})
	if err != nil {
		return outbox.Outcome{Refused: true, Reason: err.Error()} // unreachable: it is made of texts
	}
	return s.config.Net.Do(ctx, m.Order, &format.Call{URL: s.config.URL, Body: text, Read: incomingReply})
}

func sameChannel(a, b string) bool {
	return strings.EqualFold(strings.TrimPrefix(a, "#"), strings.TrimPrefix(b, "#"))
}

// incomingReply reads an answer: the text ok, or a word that says what is wrong. A 200
// alone may come from another server.
func incomingReply(a format.Answer) format.Reply {
	said := strings.TrimSpace(string(a.Body[:min(len(a.Body), 200)]))
	switch {
	case a.Status == 200 && said == "ok":
		return format.Reply{Done: true}
	case a.Status/100 == 2:
		return format.Reply{Reason: fmt.Sprintf("answered %d without ok", a.Status)}
	case a.Status/100 == 4 && word.MatchString(said):
		return format.Reply{Refused: flawed[said], Reason: fmt.Sprintf("answered %d: %s", a.Status, said)}
	}
	return format.Reply{}
}

// word is a word by which Slack says what is wrong. Nothing else of an answer is shown.
var word = regexp.MustCompile(`^[a-z][a-z0-9_]{2,60}$`)

// flawed are the words that say that this message is never taken. What a person puts right
// at Slack, a channel, a token, is tried again.
var flawed = map[string]bool{
	"invalid_payload": true, "invalid_blocks": true, "invalid_blocks_format": true, "invalid_metadata_format": true, "invalid_metadata_schema": true,
	"metadata_too_large": true, "no_text": true, "msg_too_long": true, "msg_blocks_too_long": true, "invalid_arguments": true, "invalid_json": true,
	"json_not_object": true, "invalid_post_type": true, "missing_post_type": true, "markdown_text_conflict": true,
}
