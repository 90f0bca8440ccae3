package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/internal/peertest"
	"github.com/relgate/relgate/rules"
)

// play gives a call's answers until it ends, and notes the requests as METHOD PATH?QUERY.
func play(t *testing.T, call *Call, answer func(c *Call) Answer) (asked []string, last Reply) {
	t.Helper()
	for call != nil {
		method := call.Method
		if method == "" {
			method = http.MethodPost
		}
		u, err := url.Parse(call.URL)
		if err != nil {
			t.Fatal(err)
		}
		asked = append(asked, method+" "+u.RequestURI())
		a := answer(call)
		if a.Header == nil {
			a.Header = http.Header{}
		}
		if last = (Reply{Done: a.ok(), Refused: Refused(a.Status)}); call.Read != nil {
			last = call.Read(a)
		}
		call = last.Next
		if len(asked) > 20 {
			t.Fatal("it goes on and on")
		}
	}
	return asked, last
}

// begunRun is a run that was begun with a parameter and is rolled back.
func begunRun() []wire.EventBody {
	return history(
		wire.EventBody{Kind: "run", Subject: "REL", To: "waiting", Begun: &wire.Begun{Try: 1, Parameters: map[string]string{"commit": "a1b2"}, Previous: wire.Previous{Version: "0.9.0"}}},
		run("monitoring", "rolled_back"),
	)
}

func endpointOf(texts map[string]string, tables map[string]map[string]string) Endpoint {
	return Endpoint{Name: "ci", URL: "https://ci.example", External: "https://relgate.example", Secrets: map[string]string{"token": "s3cret"}, FormatKeys: rules.FormatKeys{Texts: texts, Tables: tables}}
}

func mustCall(t *testing.T, f Format, e Endpoint, events []wire.EventBody) *Call {
	t.Helper()
	call, err := f.Open(e)(factsOf(events))
	if err != nil || call == nil {
		t.Fatalf("got %v, %v", call, err)
	}
	return call
}

const runsPath = "/repos/acme/shop/actions/workflows/rollback.yml/runs?event=workflow_dispatch&exclude_pull_requests=true&per_page=100&created=%3E%3D2025-06-04T01%3A51%3A00Z&page="

// The event's id is looked for before anything is started, so that a retry starts no
// second run, whatever became of the attempt before.
func TestGitHubStartsAWorkflowOncePerEvent(t *testing.T) {
	const id = "REL@1.0.0.k7q/2"
	runs := func(total int, titles ...string) string {
		var list []string
		for i, title := range titles {
			list = append(list, fmt.Sprintf(`{"id":%d,"display_title":%q,"html_url":"https://github.com/acme/shop/actions/runs/%d"}`, i+1, title, i+1))
		}
		return fmt.Sprintf(`{"total_count":%d,"workflow_runs":[%s]}`, total, strings.Join(list, ","))
	}
	full := make([]string, 100)
	const started, start = `{"workflow_run_id":4711,"run_url":"https://api.github.com/r/4711","html_url":"https://github.com/acme/shop/actions/runs/4711"}`, "POST /repos/acme/shop/actions/workflows/rollback.yml/dispatches"
	look := func(page int) string { return fmt.Sprintf("GET %s%d", runsPath, page) }
	for _, tt := range []struct {
		name    string
		answers []Answer
		asked   []string
		want    Reply
	}{
		{"it is started", []Answer{{Status: 200, Body: []byte(runs(0))}, {Status: 200, Body: []byte(started)}}, []string{look(1), start},
			Reply{Done: true, Kept: "workflow run 4711 https://github.com/acme/shop/actions/runs/4711"}},
		{"it was started by an attempt whose answer was lost", []Answer{{Status: 200, Body: []byte(runs(2, "roll back "+id+"0", "roll back "+id))}}, []string{look(1)},
			Reply{Done: true, Kept: "workflow run 2 https://github.com/acme/shop/actions/runs/2"}},
		{"another event's id begins with this one", []Answer{{Status: 200, Body: []byte(runs(1, "roll back "+id+"7"))}, {Status: 200, Body: []byte(started)}}, []string{look(1), start},
			Reply{Done: true, Kept: "workflow run 4711 https://github.com/acme/shop/actions/runs/4711"}},
		{"an older server", []Answer{{Status: 200, Body: []byte(runs(0))}, {Status: 422}, {Status: 204}}, []string{look(1), start, start}, Reply{Done: true}},
		{"the workflow does not take it", []Answer{{Status: 200, Body: []byte(runs(0))}, {Status: 422}, {Status: 422}}, []string{look(1), start, start},
			Reply{Refused: true, Reason: "answered 422: the ref has no such workflow, or the workflow does not take these inputs"}},
		{"the list cannot be had", []Answer{{Status: 502}}, []string{look(1)}, Reply{}},
		{"the list is no list", []Answer{{Status: 200, Body: []byte("<html>")}}, []string{look(1)}, Reply{Reason: "GitHub's list of runs cannot be read"}},
		{"it is on the second page", []Answer{{Status: 200, Body: []byte(runs(101, full...))}, {Status: 200, Body: []byte(runs(101, id))}}, []string{look(1), look(2)},
			Reply{Done: true, Kept: "workflow run 1 https://github.com/acme/shop/actions/runs/1"}},
		{"too many to look at", []Answer{{Status: 200, Body: []byte(runs(900, full...))}, {Status: 200, Body: []byte(runs(900, full...))}, {Status: 200, Body: []byte(runs(900, full...))}}, []string{look(1), look(2), look(3)},
			Reply{Reason: "the workflow has had more than 300 runs since the event: whether it was started for it cannot be seen"}},
		{"the token is wrong", []Answer{{Status: 401}}, []string{look(1)}, Reply{Refused: true, Reason: "answered 401: the token is not taken, or may not do this"}},
		{"too many requests", []Answer{{Status: 403, Header: http.Header{"X-Ratelimit-Remaining": {"0"}}}}, []string{look(1)}, Reply{Reason: "answered 403: the token is not taken, or may not do this"}},
		{"a page that is no page is not kept", []Answer{{Status: 200, Body: []byte(runs(0))}, {Status: 200, Body: []byte(`{"workflow_run_id":1,"html_url":"javascript:x"}`)}}, []string{look(1), start}, Reply{Done: true, Kept: "workflow run 1"}},
	} {
		e := endpointOf(map[string]string{"repository": "acme/shop", "workflow": "rollback.yml", "ref": "main"}, map[string]map[string]string{"inputs": {"commit": "{{ .parameters.commit }}", "to": "{{ .previous.version }}"}})
		n := 0
		asked, got := play(t, mustCall(t, githubWorkflow, e, begunRun()), func(c *Call) Answer {
			if c.Header["Authorization"] != "Bearer s3cret" {
				t.Errorf("%s: no token in %v", tt.name, c.Header)
			}
			if c.Method == "" {
				if !strings.Contains(string(c.Body), `"inputs":{"commit":"a1b2","relgate-event":"`+id+`","to":"0.9.0"}`) || c.Unsure == 0 {
					t.Errorf("%s: got %s", tt.name, c.Body)
				}
			}
			n++
			return tt.answers[n-1]
		})
		if strings.Join(asked, "\n") != strings.Join(tt.asked, "\n") || got != tt.want {
			t.Errorf("%s: asked\n%s\nand got %+v, want\n%s\nand %+v", tt.name, strings.Join(asked, "\n"), got, strings.Join(tt.asked, "\n"), tt.want)
		}
	}
}

func TestGitHubDispatchOfARepository(t *testing.T) {
	for _, tt := range []struct{ kind, want string }{{"", "relgate.run.rolled_back"}, {"rollback", "rollback"}} {
		events := begunRun()
		for i := range 4000 {
			events[1].Detail = append(events[1].Detail, fmt.Sprintf("a long story, line %d", i))
		}
		for _, f := range []Facts{factsOf(begunRun()), factsOf(events)} {
			call, err := githubDispatch.Open(endpointOf(map[string]string{"repository": "acme/shop", "event_type": tt.kind}, nil))(f)
			if err != nil || len(call.Body) > 64<<10 {
				t.Fatalf("got %d bytes, %v", len(call.Body), err)
			}
			var got struct {
				Type    string `json:"event_type"`
				Payload struct{ Relgate wire.EventBody }
			}
			if err := json.Unmarshal(bytes.Replace(call.Body, []byte("client_payload"), []byte("payload"), 1), &got); err != nil || got.Type != tt.want || got.Payload.Relgate.ID != f.ID {
				t.Errorf("got %s (%v)", call.Body, err)
			}
			if asked, reply := play(t, call, func(*Call) Answer { return Answer{Status: 204} }); asked[0] != "POST /repos/acme/shop/dispatches" || !reply.Done {
				t.Errorf("asked %q, got %+v", asked, reply)
			}
		}
	}
}

// What is sent to GitHub keeps its published description, where that is at hand.
func TestWhatGitHubIsSentKeepsItsDescription(t *testing.T) {
	schema := peertest.GitHub(t)
	const start, dispatch = "POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches", "POST /repos/{owner}/{repo}/dispatches"
	e := endpointOf(map[string]string{"repository": "acme/shop", "workflow": "rollback.yml", "ref": "main"}, map[string]map[string]string{"inputs": {"commit": "{{ .parameters.commit }}"}})
	var sent []string
	play(t, mustCall(t, githubWorkflow, e, begunRun()), func(c *Call) Answer {
		if c.Method != "" {
			return Answer{Status: 200, Body: []byte(`{"total_count":0,"workflow_runs":[]}`)}
		}
		sent = append(sent, string(c.Body))
		peertest.Keeps(t, schema(start, "requestBody"), c.Body)
		return Answer{Status: 422} // as an older server: the second body is without the details
	})
	if len(sent) != 2 || !strings.Contains(sent[0], `"return_run_details":true`) || strings.Contains(sent[1], "details") {
		t.Errorf("sent %q", sent)
	}
	peertest.Keeps(t, schema(start, "responses/200"), []byte(`{"workflow_run_id":4711,"run_url":"https://api.github.com/r/4711","html_url":"https://github.com/acme/shop/actions/runs/4711"}`))
	peertest.Keeps(t, schema(dispatch, "requestBody"), mustCall(t, githubDispatch, e, begunRun()).Body)
	peertest.Lacks(t, schema(start, "requestBody"), `{"inputs":{}}`)
	peertest.Lacks(t, schema(start, "requestBody"), `{"ref":"main","return_run_details":"yes"}`)
	peertest.Lacks(t, schema(dispatch, "requestBody"), `{"client_payload":{}}`)
}

// GitLab answers 400 to what it does not do for other reasons, too: only that there is no such
// ref says that it would have run one.
func TestGitLabIsAskedWhetherItWouldRunAPipeline(t *testing.T) {
	e := endpointOf(map[string]string{"project": "acme/shop", "ref": "main"}, nil)
	for body, want := range map[string]bool{
		`{"message":{"base":["Reference not found"]}}`:                                true,
		`{"message":"Reference not found"}`:                                           true,
		`{"message":{"base":["Pipelines are disabled!"]}}`:                            false,
		`{"message":{"base":["Insufficient permissions to create a new pipeline"]}}`:  false,
		`{"error":"token is missing"}`:                                                false,
		`<html>The plain HTTP request was sent to HTTPS port: Reference not found</>`: false,
		``: false,
	} {
		if got := dryPipeline(e).Read(Answer{Status: 400, Body: []byte(body)}); got.Done != want || got.Refused == want {
			t.Errorf("%s: %+v", body, got)
		}
	}
}

func TestGitLabRunsAPipeline(t *testing.T) {
	e := endpointOf(map[string]string{"project": "acme/shop", "ref": "main"}, map[string]map[string]string{
		"inputs": {"version": "{{ .version }}"}, "variables": {"COMMIT": "{{ .parameters.commit }}", "RELGATE_TYPE": "own"},
	})
	for _, tt := range []struct {
		answer Answer
		want   Reply
	}{
		{Answer{Status: 201, Body: []byte(`{"id":47,"web_url":"https://gitlab.example/acme/shop/-/pipelines/47","status":"created"}`)}, Reply{Done: true, Kept: "pipeline 47 https://gitlab.example/acme/shop/-/pipelines/47"}},
		{Answer{Status: 201, Body: []byte("no JSON")}, Reply{Done: true}},
		{Answer{Status: 400}, Reply{Refused: true, Reason: "answered 400: there is no such ref, no job is for pipelines that are triggered, or the inputs are refused"}},
		{Answer{Status: 404}, Reply{Refused: true, Reason: "answered 404: there is no such project, or the token is none of its pipeline trigger tokens"}},
		{Answer{Status: 429}, Reply{}},
		{Answer{Status: 500}, Reply{}},
	} {
		call := mustCall(t, gitlab, e, begunRun())
		asked, got := play(t, call, func(*Call) Answer { return tt.answer })
		if len(asked) != 1 || asked[0] != "POST /api/v4/projects/acme%2Fshop/trigger/pipeline" || got != tt.want {
			t.Errorf("%d: asked %q and got %+v, want %+v", tt.answer.Status, asked, got, tt.want)
		}
		form, err := url.ParseQuery(string(call.Body))
		want := url.Values{
			"token": {"s3cret"}, "ref": {"main"}, "inputs[version]": {"1.0.0"}, "variables[COMMIT]": {"a1b2"}, "variables[RELGATE_TYPE]": {"own"},
			"variables[RELGATE_EVENT]": {"REL@1.0.0.k7q/2"}, "variables[RELGATE_PLAN]": {"REL"}, "variables[RELGATE_RUN]": {"REL@1.0.0"}, "variables[RELGATE_VERSION]": {"1.0.0"},
		}
		if err != nil || form.Encode() != want.Encode() || call.Header["Content-Type"] != "application/x-www-form-urlencoded" || strings.Contains(call.URL, "s3cret") {
			t.Errorf("got %s, want %s (%v)", form.Encode(), want.Encode(), err)
		}
	}
}

// A field that an event does not have is an error, in every template.
func TestATemplateThatFailsStartsNothing(t *testing.T) {
	for _, text := range []string{"{{ .parameters.branch }}", "{{ .evidence.value }}", "{{ index .parameters2 0 }}"} {
		for _, f := range []Format{githubWorkflow, gitlab} {
			e := endpointOf(map[string]string{"repository": "acme/shop", "workflow": "w", "ref": "main", "project": "p"}, map[string]map[string]string{"inputs": {"x": text}})
			if call, err := f.Open(e)(factsOf(begunRun())); err == nil || call != nil || !strings.HasPrefix(err.Error(), "x: ") {
				t.Errorf("%s: %s: got %v, %v", f.Name, text, call, err)
			}
		}
	}
}

func TestGitHubIsAskedBeforeItIsNeeded(t *testing.T) {
	e := endpointOf(map[string]string{"repository": "acme/shop", "workflow": "rollback.yml", "ref": "main"}, nil)
	for _, tt := range []struct {
		call *Call
		url  string
		says map[string]Reply // by the answer's body
	}{
		{dryWorkflow(e), "/repos/acme/shop/actions/workflows/rollback.yml", map[string]Reply{
			`{"path":"a","state":"active"}`:             {Done: true, Kept: "the workflow rollback.yml of acme/shop is there and active"},
			`{"path":"a","state":"disabled_manually"}`:  {Refused: true, Reason: "the workflow is disabled_manually: enable it in GitHub"},
			`{"path":"a","state":"deleted\u001b[2K ?"}`: {Refused: true, Reason: "the workflow is deleted: enable it in GitHub"},
			`{"path":"a"}`:       {Reason: "GitHub's answer does not say the state of the workflow"},
			`<html>login</html>`: {Reason: "GitHub's answer does not say the state of the workflow"},
		}},
		{dryDispatch(e), "/repos/acme/shop", map[string]Reply{
			`{"archived":false,"permissions":{"push":true}}`:  {Done: true, Kept: "it would send repository_dispatch to acme/shop"},
			`{"archived":false,"permissions":{"push":false}}`: {Refused: true, Reason: "the token cannot write to the repository, which repository_dispatch needs: give it Contents, read and write"},
			`{"archived":false}`:                              {Done: true}, // what the token may do is not said: only a drill shows it
			`{"archived":true,"permissions":{"push":true}}`:   {Refused: true, Reason: "the repository is archived: its workflows do not run"},
			`[]`: {Reason: "GitHub's answer does not describe the repository"},
		}},
	} {
		if tt.call.Method != "GET" || !strings.HasSuffix(tt.call.URL, tt.url) || len(tt.call.Body) > 0 {
			t.Errorf("it asks %s %s", tt.call.Method, tt.call.URL)
		}
		for body, want := range tt.says {
			if got := tt.call.Read(Answer{Status: 200, Body: []byte(body)}); got != want {
				t.Errorf("%s: got %+v, want %+v", body, got, want)
			}
		}
		for _, status := range []int{401, 403, 404, 500} {
			if got := tt.call.Read(Answer{Status: status}); got.Done || got.Refused != (status == 401 || status == 404) && status != 403 { // 403 may be said of too many requests
				t.Errorf("%d: %+v", status, got)
			}
		}
	}
}
