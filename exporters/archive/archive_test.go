package archive_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/archive"
	"github.com/relgate/relgate/exporters/archive/archivetest"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/wire"
)

const token = "ghp_0123456789abcdef"

var report = archive.Report{
	Run: "bioage@1.0~2", UID: "k7q4v0", Event: 57, Plan: "bioage", Version: "1.0", Title: "Review of BioAge 1.0",
	Markdown: []byte("# Review\n\nAll **five** phases passed: 1 < 2 & 3.\n\n| metric | value |\n|---|---|\n| crash-free | 99.9 % |\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) <https://example.com>\n"),
	HTML:     []byte("<!doctype html><p>Review</p>"), JSON: []byte(`{"run":"bioage@1.0~2"}`),
}

// later is the same report after the run went on, ended and was reviewed again.
func later() archive.Report {
	r := report
	r.Event = 63
	r.Markdown = append(slices.Clone(r.Markdown), "\nSigned by the Release Manager.\n"...)
	return r
}

// faulty is what the servers have in common.
type faulty interface {
	http.Handler
	Answer(func(*http.Request) archivetest.Mode)
	Between(func(*http.Request))
	Requests() []string
	Hung() <-chan string
	Settle()
}

// serve has a server answer on loopback.
func serve(t *testing.T, h http.Handler) (url string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

var loopback = archive.Network{Common: webhook.Config{Allow: []string{"127.0.0.1"}}}

// scene is an archive and what it leaves behind.
type scene struct {
	name  string
	new   func(t *testing.T) (faulty, func(t *testing.T) archive.Archive)
	link  string
	check func(t *testing.T, s faulty, r archive.Report) // what is there after r was archived
}

func github(change func(*archive.GitHubConfig)) func(t *testing.T) (faulty, func(t *testing.T) archive.Archive) {
	return func(t *testing.T) (faulty, func(t *testing.T) archive.Archive) {
		s := archivetest.NewGitHub("bioage/releases", token)
		url := serve(t, s)
		return s, func(t *testing.T) archive.Archive {
			t.Helper()
			c := archive.GitHubConfig{URL: url, Token: token, Repository: "bioage/releases", Folder: "docs/reviews", Network: loopback}
			change(&c)
			g, err := archive.NewGitHub(c)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(g.CloseIdleConnections)
			return g
		}
	}
}

func newConfluence(t *testing.T) (faulty, func(t *testing.T) archive.Archive) {
	s := archivetest.NewConfluence("REL", "bot@bioage.example", token)
	url := serve(t, s)
	return s, func(t *testing.T) archive.Archive {
		t.Helper()
		c, err := archive.NewConfluence(archive.ConfluenceConfig{URL: url, Email: "bot@bioage.example", Token: token, Space: "REL", Network: loopback})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.CloseIdleConnections)
		return c
	}
}

// keep has an archive take a report. A pull request that waits for its merge is its link.
func keep(ctx context.Context, a archive.Archive, r archive.Report) (link string, err error) {
	link, err = a.Archive(ctx, r)
	if e, ok := errors.AsType[*archive.Error](err); ok && e.Waits && link == "" && !e.Refused && e.RetryAfter == 5*time.Minute {
		if _, at, waits := strings.Cut(e.Reason, "waiting for the pull request to be merged: "); waits {
			return at, nil
		}
	}
	return link, err
}

// isReport reports whether a file holds the Markdown of a report.
func isReport(content string, r archive.Report) bool {
	return strings.HasPrefix(content, "<!-- relgate review bioage-1.0-2-") && strings.HasSuffix(content, " -->\n\n"+string(r.Markdown))
}

// oneFile finds the one file below docs/reviews.
func oneFile(t *testing.T, files map[string]string) string {
	t.Helper()
	var found []string
	for path, content := range files {
		if strings.HasPrefix(path, "docs/reviews/") {
			found = append(found, content)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d files, want one: %v", len(found), files)
	}
	return found[0]
}

var scenes = []scene{
	{"github commit", github(func(*archive.GitHubConfig) {}), "https://github.com/bioage/releases/blob/main/docs/reviews/bioage-1.0-2-", func(t *testing.T, f faulty, r archive.Report) {
		s := f.(*archivetest.GitHub)
		if got := oneFile(t, s.Files("main")); !isReport(got, r) {
			t.Errorf("the file holds %q", got)
		}
		if n := s.Commits() - 1; n > 2 {
			t.Errorf("%d commits for at most two different reports", n)
		}
		if len(s.Branches()) != 1 || len(s.Pulls()) != 0 {
			t.Errorf("branches %v, pull requests %v; want none", s.Branches(), s.Pulls())
		}
	}},
	{"github pull request", github(func(c *archive.GitHubConfig) { c.PullRequest = true }), "https://github.com/bioage/releases/pull/1", func(t *testing.T, f faulty, r archive.Report) {
		s := f.(*archivetest.GitHub)
		pulls := s.Pulls()
		if len(pulls) != 1 || len(s.Branches()) != 2 || pulls[0].Title != "Review of BioAge 1.0" || pulls[0].Base != "main" {
			t.Fatalf("branches %v, pull requests %+v; want one", s.Branches(), pulls)
		}
		if got := oneFile(t, s.Files(pulls[0].Head)); !isReport(got, r) {
			t.Errorf("the file holds %q", got)
		}
		if len(s.Files("main")) != 1 {
			t.Errorf("main was changed: %v", s.Files("main"))
		}
		if n := s.Commits() - 1; n > 2 {
			t.Errorf("%d commits for at most two different reports", n)
		}
	}},
	{"confluence", newConfluence, "/wiki/spaces/REL/pages/1000", func(t *testing.T, f faulty, r archive.Report) {
		s := f.(*archivetest.Confluence)
		pages := s.Pages()
		if len(pages) != 1 || pages[0].Title != "Review of BioAge 1.0 (bioage@1.0~2)" || pages[0].Version > 2 {
			t.Fatalf("pages %+v, want one of at most two versions", pages)
		}
		v := pages[0].Value
		for _, want := range []string{"<strong>five</strong>", "1 &lt; 2 &amp; 3", "<td>99.9 %</td>", `<a href="https://example.com">`} {
			if !strings.Contains(v, want) {
				t.Errorf("the page has no %q: %s", want, v)
			}
		}
		if strings.Contains(v, "script") || strings.Contains(v, "Signed by") != strings.Contains(string(r.Markdown), "Signed by") {
			t.Errorf("the page is of another report, or runs scripts: %s", v)
		}
	}},
}

func TestArchivedTwiceIsArchivedOnce(t *testing.T) {
	for _, sc := range scenes {
		t.Run(sc.name, func(t *testing.T) {
			s, open := sc.new(t)
			for range 3 {
				link, err := keep(t.Context(), open(t), report)
				if err != nil || !strings.Contains(link, sc.link) {
					t.Fatalf("Archive = %q, %v, want a link with %s", link, err, sc.link)
				}
				sc.check(t, s, report)
			}
			writes := len(slices.DeleteFunc(s.Requests(), func(r string) bool { return strings.HasPrefix(r, "GET") }))
			if _, err := keep(t.Context(), open(t), report); err != nil {
				t.Fatal(err)
			}
			if now := len(slices.DeleteFunc(s.Requests(), func(r string) bool { return strings.HasPrefix(r, "GET") })); now != writes {
				t.Error("the same report was written again")
			}
			if link, err := keep(t.Context(), open(t), later()); err != nil || !strings.Contains(link, sc.link) {
				t.Fatalf("Archive of a later report = %q, %v", link, err)
			}
			sc.check(t, s, later())
		})
	}
}

// TestCutOffAtEachRequest spoils each request of an attempt in each way, and makes another
// attempt, as after a restart.
func TestCutOffAtEachRequest(t *testing.T) {
	modes := map[string]archivetest.Mode{
		"not done and closed": {Cut: true}, "done and closed": {Lost: true}, "not done and hangs": {Hang: true}, "done and hangs": {HangAfter: true}, "no answer, and done after the next attempt": {Late: true},
		"done and 502": {After: 502}, "not done and 503": {Status: 503, RetryAfter: 7}, "a page for people": {Page: true}, "an answer that says nothing": {Empty: true}, "not done and 403": {Status: 403}, "done and 409": {After: 409}, "done and 422": {After: 422},
	}
	for _, sc := range scenes {
		for _, update := range []bool{false, true} {
			what, r := "first", report
			if update {
				what, r = "update", later()
			}
			prepare := func(t *testing.T) (faulty, func(t *testing.T) archive.Archive) {
				s, open := sc.new(t)
				if update {
					if _, err := keep(t.Context(), open(t), report); err != nil {
						t.Fatal(err)
					}
				}
				return s, open
			}
			s, open := prepare(t)
			before := len(s.Requests())
			if _, err := keep(t.Context(), open(t), r); err != nil {
				t.Fatal(err)
			}
			for k := range len(s.Requests()) - before {
				for name, mode := range modes {
					t.Run(fmt.Sprintf("%s %s: request %d: %s", sc.name, what, k, name), func(t *testing.T) {
						s, open := prepare(t)
						var n atomic.Int32
						s.Answer(func(*http.Request) archivetest.Mode {
							if n.Add(1) == int32(k+1) {
								return mode
							}
							return archivetest.Mode{}
						})
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						if mode.Hang || mode.HangAfter || mode.Late {
							go func() { // ends with the hang
								<-s.Hung()
								cancel()
							}()
						}
						link, err := keep(ctx, open(t), r)
						if err == nil && !strings.Contains(link, sc.link) {
							t.Errorf("the first attempt: %q", link)
						}
						if err == nil {
							sc.check(t, s, r) // it went on after what it was told
						}
						if e, ok := errors.AsType[*archive.Error](err); err != nil && (!ok || strings.Contains(e.Reason, token)) {
							t.Errorf("the first attempt: %v, want an *Error without the token", err)
						} else if ok && e.Refused && mode.After == 0 {
							t.Errorf("the first attempt: %+v, want another one", e)
						} else if ok && mode.RetryAfter > 0 && e.RetryAfter.Seconds() != float64(mode.RetryAfter) {
							t.Errorf("the first attempt: %+v, want it to wait %d s", e, mode.RetryAfter)
						}
						s.Answer(nil)
						if link, err := keep(t.Context(), open(t), r); err != nil || !strings.Contains(link, sc.link) {
							t.Fatalf("the second attempt: %q, %v, want a link with %s", link, err, sc.link)
						}
						sc.check(t, s, r)
						s.Settle()
						sc.check(t, s, r)
					})
				}
			}
		}
	}
}

func TestWhatIsAnothersIsLeftAlone(t *testing.T) {
	t.Run("github", func(t *testing.T) {
		f, open := scenes[0].new(t)
		s := f.(*archivetest.GitHub)
		if _, err := keep(t.Context(), open(t), report); err != nil {
			t.Fatal(err)
		}
		var path string
		for p := range s.Files("main") {
			if p != "README.md" {
				path = p
			}
		}
		s.Push("main", path, "# Mine\n")
		_, err := keep(t.Context(), open(t), report)
		if e, ok := errors.AsType[*archive.Error](err); !ok || !e.Refused || s.Files("main")[path] != "# Mine\n" {
			t.Errorf("Archive = %v, the file is %q; want it refused and the file as it was", err, s.Files("main")[path])
		}
	})
	t.Run("confluence", func(t *testing.T) {
		f, open := scenes[2].new(t)
		s := f.(*archivetest.Confluence)
		s.Put("Review of BioAge 1.0 (bioage@1.0~2)", "<p>mine</p>", "current")
		_, err := keep(t.Context(), open(t), report)
		if e, ok := errors.AsType[*archive.Error](err); !ok || !e.Refused || s.Pages()[0].Value != "<p>mine</p>" {
			t.Errorf("Archive = %v, the page is %+v; want it refused and the page as it was", err, s.Pages()[0])
		}
		s.Put("Review of BioAge 1.0 (bioage@1.0~2)", "<p>mine</p>", "trashed")
		_, err = keep(t.Context(), open(t), report)
		if e, ok := errors.AsType[*archive.Error](err); !ok || !e.Refused || !strings.Contains(e.Reason, "trash") {
			t.Errorf("Archive = %v, want it to speak of the trash", err)
		}
	})
}

func TestOthersWriteAtTheSameTime(t *testing.T) {
	t.Run("a commit in between", func(t *testing.T) {
		f, open := scenes[0].new(t)
		s := f.(*archivetest.GitHub)
		if _, err := keep(t.Context(), open(t), report); err != nil {
			t.Fatal(err)
		}
		var path string
		for p := range s.Files("main") {
			if p != "README.md" {
				path = p
			}
		}
		mine := s.Files("main")[path]
		var n atomic.Int32
		s.Between(func(r *http.Request) {
			if n.Add(1) < 4 && r.Method == http.MethodPut {
				s.Push("main", path, mine+"a person's remark\n")
			}
		})
		if _, err := keep(t.Context(), open(t), later()); err != nil {
			t.Fatal(err)
		}
		if got := oneFile(t, s.Files("main")); !isReport(got, later()) {
			t.Errorf("the file holds %q", got)
		}
		// One who never stops: the attempt ends.
		s.Between(func(r *http.Request) {
			if r.Method == http.MethodPut {
				s.Push("main", path, mine+fmt.Sprint(n.Add(1)))
			}
		})
		next := later()
		next.Event++
		_, err := keep(t.Context(), open(t), next)
		if e, ok := errors.AsType[*archive.Error](err); !ok || e.Refused || n.Load() > 20 {
			t.Errorf("Archive = %v after %d commits of others, want another attempt later", err, n.Load())
		}
	})
	t.Run("a version in between", func(t *testing.T) {
		f, open := scenes[2].new(t)
		s := f.(*archivetest.Confluence)
		if _, err := keep(t.Context(), open(t), report); err != nil {
			t.Fatal(err)
		}
		first := s.Pages()[0]
		var n atomic.Int32
		s.Between(func(r *http.Request) {
			if r.Method == http.MethodPut && n.Add(1) == 1 {
				s.Put(first.Title, first.Value+"<p>a person's remark</p>", "current")
			}
		})
		if _, err := keep(t.Context(), open(t), later()); err != nil {
			t.Fatal(err)
		}
		if p := s.Pages(); len(p) != 1 || p[0].Version != 3 || !strings.Contains(p[0].Value, "Signed by") {
			t.Errorf("pages %+v, want one of three versions", p)
		}
	})
}

// TestTwoArchiveAtOnce has another attempt come to its end before each request of one, as
// when a daemon that was taken for dead goes on.
func TestTwoArchiveAtOnce(t *testing.T) {
	for _, sc := range scenes {
		for k := range 9 {
			s, open := sc.new(t)
			var n atomic.Int32
			s.Between(func(*http.Request) {
				if n.Add(1) == int32(k+1) {
					if _, err := keep(t.Context(), open(t), report); err != nil {
						t.Errorf("%s: the other attempt: %v", sc.name, err)
					}
				}
			})
			link, err := keep(t.Context(), open(t), report)
			if err != nil || !strings.Contains(link, sc.link) {
				t.Errorf("%s, another one at request %d: Archive = %q, %v", sc.name, k, link, err)
			}
			sc.check(t, s, report)
		}
	}
}

func TestWhatBecomesOfAPullRequest(t *testing.T) {
	f, open := scenes[1].new(t)
	s := f.(*archivetest.GitHub)
	remade := report // an attempt later tells of what was delivered meanwhile
	for range 3 {
		link, err := open(t).Archive(t.Context(), remade)
		e, ok := errors.AsType[*archive.Error](err)
		if !ok || link != "" || !e.Waits || e.Refused || e.RetryAfter != 5*time.Minute || e.Reason != "waiting for the pull request to be merged: https://github.com/bioage/releases/pull/1" {
			t.Fatalf("open: Archive = %q, %+v, want it not archived yet", link, err)
		}
		remade.Markdown = append(slices.Clone(remade.Markdown), "\nslack: 3 attempts\n"...)
	}
	if n := s.Commits(); n != 2 {
		t.Errorf("%d commits, want the first and the report's", n)
	}
	s.Close(1, true)
	if link, err := open(t).Archive(t.Context(), remade); err != nil || !strings.Contains(link, "/blob/main/docs/reviews/") || len(s.Pulls()) != 1 {
		t.Errorf("merged: Archive = %q, %v, want the file on main and no other pull request", link, err)
	}
	if link, err := keep(t.Context(), open(t), report); err != nil || !strings.Contains(link, "/blob/main/docs/reviews/") || len(s.Pulls()) != 1 {
		t.Errorf("merged: Archive = %q, %v, want the file on main and no other pull request", link, err)
	}
	if link, err := keep(t.Context(), open(t), later()); err != nil || !strings.HasSuffix(link, "/pull/2") || len(s.Pulls()) != 2 {
		t.Errorf("merged, then signed: Archive = %q, %v, want a second pull request", link, err)
	}
	if link, err := keep(t.Context(), open(t), later()); err != nil || !strings.HasSuffix(link, "/pull/2") || len(s.Pulls()) != 2 {
		t.Errorf("again: Archive = %q, %v, want the second pull request", link, err)
	}
	s.Close(2, false)
	_, err := keep(t.Context(), open(t), later())
	if e, ok := errors.AsType[*archive.Error](err); !ok || !e.Refused || !strings.Contains(e.Reason, "pull request 2") || len(s.Pulls()) != 2 {
		t.Errorf("closed by a person: Archive = %v, want it refused, and no other pull request", err)
	}
	s.Open(2)
	s.Close(2, true)
	if link, err := open(t).Archive(t.Context(), later()); err != nil || !strings.Contains(link, "/blob/main/docs/reviews/") {
		t.Errorf("opened again and merged: Archive = %q, %v, want the file on main", link, err)
	}
}

// TestMergedBetweenTwoRequests has a person merge before each request of an attempt.
func TestMergedBetweenTwoRequests(t *testing.T) {
	for k := range 6 {
		f, open := scenes[1].new(t)
		s := f.(*archivetest.GitHub)
		if _, err := keep(t.Context(), open(t), report); err != nil {
			t.Fatal(err)
		}
		var n atomic.Int32
		s.Between(func(*http.Request) {
			if n.Add(1) == int32(k+1) {
				s.Close(1, true)
			}
		})
		first, err := keep(t.Context(), open(t), report)
		if err != nil {
			t.Errorf("merged before request %d: Archive = %q, %v", k, first, err)
		}
		link, err := open(t).Archive(t.Context(), report)
		if n.Load() > int32(k) && (err != nil || !strings.Contains(link, "/blob/") || len(s.Pulls()) != 1) {
			t.Errorf("merged before request %d: then Archive = %q, %v with %d pull requests, want the file and one", k, link, err, len(s.Pulls()))
		}
	}
}

func TestAPullRequestThatIsMergedAtOnceIsArchived(t *testing.T) {
	f, open := scenes[1].new(t)
	f.(*archivetest.GitHub).Merges = true
	if link, err := open(t).Archive(t.Context(), report); err != nil || !strings.Contains(link, "/blob/") {
		t.Errorf("Archive = %q, %v, want the file", link, err)
	}
}

func TestOnlyWhatIsWrittenHasALimit(t *testing.T) {
	r := report
	r.HTML, r.JSON = make([]byte, 2<<20), make([]byte, 2<<20)
	for _, sc := range scenes {
		_, open := sc.new(t)
		if _, err := keep(t.Context(), open(t), r); err != nil {
			t.Errorf("%s: %v", sc.name, err)
		}
	}
	if _, err := folder(t, t.TempDir(), r); err != nil {
		t.Errorf("folder: %v", err)
	}
}

func TestTokensAndAddressesThatAreWrong(t *testing.T) {
	f, _ := scenes[0].new(t)
	url := serve(t, f)
	g, err := archive.NewGitHub(archive.GitHubConfig{URL: url, Token: "other" + token, Repository: "bioage/releases", Network: loopback})
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.Archive(t.Context(), report)
	if e, ok := errors.AsType[*archive.Error](err); !ok || e.Refused || !strings.Contains(e.Reason, "does not know the token") || strings.Contains(e.Reason, token) {
		t.Errorf("Archive = %v, want another attempt once the token is right", err)
	}
	g, err = archive.NewGitHub(archive.GitHubConfig{URL: url, Token: token, Repository: "bioage/releases"})
	if err != nil {
		t.Fatal(err)
	}
	before := len(f.Requests())
	if _, err = g.Archive(t.Context(), report); err == nil || len(f.Requests()) != before {
		t.Errorf("Archive = %v at an address that is not allowed", err)
	}
}

func TestConfigsThatAreWrong(t *testing.T) {
	good := archive.GitHubConfig{Token: token, Repository: "o/r"}
	for what, change := range map[string]func(*archive.GitHubConfig){
		"no token": func(c *archive.GitHubConfig) { c.Token = "" }, "a token of two lines": func(c *archive.GitHubConfig) { c.Token = token + "\nX: y" },
		"no owner": func(c *archive.GitHubConfig) { c.Repository = "r" }, "a path": func(c *archive.GitHubConfig) { c.Repository = "o/r/x" }, "dots": func(c *archive.GitHubConfig) { c.Repository = "o/.." },
		"a folder outside": func(c *archive.GitHubConfig) { c.Folder = "../x" }, "a folder outside, later": func(c *archive.GitHubConfig) { c.Folder = "a/../../x" },
		"an absolute folder": func(c *archive.GitHubConfig) { c.Folder = "/a" }, "a query": func(c *archive.GitHubConfig) { c.Folder = "a?ref=x" }, "workflows of Git": func(c *archive.GitHubConfig) { c.Folder = ".git/hooks" },
		"a branch with dots": func(c *archive.GitHubConfig) { c.Branch = "a..b" }, "no address": func(c *archive.GitHubConfig) { c.URL = "ftp://x" },
	} {
		c := good
		change(&c)
		if _, err := archive.NewGitHub(c); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("GitHub with %s: %v, want an error without the token", what, err)
		}
	}
	if _, err := archive.NewGitHub(good); err != nil {
		t.Errorf("a good config: %v", err)
	}
	page := archive.ConfluenceConfig{URL: "https://x.atlassian.net/wiki/", Email: "a@b.example", Token: token, Space: "REL"}
	for what, change := range map[string]func(*archive.ConfluenceConfig){
		"no token": func(c *archive.ConfluenceConfig) { c.Token = "" }, "no email": func(c *archive.ConfluenceConfig) { c.Email = "a" }, "no space": func(c *archive.ConfluenceConfig) { c.Space = "" },
		"a query as space": func(c *archive.ConfluenceConfig) { c.Space = "REL&x=y" }, "a parent by name": func(c *archive.ConfluenceConfig) { c.Parent = "Reviews" }, "no address": func(c *archive.ConfluenceConfig) { c.URL = "x" },
	} {
		c := page
		change(&c)
		if _, err := archive.NewConfluence(c); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("Confluence with %s: %v, want an error without the token", what, err)
		}
	}
	if _, err := archive.NewConfluence(page); err != nil {
		t.Errorf("a good config: %v", err)
	}
}

func TestReportsThatAreNoneAreRefused(t *testing.T) {
	_, open := scenes[0].new(t)
	for what, change := range map[string]func(*archive.Report){
		"no run": func(r *archive.Report) { r.Run = "" }, "no title": func(r *archive.Report) { r.Title = " " }, "no text": func(r *archive.Report) { r.Markdown = nil },
		"a title of two lines": func(r *archive.Report) { r.Title = "a\nb" }, "too long": func(r *archive.Report) { r.Markdown = make([]byte, 2<<20) },
	} {
		r := report
		change(&r)
		_, err := keep(t.Context(), open(t), r)
		if e, ok := errors.AsType[*archive.Error](err); !ok || !e.Refused {
			t.Errorf("%s: Archive = %v, want it refused", what, err)
		}
	}
}

func TestTheSinkArchivesTheRunOfTheEvent(t *testing.T) {
	_, open := scenes[0].new(t)
	asked := ""
	s := &archive.Sink{Archive: open(t), Report: func(_ context.Context, e *wire.EventBody) (archive.Report, error) {
		asked = e.Run
		if e.Run == "" {
			return archive.Report{}, errors.New("there is no run")
		}
		return report, nil
	}}
	send := func(run, kind string) outbox.Outcome {
		data, _ := json.Marshal(wire.EventBody{Run: run, Kind: strings.Split(kind, ".")[1]})
		return s.Send(t.Context(), outbox.Message{ID: run + "/1", Type: kind, Data: data})
	}
	if o := send(report.Run, "relgate.review.signed"); !o.OK || !strings.HasPrefix(o.Kept, "https://github.com/bioage/releases/blob/main/") || asked != report.Run {
		t.Errorf("Send = %+v for run %q", o, asked)
	}
	if o := send("", "relgate.review.signed"); o.OK || o.Refused || !strings.Contains(o.Reason, "no run") {
		t.Errorf("Send = %+v, want another attempt", o)
	}
	if o := send(report.Run, "relgate.rule.fired"); !o.Skipped {
		t.Errorf("Send of a rule = %+v, want it skipped", o)
	}
}
