package format

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/relgate/relgate/rules"
)

// awsKeys are those of every format of AWS. The credentials are the SDK's chain.
var awsKeys = []rules.AccountKey{
	{Key: "region", Required: true, Example: `"eu-central-1"`, Doc: "Formats codepipeline and eventbridge: the region. Required there."},
	{Key: "role_arn", Doc: "Formats codepipeline and eventbridge: ARN of a role to assume. Default: none, the credentials of relgate itself."},
	{Key: "external_id", Secret: true, Doc: "Formats codepipeline and eventbridge: the external id to assume the role with."},
}

// awsCall is a request to a JSON API of AWS.
func awsCall(e Endpoint, service, target string, in any) (*Call, error) {
	body, err := encode(in)
	return &Call{
		URL: e.at("/"), Body: body, AWS: &AWS{Service: service, Region: e.Texts["region"]},
		Header: map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target},
	}, err
}

// awsFault is the name of an error that AWS answered with; empty where there is none.
func awsFault(a Answer) string {
	var fault struct {
		Type string `json:"__type"`
	}
	if a.ok() || json.Unmarshal(a.Body, &fault) != nil {
		return ""
	}
	name := fault.Type[strings.LastIndexByte(fault.Type, '#')+1:]
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || len(name) > 80 {
		return ""
	}
	return name
}

// awsRefusal reads an answer that is no success. AWS says 400 for nearly everything.
func awsRefusal(a Answer) Reply {
	r, fault := a.final(), awsFault(a)
	if fault == "" {
		return r
	}
	r.Reason = fmt.Sprintf("answered %d %s", a.Status, fault)
	for _, passing := range []string{"Throttl", "TooManyRequests", "LimitExceeded", "Internal", "Unavailable", "Expired", "InvalidSignature", "UnrecognizedClient", "IncompleteSignature"} {
		if strings.Contains(fault, passing) {
			r.Refused = false
		}
	}
	return r
}

// codepipeline answers a manual approval of AWS CodePipeline.
//
// An approval has a token of its own, which is looked up; only that of the pipeline
// execution that the run belongs to is answered.
var codepipeline = Format{
	WebhookFormat: rules.WebhookFormat{
		Name: "codepipeline", Doc: "answers a manual approval of AWS CodePipeline", URL: "https://codepipeline.{region}.amazonaws.com",
		Keys: append([]rules.AccountKey{
			{Key: "pipeline", Required: true, Example: `"shop"`, Doc: "Format codepipeline: name of the pipeline. Required there."},
			{Key: "stage", Required: true, Example: `"Production"`, Doc: "Format codepipeline: name of the stage. Required there."},
			{Key: "action", Required: true, Example: `"Watched"`, Doc: "Format codepipeline: name of the approval action. Required there."},
			{Key: "execution", Doc: "Format codepipeline: id of the pipeline execution, as a template. Default: `{{ .parameters.execution }}`."},
			phaseKey,
		}, awsKeys...),
		Types: decisionTypes,
		Check: func(c rules.Checker, own rules.FormatKeys) {
			checkTemplate(c.At("execution"), own.Texts["execution"], nil)
		},
	},
	Needs: NeedsRun,
	Open: func(e Endpoint) Maker {
		execution, bad := compile(either(e.Texts["execution"], "{{ .parameters.execution }}"))
		return func(f Facts) (*Call, error) {
			if bad != nil {
				return nil, bad // unreachable: the config was checked
			}
			return approvalCall(e, execution, f)
		}
	},
}

type approvalResult struct {
	Summary string `json:"summary"`
	Status  string `json:"status"`
}

type approval struct {
	Pipeline string         `json:"pipelineName"`
	Stage    string         `json:"stageName"`
	Action   string         `json:"actionName"`
	Result   approvalResult `json:"result"`
	Token    string         `json:"token"`
}

func approvalCall(e Endpoint, execution field, f Facts) (*Call, error) {
	v := decision(f, e.Texts["phase"])
	if v == undecided {
		return nil, nil
	}
	facts, err := fieldsOf(e, f)
	if err != nil {
		return nil, err
	}
	id, err := execution.render(facts)
	if err != nil || id == "" {
		return nil, fmt.Errorf("execution: %w", orEmpty(err))
	}
	call, err := awsCall(e, "codepipeline", "CodePipeline_20150709.GetPipelineState", struct {
		Name string `json:"name"`
	}{e.Texts["pipeline"]})
	if err != nil {
		return nil, err
	}
	answer := approval{
		Pipeline: e.Texts["pipeline"], Stage: e.Texts["stage"], Action: e.Texts["action"],
		Result: approvalResult{shorten(either(f.Event.Headline, f.Type)+" ("+f.ID+")", 512), map[verdict]string{passed: "Approved", failed: "Rejected"}[v]},
	}
	call.Read = func(a Answer) Reply { return stateReply(e, a, id, answer) }
	return call, nil
}

func orEmpty(err error) error {
	if err == nil {
		return fmt.Errorf("it is empty")
	}
	return err
}

// stateReply reads the state of a pipeline, and goes on to answer the approval that waits
// there for this execution.
func stateReply(e Endpoint, a Answer, execution string, answer approval) Reply {
	if !a.ok() {
		return awsRefusal(a)
	}
	var state struct {
		Stages []struct {
			Name   string `json:"stageName"`
			Latest struct {
				ID string `json:"pipelineExecutionId"`
			} `json:"latestExecution"`
			Actions []struct {
				Name   string `json:"actionName"`
				Latest struct {
					Status string `json:"status"`
					Token  string `json:"token"`
				} `json:"latestExecution"`
			} `json:"actionStates"`
		} `json:"stageStates"`
	}
	if json.Unmarshal(a.Body, &state) != nil {
		return Reply{Reason: "the state of the pipeline cannot be read"}
	}
	for _, stage := range state.Stages {
		for _, action := range stage.Actions {
			switch {
			case stage.Name != answer.Stage || action.Name != answer.Action:
				continue
			case stage.Latest.ID != execution:
				return Reply{Reason: "the stage is at another execution of the pipeline than the run's"}
			case action.Latest.Status == "Succeeded" || action.Latest.Status == "Failed" || action.Latest.Status == "Abandoned":
				return Reply{Done: true, Kept: "the approval had been answered"}
			case action.Latest.Token == "":
				return Reply{Reason: "the approval does not wait yet"}
			}
			answer.Token = action.Latest.Token
			call, err := awsCall(e, "codepipeline", "CodePipeline_20150709.PutApprovalResult", answer)
			if err != nil {
				return Reply{Reason: "the answer cannot be written"} // unreachable: it is text
			}
			call.Read = approvedReply
			return Reply{Next: call}
		}
	}
	return Reply{Refused: true, Reason: "the pipeline has no such stage or action"}
}

func approvedReply(a Answer) Reply {
	switch {
	case a.ok():
		return Reply{Done: true}
	case awsFault(a) == "ApprovalAlreadyCompletedException":
		return Reply{Done: true, Kept: "the approval had been answered"}
	}
	r := awsRefusal(a)
	if awsFault(a) == "InvalidApprovalTokenException" { // another waits by now: it is looked up again
		r.Refused = false
	}
	return r
}

// shorten cuts a text at a character's end.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "…"
}

// eventbridge puts events on a bus of Amazon EventBridge.
var eventbridge = Format{
	WebhookFormat: rules.WebhookFormat{
		Name: "eventbridge", Doc: "puts the event on a bus of Amazon EventBridge", URL: "https://events.{region}.amazonaws.com", Escalations: always,
		Keys: append([]rules.AccountKey{
			{Key: "bus", Doc: "Format eventbridge: name or ARN of the event bus. Default: `default`."},
			{Key: "source", Doc: "Format eventbridge: Source of the events. Default: `relgate`."},
		}, awsKeys...),
		Check: func(c rules.Checker, own rules.FormatKeys) {
			if strings.HasPrefix(own.Texts["source"], "aws.") {
				c.At("source").Fail("bad-value", "", "AWS keeps what begins with aws. for itself")
			}
		},
	},
	Open: func(e Endpoint) Maker {
		return func(f Facts) (*Call, error) { return putEventsCall(e, f) }
	},
}

type putEntry struct {
	Time       int64  `json:"Time"` // seconds since 1970
	Source     string `json:"Source"`
	DetailType string `json:"DetailType"`
	Detail     string `json:"Detail"` // JSON
	Bus        string `json:"EventBusName"`
}

func putEventsCall(e Endpoint, f Facts) (*Call, error) {
	var detail any = f.Event
	if s := f.Stuck; s != nil {
		detail = map[string]any{"endpoint": s.Endpoint, "attempts": s.Attempts, "reason": s.Reason, "event": f.Event}
	}
	text, err := encode(detail)
	if err != nil {
		return nil, err
	}
	entry := putEntry{when(&f.Event).Unix(), either(e.Texts["source"], "relgate"), f.Type, strings.TrimSuffix(string(text), "\n"), either(e.Texts["bus"], "default")}
	call, err := awsCall(e, "events", "AWSEvents.PutEvents", map[string][]putEntry{"Entries": {entry}})
	if call != nil {
		call.Read = putReply
	}
	return call, err
}

// putReply reads what became of the one event: a success of the request alone says
// nothing about it.
func putReply(a Answer) Reply {
	if !a.ok() {
		return awsRefusal(a)
	}
	var out struct {
		Entries []struct {
			ID    string `json:"EventId"`
			Fault string `json:"ErrorCode"`
		}
	}
	if json.Unmarshal(a.Body, &out) != nil || len(out.Entries) != 1 {
		return Reply{Reason: "the answer of EventBridge cannot be read"}
	}
	if fault := out.Entries[0].Fault; fault != "" {
		quoted, err := json.Marshal(map[string]string{"__type": fault})
		if err != nil {
			return Reply{} // unreachable: it is text
		}
		r := awsRefusal(Answer{Status: 400, Body: quoted})
		r.Reason = "the bus has not taken the event: " + shorten(strings.Map(plain, fault), 80)
		return r
	}
	if out.Entries[0].ID == "" {
		return Reply{Reason: "the answer of EventBridge cannot be read"}
	}
	return Reply{Done: true, Kept: shorten("event "+strings.Map(plain, out.Entries[0].ID), 100)}
}

// plain keeps what an id of AWS is made of.
func plain(r rune) rune {
	if r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
		return r
	}
	return -1
}
