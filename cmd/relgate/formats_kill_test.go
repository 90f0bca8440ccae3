package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// mute is a receiver that does what it is asked, and gives no answer to it before it may
// speak: to who is killed meanwhile it has happened all the same.
type mute struct {
	*httptest.Server
	mu     sync.Mutex
	speaks bool
	done   []string      // what it did, in order
	at     []time.Time   // and when
	heard  chan struct{} // something was done
}

// newMute makes a receiver. does gives what a request has done, empty for one that only
// looks; look answers those, and is told what was done.
func newMute(t *testing.T, does func(r *http.Request, body string) string, look func(w http.ResponseWriter, done []string, at []time.Time)) *mute {
	m := &mute{heard: make(chan struct{}, 16)}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // cut off by a kill
		}
		what := does(r, string(body))
		m.mu.Lock()
		if what == "" {
			defer m.mu.Unlock()
			look(w, m.done, m.at)
			return
		}
		m.done, m.at = append(m.done, what), append(m.at, time.Now())
		speaks := m.speaks
		m.mu.Unlock()
		m.heard <- struct{}{}
		if !speaks {
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *mute) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.done)
}

func (m *mute) speak() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.speaks = true
}

// listedRuns answers as GitHub's list of runs, in which a run is after a while only.
func listedRuns(after time.Duration) func(w http.ResponseWriter, done []string, at []time.Time) {
	return func(w http.ResponseWriter, done []string, at []time.Time) {
		list := []map[string]any{}
		for i, event := range done {
			if time.Since(at[i]) >= after {
				list = append(list, map[string]any{"id": i + 1, "display_title": "roll back (" + event + ")", "html_url": "https://github.example/1"})
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"total_count": len(list), "workflow_runs": list})
	}
}

// relgate is killed with -9 after it has asked for something and before it was answered. What
// it then asks for: nothing of who can be asked whether it was done, at the earliest when that
// would show; of the others the same once more, with the event's id.
func TestKilledBetweenARequestAndItsAnswer(t *testing.T) {
	t.Parallel()
	workflow := func(r *http.Request, body string) string {
		if r.Method == http.MethodGet {
			return ""
		}
		var start struct{ Inputs map[string]string }
		if err := json.Unmarshal([]byte(body), &start); err != nil {
			t.Error(err)
		}
		return start.Inputs["relgate-event"]
	}
	const github = `
format     = "github-workflow"
types      = ["relgate.run.rolled_back"]
repository = "acme/shop"
workflow   = "rollback.yml"
ref        = "main"
token      = { file = "token" }
`
	for _, tt := range []struct {
		name, keys string
		does       func(r *http.Request, body string) string
		look       func(w http.ResponseWriter, done []string, at []time.Time)
		want       []string // what was done in the end; EVENT stands for the id of the rollback
	}{
		{"github-workflow", github, workflow, listedRuns(0), []string{"EVENT"}},
		{"github-workflow that lists a run late", github, workflow, listedRuns(8 * time.Second), []string{"EVENT"}},
		{"gitlab", `
format  = "gitlab"
types   = ["relgate.run.rolled_back"]
project = "acme/shop"
ref     = "main"
token   = { file = "token" }
`, func(_ *http.Request, body string) string {
			form, err := url.ParseQuery(body)
			if err != nil {
				t.Error(err)
			}
			return form.Get("variables[RELGATE_EVENT]")
		}, nil, []string{"EVENT", "EVENT"}},
		{"azure", `
format  = "azure"
project = "69f48e94-bdb4-42d7-a560-0f2b54f91cc8"
plan_id = "11111111-bdb4-42d7-a560-0f2b54f91cc8"
job_id  = "22222222-bdb4-42d7-a560-0f2b54f91cc8"
task_id = "33333333-bdb4-42d7-a560-0f2b54f91cc8"
token   = { file = "token" }
`, func(r *http.Request, body string) string { return body },
			nil, slices.Repeat([]string{`{"name":"TaskCompleted","taskId":"33333333-bdb4-42d7-a560-0f2b54f91cc8","jobId":"22222222-bdb4-42d7-a560-0f2b54f91cc8","result":"failed"}` + "\n"}, 2)},
		{"codepipeline", `
format    = "codepipeline"
region    = "eu-central-1"
pipeline  = "shop"
stage     = "Production"
action    = "Watched"
execution = "e-1"
`, func(r *http.Request, body string) string {
			if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetPipelineState") {
				return ""
			}
			var put struct {
				Token  string
				Result struct{ Status string }
			}
			if err := json.Unmarshal([]byte(body), &put); err != nil {
				t.Error(err)
			}
			return put.Result.Status + " " + put.Token
		}, func(w http.ResponseWriter, done []string, _ []time.Time) {
			latest := `"status":"InProgress","token":"t-1"`
			if len(done) > 0 {
				latest = `"status":"Failed"`
			}
			fmt.Fprintf(w, `{"stageStates":[{"stageName":"Production","latestExecution":{"pipelineExecutionId":"e-1"},"actionStates":[{"actionName":"Watched","latestExecution":{%s}}]}]}`, latest)
		}, []string{"Rejected t-1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sentry, dir, m := newCrashes(t), t.TempDir(), newMute(t, tt.does, tt.look)
			sentry.set("6.6.6", 50)
			place(t, filepath.Join(dir, "token"), "secret-of-the-test")
			writeConfig(t, dir, launchPlan("doomed", "6.6.6", time.Now().Add(-10*time.Minute).Truncate(time.Second), "2h")+
				strings.ReplaceAll(fmt.Sprintf(shopDaemon, sentry.URL), `{ env = "SHOP_SENTRY_TOKEN" }`, `{ file = "token" }`)+
				fmt.Sprintf("\n[webhooks.ci]\nurl = %q\nclass = \"action\"\ntimeout = \"1m\"\nallow = [\"127.0.0.0/8\"]\n", m.URL)+strings.TrimPrefix(tt.keys, "\n"))
			first := openShop(t, dir)
			select {
			case <-m.heard:
			case <-time.After(time.Minute):
				t.Fatalf("nothing was asked for:\n%s", first.log)
			}
			first.kill()
			m.speak()
			second := openShop(t, dir)
			eventually(t, "the end of the delivery", func() bool {
				return second.metric(`relgate_webhook_pending{class="action",endpoint="ci"} 0`) && second.metric(`relgate_webhook_orders_pending{class="action",endpoint="ci"} 0`)
			})
			event := ""
			for _, e := range second.everything("doomed@6.6.6") {
				if e.Type == "relgate.run.rolled_back" {
					event = e.ID
				}
			}
			want := slices.Clone(tt.want)
			for i := range want {
				want[i] = strings.ReplaceAll(want[i], "EVENT", event)
			}
			if got := m.all(); event == "" || !slices.Equal(got, want) {
				t.Errorf("it did %q, want %q\n%s", got, want, second.log)
			}
			if !second.metric(`relgate_webhook_dead_letters_total{class="action",endpoint="ci"} 0`) {
				t.Error("something was given up")
			}
		})
	}
}
