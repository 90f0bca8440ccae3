package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// delivery is one that GitHub has made, or tried to.
type delivery struct {
	ID     uint64    `json:"id"`
	GUID   string    `json:"guid"` // the same for all repetitions
	At     time.Time `json:"delivered_at"`
	Status int       `json:"status_code"`
	Event  string    `json:"event"`
	Action string    `json:"action"`
}

// repeatable is how long GitHub repeats a delivery.
const repeatable = 3 * 24 * time.Hour

// look is how far GitHub's list of deliveries was looked through.
type look struct {
	next time.Time // when it goes on, or begins anew
}

// repeatLost has GitHub repeat the requests that it could not deliver: it does not do so by
// itself. What relgate has refused is not repeated. Once it is interrupted it goes on in the
// next pass; one delivery is asked for in any case.
func (a *Answerer) repeatLost(ctx context.Context, known []Request, interrupted func() bool) {
	now := a.config.Now()
	if now.Before(a.look.next) {
		return
	}
	a.look.next = now.Add(looksEvery)
	t := a.tryOf("")
	got := a.app.asApp(ctx, http.MethodGet, "/app/hook/deliveries?per_page=100&status=failure", nil)
	var list []delivery
	if got.ok() && json.Unmarshal(got.body, &list) != nil {
		got.reason = "GitHub's list of deliveries cannot be read"
	}
	if !got.ok() {
		a.look.next = a.config.Now().Add(max(looksEvery, got.wait))
		a.warn(ctx, t, "requests that did not arrive cannot be asked for", errors.New(got.reason))
		return
	}
	a.worked(t)
	kept := map[string]bool{}
	for i := range known {
		kept[known[i].Delivery] = true
	}
	asked := false
	for _, d := range list { // the newest first
		lost := d.Event == "deployment_protection_rule" && d.Action == "requested" && (d.Status == 0 || d.Status >= 500)
		if !lost || kept[d.GUID] || now.Sub(d.At) > repeatable || a.askedFor(d.GUID, now) {
			continue
		}
		if asked && interrupted() {
			a.look.next = now
			return
		}
		asked = true
		got := a.app.asApp(ctx, http.MethodPost, fmt.Sprintf("/app/hook/deliveries/%d/attempts", d.ID), nil)
		if !got.ok() {
			a.warn(ctx, t, "a request that did not arrive cannot be asked for", errors.New(got.reason))
		}
		if concernsAll(got) {
			a.look.next = a.config.Now().Add(max(looksEvery, got.wait))
			return
		}
		a.noteAsked(d.GUID, now)
		if got.ok() {
			a.log.Info("GitHub was asked for a request that did not arrive", "delivery", d.GUID)
		}
	}
}

// concernsAll reports whether a failure would meet the next request as well: the key, a limit
// on requests, or a GitHub that cannot be reached.
func concernsAll(got answer) bool {
	if got.ok() {
		return false
	}
	return got.status/100 != 4 || got.status == 401 || got.status == 403 || got.status == 429 || got.wait > 0
}

// askedFor reports whether GitHub was asked for a delivery, and is not asked again yet.
func (a *Answerer) askedFor(guid string, now time.Time) bool {
	t := a.asked[guid]
	return t != nil && now.Before(t.next)
}

// noteAsked notes that GitHub was asked for a delivery: again at growing distances.
func (a *Answerer) noteAsked(guid string, now time.Time) {
	if len(a.asked) > 1000 {
		clear(a.asked)
	}
	t := a.asked[guid]
	if t == nil {
		t = &try{}
		a.asked[guid] = t
	}
	t.next = now.Add(looksEvery << min(t.failures, 8))
	t.failures++
}

// pendingNames are the environments of a workflow run that GitHub waits for.
func pendingNames(body []byte) (names []string, ok bool) {
	var list []struct {
		Environment struct {
			Name string `json:"name"`
		} `json:"environment"`
	}
	if json.Unmarshal(body, &list) != nil || list == nil {
		return nil, false
	}
	for _, p := range list {
		names = append(names, p.Environment.Name)
	}
	return names, true
}
