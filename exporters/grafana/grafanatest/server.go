// Package grafanatest is a Grafana in memory, as far as relgate speaks to one: folders,
// dashboards, rule groups and annotations of its HTTP API, with the answers that the real
// one gives, and those that spoil a careless client. It is for tests and demonstrations.
package grafanatest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Object is a JSON object.
type Object = map[string]any

// Mode is how a request is answered.
type Mode struct {
	Status     int    // this status instead, and nothing is done; 0: as Grafana would
	RetryAfter int    // seconds, with Status
	Words      string // the message of the answer with Status
	Lost       bool   // it is done, and the connection is closed without an answer
	After      int    // it is done, and this status is answered: 502 of a proxy
	Hang       bool   // it is not done, and no answer comes until the client is gone
	HangAfter  bool   // it is done, and no answer comes until the client is gone
	Login      bool   // a redirect to a login page
	Page       bool   // a login page, as 200
}

// Server is a Grafana. Its zero value is none: see [New].
type Server struct {
	token, prefix string

	mu          sync.Mutex
	mode        func(*http.Request) Mode
	requests    []string // "POST /api/folders"
	headers     []http.Header
	folders     map[string]Object   // :: uid → folder
	dashboards  map[string]Object   // :: uid → dashboard
	homes       map[string]string   // :: uid of a dashboard → uid of its folder
	provisioned map[string]bool     // :: uid of a dashboard → it comes from a file
	groups      map[string][]Object // :: folder/name → rules
	intervals   map[string]float64  // :: folder/name → seconds
	annotations []Object
	next        int // number of what is made next
}

// New makes a Grafana that knows one token, and is served below a path: "" or "/grafana".
func New(token, prefix string) *Server {
	return &Server{
		token: token, prefix: prefix, next: 1, folders: map[string]Object{}, dashboards: map[string]Object{}, homes: map[string]string{},
		provisioned: map[string]bool{}, groups: map[string][]Object{}, intervals: map[string]float64{},
	}
}

// Answer sets how requests are answered from now on; nil answers as Grafana would.
func (s *Server) Answer(mode func(*http.Request) Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = mode
}

// Requests lists what was asked: "POST /api/folders".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Headers lists the headers of the requests.
func (s *Server) Headers() []http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.headers)
}

// State is all that is stored, as JSON.
func (s *Server) State() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := json.MarshalIndent(Object{"folders": s.folders, "dashboards": s.dashboards, "homes": s.homes, "groups": s.groups, "intervals": s.intervals, "annotations": s.annotations}, "", " ")
	if err != nil {
		panic(err) // unreachable: it came from JSON
	}
	return string(text)
}

// Annotations lists the annotations.
func (s *Server) Annotations() []Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copied(s.annotations)
}

// Dashboard is one as it is stored, nil where there is none, and the uid of its folder.
func (s *Server) Dashboard(uid string) (d Object, folder string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copied(s.dashboards[uid]), s.homes[uid]
}

// Group lists the rules of a group.
func (s *Server) Group(folder, name string) []Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copied(s.groups[folder+"/"+name])
}

// EditDashboard changes a dashboard as a person does who saves it.
func (s *Server) EditDashboard(uid string, change func(Object)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.dashboards[uid]
	change(d)
	d["version"] = d["version"].(float64) + 1
}

// MoveDashboard puts a dashboard into another folder, or says that it comes from a file.
func (s *Server) MoveDashboard(uid, folder string, fromFile bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.homes[uid], s.provisioned[uid] = folder, fromFile
}

// CopyDashboard makes another of the same title, and takes the first away.
func (s *Server) CopyDashboard(uid, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dashboards[to], s.homes[to] = s.dashboards[uid], s.homes[uid]
	delete(s.dashboards, uid)
}

// EditRule changes a rule of a group.
func (s *Server) EditRule(folder, name string, i int, change func(Object)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.groups[folder+"/"+name][i])
}

// EditAnnotations changes the annotations.
func (s *Server) EditAnnotations(change func([]Object) []Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.annotations = change(s.annotations)
}

// copied is a copy of a JSON value.
func copied[T any](v T) T {
	text, err := json.Marshal(v)
	var out T
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic(err) // unreachable: it came from JSON
	}
	return out
}

// ServeHTTP answers as Grafana does, or as the mode says.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// As a whole: only then is it noticed that the client is gone.
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	path, below := strings.CutPrefix(r.URL.Path, s.prefix)
	s.mu.Lock()
	s.requests, s.headers = append(s.requests, r.Method+" "+path), append(s.headers, r.Header.Clone())
	mode := s.mode
	s.mu.Unlock()
	var m Mode
	if mode != nil {
		m = mode(r)
	}
	switch {
	case !below:
		page(w, http.StatusNotFound)
		return
	case m.Login:
		http.Redirect(w, r, s.prefix+"/login", http.StatusFound)
		return
	case m.Page || path == "/login":
		page(w, http.StatusOK)
		return
	case m.Hang:
		<-r.Context().Done()
		return
	case m.Status != 0:
		if m.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(m.RetryAfter))
		}
		answer(w, m.Status, Object{"message": m.Words})
		return
	}
	status, body := s.do(r, path, data)
	switch {
	case m.Lost:
		panic(http.ErrAbortHandler)
	case m.HangAfter:
		<-r.Context().Done()
	case m.After != 0:
		page(w, m.After)
	default:
		answer(w, status, body)
	}
}

// page is what stands where an API should be.
func page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(status)
	fmt.Fprint(w, "<html><body><form action=login></form></body></html>")
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that is gone asks again
}

// do does a request.
func (s *Server) do(r *http.Request, path string, data []byte) (int, any) {
	var body Object
	if r.Method != http.MethodGet {
		if err := json.Unmarshal(data, &body); err != nil {
			return http.StatusBadRequest, Object{"message": "bad request data"}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if path == "/api/health" {
		return http.StatusOK, Object{"database": "ok", "version": "12.2.0", "commit": "0"}
	}
	if r.Header.Get("Authorization") != "Bearer "+s.token {
		return http.StatusUnauthorized, Object{"message": "Invalid API key"}
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case path == "/api/folders" && r.Method == http.MethodPost:
		return s.newFolder(body)
	case len(parts) == 3 && parts[1] == "folders":
		return there(s.folders[parts[2]], "folder not found")
	case path == "/api/dashboards/db":
		return s.saveDashboard(body)
	case len(parts) == 4 && parts[1] == "dashboards" && parts[2] == "uid":
		return s.dashboard(parts[3])
	case len(parts) == 7 && parts[2] == "provisioning" && parts[5] == "rule-groups":
		return s.ruleGroup(r, parts[4], parts[6], body)
	case path == "/api/annotations" && r.Method == http.MethodPost:
		return s.newAnnotation(body)
	case path == "/api/annotations":
		return s.listAnnotations(r)
	case len(parts) == 3 && parts[1] == "annotations" && r.Method == http.MethodPatch:
		return s.patchAnnotation(parts[2], body)
	}
	return http.StatusNotFound, Object{"message": "Not found"}
}

func there(o Object, otherwise string) (int, any) {
	if o == nil {
		return http.StatusNotFound, Object{"message": otherwise}
	}
	return http.StatusOK, copied(o)
}

func (s *Server) number() float64 { s.next++; return float64(s.next) }

func (s *Server) newFolder(body Object) (int, any) {
	uid, _ := body["uid"].(string)
	title, _ := body["title"].(string)
	switch {
	case title == "":
		return http.StatusBadRequest, Object{"message": "folder title cannot be empty"}
	case s.folders[uid] != nil:
		return http.StatusPreconditionFailed, Object{"message": "the folder has been changed by someone else", "status": "version-mismatch"}
	}
	for _, f := range s.folders {
		if f["title"] == title {
			return http.StatusConflict, Object{"message": "a folder with the same name already exists in the current location"}
		}
	}
	s.folders[uid] = Object{"id": s.number(), "uid": uid, "title": title, "url": s.prefix + "/dashboards/f/" + uid}
	return http.StatusOK, copied(s.folders[uid])
}

func (s *Server) saveDashboard(body Object) (int, any) {
	d, _ := body["dashboard"].(Object)
	uid, _ := d["uid"].(string)
	title, _ := d["title"].(string)
	folder, _ := body["folderUid"].(string)
	overwrite, _ := body["overwrite"].(bool)
	old := s.dashboards[uid]
	switch {
	case title == "" || len(uid) > 40:
		return http.StatusBadRequest, Object{"message": "Dashboard title cannot be empty, and its uid has at most 40 characters"}
	case folder != "" && s.folders[folder] == nil:
		return http.StatusBadRequest, Object{"message": "folder not found"}
	case s.provisioned[uid]:
		return http.StatusBadRequest, Object{"message": "Cannot save provisioned dashboard"}
	case old != nil && !overwrite && d["version"] != old["version"]:
		return http.StatusPreconditionFailed, Object{"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
	}
	for other, o := range s.dashboards {
		if other != uid && o["title"] == title && s.homes[other] == folder && !overwrite {
			return http.StatusPreconditionFailed, Object{"message": "A dashboard with the same name in the folder already exists", "status": "name-exists"}
		}
	}
	id, version := s.number(), 1.0
	if old != nil {
		id, version = old["id"].(float64), old["version"].(float64)+1
	}
	d["id"], d["version"] = id, version
	s.dashboards[uid], s.homes[uid] = d, folder
	return http.StatusOK, Object{"id": id, "uid": uid, "url": s.prefix + "/d/" + uid + "/x", "status": "success", "version": version, "slug": "x"}
}

func (s *Server) dashboard(uid string) (int, any) {
	d := s.dashboards[uid]
	if d == nil {
		return http.StatusNotFound, Object{"message": "Dashboard not found"}
	}
	return http.StatusOK, Object{"dashboard": copied(d), "meta": Object{"folderUid": s.homes[uid], "provisioned": s.provisioned[uid], "version": d["version"], "url": s.prefix + "/d/" + uid + "/x"}}
}

// ruleGroup gives a group, or replaces it: rules that the request does not have are gone,
// and a rule with a uid must be there.
func (s *Server) ruleGroup(r *http.Request, folder, name string, body Object) (int, any) {
	key := folder + "/" + name
	if r.Method == http.MethodGet {
		if s.groups[key] == nil {
			return http.StatusNotFound, Object{"message": "alert rule group not found"}
		}
		return http.StatusOK, Object{"title": name, "folderUid": folder, "interval": s.intervals[key], "rules": copied(s.groups[key])}
	}
	if s.folders[folder] == nil {
		return http.StatusBadRequest, Object{"message": "folder does not exist"}
	}
	old := map[any]Object{} // :: uid → rule
	for _, rule := range s.groups[key] {
		old[rule["uid"]] = rule
		if p := rule["provenance"]; p != "" && p != nil && r.Header.Get("X-Disable-Provenance") != "" {
			return http.StatusConflict, Object{"message": fmt.Sprintf("cannot change provenance from '%v' to ''", p)}
		}
	}
	var rules []Object
	given, _ := body["rules"].([]any)
	for _, g := range given {
		rule := maps.Clone(g.(Object))
		if uid, _ := rule["uid"].(string); uid != "" && old[uid] == nil {
			return http.StatusBadRequest, Object{"message": "failed to update rule with UID " + uid + " because could not find alert rule"}
		} else if uid == "" {
			rule["uid"] = fmt.Sprintf("rule%v", s.number())
		}
		notes, _ := rule["annotations"].(Object)
		if (notes["__dashboardUid__"] == nil) != (notes["__panelId__"] == nil) {
			return http.StatusBadRequest, Object{"message": "both annotations __dashboardUid__ and __panelId__ must be specified"}
		}
		data, _ := rule["data"].([]any)
		for _, q := range data {
			span := q.(Object)["relativeTimeRange"].(Object)
			if from, _ := span["from"].(float64); from > 7*24*3600 {
				return http.StatusBadRequest, Object{"message": "invalid relative time range: it is in seconds"}
			}
		}
		rule["provenance"] = "api"
		if r.Header.Get("X-Disable-Provenance") != "" {
			rule["provenance"] = ""
		}
		rule["orgID"], rule["folderUID"], rule["ruleGroup"], rule["updated"], rule["guid"] = 1.0, folder, name, "2025-06-04T02:00:00Z", fmt.Sprintf("guid-%v", rule["uid"])
		rule["notification_settings"], rule["record"] = nil, nil
		if rule["for"] == "10m" {
			rule["for"] = "10m0s" // as some versions write it
		}
		rules = append(rules, rule)
	}
	interval, _ := body["interval"].(float64)
	s.groups[key], s.intervals[key] = rules, interval
	return http.StatusOK, body
}

func (s *Server) newAnnotation(body Object) (int, any) {
	if text, _ := body["text"].(string); text == "" {
		return http.StatusBadRequest, Object{"message": "Failed to save annotation: text field should not be empty"}
	}
	tags, err := json.Marshal(body["tags"])
	if err != nil || len(tags) > 500 {
		return http.StatusBadRequest, Object{"message": "tags length exceeds the maximum allowed (500)"}
	}
	list, _ := body["tags"].([]any)
	for _, t := range list {
		key, value, _ := strings.Cut(t.(string), ":")
		if len(key) > 100 || len(value) > 100 {
			return http.StatusInternalServerError, Object{"message": "Failed to save annotation"}
		}
	}
	body["id"] = s.number()
	if end, _ := body["timeEnd"].(float64); end == 0 {
		body["timeEnd"] = body["time"] // a point
	}
	s.annotations = append(s.annotations, body)
	return http.StatusOK, Object{"message": "Annotation added", "id": body["id"]}
}

// listAnnotations gives those with all the tags, the newest first, 100 by default.
func (s *Server) listAnnotations(r *http.Request) (int, any) {
	limit := 100
	if n, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil {
		limit = n
	}
	found := []Object{}
	for _, a := range slices.Backward(s.annotations) {
		all := true
		for _, want := range r.URL.Query()["tags"] {
			list, _ := a["tags"].([]any)
			// MySQL compares without regard to case.
			all = all && slices.ContainsFunc(list, func(t any) bool { return strings.EqualFold(t.(string), want) })
		}
		if all && len(found) < limit {
			found = append(found, copied(a))
		}
	}
	return http.StatusOK, found
}

func (s *Server) patchAnnotation(id string, body Object) (int, any) {
	if tags, err := json.Marshal(body["tags"]); err != nil || len(tags) > 500 {
		return http.StatusBadRequest, Object{"message": "tags length exceeds the maximum allowed (500)"}
	}
	for _, a := range s.annotations {
		if fmt.Sprint(a["id"]) == id {
			for _, key := range []string{"text", "tags", "time", "timeEnd"} {
				if v, ok := body[key]; ok {
					a[key] = v
				}
			}
			return http.StatusOK, Object{"message": "Annotation patched"}
		}
	}
	return http.StatusNotFound, Object{"message": "Annotation not found"}
}
