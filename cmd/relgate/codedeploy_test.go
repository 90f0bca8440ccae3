package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/relgate/relgate/internal/peertest"
)

// hookDriver runs the function of the docs as Lambda and CodeDeploy do, with AWS and the clock
// replaced: time passes only while the function sleeps. It prints what CodeDeploy was told.
const hookDriver = `
import json, sys, time, types

now, calls, told, again = [1000.0], [0], [], []

class CodeDeploy:
    def put_lifecycle_event_hook_execution_status(self, *, deploymentId, lifecycleEventHookExecutionId, status):
        told.append([deploymentId, lifecycleEventHookExecutionId, status])
    def get_deployment(self, *, deploymentId):
        assert deploymentId == "d-1"
        return {"deploymentInfo": {"description": sys.argv[1]}}

class Lambda:
    def invoke(self, *, FunctionName, InvocationType, Payload):
        assert FunctionName == "arn:hook" and InvocationType == "Event"
        again.append(json.loads(Payload))

sys.modules["boto3"] = types.SimpleNamespace(client=lambda name: {"codedeploy": CodeDeploy, "lambda": Lambda}[name]())

class Context:
    invoked_function_arn = "arn:hook"
    def __init__(self): self.ends = now[0] + 900
    def get_remaining_time_in_millis(self):
        assert now[0] < self.ends, "Lambda has ended the function"
        return int(1000 * (self.ends - now[0]))

def sleep(seconds): now[0] += seconds
time.sleep, time.time = sleep, lambda: now[0]
import hook
again.append({"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "h-1"})
while again:
    calls[0] += 1
    hook.handler(again.pop(), Context())
    if sys.argv[2] and calls[0] == 1: # the next release is prepared meanwhile
        hook.os.environ["VERSION"] = sys.argv[2]
print(json.dumps({"told": told, "calls": calls[0], "took": now[0] - 1000}))
`

// The function tells CodeDeploy what relgate has decided, and at the end of its time that
// nothing was.
func TestTheHookOfCodeDeployTellsTheVerdict(t *testing.T) {
	t.Parallel()
	python := peertest.Need(t, "python3")
	dir := t.TempDir()
	for name, text := range map[string]string{"hook.py": recipe(t, integrations, "ci-codedeploy-hook"), "driver.py": hookDriver} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const last = 55 * 60
	for _, tt := range vendorStates(t) {
		ways := []string{"variable"}
		if tt.about == "passed" || tt.about == "another version" {
			ways = append(ways, "description", "variable that is changed")
		}
		for _, by := range ways {
			cmd := exec.CommandContext(t.Context(), python, "driver.py", "", "")
			env := append(os.Environ(), "RELGATE_URL="+tt.url, "RELGATE_TOKEN="+ciToken, "PLAN=shop", "PHASE=ten", "QUESTION=passed", "PYTHONDONTWRITEBYTECODE=1")
			switch by {
			case "description":
				cmd.Args[2] = tt.version
			case "variable that is changed":
				cmd.Args[3] = "1.0.1" // which has passed, where another version is asked about
				fallthrough
			default:
				env = append(env, "VERSION="+tt.version)
			}
			cmd.Dir, cmd.Env = dir, env
			out, err := cmd.Output()
			var got struct {
				Told  [][]string
				Calls int
				Took  float64
			}
			if err != nil || json.Unmarshal(lastLine(out), &got) != nil || len(got.Told) != 1 || got.Told[0][0] != "d-1" || got.Told[0][1] != "h-1" {
				t.Errorf("%s, version by a %s: %v\n%s", tt.about, by, err, out)
				continue
			}
			want, waits := "Failed", tt.code != exitFail && tt.code != exitPass
			if tt.code == exitPass {
				want = "Succeeded"
			}
			if got.Told[0][2] != want || waits != (got.Took >= last) || got.Took >= 3600 || waits != (got.Calls == 4) {
				t.Errorf("%s, version by a %s: %s after %d calls and %v seconds, want %s", tt.about, by, got.Told[0][2], got.Calls, got.Took, want)
			}
		}
	}
}

// lastLine is the last line of an output.
func lastLine(out []byte) []byte {
	for i := len(out) - 2; i >= 0; i-- {
		if out[i] == '\n' {
			return out[i+1:]
		}
	}
	return out
}
