package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

const (
	maxBody   = 64 << 10 // bytes of a request's body
	gatesPath = "/v1/gates/"
)

// routes are the paths besides the gates themselves.
func (g *Gate) routes() *http.ServeMux {
	m := http.NewServeMux()
	m.HandleFunc("/v1/plans", g.methods(g.servePlans, http.MethodGet, http.MethodHead))
	m.HandleFunc("/v1/plans/{plan}", g.methods(g.servePlan, http.MethodGet, http.MethodHead))
	m.HandleFunc("/v1/plans/{plan}/status", g.methods(g.serveStatus, http.MethodGet, http.MethodHead))
	m.HandleFunc("/v1/plans/{plan}/badge.svg", g.methods(g.serveBadge, http.MethodGet, http.MethodHead))
	m.HandleFunc("/v1/plans/{plan}/commands", g.methods(g.serveCommand, http.MethodPost))
	m.HandleFunc("/v1/plans/{plan}/drills", g.methods(g.serveDrills, http.MethodGet, http.MethodHead, http.MethodPost))
	m.HandleFunc("/v1/plans/{plan}/runs", g.methods(g.serveStart, http.MethodPost))
	m.HandleFunc("/v1/runs", g.methods(g.serveRuns, http.MethodGet, http.MethodHead))
	m.HandleFunc("/v1/runs/{id}", g.methods(g.serveRun, http.MethodGet, http.MethodHead))
	m.HandleFunc("/v1/runs/{id}/events", g.methods(g.serveEvents, http.MethodGet, http.MethodHead))
	m.HandleFunc("/v1/openapi.json", g.methods(serveOpenAPI, http.MethodGet, http.MethodHead))
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, http.StatusNotFound, "no such page", "see /v1/openapi.json for what there is")
	})
	return m
}

// Handler serves the public port: gates, plans, commands and the description of
// them. Other packages' routes go beside it, behind Require.
func (g *Gate) Handler() http.Handler {
	return Straight(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The gates go round the mux: they are what is asked all the time.
		if rest, ok := strings.CutPrefix(r.URL.Path, gatesPath); ok {
			g.serveGate(w, r, rest)
			return
		}
		g.mux.ServeHTTP(w, r)
	}))
}

// Straight refuses paths that a mux would answer with a redirect to their clean
// form: `curl -f https://gate.example//v1/gates/…/gate` takes a 301 for success. It
// also refuses those with an escaped slash, backslash or NUL, which a proxy in front
// may read as another path than relgate does.
func Straight(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.URL.Path
		if strings.Contains(p, "//") || strings.Contains(p, "/./") || strings.Contains(p, "/../") ||
			strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..") || !strings.HasPrefix(p, "/") {
			problem(w, http.StatusNotFound, "no such page", "the path has an empty step or one of dots")
			return
		}
		if strings.IndexByte(p, '\\') >= 0 || strings.IndexByte(p, 0) >= 0 || r.URL.RawPath != "" && strings.Contains(strings.ToLower(r.URL.RawPath), "%2f") {
			problem(w, http.StatusNotFound, "no such page", "the path has an escaped slash, a backslash or a NUL")
			return
		}
		h.ServeHTTP(w, r)
	})
}

func (g *Gate) methods(h http.HandlerFunc, allowed ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, m := range allowed {
			if r.Method == m {
				h(w, r)
				return
			}
		}
		refuseMethod(w, r, allowed...)
	}
}

func refuseMethod(w http.ResponseWriter, r *http.Request, allowed ...string) {
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	problem(w, http.StatusMethodNotAllowed, "method not allowed", fmt.Sprintf("%s is not for %s", r.Method, r.URL.Path))
}

// splitGate takes "{plan}/{phase}/{view}" apart.
func splitGate(rest string) (at where, v view, ok bool) {
	i := strings.IndexByte(rest, '/')
	j := strings.LastIndexByte(rest, '/')
	if i <= 0 || j <= i+1 {
		return where{}, 0, false
	}
	at = where{plan: rest[:i], phase: rest[i+1 : j]}
	if strings.IndexByte(at.phase, '/') >= 0 {
		return at, 0, false
	}
	for v := viewGate; v <= viewRollback; v++ {
		if viewNames[v] == rest[j+1:] {
			return at, v, true
		}
	}
	return at, 0, false
}

func (g *Gate) serveGate(w http.ResponseWriter, r *http.Request, rest string) {
	at, v, ok := splitGate(rest)
	if !ok {
		problem(w, http.StatusNotFound, "no such page", "want /v1/gates/{plan}/{phase}/gate, /entry, /verdict or /rollback")
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost {
		refuseMethod(w, r, http.MethodGet, http.MethodHead, http.MethodPost)
		return
	}
	who, ok := g.admit(w, r, at.plan)
	if !ok || !readPosted(w, r, v) {
		return
	}
	q, err := parseQuestion(r.URL.RawQuery, r.Header["Prefer"], v)
	if err != nil {
		problem(w, http.StatusBadRequest, "bad query", err.Error())
		return
	}
	at.pin, at.question = q.pin, v.question()
	if q.onFail {
		v = viewRollbackOnFail
	}
	a, refused := g.await(w, r, at, q, who)
	switch {
	case refused != nil:
		refused.write(w)
		return
	case a == nil:
		return // its token was revoked, and that is answered
	}
	g.counts.add(v, a.write(w, r, v, q.pending))
}

// matches reports whether an If-None-Match header holds the tag. The comparison
// is the weak one (RFC 9110 §13.1.2).
func matches(headers []string, etag string) bool {
	for _, h := range headers {
		for tag := range strings.SplitSeq(h, ",") {
			tag = strings.TrimSpace(tag)
			if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
				return true
			}
		}
	}
	return false
}

// readPosted takes the body of a POST, which says nothing to a gate. On /verdict
// one that is Flagger's is refused: Flagger reads the status only, so that any
// verdict would open its gate.
func readPosted(w http.ResponseWriter, r *http.Request, v view) bool {
	if r.Method != http.MethodPost || r.Body == nil || r.Body == http.NoBody {
		return true
	}
	body, ok := readBody(w, r)
	if ok && v == viewVerdict && isFlagger(body) {
		problem(w, http.StatusBadRequest, "wrong view", "this looks like a Flagger hook, which takes any 200 for yes: point it at /gate, /entry or /rollback")
		return false
	}
	return ok
}

// readBody reads a small body, or answers and returns false. The server gives it a
// short time to arrive.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		if r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close") // the rest of the body is not waited for
		}
		problem(w, http.StatusRequestEntityTooLarge, "body too large", fmt.Sprintf("want at most %d bytes", maxBody))
		return nil, false
	}
	if err != nil {
		problem(w, http.StatusBadRequest, "bad body", "it did not arrive whole")
		return nil, false
	}
	return body, true
}

func isFlagger(body []byte) bool {
	var hook struct{ Name, Namespace, Phase, Checksum *string }
	if err := json.Unmarshal(bytes.TrimSpace(body), &hook); err != nil {
		return false
	}
	return hook.Name != nil && hook.Namespace != nil && hook.Phase != nil && hook.Checksum != nil
}

// isJSON reports whether a request says that its body is JSON.
func isJSON(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == jsonType
}
