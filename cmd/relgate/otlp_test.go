package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// collector takes traces, all but the first.
type collector struct {
	mu     sync.Mutex
	posts  []string
	header http.Header
	url    string
}

func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.posts, c.header, c.url = append(c.posts, string(body)), r.Header.Clone(), r.URL.String()
	status := 200
	if len(c.posts) == 1 {
		status = 503
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(`{"partialSuccess":{}}`)), Request: r}, nil
}

// TestARunThatEndsIsSentAsATrace: once, after an attempt that fails the same again, with the
// headers of the config and without a word of them in the log.
func TestARunThatEndsIsSentAsATrace(t *testing.T) {
	t.Setenv("OTLP_SECRET", "hunter2-otlp")
	log, c := &syncBuffer{}, &collector{}
	d := housed(t, withTokens()+"\n[otlp]\nendpoint = \"https://otlp.example/x\"\nheaders = { Authorization = { env = \"OTLP_SECRET\" } }\n", c, log)
	url := "http://" + d.public.Addr().String()
	if code, text := asksAs(t, "POST", url+command1, "all-1", "", `{"kind":"abort","by":"ada","why":"too slow"}`); code != 200 {
		t.Fatal(code, text)
	}
	eventually(t, "the second attempt", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.posts) >= 2 })
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.posts) != 2 || c.posts[0] != c.posts[1] {
		t.Errorf("%d attempts, alike: %v", len(c.posts), c.posts[0] == c.posts[len(c.posts)-1])
	}
	if c.url != "https://otlp.example/x/v1/traces" || c.header.Get("Authorization") != "hunter2-otlp" || c.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %v", c.url, c.header)
	}
	var r struct {
		ResourceSpans []struct {
			ScopeSpans []struct {
				Spans []struct {
					Name   string
					Status struct{ Code int }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(c.posts[0]), &r); err != nil {
		t.Fatal(err)
	}
	if root := r.ResourceSpans[0].ScopeSpans[0].Spans[0]; root.Name != "release P-1 1.0.0" || root.Status.Code != 2 {
		t.Errorf("%+v", root)
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Error("the log holds the secret")
	}
}
