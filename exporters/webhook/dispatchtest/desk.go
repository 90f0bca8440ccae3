package dispatchtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/relgate/relgate/exporters/outbox/faulttest"
)

// Started is something that a request has started.
type Started struct {
	ID    uint64            // counts from 1
	What  string            // the workflow, the type of the event, or the ref of the pipeline
	Title string            // of a workflow's run
	Given map[string]string // inputs and variables
	Body  json.RawMessage   // payload or detail of an event
	Came  time.Time
}

// Desk is what the receivers have in common. Its fields are set before it is used.
type Desk struct {
	// Fault is asked what becomes of a request, the nth of all from 1; nil means nothing.
	Fault func(operation string, n int) faulttest.Fault
	Now   func() time.Time // time.Now if nil

	mu      sync.Mutex
	started []Started
	calls   int
	wrong   []string
}

// answer is a status and what becomes JSON; nil for no body.
type answer struct {
	status int
	body   any
}

type object map[string]any

// mostBody is the largest request that is read.
const mostBody = 2 << 20

// serve answers a request: what becomes of it, busy, or what do says. do is called with the lock
// held, and only if the request can be read.
func (d *Desk) serve(w http.ResponseWriter, r *http.Request, operation string, busy answer, do func(body []byte) answer) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
	if err != nil {
		return // it was cut off, or is far too long: the connection is closed
	}
	d.mu.Lock()
	d.calls++
	fault := faulttest.None
	if d.Fault != nil {
		fault = d.Fault(operation, d.calls)
	}
	d.mu.Unlock()
	if fault == faulttest.Busy {
		w.Header().Set("Retry-After", "1")
		write(w, busy)
		return
	}
	var a answer
	carry := func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		a = do(body)
	}
	if fault.Serve(w, r, faulttest.Limit{}, carry) {
		return
	}
	carry()
	write(w, a)
}

func write(w http.ResponseWriter, a answer) {
	if a.body != nil {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(a.status)
	if a.body != nil {
		_ = json.NewEncoder(w).Encode(a.body) // who asked may be gone
	}
}

// refuse is an answer to what should not have been sent. The lock is held.
func (d *Desk) refuse(status int, body any, format string, args ...any) answer {
	d.wrong = append(d.wrong, fmt.Sprintf("%d: ", status)+fmt.Sprintf(format, args...))
	return answer{status, body}
}

// start notes something that was started. The lock is held.
func (d *Desk) start(s Started) Started {
	s.ID, s.Came = uint64(len(d.started)+1), d.now()
	d.started = append(d.started, s)
	return s
}

func (d *Desk) now() time.Time {
	if d.Now == nil {
		return time.Now()
	}
	return d.Now()
}

// Started is what requests have started, in order.
func (d *Desk) Started() []Started {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.started)
}

// Did reports whether something was started that has a text in what it was given: such as the
// id of an event.
func (d *Desk) Did(text string) bool {
	return slices.ContainsFunc(d.Started(), func(s Started) bool {
		for _, value := range s.Given {
			if value == text {
				return true
			}
		}
		return bytes.Contains(s.Body, strconv.AppendQuote(nil, text))
	})
}

// Wrong is what was sent that is not taken, in order.
func (d *Desk) Wrong() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.wrong)
}

// Save gives what was started, for Load: it outlives who asked for it.
func (d *Desk) Save() ([]byte, error) { return json.Marshal(d.Started()) }

// Load goes on from what Save gave.
func (d *Desk) Load(saved []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return json.Unmarshal(saved, &d.started)
}
