package gate

import (
	"encoding/json"
	"net/http"
)

// Problem is the body of every answer that is not one of a gate (RFC 9457).
type Problem struct {
	Type   string `json:"type"` // always about:blank: the status says it
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func problem(w http.ResponseWriter, status int, title, detail string) {
	b, err := json.Marshal(Problem{Type: "about:blank", Title: title, Status: status, Detail: detail})
	if err != nil {
		b = []byte("{}") // unreachable: strings and a number have a JSON form
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", notStored)
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a client that is gone misses nothing
}

// wait503 is a problem that time will mend.
func wait503(w http.ResponseWriter, title, detail string) {
	w.Header().Set("Retry-After", "1")
	problem(w, http.StatusServiceUnavailable, title, detail)
}
