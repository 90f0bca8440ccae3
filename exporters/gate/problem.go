package gate

import (
	"encoding/json"
	"net/http"

	"github.com/relgate/relgate/exporters/wire"
)

func problem(w http.ResponseWriter, status int, title, detail string) {
	writeProblem(w, wire.Problem{Title: title, Status: status, Detail: detail})
}

func writeProblem(w http.ResponseWriter, p wire.Problem) {
	p.Type = "about:blank"
	b, err := json.Marshal(p)
	if err != nil {
		b = []byte("{}") // unreachable: strings and a number have a JSON form
	}
	b = wire.PlainJSON(b)
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", notStored)
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(b, '\n')) // a client that is gone misses nothing
}

// wait503 is a problem that time will mend.
func wait503(w http.ResponseWriter, title, detail string) {
	w.Header().Set("Retry-After", "1")
	problem(w, http.StatusServiceUnavailable, title, detail)
}

func (r *refusal) write(w http.ResponseWriter) {
	if r.status == http.StatusServiceUnavailable {
		wait503(w, r.title, r.detail)
		return
	}
	problem(w, r.status, r.title, r.detail)
}
