package config

import (
	"regexp"
	"time"

	"github.com/relgate/relgate/rules"
)

var bannerSink = sinkType{
	name: "banner", doc: "what an app shows to its users, which asks for it at `/v1/plans/PLAN/banner.json`",
	keys: []rules.AccountKey{
		{Key: "show_for", Doc: "Type banner: how long a message is shown, unless the run is rolled back, fails or is superseded. Default: `24h`."},
		{Key: "severity", Doc: "Type banner: `info`, `warning` or `critical`, as the app shows it. Default: `info`."},
		{Key: "locale", Doc: "Type banner: language of a text that names none. Default: `en`."},
	},
	check: func(c rules.Checker, s *SinkSpec) {
		if text := s.Texts["show_for"]; text != "" {
			var d rules.Duration
			if err := d.UnmarshalText([]byte(text)); err != nil {
				c.At("show_for").Fail("bad-value", "", "%v", err)
			} else {
				between(c.At("show_for"), &d, 0, time.Minute, 366*24*time.Hour)
			}
		}
		if text := s.Texts["severity"]; text != "" {
			c.At("severity").OneOf("bad-value", "severity", text, []string{"info", "warning", "critical"})
		}
		if text := s.Texts["locale"]; text != "" && !localeName.MatchString(text) {
			c.At("locale").Fail("bad-value", "", `want a language such as "en" or "pt-BR"`)
		}
		noNetwork(c, s, "apps ask relgate")
	},
}

var localeName = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$`)

// noNetwork reports keys that say how a sink is reached that is not reached anywhere.
func noNetwork(c rules.Checker, s *SinkSpec, why string) {
	c.Excess("proxy", !s.Proxy.IsZero(), why)
	c.Excess("allow", len(s.Allow) > 0, why)
	c.Excess("ca", s.CA != "", why)
}
