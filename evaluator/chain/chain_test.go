package chain_test

import (
	"testing"

	"github.com/relgate/relgate/evaluator/chain"
)

func link(before, run string, seq uint64, digest, tick string, events ...string) string {
	var raw [][]byte
	for _, e := range events {
		raw = append(raw, []byte(e))
	}
	return chain.Link(before, run, seq, digest, []byte(tick), raw)
}

// The value was worked out by another program, from docs/proof.md:
//
//	python3 -c 'import hashlib; print(hashlib.sha256(b"".join(len(p).to_bytes(8, "big") + p for p in
//	  [b"", b"shop@1", b"1", b"d", b"{}", b"e"])).hexdigest())'
func TestALinkIsWhatTheDocsSay(t *testing.T) {
	const want = "f431ba69130cca14aa09cdaae9412cc22441f923daa12e195ca30c366dbf58a1"
	if got := link("", "shop@1", 1, "d", "{}", "e"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestALinkChangesWithEverythingInIt(t *testing.T) {
	seen := map[string]string{}
	for name, got := range map[string]string{
		"as it was":                       link("b", "shop@1", 11, "d", "{}", "e", "f"),
		"another link before":             link("c", "shop@1", 11, "d", "{}", "e", "f"),
		"no link before":                  link("", "shop@1", 11, "d", "{}", "e", "f"),
		"another run":                     link("b", "shop@2", 11, "d", "{}", "e", "f"),
		"another sequence":                link("b", "shop@1", 12, "d", "{}", "e", "f"),
		"another plan":                    link("b", "shop@1", 11, "D", "{}", "e", "f"),
		"another tick":                    link("b", "shop@1", 11, "d", "[]", "e", "f"),
		"another event":                   link("b", "shop@1", 11, "d", "{}", "e", "g"),
		"events the other way round":      link("b", "shop@1", 11, "d", "{}", "f", "e"),
		"one event fewer":                 link("b", "shop@1", 11, "d", "{}", "e"),
		"one event of the two":            link("b", "shop@1", 11, "d", "{}", "ef"),
		"an empty event more":             link("b", "shop@1", 11, "d", "{}", "e", "f", ""),
		"a digit moved to the sequence":   link("b", "shop@", 111, "d", "{}", "e", "f"),
		"a letter moved to the tick":      link("b", "shop@1", 11, "", "d{}", "e", "f"),
		"a letter moved to the first one": link("bs", "hop@1", 11, "d", "{}", "e", "f"),
	} {
		if other, ok := seen[got]; ok {
			t.Errorf("%s has the link of %s", name, other)
		}
		seen[got] = name
	}
}
