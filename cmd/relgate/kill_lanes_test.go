package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
)

// isOrder reports whether a delivery is an order: a rollback, a hold, a resume or an
// abort.
func isOrder(e *wire.EventBody) bool {
	return (&fact.Event{Kind: fact.EventKind(e.Kind), Subject: e.Subject, From: e.From, To: e.To}).Order()
}

// moody is a receiver that fails on purpose until it is healed. At /acts it answers
// 500 to all that is no order, and to every third request; at /hangs it never answers
// a third of the requests, and 503 another third.
type moody struct {
	*receiver
	server *httptest.Server
	mu     sync.Mutex
	random *rand.Rand
	healed bool
	early  map[string]bool // :: id of an order that /acts took before it was healed
}

func newMoody(t *testing.T) *moody {
	m := &moody{receiver: newReceiver(t), random: rand.New(rand.NewPCG(5, 5)), early: map[string]bool{}}
	taken := m.receiver.Config.Handler
	m.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // cut off by a kill
		}
		var event struct{ Data wire.EventBody }
		if err := json.Unmarshal(body, &event); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		m.mu.Lock()
		lot, healed := m.random.IntN(3), m.healed
		m.mu.Unlock()
		switch {
		case healed || r.URL.Path == "/ops":
		case r.URL.Path == "/acts" && (lot == 0 || !isOrder(&event.Data)):
			w.WriteHeader(http.StatusInternalServerError)
			return
		case r.URL.Path == "/acts":
			m.mu.Lock()
			m.early[r.Header.Get("Webhook-Id")] = true
			m.mu.Unlock()
		case lot == 0:
			<-r.Context().Done()
			return
		case lot == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		taken.ServeHTTP(w, r)
	}))
	t.Cleanup(m.server.Close)
	return m
}

func (m *moody) heal() (early int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.healed = true
	return len(m.early)
}

// commanded gives a command and reports whether the daemon has said that it applied it.
func (s *shopkeeper) commanded(plan, id, kind string) bool {
	resp, err := http.Post(s.url+"/v1/plans/"+plan+"/commands", "application/json",
		strings.NewReader(fmt.Sprintf(`{"id":%q,"kind":%q,"by":"Ada","why":"a test"}`, id, kind)))
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK
}

// everything is all events of a run, page by page.
func (s *shopkeeper) everything(run string) (all []wire.EventBody) {
	s.t.Helper()
	for {
		_, text := get(s.t, fmt.Sprintf("%s/v1/runs/%s/events?after=%d", s.url, run, len(all)))
		var page struct{ Events []wire.EventBody }
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			s.t.Fatalf("events of run %s: %v: %s", run, err, text)
		}
		if len(page.Events) == 0 {
			return all
		}
		all = append(all, page.Events...)
	}
}

// TestKilledWithBothLanesBusyNothingIsLost holds and resumes a run in a daemon that is
// killed all the while, with one receiver that takes nothing but orders, one that hangs
// and one that works. What was answered as applied is in the journal once; every event
// arrives everywhere under its one id; orders arrive though the rest is stuck.
func TestKilledWithBothLanesBusyNothingIsLost(t *testing.T) {
	t.Parallel()
	const kills = 244
	sentry, hooks, dir := newCrashes(t), newMoody(t), t.TempDir()
	daemon := strings.ReplaceAll(fmt.Sprintf(shopDaemon, sentry.URL), `{ env = "SHOP_SENTRY_TOKEN" }`, `{ file = "token" }`)
	place(t, filepath.Join(dir, "token"), "secret")
	for _, w := range []string{"acts", "hangs", "ops"} {
		class := map[string]string{"acts": "action", "hangs": "action", "ops": "notify"}[w]
		daemon += fmt.Sprintf("\n[webhooks.%s]\nurl = %q\nclass = %q\nsecrets = [\"text\"]\ntimeout = \"1s\"\nallow = [\"127.0.0.0/8\"]\n", w, hooks.server.URL+"/"+w, class)
	}
	writeConfig(t, dir, launchPlan("shop", "1.0.0", time.Now().Add(-2*time.Minute).Truncate(time.Second), "2h")+daemon)
	random := rand.New(rand.NewPCG(4, uint64(time.Now().UnixNano())))
	applied := map[string]string{} // :: id of a command → its kind
	kinds := [2]string{"hold", "resume"}
	for n := range kills {
		s := openShop(t, dir)
		end := time.AfterFunc(time.Duration(random.IntN(100))*time.Millisecond, func() { _ = s.cmd.Process.Kill() })
		for k := range 8 {
			id := fmt.Sprintf("%d-%d", n, k)
			for _, kind := range kinds {
				if s.commanded("shop", id+kind, kind) {
					applied[id+kind] = kind
				}
			}
		}
		_ = s.cmd.Wait()
		if !end.Stop() && s.cmd.ProcessState.Exited() {
			t.Fatalf("it ended by itself:\n%s", s.log)
		}
	}
	early := hooks.heal()
	if early < kills/10 || len(applied) < kills/2 {
		t.Errorf("%d commands applied, %d orders arrived while all else was stuck: were the lanes busy?", len(applied), early)
	}
	s := openShop(t, dir)
	s.watched("shop")
	// The newest event, and retry, have what waits tried now.
	eventually(t, "an abort", func() bool { return s.commanded("shop", "last", "abort") })
	events := s.everything("shop@1.0.0")
	counts, ids := map[string]int{}, make([]string, len(events))
	for i := range events {
		e := &events[i]
		ids[i] = e.ID
		if e.N != uint64(i)+1 {
			t.Fatalf("event %d has n %d", i+1, e.N)
		}
		if e.Kind == "command" && e.To == "applied" {
			counts[e.Subject]++
		}
	}
	for _, kind := range kinds {
		answered := 0
		for _, k := range applied {
			if k == kind {
				answered++
			}
		}
		// One that was applied and not answered any more is in the journal too.
		if counts[kind] < answered {
			t.Errorf("%d of kind %s are in the journal, %d were answered", counts[kind], kind, answered)
		}
	}
	slices.Sort(ids)
	for _, path := range []string{"/ops", "/acts", "/hangs"} {
		eventually(t, "all webhooks of "+path, func() bool {
			s.relgate(0, "deliveries", "retry", path[1:])
			return len(hooks.ids(path)) >= len(ids)
		})
		if diff := cmp.Diff(ids, hooks.ids(path)); diff != "" {
			t.Errorf("webhooks of %s (-events +received):\n%s", path, diff)
		}
	}
	if len(hooks.forged) > 0 {
		t.Errorf("two bodies under one id: %q", hooks.forged)
	}
	t.Logf("%d kills, %d commands answered, %d events, %d orders arrived while all else was stuck", kills, len(applied), len(events), early)
	if code := s.end(t); code != 0 {
		t.Errorf("exit %d after SIGTERM", code)
	}
	if code, out, errs := command(t, "replay", filepath.Join(dir, "relgate.db"), "--run", "shop@1.0.0"); code != 0 || !strings.Contains(out, "give the same") {
		t.Errorf("replay: exit %d, %s%s", code, out, errs)
	}
}
