package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
	"github.com/relgate/relgate/exporters/wire"
)

const effectsConfig = `
[rollback.errors-high]
title  = "errors"
signal = "errors"
when   = "> 3 %"
for    = "5m"
owner  = "Ops"
action = "roll it back"

[rollback.errors-high.effects]
build = { do = "remove the build", by = "Ops", command = "fastlane remove" }
note  = { do = "tell the shops", by = "Ops" }

[people]
Ops = { slack = "#ops" }
ops = { slack = "#ops" }
Ada = { slack = "#ops" }

[sinks.slack]
token   = { env = "SLACK_TOKEN" }
channel = "#ops"
`

// The way back from the order to its end, by the program's commands.
func TestEffectsCommands(t *testing.T) {
	sum := sha256.Sum256([]byte("boss-1"))
	text := strings.NewReplacer("start = 2100-01-01T00:00:00Z", "start = "+time.Now().Add(-time.Minute).UTC().Format(time.RFC3339),
		"success = [\"errors\"]\n", "success = [\"errors\"]\nrollback = [\"errors-high\"]\n").Replace(withTokens()) +
		fmt.Sprintf("[daemon.tokens.boss]\nhash = \"sha256:%s\"\nscopes = [\"read\", \"override\", \"stop\"]\n", hex.EncodeToString(sum[:])) + effectsConfig
	p := housePeople(t, text, map[string]string{"ops": "C0000OPS"})
	const run = "P-1@1.0.0"
	t.Setenv("RELGATE_URL", p.url(""))
	does := func(token string, want int, says string, args ...string) string {
		t.Helper()
		t.Setenv("RELGATE_TOKEN", token+"-1")
		code, out, errs := command(t, args...)
		if code != want || !strings.Contains(out+errs, says) {
			t.Errorf("%s %q: exit code %d, want %d, and %q: %s%s", token, args, code, want, says, out, errs)
		}
		return out
	}
	deed := func(args ...string) []string { return append(args, "--by", "Lee", "--why", "a test") }
	does("boss", exitPass, "No step of a way back was asked for.", "effects", run)
	eventually(t, "the phase to begin", func() bool {
		return strings.Contains(does("boss", exitPass, "", "runs", run), "is watched") || p.run().Phases[0].State == "monitoring"
	})
	does("boss", exitPass, "abort applied", deed("abort", "--plan", "P-1")...)
	eventually(t, "the steps to be asked for", func() bool { return len(p.run().Effects.Steps) == 2 && p.run().Effects.Steps[1].State == fact.Intended })
	eventually(t, "a message of the step", func() bool {
		for _, m := range p.slack.Messages() {
			if strings.Contains(fmt.Sprint(m), "relgate effects done P-1@1.0.0 errors-high/build") {
				return true
			}
		}
		return false
	})
	out := does("boss", exitPass, "", "effects", run)
	for _, want := range []string{"STEP", "errors-high/build", "remove the build", "intended", "Ops", "slack"} {
		if !strings.Contains(out, want) {
			t.Errorf("the list has no %q:\n%s", want, out)
		}
	}
	does("boss", exitPass, "way back  0 of 2 steps settled", "runs", run)
	does("all", exitPass, "ack_effect applied", deed("effects", "ack", run, "errors-high/build")...)
	does("boss", exitFail, "step errors-high/build of the way back is acknowledged", deed("effects", "ack", run, "build")...)
	does("boss", exitFail, `the way back has no step "none"`, deed("effects", "done", run, "none")...)
	does("read", exitAuth, "it has no scope stop", deed("effects", "done", run, "build")...)
	does("boss", exitPass, "effect_failed applied", deed("effects", "failed", run, "note")...)
	does("boss", exitPass, "skip_effect applied", deed("effects", "skip", run, "note")...)
	does("boss", exitPass, "effect_done applied", deed("effects", "done", run, "build")...)
	eventually(t, "the way back to be taken", func() bool { return p.run().Effects.WayTakenAt != nil })
	does("boss", exitPass, "Whether users are safe is not known.", "effects", run)
	does("boss", exitPass, "FAIL: every step of the way back is done; whether users are safe", "runs", run)
	var got wire.Effects
	if err := json.Unmarshal([]byte(does("boss", exitPass, "", "effects", run, "-o", "json")), &got); err != nil || len(got.Steps) != 2 || got.Steps[0].State != fact.Done || got.Steps[0].By != "Lee" || got.Steps[1].State != fact.Skipped {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A receiver refused a step, and a person skipped it since: when the receiver is well again
// it is not asked. What still waits is.
func TestWhatWasSkippedIsNotAskedForAgain(t *testing.T) {
	var mu sync.Mutex
	well, refused, asked := false, map[string]int{}, map[string]int{} // step → times
	hook := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Data wire.EventBody }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		e := body.Data
		mu.Lock()
		defer mu.Unlock()
		if e.Effect != nil && e.To == fact.Intended {
			if !well {
				refused[e.Subject]++
				w.WriteHeader(http.StatusForbidden)
				return
			}
			asked[e.Subject]++
		}
	})
	const run = "P-1@1.0.0"
	text := strings.NewReplacer("start = 2100-01-01T00:00:00Z", "start = "+time.Now().Add(-time.Minute).UTC().Format(time.RFC3339),
		"success = [\"errors\"]\n", "success = [\"errors\"]\nrollback = [\"errors-high\"]\n").Replace(withTokens()) + `
[rollback.errors-high]
title  = "errors"
signal = "errors"
when   = "> 3 %"
for    = "5m"
owner  = "ops"
action = "roll it back"
command = "revert"

[rollback.errors-high.effects]
alias  = { do = "take the alias back", to = "hook" }
cache  = { do = "empty the cache", to = "hook" }

[webhooks.hook]
url     = "https://hook.example/"
class   = "action"
secrets = [{ env = "HOOK_SECRET" }]
`
	t.Setenv("HOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	d := housed(t, text, outboxtest.Network{Handler: hook}, io.Discard)
	show := func() (body wire.RunBody) {
		t.Helper()
		_, out := asksAs(t, "GET", "http://"+d.public.Addr().String()+"/v1/runs/"+run, "read-1", "", "")
		if err := json.Unmarshal([]byte(out), &body); err != nil {
			t.Fatal(err)
		}
		return body
	}
	gives := func(c fact.Command) {
		t.Helper()
		c.By, c.Why = "Lee", "a test"
		if _, err := d.runner.Command(t.Context(), "P-1", run, c); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the phase to begin", func() bool { return show().Phases[0].State == "monitoring" })
	gives(fact.Command{Kind: fact.Abort})
	eventually(t, "both steps to be refused", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(refused) == 2
	})
	gives(fact.Command{Kind: fact.SkipEffect, Subject: "alias"})
	mu.Lock()
	well = true
	mu.Unlock()
	if _, _, err := d.hooks.Load().Retry(t.Context(), "hook", ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "every order to have ended", func() bool {
		_, out := asksAs(t, "GET", "http://"+d.public.Addr().String()+"/v1/deliveries", "read-1", "", "")
		var list deliveryList
		if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Endpoints) == 0 {
			t.Fatal(err, out)
		}
		return list.Endpoints[0].Pending == 0
	})
	eventually(t, "what still waits", func() bool { return show().Effects.Steps[1].State == fact.Acknowledged })
	mu.Lock()
	defer mu.Unlock()
	if asked["errors-high/alias"] != 0 || asked["errors-high/cache"] != 1 {
		t.Errorf("asked for %v", asked)
	}
}

// What is known of users stands below the steps.
func TestTheListOfStepsSaysWhetherUsersAreSafe(t *testing.T) {
	at := time.Date(2025, 6, 4, 3, 19, 0, 0, time.UTC)
	steps := []wire.EffectLine{{Rule: "high", Name: "alias", Do: "revert", State: fact.Verified, Told: 2, Kept: "version 42\x1b[2K has all requests"}}
	for want, e := range map[string]wire.Effects{
		"Users are safe since 2025-06-04 03:19 UTC.":          {Steps: steps, WayTakenAt: &at, SafeSince: &at},
		"It spreads no further since 2025-06-04 03:19 UTC.":   {Steps: steps, WayTakenAt: &at, StoppedSince: &at},
		"The way back was taken at 2025-06-04 03:19 UTC. Whe": {Steps: steps, WayTakenAt: &at},
	} {
		var b strings.Builder
		if err := listEffects(&b, &e); err != nil || !strings.Contains(b.String(), want) || strings.Contains(b.String(), "\x1b") {
			t.Errorf("want %q, got %s, %v", want, b.String(), err)
		}
		if e.SafeSince == nil && strings.Contains(b.String(), "are safe since") {
			t.Errorf("it is called safe: %s", b.String())
		}
	}
}
