package github_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/github"
	"github.com/relgate/relgate/exporters/github/githubtest"
	"github.com/relgate/relgate/exporters/wire"
)

// isComment is a request that comments on a job and does not decide it.
func isComment(r *http.Request) bool {
	if !isReview(r) {
		return false
	}
	body, err := r.GetBody()
	if err != nil {
		return false
	}
	text, err := io.ReadAll(body)
	return err == nil && !bytes.Contains(text, []byte(`"state"`))
}

func isListing(r *http.Request) bool    { return strings.HasSuffix(r.URL.Path, "/deliveries") }
func isRepetition(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/attempts") }

// slow has GitHub take its time for some requests.
func slow(is func(*http.Request) bool, d time.Duration) func(*http.Request) githubtest.Mode {
	return func(r *http.Request) githubtest.Mode {
		if is(r) {
			time.Sleep(d)
		}
		return githubtest.Mode{}
	}
}

// waiting has jobs 100 and up wait, which people are told of after 30 seconds.
func (w *world) waiting(jobs int) {
	w.t.Helper()
	w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
	w.says("shop@1.4.2", wire.IsPending, "window", "WAIT")
	for i := range jobs {
		w.request(100+i, "production", "v1.4.2")
	}
}

// commented counts the jobs of waiting that people were told of.
func (w *world) commented(jobs int) (n int) {
	for i := range jobs {
		n += len(w.hub.Job(shop, 100+i, "production").Comments)
	}
	return n
}

// lose notes deliveries that failed, which are looked for at the next start: 502 says that they
// did not arrive, 403 that relgate has refused them.
func (w *world) lose(deliveries, status int) {
	w.stop()
	for i := range deliveries {
		w.hub.Lose(githubtest.Delivery{ID: uint64(i + 1), GUID: fmt.Sprint("lost ", i), At: time.Now(), Status: status, Event: "deployment_protection_rule", Action: "requested"})
	}
}

// Comments and the search for lost requests are chores: no job waits for them. An answer that is
// due goes before them, and once one becomes due no more of them begin.
func TestAnAnswerDoesNotWaitForChores(t *testing.T) {
	comments := func(w *world) int { return w.commented(30) }
	for _, tt := range []struct {
		name string
		mode func(*http.Request) githubtest.Mode
		do   func(w *world)     // until the answer for job 999 is due
		want time.Duration      // for the answer
		left func(w *world) int // counts the chores that were done at last; nil: all is seen by the answer
	}{
		{"at the same time as comments", func(r *http.Request) githubtest.Mode {
			switch {
			case isComment(r):
				time.Sleep(5 * time.Second)
			case isReview(r) && time.Now().Second() < 30:
				return githubtest.Mode{Status: 429, Header: map[string]string{"Retry-After": "30"}}
			}
			return githubtest.Mode{}
		}, func(w *world) {
			w.waiting(30)
			w.begins("shop", "2.0.0", github.Run{ID: "shop@2.0.0"})
			w.says("shop@2.0.0", wire.IsPass, "window", "PASS")
			w.request(999, "production", "v2.0.0")
			w.after(30 * time.Second)
		}, 0, comments},
		{"the gate changes while comments are sent", slow(isComment, 5*time.Second), func(w *world) {
			w.begins("shop", "2.0.0", github.Run{ID: "shop@2.0.0"})
			w.says("shop@2.0.0", wire.IsPending, "window", "WAIT")
			w.request(999, "production", "v2.0.0")
			w.waiting(30)
			w.after(32 * time.Second)
			w.says("shop@2.0.0", wire.IsPass, "window", "PASS")
		}, 5 * time.Second, comments},
		{"a request arrives while comments are sent", slow(isComment, 5*time.Second), func(w *world) {
			w.begins("shop", "2.0.0", github.Run{ID: "shop@2.0.0"})
			w.says("shop@2.0.0", wire.IsPass, "window", "PASS")
			w.waiting(30)
			w.after(32 * time.Second)
			w.request(999, "production", "v2.0.0")
		}, 5 * time.Second, comments},
		{"an answer is to be tried again while comments are sent", func(r *http.Request) githubtest.Mode {
			switch {
			case isComment(r):
				time.Sleep(5 * time.Second)
			case isReview(r) && time.Now().Second() < 32:
				return githubtest.Mode{Status: 429, Header: map[string]string{"Retry-After": "32"}}
			}
			return githubtest.Mode{}
		}, func(w *world) {
			w.waiting(30)
			w.begins("shop", "2.0.0", github.Run{ID: "shop@2.0.0"})
			w.says("shop@2.0.0", wire.IsPass, "window", "PASS")
			w.request(999, "production", "v2.0.0")
			w.after(32 * time.Second)
		}, 5 * time.Second, comments},
		{"while lost requests are asked for", slow(isRepetition, 5*time.Second), func(w *world) {
			w.begins("shop", "2.0.0", github.Run{ID: "shop@2.0.0"})
			w.says("shop@2.0.0", wire.IsPass, "window", "PASS")
			w.lose(30, 502)
			w.start()
			w.after(2 * time.Second)
			w.request(999, "production", "v2.0.0")
		}, 5 * time.Second, func(w *world) int { return len(w.hub.Repeated()) }},
		{"while lost requests are listed", slow(isListing, 5*time.Second), func(w *world) {
			w.begins("shop", "2.0.0", github.Run{ID: "shop@2.0.0"})
			w.says("shop@2.0.0", wire.IsPass, "window", "PASS")
			w.lose(500, 403)
			w.start()
			w.after(2 * time.Second)
			w.request(999, "production", "v2.0.0")
		}, 5 * time.Second, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.hub.Answer(tt.mode)
				tt.do(w)
				w.after(tt.want + time.Second)
				if job := w.hub.Job(shop, 999, "production"); job.State != "approved" {
					t.Errorf("the job is %s %v after its answer was due", job.State, tt.want+time.Second)
				}
				w.hub.Answer(nil)
				w.after(15 * time.Minute) // what was left is done
				if tt.left != nil && tt.left(w) < 30 {
					t.Errorf("%d of 30 chores were done", tt.left(w))
				}
			})
		})
	}
}

// Chores are done also where something changes all the time.
func TestChoresAreDoneWhereTheGateAlwaysChanges(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.hub.Answer(slow(func(r *http.Request) bool { return isComment(r) || isRepetition(r) }, 2*time.Second))
		w.lose(30, 502)
		w.start()
		w.waiting(30)
		for range 2 * 60 {
			w.says("shop@1.4.2", wire.IsPending, "window", "WAIT")
			w.after(time.Second)
		}
		if comments, lost := w.commented(30), len(w.hub.Repeated()); comments != 30 || lost < 30 {
			t.Errorf("%d comments and %d requests that were asked for, want 30 of each", comments, lost)
		}
	})
}

// A retry that becomes due while a pass is under way follows it at once. One that waits for a
// change is not looked at again and again.
func TestARetryThatIsDueDuringAPassIsNotForgotten(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.hub.Answer(func(r *http.Request) githubtest.Mode {
			switch {
			case isComment(r):
				return githubtest.Mode{Hang: true} // from 30 s to 40 s
			case isReview(r) && time.Now().Second() < 30:
				return githubtest.Mode{Status: 429, Header: map[string]string{"Retry-After": "35"}}
			}
			return githubtest.Mode{}
		})
		w.waiting(1)
		w.begins("shop", "2.0.0", github.Run{ID: "shop@2.0.0"})
		w.says("shop@2.0.0", wire.IsPass, "window", "PASS")
		w.request(999, "production", "v2.0.0")
		w.after(42 * time.Second)
		if job := w.hub.Job(shop, 999, "production"); job.State != "approved" {
			t.Errorf("the job is %s", job.State)
		}
		w.mu.Lock()
		before := len(w.asked)
		w.mu.Unlock()
		w.after(time.Hour)
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := len(w.asked) - before; n > 60 {
			t.Errorf("the gate of one job was asked %d times in an hour without a change", n)
		}
	})
}

// What concerns all lost requests ends the look at them; what concerns one does not.
func TestLostRequestsAreLeftWhereGitHubTakesNone(t *testing.T) {
	for _, tt := range []struct {
		name string
		mode githubtest.Mode
		all  bool
	}{
		{"401", githubtest.Mode{Status: 401}, false},
		{"403", githubtest.Mode{Status: 403}, false},
		{"429", githubtest.Mode{Status: 429, Header: map[string]string{"Retry-After": "1200"}}, false},
		{"502", githubtest.Mode{Status: 502}, false},
		{"no answer", githubtest.Mode{Hang: true}, false},
		{"404", githubtest.Mode{Status: 404}, true},
		{"422", githubtest.Mode{Status: 422}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				var tried []string
				w.hub.Answer(func(r *http.Request) githubtest.Mode {
					if isRepetition(r) {
						tried = append(tried, r.URL.Path)
						return tt.mode
					}
					return githubtest.Mode{}
				})
				w.lose(20, 502)
				w.start()
				w.after(4 * time.Minute)
				want := 1
				if tt.all {
					want = 20
				}
				if len(tried) != want {
					t.Errorf("%d were asked for, want %d", len(tried), want)
				}
				w.hub.Answer(nil)
				w.after(10 * time.Minute)
				got, early := w.hub.Repeated(), tt.mode.Header != nil // GitHub asks for twenty minutes
				if early && len(got) > 0 || !early && len(got) < 20 {
					t.Errorf("%d were asked for within ten minutes", len(got))
				}
				w.after(10 * time.Minute)
				if got := w.hub.Repeated(); len(got) < 20 || !slices.Contains(got, 1) {
					t.Errorf("asked for %v at last", got)
				}
			})
		})
	}
}

// GitHub lists deliveries in pages. A page is asked for at the configured API by its cursor,
// wherever GitHub says that it is: the request has the App's token.
func TestAllPagesOfLostRequestsAreLookedAt(t *testing.T) {
	for _, tt := range []struct {
		name       string
		deliveries int
		link       string // of each page; empty: GitHub's own
		pages      int
		asked      int
		says       string
	}{
		{"one page", 100, "", 1, 100, ""},
		{"three pages", 250, "", 3, 250, ""},
		{"no more than ten pages", 1100, "", 10, 1000, "older ones are not repeated"},
		{"a page elsewhere", 150, `<https://evil.example.com/app/hook/deliveries?cursor=v1_%26100>; rel="next"`, 10, 150, "older ones are not repeated"}, // each page says that
		{"the pages before only", 150, `<https://api.github.com/app/hook/deliveries?cursor=v1_%26100>; rel="prev"`, 1, 100, ""},
		{"a link without a cursor", 150, `<https://api.github.com/app/hook/deliveries?page=2>; rel="next"`, 1, 100, ""},
		{"no link", 150, `</next`, 1, 100, ""},
		{"a link that is no address", 150, `<%zz?cursor=x>; rel="next"`, 1, 100, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.hub.Answer(func(r *http.Request) githubtest.Mode {
					if isListing(r) && tt.link != "" {
						return githubtest.Mode{Header: map[string]string{"Link": tt.link}}
					}
					return githubtest.Mode{}
				})
				w.start()
				w.after(time.Minute) // the look of the start, which its wake-up may interrupt
				before := w.count("/deliveries")
				w.lose(tt.deliveries, 502)
				w.after(5 * time.Minute)
				pages := w.count("/deliveries") - before
				got := w.hub.Repeated()
				slices.Sort(got)
				if n := len(slices.Compact(got)); n != tt.asked || len(got) != n || pages != tt.pages {
					t.Errorf("asked for %d, %d of them once, on %d pages; want %d on %d", len(got), n, pages, tt.asked, tt.pages)
				}
				if !bytes.Contains(w.log.Bytes(), []byte(tt.says)) || tt.says == "" && bytes.Contains(w.log.Bytes(), []byte("level=WARN")) {
					t.Errorf("the log does not say %q, or warns:\n%.2000s", tt.says, w.log.Bytes())
				}
			})
		})
	}
}
