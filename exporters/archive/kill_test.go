package archive_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/archive"
	"github.com/relgate/relgate/exporters/archive/archivetest"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/faulttest"
	"github.com/relgate/relgate/exporters/outbox/killtest"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/wire"
)

var long = flag.Bool("long", false, "run the tests that take minutes")

// shelf is the other side of an archive, as a receiver.
type shelf struct {
	faulty
	there func() int
}

func newShelf(f faulty, there func() int, fault func(n int) faulttest.Fault) shelf {
	var mu sync.Mutex
	n := 0
	f.Answer(func(*http.Request) archivetest.Mode {
		mu.Lock()
		defer mu.Unlock()
		n++
		switch fault(n) {
		case faulttest.Busy:
			return archivetest.Mode{Status: http.StatusTooManyRequests, RetryAfter: 7}
		case faulttest.Broken:
			return archivetest.Mode{Status: http.StatusInternalServerError}
		case faulttest.Lying:
			return archivetest.Mode{After: http.StatusInternalServerError}
		case faulttest.Dropped:
			return archivetest.Mode{Lost: true}
		case faulttest.Hanging:
			return archivetest.Mode{Hang: true}
		case faulttest.Lost:
			return archivetest.Mode{HangAfter: true}
		case faulttest.Late:
			time.AfterFunc(20*time.Second, f.Settle)
			return archivetest.Mode{Late: true}
		}
		return archivetest.Mode{}
	})
	return shelf{f, there}
}

func (s shelf) Count(string) int { return s.there() }

func (s shelf) Wrong() []string { return nil }

// Killed at every step, and whatever the other side answers, a review is there once: in one
// file or page, which was written once.
func TestAReviewIsThereOnce(t *testing.T) {
	once := func(o killtest.Outcome) string {
		if o.Counts[0] != 1 || len(o.Dead) > 0 {
			return "want it once"
		}
		return ""
	}
	repository := func(pull bool) func(func(int) faulttest.Fault) killtest.Receiver {
		return func(f func(int) faulttest.Fault) killtest.Receiver {
			s := archivetest.NewGitHub("bioage/releases", token)
			s.Merges = true // a person does so at once
			return newShelf(s, func() int {
				if pull { // merging is a commit, too
					return max(len(s.Pulls()), len(s.Branches())-1, s.Commits()-2)
				}
				return max(s.Commits()-1, len(s.Pulls()), len(s.Branches())-1)
			}, f)
		}
	}
	github := func(pull bool) func(archive.Network) (archive.Archive, error) {
		return func(n archive.Network) (archive.Archive, error) {
			return archive.NewGitHub(archive.GitHubConfig{URL: "https://github.example", Token: token, Repository: "bioage/releases", Folder: "docs/reviews", PullRequest: pull, Network: n})
		}
	}
	var rows []string
	for _, tt := range []struct {
		name     string
		receiver func(func(int) faulttest.Fault) killtest.Receiver
		open     func(archive.Network) (archive.Archive, error)
	}{
		{"GitHub: review, by a commit", repository(false), github(false)},
		{"GitHub: review, by a pull request", repository(true), github(true)},
		{"Confluence: review", func(f func(int) faulttest.Fault) killtest.Receiver {
			s := archivetest.NewConfluence("REL", "bot@bioage.example", token)
			return newShelf(s, func() (n int) {
				for _, p := range s.Pages() {
					n += p.Version
				}
				return n
			}, f)
		}, func(n archive.Network) (archive.Archive, error) {
			return archive.NewConfluence(archive.ConfluenceConfig{URL: "https://confluence.example", Email: "bot@bioage.example", Token: token, Space: "REL", Network: n})
		}},
	} {
		b := killtest.Bench{
			Events:   []killtest.Event{killtest.Review()},
			Receiver: tt.receiver,
			Sink: func(transport http.RoundTripper, _ outbox.Memory) (outbox.Sink, error) {
				a, err := tt.open(archive.Network{Common: webhook.Config{Transport: transport}})
				return &archive.Sink{Archive: a, Report: func(context.Context, *wire.EventBody) (archive.Report, error) { return report, nil }}, err
			},
		}
		rows = append(rows, fmt.Sprintf("| %s | %v |", tt.name, b.Try(t, *long, once, once)))
	}
	killtest.Manual(t, rows)
}
