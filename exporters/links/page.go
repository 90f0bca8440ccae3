package links

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/relgate/relgate/rules"
)

// Words are what a person is shown before they sign.
type Words struct {
	Title     string      // "Approve the start of BioAge 1.0"
	Lines     []string    // what will happen, who else must sign, what the plan looks like
	Facts     [][2]string // name and value
	Link      string      // to more; http or https, empty for none
	Decisions []Decision  // that can be taken now, at least one
}

// Decision is one button.
type Decision struct {
	Value    string // "approve": lower case letters
	Label    string // "Approve"
	NeedsWhy bool   // a reason must be given
}

// Signer is the gate, as far as a link speaks to it.
type Signer interface {
	// Describe says what is signed. It changes nothing. It returns a *Closed where the
	// link is of no use any more.
	Describe(ctx context.Context, c Claims) (Words, error)
	// Sign gives the command, whose id is the link's: a second time it changes nothing. It
	// returns when the journal has it, and a *Closed where it cannot be given any more.
	Sign(ctx context.Context, c Claims, decision, why string) error
}

// Closed says why a link that is whole is of no use any more.
type Closed struct{ Reason string } // "The plan was changed after this link was sent."

func (c *Closed) Error() string { return c.Reason }

// Config is what a [Page] needs.
type Config struct {
	Keys   Keys             // required
	Signer Signer           // required
	Now    func() time.Time // time.Now if nil
	Log    *slog.Logger     // slog.Default() if nil
}

// Page is the page behind the links, at any path whose last part is the token: the path
// pattern has {token} in it.
type Page struct{ config Config }

// NewPage makes the page.
func NewPage(c Config) (*Page, error) {
	if err := c.Keys.Check(); err != nil {
		return nil, err
	}
	if c.Signer == nil {
		return nil, errors.New("links: a signer is required")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Page{c}, nil
}

// Bounds of a form.
const (
	formFor  = time.Hour // a page that lies open longer is loaded again
	mostForm = 16 << 10  // bytes
	MaxWhy   = 1000      // characters of a reason
)

//go:embed page.html
var pageText string

//go:embed page.css
var style string

var (
	pages  = template.Must(template.New("page").Parse(pageText))
	policy = "default-src 'none'; style-src 'sha256-" + hash(style) + "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// view is what the page shows.
type view struct {
	Style    template.CSS
	Title    string
	Claims   *Claims // nil where the link was not read
	Words    *Words  // nil where nothing can be signed
	Form     string
	Problem  string // what is to be put right in the form
	Why      string // as it was entered
	Sentence string // where nothing can be signed
	MaxWhy   int
}

// ServeHTTP shows the page, or takes its form.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		h.Set("Allow", "GET, HEAD, POST")
		p.say(w, http.StatusMethodNotAllowed, "This is not possible", "Open the link in a browser.", nil)
		return
	}
	token := r.PathValue("token")
	c, err := Open(p.config.Keys, token, p.config.Now())
	if err != nil {
		p.refuse(w, err, nil)
		return
	}
	words, err := p.config.Signer.Describe(r.Context(), c)
	if err == nil && len(words.Decisions) == 0 {
		err = &Closed{"There is nothing to sign at the moment."}
	}
	if err != nil {
		p.refuse(w, err, &c)
		return
	}
	if r.Method == http.MethodPost {
		p.post(w, r, token, c, words)
		return
	}
	p.form(w, http.StatusOK, token, c, words, "", "")
}

// form shows what can be signed.
func (p *Page) form(w http.ResponseWriter, status int, token string, c Claims, words Words, problem, why string) {
	if !strings.HasPrefix(words.Link, "https://") && !strings.HasPrefix(words.Link, "http://") {
		words.Link = ""
	}
	p.show(w, status, view{Title: words.Title, Claims: &c, Words: &words, Form: p.makeForm(token, words), Problem: problem, Why: why})
}

// post takes the form.
func (p *Page) post(w http.ResponseWriter, r *http.Request, token string, c Claims, words Words) {
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	// The form's token is what no other site has. Origin says nothing here: under
	// no-referrer browsers send null.
	site := r.Header.Get("Sec-Fetch-Site")
	if site != "" && site != "same-origin" || r.ParseForm() != nil || len(r.PostForm["form"]) != 1 || len(r.PostForm["decision"]) != 1 || len(r.PostForm["why"]) > 1 {
		p.say(w, http.StatusBadRequest, "This was not sent by the page", "Nothing was signed. Open the link again and use the buttons there.", &c)
		return
	}
	why := strings.TrimSpace(strings.Join(strings.Fields(r.PostForm.Get("why")), " "))
	k := slices.IndexFunc(words.Decisions, func(d Decision) bool { return d.Value == r.PostForm.Get("decision") })
	fresh, same := p.openForm(token, words, r.PostForm.Get("form"))
	switch {
	case !fresh:
		p.form(w, http.StatusBadRequest, token, c, words, "Nothing was signed yet: the page lay open too long. Look at it again and decide.", "")
	case !same:
		p.form(w, http.StatusConflict, token, c, words, "Nothing was signed yet: what you sign has changed since you opened this page. Look at it again and decide.", why)
	case k < 0:
		p.form(w, http.StatusBadRequest, token, c, words, "Nothing was signed yet: this decision is not open any more.", why)
	case rules.UnsafeIn(why) != "":
		p.form(w, http.StatusBadRequest, token, c, words, "Nothing was signed yet: the reason has "+rules.UnsafeIn(why)+" in it.", "")
	case utf8.RuneCountInString(why) > MaxWhy:
		p.form(w, http.StatusBadRequest, token, c, words, fmt.Sprintf("Nothing was signed yet: the reason is longer than %d characters.", MaxWhy), why)
	case words.Decisions[k].NeedsWhy && why == "":
		p.form(w, http.StatusBadRequest, token, c, words, "Nothing was signed yet: give a reason for \""+words.Decisions[k].Label+"\".", why)
	default:
		d := words.Decisions[k]
		if err := p.config.Signer.Sign(r.Context(), c, d.Value, why); err != nil {
			p.refuse(w, err, &c)
			return
		}
		p.say(w, http.StatusOK, "Signed: "+d.Label, words.Title+". It is in the journal of the run. You can close this page.", &c)
	}
}

// refuse says why a link is of no use.
func (p *Page) refuse(w http.ResponseWriter, err error, c *Claims) {
	if closed, ok := errors.AsType[*Closed](err); ok {
		p.say(w, http.StatusGone, "This link is closed", closed.Reason, c)
		return
	}
	switch {
	case errors.Is(err, ErrForged):
		p.say(w, http.StatusNotFound, "This link is not valid", "It is not whole, or not of this relgate. Copy all of it from the message.", nil)
	case errors.Is(err, ErrExpired):
		p.say(w, http.StatusGone, "This link has expired", "Ask the release manager for a new one.", nil)
	default:
		p.config.Log.Warn("a link cannot be used now", "run", c.Run, "id", c.ID, "err", err)
		w.Header().Set("Retry-After", "10")
		p.say(w, http.StatusServiceUnavailable, "It is not known whether this was signed", "relgate cannot answer at the moment. Open the link again in a minute: it counts once, however often it is used.", c)
	}
}

func (p *Page) say(w http.ResponseWriter, status int, title, sentence string, c *Claims) {
	p.show(w, status, view{Title: title, Sentence: sentence, Claims: c})
}

func (p *Page) show(w http.ResponseWriter, status int, v view) {
	v.Style, v.MaxWhy = template.CSS(style), MaxWhy
	var b strings.Builder
	if err := pages.Execute(&b, v); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError) // unreachable: the template has only these fields
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String()))
}

// makeForm is the token of a page's form. It says that this page was shown, for this link and
// with these words, a short time ago: nothing that follows a link by itself has it, and what a
// person has not seen they do not sign.
func (p *Page) makeForm(link string, words Words) string {
	return seal(p.config.Keys[0], forForm+link, append(binary.BigEndian.AppendUint64(nil, uint64(p.config.Now().Add(formFor).Unix())), digestOf(words)...))
}

// openForm reports whether a form is of a page that was shown a short time ago, and whether
// that page said the same as one would now.
func (p *Page) openForm(link string, words Words, form string) (fresh, same bool) {
	payload, ok := unseal(p.config.Keys, forForm+link, form)
	if !ok || len(payload) != 8+sha256.Size || p.config.Now().Unix() >= int64(binary.BigEndian.Uint64(payload)) {
		return false, false
	}
	return true, bytes.Equal(payload[8:], digestOf(words))
}

func digestOf(words Words) []byte {
	text, err := json.Marshal(words)
	if err != nil {
		return nil // unreachable: texts have a JSON form
	}
	sum := sha256.Sum256(text)
	return sum[:]
}
