package webhook

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

// behaviour is what a receiver does with one request.
type behaviour int

const (
	takes behaviour = iota
	refuses
	throttles
	hangs         // takes nothing, answers nothing
	takesAndHangs // it happened, and the answer is lost
	takesAndFails
)

// Whatever a receiver does, and whenever the process is stopped and started again,
// every event of every run arrives, none but an order before the one in front of it
// in its run, and every order is attempted as soon as it is committed.
func TestEveryEventArrivesOrdersFirstAndTheRestInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events := rapid.SliceOfN(rapid.SampledFrom([]string{"A", "B", "C", "A!", "B!", "C!"}), 1, 40).Draw(rt, "runs of the events, orders marked")
		plays := rapid.SliceOfN(rapid.IntRange(int(takes), int(takesAndFails)), 0, 60).Draw(rt, "behaviour")
		stops := rapid.SliceOfN(rapid.IntRange(0, 90), 0, 6).Draw(rt, "seconds between restarts")
		synctest.Test(t, func(t *testing.T) {
			if problem := play(t, events, plays, stops); problem != "" {
				t.Errorf("events %v, behaviour %v, stops %v: %s", events, plays, stops, problem)
			}
		})
		if t.Failed() {
			rt.FailNow()
		}
	})
}

func play(t *testing.T, events []string, plays, stops []int) string {
	receiver, err := NewReceiver(ReceiverConfig{Secrets: []string{secret}})
	if err != nil {
		return err.Error()
	}
	var mu sync.Mutex
	n, asked := 0, map[string]bool{} // :: id → there was an attempt
	moody := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		does := takes
		if n < len(plays) {
			does = behaviour(plays[n])
		}
		n++
		asked[r.Header.Get("webhook-id")] = true
		mu.Unlock()
		if does == takes || does == takesAndHangs {
			receiver.ServeHTTP(w, r)
		}
		switch does {
		case refuses:
			w.WriteHeader(500)
		case throttles:
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(429)
		case hangs, takesAndHangs:
			<-r.Context().Done()
		case takesAndFails:
			receiver.ServeHTTP(headless{w}, r)
			w.WriteHeader(502)
		}
	})
	f := outboxtest.New()
	fresh := func() *outbox.Outbox { return box(t, f, outbox.Action, Config{Transport: handler{moody}}, endpoint()) }
	commit := func(runs []string) {
		for _, run := range runs {
			plan, order := strings.CutSuffix(run, "!")
			e := fact.Event{Plan: plan}
			if order {
				e.Kind, e.To = fact.RunEvent, "rolled_back"
			}
			f.Commit(t, e)
		}
	}
	waiting := func() (ids []string) { // orders without any attempt
		mu.Lock()
		defer mu.Unlock()
		for _, stored := range f.Stored {
			for _, s := range stored {
				if s.Event.Order() && !asked[s.Event.ID] {
					ids = append(ids, s.Event.ID)
				}
			}
		}
		return ids
	}
	half := len(events) / 2
	commit(events[:half])
	for _, seconds := range stops {
		stop := outboxtest.Start(t, fresh())
		time.Sleep(time.Duration(seconds) * time.Second)
		stop()
	}
	h := fresh()
	stop := outboxtest.Start(t, h)
	synctest.Wait()
	commit(events[half:])
	synctest.Wait()
	if late := waiting(); len(late) > 0 {
		return fmt.Sprintf("orders %v were not tried at once", late)
	}
	outboxtest.Drain(t, h)
	stop()
	got := receiver.Tally()
	if got.Delivered != len(events) || got.OutOfOrder != 0 || got.Rejected != 0 {
		return fmt.Sprintf("%+v, want %d delivered, none out of order", got, len(events))
	}
	return ""
}

// headless lets a handler work and keeps its status.
type headless struct{ http.ResponseWriter }

func (headless) WriteHeader(int) {}
