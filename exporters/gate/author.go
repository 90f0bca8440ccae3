package gate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// checkAuthor refuses a "by" that passes for another token's, or that looks like what
// relgate itself says of a token or a rule. Who gave a command is the sender's word; which token
// proved it is not.
func (c caller) checkAuthor(by string) error {
	looks := looksLike(by)
	for i := range c.keys.tokens {
		t := &c.keys.tokens[i]
		if t.looks == looks && looks != "" && (c.token == nil || c.token.looks != looks) {
			return fmt.Errorf("by: %q looks like the name of token %q, which this is not: name the person", by, t.name)
		}
	}
	for i := range c.keys.jobs {
		if strings.HasPrefix(looks, c.keys.jobs[i].looks) {
			return fmt.Errorf("by: %q looks like what relgate says of a job: name the person", by)
		}
	}
	said := strings.Join(strings.Fields(latin(by)), " ")
	if looksLike(by) == looksLike("relgate") || strings.HasPrefix(said, latin("rule ")) {
		return errors.New("by: it looks like what relgate says of itself or a rule: name the person alone")
	}
	marks := func(mark string) bool { return strings.Contains(said, latin(mark)) }
	if strings.HasPrefix(said, latin("token ")) || slices.ContainsFunc([]string{"(token", "[token", "via token", "token:", "token=", "token \"", "rollback rule"}, marks) {
		return errors.New("by: it looks like what relgate says of a token or a rule: name the person alone")
	}
	return nil
}

// looksLike folds what readers take for the same: what latin folds, spaces and
// punctuation.
func looksLike(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return r
	}, latin(name))
}

// latin folds case, width, accents, and letters of other scripts that look like Latin
// ones.
func latin(text string) string {
	return strings.Map(func(r rune) rune {
		r = unicode.ToLower(r)
		if l, ok := lookalikes[r]; ok {
			return l
		}
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(text))
}

// lookalikes is the letters and digits that pass for a Latin letter, in lower case:
// those of Cyrillic, Greek and Armenian, and digits.
var lookalikes = map[rune]rune{
	'а': 'a', 'в': 'b', 'е': 'e', 'ѕ': 's', 'і': 'i', 'ј': 'j', 'к': 'k', 'м': 'm', 'н': 'h', 'о': 'o', 'р': 'p', 'с': 'c', 'т': 't', 'у': 'y', 'х': 'x',
	'ԁ': 'd', 'һ': 'h', 'ԛ': 'q', 'ԝ': 'w', 'ӏ': 'i', 'ɡ': 'g', 'ь': 'b', 'п': 'n', 'г': 'r',
	'α': 'a', 'β': 'b', 'ε': 'e', 'ι': 'i', 'κ': 'k', 'ν': 'v', 'ο': 'o', 'ρ': 'p', 'τ': 't', 'υ': 'u', 'χ': 'x', 'ϲ': 'c', 'ϳ': 'j', 'η': 'n', 'γ': 'y', 'ω': 'w',
	'օ': 'o', 'ո': 'n', 'ս': 'u', 'հ': 'h', 'զ': 'q', 'ց': 'g', 'ա': 'w',
	'ı': 'i', 'l': 'i', '1': 'i', '|': 'i', '0': 'o', 'ɑ': 'a', 'ꞵ': 'b', 'ᴀ': 'a',
}
