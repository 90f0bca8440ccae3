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

// repeatLost has GitHub repeat the requests that it could not deliver: it does not do so by
// itself. What relgate has refused is not repeated.
func (a *Answerer) repeatLost(ctx context.Context, known []Request) {
	now := a.config.Now()
	a.mu.Lock()
	due := !now.Before(a.look)
	if due {
		a.look = now.Add(looksEvery)
	}
	a.mu.Unlock()
	if !due {
		return
	}
	t := a.tryOf("")
	got := a.app.asApp(ctx, http.MethodGet, "/app/hook/deliveries?per_page=100&status=failure", nil)
	var list []delivery
	if got.ok() && json.Unmarshal(got.body, &list) != nil {
		got.reason = "GitHub's list of deliveries cannot be read"
	}
	if !got.ok() {
		a.warn(ctx, t, "requests that did not arrive cannot be asked for", errors.New(got.reason))
		return
	}
	a.worked(t)
	kept := map[string]bool{}
	for i := range known {
		kept[known[i].Delivery] = true
	}
	for _, d := range list { // the newest first
		lost := d.Event == "deployment_protection_rule" && d.Action == "requested" && (d.Status == 0 || d.Status >= 500)
		if !lost || kept[d.GUID] || now.Sub(d.At) > repeatable || !a.dueAgain(d.GUID, now) {
			continue
		}
		if got := a.app.asApp(ctx, http.MethodPost, fmt.Sprintf("/app/hook/deliveries/%d/attempts", d.ID), nil); !got.ok() {
			a.warn(ctx, t, "a request that did not arrive cannot be asked for", errors.New(got.reason))
			continue
		}
		a.log.Info("GitHub was asked for a request that did not arrive", "delivery", d.GUID)
	}
}

// dueAgain reports whether a delivery is asked for now: at growing distances.
func (a *Answerer) dueAgain(guid string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.asked) > 1000 {
		clear(a.asked)
	}
	t := a.asked[guid]
	if t == nil {
		t = &try{}
		a.asked[guid] = t
	}
	if now.Before(t.next) {
		return false
	}
	t.next = now.Add(looksEvery << min(t.failures, 8))
	t.failures++
	return true
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
