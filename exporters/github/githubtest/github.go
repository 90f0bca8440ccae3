// Package githubtest is a GitHub in memory, as far as relgate speaks to one: tokens of an App
// and its installations, jobs that wait for a deployment protection rule, and deliveries of the
// App's webhook. It answers as the real one is described to, and as it does in trouble. It is
// for tests.
package githubtest

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What the App is.
const (
	AppID        = "4711"
	Installation = 12
	Secret       = "hook-secret-of-the-test"
)

// Mode is how a request is answered.
type Mode struct {
	Status     int               // this status instead, and nothing is done; 0: as GitHub would
	Header     map[string]string // of the answer, in place of its own
	After      int               // it is done, and this status is answered: 502 of a proxy
	Lost       bool              // it is done, and the connection is closed without an answer
	Hang       bool              // it is not done, and no answer comes until the client is gone
	HangAfter  bool              // it is done, and no answer comes until the client is gone
	Unreadable bool              // 200 with a page in place of JSON
}

// Job is a job that waits for the rule.
type Job struct {
	State    string   // waiting, approved, rejected or cancelled
	Comments []string // while it waited
	Text     string   // of the review
	Refused  int      // answers that came after it was decided
}

// Delivery is one that did not arrive.
type Delivery struct {
	ID     uint64    `json:"id"`
	GUID   string    `json:"guid"`
	At     time.Time `json:"delivered_at"`
	Status int       `json:"status_code"`
	Event  string    `json:"event"`
	Action string    `json:"action"`
}

// Server is a GitHub.
type Server struct {
	Now  func() time.Time
	Host string // of RoundTrip; that of github.com's API if empty

	mu       sync.Mutex
	mode     func(*http.Request) Mode
	requests []string
	tokens   map[string]time.Time // :: token → its end
	made     int
	jobs     map[string]*Job // :: repository, workflow run and environment
	lost     []Delivery
	repeated []uint64
	reviews  []string
	trouble  []string
}

var key = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// Key is the private key of the App, as GitHub gives it.
func Key() string {
	k, err := key()
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}))
}

// New makes a GitHub with no jobs.
func New(now func() time.Time) *Server {
	return &Server{Now: now, tokens: map[string]time.Time{}, jobs: map[string]*Job{}}
}

func jobKey(repository, run, environment string) string {
	return strings.ToLower(repository + " " + run + " " + environment)
}

// Wait begins a job.
func (s *Server) Wait(repository string, run int, environment string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs[jobKey(repository, strconv.Itoa(run), environment)] = &Job{State: "waiting"}
}

// Cancel ends a job without a review.
func (s *Server) Cancel(repository string, run int, environment string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs[jobKey(repository, strconv.Itoa(run), environment)].State = "cancelled"
}

// Job is how a job stands.
func (s *Server) Job(repository string, run int, environment string) Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.jobs[jobKey(repository, strconv.Itoa(run), environment)]
}

// Answer sets how requests are answered from now on; nil answers as GitHub would.
func (s *Server) Answer(mode func(*http.Request) Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = mode
}

// Requests lists what was asked: "POST /path".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// Trouble lists what the real one would not have taken, or would have been wrong to take.
func (s *Server) Trouble() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.trouble...)
}

// Lose notes a delivery that did not arrive, and Repeated those that were asked for again.
func (s *Server) Lose(d Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = append(s.lost, d)
}

// Repeated lists the deliveries that were asked for again.
func (s *Server) Repeated() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]uint64(nil), s.repeated...)
}

// Reviews lists the bodies of reviews and comments.
func (s *Server) Reviews() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.reviews...)
}

// Revoke ends all tokens of installations.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Payload is a signed request of the rule.
func Payload(api, repository string, run, deployment int, environment, ref, sha string) (http.Header, []byte) {
	body, err := json.Marshal(map[string]any{
		"action": "requested", "environment": environment, "event": "push",
		"deployment_callback_url": fmt.Sprintf("%s/repos/%s/actions/runs/%d/deployment_protection_rule", api, repository, run),
		"deployment":              map[string]any{"id": deployment, "ref": ref, "sha": sha, "environment": environment},
		"repository":              map[string]any{"id": 1, "full_name": repository}, "installation": map[string]any{"id": Installation},
		"pull_requests": []any{}, "sender": map[string]any{"login": "octocat"},
	})
	if err != nil {
		panic(err)
	}
	return Sign(body, fmt.Sprintf("guid-%d-%d", run, deployment)), body
}

// Sign makes the headers of a delivery.
func Sign(body []byte, guid string) http.Header {
	mac := hmac.New(sha256.New, []byte(Secret))
	mac.Write(body)
	h := http.Header{}
	h.Set("X-GitHub-Event", "deployment_protection_rule")
	h.Set("X-GitHub-Delivery", guid)
	h.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	h.Set("Content-Type", "application/json")
	return h
}

var errLost = errors.New("connection reset by peer")

// RoundTrip answers without a network.
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != cmp.Or(s.Host, "api.github.com") {
		s.note("a request went to %s", r.URL.Host)
	}
	w := httptest.NewRecorder()
	if !s.serve(w, r) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if w.Code == 0 || w.Header().Get("X-Lost") != "" {
		return nil, errLost
	}
	return w.Result(), nil
}

// ServeHTTP answers over a network.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	got := httptest.NewRecorder()
	if !s.serve(got, r) {
		<-r.Context().Done()
		return
	}
	if got.Header().Get("X-Lost") != "" {
		panic(http.ErrAbortHandler)
	}
	for name, values := range got.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(got.Code)
	_, _ = w.Write(got.Body.Bytes())
}

func (s *Server) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = append(s.trouble, fmt.Sprintf(format, args...))
}

// serve reports false where no answer comes.
func (s *Server) serve(w *httptest.ResponseRecorder, r *http.Request) bool {
	s.mu.Lock()
	mode := s.mode
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	s.mu.Unlock()
	var m Mode
	if mode != nil {
		m = mode(r)
	}
	header := func() {
		for name, value := range m.Header {
			w.Header().Set(name, value)
		}
	}
	switch {
	case m.Hang:
		return false
	case m.Unreadable:
		_, _ = io.WriteString(w, "<html>log in</html>")
		return true
	case m.Status != 0:
		header()
		w.WriteHeader(m.Status)
		_, _ = io.WriteString(w, `{"message":"no"}`)
		return true
	}
	done := httptest.NewRecorder()
	s.answer(done, r)
	switch {
	case m.HangAfter:
		return false
	case m.Lost:
		w.Header().Set("X-Lost", "1")
	case m.After != 0:
		header()
		w.WriteHeader(m.After)
	default:
		for name, values := range done.Header() {
			w.Header()[name] = values
		}
		header()
		w.WriteHeader(done.Code)
		_, _ = w.Write(done.Body.Bytes())
	}
	return true
}

var (
	reviewPath  = regexp.MustCompile(`^/repos/([^/]+/[^/]+)/actions/runs/(\d+)/deployment_protection_rule$`)
	pendingPath = regexp.MustCompile(`^/repos/([^/]+/[^/]+)/actions/runs/(\d+)/pending_deployments$`)
	tokenPath   = regexp.MustCompile(`^/app/installations/(\d+)/access_tokens$`)
	repeatPath  = regexp.MustCompile(`^/app/hook/deliveries/(\d+)/attempts$`)
)

func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	path := strings.TrimPrefix(r.URL.Path, "/api/v3")
	isApp := strings.HasPrefix(path, "/app/")
	if isApp && !s.knowsApp(bearer) || !isApp && !s.knowsInstallation(bearer) {
		say(w, 401, map[string]string{"message": "Bad credentials"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch method := r.Method; {
	case method == "POST" && tokenPath.MatchString(path):
		if tokenPath.FindStringSubmatch(path)[1] != strconv.Itoa(Installation) {
			say(w, 404, map[string]string{"message": "Not Found"})
			return
		}
		s.made++
		text := fmt.Sprintf("ghs_token_of_the_test_%d", s.made)
		s.tokens[text] = s.Now().Add(time.Hour)
		say(w, 201, map[string]any{"token": text, "expires_at": s.Now().Add(time.Hour).UTC().Format(time.RFC3339)})
	case method == "GET" && path == "/app/hook/deliveries":
		s.deliveries(w, r)
	case method == "POST" && repeatPath.MatchString(path):
		id, _ := strconv.ParseUint(repeatPath.FindStringSubmatch(path)[1], 10, 64)
		s.repeated = append(s.repeated, id)
		say(w, 202, map[string]string{})
	case method == "GET" && pendingPath.MatchString(path):
		m := pendingPath.FindStringSubmatch(path)
		list := []any{}
		for key, job := range s.jobs {
			if environment, ok := strings.CutPrefix(key, jobKey(m[1], m[2], "")); ok && job.State == "waiting" {
				list = append(list, map[string]any{"environment": map[string]any{"id": 1, "name": environment}, "wait_timer": 0})
			}
		}
		say(w, 200, list)
	case method == "POST" && reviewPath.MatchString(path):
		m := reviewPath.FindStringSubmatch(path)
		s.review(w, m[1], m[2], r)
	default:
		say(w, 404, map[string]string{"message": "Not Found"})
	}
}

// deliveries lists a page of deliveries: s.mu is held. A cursor means something to GitHub alone.
func (s *Server) deliveries(w http.ResponseWriter, r *http.Request) {
	size, begin := 30, 0
	if text := r.URL.Query().Get("per_page"); text != "" {
		size, _ = strconv.Atoi(text)
	}
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		text, _ := strings.CutPrefix(cursor, "v1_&")
		begin, _ = strconv.Atoi(text)
		if begin <= 0 || begin >= len(s.lost) {
			say(w, 422, map[string]string{"message": "no such cursor"})
			return
		}
	}
	if size < 1 || size > 100 {
		s.trouble = append(s.trouble, "a page of deliveries has 1 to 100")
		size = 100
	}
	end := min(begin+size, len(s.lost))
	if end < len(s.lost) {
		self := fmt.Sprintf("https://%s%s?per_page=%d", cmp.Or(r.URL.Host, r.Host), r.URL.Path, size)
		w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="first", <%s&cursor=%s>; rel="next"`, self, self, url.QueryEscape(fmt.Sprint("v1_&", end))))
	}
	say(w, 200, append([]Delivery{}, s.lost[begin:end]...))
}

// review takes a review, by the rules of GitHub's description: s.mu is held.
func (s *Server) review(w http.ResponseWriter, repository, run string, r *http.Request) {
	var body struct {
		Environment string  `json:"environment_name"`
		State       *string `json:"state"`
		Comment     *string `json:"comment"`
	}
	text, err := io.ReadAll(r.Body)
	s.reviews = append(s.reviews, string(text))
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err = errors.Join(err, d.Decode(&body))
	bad := err != nil || body.Environment == "" || body.State == nil && body.Comment == nil ||
		body.State != nil && *body.State != "approved" && *body.State != "rejected" || body.Comment != nil && len(*body.Comment) > 1024
	if bad {
		s.trouble = append(s.trouble, fmt.Sprintf("a review that is none: %+v, %v", body, err))
		say(w, 422, map[string]string{"message": "Validation Failed"})
		return
	}
	job := s.jobs[jobKey(repository, run, body.Environment)]
	switch {
	case job == nil:
		say(w, 404, map[string]string{"message": "Not Found"})
	case job.State != "waiting":
		job.Refused++
		say(w, 422, map[string]string{"message": "There are no pending custom deployment protection rules"})
	case body.State == nil && len(job.Comments) >= 10:
		s.trouble = append(s.trouble, "an eleventh comment")
		say(w, 422, map[string]string{"message": "too many"})
	case body.State == nil:
		job.Comments = append(job.Comments, *body.Comment)
		w.WriteHeader(204)
	default:
		job.State = *body.State
		if body.Comment != nil {
			job.Text = *body.Comment
		}
		w.WriteHeader(204)
	}
}

func say(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (s *Server) knowsInstallation(bearer string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ends, ok := s.tokens[bearer]
	return ok && s.Now().Before(ends)
}

// knowsApp reads a token of the App as GitHub does.
func (s *Server) knowsApp(bearer string) bool {
	k, err := key()
	parts := strings.Split(bearer, ".")
	if err != nil || len(parts) != 3 {
		return false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || rsa.VerifyPKCS1v15(&k.PublicKey, crypto.SHA256, sum[:], sig) != nil {
		return false
	}
	var head struct {
		Alg string `json:"alg"`
	}
	var claims struct {
		IssuedAt int64  `json:"iat"`
		Expiry   int64  `json:"exp"`
		Issuer   string `json:"iss"`
	}
	for i, into := range []any{&head, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, into) != nil {
			return false
		}
	}
	now := s.Now().Unix()
	return head.Alg == "RS256" && claims.Issuer == AppID && claims.IssuedAt <= now && claims.Expiry > now && claims.Expiry-now <= 600
}
