package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/prom"
	"github.com/relgate/relgate/exporters/wire"
)

// deliveryList is the answer of GET /v1/deliveries.
type deliveryList struct {
	Endpoints []endpointBody `json:"endpoints"`
}

type endpointBody struct {
	Endpoint    string      `json:"endpoint"`
	Class       string      `json:"class"`
	Delivered   uint64      `json:"delivered"` // since the daemon started
	Failures    uint64      `json:"failures"`
	Pending     int         `json:"pending"` // orders among them
	InARow      int         `json:"failuresInARow"`
	Next        *time.Time  `json:"nextAttemptAt"`
	LastError   string      `json:"lastError"`
	LastSuccess *time.Time  `json:"lastSuccessAt"` // since the daemon started
	Orders      []orderBody `json:"orders"`        // that it has not taken yet
	DeadLetters []deadBody  `json:"deadLetters"`

	Answers []answerBody `json:"answers"` // what it says that it has started, the newest first; since the daemon started
}

type answerBody struct {
	Event  string    `json:"event"` // id
	At     time.Time `json:"at"`
	Answer string    `json:"answer"`
}

type orderBody struct {
	Event     string     `json:"event"` // id
	Type      string     `json:"type"`
	At        time.Time  `json:"at"`       // when it was decided
	Attempts  int        `json:"attempts"` // failed ones
	Next      *time.Time `json:"nextAttemptAt"`
	LastError string     `json:"lastError"`
}

type deadBody struct {
	Event  string    `json:"event"` // id
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	Again  bool      `json:"again"` // it is going to be sent again
}

// deliveryRoutes puts the deliveries beside the gate, behind the same tokens. Sending again
// takes the scope stop: it may repeat an order.
func (d *daemon) deliveryRoutes(mux *http.ServeMux) {
	mux.Handle("GET /v1/deliveries", d.gate.Require(gate.Read, http.HandlerFunc(d.listDeliveries)))
	mux.Handle("POST /v1/deliveries/{endpoint}/retry", d.gate.Require(gate.Stop, http.HandlerFunc(d.retryDeliveries)))
	mux.Handle("POST /v1/deliveries/{endpoint}/replay", d.gate.Require(gate.Stop, http.HandlerFunc(d.replayDeliveries)))
}

func (d *daemon) listDeliveries(w http.ResponseWriter, r *http.Request) {
	hooks, counted := d.hooks.Load(), map[string]prom.EndpointStats{}
	for _, s := range d.webhookStats() { // over all reloads
		counted[s.Endpoint] = s
	}
	list := deliveryList{Endpoints: []endpointBody{}}
	for _, s := range hooks.Stats() {
		e := endpointBody{
			Endpoint: s.Endpoint, Class: string(s.Class), Delivered: counted[s.Endpoint].Delivered, Failures: counted[s.Endpoint].Failures,
			Pending: s.Pending, InARow: s.InARow, LastError: s.LastErr, Next: timeOrNull(s.Next), LastSuccess: timeOrNull(counted[s.Endpoint].LastSuccess),
			Orders: []orderBody{}, DeadLetters: []deadBody{}, Answers: []answerBody{},
		}
		for _, a := range s.Answers {
			e.Answers = append(e.Answers, answerBody{a.Event, a.At, a.Text})
		}
		orders, err := hooks.Orders(s.Endpoint)
		if err != nil {
			deliveryProblem(w, err)
			return
		}
		for _, o := range orders {
			e.Orders = append(e.Orders, orderBody{
				Event: o.Event.ID, Type: wire.EventType(&o.Event), At: o.Event.At, Attempts: o.Attempts, Next: timeOrNull(o.NextAt), LastError: o.LastError,
			})
		}
		letters, err := hooks.DeadLetters(r.Context(), s.Endpoint)
		if err != nil {
			deliveryProblem(w, err)
			return
		}
		for _, l := range letters {
			e.DeadLetters = append(e.DeadLetters, deadBody{Event: l.Event.ID, At: l.At, Reason: l.Reason, Again: l.Again})
		}
		list.Endpoints = append(list.Endpoints, e)
	}
	writeJSON(w, http.StatusOK, list)
}

// timeOrNull is nil for a time that is not known.
func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// retried is the answer of POST /v1/deliveries/{endpoint}/retry.
type retried struct {
	Again   int `json:"again"`   // dead letters that are sent again
	Hurried int `json:"hurried"` // events that waited for their next attempt, and are tried now
}

// retryDeliveries sends dead letters again and hurries what waits: all of an
// endpoint, or one event.
func (d *daemon) retryDeliveries(w http.ResponseWriter, r *http.Request) {
	again, hurried, err := d.hooks.Load().Retry(r.Context(), r.PathValue("endpoint"), r.URL.Query().Get("event"))
	if err != nil {
		deliveryProblem(w, err)
		return
	}
	writeJSON(w, http.StatusOK, retried{again, hurried})
}

// replayDeliveries sends everything since a time again.
func (d *daemon) replayDeliveries(w http.ResponseWriter, r *http.Request) {
	since, err := time.Parse(time.RFC3339, r.URL.Query().Get("since"))
	if err != nil {
		writeJSON(w, http.StatusBadRequest, wire.Problem{Title: "bad since", Status: http.StatusBadRequest, Detail: "want a time such as 2025-06-04T02:00:00Z"})
		return
	}
	if err := d.hooks.Load().Replay(r.Context(), r.PathValue("endpoint"), since); err != nil {
		deliveryProblem(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"since": since.Format(time.RFC3339)})
}

func deliveryProblem(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, outbox.ErrUnknownEndpoint) || errors.Is(err, outbox.ErrNotWaiting) {
		status = http.StatusNotFound
	}
	writeJSON(w, status, wire.Problem{Title: http.StatusText(status), Status: status, Detail: err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	contentType := "application/json"
	if status >= 400 {
		contentType = "application/problem+json"
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = showJSON(w, v, "") // a client that is gone asks again
}

type deliveriesCommand struct {
	List   deliveriesListCommand   `cmd:"" help:"List endpoints, what they wait for, and dead letters."`
	Retry  deliveriesRetryCommand  `cmd:"" help:"Send again now what was not delivered to an endpoint: its dead letters, and what waits for its next attempt."`
	Replay deliveriesReplayCommand `cmd:"" help:"Send every event since a time again, under the same ids."`
}

type deliveriesListCommand struct {
	remote `embed:""`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

func (c deliveriesListCommand) Run(ctx context.Context, con console) error {
	var list deliveryList
	if err := c.read(ctx, "/v1/deliveries", &list); err != nil {
		return err
	}
	if c.Output == "json" {
		return showJSON(con.out, list, "  ")
	}
	list.show(con.out)
	return nil
}

// show writes the list for people: a line an endpoint, and below it what went wrong
// last, the orders that it has not taken, and its dead letters.
func (list deliveryList) show(w io.Writer) {
	var rows [][]string
	for _, e := range list.Endpoints {
		rows = append(rows, []string{
			plain(e.Endpoint), plain(e.Class), fmt.Sprintf("%d delivered", e.Delivered), fmt.Sprintf("%d pending", e.Pending),
			fmt.Sprintf("%d orders among them", len(e.Orders)), fmt.Sprintf("%d dead", len(e.DeadLetters)),
		})
	}
	lines := tabled(rows)
	for i, e := range list.Endpoints {
		fmt.Fprintln(w, lines[i])
		if e.LastError != "" {
			indented(w, 2, "not delivered: "+plain(e.LastError))
		}
		for _, o := range e.Orders {
			fmt.Fprintf(w, "  order %s\n", plain(o.Event))
			indented(w, 4, plain(o.Type)+", "+attempted(o))
		}
		for _, l := range e.DeadLetters {
			said := "given up at " + second(l.At)
			if l.Again {
				said += " and now sent again"
			}
			fmt.Fprintf(w, "  dead  %s\n", plain(l.Event))
			indented(w, 4, said+": "+plain(l.Reason))
		}
		for _, a := range e.Answers {
			fmt.Fprintf(w, "  told  %s\n", plain(a.Event))
			indented(w, 4, "at "+second(a.At)+": "+plain(a.Answer))
		}
	}
}

// attempted says how the delivery of an order stands.
func attempted(o orderBody) string {
	if o.Attempts == 0 {
		return "decided at " + second(o.At) + ", no answer yet"
	}
	said := fmt.Sprintf("%d attempts failed", o.Attempts)
	if o.Attempts == 1 {
		said = "1 attempt failed"
	}
	if o.Next != nil {
		said += ", next at " + second(*o.Next)
	}
	if o.LastError != "" {
		said += ": " + plain(o.LastError)
	}
	return said
}

// second writes a time to the second: attempts follow each other by seconds.
func second(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// indented writes a text in lines of at most 80 columns.
func indented(w io.Writer, by int, text string) {
	for _, line := range wrapped(text, 80-by) {
		fmt.Fprintf(w, "%*s%s\n", by, "", line)
	}
}

type deliveriesRetryCommand struct {
	remote   `embed:""`
	Output   string `short:"o" enum:"text,json" default:"text" help:"text or json."`
	Endpoint string `arg:"" help:"Name of the webhook, or grafana for its annotations."`
	Event    string `arg:"" optional:"" help:"Id of one event, as list shows it; all when left out."`
}

func (c deliveriesRetryCommand) Run(ctx context.Context, con console) error {
	path := "/v1/deliveries/" + url.PathEscape(c.Endpoint) + "/retry"
	if c.Event != "" {
		path += "?" + url.Values{"event": {c.Event}}.Encode()
	}
	var done retried
	a, err := c.post(ctx, path, &done)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return writeBody(con.out, a.body)
	}
	_, err = fmt.Fprintf(con.out, "dead letters sent again: %d\nevents tried now instead of later: %d\n", done.Again, done.Hurried)
	return err
}

type deliveriesReplayCommand struct {
	remote   `embed:""`
	Endpoint string    `arg:"" help:"Name of the webhook, or grafana for its annotations."`
	Since    time.Time `required:"" help:"By the events' own time, RFC 3339." format:"2006-01-02T15:04:05Z07:00"`
}

func (c deliveriesReplayCommand) Run(ctx context.Context, con console) error {
	query := url.Values{"since": {c.Since.Format(time.RFC3339)}}
	var done any
	a, err := c.post(ctx, "/v1/deliveries/"+url.PathEscape(c.Endpoint)+"/replay?"+query.Encode(), &done)
	if err != nil {
		return err
	}
	return writeBody(con.out, a.body)
}

// post sends no body and decodes the answer.
func (r remote) post(ctx context.Context, path string, done any) (*answer, error) {
	a, err := r.call(ctx, http.MethodPost, path, nil)
	if err != nil {
		return nil, unreachable(err)
	}
	if a.status != http.StatusOK {
		return nil, a.refusal()
	}
	if err := r.decode(a, done); err != nil {
		return nil, unreachable(err)
	}
	return a, nil
}
