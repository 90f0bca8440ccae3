// Package statuspagetest is a Statuspage in memory for tests and demonstrations: the requests of its API that
// relgate makes, strict about what they hold.
package statuspagetest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/relgate/relgate/exporters/outbox/faulttest"
)

// Incident is an incident or a maintenance.
type Incident struct {
	ID       string
	Name     string
	Status   string
	Impact   string
	From, To string // of a maintenance
	Updates  []string
	Created  time.Time
	Metadata map[string]map[string]any
}

// Server is a Statuspage with one page. Its fields are set before it is used.
type Server struct {
	Token      string
	Page       string
	Components map[string]string // :: id → name
	// Fault is asked what becomes of a request, the nth from 1; nil means nothing.
	Fault func(n int) faulttest.Fault

	mu        sync.Mutex
	incidents []*Incident // the oldest first
	made      int         // incidents so far, those that were removed too: no id comes twice
	states    map[string]string
	calls     []string
	at        []time.Time // of the calls
	wrong     []string
}

// Incidents are those that are there, the oldest first.
func (s *Server) Incidents() (list []Incident) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.incidents {
		list = append(list, *i)
	}
	return list
}

// memory is what a Statuspage keeps.
type memory struct {
	Incidents []*Incident
	Made      int
	States    map[string]string
}

// Save is what the server keeps, for another one that goes on from it.
func (s *Server) Save() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.Marshal(memory{s.incidents, s.made, s.states})
}

// Load goes on from what Save gave.
func (s *Server) Load(saved []byte) error {
	var m memory
	if err := json.Unmarshal(saved, &m); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.incidents, s.made, s.states = m.Incidents, m.Made, m.States
	return nil
}

// Remove takes all incidents away, as a person does.
func (s *Server) Remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.incidents = nil
}

// States maps the ids of components to the states that they were given.
func (s *Server) States() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.states
}

// Calls are the requests, as METHOD PATH.
func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Gaps are how far the requests are apart.
func (s *Server) Gaps() (list []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 1; i < len(s.at); i++ {
		list = append(list, s.at[i].Sub(s.at[i-1]))
	}
	return list
}

// Wrong is what was wrong with what was sent.
func (s *Server) Wrong() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.wrong)
}

// Count says how many updates are there of what an event tells of: 1 for each time that its
// id was written into an incident's metadata.
func (s *Server) Count(id string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.incidents {
		for _, u := range i.Updates {
			if strings.HasPrefix(u, id+" ") {
				n++
			}
		}
	}
	return n
}

type answer struct {
	status int
	body   any
}

type object = map[string]any

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.calls, s.at = append(s.calls, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/v1/pages/"+s.Page)), append(s.at, time.Now())
	n := len(s.calls)
	if n > 60 && time.Since(s.at[n-61]) < time.Minute {
		s.wrong = append(s.wrong, "more than 60 requests in a minute")
	}
	s.mu.Unlock()
	fault := faulttest.None
	if s.Fault != nil {
		fault = s.Fault(n)
	}
	do := func() answer {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.do(r, body)
	}
	if fault.Serve(w, r, faulttest.Limit{Status: 420, After: 60}, func() { do() }) {
		return
	}
	a := do()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body)
}

func (s *Server) fail(format string, args ...any) answer {
	text := fmt.Sprintf(format, args...)
	s.wrong = append(s.wrong, text)
	return answer{422, object{"error": []string{text}}}
}

// do carries a request out. The lock is held.
func (s *Server) do(r *http.Request, body []byte) answer {
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/pages/"+s.Page)
	switch {
	case r.Header.Get("Authorization") != "OAuth "+s.Token:
		return answer{401, object{"error": "Could not authenticate"}}
	case !ok:
		return answer{404, object{"error": "Not found"}}
	case r.Method == http.MethodGet && path == "/components":
		var list []any
		for _, id := range sorted(s.Components) {
			list = append(list, object{"id": id, "name": s.Components[id], "page_id": s.Page})
		}
		return s.page(r.URL.Query(), "per_page", list)
	case r.Method == http.MethodGet && path == "/incidents":
		var list []any
		for _, i := range slices.Backward(s.incidents) {
			list = append(list, s.shown(i))
		}
		return s.page(r.URL.Query(), "limit", list)
	case r.Method == http.MethodPost && path == "/incidents":
		return s.write(r, body, nil)
	}
	id, _ := strings.CutPrefix(path, "/incidents/")
	for _, i := range s.incidents {
		switch {
		case i.ID != id:
		case r.Method == http.MethodGet:
			return answer{200, s.shown(i)}
		case r.Method == http.MethodPatch:
			return s.write(r, body, i)
		}
	}
	return answer{404, object{"error": "Not found"}}
}

func sorted(m map[string]string) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (s *Server) page(q url.Values, key string, list []any) answer {
	size, err := strconv.Atoi(q.Get(key))
	n, bad := strconv.Atoi(q.Get("page"))
	if err != nil || bad != nil || size < 1 || size > 100 || n < 1 || len(q) != 2 {
		return s.fail("query %v", q)
	}
	from := min((n-1)*size, len(list))
	return answer{200, append([]any{}, list[from:min(from+size, len(list))]...)}
}

func (s *Server) shown(i *Incident) object {
	return object{"id": i.ID, "name": i.Name, "status": i.Status, "impact": i.Impact, "page_id": s.Page, "shortlink": "https://stspg.io/" + i.ID, "created_at": i.Created, "metadata": i.Metadata, "components": []any{}}
}

// fields are those of an incident that the API takes.
var fields = strings.Fields(`name status impact_override scheduled_for scheduled_until scheduled_remind_prior auto_transition_to_maintenance_state
	auto_transition_to_operational_state scheduled_auto_in_progress scheduled_auto_completed reminder_intervals metadata deliver_notifications
	auto_transition_deliver_notifications_at_end auto_transition_deliver_notifications_at_start body components component_ids scheduled_auto_transition backfilled backfill_date`)

var (
	realtime  = []string{"investigating", "identified", "monitoring", "resolved"}
	scheduled = []string{"scheduled", "in_progress", "verifying", "completed"}
	states    = []string{"operational", "under_maintenance", "degraded_performance", "partial_outage", "major_outage"}
)

// write makes an incident, or changes one.
func (s *Server) write(r *http.Request, body []byte, old *Incident) answer {
	var sent struct {
		Incident map[string]json.RawMessage `json:"incident"`
	}
	if err := json.Unmarshal(body, &sent); err != nil || r.Header.Get("Content-Type") != "application/json" {
		return s.fail("body of %q: %v", r.Header.Get("Content-Type"), err)
	}
	for key := range sent.Incident {
		if !slices.Contains(fields, key) {
			return s.fail("unknown field %s", key)
		}
	}
	var in struct {
		Name         string
		Status       string
		Impact       string `json:"impact_override"`
		From         string `json:"scheduled_for"`
		To           string `json:"scheduled_until"`
		Body         string
		ComponentIDs []string `json:"component_ids"`
		Components   map[string]string
		Metadata     map[string]map[string]any // objects only
	}
	whole, _ := json.Marshal(sent.Incident)
	if err := json.Unmarshal(whole, &in); err != nil {
		return s.fail("%v", err)
	}
	i := old
	if i == nil {
		i = &Incident{ID: fmt.Sprintf("incident%04d", s.made+1), Name: in.Name, From: in.From, To: in.To, Created: time.Now().UTC()}
	}
	planned := slices.Contains(scheduled, in.Status)
	from, e1 := time.Parse(time.RFC3339, in.From)
	to, e2 := time.Parse(time.RFC3339, in.To)
	switch {
	case old == nil && (in.Name == "" || len([]rune(in.Name)) > 255 || in.Status == ""):
		return s.fail("name %q, status %q", in.Name, in.Status)
	case in.Status != "" && !planned && !slices.Contains(realtime, in.Status):
		return s.fail("status %q", in.Status)
	case in.Status != "" && old != nil && planned != (old.From != ""):
		return answer{422, object{"error": []string{"status does not fit"}}}
	case old == nil && planned && (e1 != nil || e2 != nil || !to.After(from)), old == nil && !planned && in.From+in.To != "":
		return s.fail("scheduled from %q to %q", in.From, in.To)
	case in.Impact != "" && !slices.Contains([]string{"none", "maintenance", "minor", "major", "critical"}, in.Impact):
		return s.fail("impact %q", in.Impact)
	case in.Body == "" || len([]rune(in.Body)) > 25_000:
		return s.fail("body of %d characters", len(in.Body))
	}
	for id, state := range in.Components {
		if !slices.Contains(in.ComponentIDs, id) || !slices.Contains(states, state) {
			return s.fail("component %q: %q", id, state)
		}
	}
	for _, id := range in.ComponentIDs {
		if s.Components[id] == "" {
			return answer{422, object{"error": []string{"no such component"}}}
		}
	}
	if s.states == nil {
		s.states = map[string]string{}
	}
	for id, state := range in.Components {
		s.states[id] = state
	}
	if in.Status != "" {
		i.Status = in.Status
	}
	i.Impact, i.Metadata = in.Impact, in.Metadata
	event := ""
	if known, ok := in.Metadata["relgate"]["events"].(string); ok {
		event = known[strings.LastIndexByte(known, ' ')+1:]
	}
	i.Updates = append(i.Updates, event+" "+i.Status+": "+in.Body)
	if old == nil {
		s.incidents, s.made = append(s.incidents, i), s.made+1
		return answer{201, s.shown(i)}
	}
	return answer{200, s.shown(i)}
}
