package gate

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/oidc"
)

// needs is the scopes of which one lets a command in. What a resume may end is decided
// by the run: see fact.Command.PersonsHold and EvidenceHold.
var needs = map[fact.CommandKind][]Scope{
	fact.StartPhase:   {Phase},
	fact.Hold:         {Stop},
	fact.Resume:       {Stop, Override},
	fact.Abort:        {Stop},
	fact.RollbackDone: {Stop},
	fact.Override:     {Override},

	fact.Approve:     {Approve},
	fact.Reject:      {Approve},
	fact.SignReview:  {Approve},
	fact.BreakGlass:  {Override},
	fact.SendMessage: {Approve},
	fact.SkipMessage: {Approve},
	fact.EditReview:  {Approve},

	fact.AckEffect:    {Stop},
	fact.EffectDone:   {Stop},
	fact.EffectFailed: {Stop},
	fact.SkipEffect:   {Override},
}

// scopesFor are the scopes of which one lets a command in: who may sign for a role may give
// what signs for it, and nothing else.
func scopesFor(c *fact.Command) []Scope {
	if c.Role != "" && slices.Contains(needs[c.Kind], Approve) {
		return append(slices.Clip(needs[c.Kind]), ApproveAs(c.Role))
	}
	return needs[c.Kind]
}

// known says who asks, or answers 401 and returns false.
func (g *Gate) known(w http.ResponseWriter, r *http.Request) (caller, bool) {
	who := caller{keys: g.keys.Load()}
	if who.keys.none() {
		return who, true
	}
	secret := secretOf(r)
	if secret == "" {
		g.refuse(w, r, refusedNoToken, "", "a token is needed", "send one Authorization header: Bearer, and the secret of a token that is configured")
		return who, false
	}
	if who.token = who.keys.bearer(secret); who.token != nil {
		return who, true
	}
	if len(who.keys.jobs) > 0 && oidc.LooksLike(secret) {
		return g.signed(w, r, who, secret)
	}
	g.refuse(w, r, refusedUnknownToken, "", "the token is not known", "no token that is configured now has this secret: it may be mistyped, or revoked")
	return who, false
}

// signed says who asks with a token that a CI system has signed, or answers and returns
// false: 401, or 503 where that cannot be known now.
func (g *Gate) signed(w http.ResponseWriter, r *http.Request, who caller, secret string) (caller, bool) {
	var err error
	if who.token, err = who.keys.job(r.Context(), secret); err == nil {
		return who, true
	}
	if refused, ok := errors.AsType[*oidc.Refused](err); ok {
		g.refuse(w, r, refusedSigned, "", "the token is not believed", refused.Reason)
		return who, false
	}
	detail := "who asks cannot be verified now: ask again"
	if away, ok := errors.AsType[*oidc.Unavailable](err); ok {
		detail = away.Error()
	}
	g.refuse(w, r, refusedIssuerAway, "", "the token cannot be verified now", detail)
	return who, false
}

// has answers 403 and returns false where the caller has none of the scopes, of which
// what needs one.
func (g *Gate) has(w http.ResponseWriter, r *http.Request, who caller, what string, one ...Scope) bool {
	if who.may(one...) {
		return true
	}
	g.refuse(w, r, refusedScope, who.name(), "the token is not enough", fmt.Sprintf("token %q: it has no scope %s: %s needs it", who.name(), listed(one), what))
	return false
}

// covers answers 403 and returns false where the caller's token is for other plans.
func (g *Gate) covers(w http.ResponseWriter, r *http.Request, who caller, plan string) bool {
	if who.sees(plan) {
		return true
	}
	g.refuse(w, r, refusedPlan, who.name(), "the token is not enough", fmt.Sprintf("token %q: it is for other plans", who.name()))
	return false
}

// admit lets in whoever may read a plan, or answers and returns false. A plan of "" is
// all of them: a token for some is not enough.
func (g *Gate) admit(w http.ResponseWriter, r *http.Request, plan string) (caller, bool) {
	who, ok := g.reader(w, r)
	return who, ok && g.covers(w, r, who, plan)
}

// reader is admit before it is known which plans are asked about.
func (g *Gate) reader(w http.ResponseWriter, r *http.Request) (caller, bool) {
	who, ok := g.known(w, r)
	return who, ok && g.has(w, r, who, "reading", Read)
}

// admitChange lets in whoever may change something of a plan, or answers and returns
// false; which of the scopes it takes is the caller's to ask. Pages of other sites are
// refused, and without tokens all that may come from another machine.
func (g *Gate) admitChange(w http.ResponseWriter, r *http.Request, plan string) (caller, bool) {
	if err := g.cross.Check(r); err != nil {
		g.refuse(w, r, refusedCrossOrigin, "", "cross-origin request", "commands are not accepted from pages of other sites")
		return caller{}, false
	}
	who, ok := g.known(w, r)
	switch {
	case !ok || !g.covers(w, r, who, plan):
		return who, false
	case who.token != nil:
		return who, true
	case !g.open:
		g.refuse(w, r, refusedClosed, "", "commands are closed", "no token is configured, and the listener is not for this machine alone: "+addToken)
		return who, false
	}
	if why, said := foreign(r); said != "" {
		g.refuse(w, r, why, "", "commands are closed", "no token is configured, and "+said+": "+addToken)
		return who, false
	}
	return who, true
}

const addToken = "add [daemon.tokens.NAME] to the config and send that token"

// Require puts a handler of another package behind the same tokens. The plan is
// the pattern's {plan}; a handler without one needs a token for all plans.
func (g *Gate) Require(scope Scope, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if scope == Read {
			if _, ok := g.admit(w, r, r.PathValue("plan")); ok {
				h.ServeHTTP(w, r)
			}
			return
		}
		if who, ok := g.admitChange(w, r, r.PathValue("plan")); ok && g.has(w, r, who, r.Method+" "+r.URL.Path, scope) {
			h.ServeHTTP(w, r)
		}
	})
}

// Private is the private port's handler with a guard. That port has no tokens: metrics
// and health can be read from everywhere, and whatever else is there, such as the
// profiles that show memory, from this machine only.
func (g *Gate) Private(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read := r.Method == http.MethodGet || r.Method == http.MethodHead
		if read && (r.URL.Path == "/metrics" || strings.HasPrefix(r.URL.Path, "/-/")) {
			h.ServeHTTP(w, r)
			return
		}
		why, said := foreign(r)
		remote, err := netip.ParseAddrPort(r.RemoteAddr)
		site := r.Header.Get("Sec-Fetch-Site")
		switch {
		case err != nil || !remote.Addr().Unmap().IsLoopback():
			why, said = refusedClosed, "the request comes from another machine"
		case said == "" && site != "" && site != "same-origin" && site != "none":
			why, said = refusedCrossOrigin, "a page of another site sends it"
		}
		if said != "" {
			g.refuse(w, r, why, "", "for this machine only", said+": ask over the loopback address, for example through ssh -L or kubectl port-forward")
			return
		}
		h.ServeHTTP(w, r)
	})
}

// foreign says how a request looks as if it came from elsewhere, though its connection
// comes from this machine: a name that leads here only in the asker's eyes (DNS
// rebinding), or the headers of a proxy. It says nothing of any other.
func foreign(r *http.Request) (why refusedFor, said string) {
	// HTTP/2 may name another host in a header than in its :authority, which is r.Host.
	for _, host := range append([]string{r.Host}, r.Header["Host"]...) {
		if !loopbackName(host) {
			return refusedForeignHost, fmt.Sprintf("Host %.100q is no loopback name", host)
		}
	}
	if !r.ProtoAtLeast(1, 1) {
		return refusedForwarded, "the request is HTTP/1.0, as proxies send it that add no header"
	}
	for name := range r.Header {
		if forwards(name) {
			return refusedForwarded, "a proxy has forwarded the request (" + name + ")"
		}
	}
	return 0, ""
}

// loopbackName reports whether a Host header names this machine whatever a name server
// says: localhost, or a loopback address, with any port.
func loopbackName(host string) bool {
	if name, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
		host = name
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback()
}

// forwards reports whether a header, in its canonical form, is one that proxies, load
// balancers and content networks add.
func forwards(name string) bool {
	switch name {
	case "Via", "X-Client-Ip", "Client-Ip", "Cdn-Loop", "Surrogate-Capability", "Max-Forwards", "Front-End-Https",
		"X-Rewrite-Url", "X-Scheme", "X-Url-Scheme", "X-Varnish", "X-Nginx-Proxy", "X-Originating-Ip", "X-Cloud-Trace-Context":
		return true
	}
	if strings.Contains(name, "Forwarded") || strings.HasPrefix(name, "X-Forward") || strings.HasPrefix(name, "X_forward") {
		return true
	}
	for _, suffix := range []string{"-Client-Ip", "-Connecting-Ip", "-Real-Ip"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	for _, prefix := range []string{
		"Proxy-", "X-Proxy", "X-Original-", "X-Remote-", "X-Auth-Request-", "X-Envoy-", "X-Arr-", "X-Bluecoat-", "Cf-", "Fastly-", "Fly-", "Akamai-", "X-Akamai-",
		"X-Azure-", "X-Appengine-", "X-Goog-", "X-Amzn-", "X-Amz-Cf-", "X-Ms-Client-", "X-Vercel-", "X-Nf-", "X-Sucuri-", "Tailscale-",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
