package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook/format"
)

// failure is a call that Slack did not do, or did not say that it did.
type failure struct {
	outbox.Outcome
	code string // Slack's word; empty where there was none
}

// status is what every answer has.
type status struct {
	OK       bool   `json:"ok"`
	Error    string `json:"error"`
	Needed   string `json:"needed"` // of missing_scope
	Metadata struct {
		Next string `json:"next_cursor"`
	} `json:"response_metadata"`
}

// unsettled are the words with which Slack says that it may have done it.
var unsettled = []string{"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"}

// advice is what a person does about a word of Slack's.
var advice = map[string]string{
	"channel_not_found": "there is no such channel, or the bot is not in it: invite it",
	"not_in_channel":    "the bot is not in the channel: invite it",
	"is_archived":       "the channel is archived",
	"invalid_auth":      "the token was rejected",
	"not_authed":        "the token was rejected",
	"token_revoked":     "the token was revoked",
	"token_expired":     "the token has expired",
	"account_inactive":  "the token's app or workspace is gone",
	"missing_scope":     "the token lacks a scope",
	"users_not_found":   "there is no person of that address",
	"user_not_found":    "there is no such person",
}

// ask makes a call of a method that reads.
func (b *Bot) ask(ctx context.Context, order bool, method string, query url.Values, into any) (next string, f *failure) {
	call := &format.Call{Method: "GET", URL: b.config.URL + "/" + method + "?" + query.Encode()}
	return b.exchange(ctx, order, method, call, into)
}

// tell makes a call of a method that does something.
func (b *Bot) tell(ctx context.Context, order bool, method string, body, into any) *failure {
	text, err := json.Marshal(body)
	if err != nil {
		return &failure{Outcome: outbox.Outcome{Refused: true, Reason: err.Error()}} // unreachable: it is made of texts
	}
	call := &format.Call{URL: b.config.URL + "/" + method, Body: text}
	_, f := b.exchange(ctx, order, method, call, into)
	return f
}

func (b *Bot) exchange(ctx context.Context, order bool, method string, call *format.Call, into any) (next string, f *failure) {
	call.Header = map[string]string{"Authorization": "Bearer " + b.config.Token}
	if call.Body != nil {
		call.Header["Content-Type"] = "application/json; charset=utf-8"
	}
	var said status
	call.Read = func(a format.Answer) format.Reply {
		if a.Status/100 != 2 {
			return format.Reply{}
		}
		if json.Unmarshal(a.Body, &said) != nil || json.Unmarshal(a.Body, into) != nil {
			said = status{}
			return format.Reply{Reason: "the answer to " + method + " is not in Slack's form"}
		}
		if said.OK {
			return format.Reply{Done: true}
		}
		return refusal(method, said, a.Header.Get("Retry-After") != "")
	}
	if o := b.config.Net.Do(ctx, order, call); !o.OK {
		return "", &failure{o, said.Error}
	}
	return said.Metadata.Next, nil
}

// refusal is the reply to an answer with ok: false.
func refusal(method string, said status, told bool) format.Reply {
	r := format.Reply{Certain: !slices.Contains(unsettled, said.Error), Refused: flawed[said.Error]}
	switch {
	case !word.MatchString(said.Error):
		r.Reason, r.Certain = "Slack did not do "+method, false
		return r
	case (said.Error == "ratelimited" || said.Error == "rate_limited") && !told:
		r.RetryAfter = 30 * time.Second
	}
	r.Reason = fmt.Sprintf("Slack answered %s to %s", said.Error, method)
	if a := advice[said.Error]; a != "" {
		r.Reason += ": " + a
	}
	if said.Error == "missing_scope" && scopes.MatchString(said.Needed) {
		r.Reason += ": " + said.Needed
	}
	return r
}
