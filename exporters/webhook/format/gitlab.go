package format

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/relgate/relgate/rules"
)

// gitlab runs a pipeline of GitLab for an event, by a pipeline trigger token.
var gitlab = Format{
	WebhookFormat: rules.WebhookFormat{
		Name: "gitlab", Doc: "runs a pipeline of GitLab", URL: "https://gitlab.com", Starts: true,
		Keys: []rules.AccountKey{
			projectKey,
			refKey, tokenKey, inputsKey,
			{Key: "variables", Table: true, Doc: "Format gitlab: variables of the pipeline, as templates over the event, beside RELGATE_EVENT, RELGATE_TYPE, RELGATE_PLAN, RELGATE_RUN and RELGATE_VERSION."},
		},
		Check: func(c rules.Checker, own rules.FormatKeys) {
			checkPart(c, own, "project")
			checkTemplates(c, "inputs", own.Tables["inputs"])
			checkTemplates(c, "variables", own.Tables["variables"])
		},
	},
	Needs: NeedsBeginning,
	Open: func(e Endpoint) Maker {
		inputs, bad := compileAll(e.Tables["inputs"])
		variables, worse := compileAll(e.Tables["variables"])
		return func(f Facts) (*Call, error) {
			if err := errors.Join(bad, worse); err != nil {
				return nil, err // unreachable: the config was checked
			}
			return pipelineCall(e, inputs, variables, f)
		}
	},
	Dry: dryPipeline,
}

func pipelineCall(e Endpoint, inputs, variables fields, f Facts) (*Call, error) {
	facts, err := fieldsOf(e, f)
	if err != nil {
		return nil, err
	}
	values, err := inputs.render(facts)
	if err != nil {
		return nil, err
	}
	named, err := variables.render(facts)
	if err != nil {
		return nil, err
	}
	all := map[string]string{
		"RELGATE_EVENT": f.ID, "RELGATE_TYPE": f.Type, "RELGATE_PLAN": f.Event.Plan, "RELGATE_RUN": f.Event.Run, "RELGATE_VERSION": f.Event.Version,
	}
	maps.Copy(all, named)
	// The token is in the body: in the URL it would be in the logs of every proxy.
	form := url.Values{"token": {e.Secrets["token"]}, "ref": {e.Texts["ref"]}}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		form.Set("variables["+name+"]", all[name])
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		form.Set("inputs["+name+"]", values[name])
	}
	return &Call{
		URL:  e.at("/api/v4/projects/" + url.PathEscape(e.Texts["project"]) + "/trigger/pipeline"),
		Body: []byte(form.Encode()), Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
		Read: pipelineReply,
	}, nil
}

// pipelineReply reads what GitLab says of a pipeline that it was to run.
func pipelineReply(a Answer) Reply {
	if !a.ok() {
		r := a.final()
		switch a.Status {
		case 400:
			r.Reason = "answered 400: there is no such ref, no job is for pipelines that are triggered, or the inputs are refused"
		case 401, 403, 404:
			r.Reason = fmt.Sprintf("answered %d: there is no such project, or the token is none of its pipeline trigger tokens", a.Status)
		}
		return r
	}
	var pipeline struct {
		ID  uint64 `json:"id"`
		URL string `json:"web_url"`
	}
	_ = json.Unmarshal(a.Body, &pipeline) // it runs, whatever else is said
	return Reply{Done: true, Kept: kept("pipeline", pipeline.ID, pipeline.URL)}
}
