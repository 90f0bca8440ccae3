// Package kind is what relgate knows of an inbox before an alert is pushed to it: how its
// queries are written and checked, and what each format of alerts needs. It is pure; what
// takes the pushes is the package above it.
package kind

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// Name is how configs name the kind.
const Name = "inbox"

// Formats of alerts: who pushes.
const (
	Alertmanager = "alertmanager"
	Grafana      = "grafana"
	Sentry       = "sentry"
	SNS          = "sns"
	EventBridge  = "eventbridge"
	JSON         = "json"
)

// Formats lists the formats.
func Formats() []string { return []string{Alertmanager, Grafana, Sentry, SNS, EventBridge, JSON} }

// Kind describes an inbox.
type Kind struct{}

// Name is "inbox".
func (Kind) Name() string { return Name }

// Title is "an inbox".
func (Kind) Title() string { return "an inbox" }

// Query is an empty [Query].
func (Kind) Query() rules.SourceQuery { return new(Query) }

// Keys of an inbox. Which of them a format needs is said by [checkAccount].
const (
	Format    = "format"
	Heartbeat = "heartbeat"
	Bearer    = "bearer"
	Secret    = "secret"
	Timestamp = "timestamp_header"
	Topics    = "topics"
	SHA1      = "signature_version"
	Alerts    = "alerts"
	Labels    = "labels"
	ID        = "alert_id"
	State     = "state"
	On        = "on"
	Off       = "off"
)

// What keys are where the config does not say.
const (
	DefaultTimestamp = "X-Grafana-Alerting-Timestamp"
	DefaultOn        = "firing"
	DefaultOff       = "resolved"
)

// Account is what an inbox is told: who pushes, how it is verified, and when its silence
// is too long.
func (Kind) Account() rules.Account {
	return rules.Account{Check: checkAccount, Keys: []rules.AccountKey{
		{Key: Format, Doc: "Inbox: who pushes: \"alertmanager\", \"grafana\", \"sentry\", \"sns\" (CloudWatch alarms through SNS), \"eventbridge\" (CloudWatch alarms through an API destination) or \"json\" (any other, by alerts, labels, state). Required there.", Example: `"alertmanager"`, Required: true},
		{Key: Heartbeat, Doc: "Inbox: how long nothing may be pushed before its alerts are not known any more, 10s to 24h: two to three times the interval of a push that always comes. Required there.", Example: `"5m"`, Required: true},
		{Key: Bearer, Doc: "Inbox: what the sender puts behind `Authorization: Bearer`. Required for alertmanager and eventbridge; for json, unless secret is given.", Secret: true},
		{Key: Secret, Doc: "Inbox: key of the sender's signature: the HMAC secret of Grafana's contact point, Sentry's client secret, and for json the key of Standard Webhooks (`whsec_` and base64, or text). Required for grafana and sentry.", Secret: true},
		{Key: Timestamp, Doc: "Inbox of Grafana: the contact point's timestamp header, without which a push is refused. Default: " + DefaultTimestamp + "."},
		{Key: Topics, Doc: "Inbox of SNS: ARNs of the topics that may push and whose subscription is confirmed, with commas between. Required there."},
		{Key: SHA1, Doc: "Inbox of SNS: \"1\" takes signatures with SHA-1 as well. Default: \"2\", with SHA-256 only."},
		{Key: Alerts, Doc: "Inbox of JSON: where the list of alerts is, keys with dots between: \"data.alerts\". Default: the document is one alert, or a list of them."},
		{Key: Labels, Doc: "Inbox of JSON: where an alert's labels are, within the alert. Default: its own fields."},
		{Key: ID, Doc: "Inbox of JSON: where an alert has what tells it from others. Default: its labels without its state."},
		{Key: State, Doc: "Inbox of JSON: where an alert's state is. Required there."},
		{Key: On, Doc: "Inbox of JSON: states in which an alert is on, with commas between. Default: \"" + DefaultOn + "\"."},
		{Key: Off, Doc: "Inbox of JSON: states in which it is off. In any other it is not known. Default: \"" + DefaultOff + "\"."},
	}}
}

// needs is which keys go with which format, beside format and heartbeat: true where the
// key is required.
var needs = map[string]map[string]bool{
	Alertmanager: {Bearer: true},
	Grafana:      {Secret: true, Timestamp: false},
	Sentry:       {Secret: true},
	SNS:          {Topics: true, SHA1: false},
	EventBridge:  {Bearer: true},
	JSON:         {Bearer: false, Secret: false, Alerts: false, Labels: false, ID: false, State: true, On: false, Off: false},
}

// examples are what a required key could be.
var examples = map[string]string{
	Bearer: `{ env = "RELGATE_INBOX_TOKEN" }`, Secret: `{ env = "RELGATE_INBOX_SECRET" }`,
	Topics: `"arn:aws:sns:eu-central-1:111122223333:alarms"`, State: `"status"`,
}

// checkAccount reports what the format of an inbox lacks, and what means nothing to it.
func checkAccount(at rules.Checker, text func(string) string, given func(string) bool) {
	if h := text(Heartbeat); h != "" {
		d, err := rules.ParseDuration(h)
		if err != nil {
			at.At(Heartbeat).Fail("bad-value", `write a length of time such as "5m"`, "%v", err)
		} else {
			at.Span(Heartbeat, &d, 10*time.Second, 24*time.Hour)
		}
	}
	format := text(Format)
	if format == "" || !at.At(Format).OneOf("unknown-format", "format of alerts", format, Formats()) {
		return
	}
	of := needs[format]
	for _, k := range (Kind{}).Account().Keys {
		required, own := of[k.Key]
		common := k.Key == Format || k.Key == Heartbeat
		at.Required(k.Key, required && !given(k.Key), examples[k.Key])
		if !own && !common && given(k.Key) {
			at.At(k.Key).Fail("key-of-other-format", "leave it out", "not a key of an inbox of format %q", format)
		}
	}
	if format == JSON {
		at.Required(Bearer, !given(Bearer) && !given(Secret), examples[Bearer])
		if given(Bearer) && given(Secret) {
			at.At(Secret).Fail("conflict", "keep one of them", "bearer is given as well")
		}
	}
	if v := text(SHA1); v != "" && v != "1" && v != "2" {
		at.At(SHA1).Fail("bad-value", `write "1" or "2"`, "%q: SNS has no such version", v)
	}
	for _, topic := range List(text(Topics)) {
		if Region(topic) == "" {
			at.At(Topics).Fail("bad-value", "write it as "+examples[Topics], "%q is no ARN of a topic", topic)
		}
	}
}

// List is what a text with commas lists.
func List(text string) []string {
	var list []string
	for _, t := range strings.Split(text, ",") {
		if t = strings.TrimSpace(t); t != "" {
			list = append(list, t)
		}
	}
	return list
}

// Region is the region of a topic, by its ARN; empty for a text that is none.
func Region(topic string) string {
	parts := strings.Split(topic, ":")
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "sns" || parts[4] == "" || parts[5] == "" {
		return ""
	}
	if len(parts[3]) < 3 || strings.Trim(parts[3], "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return ""
	}
	return parts[3]
}

// Query says which alerts a signal is about: it is on while one of them is.
type Query struct {
	Match      map[string]string `json:"match" toml:"match"`                         // Labels that an alert must have, all of them: { alertname = "HighErrors", release = "{version}" }. Those of CloudWatch's alarms are alarm, region and account; those of Sentry's alerts are rule, resource, project and environment. Required.
	Format     string            `json:"format,omitempty" toml:"-"`                  // of the inbox
	UnseenIsOK bool              `json:"unseen_is_ok,omitempty" toml:"unseen_is_ok"` // Such an alert that was never pushed is off. A misspelled label passes then. Default: false: there is no data before the alert was pushed once, in a test for example, on or off.
}

// Of is the query of an inbox that a signal has, nil when it has none.
func Of(q rules.Query) *Query {
	own, _ := q.Ask.(*Query)
	return own
}

// Source is "inbox".
func (*Query) Source() string { return Name }

// SetAccount tells the query who pushes to its inbox.
func (q *Query) SetAccount(text func(string) string) { q.Format = text(Format) }

// alarms are what people call what is pushed :: format → noun.
var alarms = map[string]string{
	Alertmanager: "Alertmanager alert", Grafana: "Grafana alert", Sentry: "Sentry alert", SNS: "CloudWatch alarm", EventBridge: "CloudWatch alarm",
}

// Facts are the pace of an inbox: what was pushed lies beside relgate, and looking costs
// nothing.
func (q *Query) Facts() rules.Facts {
	f := rules.Facts{Every: 10 * time.Second, Alarm: cmp.Or(alarms[q.Format], "alert")}
	if q.Format == SNS || q.Format == EventBridge {
		f.Named = q.Match["alarm"]
	}
	return f
}

// Implied is the query as it is.
func (q *Query) Implied(*rules.Signal) rules.SourceQuery { return q }

// Lint reports what is wrong with the query.
func (q *Query) Lint(at rules.Checker, sig *rules.Signal) {
	if sig.Kind != rules.Alarm {
		at.At("kind").Fail("wrong-kind", `write kind = "alarm"`, "what is pushed to an inbox is whether an alert is on")
	}
	at = at.At(Name)
	at.Required("match", len(q.Match) == 0, `{ alertname = "HighErrors" }`)
	for _, label := range slices.Sorted(maps.Keys(q.Match)) {
		if q.Match[label] == "" {
			at.At("match", label).Fail("bad-value", "leave it out, or write the value", "an alert without the label would match")
		}
	}
	if q.UnseenIsOK {
		at.At("unseen_is_ok").Warn("assumed-seen", "leave it out once the alert was pushed", "a misspelled label passes as an alert that is never on")
	}
}

// Matches reports whether an alert with such labels is one of the query's.
func (q *Query) Matches(labels map[string]string) bool {
	for label, value := range q.Match {
		if labels[label] != value {
			return false
		}
	}
	return true
}

// LintForms finds nothing: a label may have any value.
func (*Query) LintForms(rules.Checker) {}

// Line is `alerts with alertname="HighErrors"`.
func (q *Query) Line() string {
	labels := make([]string, 0, len(q.Match))
	for _, label := range slices.Sorted(maps.Keys(q.Match)) {
		labels = append(labels, fmt.Sprintf("%s=%q", label, q.Match[label]))
	}
	return "alerts with " + strings.Join(labels, ", ")
}

// Price is none.
func (*Query) Price(*rules.Signal) []rules.Question { return nil }

// Past is nothing.
func (*Query) Past(*rules.Signal) rules.Past {
	return rules.Past{None: "an inbox knows only what was pushed to the daemon"}
}
