package github_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/github"
	"github.com/relgate/relgate/exporters/github/githubtest"
	"github.com/relgate/relgate/exporters/wire"
)

// GitHub takes an answer for a workflow run and an environment, not for a deployment. When a job
// is run again, what is decided of its earlier deployment must not decide the later one.
func TestAnEarlierDeploymentDoesNotDecideALaterOne(t *testing.T) {
	const first, second = "shop@1.4.2", "shop@1.4.2~2"
	for _, tt := range []struct {
		name string
		do   func(w *world) // leaves a job that waits, which only the second run may decide
	}{
		{"the earlier one waits, and its run passes", func(w *world) {
			w.again(7, 1, "production")
			w.after(time.Minute)
			w.begins("shop", "1.4.2", github.Run{ID: second})
			w.again(7, 2, "production")
			w.after(time.Minute)
			w.says(first, wire.IsPass, "window", "PASS: the first")
		}},
		{"the earlier one waits on", func(w *world) {
			w.again(7, 1, "production")
			w.after(time.Minute)
			w.begins("shop", "1.4.2", github.Run{ID: second})
			w.again(7, 2, "production")
		}},
		{"the answer to the earlier one is tried again", func(w *world) {
			w.hub.Answer(at(isReview, githubtest.Mode{Status: 502}))
			w.says(first, wire.IsPass, "window", "PASS: the first")
			w.again(7, 1, "production")
			w.after(time.Minute)
			w.begins("shop", "1.4.2", github.Run{ID: second})
			w.again(7, 2, "production")
			w.after(time.Minute)
			w.hub.Answer(nil)
		}},
		{"its name has another case", func(w *world) {
			w.again(7, 1, "production")
			w.after(time.Minute)
			w.begins("shop", "1.4.2", github.Run{ID: second})
			w.again(7, 2, "Production")
			w.after(time.Minute)
			w.says(first, wire.IsPass, "window", "PASS: the first")
		}},
		{"the earlier one arrives later", func(w *world) {
			w.begins("shop", "1.4.2", github.Run{ID: second})
			w.again(7, 2, "production")
			w.after(time.Minute)
			w.stop() // the earlier one belongs to the first run, as if that had been found before
			w.runs["shop 1.4.2"] = []github.Run{{ID: first}}
			w.start()
			w.says(first, wire.IsPass, "window", "PASS: the first")
			w.deployment(7, 1, "production")
		}},
		{"the later one arrives while a token is made", func(w *world) {
			w.hub.Answer(func(r *http.Request) githubtest.Mode {
				if isToken(r) {
					w.begins("shop", "1.4.2", github.Run{ID: second})
					w.again(7, 2, "production")
				}
				return githubtest.Mode{}
			})
			w.says(first, wire.IsPass, "window", "PASS: the first")
			w.again(7, 1, "production")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.says(first, wire.IsPending, "window", "WAIT: the first")
				w.says(second, wire.IsPending, "window", "WAIT: the second")
				w.begins("shop", "1.4.2", github.Run{ID: first})
				tt.do(w)
				w.after(10 * time.Minute)
				if job := w.hub.Job(shop, 7, "production"); job.State != "waiting" {
					t.Fatalf("the job is %s: %q", job.State, job.Text)
				}
				if got, want := w.ends(), (map[uint64]github.End{1: github.Gone, 2: ""}); !maps.Equal(got, want) {
					t.Errorf("ended as %v, want %v", got, want)
				}
				w.says(second, wire.IsPass, "window", "PASS: the second")
				w.after(10 * time.Minute)
				if job := w.hub.Job(shop, 7, "production"); job.State != "approved" || !strings.HasPrefix(job.Text, "PASS: the second") {
					t.Errorf("the job is %s: %q", job.State, job.Text)
				}
			})
		})
	}
}

// A later deployment that has ended supersedes as well: an earlier one that arrives after it is
// not answered.
func TestAnEarlierDeploymentIsNotAnsweredOnceALaterOneHasEnded(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
		w.again(7, 2, "production")
		w.after(time.Minute)
		before := len(w.hub.Reviews())
		w.deployment(7, 1, "production")
		w.after(time.Hour)
		if got, want := w.ends(), (map[uint64]github.End{1: github.Gone, 2: github.Approved}); !maps.Equal(got, want) {
			t.Errorf("ended as %v, want %v", got, want)
		}
		if got := w.hub.Reviews()[before:]; len(got) > 0 {
			t.Errorf("sent %q", got)
		}
	})
}

// No comment on a deployment is sent once its job was run again.
func TestNoCommentOnAnEarlierDeployment(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.hub.Answer(func(r *http.Request) githubtest.Mode {
			if isToken(r) {
				w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2~2"})
				w.again(7, 2, "production")
			}
			return githubtest.Mode{}
		})
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPending, "window", "WAIT: the first")
		w.says("shop@1.4.2~2", wire.IsPending, "window", "WAIT: the second")
		w.again(7, 1, "production")
		w.after(10 * time.Minute)
		if got := w.hub.Reviews(); len(got) != 1 || !strings.Contains(got[0], "WAIT: the second") {
			t.Errorf("sent %q, want one comment, on the second", got)
		}
	})
}

// Without ids of deployments the request that came last is the newest.
func TestALaterRequestWithoutADeployment(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		again := func(guid string) {
			w.hub.Wait(shop, 7, "production")
			_, text := githubtest.Payload(github.DefaultAPI, shop, 7, 1, "production", "v1.4.2", commit)
			var body map[string]any
			if err := json.Unmarshal(text, &body); err != nil {
				t.Fatal(err)
			}
			delete(body, "deployment")
			body["ref"], body["sha"] = "v1.4.2", commit
			text, _ = json.Marshal(body)
			if _, err := w.answerer.Receive(t.Context(), time.Now(), githubtest.Sign(text, guid), text); err != nil {
				t.Fatal(err)
			}
			w.after(time.Minute)
		}
		w.says("shop@1.4.2", wire.IsPending, "window", "WAIT")
		w.says("shop@1.4.2~2", wire.IsPending, "window", "WAIT")
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		again("b")
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2~2"})
		again("a")
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
		w.after(10 * time.Minute)
		if job := w.hub.Job(shop, 7, "production"); job.State != "waiting" {
			t.Errorf("the job is %s by the earlier request", job.State)
		}
		w.says("shop@1.4.2~2", wire.IsPass, "window", "PASS")
		w.after(10 * time.Minute)
		if job := w.hub.Job(shop, 7, "production"); job.State != "approved" {
			t.Errorf("the job is %s", job.State)
		}
	})
}
