package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/exporters/prom"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/inbox"
	"github.com/relgate/relgate/sources/inbox/kind"
)

// kept keeps what is pushed in the journal of a daemon, which is opened after its sources.
type kept struct{ d *daemon }

// Keep makes a push durable.
func (k kept) Keep(ctx context.Context, source string, p sources.Push) (bool, error) {
	push := journal.Push{Key: p.Key, At: p.At}
	for _, a := range p.Alerts {
		said, err := json.Marshal(a)
		if err != nil {
			return false, err // unreachable: texts and numbers have a JSON form
		}
		push.Alerts = append(push.Alerts, journal.Pushed{Alert: a.ID, Said: said})
	}
	fresh, err := k.d.journal.KeepPush(ctx, source, push)
	if err == nil && fresh {
		k.d.wake(source, p.Alerts)
	}
	return fresh, err
}

// wake lets the runs tick at once that have a signal which one of the alerts is about. They
// are kept already. A heartbeat is about none.
func (d *daemon) wake(source string, alerts []sources.Alert) {
	d.runner.Wake(func(sig *rules.Signal) bool {
		q := kind.Of(sig.Query)
		return q != nil && sig.Source == source && slices.ContainsFunc(alerts, func(a sources.Alert) bool { return q.Matches(a.Labels) })
	})
}

// Kept reads the pushes since a time.
func (k kept) Kept(ctx context.Context, source string, since time.Time) ([]sources.Push, error) {
	found, err := k.d.journal.Pushes(ctx, source, since)
	if err != nil {
		return nil, err
	}
	list := make([]sources.Push, 0, len(found))
	for _, p := range found {
		push := sources.Push{Key: p.Key, At: p.At}
		for _, said := range p.Alerts {
			var a sources.Alert
			if err := json.Unmarshal(said.Said, &a); err != nil {
				return nil, fmt.Errorf("what was pushed to %q at %s: %w", source, p.At.Format(time.RFC3339), err)
			}
			push.Alerts = append(push.Alerts, a)
		}
		list = append(list, push)
	}
	return list, nil
}

// Pushes are kept for as long as rules look back, and in any case for as long as one that
// comes again is known only by its key: the oldest that is taken is 25 hours old.
const (
	pushesAtLeast = 26 * time.Hour
	pushesAtMost  = 30 * 24 * time.Hour
)

// pushesKept is for how long pushes are kept.
func pushesKept(retention time.Duration) time.Duration {
	return max(pushesAtLeast, min(retention, pushesAtMost))
}

// prunePushes forgets old pushes. What was said last of each alert stays.
func (d *daemon) prunePushes(ctx context.Context) error {
	return d.journal.PrunePushes(ctx, d.clock.Now().Add(-pushesKept(d.config.Daemon.Retention.Duration)))
}

// inboxes are the sources that take pushes, and what became of those. The zero value has
// none.
type inboxes struct {
	mu      sync.Mutex
	open    map[string]*inbox.Inbox         // of the config in force :: name of the source → inbox
	counts  map[string]map[inbox.Result]int // :: name of the source → pushes since the daemon began
	last    map[string]time.Time            // :: name of the source → the newest push that was kept
	said    map[string]time.Time            // :: name of the source → when a refusal was logged last
	current int                             // large pushes under way
}

// mostPushes is how many large pushes are read at a time: each may fill [inbox.MaxBody].
// Small ones need no room, so that a slow sender does not keep the others out.
const (
	mostPushes = 32
	smallPush  = 16 << 10 // bytes
)

// use puts the inboxes of a config in force.
func (n *inboxes) use(made map[string]sources.Source) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open = map[string]*inbox.Inbox{}
	for name, src := range made {
		if in, ok := src.(*inbox.Inbox); ok {
			n.open[name] = in
		}
	}
}

// named gives the inbox of a name, nil where there is none.
func (n *inboxes) named(name string) *inbox.Inbox {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open[name]
}

// begin reports whether there is room for a large push. Where there is, end follows.
func (n *inboxes) begin() (room bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.current >= mostPushes {
		return false
	}
	n.current++
	return true
}

func (n *inboxes) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.current--
}

// count notes what became of a push, and says whether a refusal is to be logged: one a
// second for each inbox.
func (n *inboxes) count(name string, r inbox.Result, now time.Time) (say bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.counts == nil {
		n.counts, n.last, n.said = map[string]map[inbox.Result]int{}, map[string]time.Time{}, map[string]time.Time{}
	}
	if n.counts[name] == nil {
		n.counts[name] = map[inbox.Result]int{}
	}
	n.counts[name][r]++
	if r == inbox.Accepted {
		n.last[name] = now
	}
	if slices.Contains([]inbox.Result{inbox.Accepted, inbox.Duplicate, inbox.Control}, r) || now.Sub(n.said[name]) < time.Second {
		return false
	}
	n.said[name] = now
	return true
}

// stats is what the inboxes have counted.
func (n *inboxes) stats() []prom.InboxStats {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []prom.InboxStats
	for name := range n.open {
		s := prom.InboxStats{Source: name, Last: n.last[name]}
		for _, r := range inbox.Results() {
			s.Pushes = append(s.Pushes, prom.InboxPushes{Result: string(r), Count: uint64(n.counts[name][r])})
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b prom.InboxStats) int {
		if a.Source < b.Source {
			return -1
		}
		return 1
	})
	return out
}

// pushStatus is the status of an answer to a push.
var pushStatus = map[inbox.Result]int{
	inbox.Accepted: http.StatusOK, inbox.Duplicate: http.StatusOK, inbox.Control: http.StatusOK,
	inbox.Unsigned: http.StatusUnauthorized, inbox.Forged: http.StatusUnauthorized, inbox.Replayed: http.StatusUnauthorized,
	inbox.Certificate: http.StatusForbidden, inbox.Topic: http.StatusForbidden,
	inbox.Malformed: http.StatusBadRequest, inbox.TooLarge: http.StatusRequestEntityTooLarge,
	inbox.Busy: http.StatusServiceUnavailable, inbox.Unavailable: http.StatusServiceUnavailable,
}

// pushTime is how long taking a push may take, but for its body: the longest is a
// certificate that has to be fetched.
const pushTime = 10 * time.Second

// receive takes a push to an inbox: it is durable before it is answered with 200. It asks
// for no token of the gate: the sender's own signature or token lets it in.
func (d *daemon) receive(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("source")
	in := d.inboxes.named(name)
	if in == nil {
		writeJSON(w, http.StatusNotFound, wire.Problem{Type: "about:blank", Title: "no such inbox", Status: http.StatusNotFound, Detail: "the config has no source of type inbox with this name"})
		return
	}
	result, err := d.take(w, r, in)
	if d.inboxes.count(name, result, d.clock.Now()) {
		d.log.Warn("push refused", "source", name, "result", result, "remote", r.RemoteAddr, "err", err)
	}
	status := pushStatus[result]
	if err == nil {
		writeJSON(w, status, map[string]string{"result": string(result)})
		return
	}
	switch status {
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="relgate inbox"`)
	}
	writeJSON(w, status, wire.Problem{Type: "about:blank", Title: "push refused: " + string(result), Status: status, Detail: err.Error()})
}

// take reads a push and hands it to its inbox.
func (d *daemon) take(w http.ResponseWriter, r *http.Request, in *inbox.Inbox) (inbox.Result, error) {
	refuse := func(result inbox.Result, reason string) (inbox.Result, error) {
		return result, &inbox.Refusal{Result: result, Reason: reason}
	}
	whole := http.MaxBytesReader(w, r.Body, inbox.MaxBody)
	body, err := io.ReadAll(io.LimitReader(whole, smallPush))
	if err == nil && len(body) == smallPush {
		if !d.inboxes.begin() {
			return refuse(inbox.Busy, "too many large pushes at a time: send it again")
		}
		defer d.inboxes.end()
		var rest []byte
		rest, err = io.ReadAll(whole)
		body = append(body, rest...)
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return refuse(inbox.TooLarge, fmt.Sprintf("the body has more than %d bytes", inbox.MaxBody))
	}
	if err != nil {
		return refuse(inbox.Unavailable, "the body did not arrive whole: send it again")
	}
	ctx, cancel := context.WithTimeout(r.Context(), pushTime)
	defer cancel()
	return in.Receive(ctx, d.clock.Now(), r.Header, body)
}
