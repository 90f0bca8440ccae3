package config

import "github.com/relgate/relgate/rules"

var teamsSink = sinkType{
	name: "teams", doc: "cards in Microsoft Teams, by a workflow's webhook",
	keys: []rules.AccountKey{
		{Key: "url", Secret: true, Required: true, Example: `{ env = "TEAMS_URL" }`, Doc: "Type teams: URL of the workflow. Required there."},
	},
}
