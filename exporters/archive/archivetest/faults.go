// Package archivetest has the other sides of archives in memory: the parts of GitHub's and
// Confluence's APIs that relgate speaks to, with the answers that the real ones give, and
// those that spoil a careless client. They are for tests and demonstrations.
package archivetest

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
)

// Mode is how a request is answered.
type Mode struct {
	Status     int  // this status instead, and nothing is done; 0: as the real one would
	RetryAfter int  // seconds, with Status
	Lost       bool // it is done, and the connection is closed without an answer
	Cut        bool // it is not done, and the connection is closed without an answer
	After      int  // it is done, and this status is answered: 502 of a proxy
	Hang       bool // it is not done, and no answer comes until the client is gone
	HangAfter  bool // it is done, and no answer comes until the client is gone
	Late       bool // there is no answer, and it is done when Settle is called
	Page       bool // it is not done, and a page for people comes as 200
	Empty      bool // it is not done, and {} comes as 200
}

// faults is what both servers have in common.
type faults struct {
	mu       sync.Mutex
	mode     func(*http.Request) Mode
	between  func(*http.Request) // runs before a request is done
	requests []string            // "PUT /repos/o/r/contents/x"
	hung     chan string
	late     []func() // what is done later
}

func newFaults() faults { return faults{hung: make(chan string, 100)} }

// Answer sets how requests are answered from now on; nil answers as the real one would.
func (f *faults) Answer(mode func(*http.Request) Mode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mode = mode
}

// Between sets what runs before each request is done: what others do meanwhile.
func (f *faults) Between(do func(*http.Request)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.between = do
}

// Requests are those that came, in order: method and path.
func (f *faults) Requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// Settle does what was asked for and is late.
func (f *faults) Settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, do := range f.late {
		do()
	}
	f.late = nil
}

// Hung gives each request that hangs, when it does.
func (f *faults) Hung() <-chan string { return f.hung }

// reply is an answer.
type reply struct {
	status int
	body   any
}

// serve answers a request by what do makes of it, or spoils it.
func (f *faults) serve(w http.ResponseWriter, r *http.Request, do func(body map[string]any) reply) {
	what := r.Method + " " + r.URL.Path
	f.mu.Lock()
	f.requests = append(f.requests, what)
	mode, between := f.mode, f.between
	f.mu.Unlock()
	if between != nil {
		between(r)
	}
	m := Mode{}
	if mode != nil {
		m = mode(r)
	}
	raw, _ := io.ReadAll(r.Body)
	out := reply{m.Status, map[string]string{"message": "spoilt"}}
	if m.Empty {
		out = reply{http.StatusOK, map[string]any{}}
	}
	var body map[string]any
	if m.Late {
		_ = json.Unmarshal(raw, &body) // what is no JSON is not done
		f.mu.Lock()
		f.late = append(f.late, func() { do(body) })
		f.mu.Unlock()
	}
	if m.Status == 0 && !m.Cut && !m.Hang && !m.Page && !m.Empty && !m.Late {
		if len(raw) > 0 && json.Unmarshal(raw, &body) != nil {
			out = reply{http.StatusBadRequest, map[string]string{"message": "Problems parsing JSON"}}
		} else {
			f.mu.Lock()
			out = do(body)
			f.mu.Unlock()
		}
	}
	switch {
	case m.Lost, m.Cut:
		panic(http.ErrAbortHandler)
	case m.Hang, m.HangAfter, m.Late:
		f.hung <- what
		<-r.Context().Done()
		return
	case m.Page:
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>Log in</html>")
		return
	case m.After != 0:
		out = reply{m.After, map[string]string{"message": "bad gateway"}}
	}
	if m.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(m.RetryAfter))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(out.status)
	_ = json.NewEncoder(w).Encode(out.body)
}

// text is a field of a body, empty where it is no text.
func text(body map[string]any, key string) string {
	s, _ := body[key].(string)
	return s
}
