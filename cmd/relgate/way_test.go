package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// shipped is the project's own plan, with some texts replaced: old, new, old, new.
func shipped(t *testing.T, changes ...string) (path string) {
	t.Helper()
	text := readText(t, filepath.Join(root, "config.toml"))
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("config.toml has no %q", changes[i])
		}
		text = strings.ReplaceAll(text, changes[i], changes[i+1])
	}
	path = filepath.Join(t.TempDir(), "config.toml")
	place(t, path, strings.ReplaceAll(text, `"sql/`, `"`+absolutePath(t, filepath.Join(root, "sql"))+"/"))
	return path
}

var wayBack = regexp.MustCompile(`(?m)^\[rollback\.[a-z0-9-]+\.effects\].*\n(?:[a-z]+ +=.*\n)+`)

// unanswered is the project's own plan without its ways back: someone has to take them.
func unanswered(t *testing.T) string {
	t.Helper()
	path := shipped(t)
	text := readText(t, path)
	if n := len(wayBack.FindAllString(text, -1)); n != 4 {
		t.Fatalf("config.toml has %d ways back, want 4", n)
	}
	place(t, path, wayBack.ReplaceAllString(text, ""))
	return path
}

type demoEvent struct{ Kind, Subject, From, To, Headline, Sentence string }

// effectsOf are the events of the way back in a demo, each as "subject from => to", without
// those of what is asked before it is needed.
func effectsOf(t *testing.T, run demoRun) (lines []string, last demoEvent) {
	t.Helper()
	for _, text := range run.events {
		var e demoEvent
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		if e.Kind == "effect" && e.To != "asked" && e.From != "asked" && e.To != "rehearsed" {
			lines, last = append(lines, e.Subject+" "+e.From+" => "+e.To), e
		}
	}
	return lines, last
}

// inHouse runs a demo in this process to its end; act is called whenever its people have
// acted. What it leaves can be looked at.
func inHouse(t *testing.T, c demoCommand, act func(ctx context.Context, d *demo) error) (d *demo, run demoRun) {
	t.Helper()
	var out, errs bytes.Buffer
	c.Speed, c.Output, c.ExitWhenDone, c.Receivers = "max", "json", true, either(c.Receivers, "good")
	d = &demo{demoCommand: c, con: console{out: &out, err: &errs}}
	t.Cleanup(func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := d.prepare(ctx); err != nil {
		t.Fatal(err)
	}
	if act != nil {
		d.clock.act = func(ctx context.Context) error {
			if err := d.act(ctx); err != nil {
				return err
			}
			return act(ctx, d)
		}
	}
	_ = d.run(ctx) // its error is the verdict
	run, err := readDemo(out.Bytes())
	if err != nil {
		t.Fatalf("%v: %s", err, &errs)
	}
	return d, run
}

// signedAWS asks the simulated AWS.
func signedAWS(t *testing.T, d *demo, method, path, target, body string) string {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=A/b, SignedHeaders=host, Signature=00")
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	w := httptest.NewRecorder()
	d.world.simulator.Handler("aws").ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s %s%s: %d %s", method, path, target, w.Code, w.Body)
	}
	return w.Body.String()
}

// aliasOf is the alias in the simulated Lambda: its version, and the weights of others.
func aliasOf(t *testing.T, d *demo) (version string, weights map[string]float64) {
	t.Helper()
	var is struct {
		FunctionVersion string
		RoutingConfig   struct{ AdditionalVersionWeights map[string]float64 }
	}
	if err := json.Unmarshal([]byte(signedAWS(t, d, http.MethodGet, "/2015-03-31/functions/bioage-inference/aliases/live", "", "")), &is); err != nil {
		t.Fatal(err)
	}
	return is.FunctionVersion, is.RoutingConfig.AdditionalVersionWeights
}

// failing is the share of the API's requests that failed in a stretch of time.
func failing(t *testing.T, d *demo, from, to time.Time) float64 {
	t.Helper()
	sum := func(metric string) (all float64) {
		body := fmt.Sprintf(`{"StartTime":%d,"EndTime":%d,"MetricDataQueries":[{"Id":"q","MetricStat":{"Metric":{"Namespace":"AWS/ApiGateway","MetricName":%q,"Dimensions":[{"Name":"ApiName","Value":"bioage"},{"Name":"Stage","Value":"prod"}]},"Period":60,"Stat":"Sum"}}]}`,
			from.Unix(), to.Unix(), metric)
		var got struct{ MetricDataResults []struct{ Values []float64 } }
		if err := json.Unmarshal([]byte(signedAWS(t, d, http.MethodPost, "/", "GraniteServiceVersion20100801.GetMetricData", body)), &got); err != nil || len(got.MetricDataResults) != 1 {
			t.Fatal(err, got)
		}
		for _, v := range got.MetricDataResults[0].Values {
			all += v
		}
		return all
	}
	return sum("5XXError") / sum("Count")
}

// The loop is closed: a rule fires, the pipeline pauses the rollout, relgate takes the alias
// back, traffic is good again, and that is said, and stands in the review.
func TestTheWayBackIsTaken(t *testing.T) {
	t.Parallel()
	dir, keep := t.TempDir(), t.TempDir()
	d, run := inHouse(t, demoCommand{Scenario: "api-5xx", Dir: dir, Keep: keep}, nil)
	got, last := effectsOf(t, run)
	want := []string{
		"api-5xx-high/pause planned => intended", "api-5xx-high/alias planned => intended",
		"api-5xx-high/pause intended => acknowledged", "api-5xx-high/alias intended => done", "api-5xx-high/pause acknowledged => done",
		"REL-2025-06-04 intended => taken", "REL-2025-06-04 done => safe",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	proof := slices.IndexFunc(run.events, func(text string) bool {
		return strings.Contains(text, "READY: revert at alias: it would do nothing: it is so already")
	})
	begun := slices.IndexFunc(run.events, func(text string) bool { return strings.Contains(text, `"to":"monitoring"`) })
	if proof < 0 || begun < proof {
		t.Errorf("that there is a way back is said in event %d, and the first phase begins in event %d", proof, begun)
	}
	const safe = "users are safe since 03:13 UTC"
	if last.Headline != "SAFE: "+safe+", 13 min after the fault began" || !strings.Contains(run.summary.Headline, safe) {
		t.Errorf("it says %q, and in the end %q", last.Headline, run.summary.Headline)
	}
	if version, weights := aliasOf(t, d); version != "42" || len(weights) != 0 {
		t.Errorf("the alias is at %s with the weights %v, want 42 and none", version, weights)
	}
	before, after := failing(t, d, at("03:01"), at("03:11")), failing(t, d, at("03:12"), at("03:17"))
	if before < .04 || after > .01 {
		t.Errorf("%.4f of the requests failed before the way back, and %.4f after it", before, after)
	}
	if got := tookOf(&run.summary, "rollout"); got != 1 {
		t.Errorf("GitHub has started %d workflows, want 1", got)
	}
	if text := readText(t, filepath.Join(keep, "report.md")); !strings.Contains(text, safe) || !strings.Contains(text, "workflow run 1") {
		t.Errorf("the report does not say since when users are safe, and what paused the rollout:\n%s", text)
	}
	if archived := readText(t, filepath.Join(dir, "receiver-confluence.json")); !strings.Contains(archived, safe) {
		t.Error("the review in the archive does not say since when users are safe")
	}
}

func at(clock string) time.Time {
	at, err := time.Parse("2006-01-02 15:04", "2025-06-04 "+clock)
	if err != nil {
		panic(err)
	}
	return at
}

// Of an app that was paused, who has it keeps it: a person takes the build away, and it is not
// called safe.
func TestAPausedAppOnlyStops(t *testing.T) {
	t.Parallel()
	d, run := inHouse(t, demoCommand{Scenario: "crash"}, nil)
	got, last := effectsOf(t, run)
	want := []string{
		"crash-free-low/freeze planned => intended", "crash-free-low/build planned => intended", "crash-free-low/alias planned => intended",
		"crash-free-low/freeze intended => done", "crash-free-low/alias intended => done",
		"crash-free-low/build intended => acknowledged", "crash-free-low/build acknowledged => done", "REL-2025-06-04 done => stopped",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(last.Headline, "STOPPED: it spreads no further since 03:22 UTC") {
		t.Errorf("it says %q", last.Headline)
	}
	saved, err := d.world.simulator.Save()
	if err != nil || !strings.Contains(string(saved), `"state":"PAUSED"`) {
		t.Errorf("the phased release: %s, %v", saved, err)
	}
	if version, _ := aliasOf(t, d); version != "42" {
		t.Errorf("the alias is at %s", version)
	}
}

// Whom no one answers is asked again, and others with them; without the answer nothing is
// called stopped.
func TestWithoutAnAcknowledgementOthersAreTold(t *testing.T) {
	t.Parallel()
	run := runDemo(t, "--speed", "max", "--scenario", "crash", "--absent", "Mobile Lead")
	got, last := effectsOf(t, run)
	told := 0
	for _, line := range got {
		if line == "crash-free-low/build intended => escalated" {
			told++
		}
	}
	// After 10 minutes, twice that, and every half hour: within the hour that the demo waits.
	if told < 3 || last.To != fact.Escalated || run.summary.State != rules.RolledBack || run.summary.Verdict != rules.Rollback {
		t.Errorf("others were told %d times, the run is %s (%s), and it ends with %+v", told, run.summary.State, run.summary.Verdict, last)
	}
	if n := tookOf(&run.summary, "slack"); n < 6 {
		t.Errorf("Slack has %d messages", n)
	}
}

// What only slows the fault down comes first, and the rollback only if that does not help.
func TestTheLadderOfALatency(t *testing.T) {
	t.Parallel()
	_, run := inHouse(t, demoCommand{Scenario: "latency"}, nil)
	got, last := effectsOf(t, run)
	slow := []string{
		"lambda-p95-high/traffic planned => intended", "lambda-p95-high/capacity planned => intended",
		"lambda-p95-high/traffic intended => acknowledged", "lambda-p95-high/capacity intended => acknowledged",
		"lambda-p95-high/traffic acknowledged => done", "lambda-p95-high/capacity acknowledged => done",
	}
	want := append(slow[:len(slow):len(slow)], "lambda-p95-high/back planned => done", "lambda-p95-high/alias planned => intended", "lambda-p95-high/alias intended => done",
		"REL-2025-06-04 intended => taken", "REL-2025-06-04 done => safe")
	if diff := cmp.Diff(want, got); diff != "" || !strings.HasPrefix(last.Headline, "SAFE: ") {
		t.Errorf("it ends with %q, events (-want +got):\n%s", last.Headline, diff)
	}

	// The capacity helps: the rest is dropped, and the run goes on when a person says so.
	path := filepath.Join(t.TempDir(), "helps.toml")
	place(t, path, strings.Replace(readText(t, filepath.Join(root, "sources/simulator/scenarios/latency.toml")), "over   = \"2m\"", "over   = \"2m\"\nfor    = \"17m\"", 1))
	d, run := inHouse(t, demoCommand{Scenario: path}, func(ctx context.Context, d *demo) error {
		u := d.release()
		if u == nil || u.Snapshot.State != rules.Held || len(u.Snapshot.Effects.Steps) < 3 || u.Snapshot.Effects.Steps[2].State != fact.Dropped {
			return nil
		}
		_, err := d.daemon.runner.Command(ctx, u.Plan.Name, u.Record.ID, fact.Command{ID: "resume", Kind: fact.Resume, By: "ada", Why: "the capacity helps"})
		return err
	})
	got, _ = effectsOf(t, run)
	if diff := cmp.Diff(append(slow, "lambda-p95-high/back planned => dropped"), got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if version, _ := aliasOf(t, d); version != "43" || run.summary.State == rules.Held || run.summary.State == rules.RolledBack {
		t.Errorf("the alias is at %s, and the run is %s: %s", version, run.summary.State, run.summary.Headline)
	}
}

// The data team is asked first. Who says that they retrain keeps the run from being rolled
// back; who says nothing does not.
func TestTheLadderOfABiasGap(t *testing.T) {
	t.Parallel()
	_, run := inHouse(t, demoCommand{Scenario: "bias", Absent: []string{"Data Science"}}, nil)
	got, _ := effectsOf(t, run)
	want := []string{
		"bias-high/retrain planned => intended", "bias-high/retrain intended => escalated", "bias-high/retrain intended => escalated", "bias-high/retrain intended => escalated",
		"bias-high/retrain intended => dropped", "bias-high/back planned => done", "bias-high/alias planned => intended", "bias-high/alias intended => done",
		"REL-2025-06-04 intended => taken", "REL-2025-06-04 done => safe",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("no one answers, events (-want +got):\n%s", diff)
	}
	for _, r := range run.summary.Rollback {
		if held := at("06:28"); r.Rule == "bias-high" && (r.Holding == nil || r.Holding.At.Sub(held) > 2*time.Minute) {
			t.Errorf("Grafana's alert is on since %v, and the rule held the run at %+v", held, r.Holding)
		}
	}

	d, run := inHouse(t, demoCommand{Scenario: "bias"}, func(ctx context.Context, d *demo) error {
		u := d.release()
		if u == nil || len(u.Snapshot.Effects.Steps) == 0 {
			return nil
		}
		_, err := d.daemon.runner.Command(ctx, u.Plan.Name, u.Record.ID, fact.Command{ID: "retrain", Kind: fact.SkipEffect, Subject: "bias-high/back", By: "ada", Why: "we retrain"})
		return err
	})
	got, _ = effectsOf(t, run)
	want = []string{
		"bias-high/retrain planned => intended", "bias-high/retrain intended => acknowledged", "bias-high/back planned => skipped", "bias-high/retrain acknowledged => done",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("they retrain, events (-want +got):\n%s", diff)
	}
	if version, _ := aliasOf(t, d); version != "43" || run.summary.State == rules.RolledBack {
		t.Errorf("the alias is at %s, and the run is %s", version, run.summary.State)
	}
}

// A version before the release that is not there any more cannot be gone back to: that is told
// to people, and no one is said to be safe.
func TestWithoutAPreviousVersionThereIsNoWayBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gone.toml")
	place(t, path, readText(t, filepath.Join(root, "sources/simulator/scenarios/api-5xx.toml"))+"\n[names]\nstable = \"41\"\n")
	_, kept := inHouse(t, demoCommand{Scenario: path}, nil)
	if s := kept.summary; s.Verdict == rules.Pass || len(s.Phases) == 0 || s.Phases[0].State != rules.Waiting || !strings.Contains(s.Headline+s.Sentence, "step api-5xx-high/alias of the way back cannot be taken") {
		t.Errorf("the release has begun: %s, %q %q", s.State, s.Headline, s.Sentence)
	}
	d, run := inHouse(t, demoCommand{Scenario: path, Config: shipped(t, `max_age     = "30d"`, `unproven    = "warning"`)}, nil)
	got, _ := effectsOf(t, run)
	all := strings.Join(got, "\n")
	for _, want := range []string{"api-5xx-high/alias intended => failed", "api-5xx-high/alias failed => escalated", "api-5xx-high/pause acknowledged => done"} {
		if !strings.Contains(all, want) {
			t.Errorf("it lacks %q:\n%s", want, all)
		}
	}
	if version, _ := aliasOf(t, d); version != "43" || strings.Contains(all, "taken") || run.summary.Verdict != rules.Rollback || strings.Contains(run.summary.Headline, "safe") {
		t.Errorf("the alias is at %s, the run is %s, %q:\n%s", version, run.summary.State, run.summary.Headline, all)
	}
}
