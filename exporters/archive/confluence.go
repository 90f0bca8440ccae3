package archive

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
)

// ConfluenceConfig is what a [Confluence] archive needs.
type ConfluenceConfig struct {
	URL     string // of the site: "https://bioage.atlassian.net"; required
	Email   string // of the account that the token is of; required
	Token   string // an API token; required, and never shown
	Space   string // key of the space: "REL"; required
	Parent  string // id of the page below which the reports are; the space's top if empty
	Network Network
}

// Confluence keeps reports as pages of a space in Confluence Cloud. A page's title ends with
// the run, because titles are unique in a space, and with the run's UID where the page of
// another run has that title: its journal was lost, and the run begun again. Its last line is the mark: Confluence writes
// pages in its own way, so what a page was made from shows only there.
type Confluence struct {
	config ConfluenceConfig
	*client
}

var (
	spaceKey = regexp.MustCompile(`^~?[A-Za-z0-9]{1,255}$`)
	digits   = regexp.MustCompile(`^[0-9]{1,20}$`)
)

// Check reports everything that is wrong with the config, without the token.
func (c ConfluenceConfig) Check() error {
	var errs []error
	if c.Token == "" || strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		errs = append(errs, errors.New("token: want one line without spaces"))
	}
	if a, err := mail.ParseAddress(c.Email); err != nil || a.Address != c.Email || strings.Contains(c.Email, ":") {
		errs = append(errs, fmt.Errorf("email %q: want the address of the account that the token is of", c.Email))
	}
	if !spaceKey.MatchString(c.Space) {
		errs = append(errs, fmt.Errorf(`space %q: want the key of a space, such as "REL"`, c.Space))
	}
	if c.Parent != "" && !digits.MatchString(c.Parent) {
		errs = append(errs, fmt.Errorf("parent %q: want the id of a page, a number", c.Parent))
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		errs = append(errs, errors.New(`url: want the address of the site, such as "https://example.atlassian.net"`))
	}
	return errors.Join(errs...)
}

// NewConfluence makes the archive. The error does not show the token.
func NewConfluence(c ConfluenceConfig) (*Confluence, error) {
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("confluence: %w", err)
	}
	c.URL = strings.TrimSuffix(strings.TrimSuffix(c.URL, "/"), "/wiki")
	headers := map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Email+":"+c.Token)), "Accept": "application/json"}
	api, err := newClient(c.Network, "Confluence", c.URL, headers, func(status int) string {
		switch status {
		case http.StatusUnauthorized:
			return "it does not know the e-mail and token"
		case http.StatusForbidden:
			return "the account may not write in the space"
		case http.StatusBadRequest:
			return "is there a page with this title in the trash or the archive of the space?"
		case http.StatusNotFound:
			return "there is no such site or page, or the account may not see it"
		}
		return ""
	})
	if err != nil {
		return nil, err
	}
	return &Confluence{config: c, client: api}, nil
}

const pagesPath = "/wiki/api/v2/pages"

// page is one of Confluence's.
type page struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Version struct {
		Number int `json:"number"`
	} `json:"version"`
	Body struct {
		Storage struct {
			Value string `json:"value"`
		} `json:"storage"`
	} `json:"body"`
	Links struct {
		WebUI string `json:"webui"`
	} `json:"_links"`
}

// Archive makes or updates the page, and gives its address.
func (c *Confluence) Archive(ctx context.Context, r Report) (link string, err error) {
	if err := r.check(); err != nil {
		return "", err
	}
	body, err := storage(r.Markdown)
	if err != nil {
		return "", err
	}
	space, err := c.space(ctx)
	if err != nil {
		return "", err
	}
	for range mostRounds {
		there, title, err := c.place(ctx, space, r)
		if err != nil {
			return "", err
		}
		sign, created := pageMark(r, title+"\x00"+body), there == nil
		switch {
		case created:
			there, err = c.create(ctx, space, title, body+sign)
		case strings.Contains(there.Body.Storage.Value, signText(sign)):
			return c.address(there), nil
		default:
			there, err = c.update(ctx, there, title, body+sign)
		}
		switch {
		case err == nil && there.ID == "":
			return "", failure(false, "Confluence does not say which page it has written")
		case err == nil:
			return c.address(there), nil
		case created && statusOf(err) == http.StatusBadRequest:
			// The title may be taken since it was looked for.
			if again, wrong := c.find(ctx, space, title); wrong != nil || again == nil {
				return "", errors.Join(wrong, err)
			}
		case !wasTold(err):
			return "", err
		}
	}
	return "", failure(false, "Confluence: others write to the page of run %s at the same time", r.Run)
}

// place is the page of the run, nil where there is none, and its title. What is there of
// another run keeps its title, and what is not relgate's is an error.
func (c *Confluence) place(ctx context.Context, space string, r Report) (there *page, title string, err error) {
	title, other := pageTitle(r, r.Run), pageTitle(r, r.Run+"."+r.UID)
	there, err = c.find(ctx, space, title)
	if err != nil || there.isOf(r) {
		return there, title, err
	}
	again, err := c.find(ctx, space, other)
	switch {
	case err != nil || again.isOf(r):
		return again, other, err
	case again != nil:
		title = other
	case there == nil:
		return nil, title, nil
	case anyMark.MatchString(there.Body.Storage.Value):
		return nil, other, nil
	}
	return nil, "", failure(true, "there is a page %q in the space that is not relgate's: rename it", title)
}

// isOf reports whether there is a page, and it is that of a run.
func (p *page) isOf(r Report) bool {
	return p != nil && strings.Contains(p.Body.Storage.Value, "relgate review "+r.name()+" ")
}

// anyMark is the mark of any run's page.
var anyMark = regexp.MustCompile(`relgate review [A-Za-z0-9.-]+ [0-9a-f]{64}`)

// pageTitle ends with the run, which no other has.
func pageTitle(r Report, run string) string {
	title, end := strings.TrimSpace(r.Title), " ("+run+")"
	if t := []rune(title); len(t)+len([]rune(end)) > 250 {
		title = string(t[:max(0, 250-len([]rune(end)))])
	}
	return title + end
}

// pageMark is the last line of a page: whose it is, and what it was made from.
func pageMark(r Report, from string) string {
	return fmt.Sprintf("<p><em>relgate review %s %x</em></p>", r.name(), sha256.Sum256([]byte(from)))
}

// signText is a mark without the elements around it, which Confluence may write anew.
func signText(sign string) string {
	return strings.TrimSuffix(strings.TrimPrefix(sign, "<p><em>"), "</em></p>")
}

// space is the id of the space, which its key is not.
func (c *Confluence) space(ctx context.Context) (string, error) {
	var spaces struct {
		Results []struct {
			ID  string `json:"id"`
			Key string `json:"key"`
		} `json:"results"`
	}
	if err := c.ask(ctx, http.MethodGet, "/wiki/api/v2/spaces?keys="+url.QueryEscape(c.config.Space), nil, &spaces); err != nil {
		return "", err
	}
	for _, s := range spaces.Results {
		if strings.EqualFold(s.Key, c.config.Space) && digits.MatchString(s.ID) {
			return s.ID, nil
		}
	}
	return "", failure(false, "Confluence shows the account no space with the key %s", c.config.Space)
}

// find is the page with a title, nil where there is none.
func (c *Confluence) find(ctx context.Context, space, title string) (*page, error) {
	query := url.Values{"space-id": {space}, "title": {title}, "status": {"current"}, "body-format": {"storage"}}
	var pages struct {
		Results []page `json:"results"`
	}
	if err := c.ask(ctx, http.MethodGet, pagesPath+"?"+query.Encode(), nil, &pages); err != nil {
		return nil, err
	}
	for i := range pages.Results {
		if p := &pages.Results[i]; strings.EqualFold(p.Title, title) {
			if !digits.MatchString(p.ID) || p.Version.Number < 1 {
				return nil, failure(false, "Confluence gives a page without id or version")
			}
			return p, nil
		}
	}
	return nil, nil
}

func written(value string) map[string]string {
	return map[string]string{"representation": "storage", "value": value}
}

func (c *Confluence) create(ctx context.Context, space, title, value string) (*page, error) {
	body := map[string]any{"spaceId": space, "status": "current", "title": title, "body": written(value)}
	if c.config.Parent != "" {
		body["parentId"] = c.config.Parent
	}
	made := &page{}
	return made, c.ask(ctx, http.MethodPost, pagesPath, body, made)
}

// update writes the next version of a page. Confluence refuses it where another has come in
// between.
func (c *Confluence) update(ctx context.Context, there *page, title, value string) (*page, error) {
	body := map[string]any{
		"id": there.ID, "status": "current", "title": title, "body": written(value),
		"version": map[string]any{"number": there.Version.Number + 1, "message": "relgate"},
	}
	made := &page{}
	return made, c.ask(ctx, http.MethodPut, pagesPath+"/"+there.ID, body, made)
}

// address is where people see a page.
func (c *Confluence) address(p *page) string {
	if strings.HasPrefix(p.Links.WebUI, "/") {
		return c.config.URL + "/wiki" + p.Links.WebUI
	}
	return c.config.URL + "/wiki/pages/viewpage.action?pageId=" + url.QueryEscape(p.ID)
}
