// Package killtest kills relgate at every step of a delivery, and has the receiver fail in
// every way, over a real journal: for the tests of sinks, which say what is there in the end.
package killtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal/journaltest"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/faulttest"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
	"github.com/relgate/relgate/exporters/wire"
)

// Endpoint is the name of the endpoint under which a sink is tried.
const Endpoint = "people"

// Run is the run that events are of. Their ids are UID, "/" and a number from 1.
const (
	Run = "shop@1.2.0"
	UID = Run + ".k7q"
)

// Receiver is what a sink sends to, in memory. It is an [http.Handler], or a [Dialed].
type Receiver interface {
	// Count says how often what an event tells of is there.
	Count(id string) int
	// Wrong is what was wrong with what was sent.
	Wrong() []string
}

// Dial connects to a receiver.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Dialed is a receiver that speaks over connections, such as a mail server.
type Dialed interface {
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// Bench tries one sink.
type Bench struct {
	// Events are what is told of, in order. Of an event that is an order the kind and state
	// say so. Body is what is sent; ids, times and the like are filled in.
	Events []Event
	// Receiver makes a new receiver. The nth call that it gets has a fault.
	Receiver func(fault func(n int) faulttest.Fault) Receiver
	// Sink makes the sink as a process makes it that starts.
	Sink func(network http.RoundTripper, m outbox.Memory) (outbox.Sink, error)
	// Dialing makes it instead of Sink, where the receiver is a [Dialed].
	Dialing func(dial Dial, m outbox.Memory) (outbox.Sink, error)
}

// Event is an event, and its body.
type Event struct {
	Kind fact.EventKind
	To   string
	Body wire.EventBody
}

// Message is an event that sends a communication of a plan.
func Message(text, target string) Event {
	return Event{Kind: fact.CommunicationEvent, To: "due", Body: wire.EventBody{
		Subject: "ops", Headline: "DUE: message ops",
		Message: &wire.Message{Name: "ops", Sink: Endpoint, Target: target, Subject: "Deploy of 1.2.0", Text: text},
	}}
}

// Alarm is an order: the run is rolled back.
func Alarm() Event {
	return Event{Kind: fact.RunEvent, To: "rolled_back", Body: wire.EventBody{
		Subject: "shop", From: "monitoring", Headline: "ROLLBACK: API 5xx 5.0 % > 3 % for 11 min", Sentence: "552 of 11,010 requests failed & <more>.",
		Detail: []string{"under 1 in 523 good releases would look like this"}, Owner: "DevSecOps", Action: "revert the alias", Command: "aws lambda update-alias",
	}}
}

// Review is an event that has the review archived: every role has signed it.
func Review() Event {
	return Event{Kind: fact.ReviewEvent, To: "complete", Body: wire.EventBody{Subject: "review", Headline: "REVIEW: every role has signed the review"}}
}

// Phase is what becomes of a phase.
func Phase(name, from, to string) Event {
	return Event{Kind: fact.PhaseEvent, To: to, Body: wire.EventBody{Subject: name, Phase: name, From: from, Headline: strings.ToUpper(to) + ": " + name, Sentence: "It is " + to + "."}}
}

// Outcome is what was there in the end.
type Outcome struct {
	Counts []int    // of each event
	Dead   []string // ids of dead letters
	Steps  int      // that the first process took
}

// errKilled is what everything answers after the kill.
var errKilled = errors.New("killed")

// life counts the steps of a process, and ends it before one of them.
type life struct {
	mu    sync.Mutex
	steps int
	last  int // the step before which it is killed; 0: it lives on
	ended chan struct{}
}

// step reports whether the process is alive.
func (l *life) step() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last > 0 && l.steps >= l.last-1 {
		if l.steps == l.last-1 {
			l.steps++
			close(l.ended)
		}
		return false
	}
	l.steps++
	return true
}

// sink makes the sink of a process.
func (b Bench) sink(l *life, r Receiver, m outbox.Memory) (outbox.Sink, error) {
	if d, ok := r.(Dialed); ok {
		return b.Dialing(func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := d.Dial(ctx, network, address)
			return spoken{c, l}, err
		}, m)
	}
	return b.Sink(l.over(outboxtest.Network{Handler: r.(http.Handler)}), m)
}

// spoken is a connection each of whose lines is a step before it is said, and one before the
// answer is heard.
type spoken struct {
	net.Conn
	life *life
}

func (s spoken) Write(p []byte) (int, error) {
	if !s.life.step() {
		return 0, errKilled
	}
	return s.Conn.Write(p)
}

func (s spoken) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if !s.life.step() {
		return 0, errKilled
	}
	return n, err
}

// over is a network each of whose requests is two steps: before it is sent, and before its
// answer is read.
func (l *life) over(network http.RoundTripper) http.RoundTripper { return mortal{l, network} }

type mortal struct {
	life    *life
	network http.RoundTripper
}

func (m mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	if !m.life.step() {
		return nil, errKilled
	}
	resp, err := m.network.RoundTrip(r)
	if !m.life.step() {
		return nil, errKilled
	}
	return resp, err
}

// Killed tries the sink and kills it before one step, 0 for none, with a fault in the first
// call that the receiver gets of the first process. Then a new process ends the work.
func (b Bench) Killed(t *testing.T, step int, fault faulttest.Fault, call int) (out Outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		file := &journaltest.File{}
		file.Config.Path = filepath.Join(folder(t), "relgate.db")
		r := b.Receiver(func(n int) faulttest.Fault {
			if n == call {
				return fault
			}
			return faulttest.None
		})
		first := &life{last: step, ended: make(chan struct{})}
		b.work(t, file, r, first, true)
		out.Steps = first.steps
		out.Dead = b.work(t, file, r, &life{ended: make(chan struct{})}, false)
		time.Sleep(time.Minute) // what comes late is there by now
		for i := range b.Events {
			out.Counts = append(out.Counts, r.Count(fmt.Sprintf("%s/%d", UID, i+1)))
		}
		for _, w := range r.Wrong() {
			t.Errorf("killed before step %d, %v in call %d: %s", step, fault, call, w)
		}
	})
	return out
}

// folder is one for a journal: in memory where there is such a place, because thousands of
// journals are written here, and what dies is the process and not the disk.
func folder(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "relgate-killtest-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// work is the life of one process: it opens the journal and delivers until all is done or it
// is killed. The first one commits the events.
func (b Bench) work(t *testing.T, file *journaltest.File, r Receiver, l *life, first bool) (dead []string) {
	t.Helper()
	opened, err := file.Open(Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	}()
	if first {
		if err := opened.Commit(t.Context(), b.batch()); err != nil {
			t.Fatal(err)
		}
	}
	j := &journaltest.Faulty{Journal: opened, Fault: func(string) journaltest.Fault {
		if l.step() {
			return journaltest.Sound
		}
		return journaltest.Crashed
	}}
	sink, err := b.sink(l, r, j)
	if err != nil {
		t.Fatal(err)
	}
	o, err := outbox.New(outbox.Config{
		Feed: j, Endpoints: []outbox.Endpoint{{Name: Endpoint, Sink: sink}}, Encode: b.encode, Grace: time.Nanosecond,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan error, 1)
	go func() { running <- o.Run(ctx) }()
	drained := make(chan error, 1)
	go func() { drained <- o.Drain(ctx) }()
	select {
	case <-l.ended:
	case <-drained:
		drained <- nil
	case <-time.After(7 * 24 * time.Hour):
		t.Error("it is not done within a week")
	}
	cancel()
	<-drained
	<-running // it cannot save, once it was killed
	letters, err := opened.DeadLetters(t.Context(), Endpoint)
	if err != nil {
		t.Error(err)
	}
	for _, d := range letters {
		dead = append(dead, d.Event.ID+": "+d.Reason)
	}
	return dead
}

func (b Bench) batch() fact.Batch {
	at := time.Now().UTC().Truncate(time.Second)
	e := fact.Entry{Run: Run, Digest: "d", Document: []byte("{}"), Tick: fact.Tick{At: at}, Record: fact.RunRecord{ID: Run, Plan: "shop", Version: "1.2.0", Try: 1, Start: at, Begun: at}}
	for i, ev := range b.Events {
		e.Events = append(e.Events, fact.Event{
			ID: fmt.Sprintf("%s/%d", UID, i+1), N: uint64(i + 1), Run: Run, Plan: "shop", Version: "1.2.0", At: at, Kind: ev.Kind, To: ev.To, From: ev.Body.From, Subject: ev.Body.Subject, Phase: ev.Body.Phase,
		})
	}
	return fact.Batch{e}
}

func (b Bench) encode(_ context.Context, s fact.Stored) ([]byte, error) {
	e, body := &s.Event, b.Events[s.Event.N-1].Body
	body.Kind, body.Type, body.Severity, body.ID, body.N, body.Run, body.Plan, body.Version, body.To = string(e.Kind), wire.EventType(e), string(e.Severity()), e.ID, e.N, Run, "shop", "1.2.0", e.To
	body.At = &e.At
	return json.Marshal(body)
}

// Row is what is there in the end of the last of a bench's events: "1 or 2", "0*". A star
// is a dead letter.
type Row struct {
	Killed string                     // after a kill at any step
	Faults map[faulttest.Fault]string // after a fault in any call
	Both   string                     // after a fault, and a kill at any step; empty unless both were tried
}

// Try kills the sink at every step, and has every fault in each of the first calls. With
// both it does both at once, which takes long. wrong says what is wrong with an outcome of
// one of them, empty for nothing, and worse with one of both.
func (b Bench) Try(t *testing.T, both bool, wrong, worse func(Outcome) string) Row {
	t.Helper()
	row := Row{Faults: map[faulttest.Fault]string{}}
	killed, together := map[string]bool{}, map[string]bool{}
	note := func(seen map[string]bool, o Outcome, wrong func(Outcome) string, format string, args ...any) {
		seen[o.last()] = true
		if w := wrong(o); w != "" {
			t.Errorf("%s: %s: %+v", fmt.Sprintf(format, args...), w, o)
		}
	}
	whole := b.Killed(t, 0, faulttest.None, 0)
	note(killed, whole, wrong, "undisturbed")
	for step := 1; step <= whole.Steps; step++ {
		note(killed, b.Killed(t, step, faulttest.None, 0), wrong, "killed before step %d of %d", step, whole.Steps)
	}
	for _, fault := range faulttest.Faults() {
		seen := map[string]bool{}
		for call := 1; call <= 4; call++ {
			o := b.Killed(t, 0, fault, call)
			note(seen, o, wrong, "%v in call %d", fault, call)
			for step := 1; both && step <= o.Steps; step++ {
				note(together, b.Killed(t, step, fault, call), worse, "%v in call %d, and killed before step %d of %d", fault, call, step, o.Steps)
			}
		}
		row.Faults[fault] = either(seen)
	}
	row.Killed, row.Both = either(killed), either(together)
	return row
}

// String is a row of a table: the columns are a kill, and each of the faults.
func (r Row) String() string {
	cells := []string{r.Killed}
	for _, f := range faulttest.Faults() {
		cells = append(cells, r.Faults[f])
	}
	return strings.Join(cells, " | ")
}

// Manual holds the table in docs/people.md to the rows that a test has seen: those of the sinks
// that they name stand there, and no other of these sinks.
func Manual(t *testing.T, rows []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/people.md")
	if err != nil {
		t.Fatal(err)
	}
	sink := func(row string) string {
		name, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), ":")
		name, _, _ = strings.Cut(name, ",")
		return name
	}
	var sinks, there []string
	for _, row := range rows {
		sinks = append(sinks, sink(row))
	}
	_, table, _ := strings.Cut(string(text), "| | killed at any step |")
	table, _, _ = strings.Cut(table, "\n\n")
	for line := range strings.Lines(table) {
		if slices.Contains(sinks, sink(line)) {
			there = append(there, strings.TrimSuffix(line, "\n"))
		}
	}
	if !slices.Equal(there, rows) {
		t.Errorf("docs/people.md says\n%s\nwant\n%s", strings.Join(there, "\n"), strings.Join(rows, "\n"))
	}
}

// last says what is there of the last event.
func (o Outcome) last() string {
	n := o.Counts[len(o.Counts)-1]
	if len(o.Dead) > 0 {
		return fmt.Sprintf("%d*", n)
	}
	return fmt.Sprint(n)
}

func either(seen map[string]bool) string {
	var all []string
	for _, s := range []string{"0", "0*", "1", "1*", "2", "2*", "3", "3*"} {
		if seen[s] {
			all = append(all, s)
		}
	}
	return strings.Join(all, " or ")
}
