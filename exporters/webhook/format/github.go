package format

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// Keys that several formats have.
var (
	tokenKey      = rules.AccountKey{Key: "token", Secret: true, Required: true, Example: `{ env = "CI_TOKEN" }`, Doc: "Formats of CI systems: the token that they take. Required there, but by those of AWS."}
	repositoryKey = rules.AccountKey{Key: "repository", Required: true, Example: `"acme/shop"`, Doc: "Formats github-workflow and github-dispatch: the repository, as OWNER/NAME. Required there."}
	projectKey    = rules.AccountKey{Key: "project", Required: true, Example: `"acme/shop"`, Doc: "Format gitlab: path or id of the project. Format azure: id of the project. Required there."}
	refKey        = rules.AccountKey{Key: "ref", Required: true, Example: `"main"`, Doc: "Formats github-workflow and gitlab: the branch or tag that is run. Required there."}
	inputsKey     = rules.AccountKey{Key: "inputs", Table: true, Doc: "Formats github-workflow and gitlab: inputs of what is started, as templates over the event: `{ version = \"{{ .version }}\" }`."}
)

// githubWorkflow starts a workflow of GitHub Actions for an event.
//
// GitHub does not know a repetition. So the event's id is an input that the workflow puts
// into its run-name, and every attempt first looks for a run of that name: one whose
// answer was lost is found, and no second one is started.
var githubWorkflow = Format{
	WebhookFormat: rules.WebhookFormat{
		Name: "github-workflow", Doc: "starts a workflow of GitHub Actions, once for each event", URL: "https://api.github.com", Starts: true,
		Keys: []rules.AccountKey{
			repositoryKey,
			{Key: "workflow", Required: true, Example: `"rollback.yml"`, Doc: "Format github-workflow: file name or id of the workflow, which has workflow_dispatch. Required there."},
			refKey, tokenKey, inputsKey,
			{Key: "event_input", Doc: "Format github-workflow: the input that takes the event's id, which the workflow has in its run-name. Default: `relgate-event`."},
		},
		Check: func(c rules.Checker, own rules.FormatKeys) {
			checkRepository(c, own)
			checkPart(c, own, "workflow")
			checkTemplates(c, "inputs", own.Tables["inputs"])
			if n := len(own.Tables["inputs"]); n > 24 {
				c.At("inputs").Fail("out-of-range", "", "%d inputs: GitHub takes 25, and one is the event's id", n)
			}
			if _, taken := own.Tables["inputs"][eventInput(own)]; taken {
				c.At("inputs", eventInput(own)).Fail("conflict", "leave it out", "this input takes the event's id")
			}
		},
	},
	Needs: NeedsBeginning,
	Open: func(e Endpoint) Maker {
		inputs, bad := compileAll(e.Tables["inputs"])
		return func(f Facts) (*Call, error) {
			if bad != nil {
				return nil, bad // unreachable: the config was checked
			}
			return workflowCall(e, inputs, f)
		}
	},
	Dry: dryWorkflow,
}

// githubDispatch has a repository told of an event by repository_dispatch.
var githubDispatch = Format{
	WebhookFormat: rules.WebhookFormat{
		Name: "github-dispatch", Doc: "a repository_dispatch event of GitHub, with the event as `client_payload.relgate`", URL: "https://api.github.com", Starts: true,
		Keys: []rules.AccountKey{
			repositoryKey, tokenKey,
			{Key: "event_type", Doc: "Format github-dispatch: what workflows know it by, 100 characters at most. Default: the event's type."},
		},
		Check: func(c rules.Checker, own rules.FormatKeys) {
			checkRepository(c, own)
			if n := len(own.Texts["event_type"]); n > 100 {
				c.At("event_type").Fail("out-of-range", "", "%d characters: GitHub takes 100", n)
			}
		},
	},
	Open: func(e Endpoint) Maker {
		return func(f Facts) (*Call, error) { return dispatchCall(e, f) }
	},
	Dry: dryDispatch,
}

var repositoryName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9_.-]+$`)

func checkRepository(c rules.Checker, own rules.FormatKeys) {
	if r := own.Texts["repository"]; r != "" && (!repositoryName.MatchString(r) || strings.HasSuffix(r, "/.") || strings.HasSuffix(r, "/..")) {
		c.At("repository").Fail("bad-value", "", `want OWNER/NAME, such as "acme/shop"`)
	}
}

// checkPart reports a value that would lead elsewhere as a part of a URL's path.
func checkPart(c rules.Checker, own rules.FormatKeys, key string) {
	if v := own.Texts[key]; strings.Trim(v, ".") == "" && v != "" {
		c.At(key).Fail("bad-value", "", "want a name")
	}
}

func eventInput(own rules.FormatKeys) string {
	if name := own.Texts["event_input"]; name != "" {
		return name
	}
	return "relgate-event"
}

// githubHeaders are those of every request to GitHub.
func githubHeaders(e Endpoint) map[string]string {
	return map[string]string{
		"Authorization": "Bearer " + e.Secrets["token"], "Accept": "application/vnd.github+json", "X-Github-Api-Version": "2022-11-28",
	}
}

const (
	runsAPage  = 100
	pagesLook  = 3                // so many pages are looked at
	before     = 10 * time.Minute // how far GitHub's clock may be behind relgate's
	listedSoon = 15 * time.Second // after it was started, a run is in the list
)

func workflowCall(e Endpoint, inputs fields, f Facts) (*Call, error) {
	facts, err := fieldsOf(e, f)
	if err != nil {
		return nil, err
	}
	values, err := inputs.render(facts)
	if err != nil {
		return nil, err
	}
	values[eventInput(e.FormatKeys)] = f.ID
	base := e.at("/repos/" + e.Texts["repository"] + "/actions/workflows/" + url.PathEscape(e.Texts["workflow"]))
	start := &Call{URL: base + "/dispatches", Header: githubHeaders(e), Unsure: listedSoon}
	plain := *start
	type dispatch struct {
		Ref     string            `json:"ref"`
		Inputs  map[string]string `json:"inputs"`
		Details bool              `json:"return_run_details,omitempty"`
	}
	if start.Body, err = encode(dispatch{e.Texts["ref"], values, true}); err != nil {
		return nil, err
	}
	if plain.Body, err = encode(dispatch{e.Texts["ref"], values, false}); err != nil {
		return nil, err
	}
	start.Read = func(a Answer) Reply {
		if a.Status == 422 { // older servers refuse return_run_details, and have started nothing
			return Reply{Next: &plain}
		}
		return startedReply(a)
	}
	plain.Read = startedReply
	created := when(&f.Event).Add(-before).Format(time.RFC3339)
	return lookCall(e, base+"/runs?event=workflow_dispatch&exclude_pull_requests=true&per_page=100&created="+url.QueryEscape(">="+created), f.ID, 1, start), nil
}

// lookCall looks for the run that was started for an event, page by page, and goes on to
// start where there is none.
func lookCall(e Endpoint, list, id string, page int, start *Call) *Call {
	return &Call{Method: "GET", URL: fmt.Sprintf("%s&page=%d", list, page), Header: githubHeaders(e), Read: func(a Answer) Reply {
		if !a.ok() {
			return githubRefusal(a)
		}
		var found struct {
			Total int `json:"total_count"`
			Runs  []struct {
				ID    uint64 `json:"id"`
				Title string `json:"display_title"`
				URL   string `json:"html_url"`
			} `json:"workflow_runs"`
		}
		if json.Unmarshal(a.Body, &found) != nil {
			return Reply{Reason: "GitHub's list of runs cannot be read"}
		}
		for _, r := range found.Runs {
			if names(r.Title, id) {
				return Reply{Done: true, Kept: kept("workflow run", r.ID, r.URL)}
			}
		}
		switch {
		case len(found.Runs) < runsAPage || found.Total <= page*runsAPage:
			return Reply{Next: start}
		case page == pagesLook:
			return Reply{Reason: fmt.Sprintf("the workflow has had more than %d runs since the event: whether it was started for it cannot be seen", pagesLook*runsAPage)}
		}
		return Reply{Next: lookCall(e, list, id, page+1, start)}
	}}
}

// names reports whether a title has an event's id in it, and not that of another event
// that begins with it.
func names(title, id string) bool {
	for rest := title; ; {
		i := strings.Index(rest, id)
		if i < 0 {
			return false
		}
		rest = rest[i+len(id):]
		if rest == "" || rest[0] < '0' || rest[0] > '9' {
			return true
		}
	}
}

// startedReply reads what GitHub says of a run that it was to start.
func startedReply(a Answer) Reply {
	if !a.ok() {
		return githubRefusal(a)
	}
	var run struct {
		ID  uint64 `json:"workflow_run_id"`
		URL string `json:"html_url"`
	}
	_ = json.Unmarshal(a.Body, &run) // an older server says nothing, with 204
	return Reply{Done: true, Kept: kept("workflow run", run.ID, run.URL)}
}

// githubRefusal reads an answer that is no success. GitHub says 403 too for requests that
// come too fast.
func githubRefusal(a Answer) Reply {
	r := a.final()
	if a.Header.Get("X-Ratelimit-Remaining") == "0" || a.Header.Get("Retry-After") != "" {
		r.Refused = false
	}
	switch a.Status {
	case 401, 403:
		r.Reason = fmt.Sprintf("answered %d: the token is not taken, or may not do this", a.Status)
	case 404:
		r.Reason = "answered 404: there is no such repository or workflow, or the token may not see it"
	case 422:
		r.Reason = "answered 422: the ref has no such workflow, or the workflow does not take these inputs"
	}
	return r
}

// kept is what is kept of an answer: what was started, with its number and its page.
func kept(what string, id uint64, page string) string {
	if id == 0 {
		return ""
	}
	text := fmt.Sprintf("%s %d", what, id)
	if strings.HasPrefix(page, "https://") && len(page) <= 300 && rules.UnsafeIn(page) == "" && !strings.ContainsAny(page, " ?@") {
		text += " " + page
	}
	return text
}

// mostPayload is below GitHub's 64 KB for a client_payload.
const mostPayload = 60 << 10

func dispatchCall(e Endpoint, f Facts) (*Call, error) {
	kind := e.Texts["event_type"]
	if kind == "" {
		kind = f.Type
	}
	type payload struct {
		Relgate wire.EventBody `json:"relgate"`
	}
	type dispatch struct {
		Type    string  `json:"event_type"`
		Payload payload `json:"client_payload"`
	}
	body, err := encode(dispatch{kind, payload{f.Event}})
	if len(body) > mostPayload { // what is long is left out: it can be asked for
		f.Event.Detail, f.Event.Changes, f.Event.Totals, f.Event.Evidence = []string{}, []wire.Change{}, []wire.Total{}, nil
		body, err = encode(dispatch{kind, payload{f.Event}})
	}
	return &Call{
		URL: e.at("/repos/" + e.Texts["repository"] + "/dispatches"), Header: githubHeaders(e), Body: body,
		Read: func(a Answer) Reply {
			if !a.ok() {
				return githubRefusal(a)
			}
			return Reply{Done: true}
		},
	}, err
}
