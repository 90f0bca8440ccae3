package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/exporters/wire"
)

// receiver takes webhooks and keeps them by path and id.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies map[string]map[string]string // :: path → id → body
	forged []string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{bodies: map[string]map[string]string{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return // cut off by a kill
		}
		id := req.Header.Get("Webhook-Id")
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.bodies[req.URL.Path] == nil {
			r.bodies[req.URL.Path] = map[string]string{}
		}
		if was, ok := r.bodies[req.URL.Path][id]; ok && was != string(body) {
			r.forged = append(r.forged, id)
		}
		r.bodies[req.URL.Path][id] = string(body)
	}))
	t.Cleanup(r.Close)
	return r
}

// ids are those that came to a path.
func (r *receiver) ids(path string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.bodies[path]))
}

// pairDir is a folder with two templates, and a webhook of its own.
func pairDir(t *testing.T, sentry *crashes, hooks *receiver, name string) string {
	t.Helper()
	dir := t.TempDir()
	writeConfig(t, dir, `include = ["plans/*.toml"]`+strings.ReplaceAll(fmt.Sprintf(shopDaemon, sentry.URL), `{ env = "SHOP_SENTRY_TOKEN" }`, `{ file = "token" }`)+
		fmt.Sprintf("\n[webhooks.ops]\nurl = %q\nallow = [\"127.0.0.0/8\"]\n", hooks.URL+"/"+name))
	place(t, filepath.Join(dir, "token"), "secret")
	if err := os.Mkdir(filepath.Join(dir, "plans"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, plan := range []string{"steady", "doomed"} {
		text := launchPlan(plan, "", time.Time{}, "13m")
		text = strings.Replace(text, "version  = \"\"\nstart    = 0001-01-01T00:00:00Z\n", "", 1)
		place(t, filepath.Join(dir, "plans", plan+".toml"), text)
	}
	return dir
}

// begin starts a run; false means that the daemon was gone before it answered.
func (s *shopkeeper) begin(plan, version string, at time.Time) bool {
	s.t.Helper()
	resp, err := http.Post(s.url+"/v1/plans/"+plan+"/runs", "application/json", strings.NewReader(fmt.Sprintf(`{"version":%q,"at":%q}`, version, at.UTC().Format(time.RFC3339))))
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		b, _ := io.ReadAll(resp.Body)
		s.t.Errorf("starting %s: %d %s", plan, resp.StatusCode, b)
	}
	return true
}

// decided waits until both runs are over as they should be.
func (s *shopkeeper) decided() {
	s.t.Helper()
	eventually(s.t, "the pass of steady", func() bool {
		status, _ := s.gate("steady/run/gate?version=1.0.0")
		return status == http.StatusOK
	})
	eventually(s.t, "the rollback of doomed", func() bool {
		status, _ := s.gate("doomed/run/rollback?version=6.6.6")
		return status == http.StatusOK
	})
}

// history is all events of a run: their ids, and what was decided.
func (s *shopkeeper) history(run string) (ids, decisions []string) {
	s.t.Helper()
	_, text := get(s.t, s.url+"/v1/runs/"+run)
	var b wire.RunBody
	if err := json.Unmarshal([]byte(text), &b); err != nil || b.More {
		s.t.Fatalf("run %s: %v: %s", run, err, text)
	}
	for i, e := range b.Events {
		if e.N != uint64(i)+1 || !strings.HasSuffix(e.ID, fmt.Sprintf("/%d", i+1)) {
			s.t.Errorf("event %d of run %s has n %d and id %s", i+1, run, e.N, e.ID)
		}
		ids = append(ids, e.ID)
		if e.Kind == "run" || e.Kind == "phase" || e.Kind == "verdict" {
			decisions = append(decisions, fmt.Sprintf("%s %s %s: %s => %s, %s", e.Kind, e.Subject, e.Phase, e.From, e.To, e.Cause))
		}
	}
	return ids, decisions
}

// TestTwoRunsAtOnceKilledThirtyTimes: two runs of two plans, the one passes, the
// other is rolled back, in a daemon that is killed all the while; beside it one
// that is left alone sees the same world.
func TestTwoRunsAtOnceKilledThirtyTimes(t *testing.T) {
	t.Parallel()
	const kills = 30
	sentry, hooks := newCrashes(t), newReceiver(t)
	killed, calm := pairDir(t, sentry, hooks, "killed"), pairDir(t, sentry, hooks, "calm")
	at := time.Now().Add(-13*time.Minute + 12*time.Second).Truncate(time.Second) // the window ends in 12 seconds
	undisturbed := openShop(t, calm)
	undisturbed.begin("steady", "1.0.0", at)
	undisturbed.begin("doomed", "6.6.6", at)
	random := rand.New(rand.NewPCG(3, uint64(time.Now().UnixNano())))
	began := map[string]bool{}
	for n := range kills {
		s := openShop(t, killed)
		end := time.AfterFunc(time.Duration(random.IntN(700))*time.Millisecond, func() { _ = s.cmd.Process.Kill() })
		for plan, version := range map[string]string{"steady": "1.0.0", "doomed": "6.6.6"} {
			if !began[plan] {
				began[plan] = s.begin(plan, version, at)
			}
		}
		if n == kills/3 {
			sentry.set("6.6.6", 50)
		}
		_ = s.cmd.Wait()
		if !end.Stop() && s.cmd.ProcessState.Exited() {
			t.Fatalf("it ended by itself:\n%s", s.log)
		}
	}
	s := openShop(t, killed)
	for plan, version := range map[string]string{"steady": "1.0.0", "doomed": "6.6.6"} {
		if !began[plan] && !s.begin(plan, version, at) {
			t.Fatal("the daemon is gone")
		}
	}
	undisturbed.decided()
	s.decided()
	all := map[string][]string{}
	for _, run := range []string{"steady@1.0.0", "doomed@6.6.6"} {
		want, decisions := undisturbed.history(run)
		got, again := s.history(run)
		if diff := cmp.Diff(decisions, again); diff != "" {
			t.Errorf("decisions of %s (-undisturbed +killed):\n%s", run, diff)
		}
		all["/calm"], all["/killed"] = append(all["/calm"], want...), append(all["/killed"], got...)
	}
	for path, ids := range all {
		slices.Sort(ids)
		eventually(t, "all webhooks of "+path, func() bool { return len(hooks.ids(path)) >= len(ids) })
		if diff := cmp.Diff(ids, hooks.ids(path)); diff != "" {
			t.Errorf("webhooks of %s (-events +received):\n%s", path, diff)
		}
	}
	if len(hooks.forged) > 0 {
		t.Errorf("two bodies under one id: %q", hooks.forged)
	}
	if code := s.end(t); code != 0 {
		t.Errorf("exit %d after SIGTERM", code)
	}
	for _, run := range []string{"steady@1.0.0", "doomed@6.6.6"} {
		if code, out, errs := command(t, "replay", filepath.Join(killed, "relgate.db"), "--run", run); code != 0 || !strings.Contains(out, "give the same") {
			t.Errorf("replay of %s: exit %d, %s%s", run, code, out, errs)
		}
	}
}
