package format

import (
	"fmt"
	"strings"
	"testing"

	"github.com/relgate/relgate/exporters/wire"
)

func phase(name, from, to string) wire.EventBody {
	return wire.EventBody{Kind: "phase", Subject: name, Phase: name, From: from, To: to}
}

// begunWith is a run that was begun with parameters, and what followed.
func begunWith(parameters map[string]string, events ...wire.EventBody) []wire.EventBody {
	return history(append([]wire.EventBody{{Kind: "run", Subject: "REL", To: "waiting", Begun: &wire.Begun{Try: 1, Parameters: parameters}}}, events...)...)
}

func TestADecisionIsToldOnceAndNotWhenItIsOld(t *testing.T) {
	for _, tt := range []struct {
		name   string
		phase  string
		events []wire.EventBody
		want   []verdict // of each event, with all others known
	}{
		{"a phase passes", "one", []wire.EventBody{phase("one", "monitoring", "passed"), phase("two", "monitoring", "passed"), run("monitoring", "passed")}, []verdict{passed, undecided, undecided}},
		{"a phase fails, and the run with it", "one", []wire.EventBody{phase("one", "monitoring", "failed"), run("monitoring", "failed")}, []verdict{failed, undecided}},
		{"a failure after a pass is told, and the pass is not told any more", "one", []wire.EventBody{phase("one", "monitoring", "passed"), run("monitoring", "rolled_back"), phase("one", "passed", "rolled_back")}, []verdict{undecided, failed, undecided}},
		{"another phase fails: the run goes on", "one", []wire.EventBody{phase("two", "monitoring", "failed")}, []verdict{undecided}},
		{"the whole run", "", []wire.EventBody{phase("one", "monitoring", "passed"), run("monitoring", "passed")}, []verdict{undecided, passed}},
		{"a hold decides nothing", "", []wire.EventBody{run("monitoring", "held"), run("held", "monitoring")}, []verdict{undecided, undecided}},
		{"another run takes its place", "one", []wire.EventBody{run("monitoring", "superseded")}, []verdict{failed}},
		{"a pass after a failure, by a person, comes too late", "one", []wire.EventBody{phase("one", "monitoring", "failed"), phase("one", "failed", "passed")}, []verdict{failed, undecided}},
	} {
		events := history(tt.events...)
		for i := range events {
			f := factsOf(events[:i+1])
			f.Later = events[i+1:]
			if got := decision(f, tt.phase); got != tt.want[i] {
				t.Errorf("%s: event %d: got %q, want %q", tt.name, i+1, got, tt.want[i])
			}
		}
	}
}

const (
	projectID = "69f48e94-bdb4-42d7-a560-0f2b54f91cc8"
	planID    = "7e9d2c3a-0000-4000-8000-000000000001"
	jobID     = "3a7e60dc-c5b0-5009-86eb-0f217c12e2ea"
	taskID    = "61153303-347e-5f06-a6a1-ce2102bd68eb"
)

// Body, path and answer are those of Azure DevOps' published example of "Events - Post
// Event"; it answers 204.
func TestAzureCompletesACheck(t *testing.T) {
	ids := map[string]string{"azure_plan": planID, "azure_job": jobID, "azure_task": taskID}
	e := endpointOf(map[string]string{"project": projectID, "phase": "one"}, nil)
	for to, result := range map[string]string{"passed": "succeeded", "failed": "failed"} {
		call := mustCall(t, azure, e, begunWith(ids, phase("one", "monitoring", to)))
		want := `{"name":"TaskCompleted","taskId":"` + taskID + `","jobId":"` + jobID + `","result":"` + result + `"}` + "\n"
		if string(call.Body) != want || call.Header["Authorization"] != "Basic OnMzY3JldA==" {
			t.Errorf("got %s with %v, want %s", call.Body, call.Header, want)
		}
		for _, a := range []struct {
			status int
			want   Reply
		}{
			{204, Reply{Done: true}},
			{203, Reply{Refused: true, Reason: "answered 203: the token is not taken, or may not do this"}},
			{302, Reply{Reason: "answered 302: the token is not taken, or may not do this"}},
			{404, Reply{Refused: true, Reason: "answered 404: there is no such check, or it waits no more"}},
			{500, Reply{}},
		} {
			asked, got := play(t, call, func(*Call) Answer { return Answer{Status: a.status} })
			if len(asked) != 1 || asked[0] != "POST /"+projectID+"/_apis/distributedtask/hubs/checks/plans/"+planID+"/events?api-version=7.1" || got != a.want {
				t.Errorf("%d: asked %q and got %+v, want %+v", a.status, asked, got, a.want)
			}
		}
	}
	ids["azure_plan"] = "../../x"
	if call, err := azure.Open(e)(factsOf(begunWith(ids, phase("one", "monitoring", "passed")))); call != nil || err == nil || !strings.Contains(err.Error(), "plan_id") {
		t.Errorf("an id that is none: got %v, %v", call, err)
	}
	if call, err := azure.Open(e)(factsOf(begunWith(nil, phase("one", "monitoring", "passed")))); call != nil || err == nil {
		t.Errorf("a run without the ids: got %v, %v", call, err)
	}
	if call, err := azure.Open(e)(factsOf(begunWith(nil, run("monitoring", "held")))); call != nil || err != nil {
		t.Errorf("a hold: got %v, %v", call, err)
	}
}

// An approval of another execution of the pipeline, that is of another version, is never
// answered.
func TestCodePipelineAnswersTheApprovalOfTheRun(t *testing.T) {
	state := func(execution, status, token string) Answer {
		return Answer{Status: 200, Body: fmt.Appendf(nil, `{"stageStates":[{"stageName":"Build"},{"stageName":"Production","latestExecution":{"pipelineExecutionId":%q},
			"actionStates":[{"actionName":"Deploy"},{"actionName":"Watched","latestExecution":{"status":%q,"token":%q}}]}]}`, execution, status, token)}
	}
	fault := func(name string) Answer {
		return Answer{Status: 400, Body: []byte(`{"__type":"com.amazonaws.codepipeline#` + name + `","message":"secret"}`)}
	}
	const get, put = "CodePipeline_20150709.GetPipelineState", "CodePipeline_20150709.PutApprovalResult"
	for _, tt := range []struct {
		name    string
		answers []Answer
		asked   string
		want    Reply
	}{
		{"it waits", []Answer{state("exec-1", "InProgress", "tok-1"), {Status: 200}}, get + " " + put, Reply{Done: true}},
		{"another execution waits there", []Answer{state("exec-2", "InProgress", "tok-2")}, get, Reply{Reason: "the stage is at another execution of the pipeline than the run's"}},
		{"it does not wait yet", []Answer{state("exec-1", "InProgress", "")}, get, Reply{Reason: "the approval does not wait yet"}},
		{"it was answered, and the answer was lost", []Answer{state("exec-1", "Succeeded", "tok-1")}, get, Reply{Done: true, Kept: "the approval had been answered"}},
		{"a person was faster", []Answer{state("exec-1", "InProgress", "tok-1"), fault("ApprovalAlreadyCompletedException")}, get + " " + put, Reply{Done: true, Kept: "the approval had been answered"}},
		{"the token is old", []Answer{state("exec-1", "InProgress", "tok-1"), fault("InvalidApprovalTokenException")}, get + " " + put, Reply{Reason: "answered 400 InvalidApprovalTokenException"}},
		{"too many requests", []Answer{fault("ThrottlingException")}, get, Reply{Reason: "answered 400 ThrottlingException"}},
		{"no right", []Answer{fault("AccessDeniedException")}, get, Reply{Refused: true, Reason: "answered 400 AccessDeniedException"}},
		{"old credentials", []Answer{fault("ExpiredTokenException")}, get, Reply{Reason: "answered 400 ExpiredTokenException"}},
		{"no such action", []Answer{{Status: 200, Body: []byte(`{"stageStates":[]}`)}}, get, Reply{Refused: true, Reason: "the pipeline has no such stage or action"}},
		{"no JSON", []Answer{{Status: 200, Body: []byte(`<html>`)}}, get, Reply{Reason: "the state of the pipeline cannot be read"}},
		{"an error that is none", []Answer{{Status: 500, Body: []byte(`{"__type":"<b>"}`)}}, get, Reply{}},
	} {
		e := endpointOf(map[string]string{"region": "eu-central-1", "pipeline": "shop", "stage": "Production", "action": "Watched", "phase": "one"}, nil)
		events := begunWith(map[string]string{"execution": "exec-1"}, phase("one", "monitoring", "passed"))
		events[1].Headline = strings.Repeat("é", 400)
		var asked []string
		var last *Call
		_, got := play(t, mustCall(t, codepipeline, e, events), func(c *Call) Answer {
			asked, last = append(asked, c.Header["X-Amz-Target"]), c
			if c.AWS == nil || *c.AWS != (AWS{"codepipeline", "eu-central-1"}) {
				t.Errorf("%s: it is not signed: %v", tt.name, c.AWS)
			}
			return tt.answers[len(asked)-1]
		})
		if strings.Join(asked, " ") != tt.asked || got != tt.want {
			t.Errorf("%s: asked %q and got %+v, want %q and %+v", tt.name, asked, got, tt.asked, tt.want)
		}
		if strings.Contains(tt.asked, put) && (!strings.Contains(string(last.Body), `"token":"tok-1"`) || !strings.Contains(string(last.Body), `"status":"Approved"`) || len(last.Body) > 800) {
			t.Errorf("%s: got %s", tt.name, last.Body)
		}
	}
}

// A success of the request says nothing about the event in it.
func TestEventBridgeTakesTheEvent(t *testing.T) {
	e := endpointOf(map[string]string{"region": "eu-central-1", "bus": "releases"}, nil)
	for _, tt := range []struct {
		answer Answer
		want   Reply
	}{
		{Answer{Status: 200, Body: []byte(`{"FailedEntryCount":0,"Entries":[{"EventId":"11710aed-b79e-4468-a20b-bb3c0c3b4860"}]}`)}, Reply{Done: true, Kept: "event 11710aed-b79e-4468-a20b-bb3c0c3b4860"}},
		{Answer{Status: 200, Body: []byte(`{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure","ErrorMessage":"x"}]}`)}, Reply{Reason: "the bus has not taken the event: InternalFailure"}},
		{Answer{Status: 200, Body: []byte(`{"FailedEntryCount":1,"Entries":[{"ErrorCode":"NotAuthorizedForSourceException","ErrorMessage":"x"}]}`)}, Reply{Refused: true, Reason: "the bus has not taken the event: NotAuthorizedForSourceException"}},
		{Answer{Status: 200, Body: []byte(`{}`)}, Reply{Reason: "the answer of EventBridge cannot be read"}},
		{Answer{Status: 200, Body: []byte(`{"Entries":[{}]}`)}, Reply{Reason: "the answer of EventBridge cannot be read"}},
		{Answer{Status: 503}, Reply{}},
	} {
		call := mustCall(t, eventbridge, e, begunRun())
		if _, got := play(t, call, func(*Call) Answer { return tt.answer }); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.answer.Body, got, tt.want)
		}
		for _, want := range []string{`"Source":"relgate"`, `"EventBusName":"releases"`, `"DetailType":"relgate.run.rolled_back"`, `"Time":1749002460`, `"Detail":"{\"kind\":\"run\",`} {
			if !strings.Contains(string(call.Body), want) {
				t.Errorf("got %s, want %s in it", call.Body, want)
			}
		}
	}
	f := factsOf(begunRun())
	f.Type, f.Stuck = "relgate.delivery.escalated", &Stuck{Endpoint: "pipeline", Attempts: 3}
	if call, err := eventbridge.Open(e)(f); err != nil || !strings.Contains(string(call.Body), `\"endpoint\":\"pipeline\"`) {
		t.Errorf("an escalation: got %v, %v", call, err)
	}
}
