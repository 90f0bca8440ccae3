package gate

import (
	"net/http"
	"sync"
	"time"
)

// refusedFor is why a request was not let in.
type refusedFor uint8

const (
	refusedNoToken refusedFor = iota
	refusedUnknownToken
	refusedSigned
	refusedIssuerAway
	refusedScope
	refusedPlan
	refusedCrossOrigin
	refusedForeignHost
	refusedForwarded
	refusedClosed
)

// refusedNames is what the metrics and the log call them.
var refusedNames = [...]string{"no_token", "unknown_token", "signed_token", "issuer_away", "scope", "plan", "cross_origin", "foreign_host", "forwarded", "closed"}

// refusedEvery is how often a reason is logged at most: a guesser fills no disk.
const refusedEvery = time.Second

// RefusalCount is how often a request was not let in for a reason.
type RefusalCount struct {
	Reason string // no_token, unknown_token, signed_token, issuer_away, scope, plan, cross_origin, foreign_host, forwarded, closed
	Count  uint64
}

// refusals counts the requests that were not let in.
type refusals struct {
	mu sync.Mutex
	by [len(refusedNames)]struct {
		count  uint64
		said   time.Time // when it was logged last
		unsaid uint64    // since then
	}
}

// note counts a refusal. It says whether to log it, and how many were not logged
// since the last one that was.
func (n *refusals) note(why refusedFor) (say bool, unsaid uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	of := &n.by[why]
	of.count++
	now := time.Now()
	if !of.said.IsZero() && now.Sub(of.said) < refusedEvery {
		of.unsaid++
		return false, 0
	}
	unsaid = of.unsaid
	of.said, of.unsaid = now, 0
	return true, unsaid
}

func (n *refusals) counts() []RefusalCount {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]RefusalCount, len(refusedNames))
	for i, name := range refusedNames {
		out[i] = RefusalCount{name, n.by[i].count}
	}
	return out
}

// refuse answers a request that is not let in: 401 where a token that is known would
// be let in, 503 where it is not known whether it is, else 403. The token is its name, where it is known: nothing else of it is
// ever told.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, why refusedFor, token, title, detail string) {
	if say, unsaid := g.refused.note(why); say {
		g.log.Warn("request refused", "reason", refusedNames[why], "remote", r.RemoteAddr, "token", token, "err", detail, "left_out", unsaid)
	}
	status := http.StatusForbidden
	if why == refusedIssuerAway {
		wait503(w, title, detail)
		return
	}
	if why == refusedNoToken || why == refusedUnknownToken || why == refusedSigned {
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Bearer realm="relgate"`)
	}
	problem(w, status, title, detail)
}
