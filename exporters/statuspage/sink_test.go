package statuspage_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/faulttest"
	"github.com/relgate/relgate/exporters/outbox/killtest"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
	"github.com/relgate/relgate/exporters/statuspage"
	"github.com/relgate/relgate/exporters/statuspage/statuspagetest"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
)

var long = flag.Bool("long", false, "run the tests that take minutes")

var t0 = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

const token = "s3cret-key"

func newPage(fault func(n int) faulttest.Fault) *statuspagetest.Server {
	return &statuspagetest.Server{Token: token, Page: "page0xc0ffee", Components: map[string]string{"component001": "API", "component002": "Web app"}, Fault: fault}
}

// sinkOf makes the sink of a config with what a test always has.
func sinkOf(transport http.RoundTripper, m outbox.Memory, c statuspage.Config) (outbox.Sink, error) {
	net, err := webhook.New(webhook.Config{Transport: transport}, webhook.Endpoint{Name: killtest.Endpoint, URL: "https://statuspage.example/v1", Format: format.None()})
	if err != nil {
		return nil, err
	}
	c.Endpoint, c.Net, c.URL, c.Page, c.Memory, c.Token = killtest.Endpoint, net, "https://statuspage.example/v1", "page0xc0ffee", m, cmpOr(c.Token, token)
	return statuspage.New(c)
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func sink(t *testing.T, page http.Handler, m outbox.Memory, c statuspage.Config) outbox.Sink {
	t.Helper()
	s, err := sinkOf(outboxtest.Network{Handler: page}, m, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sent makes the outbox's message of the nth event of a run.
func sent(n int, e killtest.Event) outbox.Message {
	b := e.Body
	b.Kind, b.To, b.Run, b.Plan, b.Version = string(e.Kind), e.To, killtest.Run, "shop", "1.2.0"
	b.Type, b.ID, b.N = "relgate."+b.Kind+"."+b.To, fmt.Sprintf("%s/%d", killtest.UID, n), uint64(n)
	if b.To == "rolled_back" {
		b.Severity = "critical"
	}
	data, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	return outbox.Message{ID: b.ID, Type: b.Type, N: b.N, Plan: "shop", Subject: b.Subject, At: t0, Data: data, Order: b.To == "rolled_back"}
}

// drawn writes incidents as lines.
func drawn(page *statuspagetest.Server) string {
	var lines []string
	for _, i := range page.Incidents() {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s, %s, impact %q %s %s", i.Name, i.Status, i.Impact, i.From, i.To)))
		for _, u := range i.Updates {
			_, u, _ = strings.Cut(u, " ")
			lines = append(lines, "  "+u)
		}
	}
	return strings.Join(lines, "\n")
}

// A run is one incident or one maintenance, which each message after the first updates.
func TestARunIsOneIncident(t *testing.T) {
	beginsAt := func(at time.Time) func(context.Context, string) (time.Time, error) {
		return func(context.Context, string) (time.Time, error) { return at, nil }
	}
	for _, tt := range []struct {
		name   string
		config statuspage.Config
		events []killtest.Event
		want   string
		states string
	}{
		{"an incident", statuspage.Config{}, []killtest.Event{
			killtest.Message("Live to 10 %", ""), killtest.Message("Live to 50 %", "API=degraded_performance, web app"), killtest.Message("Live to all", "resolved, component001 = operational"),
		}, "Deploy of 1.2.0, resolved, impact \"\"\n  monitoring: Live to 10 %\n  monitoring: Live to 50 %\n  resolved: Live to all", "map[component001:operational]"},
		{"a maintenance before T", statuspage.Config{Maintenance: true, Start: beginsAt(t0.Add(24 * time.Hour)), Components: "API = under_maintenance"}, []killtest.Event{
			killtest.Message("Tomorrow", ""), killtest.Message("Now", "in_progress"), killtest.Message("Done", "completed, API=operational"),
		}, "Deploy of 1.2.0, completed, impact \"\" 2025-06-05T02:00:00Z 2025-06-05T04:00:00Z\n  scheduled: Tomorrow\n  in_progress: Now\n  completed: Done", "map[component001:operational]"},
		{"a maintenance after T", statuspage.Config{Maintenance: true, Window: time.Hour, Start: beginsAt(t0.Add(-time.Minute))}, []killtest.Event{killtest.Message("Now", "")},
			"Deploy of 1.2.0, in_progress, impact \"\" 2025-06-04T01:59:00Z 2025-06-04T02:59:00Z\n  in_progress: Now", "map[]"},
		{"a maintenance by its target", statuspage.Config{}, []killtest.Event{killtest.Message("Soon", "scheduled")},
			"Deploy of 1.2.0, scheduled, impact \"\" 2025-06-04T02:00:00Z 2025-06-04T04:00:00Z\n  scheduled: Soon", "map[]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			page, m := newPage(nil), outboxtest.New()
			for round := range 2 { // a replay after a restart changes nothing
				s := sink(t, page, m, tt.config)
				for n, e := range tt.events {
					if o := s.Send(t.Context(), sent(n+1, e)); !o.OK || !strings.HasPrefix(o.Kept, "incident incident0001") {
						t.Fatalf("%s, event %d: %+v, %q", tt.name, n+1, o, page.Wrong())
					}
				}
				if got := strings.ReplaceAll(drawn(page), `impact "none"`, `impact ""`); got != tt.want || fmt.Sprint(page.States()) != tt.states {
					t.Errorf("%s, round %d:\ngot\n%s\n%v\nwant\n%s\n%s", tt.name, round, got, page.States(), tt.want, tt.states)
				}
			}
			for _, gap := range page.Gaps() {
				if gap < time.Second {
					t.Errorf("%s: two requests within %v", tt.name, gap)
				}
			}
			for _, wrong := range page.Wrong() {
				t.Errorf("%s: %s", tt.name, wrong)
			}
		})
	}
}

// An incident that a person has removed is made anew by the next message.
func TestAnIncidentThatIsGoneComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		page := newPage(nil)
		s := sink(t, page, outboxtest.New(), statuspage.Config{})
		for n := range 3 {
			if o := s.Send(t.Context(), sent(n+1, killtest.Message(fmt.Sprint("message ", n+1), ""))); !o.OK {
				t.Fatalf("%+v", o)
			}
			if n == 0 {
				page.Remove()
			}
		}
		if got, want := drawn(page), "Deploy of 1.2.0, monitoring, impact \"\"\n  monitoring: message 2\n  monitoring: message 3"; strings.ReplaceAll(got, "none", "") != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// An incident that was made in place of one that a person has removed is found by the run in
// its metadata, whatever was answered when it was made: there is no second one.
func TestTheIncidentInPlaceOfARemovedOneIsMadeOnce(t *testing.T) {
	for _, fault := range faulttest.Faults() {
		for _, given := range []bool{false, true} { // the message whose answer was lost is given up, and the next one comes
			synctest.Test(t, func(t *testing.T) {
				posts := 0
				page := newPage(nil)
				page.Fault = func(n int) faulttest.Fault {
					if calls := page.Calls(); calls[len(calls)-1] == "POST /incidents" {
						if posts++; posts == 2 {
							return fault
						}
					}
					return faulttest.None
				}
				s := sink(t, page, outboxtest.New(), statuspage.Config{})
				send := func(n int) outbox.Outcome {
					return s.Send(t.Context(), sent(n, killtest.Message(fmt.Sprint("message ", n), "")))
				}
				if o := send(1); !o.OK {
					t.Fatalf("%+v", o)
				}
				page.Remove()
				if o := send(2); o.OK {
					t.Fatalf("%v: %+v, want a failure", fault, o)
				}
				time.Sleep(5 * time.Minute)
				want := []string{"message 2", "message 3"}
				if given {
					if o := send(3); !o.OK {
						t.Errorf("%v: %+v", fault, o)
					}
					if want = []string{"message 3", "message 2"}; fault.Done() {
						want = []string{"message 2", "message 3"}
					}
				}
				if o := send(2); !o.OK {
					t.Errorf("%v: %+v", fault, o)
				}
				if o := send(3); !o.OK {
					t.Errorf("%v: %+v", fault, o)
				}
				if got, want := strings.ReplaceAll(drawn(page), "none", ""), "Deploy of 1.2.0, monitoring, impact \"\"\n  monitoring: "+strings.Join(want, "\n  monitoring: "); got != want {
					t.Errorf("%v, given up %v: got\n%s\nwant\n%s", fault, given, got, want)
				}
				for _, wrong := range page.Wrong() {
					t.Error(wrong)
				}
			})
		}
	}
}

// The id of an incident comes once, also after it was removed and the server began anew: what
// finds another by an old id would never be seen.
func TestNoIDComesTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		page, ids := newPage(nil), map[string]bool{}
		for n := range 3 {
			if o := sink(t, page, outboxtest.New(), statuspage.Config{}).Send(t.Context(), sent(n+1, killtest.Message("text", ""))); !o.OK {
				t.Fatalf("%+v", o)
			}
			id := page.Incidents()[0].ID
			if ids[id] {
				t.Errorf("%s comes twice", id)
			}
			ids[id] = true
			page.Remove()
			saved, err := page.Save()
			if err != nil {
				t.Fatal(err)
			}
			if page = newPage(nil); page.Load(saved) != nil {
				t.Fatal("what was saved cannot be loaded")
			}
		}
	})
}

// What Statuspage's answers mean, and what is refused before it is asked.
func TestAnswersOfStatuspage(t *testing.T) {
	says := func(status int, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		})
	}
	message := sent(1, killtest.Message("text", ""))
	for _, tt := range []struct {
		name string
		page http.Handler
		m    outbox.Message
		want outbox.Outcome
	}{
		{"a wrong token", says(401, token), message, outbox.Outcome{Reason: "answered 401: the token was rejected, or may not do this"}},
		{"an unknown page", says(404, "{}"), message, outbox.Outcome{Reason: "answered 404: there is no such page, or the incident was removed"}},
		{"too much, of old", says(420, "{}"), message, outbox.Outcome{RetryAfter: time.Minute, Reason: "answered 420: too many requests with this token"}},
		{"too much", says(429, "{}"), message, outbox.Outcome{RetryAfter: time.Minute, Reason: "answered 429: too many requests with this token"}},
		{"not taken", says(422, "{}"), message, outbox.Outcome{Refused: true, Reason: "answered 422: Statuspage rejected this: the status does not fit, or a component does not exist"}},
		{"an error", says(503, "{}"), message, outbox.Outcome{Doubt: true, Reason: "answered 503 Service Unavailable"}},
		{"a login page", says(200, "<html>"), message, outbox.Outcome{Doubt: true, Reason: "answered 200, but not in Statuspage's form"}},
		{"JSON of another", says(201, `{"ok":true}`), message, outbox.Outcome{Doubt: true, Reason: "Statuspage did not say which incident it is"}},
		{"no such component", newPage(nil), sent(1, killtest.Message("text", "Mobile")), outbox.Outcome{Reason: `the page has no component "Mobile"`}},
		{"no such state", newPage(nil), sent(1, killtest.Message("text", "API = broken")), outbox.Outcome{Refused: true, Reason: `its target: component "API": state "broken": want one of operational, under_maintenance, degraded_performance, partial_outage, major_outage`}},
		{"two statuses", newPage(nil), sent(1, killtest.Message("text", "resolved, monitoring")), outbox.Outcome{Refused: true, Reason: `its target: it has two statuses, "resolved" and "monitoring"`}},
		{"what is no message of a plan", says(500, ""), sent(1, killtest.Alarm()), outbox.Outcome{OK: true, Skipped: true}},
		{"an event of no run", newPage(nil), outbox.Message{ID: "1", Data: []byte("{}")}, outbox.Outcome{Refused: true, Reason: "the event cannot be read, or is of no run"}},
	} {
		if got := sink(t, tt.page, outboxtest.New(), statuspage.Config{}).Send(t.Context(), tt.m); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
	full := outboxtest.New()
	full.Break(errors.New("disk full"))
	page := newPage(nil)
	if got := sink(t, page, full, statuspage.Config{}).Send(t.Context(), message); got.OK || len(page.Incidents()) != 0 || !strings.Contains(got.Reason, "disk full") {
		t.Errorf("while nothing can be kept: %+v, %d incidents", got, len(page.Incidents()))
	}
	if _, err := sinkOf(nil, full, statuspage.Config{Components: "API = broken"}); err == nil {
		t.Error("a component with a state that is none was taken")
	}
}

// After a failure that is certain the next attempt sends at once: nothing is to be looked for.
func TestWhatCertainlyDidNotArriveIsNotLookedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		page := newPage(func(n int) faulttest.Fault {
			if n == 1 {
				return faulttest.Busy
			}
			return faulttest.None
		})
		s := sink(t, page, outboxtest.New(), statuspage.Config{})
		message := sent(1, killtest.Message("text", ""))
		if o := s.Send(t.Context(), message); o.OK || o.Doubt || o.RetryAfter != time.Minute {
			t.Errorf("with 420: %+v", o)
		}
		if o := s.Send(t.Context(), message); !o.OK {
			t.Errorf("after that: %+v", o)
		}
		if got, want := page.Calls(), []string{"POST /incidents", "POST /incidents"}; !slices.Equal(got, want) {
			t.Errorf("requests %q, want %q", got, want)
		}
	})
}

// A page that has had more incidents than are ever read takes a message after a 500 too: those
// of long ago are not the run's.
func TestAPageWithALongHistoryTakesAMessageAfterAFailure(t *testing.T) {
	for _, recent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			fault := faulttest.Broken
			page := newPage(func(int) faulttest.Fault {
				defer func() { fault = faulttest.None }()
				return fault
			})
			message := sent(1, killtest.Message("text", ""))
			type incident struct {
				ID      string
				Created time.Time
			}
			var old struct {
				Incidents []incident
				Made      int
			}
			for old.Made < 1100 {
				old.Made++
				at := message.At.AddDate(-1, 0, 0).Add(time.Duration(old.Made) * time.Hour)
				if recent {
					at = message.At.Add(time.Duration(old.Made-1100) * time.Minute)
				}
				old.Incidents = append(old.Incidents, incident{fmt.Sprint("old", old.Made), at})
			}
			saved, err := json.Marshal(old)
			if err != nil || page.Load(saved) != nil {
				t.Fatal("the page takes no history")
			}
			s := sink(t, page, outboxtest.New(), statuspage.Config{})
			if o := s.Send(t.Context(), message); o.OK {
				t.Fatalf("%+v, want a failure", o)
			}
			time.Sleep(5 * time.Minute)
			o := s.Send(t.Context(), message)
			if recent && (o.OK || !strings.Contains(o.Reason, "more than 1000 incidents")) || !recent && !o.OK {
				t.Errorf("recent %v: %+v", recent, o)
			}
		})
	}
}

// Long texts are cut, and the metadata does not grow without end.
func TestNoMessageIsTooMuchForStatuspage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		page := newPage(nil)
		s := sink(t, page, outboxtest.New(), statuspage.Config{})
		for n := range 30 {
			e := killtest.Message(strings.Repeat("ü", 60_000), "")
			e.Body.Message.Subject = strings.Repeat("ü\n", 3000)
			if o := s.Send(t.Context(), sent(n+1, e)); !o.OK {
				t.Fatalf("%+v %q", o, page.Wrong())
			}
		}
		events := strings.Fields(page.Incidents()[0].Metadata["relgate"]["events"].(string))
		if len(events) > 21 || !slices.Contains(events, killtest.UID+"/30") {
			t.Errorf("metadata with %d events", len(events))
		}
	})
}

// Killed at every step, and whatever Statuspage answers, a message is there once.
func TestAMessageIsThereOnce(t *testing.T) {
	var rows []string
	bench := killtest.Bench{
		Receiver: func(f func(int) faulttest.Fault) killtest.Receiver { return newPage(f) },
		Sink: func(transport http.RoundTripper, m outbox.Memory) (outbox.Sink, error) {
			return sinkOf(transport, m, statuspage.Config{Components: "API"})
		},
	}
	once := func(o killtest.Outcome) string {
		if o.Counts[len(o.Counts)-1] != 1 || len(o.Dead) > 0 {
			return "want it once"
		}
		return ""
	}
	for _, tt := range []struct {
		name   string
		events []killtest.Event
	}{
		{"Statuspage: first message", []killtest.Event{killtest.Message("Live to 10 %", "")}},
		{"Statuspage: update", []killtest.Event{killtest.Message("Live to 10 %", ""), killtest.Message("Live to all", "resolved, API = operational")}},
	} {
		bench.Events = tt.events
		rows = append(rows, fmt.Sprintf("| %s | %v |", tt.name, bench.Try(t, *long, once, once)))
	}
	killtest.Manual(t, rows)
}
