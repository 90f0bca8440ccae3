package config

import "github.com/relgate/relgate/rules"

var pagerdutySink = sinkType{
	name: "pagerduty", doc: "alerts of PagerDuty, by its Events API v2",
	keys: []rules.AccountKey{
		{Key: "routing_key", Secret: true, Required: true, Example: `{ env = "PAGERDUTY_ROUTING_KEY" }`, Doc: "Type pagerduty: the integration key of a service or of an orchestration, for Events API v2. Required there."},
		apiKey("pagerduty", "https://events.pagerduty.com"),
	},
}
