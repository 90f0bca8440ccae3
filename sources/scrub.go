package sources

import (
	"net/url"
	"regexp"
	"strings"
)

const redacted = "[redacted]"

// credentials matches texts that look like credentials of any vendor.
var credentials = []*regexp.Regexp{
	regexp.MustCompile(`eyJ[A-Za-z0-9_-]{4,}(\.[A-Za-z0-9_-]*){1,2}`),             // a JWT
	regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`),           // an Authorization header's value
	regexp.MustCompile(`\b(sntrys|sntryu|sntrya|glsa)_[A-Za-z0-9_=+/-]+`),         // tokens with a vendor's prefix
	regexp.MustCompile(`://[^/\s:@"]+:[^/\s@"]+@`),                                // user and password in a URL
	regexp.MustCompile(`-----BEGIN [A-Z ]*KEY-----[^-]*(-----END [A-Z ]*-----)?`), // a key
}

// Scrub removes secrets from a text: those that are named, also in their URL
// form, and whatever looks like a credential.
func Scrub(text string, secrets ...string) string {
	for _, s := range secrets {
		if s == "" {
			continue
		}
		text = strings.ReplaceAll(text, s, redacted)
		if q := url.QueryEscape(s); q != s {
			text = strings.ReplaceAll(text, q, redacted)
		}
	}
	for _, re := range credentials {
		text = re.ReplaceAllString(text, redacted)
	}
	return text
}
