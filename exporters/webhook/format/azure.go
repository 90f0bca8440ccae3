package format

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"

	"github.com/relgate/relgate/rules"
)

// azure completes an "Invoke REST API" check of Azure Pipelines that waits for a callback.
var azure = Format{
	WebhookFormat: rules.WebhookFormat{
		Name: "azure", Doc: "completes a check of Azure Pipelines that waits for a callback",
		Keys: []rules.AccountKey{
			projectKey, tokenKey, phaseKey,
			{Key: "hub", Doc: "Format azure: HubName of the check. Default: `checks`."},
			{Key: "plan_id", Doc: "Format azure: PlanId of the check, as a template. Default: `{{ .parameters.azure_plan }}`."},
			{Key: "job_id", Doc: "Format azure: JobId of the check, as a template. Default: `{{ .parameters.azure_job }}`."},
			{Key: "task_id", Doc: "Format azure: TaskInstanceId of the check, as a template. Default: `{{ .parameters.azure_task }}`."},
		},
		Types: decisionTypes,
		Check: func(c rules.Checker, own rules.FormatKeys) {
			if p := own.Texts["project"]; p != "" && !azureID.MatchString(p) {
				c.At("project").Fail("bad-value", "look at System.TeamProjectId in a pipeline", "want the id of the project, such as \"69f48e94-bdb4-42d7-a560-0f2b54f91cc8\"")
			}
			checkPart(c, own, "hub")
			for key := range azureIDs {
				checkTemplate(c.At(key), own.Texts[key], nil)
			}
		},
	},
	Needs: NeedsRun,
	Open: func(e Endpoint) Maker {
		texts := map[string]string{}
		for key, otherwise := range azureIDs {
			texts[key] = either(e.Texts[key], otherwise)
		}
		ids, bad := compileAll(texts)
		return func(f Facts) (*Call, error) {
			if bad != nil {
				return nil, bad // unreachable: the config was checked
			}
			return azureCall(e, ids, f)
		}
	},
}

// azureIDs maps the keys that say which check it is to their defaults.
var azureIDs = map[string]string{
	"plan_id": "{{ .parameters.azure_plan }}", "job_id": "{{ .parameters.azure_job }}", "task_id": "{{ .parameters.azure_task }}",
}

var azureID = regexp.MustCompile(`^[0-9a-fA-F-]{36}$`)

func azureCall(e Endpoint, ids fields, f Facts) (*Call, error) {
	v := decision(f, e.Texts["phase"])
	if v == undecided {
		return nil, nil
	}
	facts, err := fieldsOf(e, f)
	if err != nil {
		return nil, err
	}
	check, err := ids.render(facts)
	if err != nil {
		return nil, err
	}
	for key, id := range check {
		if !azureID.MatchString(id) {
			return nil, fmt.Errorf("%s: %q is no id of Azure", key, id)
		}
	}
	body, err := encode(struct {
		Name   string `json:"name"`
		Task   string `json:"taskId"`
		Job    string `json:"jobId"`
		Result string `json:"result"`
	}{"TaskCompleted", check["task_id"], check["job_id"], map[verdict]string{passed: "succeeded", failed: "failed"}[v]})
	return &Call{
		URL: e.at("/" + url.PathEscape(e.Texts["project"]) + "/_apis/distributedtask/hubs/" + url.PathEscape(either(e.Texts["hub"], "checks")) +
			"/plans/" + check["plan_id"] + "/events?api-version=7.1"),
		Body: body, Header: map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(":"+e.Secrets["token"]))},
		Read: azureReply,
	}, err
}

func azureReply(a Answer) Reply {
	// A login page is what Azure answers to a token that it does not know.
	if a.Status == 203 || a.Status == 302 || a.Status == 401 || a.Status == 403 {
		return Reply{Refused: a.Status != 302, Reason: fmt.Sprintf("answered %d: the token is not taken, or may not do this", a.Status)}
	}
	if !a.ok() {
		r := a.final()
		if a.Status == 404 {
			r.Reason = "answered 404: there is no such check, or it waits no more"
		}
		return r
	}
	return Reply{Done: true}
}

// either is the first text that is not empty.
func either(text, otherwise string) string {
	if text != "" {
		return text
	}
	return otherwise
}
