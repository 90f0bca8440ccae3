package archive

import (
	"cmp"
	"context"
	"crypto/sha1" //nolint:gosec // Git's own name for a file
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"
)

// GitHubConfig is what a [GitHub] archive needs.
type GitHubConfig struct {
	URL         string // of the API; "https://api.github.com" if empty
	Token       string // may write contents, and pull requests where PullRequest is set; required, and never shown
	Repository  string // "owner/name"; required
	Branch      string // that the report comes to; the repository's own if empty
	Folder      string // in the repository; its top if empty
	PullRequest bool   // the report comes by a pull request, which a person merges
	Network     Network
}

// GitHub keeps reports as Markdown files of a repository, each in a commit, or in a pull
// request that a person merges: until then the report is not archived.
type GitHub struct {
	config GitHubConfig
	*client
	owner, repository string
}

var (
	repositoryName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$`)
	branchName     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,200}$`)
	folderName     = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$`)
)

// Check reports everything that is wrong with the config, without the token.
func (c GitHubConfig) Check() error {
	var errs []error
	if c.Token == "" || strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		errs = append(errs, errors.New("token: want one line without spaces"))
	}
	if owner, repository, _ := strings.Cut(c.Repository, "/"); !repositoryName.MatchString(c.Repository) || repository == "." || repository == ".." {
		errs = append(errs, fmt.Errorf(`repository %q of %q: want "owner/name"`, c.Repository, owner))
	}
	if c.Branch != "" && (!branchName.MatchString(c.Branch) || strings.Contains(c.Branch, "..") || strings.Contains(c.Branch, "//") || strings.HasSuffix(c.Branch, "/")) {
		errs = append(errs, fmt.Errorf("branch %q: want the name of a branch", c.Branch))
	}
	if c.Folder != "" && (!folderName.MatchString(c.Folder) || path.Clean(c.Folder) != c.Folder || strings.HasPrefix(c.Folder, "..") || c.Folder == "." || strings.HasPrefix(strings.ToLower(c.Folder)+"/", ".git/")) {
		errs = append(errs, fmt.Errorf("folder %q: want a path inside the repository", c.Folder))
	}
	return errors.Join(errs...)
}

// NewGitHub makes the archive. The error does not show the token.
func NewGitHub(c GitHubConfig) (*GitHub, error) {
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("github: %w", err)
	}
	if c.URL == "" {
		c.URL = "https://api.github.com"
	}
	headers := map[string]string{"Authorization": "Bearer " + c.Token, "Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
	api, err := newClient(c.Network, "GitHub", c.URL, headers, func(status int) string {
		switch status {
		case http.StatusUnauthorized:
			return "it does not know the token"
		case http.StatusForbidden:
			return "the token may not do this, or has asked too often"
		case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			return "the repository was renamed"
		case http.StatusNotFound:
			return "there is no such repository or branch, or the token may not see it"
		}
		return ""
	})
	if err != nil {
		return nil, err
	}
	g := &GitHub{config: c, client: api}
	g.owner, g.repository, _ = strings.Cut(c.Repository, "/")
	return g, nil
}

// at is a path below the repository's.
func (g *GitHub) at(parts ...string) string {
	text := "/repos/" + g.owner + "/" + g.repository
	for _, p := range parts {
		text += "/" + p
	}
	return text
}

// Archive writes the report and gives the address of the file.
func (g *GitHub) Archive(ctx context.Context, r Report) (link string, err error) {
	if err := r.check(); err != nil {
		return "", err
	}
	base := g.config.Branch
	if base == "" {
		var about struct {
			Branch string `json:"default_branch"`
		}
		if err := g.ask(ctx, http.MethodGet, g.at(), nil, &about); err != nil {
			return "", err
		}
		if base = about.Branch; !branchName.MatchString(base) {
			return "", failure(false, "GitHub names no branch of the repository: name one in the config")
		}
	}
	if !g.config.PullRequest {
		return g.write(ctx, r, base)
	}
	there, err := g.read(ctx, r, base)
	if err != nil {
		return "", err
	}
	if there.kept {
		return there.Link, nil // it was merged
	}
	return g.propose(ctx, r, base)
}

// file is what is where the report belongs.
type file struct {
	Type    string `json:"type"`
	SHA     string `json:"sha"` // Git's name for its content; empty where there is no file
	Content string `json:"content"`
	Link    string `json:"html_url"`

	kept bool // it is what the same event asked for
}

// is reports whether the file has a content.
func (f *file) is(content []byte) bool {
	h := sha1.New() //nolint:gosec // Git's own name for a file
	fmt.Fprintf(h, "blob %d\x00", len(content))
	h.Write(content)
	return f.SHA == fmt.Sprintf("%x", h.Sum(nil))
}

// path is where the report of a run is.
func (g *GitHub) path(r Report) string { return path.Join(g.config.Folder, r.name()+".md") }

// read gives the file as a branch or a commit has it. One that is not the run's is an error.
func (g *GitHub) read(ctx context.Context, r Report, ref string) (*file, error) {
	f := &file{}
	err := g.ask(ctx, http.MethodGet, g.at("contents", g.path(r))+"?ref="+url.QueryEscape(ref), nil, f)
	if statusOf(err) == http.StatusNotFound {
		return &file{}, nil
	}
	if err != nil {
		return nil, err
	}
	if f.SHA == "" {
		return nil, failure(false, "GitHub does not say what %s is", g.path(r))
	}
	content, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(f.Content, "\n", ""))
	ours, kept := r.marks(content)
	same := f.is(r.marked())
	if f.kept = kept || same; f.Type != "file" || err != nil || !ours && !same {
		return nil, failure(true, "there is a %s in the repository that is not relgate's: move it away", g.path(r))
	}
	return f, nil
}

// write brings a branch to have the report. Where another commit came in between, the file
// is read again.
func (g *GitHub) write(ctx context.Context, r Report, branch string) (link string, err error) {
	for range mostRounds {
		there, err := g.read(ctx, r, branch)
		if err != nil {
			return "", err
		}
		if there.kept {
			return there.Link, nil
		}
		body := map[string]string{"message": message(r), "content": base64.StdEncoding.EncodeToString(r.marked()), "branch": branch}
		if there.SHA != "" {
			body["sha"] = there.SHA
		}
		var done struct{ Content file }
		err = g.ask(ctx, http.MethodPut, g.at("contents", g.path(r)), body, &done)
		switch {
		case err == nil && done.Content.is(r.marked()):
			return done.Content.Link, nil
		case err == nil:
			return "", failure(false, "GitHub has another report than it was given")
		case !wasTold(err):
			return "", err
		}
	}
	return "", failure(false, "GitHub does not take the commit to branch %s: others write there at the same time, or a rule protects it", branch)
}

func message(r Report) string {
	return strings.TrimSpace("Review of " + r.Plan + " " + r.Version)
}

// pull is a pull request.
type pull struct {
	Number int     `json:"number"`
	State  string  `json:"state"`
	Merged *string `json:"merged_at"`
	Commit string  `json:"merge_commit_sha"` // of one that was merged: the commit by which it was
	Link   string  `json:"html_url"`
	Head   struct {
		Ref string `json:"ref"`
	} `json:"head"`
}

// mostPulls is how many pull requests a report may have, one after another.
const mostPulls = 9

// mergeEvery is how often GitHub is asked whether a pull request is merged.
const mergeEvery = 5 * time.Minute

// propose brings the report into a pull request: its branch, its commit, and then the
// request itself, each unless it is there. It gives the address of the file once a person
// has merged it.
func (g *GitHub) propose(ctx context.Context, r Report, base string) (link string, err error) {
	var open *pull
	branch := "relgate/review-" + r.name()
	for n := 2; ; n++ {
		if open, err = g.find(ctx, branch, base); err != nil {
			return "", err
		}
		if open == nil || open.Merged == nil {
			break
		}
		// The commit tells what was merged, also while the branch does not show it yet.
		merged, err := g.read(ctx, r, cmp.Or(open.Commit, base))
		if err != nil {
			return "", err
		}
		if merged.kept {
			return merged.Link, nil
		}
		if n > mostPulls {
			return "", failure(true, "%d pull requests with this report were merged, and the file is still another", mostPulls)
		}
		// The report has changed since it was merged.
		branch = fmt.Sprintf("relgate/review-%s-%d", r.name(), n)
	}
	if open != nil && open.State != "open" {
		return "", failure(true, "pull request %d with the report was closed without being merged: open it again, then send the review again with `relgate deliveries retry`", open.Number)
	}
	if open == nil {
		if err := g.branch(ctx, branch, base); err != nil {
			return "", err
		}
	}
	if _, err := g.write(ctx, r, branch); err != nil {
		return "", err
	}
	if open != nil {
		return "", open.waits()
	}
	made := &pull{}
	err = g.ask(ctx, http.MethodPost, g.at("pulls"), map[string]string{"title": r.Title, "head": branch, "base": base, "body": "The review of run " + r.Run + ", written by relgate. The run's archive is this file."}, made)
	if wasTold(err) {
		// There is one already: an earlier attempt's, whose answer was lost.
		again, wrong := g.find(ctx, branch, base)
		if wrong != nil || again == nil {
			return "", errors.Join(wrong, err)
		}
		made, err = again, nil
	}
	switch {
	case err != nil:
		return "", err
	case made.Link == "":
		return "", failure(false, "GitHub does not say which pull request it has opened")
	case made.Merged != nil: // by now
		return g.propose(ctx, r, base)
	}
	return "", made.waits()
}

// waits says what a pull request that is open waits for.
func (p *pull) waits() error {
	return &Error{Reason: "waiting for the pull request to be merged: " + p.Link, Waits: true, RetryAfter: mergeEvery}
}

// find is the newest pull request of a branch, nil where there is none.
func (g *GitHub) find(ctx context.Context, branch, base string) (*pull, error) {
	query := url.Values{"head": {g.owner + ":" + branch}, "base": {base}, "state": {"all"}, "sort": {"created"}, "direction": {"desc"}, "per_page": {"100"}}
	var all []pull
	if err := g.ask(ctx, http.MethodGet, g.at("pulls")+"?"+query.Encode(), nil, &all); err != nil {
		return nil, err
	}
	var newest *pull
	for i := range all {
		// A server that does not know the filter gives every request.
		if p := &all[i]; p.Head.Ref == branch && (newest == nil || p.State == "open" && newest.State != "open") {
			newest = p
		}
	}
	return newest, nil
}

// branch makes a branch where another is, unless it is there.
func (g *GitHub) branch(ctx context.Context, branch, base string) error {
	err := g.ask(ctx, http.MethodGet, g.at("git", "ref", "heads", branch), nil, nil)
	if statusOf(err) != http.StatusNotFound {
		return err
	}
	var from struct {
		Object struct {
			SHA string `json:"sha"`
		} `json:"object"`
	}
	if err := g.ask(ctx, http.MethodGet, g.at("git", "ref", "heads", base), nil, &from); err != nil {
		return err
	}
	err = g.ask(ctx, http.MethodPost, g.at("git", "refs"), map[string]string{"ref": "refs/heads/" + branch, "sha": from.Object.SHA}, nil)
	if wasTold(err) {
		return nil // there by now; if not, the commit fails
	}
	return err
}
