package grafana

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	gapi "github.com/grafana/grafana-api-golang-client"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/wire"
)

// Annotator is the sink that writes annotations: a region for each phase, from its start to
// its end, and a point for each verdict and for what becomes of the run. Each has a tag with
// the event's id, by which it is found when the event is sent again: there is one of it
// however often that happens.
type Annotator struct {
	client *Client
	site   wire.Site
}

// Annotator makes the sink. base is where people reach relgate, for links; empty: no links.
func (c *Client) Annotator(base string) *Annotator {
	return &Annotator{client: c, site: wire.Site{Base: strings.TrimSuffix(base, "/")}}
}

// CloseIdleConnections frees the connections that carry no request.
func (a *Annotator) CloseIdleConnections() { a.client.CloseIdleConnections() }

// Types lists the types of events of which annotations may come.
func Types() []string {
	var all []string
	for _, to := range []string{"monitoring", "passed", "failed", "rolled_back", "superseded"} {
		all = append(all, "relgate.phase."+to)
	}
	for _, to := range []string{"pass", "fail", "unknown"} {
		all = append(all, "relgate.verdict."+to)
	}
	for _, to := range []string{"waiting", "monitoring", "held", "passed", "failed", "rolled_back", "superseded"} {
		all = append(all, "relgate.run."+to)
	}
	return append(all, "relgate.effect.safe", "relgate.effect.stopped")
}

// part is what an event is in Grafana.
type part int

const (
	nothing part = iota
	point
	begin // of a region
	end   // of a region
)

// partOf says what becomes of an event. The verdict rollback, which every gate of a run
// changes to, is said once, by the run.
func partOf(e *wire.EventBody) part {
	started := e.From == "monitoring" || e.From == "held"
	switch e.Kind {
	case "phase":
		switch {
		case e.To == "monitoring" && e.From == "waiting":
			return begin
		case started && slices.Contains([]string{"passed", "failed", "rolled_back", "superseded"}, e.To):
			return end
		}
	case "verdict":
		if slices.Contains([]string{"pass", "fail", "unknown"}, e.To) {
			return point
		}
	case "effect":
		if e.To == "safe" || e.To == "stopped" {
			return point
		}
	case "run":
		// Its start is that of its first phase; from a hold it goes on.
		if e.To != "waiting" && e.To != "monitoring" || e.From == "held" {
			return point
		}
	}
	return nothing
}

// Send brings an event to Grafana, unless it is there or has no annotation.
func (a *Annotator) Send(ctx context.Context, m outbox.Message) outbox.Outcome {
	var e wire.EventBody
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return outbox.Outcome{Refused: true, Reason: "the event cannot be read"}
	}
	var err error
	switch partOf(&e) {
	case point:
		err = a.once(ctx, tag("event", e.ID), a.annotation(m.At, &e))
	case begin:
		of := a.annotation(m.At, &e)
		of.Tags = append(of.Tags, region(&e))
		err = a.once(ctx, region(&e), of)
	case end:
		err = a.end(ctx, m.At, &e)
	}
	return outcome(err)
}

// outcome is what an attempt came to. A token or an address that is wrong is put right by
// a person: what waits is not given up for that.
func outcome(err error) outbox.Outcome {
	if err == nil {
		return outbox.Outcome{OK: true}
	}
	o := outbox.Outcome{Reason: err.Error()}
	if e, ok := errors.AsType[*Error](err); ok {
		o.RetryAfter = e.RetryAfter
		o.Refused = e.Status == http.StatusBadRequest || e.Status == http.StatusRequestEntityTooLarge || e.Status == http.StatusUnprocessableEntity
	}
	return o
}

// tag is a tag with a name in it: of one that is long, with a digest. Grafana takes 100
// bytes, and 500 for all tags of an annotation.
func tag(key, name string) string {
	if len(name) > 60 {
		name = fmt.Sprintf("sha256-%x", sha256.Sum256([]byte(name)))[:40]
	}
	return key + ":" + name
}

// region is the tag of a phase's region. What stands before the number in an event's id
// is the run's, and no other run's.
func region(e *wire.EventBody) string {
	run, _, _ := strings.Cut(e.ID, "/")
	return tag("region", run+"/"+e.Phase)
}

// annotation is a point at an event.
func (a *Annotator) annotation(at time.Time, e *wire.EventBody) *gapi.Annotation {
	tags := []string{"relgate", "plan:" + e.Plan, tag("type", strings.TrimPrefix(e.Type, "relgate."))}
	if e.Run != "" {
		tags = append(tags, tag("run", e.Run))
	}
	if e.Phase != "" {
		tags = append(tags, "phase:"+e.Phase)
	}
	return &gapi.Annotation{Time: at.UnixMilli(), Text: a.text(e), Tags: append(tags, tag("event", e.ID))}
}

// text is the headline and a link, as Grafana shows it: HTML.
func (a *Annotator) text(e *wire.EventBody) string {
	text := e.Headline
	if text == "" {
		text = e.Type
	}
	text = html.EscapeString(text)
	if a.site.Base != "" && e.Run != "" {
		text += fmt.Sprintf(` <a href="%s" target="_blank">%s</a>`, html.EscapeString(a.site.Link("v1", "runs", e.Run)), html.EscapeString(e.Run))
	}
	return text
}

// once writes an annotation unless one with the tag is there. An answer that was lost
// comes with the next attempt, which finds the annotation.
func (a *Annotator) once(ctx context.Context, by string, annotation *gapi.Annotation) error {
	there, err := a.find(ctx, by)
	if err != nil || there != nil {
		return err
	}
	_, err = a.client.call(ctx, func(api *gapi.Client) error { _, err := api.NewAnnotation(annotation); return err })
	return err
}

// find is the annotation with a tag, nil when there is none. Some databases compare tags
// without regard to case: what comes is compared again.
func (a *Annotator) find(ctx context.Context, by string) (*gapi.Annotation, error) {
	var all []gapi.Annotation
	query := url.Values{"tags": {"relgate", by}, "limit": {"100"}}
	if _, err := a.client.call(ctx, func(api *gapi.Client) (err error) { all, err = api.Annotations(query); return err }); err != nil {
		return nil, err
	}
	for i := range all {
		if slices.Contains(all[i].Tags, by) {
			return &all[i], nil
		}
	}
	return nil, nil
}

// end gives the region of a phase its end. What a person has made of its words stays.
// Where the region is gone, because a person removed it, the end is a point.
func (a *Annotator) end(ctx context.Context, at time.Time, e *wire.EventBody) error {
	there, err := a.find(ctx, region(e))
	if err != nil {
		return err
	}
	event := tag("event", e.ID)
	if there == nil {
		return a.once(ctx, event, a.annotation(at, e))
	}
	if slices.Contains(there.Tags, event) {
		return nil
	}
	ended := &gapi.Annotation{
		Time: there.Time, TimeEnd: at.UnixMilli(), Text: there.Text + "<br>" + a.text(e),
		Tags: append(slices.Clone(there.Tags), event),
	}
	_, err = a.client.call(ctx, func(api *gapi.Client) error { _, err := api.PatchAnnotation(there.ID, ended); return err })
	return err
}
