package links_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/links"
)

// gate is a Signer that notes what it was told.
type gate struct {
	words     links.Words
	describe  error
	sign      error
	described int
	signed    []string
}

func (g *gate) Describe(context.Context, links.Claims) (links.Words, error) {
	g.described++
	return g.words, g.describe
}

func (g *gate) Sign(_ context.Context, c links.Claims, decision, why string) error {
	g.signed = append(g.signed, c.ID+" "+decision+" "+why)
	return g.sign
}

// office is the page on a clock of the test's own.
type office struct {
	*gate
	now time.Time
	mux *http.ServeMux
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{now: now, mux: http.NewServeMux(), gate: &gate{words: links.Words{
		Title: "Approve the start of BioAge <1.0>", Lines: []string{"Three others must sign."}, Facts: [][2]string{{"Plan", "BioAge v1 & more"}}, Link: "https://gate.bioage.example/v1/runs/x",
		Decisions: []links.Decision{{Value: "approve", Label: "Approve"}, {Value: "reject", Label: "Reject", NeedsWhy: true}},
	}}}
	page, err := links.NewPage(links.Config{Keys: keys, Signer: o.gate, Now: func() time.Time { return o.now }, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	o.mux.Handle("/v1/sign/{token}", page)
	return o
}

func (o *office) do(method, token string, form url.Values, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://gate.bioage.example/v1/sign/"+token, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	o.mux.ServeHTTP(w, r)
	return w
}

var hidden = regexp.MustCompile(`name="form" value="([^"]+)"`)

// form is what the page's form holds when the page is shown.
func (o *office) form(t *testing.T, token string) string {
	t.Helper()
	found := hidden.FindStringSubmatch(o.do(http.MethodGet, token, nil).Body.String())
	if found == nil {
		t.Fatal("the page has no form")
	}
	return found[1]
}

func TestOpeningALinkChangesNothing(t *testing.T) {
	o := newOffice(t)
	text := token(t, keys, valid)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for range 3 {
			if w := o.do(method, text, nil); w.Code != http.StatusOK {
				t.Errorf("%s = %d, want 200", method, w.Code)
			}
		}
	}
	// Scanners that repeat a link as a POST, or guess a form, sign nothing.
	for _, form := range []url.Values{nil, {}, {"decision": {"approve"}}, {"decision": {"approve"}, "form": {text}}, {"decision": {"approve"}, "form": {""}}} {
		if w := o.do(http.MethodPost, text, form); w.Code != http.StatusBadRequest {
			t.Errorf("POST %v = %d, want 400", form, w.Code)
		}
	}
	if len(o.signed) > 0 {
		t.Errorf("signed without the page: %q", o.signed)
	}
	if w := o.do(http.MethodPut, text, nil); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("PUT = %d, want 405", w.Code)
	}
}

func TestThePageShowsWhatIsSignedAndIsLeftAlone(t *testing.T) {
	o := newOffice(t)
	w := o.do(http.MethodGet, token(t, keys, valid), nil)
	for _, want := range []string{"Approve the start of BioAge &lt;1.0&gt;", "Three others must sign.", "BioAge v1 &amp; more", "Run bioage@1.0~2, as Release Manager (Zoë &lt;rm@bioage.example&gt;)", `name="robots" content="noindex`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page has no %q:\n%s", want, w.Body)
		}
	}
	css := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(w.Body.String())
	if css == nil {
		t.Fatal("the page has no style")
	}
	sum := sha256.Sum256([]byte(css[1]))
	for name, want := range map[string][]string{
		"Content-Security-Policy": {"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'", "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"},
		"Referrer-Policy":         {"no-referrer"}, "X-Robots-Tag": {"noindex"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"}, "X-Frame-Options": {"DENY"},
	} {
		for _, part := range want {
			if got := w.Header().Get(name); !strings.Contains(got, part) {
				t.Errorf("%s: %s, want %s in it", name, got, part)
			}
		}
	}
	o.words.Link = "javascript:alert(1)"
	if w := o.do(http.MethodGet, token(t, keys, valid), nil); strings.Contains(w.Body.String(), "<a ") {
		t.Errorf("the page links to a script:\n%s", w.Body)
	}
}

func TestTheFormSigns(t *testing.T) {
	for _, tt := range []struct {
		what   string
		change func(o *office, form url.Values)
		header []string
		status int
		signed string
		says   string
	}{
		{"a decision", nil, []string{"Sec-Fetch-Site", "same-origin", "Origin", "null"}, 200, "01JD8X7K2M approve ", "It is in the journal"},
		{"a decision with a reason", func(_ *office, f url.Values) { f.Set("decision", "reject"); f.Set("why", "  crash\r\nrate ") }, nil, 200, "01JD8X7K2M reject crash rate", "Signed: Reject"},
		{"a reason is missing", func(_ *office, f url.Values) { f.Set("decision", "reject"); f.Set("why", " ") }, nil, 400, "", "give a reason"},
		{"a reason that is too long", func(_ *office, f url.Values) { f.Set("why", strings.Repeat("ü", 1001)) }, nil, 400, "", "longer than 1000"},
		{"a reason with what cannot be seen", func(_ *office, f url.Values) { f.Set("why", "a\u202eb") }, nil, 400, "", "bidirectional"},
		{"a decision that is not offered", func(_ *office, f url.Values) { f.Set("decision", "override") }, nil, 400, "", "not open"},
		{"two decisions", func(_ *office, f url.Values) { f.Add("decision", "reject") }, nil, 400, "", "Nothing was signed"},
		{"another site", nil, []string{"Sec-Fetch-Site", "cross-site"}, 400, "", "Nothing was signed"},
		{"a form that is too large", func(_ *office, f url.Values) { f.Set("more", strings.Repeat("x", 20000)) }, nil, 400, "", "Nothing was signed"},
		{"a page that lay open an hour", func(o *office, _ url.Values) { o.now = o.now.Add(time.Hour) }, nil, 400, "", "lay open too long"},
		{"a page that lay open nearly an hour", func(o *office, _ url.Values) { o.now = o.now.Add(time.Hour - time.Second) }, nil, 200, "01JD8X7K2M approve ", ""},
		{"a link that expired meanwhile", func(o *office, _ url.Values) { o.now = valid.Expires }, nil, 410, "", "expired"},
		{"a plan that was changed meanwhile", func(o *office, _ url.Values) { o.describe = &links.Closed{Reason: "The plan was changed."} }, nil, 410, "", "The plan was changed."},
		{"what is signed was written on", func(o *office, _ url.Values) { o.words.Lines = []string{"Two others must sign."} }, nil, 409, "", "has changed since you opened"},
		{"a decision was taken away", func(o *office, _ url.Values) { o.words.Decisions = o.words.Decisions[1:] }, nil, 409, "", "has changed since you opened"},
		{"nothing to decide any more", func(o *office, _ url.Values) { o.words.Decisions = nil }, nil, 410, "", "nothing to sign"},
		{"a gate that refuses", func(o *office, _ url.Values) { o.sign = &links.Closed{Reason: "Someone else has rejected it."} }, nil, 410, "01JD8X7K2M approve ", "Someone else"},
		{"a journal that is full", func(o *office, _ url.Values) { o.sign = errors.New("secret detail") }, nil, 503, "01JD8X7K2M approve ", "not known whether"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			o := newOffice(t)
			text := token(t, keys, valid)
			form := url.Values{"decision": {"approve"}, "form": {o.form(t, text)}}
			if tt.change != nil {
				tt.change(o, form)
			}
			w := o.do(http.MethodPost, text, form, tt.header...)
			if w.Code != tt.status || strings.Join(o.signed, "|") != tt.signed || !strings.Contains(w.Body.String(), tt.says) || strings.Contains(w.Body.String(), "secret detail") {
				t.Errorf("POST = %d, signed %q, want %d, %q and a page that says %q:\n%s", w.Code, o.signed, tt.status, tt.signed, tt.says, w.Body)
			}
		})
	}
}

func TestAFormIsOfItsLinkAlone(t *testing.T) {
	o := newOffice(t)
	other := valid
	other.Role, other.ID = "CTO", "another"
	form := o.form(t, token(t, keys, other))
	if w := o.do(http.MethodPost, token(t, keys, valid), url.Values{"decision": {"approve"}, "form": {form}}); w.Code != http.StatusBadRequest || len(o.signed) > 0 {
		t.Errorf("POST with the form of another link = %d, signed %q, want 400 and nothing", w.Code, o.signed)
	}
}

func TestALinkThatIsNoneShowsNothing(t *testing.T) {
	o := newOffice(t)
	for text, status := range map[string]int{
		"x": http.StatusNotFound, token(t, links.Keys{strings.Repeat("e", 32)}, valid): http.StatusNotFound,
	} {
		w := o.do(http.MethodGet, text, nil)
		if w.Code != status || strings.Contains(w.Body.String(), "BioAge") || strings.Contains(w.Body.String(), "bioage@") {
			t.Errorf("GET %s = %d, want %d and nothing of a run:\n%s", text, w.Code, status, w.Body)
		}
	}
	if o.described != 0 {
		t.Error("the gate was asked about a link that is none")
	}
}
