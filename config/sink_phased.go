package config

import (
	"github.com/relgate/relgate/rules"
)

var phasedSink = sinkType{
	name: "phased-release", doc: "pauses the phased release of an app's version: `do = \"pause\"`", does: []string{rules.DoPause},
	keys: []rules.AccountKey{
		{Key: "app", Required: true, Example: `"6470000001"`, Doc: "Type phased-release: Apple's id of the app. Required there."},
		{Key: "issuer", Doc: "Type phased-release: issuer id of the team's key. Empty for an individual key."},
		{Key: "key_id", Required: true, Example: `"2X9R4HXF34"`, Doc: "Type phased-release: id of the key, whose role is App Manager or Admin. Required there."},
		{Key: "key", Secret: true, Required: true, Example: `{ file = "AuthKey.p8" }`, Doc: "Type phased-release: the private key, the text of AuthKey_XXXX.p8. Required there."},
		actKey("phased-release"),
		{Key: "api", URL: true, Doc: "Type phased-release: base URL of the API. Default: Apple's."},
	},
	check: checkAct,
}
