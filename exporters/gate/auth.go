package gate

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/relgate/relgate/evaluator/people"
	"github.com/relgate/relgate/exporters/oidc"
)

// Scope is what a token may do.
type Scope string

const (
	Read     Scope = "read"     // ask for verdicts and plans
	Start    Scope = "start"    // begin a run
	Phase    Scope = "phase"    // say that a phase has begun
	Stop     Scope = "stop"     // hold, end a person's hold, roll back, report a rollback; send deliveries again
	Override Scope = "override" // decide by hand, go on against evidence, supersede a run
	Approve  Scope = "approve"  // sign for any role, send and skip messages, write the review
	Command  Scope = "command"  // all but read and approve
)

var scopes = []Scope{Read, Start, Phase, Stop, Override, Approve, Command}

// ApproveAs is the scope of who signs for one role.
func ApproveAs(role string) Scope { return Approve + ":" + Scope(role) }

// Token lets a bearer in. Only the hash of its secret is kept.
type Token struct {
	Name   string   // shown in the audit trail; required
	SHA256 string   // of the secret, 64 hex digits; required
	Scopes []Scope  // at least one
	Plans  []string // the plans that it is good for; empty: all
}

// Job lets in the jobs of a CI system by the tokens that it signs for them.
type Job struct {
	oidc.Trust
	Scopes []Scope  // at least one
	Plans  []string // the plans that it is good for; empty: all
}

// token is a bearer that is let in: of a Token, or for one request of a Job.
type token struct {
	name   string
	group  string // whose long polls are counted together; empty: the name's
	looks  string // the name as looksLike folds it
	hash   [sha256.Size]byte
	scopes []Scope
	plans  []string
}

// keys is the tokens in force. They are replaced as a whole.
type keys struct {
	tokens   []token
	jobs     []token // what each Job may do; the name is "oidc:" and the Job's
	signed   *oidc.Verifier
	replaced chan struct{} // closed when others are in force
}

// caller is who asks. The token is nil when none is configured.
type caller struct {
	token *token
	keys  *keys // that the token was found in
}

// SetTokens puts other tokens in force: one that is missing is not known from now on,
// also to the long polls that came with it. An error is of a token's name, hash or
// scope, or of a job; the old ones stay then.
func (g *Gate) SetTokens(tokens []Token, jobs ...Job) error {
	next, err := g.compileKeys(tokens, jobs, g.keys.Load().signed)
	if err != nil {
		return err
	}
	old := g.keys.Swap(next)
	close(old.replaced)
	if !old.none() && next.none() {
		g.log.Warn("the last token was taken out: everyone who reaches the public port may read now, and without tokens this machine may command; add a token to close it")
	}
	return nil
}

// none reports whether no request needs a token.
func (k *keys) none() bool { return len(k.tokens)+len(k.jobs) == 0 }

// compileKeys reads what lets bearers in. The keys of issuers that before knows stay known.
func (g *Gate) compileKeys(tokens []Token, jobs []Job, before *oidc.Verifier) (*keys, error) {
	out, err := compileTokens(tokens)
	errs := []error{err}
	c := oidc.Config{Now: g.now, Log: g.log}
	for _, j := range jobs {
		t := token{name: jobMark + j.Name, group: jobMark + j.Name, looks: looksLike(jobMark + j.Name), scopes: j.Scopes, plans: j.Plans}
		if err := cmp.Or(clean("name", j.Name, maxJobName), t.check()); err != nil {
			errs = append(errs, fmt.Errorf("reading oidc %q: %w", j.Name, err))
		}
		out.jobs, c.Trusts = append(out.jobs, t), append(c.Trusts, j.Trust)
	}
	out.signed, err = oidc.New(c, before)
	return out, errors.Join(append(errs, err)...)
}

const (
	jobMark    = "oidc:" // before the name of a job, so that it is no token's
	maxJobName = 80      // bytes: what a job did is journalled with more behind it
)

func compileTokens(in []Token) (*keys, error) {
	out := &keys{replaced: make(chan struct{})}
	var errs []error
	for _, t := range in {
		c, err := compileToken(t)
		if err == nil && slices.ContainsFunc(out.tokens, func(o token) bool { return o.name == t.Name }) {
			err = errors.New("the name is taken by another token")
		}
		if i := slices.IndexFunc(out.tokens, func(o token) bool { return o.hash == c.hash }); err == nil && i >= 0 {
			// Who gave a command, and what it may do, would be either's.
			err = fmt.Errorf("it has the same secret as token %q: give each a secret of its own", out.tokens[i].name)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("reading token %q: %w", t.Name, err))
			continue
		}
		out.tokens = append(out.tokens, c)
	}
	return out, errors.Join(errs...)
}

func compileToken(t Token) (token, error) {
	c := token{name: t.Name, looks: looksLike(t.Name), scopes: t.Scopes, plans: t.Plans}
	if t.Name == "" {
		return c, errors.New("it has no name")
	}
	if err := clean("name", t.Name, maxBy); err != nil {
		return c, err
	}
	if n, err := hex.Decode(c.hash[:], []byte(t.SHA256[:min(len(t.SHA256), 2*sha256.Size)])); err != nil || n != sha256.Size || len(t.SHA256) != 2*sha256.Size {
		return c, errors.New("sha256 must be the 64 hex digits of the secret's SHA-256")
	}
	if strings.HasPrefix(c.looks, looksLike(jobMark)) && strings.Contains(t.Name, ":") {
		return c, errors.New("a name that begins with " + jobMark + " is that of a job of a CI system")
	}
	if strings.HasPrefix(c.looks, looksLike(people.MailPrincipal)) && strings.Contains(t.Name, ":") {
		return c, errors.New("a name that begins with " + people.MailPrincipal + " is that of who signs by a link")
	}
	return c, c.check()
}

// check reports scopes and plans that are none.
func (t *token) check() error {
	if len(t.scopes) == 0 {
		return errors.New("it has no scope: want " + listed(scopes))
	}
	for _, s := range t.scopes {
		if !slices.Contains(scopes, s) && !strings.HasPrefix(string(s), string(ApproveAs(""))) {
			return fmt.Errorf("unknown scope %q: want %s", s, listed(scopes))
		}
	}
	if slices.Contains(t.plans, "") {
		return errors.New("one of its plans has no name")
	}
	return nil
}

// listed writes scopes as a choice: "read, start or stop".
func listed(of []Scope) string {
	text := string(of[0])
	for i, s := range of[1:] {
		if i == len(of)-2 {
			text += " or " + string(s)
			break
		}
		text += ", " + string(s)
	}
	return text
}

// may reports whether the caller has one of the scopes. Without tokens everyone has
// all of them.
func (c caller) may(one ...Scope) bool {
	return c.token == nil || slices.ContainsFunc(one, func(s Scope) bool {
		return slices.Contains(c.token.scopes, s) || s != Read && !strings.HasPrefix(string(s), string(Approve)) && slices.Contains(c.token.scopes, Command)
	})
}

// sees reports whether the caller may ask about a plan. A plan of "" is all of them.
func (c caller) sees(plan string) bool {
	return c.token == nil || len(c.token.plans) == 0 || slices.Contains(c.token.plans, plan)
}

// name is the token's, empty without tokens.
func (c caller) name() string {
	if c.token == nil {
		return ""
	}
	return c.token.name
}

// polls is under which name long polls are counted: those of all jobs of one entry
// together.
func (c caller) polls() string {
	if c.token == nil {
		return ""
	}
	return cmp.Or(c.token.group, c.token.name)
}

// job is who a token is of that a CI system has signed. The error is oidc's.
func (k *keys) job(ctx context.Context, secret string) (*token, error) {
	b, err := k.signed.Verify(ctx, secret)
	if err != nil {
		return nil, err
	}
	t := k.jobs[b.Trust]
	t.name = b.Name
	t.looks = looksLike(b.Name)
	return &t, nil
}

// bearer compares with every token in the same time, whichever it is.
func (k *keys) bearer(secret string) *token {
	hash := sha256.Sum256([]byte(secret))
	var found *token
	for i := range k.tokens {
		if subtle.ConstantTimeCompare(hash[:], k.tokens[i].hash[:]) == 1 {
			found = &k.tokens[i]
		}
	}
	return found
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
