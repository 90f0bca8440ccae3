package sources

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// MaxErrorBody is how much of an answer that is not 2xx is read: its first
// sentence says what is wrong, and a broken upstream may send it for ever.
const MaxErrorBody = 64 << 10

// Foreign says what an answer is when it cannot be what was asked for, in words
// for a person: a redirect, nothing at all, a page of HTML, another format. It is
// "" for an answer that may be of the wanted format, "JSON" or "CBOR". head is
// how the body begins. What is quoted of it goes through scrub first, unless that is
// nil: of a secret that is cut in half a scrubber would find nothing.
func Foreign(wanted string, resp *http.Response, head []byte, scrub func(string) string) string {
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return redirected(resp)
	}
	if scrub == nil {
		scrub = func(text string) string { return text }
	}
	switch got := formOf(resp.Header.Get("Content-Type"), head); got {
	case wanted:
		return ""
	case "nothing":
		if resp.StatusCode != http.StatusOK {
			return fmt.Sprintf("answered with an empty body (%d), not %s", resp.StatusCode, wanted)
		}
		return "answered with an empty body, not " + wanted
	case "text":
		return fmt.Sprintf("answered with text, not %s: %q", wanted, quoted(scrub(string(head))))
	case "HTML":
		return fmt.Sprintf("answered with HTML, not %s: a login page or proxy?%s", wanted, titled(scrub(string(head[:min(len(head), 4096)]))))
	default:
		return fmt.Sprintf("answered with %s, not %s: is the url right?", got, wanted)
	}
}

func redirected(resp *http.Response) string {
	if to, err := resp.Location(); err == nil && to.Host != "" {
		return fmt.Sprintf("redirects to %s://%s: a login page or proxy? is the url right?", to.Scheme, to.Host)
	}
	return "redirects elsewhere: a login page or proxy? is the url right?"
}

// formOf names the format of a body by how it begins; the declared type only
// helps where that says nothing, because proxies declare what they like.
func formOf(declared string, head []byte) string {
	if len(head) == 0 {
		return "nothing"
	}
	if c := head[0]; c>>5 == 5 || bytes.HasPrefix(head, []byte{0xd9, 0xd9, 0xf7}) {
		return "CBOR" // a map, or CBOR's own mark
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\ufeff")))
	declared, _, _ = strings.Cut(strings.ToLower(declared), ";")
	declared = strings.TrimSpace(declared)
	switch {
	case len(text) == 0:
		return "nothing"
	case text[0] == '{' || text[0] == '[':
		return "JSON"
	case text[0] == '<' && !strings.Contains(declared, "html") && (bytes.HasPrefix(text, []byte("<?xml")) || strings.HasSuffix(declared, "xml")):
		return "XML"
	case text[0] == '<', strings.Contains(declared, "html"):
		return "HTML"
	case strings.HasSuffix(declared, "json"):
		return "JSON" // and broken; its decoder says where
	case strings.HasSuffix(declared, "cbor"):
		return "CBOR"
	}
	return "text"
}

var title = regexp.MustCompile(`(?is)<title[^>]{0,80}>([^<]{1,80})`)

// quoted is how a text begins.
func quoted(text string) string {
	const most = 120
	if len(text) > most {
		return Clip(text[:most]) + "…"
	}
	return Clip(text)
}

// titled quotes the title of a page: it often says which site the page is of.
func titled(page string) string {
	if m := title.FindStringSubmatch(page); m != nil {
		if said := Clip(m[1]); said != "" {
			return fmt.Sprintf(" its title: %q", said)
		}
	}
	return ""
}

// limited reads a body to its end, or to the length that an answer of its status
// may have, and reports whether it was longer.
func limited(resp *http.Response, most int64) (body []byte, long bool, err error) {
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		most = MaxErrorBody
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, most+1))
	if int64(len(body)) > most {
		return body[:most], true, nil
	}
	return body, false, err
}
