package dispatchtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// GitHub is a repository at GitHub, with workflows. Its fields are set before it is used. One
// without a repository is any, and has whatever workflow, ref and inputs it is asked for.
type GitHub struct {
	Desk
	Token      string // any if empty
	Repository string // OWNER/NAME
	Refs       []string
	Workflows  map[string]Workflow // :: file name or id
	Older      bool                // it does not know return_run_details, as servers of one's own
	Listed     time.Duration       // so long after its start a run is in the list
}

// Workflow is a workflow of GitHub Actions that has workflow_dispatch.
type Workflow struct {
	RunName string          // of its runs, with ${{ inputs.NAME }}
	Inputs  map[string]bool // :: name → whether it is required
}

// githubBusy is how GitHub answers that it is asked too much.
var githubBusy = answer{http.StatusForbidden, githubError("You have exceeded a secondary rate limit.")}

// What GitHub takes at most.
const (
	mostInputs  = 25    // of a workflow
	mostValues  = 65535 // characters of all inputs
	mostKeys    = 10    // of a client_payload
	mostPayload = 64 << 10
	mostType    = 100 // characters
	mostPage    = 100
)

var githubPath = regexp.MustCompile(`^/repos/([^/]+/[^/]+)(?:/(dispatches|actions/workflows/([^/]+)(?:/(dispatches|runs))?))?$`)

// ServeHTTP answers repository_dispatch, workflow_dispatch, the list of a workflow's runs, and
// what a repository and a workflow are.
func (g *GitHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := githubPath.FindStringSubmatch(r.URL.EscapedPath())
	operation := ""
	switch {
	case path == nil:
	case r.Method == http.MethodPost && path[2] == "dispatches":
		operation = "repository_dispatch"
	case r.Method == http.MethodPost && path[4] == "dispatches":
		operation = "workflow_dispatch"
	case r.Method == http.MethodGet && path[4] == "runs":
		operation = "runs"
	case r.Method == http.MethodGet && path[2] == "":
		operation = "repository"
	case r.Method == http.MethodGet && path[3] != "" && path[4] == "":
		operation = "workflow"
	}
	g.serve(w, r, operation, githubBusy, func(body []byte) answer {
		if a, refused := g.admit(r); refused {
			return a
		}
		name, repository := "", ""
		if path != nil {
			repository = path[1]
			name, _ = url.PathUnescape(path[3])
		}
		workflow, known := g.Workflows[name]
		switch {
		case operation == "" || !g.any() && (repository != g.Repository || name != "" && !known):
			return g.refuse(http.StatusNotFound, githubError("Not Found"), "%s %s", r.Method, r.URL.Path)
		case operation == "runs":
			return g.runs(name, r.URL.Query())
		case operation == "repository":
			return answer{http.StatusOK, object{"full_name": repository, "archived": false, "permissions": object{"admin": false, "push": true, "pull": true}}}
		case operation == "workflow":
			return answer{http.StatusOK, object{"path": ".github/workflows/" + name, "state": "active"}}
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal(body, &fields) != nil {
			return g.refuse(http.StatusBadRequest, githubError("Problems parsing JSON"), "%s: the body is no JSON object", operation)
		}
		if operation == "repository_dispatch" {
			return g.tell(fields)
		}
		return g.dispatch(name, workflow, fields)
	})
}

func (g *GitHub) any() bool { return g.Repository == "" }

func githubError(message string) object {
	return object{"message": message, "documentation_url": "https://docs.github.com/rest"}
}

// admit refuses who may not ask, and how it is not to be asked.
func (g *GitHub) admit(r *http.Request) (answer, bool) {
	version := r.Header.Get("X-Github-Api-Version")
	switch {
	case r.UserAgent() == "" || strings.HasPrefix(r.UserAgent(), "Go-http-client"):
		return g.refuse(http.StatusForbidden, githubError("Request forbidden by administrative rules. Please make sure your request has a User-Agent header."), "no User-Agent"), true
	case !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") || g.Token != "" && r.Header.Get("Authorization") != "Bearer "+g.Token:
		return g.refuse(http.StatusUnauthorized, githubError("Bad credentials"), "the token"), true
	case r.Header.Get("Accept") != "application/vnd.github+json":
		return g.refuse(http.StatusUnsupportedMediaType, githubError("Unsupported 'Accept' header: Must accept 'application/json'."), "Accept: %q", r.Header.Get("Accept")), true
	case version != "2022-11-28":
		return g.refuse(http.StatusBadRequest, githubError(fmt.Sprintf("Version %s is not a supported version", version)), "X-GitHub-Api-Version: %q", version), true
	case r.Method == http.MethodPost && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		return g.refuse(http.StatusUnsupportedMediaType, githubError("Unsupported Media Type"), "Content-Type: %q", r.Header.Get("Content-Type")), true
	}
	return answer{}, false
}

// invalid is GitHub's 422.
func (g *GitHub) invalid(format string, args ...any) answer {
	message := fmt.Sprintf(format, args...)
	return g.refuse(http.StatusUnprocessableEntity, githubError(message), "%s", message)
}

// unknown names a key that is not among those that an operation takes.
func unknown(fields map[string]json.RawMessage, keys ...string) string {
	for key := range fields {
		if !slices.Contains(keys, key) {
			return key
		}
	}
	return ""
}

// tell takes a repository_dispatch.
func (g *GitHub) tell(fields map[string]json.RawMessage) answer {
	var kind string
	var payload map[string]json.RawMessage
	text := fields["client_payload"]
	switch {
	case unknown(fields, "event_type", "client_payload") != "":
		return g.invalid("Invalid request.\n\n%q is not a permitted key.", unknown(fields, "event_type", "client_payload"))
	case json.Unmarshal(fields["event_type"], &kind) != nil || kind == "" || utf8.RuneCountInString(kind) > mostType:
		return g.invalid("Invalid request.\n\nevent_type: 1 to %d characters", mostType)
	case text != nil && json.Unmarshal(text, &payload) != nil:
		return g.invalid("Invalid request.\n\nFor 'properties/client_payload', it is not an object.")
	case len(payload) > mostKeys:
		return g.invalid("No more than %d properties are allowed; %d were supplied.", mostKeys, len(payload))
	case len(text) >= mostPayload:
		return g.invalid("client_payload is too large.")
	}
	g.start(Started{What: kind, Body: text})
	return answer{http.StatusNoContent, nil}
}

// dispatch takes a workflow_dispatch.
func (g *GitHub) dispatch(name string, workflow Workflow, fields map[string]json.RawMessage) answer {
	keys := []string{"ref", "inputs", "return_run_details"}
	if g.Older {
		keys = keys[:2]
	}
	if key := unknown(fields, keys...); key != "" {
		a := githubError(fmt.Sprintf("Invalid request.\n\n%q is not a permitted key.", key))
		if key == "return_run_details" {
			return answer{http.StatusUnprocessableEntity, a} // who asks cannot know how old the server is
		}
		return g.refuse(http.StatusUnprocessableEntity, a, "key %q", key)
	}
	var ref string
	var inputs map[string]string
	var details bool
	switch {
	case json.Unmarshal(fields["ref"], &ref) != nil || ref == "" || !g.any() && !slices.Contains(g.Refs, ref):
		return g.invalid("No ref found for: %s", ref)
	case fields["inputs"] != nil && json.Unmarshal(fields["inputs"], &inputs) != nil:
		return g.invalid("Invalid value for input")
	case fields["return_run_details"] != nil && json.Unmarshal(fields["return_run_details"], &details) != nil:
		return g.invalid("Invalid request.\n\nreturn_run_details is not a boolean.")
	case len(inputs) > mostInputs:
		return g.invalid("No more than %d inputs are allowed; %d were supplied.", mostInputs, len(inputs))
	}
	size := 0
	for input, value := range inputs {
		if _, known := workflow.Inputs[input]; !known && !g.any() {
			return g.invalid("Unexpected inputs provided: [%q]", input)
		}
		size += utf8.RuneCountInString(input) + utf8.RuneCountInString(value)
	}
	for input, required := range workflow.Inputs {
		if required && inputs[input] == "" {
			return g.invalid("Required input '%s' not provided", input)
		}
	}
	if size > mostValues {
		return g.invalid("inputs are too large.")
	}
	title := titled(workflow.RunName, inputs)
	if g.any() {
		title = fmt.Sprint(name, " ", slices.Sorted(maps.Values(inputs)))
	}
	run := g.start(Started{What: name, Title: title, Given: inputs})
	if !details {
		return answer{http.StatusNoContent, nil}
	}
	return answer{http.StatusOK, object{"workflow_run_id": run.ID, "run_url": g.at("https://api.github.com/repos/", run), "html_url": g.at("https://github.com/", run)}}
}

// at is a page of a run.
func (g *GitHub) at(site string, run Started) string {
	return fmt.Sprintf("%s%s/actions/runs/%d", site, g.Repository, run.ID)
}

var inputName = regexp.MustCompile(`\$\{\{ *inputs\.([A-Za-z0-9_-]+) *\}\}`)

// titled is the name of a run.
func titled(name string, inputs map[string]string) string {
	return inputName.ReplaceAllStringFunc(name, func(found string) string { return inputs[inputName.FindStringSubmatch(found)[1]] })
}

// runs lists the runs of a workflow, the newest first.
func (g *GitHub) runs(name string, query url.Values) answer {
	size, page := 30, 1
	for key, to := range map[string]*int{"per_page": &size, "page": &page} {
		if text := query.Get(key); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				return g.invalid("%s=%s", key, text)
			}
			*to = n
		}
	}
	since := time.Time{}
	if text := query.Get("created"); text != "" {
		from, ok := strings.CutPrefix(text, ">=")
		at, err := time.Parse(time.RFC3339, from)
		if !ok || err != nil {
			return g.invalid("created=%s", text)
		}
		since = at
	}
	if event := query.Get("event"); event != "" && event != "workflow_dispatch" {
		return answer{http.StatusOK, object{"total_count": 0, "workflow_runs": []any{}}}
	}
	size = min(size, mostPage)
	found := []object{}
	for _, run := range slices.Backward(g.started) {
		if run.What == name && run.Title != "" && !run.Came.Before(since) && g.now().Sub(run.Came) >= g.Listed {
			found = append(found, object{"id": run.ID, "display_title": run.Title, "html_url": g.at("https://github.com/", run), "event": "workflow_dispatch", "status": "in_progress", "created_at": run.Came.UTC().Format(time.RFC3339)})
		}
	}
	from := min((page-1)*size, len(found))
	return answer{http.StatusOK, object{"total_count": len(found), "workflow_runs": found[from:min(from+size, len(found))]}}
}
