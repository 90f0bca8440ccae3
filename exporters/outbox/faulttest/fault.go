// Package faulttest names what may become of a request at a receiver, for the receivers that
// stand in for real ones in tests and demonstrations.
package faulttest

import (
	"net/http"
	"strconv"
	"time"
)

// Fault is what becomes of a request: of what was asked for, and of the answer.
type Fault int

const (
	None    Fault = iota
	Busy          // answered 429, or what the receiver has in its place, with Retry-After, and not done
	Broken        // answered 500, and not done
	Lying         // done, and answered 500
	Dropped       // done, and the connection closed without an answer
	Hanging       // not done, and no answer
	Lost          // done, and no answer
	Late          // answered none, and done 20 seconds later
)

// Faults are all but None.
func Faults() []Fault { return []Fault{Busy, Broken, Lying, Dropped, Hanging, Lost, Late} }

func (f Fault) String() string {
	return [...]string{"none", "429", "500", "done, 500", "done, connection closed", "hangs", "done, hangs", "hangs, done 20 s later"}[f]
}

// Done reports whether what was asked for is done, sooner or later.
func (f Fault) Done() bool { return f == None || f == Lying || f == Dropped || f == Lost || f == Late }

// Limit is how a receiver answers that it is asked too much.
type Limit struct {
	Status int
	After  int // Retry-After, in seconds
}

// Serve has f become of a request, which do carries out. Of None it does nothing and gives
// false: the receiver answers by itself. It panics with http.ErrAbortHandler to close the
// connection.
func (f Fault) Serve(w http.ResponseWriter, r *http.Request, busy Limit, do func()) bool {
	if f.Done() && f != None && f != Late {
		do()
	}
	switch f {
	case None:
		return false
	case Busy:
		w.Header().Set("Retry-After", strconv.Itoa(busy.After))
		w.WriteHeader(busy.Status)
	case Broken, Lying:
		w.WriteHeader(http.StatusInternalServerError)
	case Dropped:
		panic(http.ErrAbortHandler)
	case Hanging, Lost:
		<-r.Context().Done()
	case Late:
		time.AfterFunc(20*time.Second, do)
		<-r.Context().Done()
	}
	return true
}
