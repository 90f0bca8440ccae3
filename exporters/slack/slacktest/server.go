// Package slacktest is a Slack in memory for tests and demonstrations: the methods of its Web API that relgate
// uses and an incoming webhook, strict about what they are sent.
package slacktest

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

// Message is one message in a channel.
type Message struct {
	Channel string
	TS      string
	Thread  string // ts of the message that it answers
	Text    string
	Blocks  []map[string]any
	ID      string // of metadata.event_payload
	Edits   int
	Came    int64           // when, by the server's Clock, in seconds since 1970
	Meta    json.RawMessage // the metadata, as it came
}

// Server is a Slack. Its fields are set before it is used.
type Server struct {
	Token    string
	Channels map[string]string // :: name → id; the bot is in them
	Users    map[string]string // :: user name → id
	Emails   map[string]string // :: address → id
	Denied   map[string]bool   // methods for which the token lacks a scope
	Webhook  string            // path of the incoming webhook, which posts to WebhookTo
	To       string            // id of the channel that the webhook posts to
	PageSize int               // of lists; 100 if zero
	// Fault is asked what becomes of a call, the nth of all from 1; nil means nothing.
	Fault func(method string, n int) faulttest.Fault
	Now   func() time.Time // for the names of messages; time.Now if nil
	Clock func() time.Time // by which it knows which messages are old; time.Now if nil

	mu       sync.Mutex
	messages []*Message
	calls    []string
	wrong    []string
	nth      int64
}

// Messages are those that are there, in the order in which they came.
func (s *Server) Messages() (list []Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		list = append(list, *m)
	}
	return list
}

// Remove takes a message away, as a person does.
func (s *Server) Remove(ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = slices.DeleteFunc(s.messages, func(m *Message) bool { return m.TS == ts })
}

// Calls are the methods that were called.
func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Wrong is what was wrong with what was sent.
func (s *Server) Wrong() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.wrong)
}

// memory is what a Slack keeps.
type memory struct {
	Messages []*Message
	Nth      int64
}

// Save is what the server keeps, for another one that goes on from it.
func (s *Server) Save() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.Marshal(memory{s.messages, s.nth})
}

// Load goes on from what Save gave.
func (s *Server) Load(saved []byte) error {
	var m memory
	if err := json.Unmarshal(saved, &m); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages, s.nth = m.Messages, m.Nth
	return nil
}

// Forget forgets what was called.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// accepts maps each method to the keys that it takes: of the query, or of the body.
var accepts = map[string][]string{
	"chat.postMessage":      {"channel", "text", "blocks", "metadata", "thread_ts", "reply_broadcast", "unfurl_links", "unfurl_media"},
	"chat.update":           {"channel", "ts", "text", "blocks", "metadata"},
	"conversations.open":    {"users", "return_im"},
	"conversations.history": {"channel", "oldest", "latest", "limit", "cursor", "inclusive", "include_all_metadata"},
	"conversations.replies": {"channel", "ts", "oldest", "latest", "limit", "cursor", "inclusive", "include_all_metadata"},
	"conversations.list":    {"types", "exclude_archived", "limit", "cursor"},
	"users.list":            {"limit", "cursor"},
	"users.lookupByEmail":   {"email"},
	"webhook":               {"text", "blocks", "unfurl_links", "unfurl_media", "thread_ts"},
}

// reads are the methods that take no JSON.
var reads = []string{"conversations.history", "conversations.replies", "conversations.list", "users.list", "users.lookupByEmail"}

// answer is what a call comes to: JSON of the API, or the text of the webhook.
type answer struct {
	status int
	body   any
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := strings.TrimPrefix(r.URL.Path, "/api/")
	if s.Webhook != "" && r.URL.Path == s.Webhook {
		method = "webhook"
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.calls = append(s.calls, method)
	n := len(s.calls)
	s.mu.Unlock()
	fault := faulttest.None
	if s.Fault != nil {
		fault = s.Fault(method, n)
	}
	do := func() answer {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.do(method, r, body)
	}
	if fault.Serve(w, r, faulttest.Limit{Status: http.StatusTooManyRequests, After: 7}, func() { do() }) {
		return
	}
	a := do()
	if text, ok := a.body.(string); ok {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, text)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body)
}

type object = map[string]any

func no(code string) answer { return answer{200, object{"ok": false, "error": code}} }

func (s *Server) fail(format string, args ...any) {
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

// do carries a call out. The lock is held.
func (s *Server) do(method string, r *http.Request, body []byte) answer {
	known, ok := accepts[method]
	if !ok {
		s.fail("there is no method %s", method)
		return no("unknown_method")
	}
	if method == "webhook" {
		return s.incoming(r, body)
	}
	if r.Header.Get("Authorization") != "Bearer "+s.Token {
		return no("invalid_auth")
	}
	if s.Denied[method] {
		return answer{200, object{"ok": false, "error": "missing_scope", "needed": "channels:read,groups:read", "provided": "chat:write"}}
	}
	if slices.Contains(reads, method) {
		if r.Method != http.MethodGet || len(body) > 0 {
			s.fail("%s: takes no JSON", method)
		}
		for key := range r.URL.Query() {
			if !slices.Contains(known, key) {
				s.fail("%s: unknown argument %s", method, key)
			}
		}
		return s.read(method, r.URL.Query())
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json; charset=utf-8" || r.URL.RawQuery != "" {
		s.fail("%s: %s of %q", method, r.Method, r.Header.Get("Content-Type"))
		return no("invalid_post_type")
	}
	var args object
	if err := json.Unmarshal(body, &args); err != nil {
		return no("invalid_json")
	}
	for key := range args {
		if !slices.Contains(known, key) {
			s.fail("%s: unknown argument %s", method, key)
			return no("invalid_arguments")
		}
	}
	return s.write(method, args)
}

func (s *Server) write(method string, args object) answer {
	channel, _ := args["channel"].(string)
	if method == "conversations.open" {
		user, _ := args["users"].(string)
		for _, id := range s.Users {
			if id == user {
				return answer{200, object{"ok": true, "channel": object{"id": "D" + user[1:]}}}
			}
		}
		return no("user_not_found")
	}
	if id := s.Channels[strings.TrimPrefix(channel, "#")]; id != "" && method == "chat.postMessage" {
		channel = id // only posting takes a name
	}
	if strings.HasPrefix(channel, "U") && method == "chat.postMessage" {
		channel = "D" + channel[1:] // or the id of a person, for the conversation with them
	}
	if !s.knows(channel) {
		return no("channel_not_found")
	}
	m, code := s.message(method, args)
	if code != "" {
		return no(code)
	}
	m.Channel = channel
	if method == "chat.update" {
		old := s.find(channel, args["ts"])
		if old == nil {
			return no("message_not_found")
		}
		old.Text, old.Blocks, old.Edits = m.Text, m.Blocks, old.Edits+1
		return answer{200, object{"ok": true, "channel": channel, "ts": old.TS, "text": m.Text}}
	}
	if m.Thread != "" && s.find(channel, m.Thread) == nil {
		return no("thread_not_found")
	}
	s.add(m)
	return answer{200, object{"ok": true, "channel": channel, "ts": m.TS, "message": object{"text": m.Text}}}
}

func (s *Server) knows(channel string) bool {
	if strings.HasPrefix(channel, "D") {
		return true
	}
	for _, id := range s.Channels {
		if id == channel {
			return true
		}
	}
	return false
}

func (s *Server) find(channel string, ts any) *Message {
	for _, m := range s.messages {
		if m.Channel == channel && m.TS == ts {
			return m
		}
	}
	return nil
}

func (s *Server) add(m *Message) {
	now, clock := time.Now, time.Now
	if s.Now != nil {
		now = s.Now
	}
	if s.Clock != nil {
		clock = s.Clock
	}
	s.nth++
	m.Came, m.TS = clock().Unix(), fmt.Sprintf("%d.%06d", now().Unix(), s.nth)
	s.messages = append(s.messages, m)
}

// message reads what is posted, and gives Slack's word for what is wrong with it.
func (s *Server) message(method string, args object) (*Message, string) {
	m := &Message{}
	m.Text, _ = args["text"].(string)
	m.Thread, _ = args["thread_ts"].(string)
	if m.Text == "" {
		return nil, "no_text"
	}
	list, _ := args["blocks"].([]any)
	for _, b := range list {
		block, _ := b.(object)
		m.Blocks = append(m.Blocks, block)
	}
	for _, w := range checkBlocks(m.Text, m.Blocks) {
		s.fail("%s: %s", method, w)
		return nil, "invalid_blocks"
	}
	if meta, given := args["metadata"].(object); given {
		kind, _ := meta["event_type"].(string)
		payload, _ := meta["event_payload"].(object)
		if kind == "" || payload == nil || len(meta) != 2 {
			s.fail("%s: metadata %v", method, meta)
			return nil, "invalid_metadata_format"
		}
		m.ID, _ = payload["id"].(string)
		m.Meta, _ = json.Marshal(meta)
	}
	return m, ""
}

func (s *Server) read(method string, q url.Values) answer {
	switch method {
	case "users.lookupByEmail":
		if id := s.Emails[q.Get("email")]; id != "" {
			return answer{200, object{"ok": true, "user": object{"id": id}}}
		}
		return no("users_not_found")
	case "users.list":
		return s.page("members", q, named(s.Users, func(name, id string) any {
			return object{"id": id, "name": name, "deleted": false, "profile": object{"display_name": strings.ToUpper(name)}}
		}))
	case "conversations.list":
		return s.page("channels", q, named(s.Channels, func(name, id string) any { return object{"id": id, "name": name, "is_archived": false} }))
	}
	if !s.knows(q.Get("channel")) {
		return no("channel_not_found")
	}
	var list []any
	for _, m := range slices.Backward(s.messages) { // the newest first
		inThread := m.Thread == q.Get("ts") || m.TS == q.Get("ts")
		if m.Channel != q.Get("channel") || (method == "conversations.replies") != (m.Thread != "") && m.TS != q.Get("ts") || method == "conversations.replies" && !inThread {
			continue
		}
		if oldest, err := strconv.ParseFloat(q.Get("oldest"), 64); err == nil && float64(m.Came) < oldest {
			continue
		}
		shown := object{"type": "message", "ts": m.TS, "text": m.Text}
		if q.Get("include_all_metadata") == "true" && m.Meta != nil {
			shown["metadata"] = m.Meta
		}
		list = append(list, shown)
	}
	return s.page("messages", q, list)
}

// named lists what a table has, by name.
func named(table map[string]string, show func(name, id string) any) (list []any) {
	var names []string
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		list = append(list, show(name, table[name]))
	}
	return list
}

// page is one page of a list.
func (s *Server) page(key string, q url.Values, list []any) answer {
	size := s.PageSize
	if size == 0 {
		size = 100
	}
	if limit, err := strconv.Atoi(q.Get("limit")); err != nil || limit < 1 || limit > 1000 {
		s.fail("limit %q", q.Get("limit"))
	}
	from, _ := strconv.Atoi(q.Get("cursor"))
	from = min(from, len(list))
	to, next := min(from+size, len(list)), ""
	if to < len(list) {
		next = strconv.Itoa(to)
	}
	return answer{200, object{"ok": true, key: append([]any{}, list[from:to]...), "response_metadata": object{"next_cursor": next}}}
}

// incoming carries out a post to the webhook, which answers in plain text.
func (s *Server) incoming(r *http.Request, body []byte) answer {
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Authorization") != "" {
		s.fail("webhook: %s of %q", r.Method, r.Header.Get("Content-Type"))
		return answer{400, "invalid_payload"}
	}
	var args object
	if err := json.Unmarshal(body, &args); err != nil {
		return answer{400, "invalid_payload"}
	}
	for key := range args {
		if !slices.Contains(accepts["webhook"], key) {
			s.fail("webhook: unknown argument %s", key)
			return answer{400, "invalid_payload"}
		}
	}
	m, code := s.message("webhook", args)
	if code != "" {
		return answer{400, code}
	}
	m.Channel = s.To
	s.add(m)
	return answer{200, "ok"}
}
