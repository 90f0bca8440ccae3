package inbox

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/relgate/relgate/sources"
)

// eventBridge reads the events of CloudWatch's alarms that an API destination posts. AWS
// signs nothing there: the header of the destination's connection says who sends. What is
// sent before is known by its id, and what is overtaken by when its state began.
type eventBridge struct{ token *sources.Secret }

type awsEvent struct {
	ID         string   `json:"id"`
	Source     string   `json:"source"`
	DetailType string   `json:"detail-type"`
	Account    string   `json:"account"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Time       string   `json:"time"`
	Detail     struct {
		Name  string `json:"alarmName"`
		State struct {
			Value string `json:"value"`
			At    string `json:"timestamp"`
		} `json:"state"`
	} `json:"detail"`
}

// eventAge is how old an event may be: EventBridge tries for a day.
const eventAge = 25 * time.Hour

func (f eventBridge) read(_ context.Context, h http.Header, body []byte, now time.Time) (message, error) {
	if err := bearer(h, f.token); err != nil {
		return message{}, err
	}
	var e awsEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return message{}, refuse(Malformed, "it cannot be read: %v", err)
	}
	at, err := awsTime(e.Time)
	if e.ID == "" || err != nil {
		return message{}, refuse(Malformed, "it has no id and time, as events of EventBridge have: send the matched event as it is")
	}
	if err := fresh(at, now, eventAge); err != nil {
		return message{}, err
	}
	m := message{key: "event " + digest(e.ID)}
	if e.Source != "aws.cloudwatch" || e.DetailType != "CloudWatch Alarm State Change" {
		return m, nil // of a schedule, say: it shows that events come
	}
	arn := ""
	if len(e.Resources) > 0 {
		arn = e.Resources[0]
	}
	a, err := alarm(arn, e.Detail.Name, e.Region, e.Account, e.Detail.State.Value, e.Detail.State.At, now)
	m.alerts = []sources.Alert{a}
	return m, err
}

// alarm is a state of an alarm of CloudWatch's.
func alarm(arn, name, region, account, value, at string, now time.Time) (sources.Alert, error) {
	a := sources.Alert{
		ID: digest(region + " " + account + " " + name), Labels: labelled("alarm", name, "region", region, "account", account, "arn", arn), Ordered: true,
	}
	if name == "" {
		return a, refuse(Malformed, "the alarm has no name")
	}
	began, err := awsTime(at)
	if err != nil {
		return a, refuse(Malformed, "alarm %.100q does not say when its state began", name)
	}
	a.Begun = when(began, now)
	switch value {
	case "ALARM":
		a.State = sources.AlertOn
	case "OK":
		a.State, a.Ended = sources.AlertOff, a.Begun
	case "INSUFFICIENT_DATA":
		a.State, a.Ended = sources.AlertUnknown, a.Begun
	default:
		return a, refuse(Malformed, "alarm %.100q has the state %.40q: want OK, ALARM or INSUFFICIENT_DATA", name, value)
	}
	return a, nil
}

// awsTime reads a time as CloudWatch, SNS and EventBridge write it.
func awsTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Parse("2006-01-02T15:04:05.999-0700", text)
	}
	return t, nil
}
