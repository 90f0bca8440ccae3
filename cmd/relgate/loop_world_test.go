package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/relgate/relgate/exporters/outbox/faulttest"
)

// What a receiver of a closed loop may do beside faulttest's faults.
const (
	untrue    faulttest.Fault = 100 + iota // not done, and answered that it is
	overtaken                              // someone else was faster, 412, and not done
)

// loopReceiver is the other side of a sink: it fails, hangs and lies, by its dice.
//
// In 3 of 20 runs it is down: from its first request on, for 10 seconds to 20 minutes, the logarithm
// of which is uniform, it does nothing, and hangs, answers 500 or 429, or closes the connection. At any
// other time every second request that changes something has a fault, each of faults as often as the
// others, and 3 of 20 that only read: 429, 500, no answer.
type loopReceiver struct {
	http.Handler
	changes func(r *http.Request) bool
	faults  []faulttest.Fault
	busy    faulttest.Limit
	lie     func(w http.ResponseWriter, body []byte)       // untrue
	spoil   func(w http.ResponseWriter, f faulttest.Fault) // answers 429, 500 or 412 as the real one does; nil: plainly

	mu      sync.Mutex
	dice    *rand.Rand
	down    time.Duration // how long it is down from its first request on
	how     faulttest.Fault
	first   time.Time // of its requests
	took    time.Time // when it first did what it was asked for
	refused int       // requests that it spoilt
}

// faultless reads have no lies: they change nothing.
var (
	loopReads = []faulttest.Fault{faulttest.Busy, faulttest.Broken, faulttest.Hanging}
	loopDowns = []faulttest.Fault{faulttest.Hanging, faulttest.Broken, faulttest.Busy, faulttest.Dropped}
)

// roll makes the receiver's dice for a run.
func (l *loopReceiver) roll(seed uint64, name string) *loopReceiver {
	salt := uint64(0)
	for _, c := range name {
		salt = salt*131 + uint64(c)
	}
	l.dice = rand.New(rand.NewPCG(seed, salt))
	if l.dice.Float64() < .15 {
		l.down = time.Duration(float64(10*time.Second) * math.Exp(l.dice.Float64()*math.Log(120)))
		l.how = loopDowns[l.dice.IntN(len(loopDowns))]
	}
	return l
}

// fault draws what becomes of a request, and whether the receiver is down.
func (l *loopReceiver) fault(changes bool) (f faulttest.Fault, down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first.IsZero() {
		l.first = time.Now()
	}
	list, odds := loopReads, .15
	if changes {
		list, odds = l.faults, .5
	}
	switch {
	case time.Since(l.first) < l.down:
		f, down = l.how, true
	case l.dice.Float64() < odds:
		f = list[l.dice.IntN(len(list))]
	}
	if f != faulttest.None {
		l.refused++
	}
	return f, down
}

func (l *loopReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	changes := l.changes(r)
	do := func(w http.ResponseWriter) {
		again := r.Clone(context.WithoutCancel(r.Context()))
		again.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		l.Handler.ServeHTTP(answer, again)
		if changes && answer.Code < 300 && !strings.Contains(answer.Body.String(), `"ok":false`) {
			l.mu.Lock()
			if l.took.IsZero() {
				l.took = time.Now()
			}
			l.mu.Unlock()
		}
		for key, values := range answer.Header() {
			w.Header()[key] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}
	f, down := l.fault(changes)
	switch {
	case f == untrue:
		l.lie(w, body)
	case down && f == faulttest.Dropped:
		panic(http.ErrAbortHandler)
	case l.spoil != nil && slices.Contains([]faulttest.Fault{faulttest.Busy, faulttest.Broken, faulttest.Lying, overtaken}, f):
		if f.Done() {
			do(httptest.NewRecorder())
		}
		l.spoil(w, f)
	case !f.Serve(w, r, l.busy, func() { do(httptest.NewRecorder()) }):
		do(w)
	}
}

// since is when the receiver first did what it was asked for; zero: it has not yet.
func (l *loopReceiver) since() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.took
}

// loopAlias is Lambda's and CodeDeploy's side.
func loopAlias(h http.Handler) *loopReceiver {
	return &loopReceiver{
		Handler: h, changes: func(r *http.Request) bool { return r.Method == http.MethodPut },
		faults: append(faulttest.Faults(), untrue, overtaken),
		lie: func(w http.ResponseWriter, _ []byte) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"AliasArn":"arn:aws:lambda:eu-central-1:123456789012:function:bioage-inference:live","Name":"live","FunctionVersion":"42","Description":"","RevisionId":"00000000-0000-4000-8000-000000000001"}`)
		},
		spoil: func(w http.ResponseWriter, f faulttest.Fault) {
			status, code := http.StatusInternalServerError, "ServiceException"
			switch f {
			case faulttest.Busy:
				status, code = http.StatusTooManyRequests, "TooManyRequestsException"
				w.Header().Set("Retry-After", "2")
			case overtaken:
				status, code = http.StatusPreconditionFailed, "PreconditionFailedException"
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Amzn-ErrorType", code)
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"Type":"Service","message":%q}`, code)
		},
	}
}

// loopPager is PagerDuty's side.
func loopPager(key string) *loopReceiver {
	return &loopReceiver{
		Handler: &taker{key: key}, changes: func(*http.Request) bool { return true }, faults: append(faulttest.Faults(), untrue), busy: faulttest.Limit{Status: http.StatusTooManyRequests, After: 5},
		lie: func(w http.ResponseWriter, _ []byte) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"status":"success","message":"Event processed","dedup_key":"lost"}`)
		},
	}
}

// loopChat is Slack's side.
func loopChat(h http.Handler) *loopReceiver {
	return &loopReceiver{
		Handler: h, changes: func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "chat.postMessage") },
		faults: append(faulttest.Faults(), untrue), busy: faulttest.Limit{Status: http.StatusTooManyRequests, After: 7},
		lie: func(w http.ResponseWriter, _ []byte) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = io.WriteString(w, `{"ok":true,"channel":"C0000001","ts":"946684800.000001","message":{"text":"lost"}}`)
		},
	}
}

// loopNetwork brings requests to whom they are for.
type loopNetwork map[string]http.Handler // :: host → who is there

func (n loopNetwork) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := n[r.URL.Host]
	if h == nil {
		http.NotFound(w, r)
		return
	}
	h.ServeHTTP(w, r)
}
