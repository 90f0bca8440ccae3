package slack

import (
	"context"
	"maps"
	"net/url"
	"regexp"
	"strings"

	"github.com/relgate/relgate/exporters/outbox"
)

// scopes are those that Slack says are missing.
var scopes = regexp.MustCompile(`^[a-z:.,_ ]{1,200}$`)

// mostPages is how many pages of a list are read.
const mostPages = 50

// resolve gives the id of a channel, or of the conversation with a person. It is the name
// itself where the token may not look, and for an order where the look-up fails or takes too
// long: Slack finds a channel by its name, and a person by their id, when it is posted to,
// but cannot be asked what is in it.
func (b *Bot) resolve(ctx context.Context, order bool, name string) (id string, f *failure) {
	if channelID.MatchString(name) {
		return name, nil
	}
	b.mu.Lock()
	id = b.channels[name]
	b.mu.Unlock()
	if id != "" {
		return id, nil
	}
	if strings.Contains(name, "@") || userID.MatchString(name) {
		id, f = b.direct(ctx, order, name)
	} else {
		id, f = b.channel(ctx, order, strings.TrimPrefix(name, "#"), "public_channel,private_channel")
		if f != nil && f.code == "missing_scope" {
			id, f = b.channel(ctx, order, strings.TrimPrefix(name, "#"), "public_channel")
		}
		if f != nil && (f.code == "missing_scope" || order && f.code != "channel_not_found") {
			return "#" + strings.TrimPrefix(name, "#"), nil
		}
	}
	if user := strings.TrimPrefix(name, "@"); f != nil && order && userID.MatchString(user) {
		return user, nil
	}
	if f == nil {
		b.mu.Lock()
		b.channels[name] = id
		b.mu.Unlock()
	}
	return id, f
}

// forget has names looked up again: a channel was renamed or removed.
func (b *Bot) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.channels)
	clear(b.users)
	clear(b.searches)
}

func (b *Bot) channel(ctx context.Context, order bool, name, types string) (string, *failure) {
	query := url.Values{"types": {types}, "exclude_archived": {"true"}, "limit": {"1000"}}
	for range mostPages {
		var list struct {
			Channels []struct {
				ID   string `json:"id"`
				Name string `json:"name"`
			} `json:"channels"`
		}
		next, f := b.ask(ctx, order, "conversations.list", query, &list)
		if f != nil {
			return "", f
		}
		for _, c := range list.Channels {
			if strings.EqualFold(c.Name, name) && channelID.MatchString(c.ID) {
				return c.ID, nil
			}
		}
		if next == "" {
			break
		}
		query.Set("cursor", next)
	}
	return "", &failure{outbox.Outcome{Reason: "there is no channel #" + name + " in Slack that the bot can see: invite it, or name the channel's id"}, "channel_not_found"}
}

// direct is the conversation with a person: "@rm", "U0123ABCD", "rm@shop.example".
func (b *Bot) direct(ctx context.Context, order bool, name string) (string, *failure) {
	user, f := b.user(ctx, order, name)
	if f != nil {
		return "", f
	}
	var opened struct {
		Channel struct {
			ID string `json:"id"`
		} `json:"channel"`
	}
	if f := b.tell(ctx, order, "conversations.open", map[string]any{"users": user}, &opened); f != nil {
		f.Doubt = false // opening it once more changes nothing
		return "", f
	}
	if !channelID.MatchString(opened.Channel.ID) {
		return "", &failure{Outcome: outbox.Outcome{Reason: "Slack opened no conversation with " + name}}
	}
	return opened.Channel.ID, nil
}

// user is the id of a person.
func (b *Bot) user(ctx context.Context, order bool, name string) (id string, f *failure) {
	if id = strings.TrimPrefix(name, "@"); userID.MatchString(id) {
		return id, nil
	}
	b.mu.Lock()
	id = b.users[name]
	b.mu.Unlock()
	if id != "" {
		return id, nil
	}
	if strings.HasPrefix(name, "@") {
		id, f = b.named(ctx, order, name[1:])
	} else {
		var found struct {
			User struct {
				ID string `json:"id"`
			} `json:"user"`
		}
		_, f = b.ask(ctx, order, "users.lookupByEmail", url.Values{"email": {name}}, &found)
		id = found.User.ID
	}
	if f != nil {
		return "", f
	}
	if !userID.MatchString(id) {
		return "", &failure{Outcome: outbox.Outcome{Reason: "there is no person " + name + " in Slack: name them by e-mail or id"}, code: "user_not_found"}
	}
	b.mu.Lock()
	b.users[name] = id
	b.mu.Unlock()
	return id, nil
}

// search is how far the list of people was read for a name. Where the time of an attempt is
// over the next one goes on from there: else who stands far down in it is never reached.
type search struct {
	cursor string
	pages  int             // read so far
	shown  map[string]bool // :: id → they display the name
}

// named is the id of the person of a user name or displayed name; empty where there is
// none, or more than one.
func (b *Bot) named(ctx context.Context, order bool, name string) (id string, f *failure) {
	b.mu.Lock()
	s := b.searches[name]
	delete(b.searches, name)
	b.mu.Unlock()
	query, shown := url.Values{"limit": {"200"}}, maps.Clone(s.shown)
	if shown == nil {
		shown = map[string]bool{}
	}
	if s.cursor != "" {
		query.Set("cursor", s.cursor)
	}
	for page := s.pages; page < mostPages; page++ {
		var list struct {
			Members []struct {
				ID      string `json:"id"`
				Name    string `json:"name"`
				Deleted bool   `json:"deleted"`
				Profile struct {
					Display string `json:"display_name"`
				} `json:"profile"`
			} `json:"members"`
		}
		next, f := b.ask(ctx, order, "users.list", query, &list)
		if f != nil {
			if f.code != "invalid_cursor" {
				b.mu.Lock()
				b.searches[name] = search{query.Get("cursor"), page, shown}
				b.mu.Unlock()
			}
			return "", f
		}
		for _, u := range list.Members {
			switch {
			case u.Deleted:
			case strings.EqualFold(u.Name, name):
				return u.ID, nil // user names are unique
			case strings.EqualFold(u.Profile.Display, name):
				shown[u.ID] = true
			}
		}
		if next == "" {
			break
		}
		query.Set("cursor", next)
	}
	if len(shown) == 1 {
		for id = range shown {
		}
	}
	return id, nil
}

// mentions writes those of a target as Slack reads them. A person whom Slack does not know
// is named, and not notified.
func (b *Bot) mentions(ctx context.Context, order bool, words []string) (list []string) {
	for _, word := range words {
		text := mention(word)
		if text == "" {
			text = escape(word)
			if id, f := b.user(ctx, order, word); f == nil {
				text = "<@" + id + ">"
			}
		}
		list = append(list, text)
	}
	return list
}
