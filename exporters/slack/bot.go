package slack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/wire"
)

// API is where Slack's methods are.
const API = "https://slack.com/api"

// BotConfig is what the sink of a bot needs.
type BotConfig struct {
	Endpoint string        // its name; required
	Net      *webhook.Sink // that reaches URL; required
	URL      string        // below which the methods are; API if empty
	Token    string        // of the bot, "xoxb-…"; required, and never shown
	Channel  string        // for what names no channel: "#releases", an id, "@rm"; required
	Live     string        // where phases have their live messages; empty: events of phases go to Channel one by one
	External string        // where people reach relgate, without a slash at its end; may be empty
	Memory   outbox.Memory // required
	Now      func() time.Time
	// Timeout is for one attempt, which may take several calls; a minute if zero.
	Timeout time.Duration
}

// Bot is the sink.
type Bot struct {
	config BotConfig

	mu       sync.Mutex
	channels map[string]string // :: name → id
	users    map[string]string // :: name → id
	searches map[string]search // :: name → how far it was looked for
}

// NewBot makes the sink.
func NewBot(c BotConfig) *Bot {
	if c.URL = strings.TrimSuffix(c.URL, "/"); c.URL == "" {
		c.URL = API
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	return &Bot{config: c, channels: map[string]string{}, users: map[string]string{}, searches: map[string]search{}}
}

// CloseIdleConnections frees the connections that carry no request.
func (b *Bot) CloseIdleConnections() { b.config.Net.CloseIdleConnections() }

// place is where a message is: a channel's id, and the message's ts.
type place struct{ channel, ts string }

var stamp = regexp.MustCompile(`^[0-9]{1,20}\.[0-9]{1,10}$`)

func placeOf(kept string) (p place, ok bool) {
	p.channel, p.ts, ok = strings.Cut(kept, " ")
	return p, ok && p.channel != "" && stamp.MatchString(p.ts)
}

func (p place) String() string { return p.channel + " " + p.ts }

// Send makes one attempt.
func (b *Bot) Send(ctx context.Context, m outbox.Message) outbox.Outcome {
	ctx, cancel := context.WithTimeout(ctx, b.config.Timeout)
	defer cancel()
	t, err := read(m, wire.Site{Base: b.config.External})
	if err != nil {
		return outbox.Outcome{Refused: true, Reason: err.Error()}
	}
	if t.live && b.config.Live != "" {
		return b.follow(ctx, m, t)
	}
	to := t.to.channel
	if to == "" {
		to = b.config.Channel
	}
	p, f := b.post(ctx, m, letter{id: m.ID, to: to, told: t})
	if f != nil {
		return f.Outcome
	}
	return outbox.Outcome{OK: true, Kept: "message " + p.String()}
}

// letter is one message to be posted, known by an id.
type letter struct {
	id     string // in its metadata, and the key under which its place is kept
	to     string // a channel's name or id
	thread string // ts of the message in whose thread it goes; empty: none
	told   told
}

// message is a body of chat.postMessage and chat.update.
type message struct {
	Channel string `json:"channel"`
	TS      string `json:"ts,omitempty"`        // of the message to update
	Thread  string `json:"thread_ts,omitempty"` // of the message to answer
	body
	Metadata    *metadata `json:"metadata,omitempty"`
	UnfurlLinks *bool     `json:"unfurl_links,omitempty"` // who unfurls a link opens it: approvals are links
	UnfurlMedia *bool     `json:"unfurl_media,omitempty"`
}

type metadata struct {
	Type    string  `json:"event_type"`
	Payload payload `json:"event_payload"`
}

type payload struct {
	ID   string `json:"id"` // by which it is found again
	Run  string `json:"run"`
	Plan string `json:"plan"`
}

const metadataType = "relgate_event"

// late is for how long a request whose answer was lost may still be carried out.
const late = time.Minute

// orderLooks is how long an order may take to look up where it goes, whom it mentions and
// whether it is there, in all: Slack may hang, or have many pages.
const orderLooks = 3 * time.Second

// post posts a message unless it is there, and gives where.
//
// That it is being sent is kept before, and where it is before anything else happens. After
// a crash between the two, or an answer that was lost, it is looked for.
func (b *Bot) post(ctx context.Context, m outbox.Message, l letter) (place, *failure) {
	kept, err := b.config.Memory.Kept(ctx, b.config.Endpoint, l.id)
	if p, ok := placeOf(kept); ok {
		return p, nil
	}
	text, markErr := b.config.Memory.Kept(ctx, b.config.Endpoint, l.id+"/sending")
	// What cannot be remembered holds up no order.
	if err = errors.Join(err, markErr); err != nil && !m.Order {
		return place{}, failed("reading whether this was sent: " + err.Error())
	}
	looking, cancel := ctx, context.CancelFunc(func() {})
	if m.Order {
		looking, cancel = context.WithTimeout(ctx, orderLooks)
	}
	defer cancel()
	now := b.config.Now().Unix()
	sending, repeated := mark{first: now}, false
	if text != "" {
		sending = markOf(text)
		p, f := b.search(looking, m.Order, l, sending)
		switch {
		case f == nil && p.ts != "":
			return p, b.keep(ctx, m, l, p)
		case f == nil:
			sending.first = now // it is not there, and will not come any more
		case l.told.Message != nil || f.code == early && !m.Order:
			f.Doubt, f.Refused = true, false
			f.Reason = "it is not known whether this arrived: " + f.Reason
			return place{}, f
		default:
			repeated = true
		}
	}
	channel, f := b.resolve(looking, m.Order, l.to)
	if f != nil {
		return place{}, f
	}
	body := show(l.told.note, look{formatted: l.told.Message != nil, mentions: b.mentions(looking, m.Order, l.told.to.mentions), repeated: repeated})
	sending.channel, sending.last = channel, now
	if err := b.config.Memory.Keep(ctx, b.config.Endpoint, l.id+"/sending", sending.String()); err != nil && !m.Order {
		return place{}, failed("keeping that this is sent: " + err.Error())
	}
	var done struct {
		Channel string `json:"channel"`
		TS      string `json:"ts"`
	}
	f = b.tell(ctx, m.Order, "chat.postMessage", message{
		Channel: channel, Thread: l.thread, body: body, UnfurlLinks: new(false), UnfurlMedia: new(false),
		Metadata: &metadata{metadataType, payload{l.id, l.told.Run, l.told.Plan}},
	}, &done)
	if f != nil {
		if !f.Doubt && !repeated {
			b.clear(ctx, l) // it is certain that nothing arrived
		}
		if f.code == "channel_not_found" || f.code == "is_archived" {
			b.forget()
		}
		return place{}, f
	}
	p := place{done.Channel, done.TS}
	if _, ok := placeOf(p.String()); !ok {
		return place{}, &failure{Outcome: outbox.Outcome{Doubt: true, Reason: "Slack did not say where the message is"}}
	}
	return p, b.keep(ctx, m, l, p)
}

func failed(reason string) *failure { return &failure{Outcome: outbox.Outcome{Reason: reason}} }

// keeping is a context for what must be kept, also when the attempt is over.
func keeping(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}

// keep remembers where a message is. An order that is there is done, whatever is remembered.
func (b *Bot) keep(ctx context.Context, m outbox.Message, l letter, p place) *failure {
	ctx, cancel := keeping(ctx)
	defer cancel()
	if err := b.config.Memory.Keep(ctx, b.config.Endpoint, l.id, p.String()); err != nil && !m.Order {
		return failed("it was sent, but where it is cannot be kept: " + err.Error())
	}
	return nil
}

// clear forgets that a message is being sent. Where it cannot, the next attempt looks for it.
func (b *Bot) clear(ctx context.Context, l letter) {
	ctx, cancel := keeping(ctx)
	defer cancel()
	_ = b.config.Memory.Keep(ctx, b.config.Endpoint, l.id+"/sending", "")
}

// mark is that a message is being sent: to which channel, since when, and when last.
type mark struct {
	channel     string
	first, last int64 // Unix seconds
}

func markOf(text string) (m mark) {
	_, _ = fmt.Sscan(text, &m.channel, &m.first, &m.last) // what cannot be read leaves it in doubt
	return m
}

func (m mark) String() string { return fmt.Sprint(m.channel, " ", m.first, " ", m.last) }

// early is the code of a search that came too soon to say that a message is not there.
const early = "early"

// search looks for a message that is marked as being sent. It gives no place where it is not
// there, and a failure where that is not known.
func (b *Bot) search(ctx context.Context, order bool, l letter, sending mark) (place, *failure) {
	channel := sending.channel
	if sending.first == 0 || !channelID.MatchString(channel) {
		return place{}, failed("the bot may not look channels up: give it the scope channels:read, or name the channel's id")
	}
	method, query := "conversations.history", url.Values{"channel": {channel}, "limit": {"200"}, "include_all_metadata": {"true"}}
	if l.thread != "" {
		method = "conversations.replies"
		query.Set("ts", l.thread)
	}
	// Slack's clock is another one.
	query.Set("oldest", fmt.Sprintf("%d.000000", sending.first-600))
	for range mostPages {
		var list struct {
			Messages []struct {
				TS       string   `json:"ts"`
				Metadata metadata `json:"metadata"`
			} `json:"messages"`
		}
		next, f := b.ask(ctx, order, method, query, &list)
		if f != nil {
			return place{}, f
		}
		for _, found := range list.Messages {
			if found.Metadata.Type == metadataType && found.Metadata.Payload.ID == l.id && stamp.MatchString(found.TS) {
				return place{channel, found.TS}, nil
			}
		}
		if next == "" {
			if wait := late - b.config.Now().Sub(time.Unix(sending.last, 0)); wait > 0 {
				return place{}, &failure{outbox.Outcome{RetryAfter: min(wait, late), Reason: "it may still arrive"}, early}
			}
			return place{}, nil
		}
		query.Set("cursor", next)
	}
	return place{}, failed(fmt.Sprintf("the channel has had more than %d messages since", mostPages*200))
}
