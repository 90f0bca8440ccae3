package sentry_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/sentry"
	"github.com/relgate/relgate/sources/sentry/kind"
)

// A token that is rotated counts at the next request, and after a 401 at once.
// While it cannot be read the former one stays, and no answer shows either.
func TestRotatedToken(t *testing.T) {
	var kept, valid, late string
	var keptErr error
	var sent []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		sent = append(sent, got)
		if late != "" {
			kept, late = late, ""
		}
		if got != valid {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"detail":"Invalid token %s"}`, got)
			return
		}
		fmt.Fprint(w, `{"start":"2025-06-04T11:00:00Z","end":"2025-06-04T12:00:00Z","intervals":["2025-06-04T11:00:00Z"],"groups":[]}`)
	}))
	defer server.Close()
	read := func() (string, error) { return kept, keptErr }
	if _, err := sentry.New(sentry.Config{Name: "s", BaseURL: server.URL, Org: "o", ReadToken: read}); err == nil {
		t.Error("an empty token is not refused")
	}
	kept, valid = "first-one", "first-one"
	s, err := sentry.New(sentry.Config{Name: "s", BaseURL: server.URL, Org: "o", ReadToken: read})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.CloseIdleConnections)
	ask := func(fault rules.Fault, tokens ...string) {
		t.Helper()
		sent = nil
		got := s.Fetch(t.Context(), noon, []sources.Want{hourly()})[0]
		if got.Fault != fault || strings.Contains(got.Detail, "-one") {
			t.Errorf("fault %v %q, want %v", got.Fault, got.Detail, fault)
		}
		if !slices.Equal(sent, tokens) {
			t.Errorf("sent %q, want %q", sent, tokens)
		}
	}
	ask(rules.NoData, "first-one")
	kept, valid = "second-one", "second-one"
	ask(rules.NoData, "second-one")
	kept, keptErr = "", errors.New("no such file")
	ask(rules.NoData, "second-one")
	kept, keptErr, late, valid = "second-one", nil, "third-one", "third-one"
	ask(rules.NoData, "second-one", "third-one")
	valid = "fourth-one"
	ask(rules.AuthFault, "third-one")
}

// hourly is a want for the hour before noon.
func hourly() sources.Want {
	return sources.Want{Run: "p", From: noon.Unix() - 3600, To: noon.Unix(), Signal: &rules.Signal{
		Name: "crashes", Kind: rules.Ratio, Period: 3600e9, Every: 3600e9, Of: -1,
		Query: rules.Query{Ask: &kind.Query{Release: "app@1"}},
	}}
}
