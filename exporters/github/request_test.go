package github_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/github"
	"github.com/relgate/relgate/exporters/github/githubtest"
)

// What is no request of GitHub's for a configured repository is refused, and nothing is kept of
// it: above all not where to call back.
func TestWhatIsRefused(t *testing.T) {
	edit := func(path []string, value any) func(map[string]any) {
		return func(body map[string]any) {
			for _, key := range path[:len(path)-1] {
				body = body[key].(map[string]any)
			}
			body[path[len(path)-1]] = value
		}
	}
	callback := func(url string) func(map[string]any) { return edit([]string{"deployment_callback_url"}, url) }
	const good = "https://api.github.com/repos/acme/shop/actions/runs/7/deployment_protection_rule"
	for _, tt := range []struct {
		name   string
		change func(map[string]any)
		header func(http.Header)
		want   github.Result
	}{
		{"as GitHub sends it", nil, nil, github.Accepted},
		{"no signature", nil, func(h http.Header) { h.Del("X-Hub-Signature-256") }, github.Unsigned},
		{"the old signature alone", nil, func(h http.Header) {
			h.Set("X-Hub-Signature", "sha1=00")
			h.Del("X-Hub-Signature-256")
		}, github.Unsigned},
		{"another signature", nil, func(h http.Header) { h.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64)) }, github.Forged},
		{"no digits", nil, func(h http.Header) { h.Set("X-Hub-Signature-256", "sha256=x") }, github.Forged},
		{"two signatures", nil, func(h http.Header) { h.Add("X-Hub-Signature-256", "sha256=00") }, github.Forged},
		{"a ping", nil, func(h http.Header) { h.Set("X-GitHub-Event", "ping") }, github.Control},
		{"another action", edit([]string{"action"}, "completed"), nil, github.Control},
		{"another type", edit([]string{"deployment"}, "x"), nil, github.Malformed},
		{"no environment", edit([]string{"environment"}, ""), nil, github.Malformed},
		{"no installation", edit([]string{"installation", "id"}, 0), nil, github.Malformed},
		{"a negative installation", edit([]string{"installation", "id"}, -1), nil, github.Malformed},
		{"a sha that is none", edit([]string{"deployment", "sha"}, "main"), nil, github.Malformed},
		{"a long ref", edit([]string{"deployment", "ref"}, strings.Repeat("x", 301)), nil, github.Malformed},
		{"another repository", func(b map[string]any) {
			edit([]string{"repository", "full_name"}, "acme/other")(b)
			callback(strings.Replace(good, "shop", "other", 1))(b)
		}, nil, github.Repository},
		{"a call back to another host", callback(strings.Replace(good, "api.github.com", "evil.example", 1)), nil, github.Elsewhere},
		{"a call back to a host that begins alike", callback(strings.Replace(good, "api.github.com", "api.github.com.evil.example", 1)), nil, github.Elsewhere},
		{"a call back with a user", callback(strings.Replace(good, "https://", "https://api.github.com@evil.example/", 1)), nil, github.Elsewhere},
		{"a call back without TLS", callback(strings.Replace(good, "https", "http", 1)), nil, github.Elsewhere},
		{"a call back to this machine", callback("http://127.0.0.1/repos/acme/shop/actions/runs/7/deployment_protection_rule"), nil, github.Elsewhere},
		{"a call back to another repository", callback(strings.Replace(good, "shop", "other", 1)), nil, github.Elsewhere},
		{"a call back to another path", callback(strings.Replace(good, "runs/7/", "runs/7/../../../../../user/", 1)), nil, github.Elsewhere},
		{"a call back with a query", callback(good + "?x=1"), nil, github.Elsewhere},
		{"a call back to no run", callback(strings.Replace(good, "/7/", "/-7/", 1)), nil, github.Elsewhere},
		{"no call back", callback(""), nil, github.Elsewhere},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				h, text := githubtest.Payload(github.DefaultAPI, shop, 7, 1, "production", "v1.4.2", commit)
				w.hub.Wait(shop, 7, "production")
				if tt.change != nil {
					var body map[string]any
					if err := json.Unmarshal(text, &body); err != nil {
						t.Fatal(err)
					}
					tt.change(body)
					text, _ = json.Marshal(body)
					h = githubtest.Sign(text, "guid")
				}
				if tt.header != nil {
					tt.header(h)
				}
				got, err := w.answerer.Receive(t.Context(), time.Now(), h, text)
				good := tt.want == github.Accepted || tt.want == github.Control
				if got != tt.want || (err == nil) != good {
					t.Errorf("got %q, %v; want %q", got, err, tt.want)
				}
				if err != nil && strings.Contains(err.Error(), githubtest.Secret) {
					t.Errorf("the secret is shown: %v", err)
				}
				if list, _ := w.kept.Requests(t.Context()); len(list) > 0 != (tt.want == github.Accepted) {
					t.Errorf("%d are kept", len(list))
				}
			})
		})
	}
}

// The id of a delivery is not signed: a body that comes again under another is known, also when
// its request has ended. Another attempt of the job has a deployment of its own.
func TestARepetitionIsKnownByItsBody(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.hub.Wait(shop, 7, "production")
		receive := func(deployment int, guid string) github.Result {
			_, body := githubtest.Payload(github.DefaultAPI, shop, 7, deployment, "production", "v1.4.2", commit)
			got, err := w.answerer.Receive(t.Context(), time.Now(), githubtest.Sign(body, guid), body)
			if err != nil {
				t.Error(err)
			}
			return got
		}
		for i, want := range []github.Result{github.Accepted, github.Duplicate} {
			if got := receive(1, []string{"a", "b"}[i]); got != want {
				t.Errorf("delivery %d: got %q, want %q", i, got, want)
			}
		}
		if got := receive(2, "c"); got != github.Accepted {
			t.Errorf("another attempt: got %q", got)
		}
		w.pause(30*24*time.Hour + 10*time.Minute)
		w.after(time.Minute)
		if got := receive(1, "d"); got != github.Duplicate {
			t.Errorf("of a request that has ended: got %q", got)
		}
	})
}

// Environments without deployments send the ref and the commit beside the event, and are known
// by their delivery.
func TestAnEnvironmentWithoutDeployments(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.hub.Wait(shop, 7, "production")
		_, text := githubtest.Payload(github.DefaultAPI, shop, 7, 1, "production", "v1.4.2", commit)
		var body map[string]any
		if err := json.Unmarshal(text, &body); err != nil {
			t.Fatal(err)
		}
		delete(body, "deployment")
		body["ref"], body["sha"] = "v1.4.2", commit
		text, _ = json.Marshal(body)
		for _, want := range []github.Result{github.Accepted, github.Duplicate} {
			if got, err := w.answerer.Receive(t.Context(), time.Now(), githubtest.Sign(text, "a"), text); got != want || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		}
		if r := w.only(); r.Ref != "v1.4.2" || r.Commit != commit {
			t.Errorf("kept %+v", r)
		}
	})
}

// Whatever is signed: what is kept can be told only to the workflow run of a configured
// repository.
func FuzzReceive(f *testing.F) {
	_, good := githubtest.Payload(github.DefaultAPI, shop, 7, 1, "production", "v1.4.2", commit)
	f.Add(good)
	f.Add([]byte(strings.Replace(string(good), "/7/", "/7%2f..%2f/", 1)))
	f.Add([]byte(`{"action":"requested","deployment":null,"repository":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		kept := &memory{requests: map[string][]byte{}, step: func(do func() error) error { return do() }}
		a := github.New(github.Config{
			Secret: func() (string, error) { return githubtest.Secret, nil }, Store: kept, Gates: []github.Gate{{Repository: shop}}, Log: slog.New(slog.DiscardHandler),
		})
		result, err := a.Receive(t.Context(), time.Now(), githubtest.Sign(body, "guid"), body)
		if !slices.Contains(github.Results(), result) || (err == nil) != (result == github.Accepted || result == github.Control) {
			t.Errorf("got %q, %v", result, err)
		}
		list, err := kept.Requests(t.Context())
		if err != nil || len(list) > 0 != (result == github.Accepted) {
			t.Fatalf("got %q, and %d are kept: %v", result, len(list), err)
		}
		for _, r := range list {
			if !strings.EqualFold(r.Repository, shop) || r.WorkflowRun == 0 || r.Installation == 0 || r.Environment == "" {
				t.Errorf("kept %+v", r)
			}
		}
	})
}
