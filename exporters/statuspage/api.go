package statuspage

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook/format"
)

// request is the body that makes or changes an incident.
type request struct {
	Incident incident `json:"incident"`
}

// incident is what is sent of one.
type incident struct {
	Name           string            `json:"name,omitempty"`
	Status         string            `json:"status,omitempty"`
	ImpactOverride string            `json:"impact_override,omitempty"`
	ScheduledFor   *time.Time        `json:"scheduled_for,omitempty"`
	ScheduledUntil *time.Time        `json:"scheduled_until,omitempty"`
	Body           string            `json:"body"`
	ComponentIDs   []string          `json:"component_ids,omitempty"`
	Components     map[string]string `json:"components,omitempty"` // :: id → state
	Metadata       metadata          `json:"metadata"`
}

// metadata is what relgate knows its incident by. Statuspage wants an object in it.
type metadata struct {
	Relgate known `json:"relgate"`
}

type known struct {
	Run    string `json:"run"`
	Events string `json:"events"` // ids of those that it tells of, with spaces between, the newest last
}

// tells reports whether an incident tells of an event.
func (a *answered) tells(id string) bool {
	return slices.Contains(strings.Fields(a.Metadata.Relgate.Events), id)
}

// answered is what is read of an incident.
type answered struct {
	ID       string    `json:"id"`
	Link     string    `json:"shortlink"`
	Created  time.Time `json:"created_at"`
	Metadata metadata  `json:"metadata"`
}

// failure is a request that was not done, or of which that is not known.
type failure struct {
	outbox.Outcome
	status int // of the answer; 0 where there was none
}

func failed(reason string) *failure { return &failure{Outcome: outbox.Outcome{Reason: reason}} }

// call makes one request. It waits where the one before was less than a second ago: Statuspage takes one a second.
func (s *Sink) call(ctx context.Context, order bool, method, path string, body, into any) *failure {
	call := &format.Call{Method: method, URL: s.config.URL + "/pages/" + url.PathEscape(s.config.Page) + path, Header: map[string]string{"Authorization": "OAuth " + s.config.Token}}
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return &failure{Outcome: outbox.Outcome{Refused: true, Reason: err.Error()}} // unreachable: it is made of texts
		}
		call.Body = text
	}
	if f := s.wait(ctx); f != nil {
		return f
	}
	status := 0
	call.Read = func(a format.Answer) format.Reply {
		status = a.Status
		return reply(a, into)
	}
	o := s.config.Net.Do(ctx, order, call)
	s.next = s.config.Now().Add(pace)
	if o.OK {
		return nil
	}
	return &failure{o, status}
}

// pace is how far apart two requests of a token are.
const pace = time.Second

// wait waits for the time of the next request.
func (s *Sink) wait(ctx context.Context) *failure {
	d := s.next.Sub(s.config.Now())
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(min(d, pace))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return failed("stopped while waiting to make the next request")
	}
}

// statusLimited is what Statuspage answered before 429 where there was too much.
const statusLimited = 420

// reply reads an answer. A 2xx without the JSON that was asked for may come from another server.
func reply(a format.Answer, into any) format.Reply {
	switch {
	case a.Status/100 == 2 && json.Unmarshal(a.Body, into) == nil:
		return format.Reply{Done: true}
	case a.Status/100 == 2:
		return format.Reply{Reason: fmt.Sprintf("answered %d, but not in Statuspage's form", a.Status)}
	case a.Status == http.StatusTooManyRequests || a.Status == statusLimited:
		r := format.Reply{Reason: fmt.Sprintf("answered %d: too many requests with this token", a.Status)}
		if a.Header.Get("Retry-After") == "" {
			r.RetryAfter = time.Minute
		}
		return r
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden:
		return format.Reply{Reason: fmt.Sprintf("answered %d: the token was rejected, or may not do this", a.Status)}
	case a.Status == http.StatusNotFound:
		return format.Reply{Reason: "answered 404: there is no such page, or the incident was removed"}
	case a.Status == http.StatusBadRequest || a.Status == http.StatusUnprocessableEntity:
		return format.Reply{Refused: true, Reason: fmt.Sprintf("answered %d: Statuspage rejected this: the status does not fit, or a component does not exist", a.Status)}
	}
	return format.Reply{}
}

// mostPages is how many pages of a list are read, and perPage how long they are.
const (
	mostPages = 10
	perPage   = 100
)

// longAgo is further back than a run has its first message.
const longAgo = 31 * 24 * time.Hour

// search looks for a message's run's incident among those that the page has, the newest first.
func (s *Sink) search(ctx context.Context, t *told) (*answered, *failure) {
	for page := 1; page <= mostPages; page++ {
		var list []answered
		query := url.Values{"limit": {strconv.Itoa(perPage)}, "page": {strconv.Itoa(page)}}
		if f := s.call(ctx, t.Order, http.MethodGet, "/incidents?"+query.Encode(), nil, &list); f != nil {
			return nil, f
		}
		for i := range list {
			if list[i].Metadata.Relgate.Run == t.Run && list[i].ID != "" {
				return &list[i], nil
			}
		}
		if len(list) < perPage {
			return nil, nil
		}
		if oldest := list[len(list)-1].Created; !oldest.IsZero() && oldest.Before(t.Message.At.Add(-longAgo)) {
			return nil, nil
		}
	}
	return nil, failed(fmt.Sprintf("the page has more than %d incidents, and it is not among the newest", mostPages*perPage))
}

// component is the id of a component.
func (s *Sink) component(ctx context.Context, order bool, name string) (string, *failure) {
	if id := s.components[strings.ToLower(name)]; id != "" {
		return id, nil
	}
	for page := 1; page <= mostPages; page++ {
		var list []struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		}
		query := url.Values{"per_page": {strconv.Itoa(perPage)}, "page": {strconv.Itoa(page)}}
		if f := s.call(ctx, order, http.MethodGet, "/components?"+query.Encode(), nil, &list); f != nil {
			return "", f
		}
		for _, c := range list {
			if componentID.MatchString(c.ID) {
				s.components[strings.ToLower(c.Name)], s.components[c.ID] = c.ID, c.ID
			}
		}
		if id := s.components[strings.ToLower(name)]; id != "" {
			return id, nil
		}
		if len(list) < perPage {
			break
		}
	}
	return "", failed(fmt.Sprintf("the page has no component %q", name))
}
