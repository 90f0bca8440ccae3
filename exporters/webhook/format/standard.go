package format

import "github.com/relgate/relgate/rules"

// standard is the body of Standard Webhooks, with the whole event.
var standard = Format{WebhookFormat: rules.WebhookFormat{
	Name: "standard", Doc: "the event under the headers of Standard Webhooks, CloudEvents and GitHub",
	Signed: true, Escalations: always,
}}

// always is said of a format that can tell, whatever its keys are, that another webhook's
// events do not arrive.
func always(rules.FormatKeys) bool { return true }
