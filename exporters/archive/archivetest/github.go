package archivetest

import (
	"crypto/sha1" //nolint:gosec // Git's own name for a file
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// GitHub is one repository of GitHub: its contents, branches and pull requests.
type GitHub struct {
	faults
	token, repository string

	Merges bool // a person merges each pull request as soon as it is opened

	heads   map[string]string            // :: branch → name of its newest commit
	trees   map[string]map[string]string // :: branch, or commit of a merge → path → content
	commits int
	pulls   []*Pull
}

// Pull is a pull request.
type Pull struct {
	Number                   int
	Title, Head, Base, State string
	Merged                   bool
	Commit                   string // by which it was merged
}

// NewGitHub makes a repository "owner/name" with the branch main, for one token.
func NewGitHub(repository, token string) *GitHub {
	g := &GitHub{faults: newFaults(), token: token, repository: repository, heads: map[string]string{}, trees: map[string]map[string]string{}}
	g.heads["main"], g.trees["main"] = g.commit(), map[string]string{"README.md": "hello\n"}
	return g
}

// commit makes the name of a commit.
func (g *GitHub) commit() string {
	g.commits++
	return fmt.Sprintf("%040x", g.commits)
}

// repository is what a repository keeps.
type repository struct {
	Heads   map[string]string
	Trees   map[string]map[string]string
	Commits int
	Pulls   []*Pull
}

// Save is what the repository keeps, for another one that goes on from it.
func (g *GitHub) Save() ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return json.Marshal(repository{g.heads, g.trees, g.commits, g.pulls})
}

// Load goes on from what Save gave.
func (g *GitHub) Load(saved []byte) error {
	var r repository
	if err := json.Unmarshal(saved, &r); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.heads, g.trees, g.commits, g.pulls = r.Heads, r.Trees, r.Commits, r.Pulls
	return nil
}

// Files are the files of a branch: path → content. Nil where there is no such branch.
func (g *GitHub) Files(branch string) map[string]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.trees[branch])
}

// Branches are the names of the branches, in order.
func (g *GitHub) Branches() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(maps.Keys(g.heads))
}

// Pulls are the pull requests, in order.
func (g *GitHub) Pulls() []Pull {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Pull
	for _, p := range g.pulls {
		all = append(all, *p)
	}
	return all
}

// Commits is how many commits were made.
func (g *GitHub) Commits() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.commits
}

// Push is another's commit.
func (g *GitHub) Push(branch, path, content string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trees[branch][path] = content
	g.heads[branch] = g.commit()
}

// Close closes a pull request, and merges it where a person does.
func (g *GitHub) Close(number int, merge bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.close(g.pulls[number-1], merge)
}

func (g *GitHub) close(p *Pull, merge bool) {
	p.State, p.Merged = "closed", merge
	if merge {
		p.Commit = g.commit()
		maps.Copy(g.trees[p.Base], g.trees[p.Head])
		g.heads[p.Base], g.trees[p.Commit] = p.Commit, maps.Clone(g.trees[p.Base])
	}
}

// Open opens again a pull request that was closed.
func (g *GitHub) Open(number int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pulls[number-1].State = "open"
}

func (g *GitHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.serve(w, r, func(body map[string]any) reply { return g.do(r, body) })
}

func message(status int, text string) reply {
	return reply{status, map[string]any{"message": text, "documentation_url": "https://docs.github.com/rest", "status": fmt.Sprint(status)}}
}

func (g *GitHub) do(r *http.Request, body map[string]any) reply {
	if r.Header.Get("Authorization") != "Bearer "+g.token {
		return message(http.StatusUnauthorized, "Bad credentials")
	}
	if r.Header.Get("User-Agent") == "" {
		return message(http.StatusForbidden, "Request forbidden by administrative rules")
	}
	path, found := strings.CutPrefix(r.URL.Path, "/repos/"+g.repository)
	if !found {
		return message(http.StatusNotFound, "Not Found")
	}
	switch {
	case path == "" && r.Method == http.MethodGet:
		return reply{200, map[string]any{"full_name": g.repository, "default_branch": "main"}}
	case strings.HasPrefix(path, "/contents/") && r.Method == http.MethodGet:
		return g.get(strings.TrimPrefix(path, "/contents/"), r.URL.Query().Get("ref"))
	case strings.HasPrefix(path, "/contents/") && r.Method == http.MethodPut:
		return g.put(strings.TrimPrefix(path, "/contents/"), body)
	case strings.HasPrefix(path, "/git/ref/heads/") && r.Method == http.MethodGet:
		branch := strings.TrimPrefix(path, "/git/ref/heads/")
		if g.heads[branch] == "" {
			return message(http.StatusNotFound, "Not Found")
		}
		return reply{200, g.ref(branch)}
	case path == "/git/refs" && r.Method == http.MethodPost:
		return g.newBranch(body)
	case path == "/pulls" && r.Method == http.MethodGet:
		return g.list(r)
	case path == "/pulls" && r.Method == http.MethodPost:
		return g.open(body)
	}
	return message(http.StatusNotFound, "Not Found")
}

func (g *GitHub) ref(branch string) map[string]any {
	return map[string]any{"ref": "refs/heads/" + branch, "object": map[string]any{"type": "commit", "sha": g.heads[branch]}}
}

func blob(content string) string {
	return fmt.Sprintf("%x", sha1.Sum([]byte(fmt.Sprintf("blob %d\x00%s", len(content), content)))) //nolint:gosec // Git's own name
}

func (g *GitHub) file(branch, path string) map[string]any {
	content := g.trees[branch][path]
	encoded := base64.StdEncoding.EncodeToString([]byte(content))
	lines := ""
	for len(encoded) > 60 {
		lines, encoded = lines+encoded[:60]+"\n", encoded[60:]
	}
	return map[string]any{
		"type": "file", "encoding": "base64", "size": len(content), "name": path[strings.LastIndex(path, "/")+1:], "path": path,
		"content": lines + encoded + "\n", "sha": blob(content), "html_url": "https://github.com/" + g.repository + "/blob/" + branch + "/" + path,
	}
}

func (g *GitHub) get(path, branch string) reply {
	tree, there := g.trees[branch]
	if !there {
		return message(http.StatusNotFound, "No commit found for the ref "+branch)
	}
	if _, there := tree[path]; !there {
		for p := range tree {
			if strings.HasPrefix(p, path+"/") {
				return reply{200, []any{}} // a folder
			}
		}
		return message(http.StatusNotFound, "Not Found")
	}
	return reply{200, g.file(branch, path)}
}

func (g *GitHub) put(path string, body map[string]any) reply {
	branch, sha := text(body, "branch"), text(body, "sha")
	content, err := base64.StdEncoding.DecodeString(text(body, "content"))
	tree, there := g.trees[branch]
	old, exists := tree[path]
	switch {
	case text(body, "message") == "":
		return message(http.StatusUnprocessableEntity, `Invalid request. "message" wasn't supplied.`)
	case err != nil:
		return message(http.StatusUnprocessableEntity, "content is not valid Base64")
	case !there:
		return message(http.StatusNotFound, "Branch "+branch+" not found")
	case exists && sha == "":
		return message(http.StatusUnprocessableEntity, `Invalid request. "sha" wasn't supplied.`)
	case exists && sha != blob(old), !exists && sha != "":
		return message(http.StatusConflict, path+" does not match "+sha)
	}
	tree[path] = string(content)
	g.heads[branch] = g.commit()
	status := http.StatusCreated
	if exists {
		status = http.StatusOK
	}
	f := g.file(branch, path)
	delete(f, "content")
	return reply{status, map[string]any{"content": f, "commit": map[string]any{"sha": g.heads[branch]}}}
}

func (g *GitHub) newBranch(body map[string]any) reply {
	branch, ok := strings.CutPrefix(text(body, "ref"), "refs/heads/")
	if !ok || branch == "" || strings.ContainsAny(branch, " ~^:?*[\\") || strings.Contains(branch, "..") || strings.HasSuffix(branch, ".lock") || strings.HasSuffix(branch, ".") {
		return message(http.StatusUnprocessableEntity, "Reference name is not valid")
	}
	if g.heads[branch] != "" {
		return message(http.StatusUnprocessableEntity, "Reference already exists")
	}
	for from, head := range g.heads {
		if head == text(body, "sha") {
			g.heads[branch], g.trees[branch] = head, maps.Clone(g.trees[from])
			return reply{http.StatusCreated, g.ref(branch)}
		}
	}
	return message(http.StatusUnprocessableEntity, "Object does not exist")
}

func (g *GitHub) show(p *Pull) map[string]any {
	var merged any
	if p.Merged {
		merged = "2026-03-02T04:05:06Z"
	}
	return map[string]any{
		"number": p.Number, "state": p.State, "title": p.Title, "merged_at": merged, "merge_commit_sha": p.Commit, "html_url": fmt.Sprintf("https://github.com/%s/pull/%d", g.repository, p.Number),
		"head": map[string]any{"ref": p.Head, "label": strings.Split(g.repository, "/")[0] + ":" + p.Head}, "base": map[string]any{"ref": p.Base},
	}
}

func (g *GitHub) list(r *http.Request) reply {
	q := r.URL.Query()
	owner, _, _ := strings.Cut(g.repository, "/")
	all := []any{}
	for _, p := range slices.Backward(g.pulls) { // newest first
		state := q.Get("state")
		if (q.Get("head") == "" || q.Get("head") == owner+":"+p.Head) && (q.Get("base") == "" || q.Get("base") == p.Base) && (state == "all" || state == p.State || state == "" && p.State == "open") {
			all = append(all, g.show(p))
		}
	}
	return reply{200, all}
}

func (g *GitHub) open(body map[string]any) reply {
	head, base := text(body, "head"), text(body, "base")
	if text(body, "title") == "" || g.heads[head] == "" || g.heads[base] == "" || g.heads[head] == g.heads[base] {
		return message(http.StatusUnprocessableEntity, "Validation Failed")
	}
	for _, p := range g.pulls {
		if p.Head == head && p.Base == base && p.State == "open" {
			return message(http.StatusUnprocessableEntity, "A pull request already exists for "+head)
		}
	}
	p := &Pull{Number: len(g.pulls) + 1, Title: text(body, "title"), Head: head, Base: base, State: "open"}
	g.pulls = append(g.pulls, p)
	if g.Merges {
		g.close(p, true)
	}
	return reply{http.StatusCreated, g.show(p)}
}
