package gate

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Scope is what a token may do.
type Scope string

const (
	Read    Scope = "read"    // ask for verdicts and plans
	Start   Scope = "start"   // begin a run
	Command Scope = "command" // hold, resume, override, roll back; also begin a run
)

// Token lets a bearer in. Only the hash of its secret is kept.
type Token struct {
	Name   string   // shown in the audit trail; required
	SHA256 string   // of the secret, 64 hex digits; required
	Scopes []Scope  // at least one
	Plans  []string // the plans that it is good for; empty: all
}

type token struct {
	name   string
	hash   [sha256.Size]byte
	scopes []Scope
	plans  []string
}

func compileTokens(in []Token) ([]token, error) {
	out := make([]token, 0, len(in))
	var errs []error
	for _, t := range in {
		c, err := compileToken(t)
		if err == nil && slices.ContainsFunc(out, func(o token) bool { return o.name == t.Name }) {
			err = errors.New("the name is taken by another token")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("reading token %q: %w", t.Name, err))
			continue
		}
		out = append(out, c)
	}
	return out, errors.Join(errs...)
}

func compileToken(t Token) (token, error) {
	c := token{name: t.Name, scopes: t.Scopes, plans: t.Plans}
	if t.Name == "" {
		return c, errors.New("it has no name")
	}
	if n, err := hex.Decode(c.hash[:], []byte(t.SHA256[:min(len(t.SHA256), 2*sha256.Size)])); err != nil || n != sha256.Size || len(t.SHA256) != 2*sha256.Size {
		return c, errors.New("sha256 must be the 64 hex digits of the secret's SHA-256")
	}
	if len(t.Scopes) == 0 {
		return c, errors.New("it has no scope: want read, start or command")
	}
	for _, s := range t.Scopes {
		if s != Read && s != Start && s != Command {
			return c, fmt.Errorf("unknown scope %q: want read, start or command", s)
		}
	}
	return c, nil
}

// may reports whether a token has a scope.
func (t *token) may(s Scope) bool {
	return slices.Contains(t.scopes, s) || s == Start && slices.Contains(t.scopes, Command)
}

// sees reports whether a token is good for a plan; nil stands for no tokens at all.
func (t *token) sees(plan string) bool {
	return t == nil || len(t.plans) == 0 || slices.Contains(t.plans, plan)
}

// identify says who asks, or answers 401 or 403 and returns false. The token is
// nil when none is configured.
func (g *Gate) identify(w http.ResponseWriter, r *http.Request, scope Scope) (*token, bool) {
	if len(g.tokens) == 0 {
		if scope != Read && !g.open {
			problem(w, http.StatusForbidden, "commands are closed", "no token is configured, and the listener is not for this machine alone")
			return nil, false
		}
		return nil, true
	}
	t := g.bearer(secretOf(r))
	if t == nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="relgate"`)
		problem(w, http.StatusUnauthorized, "a token is needed", "send Authorization: Bearer with a token that is configured")
		return nil, false
	}
	if !t.may(scope) {
		forbid(w, t, "it has no scope "+string(scope))
		return nil, false
	}
	return t, true
}

// admit is identify for one plan. A plan of "" is all of them: a token for some
// is not enough.
func (g *Gate) admit(w http.ResponseWriter, r *http.Request, scope Scope, plan string) (*token, bool) {
	t, ok := g.identify(w, r, scope)
	if ok && !t.sees(plan) {
		forbid(w, t, "it is for other plans")
		return nil, false
	}
	return t, ok
}

func forbid(w http.ResponseWriter, t *token, why string) {
	problem(w, http.StatusForbidden, "the token is not enough", fmt.Sprintf("token %q: %s", t.name, why))
}

// bearer compares with every token in the same time, whichever it is.
func (g *Gate) bearer(secret string) *token {
	if secret == "" {
		return nil
	}
	hash := sha256.Sum256([]byte(secret))
	var found *token
	for i := range g.tokens {
		if same(&hash, &g.tokens[i].hash) {
			found = &g.tokens[i]
		}
	}
	return found
}

// same compares two hashes in the same time whatever they are, as package subtle does
// byte by byte, but eight bytes at a time.
func same(a, b *[sha256.Size]byte) bool {
	var differs uint64
	for i := 0; i < sha256.Size; i += 8 {
		differs |= binary.NativeEndian.Uint64(a[i:]) ^ binary.NativeEndian.Uint64(b[i:])
	}
	return differs == 0
}

// secretOf is the bearer token. The password of Basic counts as one, for clients
// that can only be given a URL: https://ci:TOKEN@gate.example/….
func secretOf(r *http.Request) string {
	h := r.Header["Authorization"]
	if len(h) != 1 {
		return ""
	}
	if scheme, secret, ok := strings.Cut(h[0], " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(secret)
	}
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	return ""
}

// Require puts a handler of another package behind the same tokens. The plan is
// the pattern's {plan}; a handler without one needs a token for all plans.
func (g *Gate) Require(scope Scope, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if scope != Read {
			if err := g.cross.Check(r); err != nil {
				problem(w, http.StatusForbidden, "cross-origin request", err.Error())
				return
			}
		}
		if _, ok := g.admit(w, r, scope, r.PathValue("plan")); ok {
			h.ServeHTTP(w, r)
		}
	})
}
