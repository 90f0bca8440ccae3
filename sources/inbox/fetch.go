package inbox

import (
	"context"
	"fmt"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/inbox/kind"
)

// Fetch says of each signal in which periods one of its alerts was on, by what was pushed
// until now.
func (in *Inbox) Fetch(ctx context.Context, now time.Time, wants []sources.Want) []rules.Reading {
	all := make([]rules.Reading, 0, len(wants))
	if in.pushes == nil {
		for _, w := range wants {
			all = append(all, sources.Faulty(w, rules.ConfigFault, "an inbox answers only in the daemon that takes its pushes"))
		}
		return all
	}
	var list []sources.Push
	var err error
	if len(wants) > 0 {
		from := wants[0].From
		for _, w := range wants {
			from = min(from, w.From)
		}
		list, err = in.pushes.Kept(ctx, in.name, time.Unix(from, 0).Add(-in.heartbeat))
	}
	for _, w := range wants {
		q := kind.Of(w.Signal.Query)
		switch {
		case err != nil:
			all = append(all, sources.Faulty(w, rules.Unavailable, "what was pushed cannot be read"))
			in.log.Warn("what was pushed cannot be read", "err", err)
		case q == nil:
			all = append(all, sources.Faulty(w, rules.ConfigFault, "the query is not for an inbox"))
		default:
			all = append(all, in.answer(now, w, q, list))
		}
	}
	return all
}

// answer is the reading of one signal.
func (in *Inbox) answer(now time.Time, w sources.Want, q *kind.Query, list []sources.Push) rules.Reading {
	r := rules.Reading{Signal: w.Index, From: w.From, To: w.To}
	h := in.history(q, list, now)
	until := min(w.To*1000, now.UnixMilli()+1)
	switch {
	case h.last == 0:
		r.Fault, r.Detail = rules.NoData, fmt.Sprintf("nothing was pushed for longer than the heartbeat of %v: does its sender know POST /v1/inbox/%s?", rules.Duration{Duration: in.heartbeat}, in.name)
		return r
	case !h.seen && !q.UnseenIsOK:
		r.Fault, r.Detail = rules.NoData, sources.Clip("never pushed: "+q.Line()+": is the name right? Let its sender push it once, as a test")
		return r
	}
	width := int64(w.Signal.Period / time.Second)
	if width <= 0 {
		width = 60
	}
	for at := -floor(-w.From, width); at < w.To && at*1000 < until; at += width {
		if level, known := h.level(at*1000, min((at+width)*1000, until)); known {
			r.Points = append(r.Points, rules.Point{At: at, Value: level, Samples: 1})
		}
	}
	r.SettledUntil = floor(min(w.To, now.Unix()), width)
	if end := h.last + in.heartbeat.Milliseconds(); end < until {
		r.SettledUntil = min(r.SettledUntil, floor(end/1000, width))
		r.Fault = rules.NoData
		r.Detail = fmt.Sprintf("nothing was pushed since %s, for longer than the heartbeat of %v: what was %s then is not known now",
			time.UnixMilli(h.last).UTC().Format(time.RFC3339), rules.Duration{Duration: in.heartbeat}, h.now())
		return r
	}
	if h.firing != nil && h.now() == sources.AlertOn {
		r.Note = sources.Clip("on since " + time.UnixMilli(h.since).UTC().Format(time.RFC3339) + ": " + named(h.firing.Labels))
	}
	if h.now() == sources.AlertUnknown {
		r.Fault, r.Detail = rules.NoData, "the alert itself has no data"
	}
	return r
}

// named is how an alert is called.
func named(labels map[string]string) string {
	for _, label := range []string{"alertname", "alarm", "rule"} {
		if labels[label] != "" {
			return labels[label]
		}
	}
	return "an alert"
}

func floor(t, width int64) int64 { return t - ((t%width)+width)%width }
