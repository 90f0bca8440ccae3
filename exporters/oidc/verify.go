package oidc

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	maxToken = 8 << 10          // bytes; tokens of CI systems have about 2 KiB
	leeway   = 30 * time.Second // by which clocks may differ
)

// algorithms are the ones that tokens may be signed with: those whose verifying key cannot
// sign.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512,
}

// Trust is an issuer that is believed, and what its tokens must say.
type Trust struct {
	Name     string            // in what is journalled; required
	Issuer   string            // the token's iss, to the letter; https, or http on 127.0.0.1
	Audience string            // one of the token's aud
	Claims   map[string]string // the token must have each of these with this value; at least one
	Roots    *x509.CertPool    // authorities of the issuer's certificate; nil: the system's
}

// Config is what a Verifier needs.
type Config struct {
	Trusts []Trust
	Now    func() time.Time // time.Now if nil
	Log    *slog.Logger     // keys that cannot be had; nil: nothing
}

// Verifier verifies tokens. Its methods may be called at the same time.
type Verifier struct {
	trusts  []trust
	issuers map[string]*issuer // :: iss → its keys
	now     func() time.Time
}

type trust struct {
	Trust
	names []string // of the claims, sorted
}

// New makes a Verifier. The keys that before has of the same issuers stay known; it may be
// nil. The errors are of the trusts.
func New(c Config, before *Verifier) (*Verifier, error) {
	v := &Verifier{issuers: map[string]*issuer{}, now: c.Now}
	if v.now == nil {
		v.now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	var errs []error
	for _, t := range c.Trusts {
		if t.Name == "" || t.Audience == "" || len(t.Claims) == 0 {
			errs = append(errs, fmt.Errorf("oidc %q: name, audience and at least one claim are required", t.Name))
			continue
		}
		if _, err := address(t.Issuer); err != nil {
			errs = append(errs, fmt.Errorf("oidc %q: issuer: %w", t.Name, err))
			continue
		}
		one := trust{Trust: t}
		for name := range t.Claims {
			one.names = append(one.names, name)
		}
		slices.Sort(one.names)
		v.trusts = append(v.trusts, one)
		switch known := v.issuers[t.Issuer]; {
		case known != nil && !known.roots.Equal(t.Roots):
			errs = append(errs, fmt.Errorf("oidc %q: another entry has the same issuer and other authorities", t.Name))
		case known == nil:
			v.issuers[t.Issuer] = newIssuer(t.Issuer, t.Roots, v.now, c.Log)
		}
	}
	if before != nil {
		for iss, is := range v.issuers {
			if old := before.issuers[iss]; old != nil && old.roots.Equal(is.roots) {
				v.issuers[iss] = old
			}
		}
	}
	return v, errors.Join(errs...)
}

// Refused says why a token is not believed, without a word of it.
type Refused struct{ Reason string }

func (r *Refused) Error() string { return r.Reason }

// Unavailable says that it cannot be known whether to believe a token: the issuer's keys
// cannot be had. Why not is in the log.
type Unavailable struct{ Issuer string }

func (u *Unavailable) Error() string {
	return fmt.Sprintf("the keys of issuer %s cannot be had now, so that its tokens cannot be verified: send it again", u.Issuer)
}

// Bearer is whose token it is.
type Bearer struct {
	Trust int    // index of the trust in Config
	Name  string // "oidc:github repository_id=123 run_id=456"
}

// LooksLike reports whether a secret has the form of a signed token: three parts with dots
// between.
func LooksLike(secret string) bool { return strings.Count(secret, ".") == 2 }

// claims are those of a token, each as it is written.
type claims map[string]json.RawMessage

// Verify says whose token it is. Of several trusts that it meets, the one with the most
// claims counts, then the first. The error is a *Refused, an *Unavailable, or ctx's.
func (v *Verifier) Verify(ctx context.Context, token string) (Bearer, error) {
	if len(token) > maxToken {
		return Bearer{}, refused("it is longer than %d bytes", maxToken)
	}
	signed, err := jwt.ParseSigned(token, algorithms)
	if _, other := errors.AsType[*jose.ErrUnexpectedSignatureAlgorithm](err); other {
		return Bearer{}, refused("it is not signed with an algorithm that is taken: %s", listed())
	}
	if err != nil || len(signed.Headers) != 1 {
		return Bearer{}, refused("it is no signed token")
	}
	var said jwt.Claims
	if err := signed.UnsafeClaimsWithoutVerification(&said); err != nil {
		return Bearer{}, refused("its claims cannot be read")
	}
	is := v.issuers[said.Issuer]
	if is == nil {
		return Bearer{}, refused("its issuer is none that [daemon.oidc] names")
	}
	header := signed.Headers[0]
	if header.KeyID == "" {
		return Bearer{}, refused("it does not name the key that signed it (kid)")
	}
	key, err := is.key(ctx, header.KeyID)
	if err != nil {
		return Bearer{}, err
	}
	if key.Algorithm != "" && key.Algorithm != header.Algorithm {
		return Bearer{}, refused("it is signed with another algorithm than its key is for")
	}
	said = jwt.Claims{} // what was read before was not verified
	var all claims
	if err := signed.Claims(key.Key, &said, &all); err != nil {
		return Bearer{}, refused("its signature is not by the issuer's key, or its claims cannot be read")
	}
	if err := v.inTime(&said); err != nil {
		return Bearer{}, err
	}
	return v.bearer(is.url, &said, all)
}

func refused(format string, args ...any) error {
	return &Refused{"the token is not believed: " + fmt.Sprintf(format, args...)}
}

func listed() string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = string(a)
	}
	return strings.Join(names, ", ")
}

// inTime refuses a token before and after its time.
func (v *Verifier) inTime(said *jwt.Claims) error {
	if said.Expiry == nil {
		return refused("it does not say when it expires (exp)")
	}
	switch err := said.ValidateWithLeeway(jwt.Expected{Time: v.now()}, leeway); {
	case errors.Is(err, jwt.ErrExpired):
		return refused("it has expired (exp): take a new one")
	case errors.Is(err, jwt.ErrNotValidYet):
		return refused("its time has not come (nbf): do the clocks differ?")
	case errors.Is(err, jwt.ErrIssuedInTheFuture):
		return refused("it was issued in the future (iat): do the clocks differ?")
	case err != nil:
		return refused("its times are not right") // unreachable: nothing else was asked
	}
	return nil
}

// bearer finds the trust that a verified token meets.
func (v *Verifier) bearer(iss string, said *jwt.Claims, all claims) (Bearer, error) {
	found := -1
	meant := false // for relgate
	var nearest []string
	for i := range v.trusts {
		t := &v.trusts[i]
		if t.Issuer != iss || said.Issuer != iss || !said.Audience.Contains(t.Audience) {
			continue
		}
		unmet := t.unmet(all)
		switch {
		case len(unmet) == 0 && (found < 0 || len(t.names) > len(v.trusts[found].names)):
			found = i
		case !meant || len(unmet) < len(nearest):
			nearest = unmet
		}
		meant = true
	}
	switch {
	case !meant:
		return Bearer{}, refused("it is for another audience (aud) than [daemon.oidc] asks for")
	case found < 0:
		return Bearer{}, refused("%s", strings.Join(nearest, ", and "))
	}
	return Bearer{Trust: found, Name: v.trusts[found].called(all)}, nil
}

// unmet says which of the claims that are asked for the token has not.
func (t *trust) unmet(all claims) (why []string) {
	for _, name := range t.names {
		value, ok := all.text(name)
		switch {
		case !ok:
			why = append(why, "it has no claim "+name+" with one value")
		case value != t.Claims[name]:
			why = append(why, "its claim "+name+" is not what [daemon.oidc] asks for")
		}
	}
	return why
}

// text is a claim that is a string, an integer as it is written, or a truth value.
func (c claims) text(name string) (string, bool) {
	raw := string(c[name])
	var text string
	switch {
	case raw == "true", raw == "false", integer.MatchString(raw):
		return raw, true
	case !strings.HasPrefix(raw, `"`):
		return "", false // an object or a list has no one value; null is none
	}
	return text, json.Unmarshal([]byte(raw), &text) == nil
}

var (
	integer = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,18})$`)
	plain   = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,64}$`)
)

// runs are the claims that name the run of a job: of GitHub, GitLab, Buildkite and CircleCI.
var runs = []string{"run_id", "run_attempt", "pipeline_id", "build_number", circleCI + "pipeline-id", circleCI + "workflow-id", circleCI + "job-id", "job_id"}

const (
	circleCI = "oidc.circleci.com/"
	maxName  = 200 // bytes
)

// called is the name under which a job's commands are journalled: the trust, what was asked
// of the token, and which run it is. What does not show plainly is left out.
func (t *trust) called(all claims) string {
	name := "oidc:" + t.Name
	add := func(claim, value string) {
		part := " " + strings.TrimPrefix(claim, circleCI) + "=" + value
		if plain.MatchString(value) && len(name)+len(part) <= maxName {
			name += part
		}
	}
	for _, claim := range t.names {
		add(claim, t.Claims[claim])
	}
	for _, claim := range runs {
		if _, asked := t.Claims[claim]; asked {
			continue
		}
		if value, ok := all.text(claim); ok {
			add(claim, value)
		}
	}
	return name
}
