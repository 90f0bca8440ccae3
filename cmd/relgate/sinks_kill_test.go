package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/email/smtptest"
	"github.com/relgate/relgate/exporters/outbox/faulttest"
	"github.com/relgate/relgate/exporters/slack/slacktest"
	"github.com/relgate/relgate/exporters/statuspage/statuspagetest"
)

// tableRows maps each sink of the test to the row of the table in docs/people.md that says how
// often a message is there, and an order.
var tableRows = map[string][2]string{
	"slack": {"Slack, bot: message", "Slack, bot: order"}, "hook": {"Slack, webhook: message", "Slack, webhook: order"}, "statuspage": {"Statuspage: first message", ""},
	"pagerduty": {"PagerDuty: message", "PagerDuty: order"}, "teams": {"Teams: message", "Teams: order"}, "email": {"E-mail: message", "E-mail: order"},
}

// theatre has the receivers of all sinks. The first thing that each is asked to do has a
// fault, and says that it has come there.
type theatre struct {
	fault   faulttest.Fault
	reached chan string
	killed  chan struct{} // closed once the daemon was killed

	mu    sync.Mutex
	armed map[string]bool // :: sink → it has not been asked for anything yet
	posts map[string][]string

	slack, hook *slacktest.Server
	page        *statuspagetest.Server
	mail        *smtptest.Server
	config      string
	secrets     map[string]string // :: file → what is in it
}

// take gives the fault of what a sink is asked to do, and whether it is the first. What a
// daemon still asks for after that, because the kill comes late, it asks for in vain.
func (s *theatre) take(sink string) (faulttest.Fault, bool) {
	s.mu.Lock()
	first := s.armed[sink]
	delete(s.armed, sink)
	s.mu.Unlock()
	if first {
		return s.fault, true
	}
	select {
	case <-s.killed:
		return faulttest.None, false
	default:
		<-s.killed
		return faulttest.Hanging, false
	}
}

// staged serves a receiver.
func (s *theatre) staged(t *testing.T, sink string, writes func(r *http.Request) bool, h http.Handler) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // cut off by a kill
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		fault, first := faulttest.None, false
		if writes(r) {
			fault, first = s.take(sink)
		}
		answer := &heldAnswer{header: http.Header{}, status: http.StatusOK}
		if fault.Done() {
			h.ServeHTTP(answer, r)
		}
		switch fault {
		case faulttest.Hanging, faulttest.Lost:
			if first {
				s.reached <- sink
			}
			<-r.Context().Done()
			return
		case faulttest.Broken, faulttest.Lying:
			answer = &heldAnswer{header: http.Header{}, status: http.StatusInternalServerError}
		}
		maps.Copy(w.Header(), answer.header)
		w.WriteHeader(answer.status)
		_, _ = w.Write(answer.body)
		_ = http.NewResponseController(w).Flush()
		if first {
			s.reached <- sink
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// newTheatre makes the receivers, and what a config says of them.
func newTheatre(t *testing.T, fault faulttest.Fault, alarm bool, sinks []string) *theatre {
	s := &theatre{fault: fault, reached: make(chan string, 16), killed: make(chan struct{}), armed: map[string]bool{}, posts: map[string][]string{}}
	for _, sink := range sinks {
		s.armed[sink] = true
	}
	s.slack = &slacktest.Server{Token: "secret-of-the-test", Channels: map[string]string{"ops": "C0000OPS"}}
	s.hook = &slacktest.Server{Webhook: "/services/T/B/x", To: "C0000OPS"}
	s.page = &statuspagetest.Server{Token: "secret-of-the-test", Page: "page0xc0ffee"}
	s.mail = smtptest.New(t, smtptest.Config{Answer: func(step smtptest.Step, _ string) smtptest.Mode {
		if step != smtptest.End {
			return smtptest.Mode{}
		}
		fault, first := s.take("email")
		if first {
			s.reached <- "email" // as good as answered
		}
		if first && alarm && fault != faulttest.None {
			<-s.killed // a no that is heard is no doubt: what is sent again then is not marked
		}
		switch fault {
		case faulttest.Hanging, faulttest.Lost:
			return smtptest.Mode{Hang: true, Take: fault.Done()}
		case faulttest.Broken, faulttest.Lying:
			return smtptest.Mode{Reply: "554 5.3.0 no", Take: fault.Done()}
		}
		return smtptest.Mode{}
	}})
	post := func(sink, answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.posts[sink] = append(s.posts[sink], string(body))
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, answer)
		}
	}
	posts := func(r *http.Request) bool { return r.Method != http.MethodGet }
	s.config = fmt.Sprintf(`
[sinks.slack]
token   = { file = "token" }
channel = "#ops"
api     = "%s/api"
allow   = ["127.0.0.1"]
[sinks.hook]
type  = "slack"
url   = { file = "hook" }
allow = ["127.0.0.1"]
[sinks.statuspage]
token = { file = "token" }
page  = "page0xc0ffee"
api   = "%s/v1"
allow = ["127.0.0.1"]
[sinks.pagerduty]
routing_key = { file = "key" }
api   = "%s/pagerduty"
allow = ["127.0.0.1"]
[sinks.teams]
url   = { file = "teams" }
allow = ["127.0.0.1"]
[sinks.email]
server     = "127.0.0.1:%d"
encryption = "none"
from       = "gate@bioage.example"
to         = "ops@bioage.example"
allow      = ["127.0.0.1"]
`, s.staged(t, "slack", func(r *http.Request) bool { return r.URL.Path == "/api/chat.postMessage" }, s.slack),
		s.staged(t, "statuspage", posts, s.page), s.staged(t, "pagerduty", posts, post("pagerduty", `{"status":"success"}`)), s.mail.Port())
	s.secrets = map[string]string{
		"teams": s.staged(t, "teams", posts, post("teams", "")) + "/workflow", "hook": s.staged(t, "hook", posts, s.hook) + s.hook.Webhook,
		"token": "secret-of-the-test", "key": "secret-of-the-test-0123456789ab",
	}
	return s
}

// begin gives the daemon its folder, in which a message of the plan is due at each sink, or
// with alarm a rule fires that tells them.
func (s *theatre) begin(t *testing.T, sinks []string, alarm bool) string {
	dir, sentry := t.TempDir(), newCrashes(t)
	text := launchPlan("doomed", "6.6.6", time.Now().Add(-10*time.Minute).Truncate(time.Second), "2h")
	if alarm {
		sentry.set("6.6.6", 50)
		names, _ := json.Marshal(sinks)
		text = strings.Replace(text, "action  = \"revert\"\n", "action  = \"revert\"\nnotify  = "+string(names)+"\n", 1)
	} else {
		text += "\n[communications]\n"
		for _, sink := range sinks {
			text += fmt.Sprintf("to-%s = { at = \"T+5m\", to = %q, text = \"Deploy of {version} is starting\" }\n", sink, sink)
		}
	}
	for name, secret := range s.secrets {
		place(t, filepath.Join(dir, name), secret)
	}
	writeConfig(t, dir, text+strings.ReplaceAll(fmt.Sprintf(shopDaemon, sentry.URL), `{ env = "SHOP_SENTRY_TOKEN" }`, `{ file = "token" }`)+s.config)
	return dir
}

const repeatedMark = "this may be here twice"

// thing is what a receiver has once.
type thing struct {
	key    string // by which two are known to be the same; empty where none is
	marked bool   // it says that it may be a repetition
}

// there lists what a sink's receiver has.
func (s *theatre) there(t *testing.T, sink string) (all []thing) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch sink {
	case "slack", "hook":
		for _, m := range map[string]*slacktest.Server{"slack": s.slack, "hook": s.hook}[sink].Messages() {
			blocks, _ := json.Marshal(m.Blocks)
			all = append(all, thing{m.ID, strings.Contains(string(blocks), repeatedMark)})
		}
	case "statuspage":
		for _, i := range s.page.Incidents() {
			for _, u := range i.Updates {
				all = append(all, thing{key: u})
			}
		}
	case "pagerduty":
		for _, body := range s.posts[sink] {
			var alert struct {
				Key string `json:"dedup_key"`
			}
			if err := json.Unmarshal([]byte(body), &alert); err != nil || alert.Key == "" {
				t.Errorf("PagerDuty: %v: %s", err, body)
			}
			if !slices.Contains(all, thing{key: alert.Key}) { // it knows it again
				all = append(all, thing{key: alert.Key})
			}
		}
	case "teams":
		for _, body := range s.posts[sink] {
			all = append(all, thing{marked: strings.Contains(body, repeatedMark)})
		}
	case "email":
		for _, m := range s.mail.Messages() {
			parsed, err := mail.ReadMessage(bytes.NewReader(m.Data))
			if err != nil {
				t.Error(err)
				continue
			}
			all = append(all, thing{parsed.Header.Get("Message-Id"), strings.HasPrefix(parsed.Header.Get("Subject"), "Repeated: ")})
		}
	}
	return all
}

// endpoints is /v1/deliveries by name.
func (s *shopkeeper) endpoints() map[string]endpointBody {
	s.t.Helper()
	_, text := get(s.t, s.url+"/v1/deliveries")
	var list deliveryList
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		s.t.Fatalf("%v: %s", err, text)
	}
	all := map[string]endpointBody{}
	for _, e := range list.Endpoints {
		all[e.Endpoint] = e
	}
	return all
}

// tableCells reads the cells of a row that a kill and a fault may both come to.
func tableCells(t *testing.T, row string, fault faulttest.Fault) (may []string) {
	t.Helper()
	_, line, found := strings.Cut(readText(t, "../../"+peoplePage), "\n| "+row+" | ")
	if !found {
		t.Fatalf("the table has no row %q", row)
	}
	line, _, _ = strings.Cut(line, " |\n")
	cells := strings.Split(line, " | ")
	columns := []int{0}
	if i := slices.Index(faulttest.Faults(), fault); i >= 0 {
		columns = append(columns, i+1)
	}
	for _, c := range columns {
		may = append(may, strings.Split(cells[c], " or ")...)
	}
	return may
}

// playing is a theatre with a daemon that was killed, and is back.
type playing struct {
	*theatre
	name  string
	alarm bool
	sinks []string
	last  *shopkeeper
}

// play kills a daemon when each sink's receiver has come to its fault, and starts it again.
func play(t *testing.T, fault faulttest.Fault, alarm bool, sinks []string) *playing {
	t.Helper()
	p := &playing{theatre: newTheatre(t, fault, alarm, sinks), name: fmt.Sprintf("%v, alarm %t", fault, alarm), alarm: alarm, sinks: sinks}
	dir := p.begin(t, sinks, alarm)
	s := openShop(t, dir)
	for range sinks {
		select {
		case <-p.reached:
		case <-time.After(time.Minute):
			close(p.killed)
			t.Fatalf("%s: a receiver was asked for nothing:\n%s", p.name, s.log)
		}
	}
	s.kill()
	close(p.killed)
	p.last = openShop(t, dir)
	return p
}

// check waits until everything is delivered or given up, and holds what is there to the table.
func (p *playing) check(t *testing.T) {
	t.Helper()
	within(t, 2*time.Minute, p.name, func() bool { // what may still be done is waited for a minute
		all := p.last.endpoints()
		return !slices.ContainsFunc(p.sinks, func(sink string) bool {
			return all[sink].Pending > 0 || len(p.there(t, sink))+len(all[sink].DeadLetters) == 0
		})
	})
	events := 0 // of which each sink is told
	for _, e := range p.last.everything("doomed@6.6.6") {
		if e.Type == "relgate.rule.fired" || e.Type == "relgate.run.rolled_back" {
			events++
		}
	}
	if !p.alarm {
		events = 1
	}
	all := p.last.endpoints()
	for _, sink := range p.sinks {
		star, marked, keys := "", 0, map[string]int{}
		for _, d := range all[sink].DeadLetters {
			star = "*"
			doubt := strings.Contains(d.Reason, "not known whether") || strings.Contains(d.Reason, "did not say whether")
			if said554 := sink == "email" && strings.Contains(d.Reason, "554"); !doubt && !said554 {
				t.Errorf("%s: %s: the dead letter does not say that it is in doubt: %s", p.name, sink, d.Reason)
			}
		}
		there := p.there(t, sink)
		for _, x := range there {
			keys[x.key]++
			if x.marked {
				marked++
			}
		}
		counts := slices.Collect(maps.Values(keys))
		if keys[""] > 0 || len(keys) == 0 { // one cannot be told from another: all together
			counts = make([]int, events)
			for i := range there {
				counts[i%events]++
			}
		}
		row := tableRows[sink][map[bool]int{true: 1}[p.alarm]]
		may := tableCells(t, row, p.fault)
		for _, n := range counts {
			if got := strconv.Itoa(n) + star; !slices.Contains(may, got) {
				t.Errorf("%s: %s has %s, and the table says %q: %v", p.name, sink, got, may, there)
			}
		}
		if len(counts) != events || p.alarm && marked < len(there)-events || !p.alarm && marked > 0 {
			t.Errorf("%s: %s has %d of %d, of which %d say that they may be repetitions", p.name, sink, len(there), events, marked)
		}
	}
	for _, wrong := range slices.Concat(p.slack.Wrong(), p.hook.Wrong(), p.page.Wrong()) {
		t.Errorf("%s: %s", p.name, wrong)
	}
	p.last.kill()
}

// The daemon is killed with -9 at every step between a message's intent and its result, at the
// receiver of each sink: while that holds the request, when it has done it and not answered, and
// as it has answered that it did, that it did not, or that it did not though it did. What is
// there after a restart is what the table in docs/people.md says: never two of a message of the
// plan, and an alarm again where that is in doubt, marked as such.
func TestKilledAtEachStepSinksHaveWhatTheTableSays(t *testing.T) {
	t.Parallel()
	type scene struct {
		fault faulttest.Fault
		alarm bool
		sinks []string
	}
	var slow, quick []scene
	for _, alarm := range []bool{false, true} {
		sinks := slices.Sorted(maps.Keys(tableRows))
		if alarm {
			sinks = slices.DeleteFunc(sinks, func(sink string) bool { return sink == "statuspage" }) // only messages go there
		}
		slow, quick = append(slow, scene{faulttest.Hanging, alarm, sinks}), append(quick, scene{faulttest.Lost, alarm, sinks})
		for _, sink := range sinks { // one by one: it is killed at once, when the answer is under way
			for _, fault := range []faulttest.Fault{faulttest.None, faulttest.Lying, faulttest.Broken} {
				// One that can be asked may do what it was asked for until a minute is over.
				list := &quick
				if fault == faulttest.Broken && (sink == "slack" || sink == "statuspage") {
					list = &slow
				}
				*list = append(*list, scene{fault, alarm, []string{sink}})
			}
		}
	}
	var waiting []*playing
	for _, s := range slow {
		waiting = append(waiting, play(t, s.fault, s.alarm, s.sinks))
	}
	for _, s := range quick { // not in parallel: each would queue behind all other tests, and the slow ones' daemons with it
		t.Run(fmt.Sprintf("%v alarm %t %s", s.fault, s.alarm, s.sinks), func(t *testing.T) {
			play(t, s.fault, s.alarm, s.sinks).check(t)
		})
	}
	for _, p := range waiting {
		p.check(t)
	}
}
