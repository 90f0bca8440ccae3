package links_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/links"
)

var (
	now   = time.Date(2026, 3, 2, 4, 5, 6, 0, time.UTC)
	keys  = links.Keys{strings.Repeat("n", 32), strings.Repeat("o", 32)}
	valid = links.Claims{
		Run: "bioage@1.0~2", Allows: "approve", Role: "Release Manager", Person: "Zoë <rm@bioage.example>", ID: "01JD8X7K2M",
		PlanDigest: strings.Repeat("ab", 32), Expires: now.Add(24 * time.Hour),
	}
)

func token(t *testing.T, keys links.Keys, c links.Claims) string {
	t.Helper()
	text, err := links.Make(keys, c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestALinkSaysWhatWasSigned(t *testing.T) {
	text := token(t, keys, valid)
	if len(text) > links.MaxLink || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Errorf("the token %q has %d characters, or some that a URL does not have", text, len(text))
	}
	got, err := links.Open(keys, text, now)
	if err != nil || got != valid {
		t.Errorf("Open = %+v, %v, want %+v", got, err, valid)
	}
	if again := token(t, keys, valid); again != text {
		t.Error("the same claims make two different links")
	}
	for what, tt := range map[string]struct {
		keys links.Keys
		at   time.Time
		want error
	}{
		"the last second before it expires": {keys, valid.Expires.Add(-time.Second), nil},
		"the second at which it expires":    {keys, valid.Expires, links.ErrExpired},
		"a new key before the old ones":     {append(links.Keys{strings.Repeat("p", 32)}, keys...), now, nil},
		"its key is gone":                   {keys[1:], now, links.ErrForged},
		"no key":                            {nil, now, links.ErrForged},
	} {
		if _, err := links.Open(tt.keys, text, tt.at); !errors.Is(err, tt.want) {
			t.Errorf("%s: Open = %v, want %v", what, err, tt.want)
		}
	}
}

// The longest names that a plan, a version, a phase and an address may have fit in a link.
func TestTheLongestNamesHaveALink(t *testing.T) {
	long := valid
	long.Run = strings.Repeat("p", 64) + "@" + strings.Repeat("v", 128) + "~12"
	long.Allows, long.Role, long.Person = strings.Repeat("a", 64), strings.Repeat("r", 200), strings.Repeat("x", 254)
	long.ID = long.Run + ".abcdefghij/123456"
	if got, err := links.Open(keys, token(t, keys, long), now); err != nil || got != long {
		t.Errorf("Open = %+v, %v", got, err)
	}
}

func TestNoOtherTokenIsTaken(t *testing.T) {
	text := token(t, keys, valid)
	raw, _ := base64.RawURLEncoding.DecodeString(text)
	for i := range raw {
		for _, flip := range []byte{1, 0x80} {
			changed := append([]byte{}, raw...)
			changed[i] ^= flip
			if _, err := links.Open(keys, base64.RawURLEncoding.EncodeToString(changed), now); !errors.Is(err, links.ErrForged) {
				t.Fatalf("byte %d changed: Open = %v, want ErrForged", i, err)
			}
		}
	}
	for i := range text {
		if _, err := links.Open(keys, text[:i], now); !errors.Is(err, links.ErrForged) {
			t.Fatalf("cut at %d: Open = %v, want ErrForged", i, err)
		}
	}
	for _, other := range []string{text + "A", text + "=", text + "\n", "\n" + text, text[:10] + "\r\n" + text[10:], text + text, strings.Repeat("A", 100_000)} {
		if _, err := links.Open(keys, other, now); !errors.Is(err, links.ErrForged) {
			t.Errorf("Open(%.60q) = %v, want ErrForged", other, err)
		}
	}
	// What lies between two names cannot be moved from one into the other.
	moved := valid
	moved.Role, moved.Person = "Release Manage", "r"+valid.Person
	if token(t, keys, moved) == text {
		t.Error("two different claims have one token")
	}
}

func TestWhatIsNoLinkIsNotMade(t *testing.T) {
	for what, change := range map[string]func(*links.Claims, *links.Keys){
		"a short key":            func(_ *links.Claims, k *links.Keys) { *k = links.Keys{strings.Repeat("k", 31)} },
		"a short key behind one": func(_ *links.Claims, k *links.Keys) { *k = append(*k, "short") },
		"no key":                 func(_ *links.Claims, k *links.Keys) { *k = nil },
		"a digest of other form": func(c *links.Claims, _ *links.Keys) { c.PlanDigest = "abcd" },
		"no run":                 func(c *links.Claims, _ *links.Keys) { c.Run = "" },
		"no id":                  func(c *links.Claims, _ *links.Keys) { c.ID = "" },
		"no end":                 func(c *links.Claims, _ *links.Keys) { c.Expires = time.Time{} },
		"names that are too long": func(c *links.Claims, _ *links.Keys) {
			c.Person = strings.Repeat("x", links.MaxLink)
		},
		"a line break in a name": func(c *links.Claims, _ *links.Keys) { c.Role = "a\nb" },
	} {
		c, k := valid, append(links.Keys{}, keys...)
		change(&c, &k)
		if text, err := links.Make(k, c); err == nil || strings.Contains(err.Error(), "kkkk") {
			t.Errorf("%s: Make = %q, %v, want an error without the key", what, text, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	text, err := links.Make(keys, valid)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, int64(0))
	f.Add(text[1:], int64(1))
	f.Add("", int64(0))
	f.Add("AQ", int64(1<<40))
	f.Fuzz(func(t *testing.T, text string, after int64) {
		at := now.Add(time.Duration(after % int64(100*365*24*time.Hour)))
		c, err := links.Open(keys, text, at)
		if err != nil {
			if c != (links.Claims{}) {
				t.Errorf("Open(%q) = %+v beside the error %v", text, c, err)
			}
			return
		}
		// Only what Make has written opens, and nothing but its own characters.
		if again, err := links.Make(keys, c); err != nil || again != text || !at.Before(c.Expires) {
			t.Errorf("Open(%q) at %v = %+v, of which Make gives %q, %v", text, at, c, again, err)
		}
	})
}
