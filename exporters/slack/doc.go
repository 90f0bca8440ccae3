// Package slack tells people in Slack what was decided: by an incoming webhook
// ([NewIncoming]), or as a bot ([NewBot]), which can do more.
//
// A bot finds a message whose answer was lost by the event's id in the message's
// metadata, and so sends each once. It has one live message for each phase of a run, which
// it edits as the phase goes, with the details in its thread. An incoming webhook can do
// neither: see [outbox.Once] for what it does in doubt.
//
// What is sent is Block Kit. Texts of a plan may be formatted as Slack's mrkdwn, all else
// is plain; &, < and > are escaped everywhere, so that nothing in a text mentions a person
// or a channel. Only the target of a message does: "#ops @here".
package slack
