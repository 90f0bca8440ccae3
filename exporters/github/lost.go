package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
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

// mostPages is how many pages of deliveries are looked through, and perPage how many are on one.
const (
	mostPages = 10
	perPage   = 100
)

// look is how far GitHub's list of deliveries was looked through.
type look struct {
	next   time.Time // when it goes on, or begins anew
	cursor string    // of the page where it goes on; empty: at the first
	pages  int       // before that
}

// repeatLost has GitHub repeat the requests that it could not deliver: it does not do so by
// itself. What relgate has refused is not repeated. Once it is interrupted it goes on in the
// next pass; one page is looked at, and one delivery asked for, in any case.
func (a *Answerer) repeatLost(ctx context.Context, known []Request, interrupted func() bool) {
	began := a.config.Now()
	if began.Before(a.look.next) {
		return
	}
	kept := map[string]bool{}
	for i := range known {
		kept[known[i].Delivery] = true
	}
	t, asked := a.tryOf(""), false
	for {
		list, got := a.deliveries(ctx)
		if !got.ok() {
			a.warn(ctx, t, "deliveries that failed cannot be listed", errors.New(got.reason))
			a.look = look{next: a.config.Now().Add(max(looksEvery, got.wait))}
			return
		}
		for _, d := range list {
			lost := d.Event == "deployment_protection_rule" && d.Action == "requested" && (d.Status == 0 || d.Status >= 500)
			if !lost || kept[d.GUID] || began.Sub(d.At) > repeatable || a.askedFor(d.GUID, began) {
				continue
			}
			if asked && interrupted() {
				a.look.next = a.config.Now()
				return
			}
			asked = true
			if got := a.repeat(ctx, t, d, began); concernsAll(got) {
				a.look = look{next: a.config.Now().Add(max(looksEvery, got.wait))}
				return
			}
		}
		a.look.cursor, a.look.pages = got.cursor, a.look.pages+1
		if got.cursor == "" || a.look.pages == mostPages {
			break
		}
		if interrupted() {
			a.look.next = a.config.Now()
			return
		}
	}
	a.worked(t)
	if a.look.cursor != "" {
		a.log.Warn("GitHub lists more failed deliveries than relgate reads: older ones are not repeated", "deliveries", mostPages*perPage)
	}
	a.look = look{next: began.Add(looksEvery)}
}

// deliveries lists a page of the failed deliveries, the newest first.
func (a *Answerer) deliveries(ctx context.Context) ([]delivery, answer) {
	path := fmt.Sprintf("/app/hook/deliveries?per_page=%d&status=failure", perPage)
	if a.look.cursor != "" {
		path += "&cursor=" + url.QueryEscape(a.look.cursor)
	}
	got := a.app.asApp(ctx, http.MethodGet, path, nil)
	var list []delivery
	if got.ok() && json.Unmarshal(got.body, &list) != nil {
		got.reason = "GitHub's list of deliveries cannot be read"
	}
	return list, got
}

var linked = regexp.MustCompile(`<([^<>]*)>([^<]*)`)

// nextCursor reads the header Link: the cursor of the next page. Nothing else of the address is
// used: a request has a token, and goes to the configured API only.
func nextCursor(h http.Header) string {
	for _, link := range linked.FindAllStringSubmatch(strings.Join(h.Values("Link"), ", "), -1) {
		if u, err := url.Parse(link[1]); err == nil && strings.Contains(link[2], `rel="next"`) {
			return u.Query().Get("cursor")
		}
	}
	return ""
}

// repeat has GitHub repeat a delivery.
func (a *Answerer) repeat(ctx context.Context, t *try, d delivery, now time.Time) answer {
	got := a.app.asApp(ctx, http.MethodPost, fmt.Sprintf("/app/hook/deliveries/%d/attempts", d.ID), nil)
	if !got.ok() {
		a.warn(ctx, t, "a delivery that failed is not repeated", errors.New(got.reason))
	} else {
		a.log.Info("GitHub was asked to repeat a delivery that failed", "delivery", d.GUID)
	}
	if !concernsAll(got) {
		a.noteAsked(d.GUID, now)
	}
	return got
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
	if len(a.asked) > 2*mostPages*perPage {
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
