package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// Whether a receiver could be told is asked before it is needed. Such a dry call starts
// nothing. What it cannot show is whether what is started then does its work: a drill does.

// dryWorkflow asks GitHub for the workflow, which must be one that can be started.
func dryWorkflow(e Endpoint) *Call {
	return &Call{
		Method: "GET", URL: e.at("/repos/" + e.Texts["repository"] + "/actions/workflows/" + url.PathEscape(e.Texts["workflow"])), Header: githubHeaders(e),
		Read: func(a Answer) Reply {
			if !a.ok() {
				return githubRefusal(a)
			}
			var workflow struct {
				Path  string `json:"path"`
				State string `json:"state"`
			}
			switch {
			case json.Unmarshal(a.Body, &workflow) != nil || workflow.State == "":
				return Reply{Reason: "GitHub's answer does not say the state of the workflow"}
			case workflow.State != "active":
				return Reply{Refused: true, Reason: "the workflow is " + strings.Map(plainState, workflow.State) + ": enable it in GitHub"}
			}
			return Reply{Done: true, Kept: "the workflow " + e.Texts["workflow"] + " of " + e.Texts["repository"] + " is there and active"}
		},
	}
}

// dryDispatch asks GitHub for the repository, to which the token must be able to write.
func dryDispatch(e Endpoint) *Call {
	return &Call{Method: "GET", URL: e.at("/repos/" + e.Texts["repository"]), Header: githubHeaders(e), Read: func(a Answer) Reply {
		if !a.ok() {
			return githubRefusal(a)
		}
		var repository struct {
			Archived    *bool            `json:"archived"`
			Permissions *map[string]bool `json:"permissions"`
		}
		switch {
		case json.Unmarshal(a.Body, &repository) != nil || repository.Archived == nil:
			return Reply{Reason: "GitHub's answer does not describe the repository"}
		case *repository.Archived:
			return Reply{Refused: true, Reason: "the repository is archived: its workflows do not run"}
		case repository.Permissions == nil:
			return Reply{Done: true} // it is there, and what the token may do is not said
		case !(*repository.Permissions)["push"]:
			return Reply{Refused: true, Reason: "the token cannot write to the repository, which repository_dispatch needs: give it Contents, read and write"}
		}
		return Reply{Done: true, Kept: "it would send repository_dispatch to " + e.Texts["repository"]}
	}}
}

// dryRef is a branch that no project has: a letter in it that no ref may have makes sure.
const dryRef = "relgate dry call ~"

// dryPipeline asks GitLab to run a pipeline of a ref that cannot exist. A trigger token can do
// nothing else: where it is the project's, and its owner may run one, GitLab says that there is
// no such ref.
func dryPipeline(e Endpoint) *Call {
	form := url.Values{"token": {e.Secrets["token"]}, "ref": {dryRef}}
	return &Call{
		URL:  e.at("/api/v4/projects/" + url.PathEscape(e.Texts["project"]) + "/trigger/pipeline"),
		Body: []byte(form.Encode()), Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
		Read: func(a Answer) Reply {
			var said struct {
				Message json.RawMessage `json:"message"`
			}
			switch {
			case a.Status != 400:
			case json.Unmarshal(a.Body, &said) != nil || !bytes.Contains(bytes.ToLower(said.Message), []byte("reference not found")):
				return Reply{Refused: true, Reason: "answered 400, but not that there is no such ref: pipelines are disabled, whoever made the trigger token may run none, or this is not GitLab's API"}
			default:
				return Reply{Done: true, Kept: "it would run a pipeline of " + e.Texts["project"] + " for " + e.Texts["ref"]}
			}
			r := pipelineReply(a)
			if r.Done {
				return Reply{Refused: true, Reason: fmt.Sprintf("answered %d to a ref that cannot exist: this is not GitLab's API", a.Status)}
			}
			return r
		},
	}
}

// plainState leaves of a word of an answer what a state consists of.
func plainState(r rune) rune {
	if 'a' <= r && r <= 'z' || r == '_' {
		return r
	}
	return -1
}
