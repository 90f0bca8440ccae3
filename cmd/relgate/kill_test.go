package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/exporters/wire"
)

// killAndRestart runs a demo in dir, kills it at random moments the given number
// of times, and then lets it end.
func killAndRestart(t *testing.T, dir string, kills int, random *rand.Rand, args ...string) demoRun {
	t.Helper()
	args = append([]string{"--dir", dir}, args...)
	killed := 0
	for killed < kills {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(20+random.IntN(150))*time.Millisecond)
		cmd := exec.CommandContext(ctx, binary(t), append([]string{"demo", "--exit-when-done"}, args...)...)
		_ = cmd.Run() // CommandContext kills with SIGKILL
		cancel()
		if cmd.ProcessState.Exited() {
			break // it was done before its time
		}
		killed++
	}
	t.Logf("killed %d times", killed)
	if killed < kills/2 {
		t.Errorf("killed %d times only, want about %d: is the run too short?", killed, kills)
	}
	return runDemo(t, args...)
}

func TestKilledAHundredTimesTheJournalIsTheSame(t *testing.T) {
	t.Parallel()
	undisturbed := runDemo(t, "--speed", "max", "--scenario", "healthy")
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	run := killAndRestart(t, t.TempDir(), 100, random, "--speed", "max", "--scenario", "healthy")
	for i, line := range run.events {
		// A mail server cannot be asked what it has: what a kill cuts off is in doubt, and not sent again.
		if i < len(undisturbed.events) && strings.Contains(line, `"subject":"executives"`) && strings.Contains(line, "did not say whether it took the message") {
			t.Logf("killed in the middle of an e-mail: %s", line)
			run.events[i] = undisturbed.events[i]
		}
	}
	if diff := cmp.Diff(undisturbed.events, run.events); diff != "" {
		t.Errorf("events after kills (-undisturbed +killed):\n%s", diff)
	}
	allDelivered(t, run)
}

func TestKilledWhileTimeRunsOnTheVerdictsAreTheSame(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		scenario, speed string
		kills           int
	}{
		{"healthy", "max", 20},
		{"api-5xx", "1800", 6},
		{"crash", "1800", 6},
	} {
		scenario := tt.scenario
		undisturbed := runDemo(t, "--speed", "max", "--scenario", scenario)
		random := rand.New(rand.NewPCG(2, uint64(time.Now().UnixNano())))
		run := killAndRestart(t, t.TempDir(), tt.kills, random, "--speed", tt.speed, "--scenario", scenario, "--resume-after", "3m")
		if run.code != undisturbed.code || run.summary.Verdict != undisturbed.summary.Verdict {
			t.Errorf("%s: exit %d, verdict %s; undisturbed %d, %s", scenario, run.code, run.summary.Verdict, undisturbed.code, undisturbed.summary.Verdict)
		}
		allDelivered(t, run)
	}
}

// stepsAsked is how many events ask for a step of the way back, or about one, or say the same of
// it again: each is for who is to do it, and no
// other's.
func stepsAsked(t *testing.T, run demoRun) (n int) {
	t.Helper()
	said := map[string]string{} // step → the last answer to whether it could be taken
	for _, text := range run.events {
		var e demoEvent
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Kind != "effect":
		case e.To == "intended" || e.To == "asked", e.From == "asked" && said[e.Subject] == e.To:
			n++
		case e.From == "asked":
			said[e.Subject] = e.To
		}
	}
	return n
}

// allDelivered checks that every event reached the endpoint that wants all, and
// none out of order.
func allDelivered(t *testing.T, run demoRun) {
	t.Helper()
	for _, d := range run.summary.Deliveries {
		if d.OutOfOrder != 0 {
			t.Errorf("webhook %s: %d out of order", d.Endpoint, d.OutOfOrder)
		}
		if all := len(run.events) - stepsAsked(t, run); d.Endpoint == "ops" && d.Verified != all {
			t.Errorf("webhook %s verified %d of %d events", d.Endpoint, d.Verified, all)
		}
	}
	for i, line := range run.events {
		var e wire.EventBody
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if n := uint64(i) + 1; e.N != n || e.ID != fmt.Sprintf("%s.demo/%d", run.summary.Run, n) {
			t.Fatalf("event %d of %d has n %d and id %q", n, len(run.events), e.N, e.ID)
		}
	}
}
