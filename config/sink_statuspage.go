package config

import (
	"regexp"

	"github.com/relgate/relgate/rules"
)

var statuspageSink = sinkType{
	name: "statuspage", doc: "an incident or a maintenance for each run on Atlassian Statuspage", public: true,
	keys: []rules.AccountKey{
		{Key: "token", Secret: true, Required: true, Example: `{ env = "STATUSPAGE_TOKEN" }`, Doc: "Type statuspage: API key of a person. Required there."},
		{Key: "page", Required: true, Example: `"kctbh9vrtdwd"`, Doc: "Type statuspage: id of the page. Required there."},
		{Key: "kind", Doc: "Type statuspage: `incident` or `maintenance`, what a run is where its first message does not say. Default: `incident`."},
		{Key: "components", Doc: "Type statuspage: components for messages that name none, by name or id: `API = under_maintenance, Web`. Default: none."},
		{Key: "window", Doc: "Type statuspage: how long a maintenance is announced for, from T on. Default: `2h`."},
		apiKey("statuspage", "https://api.statuspage.io/v1"),
	},
	check: func(c rules.Checker, s *SinkSpec) {
		if kind := s.Texts["kind"]; kind != "" {
			c.At("kind").OneOf("bad-value", "kind", kind, []string{"incident", "maintenance"})
		}
		if page := s.Texts["page"]; page != "" && !pageID.MatchString(page) {
			c.At("page").Fail("bad-value", "look at the page's address in the management of Statuspage", "want the id of a page")
		}
		if text := s.Texts["window"]; text != "" {
			var window rules.Duration
			if err := window.UnmarshalText([]byte(text)); err != nil {
				c.At("window").Fail("bad-value", "", "%v", err)
			} else {
				between(c.At("window"), &window, 0, 60e9, 7*24*3600e9)
			}
		}
	},
}

var pageID = regexp.MustCompile(`^[a-z0-9]{4,40}$`)
