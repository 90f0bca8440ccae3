package github_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/exporters/github"
	"github.com/relgate/relgate/exporters/github/githubtest"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/internal/peertest"
)

// in runs a test in a bubble of time, with a world that has begun.
func in(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		test(t, w)
		w.stop()
		w.clean()
	})
}

// What a gate says decides what GitHub is told, and only pass, fail, rollback and what has
// ended badly decide.
func TestGitHubIsToldWhatTheGateSays(t *testing.T) {
	for _, tt := range []struct {
		name    string
		outcome wire.Outcome
		want    string
	}{
		{"unknown waits", wire.IsUnknown, "waiting"},
		{"pending waits", wire.IsPending, "waiting"},
		{"pass", wire.IsPass, "approved"},
		{"fail", wire.IsFail, "rejected"},
		{"superseded, rolled back, or not begun in a failed run", wire.IsEnded, "rejected"},
		{"rollback", wire.IsRollback, "rejected"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
				w.says("shop@1.4.2", tt.outcome, "window", "HEAD: what the gate says")
				if got := w.request(7, "production", "v1.4.2"); got != github.Accepted {
					t.Fatalf("got %q", got)
				}
				w.after(time.Hour)
				job := w.hub.Job(shop, 7, "production")
				if job.State != tt.want {
					t.Errorf("the job is %s, want %s", job.State, tt.want)
				}
				text := job.Text
				if tt.want == "waiting" {
					if len(job.Comments) != 1 {
						t.Fatalf("got comments %q, want one", job.Comments)
					}
					text = job.Comments[0]
				}
				if !strings.HasPrefix(text, "HEAD: what the gate says") || !strings.Contains(text, "https://relgate.example.com/v1/runs/shop@1.4.2") {
					t.Errorf("it says %q", text)
				}
			})
		})
	}
}

// A GitHub Enterprise Server has its API below a path, and is answered there.
func TestAnEnterpriseServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.api, w.hub.Host = "https://github.example.com/api/v3", "github.example.com"
		w.start()
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
		w.request(7, "production", "v1.4.2")
		w.after(time.Minute)
		if job := w.hub.Job(shop, 7, "production"); job.State != "approved" {
			t.Errorf("the job is %s: %q", job.State, w.hub.Requests())
		}
		w.stop()
		w.clean()
	})
}

// What lasts for a moment, as after a restart, is nothing to tell people of.
func TestAMomentIsNoComment(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsUnknown, "stale", "UNKNOWN: nothing has been evaluated")
		w.request(7, "production", "v1.4.2")
		w.after(20 * time.Second)
		w.says("shop@1.4.2", wire.IsPending, "window", "WAIT")
		w.after(20 * time.Second)
		if got := w.hub.Job(shop, 7, "production").Comments; len(got) != 0 {
			t.Errorf("after a moment: got %q", got)
		}
		w.after(20 * time.Second)
		if got := w.hub.Job(shop, 7, "production").Comments; len(got) != 1 || !strings.HasPrefix(got[0], "WAIT") {
			t.Errorf("got %q", got)
		}
		w.broke(github.ErrStarting)
		w.after(time.Hour)
		if bytes.Contains(w.log.Bytes(), []byte("gives no answer")) {
			t.Errorf("the log has a start in it: %s", w.log.Bytes())
		}
		w.broke(errors.New("no such phase"))
		w.after(time.Hour)
		if n := bytes.Count(w.log.Bytes(), []byte("gives no answer")); n != 1 {
			t.Errorf("the log says it %d times: %s", n, w.log.Bytes())
		}
	})
}

// A deployment waits for its own run, and no answer is of another.
func TestNoAnswerIsOfAnotherRun(t *testing.T) {
	const other = "89abcdef0123456789abcdef0123456789abcdef"
	by := func(run, commit string) github.Run {
		return github.Run{ID: run, Parameters: map[string]string{"sha": commit}}
	}
	tag := github.Gate{Repository: shop, Environment: "production", Plan: "shop", Phase: "ten", Question: wire.Entry, Ref: "v{version}"}
	sha := tag
	sha.Ref, sha.Parameter = "", "sha"
	both := tag
	both.Parameter = "sha"
	for _, tt := range []struct {
		name string
		gate github.Gate
		ref  string
		runs []github.Run // newest first; each has passed
		want string       // the run that is asked; empty: none, it waits
		says string       // in the comment, where it waits
	}{
		{"by the version in the tag", tag, "v1.4.2", []github.Run{{ID: "shop@1.4.3"}, {ID: "shop@1.4.2"}}, "shop@1.4.2", ""},
		{"by the newest try of the version", tag, "v1.4.2", []github.Run{{ID: "shop@1.4.2~2"}, {ID: "shop@1.4.2"}}, "shop@1.4.2~2", ""},
		{"in the long form of a ref", tag, "refs/tags/v1.4.2", []github.Run{{ID: "shop@1.4.2"}}, "shop@1.4.2", ""},
		{"no run of the version", tag, "v1.4.2", []github.Run{{ID: "shop@1.4.3"}}, "", "there is no run of plan shop and version 1.4.2 yet"},
		{"a version that begins alike", tag, "v1.4.20", []github.Run{{ID: "shop@1.4.2"}}, "", "version 1.4.20 yet"},
		{"a branch", tag, "main", []github.Run{{ID: "shop@1.4.2"}}, "", "is not of the form v{version}"},
		{"what is no version", tag, "v1.4.2 x", []github.Run{{ID: "shop@1.4.2"}}, "", "is not of the form"},
		{"by the commit", sha, "main", []github.Run{by("shop@1.4.3", other), by("shop@1.4.2", commit)}, "shop@1.4.2", ""},
		{"by a commit in capitals", sha, "main", []github.Run{by("shop@1.4.2", strings.ToUpper(commit))}, "shop@1.4.2", ""},
		{"no run of the commit", sha, "main", []github.Run{by("shop@1.4.3", other), {ID: "shop@1.4.2"}}, "", "whose sha is " + commit},
		{"by both", both, "v1.4.2", []github.Run{by("shop@1.4.2", commit)}, "shop@1.4.2", ""},
		{"a tag that was moved to another commit", both, "v1.4.2", []github.Run{by("shop@1.4.2", other)}, "", "there is no run of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.gates = []github.Gate{tt.gate}
				for _, r := range tt.runs {
					_, version, _ := strings.Cut(r.ID, "@")
					version, _, _ = strings.Cut(version, "~")
					w.runs["shop "+version] = append(w.runs["shop "+version], r)
					w.runs["shop "] = append(w.runs["shop "], r)
					w.says(r.ID, wire.IsPass, "window", "PASS: "+r.ID)
				}
				w.start()
				w.request(7, "production", tt.ref)
				w.after(time.Minute)
				job := w.hub.Job(shop, 7, "production")
				switch {
				case tt.want == "" && (job.State != "waiting" || len(job.Comments) != 1 || !strings.Contains(strings.ReplaceAll(job.Comments[0], `\`, ""), tt.says)):
					t.Errorf("the job is %s, and was told %q; want it to wait: %q", job.State, job.Comments, tt.says)
				case tt.want != "" && (job.State != "approved" || !strings.HasPrefix(strings.ReplaceAll(job.Text, `\`, ""), "PASS: "+tt.want+"\n")):
					t.Errorf("the job is %s: %q; want the answer of %s", job.State, job.Text, tt.want)
				}
				w.stop()
				w.clean()
			})
		})
	}
}

// A deployment stays with the run that it was found to belong to: another try of the version
// is no answer to it, also after a restart.
func TestADeploymentStaysWithItsRun(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPending, "window", "WAIT")
		w.request(7, "production", "v1.4.2")
		w.after(time.Minute)
		w.stop()
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2~2"})
		w.says("shop@1.4.2~2", wire.IsPass, "window", "PASS")
		w.start()
		w.after(time.Hour)
		if job := w.hub.Job(shop, 7, "production"); job.State != "waiting" {
			t.Fatalf("the job is %s by another try", job.State)
		}
		w.says("shop@1.4.2", wire.IsRollback, "threshold", "ROLLBACK: API 5xx")
		w.after(time.Second)
		if job := w.hub.Job(shop, 7, "production"); job.State != "rejected" || !strings.HasPrefix(job.Text, "ROLLBACK: API 5xx") {
			t.Errorf("the job is %s: %q", job.State, job.Text)
		}
		if r := w.only(); r.End != github.Rejected || r.Run != "shop@1.4.2" {
			t.Errorf("kept: %+v", r)
		}
	})
}

// An environment that was given to another plan while a deployment waits answers nothing.
func TestAnEnvironmentOfAnotherPlanAnswersNothing(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPending, "window", "WAIT")
		w.request(7, "production", "v1.4.2")
		w.after(time.Minute)
		w.stop()
		w.gates = slices.Clone(w.gates)
		w.gates[0].Plan = "other"
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
		w.start()
		w.after(time.Hour)
		job := w.hub.Job(shop, 7, "production")
		if job.State != "waiting" || !strings.Contains(job.Comments[len(job.Comments)-1], "belongs to plan other now") {
			t.Errorf("the job is %s: %q", job.State, job.Comments)
		}
	})
}

// An environment without a gate waits, says so, and is answered once a reload brings its gate.
func TestAnEnvironmentWithoutAGateWaits(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
		w.request(7, "Canary", "v1.4.2")
		w.after(time.Hour)
		if job := w.hub.Job(shop, 7, "canary"); job.State != "waiting" || len(job.Comments) != 1 || !strings.Contains(job.Comments[0], "no gate for the environment Canary") {
			t.Fatalf("the job is %s: %q", job.State, job.Comments)
		}
		w.stop()
		w.gates = append(w.gates, github.Gate{Repository: shop, Environment: "canary", Plan: "shop", Phase: "ten", Question: wire.Entry, Ref: "v{version}"})
		w.start()
		w.after(time.Minute)
		if job := w.hub.Job(shop, 7, "canary"); job.State != "approved" {
			t.Errorf("the job is %s", job.State)
		}
	})
}

// Reviews and comments keep GitHub's published description, where that is at hand.
func TestReviewsKeepGitHubsDescription(t *testing.T) {
	schema := peertest.GitHub(t)
	var sent []string
	in(t, func(t *testing.T, w *world) {
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPending, "window", "WAIT")
		w.request(7, "production", "v1.4.2")
		w.after(time.Minute)
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
		w.after(time.Minute)
		sent = w.hub.Reviews()
	})
	if len(sent) != 2 || !strings.Contains(sent[1], `"state":"approved"`) {
		t.Errorf("sent %q, want a comment and a review", sent)
	}
	review := schema("POST /repos/{owner}/{repo}/actions/runs/{run_id}/deployment_protection_rule", "requestBody")
	for _, body := range sent {
		peertest.Keeps(t, review, []byte(body))
	}
	peertest.Keeps(t, schema("POST /app/installations/{installation_id}/access_tokens", "requestBody"), []byte(`{"permissions":{"actions":"read","deployments":"write"}}`))
	peertest.Lacks(t, review, `{"environment_name":"production"}`)
	peertest.Lacks(t, review, `{"environment_name":"production","state":"pass"}`)
}

// isReview is a request that answers a job.
func isReview(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/deployment_protection_rule")
}
func isToken(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/access_tokens") }

// at has GitHub answer some requests in a certain way.
func at(is func(*http.Request) bool, m githubtest.Mode) func(*http.Request) githubtest.Mode {
	return func(r *http.Request) githubtest.Mode {
		if is(r) {
			return m
		}
		return githubtest.Mode{}
	}
}

// Whatever GitHub does, the job is answered once it works again, within what it asked for, and
// by one review.
func TestEveryFailureOfGitHubIsOutlasted(t *testing.T) {
	retry := func(status int, seconds string) githubtest.Mode {
		return githubtest.Mode{Status: status, Header: map[string]string{"Retry-After": seconds}}
	}
	for _, tt := range []struct {
		name   string
		mode   func(*http.Request) githubtest.Mode
		lasts  time.Duration
		within time.Duration // after it works again
		says   string        // in the log
		end    github.End
	}{
		{"401 of the App", at(isToken, githubtest.Mode{Status: 401}), time.Minute, lastAgain, "the key does not belong to this App", github.Approved},
		{"403 of the App", at(isToken, githubtest.Mode{Status: 403}), 50 * time.Second, time.Hour, "answered 403", github.Approved},
		{"404 of the installation", at(isToken, githubtest.Mode{Status: 404}), 50 * time.Second, time.Hour, "not installed", github.Approved},
		{"422 of the installation", at(isToken, githubtest.Mode{Status: 422}), time.Minute, lastAgain, "lacks Actions: read", github.Approved},
		{"a token that cannot be read", at(isToken, githubtest.Mode{Unreadable: true}), time.Minute, lastAgain, "cannot be read", github.Approved},
		{"401 of a review", at(isReview, githubtest.Mode{Status: 401}), time.Minute, lastAgain, "no longer accepts the token", github.Approved},
		{"403 of a review", at(isReview, githubtest.Mode{Status: 403}), 50 * time.Second, time.Hour, "Deployments: write", github.Approved},
		{"404 of a review", at(isReview, githubtest.Mode{Status: 404}), 50 * time.Second, time.Hour, "no such workflow run", github.Approved},
		{"422 of a review that GitHub still waits for", at(isReview, githubtest.Mode{Status: 422}), time.Hour, lastAgain, "does not accept an answer", github.Approved},
		{"429", at(isReview, githubtest.Mode{Status: 429}), time.Minute, lastAgain, "answered 429", github.Approved},
		{"429 with Retry-After", at(isReview, retry(429, "1800")), time.Second, 30 * time.Minute, "answered 429", github.Approved},
		{"403 with Retry-After", at(isReview, retry(403, "1800")), time.Second, 30 * time.Minute, "answered 403", github.Approved},
		{"429 with a Retry-After of a day", at(isReview, retry(429, "86400")), time.Second, time.Hour, "answered 429", github.Approved},
		{"a limit that ends in a hundred years", at(isReview, githubtest.Mode{Status: 403, Header: map[string]string{"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "4102444800"}}), time.Second, time.Hour, "answered 403", github.Approved},
		{"502", at(isReview, githubtest.Mode{Status: 502}), time.Hour, lastAgain, "answered 502", github.Approved},
		{"502 once it was taken", at(isReview, githubtest.Mode{After: 502}), 3 * time.Minute, lastAgain, "answered 502", github.Gone},
		{"an answer that was lost", at(isReview, githubtest.Mode{Lost: true}), 3 * time.Minute, lastAgain, "", github.Gone},
		{"no answer", at(isReview, githubtest.Mode{Hang: true}), time.Hour, lastAgain, "no answer within 10s", github.Approved},
		{"no answer once it was taken", at(isReview, githubtest.Mode{HangAfter: true}), 3 * time.Minute, lastAgain, "no answer within 10s", github.Gone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.hub.Answer(tt.mode)
				w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
				w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
				w.request(7, "production", "v1.4.2")
				w.after(tt.lasts)
				if tt.end == github.Approved && w.hub.Job(shop, 7, "production").State != "waiting" {
					t.Fatal("the job is decided while GitHub fails")
				}
				if n := w.answerer.Count(); tt.end == github.Approved && n != (github.Count{Waiting: 1, Untold: 1}) {
					t.Errorf("counted %+v", n)
				}
				before := len(w.hub.Requests())
				if slow := tt.within == time.Hour; slow { // a person has to see to it
					if n := slices.IndexFunc(w.hub.Requests(), func(r string) bool { return strings.HasPrefix(r, "POST ") }); n < 0 || strings.Contains(strings.Join(w.hub.Requests()[n+1:], " "), w.hub.Requests()[n]) {
						t.Errorf("it was asked %q within a minute", w.hub.Requests())
					}
				}
				w.hub.Answer(nil)
				if strings.Contains(tt.name, "Retry-After") {
					w.after(tt.within - 10*time.Second)
					if n := slices.IndexFunc(w.hub.Requests()[before:], func(r string) bool { return strings.HasSuffix(r, "_rule") }); n >= 0 {
						t.Error("it is tried again before the time that GitHub named")
					}
				}
				w.after(tt.within + 10*time.Second)
				job := w.hub.Job(shop, 7, "production")
				if r := w.only(); job.State != "approved" || r.End != tt.end {
					t.Errorf("the job is %s, and kept as %q; want approved and %q\n%s", job.State, r.End, tt.end, w.log.Bytes())
				}
				if !bytes.Contains(w.log.Bytes(), []byte(tt.says)) {
					t.Errorf("the log does not say %q:\n%s", tt.says, w.log.Bytes())
				}
				if n := w.answerer.Count(); n != (github.Count{}) {
					t.Errorf("counted %+v once it is decided", n)
				}
				after := len(w.hub.Requests())
				w.after(time.Hour)
				if n := slices.IndexFunc(w.hub.Requests()[after:], func(r string) bool { return strings.HasSuffix(r, "_rule") }); n >= 0 {
					t.Error("a job that is decided is answered again")
				}
			})
		})
	}
}

const lastAgain = 5 * time.Minute

// The limit on requests is kept to, by the header that names its end.
func TestGitHubsLimitIsKeptTo(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		reset := time.Now().Add(40 * time.Minute)
		w.hub.Answer(func(r *http.Request) githubtest.Mode {
			if isReview(r) && time.Now().Before(reset) {
				return githubtest.Mode{Status: 403, Header: map[string]string{"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": fmt.Sprint(reset.Unix())}}
			}
			return githubtest.Mode{}
		})
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
		w.request(7, "production", "v1.4.2")
		w.after(41 * time.Minute)
		reviews := w.count("_rule")
		if job := w.hub.Job(shop, 7, "production"); job.State != "approved" || reviews != 2 {
			t.Errorf("the job is %s after %d requests, want 2", job.State, reviews)
		}
	})
}

// What was true before an outage of GitHub is asked again after it.
func TestWhatIsToldIsTrueWhenItIsTold(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.hub.Answer(at(isReview, githubtest.Mode{Status: 502}))
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
		w.request(7, "production", "v1.4.2")
		w.after(10 * time.Minute)
		w.says("shop@1.4.2", wire.IsRollback, "threshold", "ROLLBACK")
		w.hub.Answer(nil)
		w.after(10 * time.Minute)
		if job := w.hub.Job(shop, 7, "production"); job.State != "rejected" {
			t.Errorf("the job is %s", job.State)
		}
	})
}

// A token may take long: what was right before it may not be right after it.
func TestTheGateIsAskedOnceTheTokenIsThere(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
		w.hub.Answer(func(r *http.Request) githubtest.Mode {
			if isToken(r) {
				w.says("shop@1.4.2", wire.IsRollback, "threshold", "ROLLBACK")
			}
			return githubtest.Mode{}
		})
		w.request(7, "production", "v1.4.2")
		w.after(time.Minute)
		if job := w.hub.Job(shop, 7, "production"); job.State != "rejected" {
			t.Errorf("the job is %s", job.State)
		}
	})
}

// What GitHub was told is not told again while that cannot be kept, and is kept when it can be.
func TestWhatCannotBeKeptIsToldOnce(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
		w.hub.Answer(func(r *http.Request) githubtest.Mode {
			if isReview(r) {
				w.kept.breaks(errors.New("no space left on device"))
			}
			return githubtest.Mode{}
		})
		w.request(7, "production", "v1.4.2")
		w.after(time.Hour)
		if job := w.hub.Job(shop, 7, "production"); job.State != "approved" || job.Refused > 0 || w.only().End != "" {
			t.Fatalf("the job is %s, refused %d, kept as %q", job.State, job.Refused, w.only().End)
		}
		w.kept.breaks(nil)
		w.after(10 * time.Minute)
		if r, job := w.only(), w.hub.Job(shop, 7, "production"); r.End != github.Approved || job.Refused > 0 {
			t.Errorf("kept as %q, refused %d", r.End, job.Refused)
		}
	})
}

// A token is used while it lasts, and made again before it ends, or where it was revoked.
func TestTokensAreMadeAgain(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
		made := func() int { return w.count("/access_tokens") }
		for i, tt := range []struct {
			wait   time.Duration
			revoke bool
			made   int
		}{{0, false, 1}, {10 * time.Minute, false, 1}, {46 * time.Minute, false, 2}, {0, true, 3}} {
			w.after(tt.wait)
			if tt.revoke {
				w.hub.Revoke()
			}
			w.request(i+1, "production", "v1.4.2")
			w.after(2 * time.Second)
			if job := w.hub.Job(shop, i+1, "production"); job.State != "approved" || made() != tt.made {
				t.Errorf("job %d is %s with %d tokens, want %d", i+1, job.State, made(), tt.made)
			}
		}
	})
}

// People are told what a deployment waits for when that changes, ten times at most, also where
// the answers are lost.
func TestCommentsAreFew(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("lost %v", lost), func(t *testing.T) { commentsAreFew(t, lost) })
	}
}

func commentsAreFew(t *testing.T, lost bool) {
	in(t, func(t *testing.T, w *world) {
		w.hub.Answer(func(r *http.Request) githubtest.Mode { return githubtest.Mode{Lost: lost && isReview(r)} })
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPending, "window", "WAIT: 1")
		w.request(7, "production", "v1.4.2")
		w.after(time.Minute)
		w.says("shop@1.4.2", wire.IsPending, "window", "WAIT: 2") // no change but of its words
		w.after(time.Minute)
		if got := w.hub.Job(shop, 7, "production").Comments; len(got) != 1 {
			t.Fatalf("got %q, want one", got)
		}
		for i := range 30 {
			w.says("shop@1.4.2", wire.IsPending, fmt.Sprint("cause", i), "WAIT")
			w.after(time.Minute)
			if i%4 == 0 {
				w.stop()
				w.start()
			}
		}
		if got := w.hub.Job(shop, 7, "production").Comments; len(got) != 10 {
			t.Errorf("got %d comments, want 10", len(got))
		}
		w.hub.Answer(nil)
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
		w.after(time.Minute)
		if job := w.hub.Job(shop, 7, "production"); job.State != "approved" {
			t.Errorf("the job is %s", job.State)
		}
	})
}

// A comment that cannot be made is no answer that GitHub does not take, and holds up none.
func TestACommentThatFailsHoldsUpNoAnswer(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.hub.Answer(at(isToken, githubtest.Mode{Status: 404}))
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPending, "window", "WAIT")
		w.request(7, "production", "v1.4.2")
		for range 360 { // a tick every ten seconds
			w.after(10 * time.Second)
			w.says("shop@1.4.2", wire.IsPending, "window", "WAIT")
		}
		if n := w.answerer.Count(); n != (github.Count{Waiting: 1}) {
			t.Errorf("counted %+v", n)
		}
		if asked := w.count("/access_tokens"); asked < 5 || asked > 15 {
			t.Errorf("asked for %d tokens in an hour", asked)
		}
		w.hub.Answer(nil)
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
		w.after(2 * time.Second)
		if job := w.hub.Job(shop, 7, "production"); job.State != "approved" {
			t.Errorf("the job is %s", job.State)
		}
	})
}

// What people write is shown as it is, and is cut where GitHub would refuse it.
func TestCommentsShowWhatIsSaid(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS: <b>*x*</b> [a](http://b) `c`"+strings.Repeat("ä", 900))
		w.request(7, "production", "v1.4.2")
		w.after(time.Minute)
		got := w.hub.Job(shop, 7, "production").Text
		if !strings.HasPrefix(got, "PASS: &lt;b>\\*x\\*&lt;/b> \\[a](http://b) \\`c\\`ää") || len(got) > 1024 || !strings.HasSuffix(got, "ä…") {
			t.Errorf("got %q", got)
		}
	})
}

// GitHub waits for 30 days. After that nothing is tried, and later nothing is kept.
func TestADeploymentExpires(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPending, "window", "WAIT")
		w.request(7, "production", "v1.4.2")
		w.after(time.Minute)
		w.pause(30*24*time.Hour - 3*time.Minute)
		w.after(time.Minute)
		if r := w.only(); r.End != "" {
			t.Fatalf("ended as %q", r.End)
		}
		w.after(10 * time.Minute)
		if r := w.only(); r.End != github.Expired {
			t.Errorf("ended as %q", r.End)
		}
		w.pause(25 * time.Hour)
		w.after(time.Minute)
		if list, err := w.kept.Requests(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("%d are kept: %v", len(list), err)
		}
	})
}

// A job that was cancelled, or whose rule was bypassed, is left alone.
func TestAJobThatWaitsNoMoreIsLeftAlone(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPending, "window", "WAIT")
		w.request(7, "production", "v1.4.2")
		w.after(time.Hour)
		w.hub.Cancel(shop, 7, "production")
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
		w.after(time.Minute)
		if r := w.only(); r.End != github.Gone {
			t.Errorf("ended as %q", r.End)
		}
	})
}

// GitHub may not know of a job yet when it has just told of it: a refusal then ends nothing.
func TestARefusalOfAYoungRequestEndsNothing(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
		w.hub.Wait(shop, 7, "production")
		w.hub.Cancel(shop, 7, "production") // so that it is refused, and in no list
		w.deliver(7, "production", "v1.4.2")
		w.after(30 * time.Second)
		if r := w.only(); r.End != "" {
			t.Fatalf("ended as %q", r.End)
		}
		w.hub.Wait(shop, 7, "production")
		w.after(time.Minute)
		if job := w.hub.Job(shop, 7, "production"); job.State != "approved" {
			t.Errorf("the job is %s", job.State)
		}
	})
}

// While nothing can be kept GitHub is told nothing that needs it, and a request is refused, so
// that GitHub keeps it as one that did not arrive.
func TestWhileNothingCanBeKept(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
		w.says("shop@1.4.2", wire.IsPass, "window", "PASS")
		w.kept.breaks(errors.New("no space left on device"))
		w.hub.Wait(shop, 7, "production")
		h, body := githubtest.Payload(github.DefaultAPI, shop, 7, 1, "production", "v1.4.2", commit)
		if result, err := w.answerer.Receive(t.Context(), time.Now(), h, body); result != github.Unavailable || err == nil {
			t.Fatalf("got %q, %v", result, err)
		}
		w.kept.breaks(nil)
		if result, err := w.answerer.Receive(t.Context(), time.Now(), h, body); result != github.Accepted || err != nil {
			t.Fatalf("got %q, %v", result, err)
		}
		w.kept.breaks(errors.New("no space left on device"))
		w.after(time.Hour)
		if job := w.hub.Job(shop, 7, "production"); job.State != "waiting" {
			t.Fatalf("the job is %s, and nothing says of which run", job.State)
		}
		w.kept.breaks(nil)
		w.after(10 * time.Minute)
		if job := w.hub.Job(shop, 7, "production"); job.State != "approved" {
			t.Errorf("the job is %s", job.State)
		}
	})
}

// GitHub does not repeat what it could not deliver: it is asked to. What arrived, what relgate
// has refused, what is old and what is of others is left alone.
func TestLostRequestsAreAskedFor(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.after(time.Second) // the first look finds nothing
		now := time.Now()
		const event = "deployment_protection_rule"
		w.request(7, "production", "v1.4.2") // guid-7-1007
		for _, d := range []githubtest.Delivery{
			{ID: 1, GUID: "a", At: now, Status: 502, Event: event, Action: "requested"},
			{ID: 2, GUID: "b", At: now, Status: 0, Event: event, Action: "requested"},
			{ID: 3, GUID: "c", At: now, Status: 403, Event: event, Action: "requested"},
			{ID: 4, GUID: "d", At: now, Status: 502, Event: "installation", Action: "created"},
			{ID: 5, GUID: "e", At: now.Add(-80 * time.Hour), Status: 502, Event: event, Action: "requested"},
			{ID: 6, GUID: "guid-7-1007", At: now, Status: 503, Event: event, Action: "requested"},
			{ID: 7, GUID: "a", At: now, Status: 502, Event: event, Action: "requested"},
		} {
			w.hub.Lose(d)
		}
		w.stop()
		w.start()
		w.after(time.Minute)
		if got := w.hub.Repeated(); !slices.Equal(got, []uint64{1, 2}) {
			t.Errorf("got %v, want 1 and 2", got)
		}
		w.after(time.Hour)
		if got := w.hub.Repeated(); len(got) < 4 || len(got) > 12 {
			t.Errorf("%d within an hour", len(got))
		}
	})
}

// Killed at any step, before it or after it, an Answerer that starts again answers the job as it
// must be, and tells people ten times at most.
func TestKilledAtEveryStep(t *testing.T) {
	for _, end := range []wire.Outcome{wire.IsPass, wire.IsRollback} {
		for _, after := range []bool{false, true} {
			steps := 1
			for at := 0; at <= steps; at++ {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.kill = &kill{at: at, after: after}
					w.start()
					restart := func() {
						select {
						case <-w.ended:
							w.start()
						default:
						}
					}
					w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2"})
					w.says("shop@1.4.2", wire.IsPending, "window", "WAIT")
					arrived := w.request(7, "production", "v1.4.2")
					w.after(time.Second)
					restart()
					if arrived != github.Accepted { // GitHub is asked to repeat it
						w.deliver(7, "production", "v1.4.2")
					}
					w.after(time.Minute)
					restart()
					w.begins("shop", "1.4.2", github.Run{ID: "shop@1.4.2~2"}) // no answer to this job
					w.says("shop@1.4.2~2", wire.IsFail, "threshold", "FAIL")
					w.after(3 * time.Minute)
					restart()
					w.says("shop@1.4.2", end, "window", "END")
					w.after(time.Second)
					restart()
					w.after(10 * time.Minute)
					restart()
					w.after(10 * time.Minute)
					want := map[wire.Outcome]string{wire.IsPass: "approved", wire.IsRollback: "rejected"}[end]
					if job := w.hub.Job(shop, 7, "production"); job.State != want || !strings.HasPrefix(job.Text, "END") {
						t.Errorf("killed at step %d (after: %v): the job is %s, %q\n%s", at, after, job.State, job.Text, w.log.Bytes())
					}
					if r := w.only(); r.End != github.End(want) && r.End != github.Gone {
						t.Errorf("killed at step %d (after: %v): it ended as %q", at, after, r.End)
					}
					steps = max(steps, w.kill.steps)
					w.stop()
					w.clean()
				})
			}
			if steps < 8 {
				t.Errorf("%d steps only", steps)
			}
		}
	}
}
