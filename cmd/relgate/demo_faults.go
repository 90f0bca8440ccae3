package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"

	"github.com/relgate/relgate/exporters/email/smtptest"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/faulttest"
)

// receiverFaults maps what --receivers says to what becomes of the requests.
var receiverFaults = map[string]faulttest.Fault{"good": faulttest.None, "fail": faulttest.Broken, "hang": faulttest.Hanging, "late": faulttest.Late, "lie": faulttest.Lying}

// faultWords say what a receiver did with the requests that it spoilt.
var faultWords = map[string]string{
	"fail": "answered 500 and not done", "hang": "not done and not answered", "late": "not answered, and done later", "lie": "done, and answered that they were not",
}

// hurried is how many times as fast deliveries have their time where receivers fail: no one
// looks on for the minutes that relgate waits between attempts.
const hurried = 30

// eventID is the id of an event of a demo, which a message has with it.
var eventID = regexp.MustCompile(`[A-Za-z0-9@._-]+\.demo/[0-9]+`)

// spoil gives the fault of a request that changes something: of every other one for the same.
func (one *simulatedSink) spoil(what string) faulttest.Fault {
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.asked[what]++; one.asked[what]%2 == 0 || one.fault == faulttest.None {
		return faulttest.None
	}
	one.spoilt++
	return one.fault
}

// keeping keeps what a request has changed before it is answered, or spoils it.
func (one *simulatedSink) keeping(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		fault := faulttest.None
		if req.Method != http.MethodGet {
			ids := append(eventID.FindAllString(string(body), -1), req.URL.Path)
			fault = one.spoil(ids[max(len(ids)-2, 0)]) // the newest, or where there is none the path
		}
		answer := &heldAnswer{header: http.Header{}, status: http.StatusOK}
		do := func() {
			req.Body = io.NopCloser(bytes.NewReader(body))
			h.ServeHTTP(answer, req)
			if req.Method != http.MethodGet && one.save() != nil {
				answer = &heldAnswer{status: http.StatusInternalServerError}
			}
		}
		switch fault {
		case faulttest.Late:
			time.AfterFunc(20*time.Second/hurried, do)
			fallthrough
		case faulttest.Hanging:
			<-req.Context().Done()
			return
		case faulttest.Lying:
			do()
			fallthrough
		case faulttest.Broken:
			answer = &heldAnswer{status: http.StatusInternalServerError}
		default:
			do()
		}
		for key, values := range answer.header {
			w.Header()[key] = values
		}
		w.WriteHeader(answer.status)
		_, _ = w.Write(answer.body) // who asked may be gone
	})
}

// after is time.After by the time of now.
func (r *receivers) after(d time.Duration) <-chan time.Time { return time.After(d / hurried) }

// mailFault is what becomes of a message to an address at the mail server.
func (r *receivers) mailFault(step smtptest.Step, address string) smtptest.Mode {
	at := smtptest.End
	if r.fault == faulttest.Hanging {
		at = smtptest.Rcpt // after the end relgate waits for two minutes
	}
	if step != at {
		return smtptest.Mode{}
	}
	switch r.post.spoil(address) {
	case faulttest.Broken:
		return smtptest.Mode{Reply: "451 4.3.0 try again later"}
	case faulttest.Lying:
		return smtptest.Mode{Reply: "554 5.3.0 no", Take: true}
	case faulttest.Hanging:
		return smtptest.Mode{Hang: true}
	case faulttest.Late:
		return smtptest.Mode{Drop: true, Take: true} // it never says that it has it
	}
	return smtptest.Mode{}
}

// attempts are how something was delivered that a sink did not take at once.
type attempts struct {
	Event   string `json:"event"` // id
	Type    string `json:"type"`
	Subject string `json:"subject"` // the message's name, of a message of the plan
	Sink    string `json:"sink"`
	Failed  int    `json:"failed"` // attempts
	Reason  string `json:"reason"` // of the last one that failed
	Outcome string `json:"outcome"`

	doubt bool
}

// What came of it in the end.
const (
	sentLate    = "sent late"
	sentFound   = "in doubt, and sent"
	givenUp     = "dead letter"
	givenUpTwin = "dead letter, in doubt"
	notYet      = "not sent yet"
)

// words say what came of it.
func (a *attempts) words() string {
	return fmt.Sprintf("%s, after %s that failed: %s", a.Outcome, amount(a.Failed, "attempt"), a.Reason)
}

// attempted notes how an attempt went.
func (r *receivers) attempted(sink string, m outbox.Message, o outbox.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := sink + " " + m.ID
	a := r.tried[key]
	if o.OK && a == nil {
		return
	}
	if a == nil {
		a = &attempts{Event: m.ID, Type: m.Type, Subject: m.Subject, Sink: sink}
		r.tried[key], r.order = a, append(r.order, a)
	}
	a.doubt = a.doubt || o.Doubt
	switch {
	case o.OK && a.doubt:
		a.Outcome = sentFound
	case o.OK:
		a.Outcome = sentLate
	default:
		a.Failed, a.Reason, a.Outcome = a.Failed+1, o.Reason, notYet
		if o.Refused {
			a.Outcome = givenUp
			if a.doubt {
				a.Outcome = givenUpTwin
			}
		}
	}
}

// failures are what was not delivered at once, in the order in which it began.
func (r *receivers) failures() []attempts {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []attempts{}
	for _, a := range r.order {
		list = append(list, *a)
	}
	return list
}
