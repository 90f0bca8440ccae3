package archivetest

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Confluence is one space of Confluence Cloud, by its API of version 2.
type Confluence struct {
	faults
	login, key string

	pages []*Page
}

// Page is a page.
type Page struct {
	ID, Title, Value, Parent, Status string
	Version                          int
}

// SpaceID is the id of the space, which its key is not.
const SpaceID = "98305"

// NewConfluence makes a space for one account.
func NewConfluence(key, email, token string) *Confluence {
	return &Confluence{faults: newFaults(), key: key, login: "Basic " + base64.StdEncoding.EncodeToString([]byte(email+":"+token))}
}

// Pages are those of the space, in order.
func (c *Confluence) Pages() []Page {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Page
	for _, p := range c.pages {
		all = append(all, *p)
	}
	return all
}

// Save is what the space keeps, for another one that goes on from it.
func (c *Confluence) Save() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return json.Marshal(c.pages)
}

// Load goes on from what Save gave.
func (c *Confluence) Load(saved []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return json.Unmarshal(saved, &c.pages)
}

// Put makes a page, or changes it, as a person does.
func (c *Confluence) Put(title, value, status string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pages {
		if p.Title == title {
			p.Value, p.Status, p.Version = value, status, p.Version+1
			return
		}
	}
	c.pages = append(c.pages, &Page{ID: strconv.Itoa(1000 + len(c.pages)), Title: title, Value: value, Status: status, Version: 1})
}

// Rename gives a page another title, as a person does.
func (c *Confluence) Rename(title, to string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pages {
		if p.Title == title {
			p.Title, p.Version = to, p.Version+1
		}
	}
}

func (c *Confluence) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.serve(w, r, func(body map[string]any) reply { return c.do(r, body) })
}

func problem(status int, title string) reply {
	return reply{status, map[string]any{"errors": []any{map[string]any{"status": status, "code": strings.ToUpper(strings.ReplaceAll(http.StatusText(status), " ", "_")), "title": title, "detail": nil}}}}
}

func (c *Confluence) do(r *http.Request, body map[string]any) reply {
	if r.Header.Get("Authorization") != c.login {
		return problem(http.StatusUnauthorized, "Unauthorized")
	}
	path, found := strings.CutPrefix(r.URL.Path, "/wiki/api/v2")
	switch q := r.URL.Query(); {
	case !found:
		return problem(http.StatusNotFound, "Not Found")
	case path == "/spaces" && r.Method == http.MethodGet:
		results := []any{}
		if q.Get("keys") == c.key {
			results = append(results, map[string]any{"id": SpaceID, "key": c.key, "name": "Releases", "status": "current"})
		}
		return reply{200, map[string]any{"results": results, "_links": map[string]any{}}}
	case path == "/pages" && r.Method == http.MethodGet:
		results := []any{}
		for _, p := range c.pages {
			if q.Get("space-id") == SpaceID && q.Get("title") == p.Title && (q.Get("status") == "" || q.Get("status") == p.Status) {
				results = append(results, c.show(p, q.Get("body-format") == "storage"))
			}
		}
		return reply{200, map[string]any{"results": results, "_links": map[string]any{}}}
	case path == "/pages" && r.Method == http.MethodPost:
		return c.create(body)
	case strings.HasPrefix(path, "/pages/") && r.Method == http.MethodPut:
		return c.update(strings.TrimPrefix(path, "/pages/"), body)
	}
	return problem(http.StatusNotFound, "Not Found")
}

func (c *Confluence) show(p *Page, withBody bool) map[string]any {
	out := map[string]any{
		"id": p.ID, "status": p.Status, "title": p.Title, "spaceId": SpaceID, "parentId": p.Parent, "version": map[string]any{"number": p.Version},
		"body": map[string]any{}, "_links": map[string]any{"webui": "/spaces/" + c.key + "/pages/" + p.ID, "tinyui": "/x/abc"},
	}
	if withBody {
		out["body"] = map[string]any{"storage": map[string]any{"representation": "storage", "value": p.Value}}
	}
	return out
}

// value is the storage format in a body, as Confluence writes it: it keeps no comments.
func value(body map[string]any) (string, error) {
	b, _ := body["body"].(map[string]any)
	v := text(b, "value")
	if text(b, "representation") != "storage" {
		return "", errors.New("no storage format")
	}
	d := xml.NewDecoder(strings.NewReader("<p>" + v + "</p>"))
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		if comment, ok := t.(xml.Comment); ok {
			v = strings.ReplaceAll(v, "<!--"+string(comment)+"-->", "")
		}
	}
	return strings.ReplaceAll(strings.ReplaceAll(v, "\n", ""), "<br />", "<br/>"), nil
}

func (c *Confluence) taken(title, but string) bool {
	for _, p := range c.pages {
		if strings.EqualFold(p.Title, title) && p.ID != but {
			return true
		}
	}
	return false
}

func (c *Confluence) create(body map[string]any) reply {
	v, err := value(body)
	title := text(body, "title")
	switch {
	case text(body, "spaceId") != SpaceID:
		return problem(http.StatusNotFound, "Space not found")
	case err != nil:
		return problem(http.StatusBadRequest, "Error parsing xhtml: "+err.Error())
	case title == "" || len([]rune(title)) > 255:
		return problem(http.StatusBadRequest, "Title is too long")
	case c.taken(title, ""):
		return problem(http.StatusBadRequest, "A page with this title already exists: A page already exists with the same TITLE in this space")
	}
	p := &Page{ID: strconv.Itoa(1000 + len(c.pages)), Title: title, Value: v, Parent: text(body, "parentId"), Status: "current", Version: 1}
	c.pages = append(c.pages, p)
	return reply{200, c.show(p, true)}
}

func (c *Confluence) update(id string, body map[string]any) reply {
	v, err := value(body)
	version, _ := body["version"].(map[string]any)
	number, _ := version["number"].(float64)
	for _, p := range c.pages {
		switch {
		case p.ID != id:
			continue
		case text(body, "id") != id || text(body, "status") != "current" || err != nil || c.taken(text(body, "title"), id):
			return problem(http.StatusBadRequest, fmt.Sprintf("bad request: %v", err))
		case int(number) != p.Version+1:
			return problem(http.StatusConflict, "Version must be incremented on update. Current version is: "+strconv.Itoa(p.Version))
		}
		p.Title, p.Value, p.Version = text(body, "title"), v, p.Version+1
		return reply{200, c.show(p, true)}
	}
	return problem(http.StatusNotFound, "Not Found")
}
