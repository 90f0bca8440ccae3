package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	pipelinetypes "github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	bustypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// asked is a request to AWS as it came in.
type asked struct{ target, kind, body string }

// region is a server that plays the part of the two services of AWS, and notes what it is
// asked: their own clients read its answers too.
func region(t *testing.T) (url string, seen *[]asked) {
	t.Helper()
	seen = new([]asked)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		target := r.Header.Get("X-Amz-Target")
		*seen = append(*seen, asked{target, r.Header.Get("Content-Type"), string(body)})
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		switch target {
		case "AWSEvents.PutEvents":
			fmt.Fprint(w, `{"FailedEntryCount":0,"Entries":[{"EventId":"e-1"}]}`)
		case "CodePipeline_20150709.GetPipelineState":
			fmt.Fprint(w, `{"stageStates":[{"stageName":"Production","latestExecution":{"pipelineExecutionId":"exec-1","status":"InProgress"},"actionStates":[{"actionName":"Watched","latestExecution":{"status":"InProgress","token":"tok-1"}}]}]}`)
		default:
			fmt.Fprint(w, `{}`)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, seen
}

// sent is what a format asks for one event.
func sent(t *testing.T, url, name string, keys map[string]string, e wire.EventBody) {
	t.Helper()
	f, known := format.Named(name)
	if !known {
		t.Fatalf("there is no format %q", name)
	}
	begun := wire.EventBody{N: 1, Kind: "run", To: "waiting", Begun: &wire.Begun{Parameters: map[string]string{"execution": "exec-1"}}}
	sink, err := webhook.New(webhook.Config{Allow: []string{"127.0.0.1/32"}}, webhook.Endpoint{
		Name: "aws", URL: url, Format: f, Keys: rules.FormatKeys{Texts: keys},
		Earlier: func(context.Context, string, uint64, bool) ([]wire.EventBody, error) {
			return []wire.EventBody{begun}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if o := sink.Send(t.Context(), outbox.Message{ID: e.ID, Type: e.Type, N: e.N, Data: data}); !o.OK {
		t.Fatalf("%s: %+v", name, o)
	}
}

// What the formats ask AWS is what AWS' own clients ask, value for value.
func TestAmazonsOwnClientsAskTheSame(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	url, seen := region(t)
	e := wire.EventBody{Kind: "run", Type: "relgate.run.passed", N: 2, ID: theRun + ".k3x9/2", Run: theRun, Plan: "wide", Version: "1.0.0", At: new(epoch), Subject: "wide", To: "passed", Headline: "50 % <of> & é"}
	sent(t, url, "eventbridge", map[string]string{"region": "eu-central-1", "bus": "releases"}, e)
	sent(t, url, "codepipeline", map[string]string{"region": "eu-central-1", "pipeline": "shop", "stage": "Production", "action": "Watched"}, e)
	ours := *seen
	*seen = nil

	var put struct{ Entries []struct{ Detail string } }
	if err := json.Unmarshal([]byte(ours[0].body), &put); err != nil || !json.Valid([]byte(put.Entries[0].Detail)) {
		t.Fatalf("%v: %s", err, ours[0].body)
	}
	key := credentials.NewStaticCredentialsProvider("AKIDTEST", "test", "")
	bus := eventbridge.New(eventbridge.Options{Region: "eu-central-1", BaseEndpoint: &url, Credentials: key})
	if _, err := bus.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []bustypes.PutEventsRequestEntry{{
		Source: aws.String("relgate"), DetailType: aws.String(e.Type), Detail: aws.String(put.Entries[0].Detail), EventBusName: aws.String("releases"), Time: aws.Time(epoch),
	}}}); err != nil {
		t.Fatal(err)
	}
	pipeline := codepipeline.New(codepipeline.Options{Region: "eu-central-1", BaseEndpoint: &url, Credentials: key})
	if _, err := pipeline.GetPipelineState(t.Context(), &codepipeline.GetPipelineStateInput{Name: aws.String("shop")}); err != nil {
		t.Fatal(err)
	}
	if _, err := pipeline.PutApprovalResult(t.Context(), &codepipeline.PutApprovalResultInput{
		PipelineName: aws.String("shop"), StageName: aws.String("Production"), ActionName: aws.String("Watched"), Token: aws.String("tok-1"),
		Result: &pipelinetypes.ApprovalResult{Status: pipelinetypes.ApprovalStatusApproved, Summary: aws.String(e.Headline + " (" + e.ID + ")")},
	}); err != nil {
		t.Fatal(err)
	}
	if len(ours) != len(*seen) {
		t.Fatalf("relgate asked %d times, they %d times", len(ours), len(*seen))
	}
	for i, theirs := range *seen {
		if ours[i].target != theirs.target || ours[i].kind != theirs.kind || !sameJSON(t, ours[i].body, theirs.body) {
			t.Errorf("relgate asked\n%+v\nthey\n%+v", ours[i], theirs)
		}
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var both [2][]byte
	for i, text := range []string{a, b} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		both[i], _ = json.Marshal(v)
	}
	return bytes.Equal(both[0], both[1])
}
