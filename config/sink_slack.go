package config

import (
	"strings"

	"github.com/relgate/relgate/rules"
)

var slackSink = sinkType{
	name: "slack", doc: "messages in Slack, by a bot's token or an incoming webhook",
	keys: []rules.AccountKey{
		{Key: "token", Secret: true, Doc: "Type slack: token of a bot, `xoxb-…`, with the scopes chat:write, channels:read and channels:history, for private channels groups:read and groups:history, and for people users:read and im:write. A message is then sent once, whatever happens."},
		{Key: "url", Secret: true, Doc: "Type slack: URL of an incoming webhook, in place of a token. It cannot be asked what it has, so that a message in doubt is not sent a second time, but an order is."},
		{Key: "channel", Doc: "Type slack: channel for what names none: `#releases`, the id of a channel, `@name`, or an e-mail address. Required with token. With url it is the channel of the webhook, and a message for another is refused."},
		{Key: "live", Doc: "Type slack, with token: channel in which each phase of a run has one message that is edited as it goes, with the details in its thread. Default: none."},
		apiKey("slack", "https://slack.com/api"),
	},
	check: func(c rules.Checker, s *SinkSpec) {
		token, url := s.given("token"), s.given("url")
		switch {
		case token && url:
			c.At("url").Fail("conflict", "keep one of them", "token is given as well")
		case !token && !url:
			c.Fail("missing", `write token = { env = "SLACK_TOKEN" } or url = { env = "SLACK_URL" }`, "neither token nor url is there")
		}
		c.Required("channel", token && s.Texts["channel"] == "", `"#releases"`)
		for _, key := range []string{"live", "api"} {
			c.Excess(key, url && !token && s.Texts[key] != "", "an incoming webhook can only post: use a bot's token")
		}
		for _, key := range []string{"channel", "live"} {
			if strings.ContainsAny(s.Texts[key], " ,") {
				c.At(key).Fail("bad-value", "", `want one channel, such as "#releases"`)
			}
		}
	},
}
