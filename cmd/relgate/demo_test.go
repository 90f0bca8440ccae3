package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// demoRun is what one demo printed with -o json, and how it ended.
type demoRun struct {
	events  []string
	summary summary
	code    int
}

// runDemo runs the real binary to the end of the plan.
func runDemo(t *testing.T, args ...string) demoRun {
	t.Helper()
	code, out, errs := execute(t, append([]string{"demo", "--exit-when-done", "-o", "json"}, args...)...)
	run, err := readDemo([]byte(out))
	if err != nil {
		t.Fatalf("demo %q: %v\nstderr: %s", args, err, errs)
	}
	run.code = code
	return run
}

// execute runs the binary as it is shipped: a whole release takes six times as long with the
// race detector, and is watched by it in other tests.
func execute(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary(t), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%q: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// readDemo reads the events and the summary; every line must be JSON.
func readDemo(out []byte) (demoRun, error) {
	var run demoRun
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	for i, line := range lines {
		if !json.Valid([]byte(line)) {
			return run, fmt.Errorf("line %d is not JSON: %s", i+1, line)
		}
		if i < len(lines)-1 {
			run.events = append(run.events, line)
			continue
		}
		var last struct{ Summary *summary }
		if err := json.Unmarshal([]byte(line), &last); err != nil || last.Summary == nil {
			return run, fmt.Errorf("the last line is no summary: %s", line)
		}
		run.summary = *last.Summary
	}
	return run, nil
}

// The same healthy release with little traffic, judged by plain thresholds, is
// rolled back.
func TestDemoShowsWhatEvidenceIsFor(t *testing.T) {
	t.Parallel()
	run := runDemo(t, "--speed", "max", "--scenario", "low-traffic-healthy", "--plain")
	if run.code != 3 || run.summary.State != rules.RolledBack {
		t.Errorf("exit %d, %s; want 3, rolled back: %s", run.code, run.summary.State, run.summary.Headline)
	}
}

func TestDemoScenariosEndAsTheyMust(t *testing.T) {
	for _, tt := range []struct {
		scenario string
		code     int
		verdict  rules.Verdict
		fired    string        // the rollback rule that fires; then the way back is taken, and its gates say fail
		says     string        // the headline, of the users
		rise     time.Duration // when its signal goes bad, from T
		from, to time.Duration // and how long after that it fires
		held     time.Duration // and how long before it at least it held the run, where it is a ladder
	}{
		{scenario: "healthy", code: 0, verdict: rules.Pass},
		{scenario: "api-5xx", code: 3, verdict: rules.Fail, fired: "api-5xx-high", says: "users are safe since 03:13 UTC", rise: time.Hour, from: 10 * time.Minute, to: 13 * time.Minute},
		{scenario: "crash", code: 3, verdict: rules.Fail, fired: "crash-free-low", says: "it spreads no further since 03:22 UTC"},
		{scenario: "latency", code: 3, verdict: rules.Fail, fired: "lambda-p95-high", says: "users are safe since 03:25 UTC", rise: time.Hour, from: 20 * time.Minute, to: 25 * time.Minute, held: 10 * time.Minute},
		// Grafana's alert holds the run within two minutes: see TestTheLadderOfABiasGap.
		{scenario: "bias", code: 3, verdict: rules.Fail, fired: "bias-high", says: "users are safe since 10:00 UTC", rise: 4*time.Hour + 28*time.Minute, from: 2*time.Hour + time.Minute, to: 2*time.Hour + 2*time.Minute, held: 2 * time.Hour},
		{scenario: "ratings", code: 1, verdict: rules.Fail},
		{scenario: "blip", code: 0, verdict: rules.Pass},
		{scenario: "no-data", code: 8, verdict: rules.Unknown},
		{scenario: "outage", code: 0, verdict: rules.Pass},
		{scenario: "late-data", code: 0, verdict: rules.Pass},
		{scenario: "low-traffic-healthy", code: 0, verdict: rules.Pass},
		{scenario: "low-traffic-bad", code: 3, verdict: rules.Fail, fired: "lambda-p95-high", says: "users are safe since 02:17 UTC", held: 10 * time.Minute},
		{scenario: "shared-outage", code: 8, verdict: rules.Unknown},
	} {
		t.Run(tt.scenario, func(t *testing.T) {
			t.Parallel()
			run := runDemo(t, "--speed", "max", "--scenario", tt.scenario)
			if run.code != tt.code || run.summary.Verdict != tt.verdict {
				t.Errorf("exit %d, verdict %s; want %d, %s: %s", run.code, run.summary.Verdict, tt.code, tt.verdict, run.summary.Headline)
			}
			for _, r := range run.summary.Rollback {
				fired := r.Fired != nil
				if fired != (r.Rule == tt.fired) {
					t.Errorf("rollback rule %s: fired is %t, want %t", r.Rule, fired, !fired)
				}
				if fired && tt.held > 0 && (r.Holding == nil || r.Fired.At.Sub(r.Holding.At) < tt.held) {
					t.Errorf("rollback rule %s held the run at %v and fired at %v, want %s between them", r.Rule, r.Holding, r.Fired, tt.held)
				}
				if !fired || tt.to == 0 {
					continue
				}
				if after := r.Fired.At.Sub(planStart(t)) - tt.rise; after < tt.from || after > tt.to {
					t.Errorf("rollback rule %s fired %s after the rise, want %s to %s", r.Rule, after, tt.from, tt.to)
				}
			}
			if !strings.Contains(run.summary.Headline, tt.says) || (tt.fired != "") != (run.summary.State == rules.RolledBack) {
				t.Errorf("the run is %s, and it says %q, want %q in it", run.summary.State, run.summary.Headline, tt.says)
			}
			for _, d := range run.summary.Deliveries {
				if d.Verified == 0 || d.OutOfOrder != 0 {
					t.Errorf("webhook %s: %d verified, %d out of order", d.Endpoint, d.Verified, d.OutOfOrder)
				}
			}
			if all, n := run.summary.Deliveries[1], len(run.events)-stepsAsked(t, run); all.Verified != n {
				t.Errorf("webhook %s verified %d of %d events", all.Endpoint, all.Verified, n)
			}
		})
	}
}

// A metric of failures whose name is misspelled looks like a service that never fails.
// Nothing passes by its zeros.
func TestADemoOfAMisspelledNameDoesNotPass(t *testing.T) {
	t.Parallel()
	text, err := relgate.Files.ReadFile("config.toml")
	if err != nil {
		t.Fatal(err)
	}
	misspelled := strings.Replace(string(text), `"5XXError"`, `"5XXErorr"`, 1)
	misspelled = regexp.MustCompile(`(?m)^alarm += "api_5xx_alarm".*$`).ReplaceAllString(misspelled, "")
	folder := t.TempDir()
	place(t, filepath.Join(folder, "config.toml"), misspelled)
	sql := "sql/bias_by_age_decile.sql"
	if text, err = relgate.Files.ReadFile(sql); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "sql"), 0o755); err != nil {
		t.Fatal(err)
	}
	place(t, filepath.Join(folder, sql), string(text))
	run := runDemo(t, "--speed", "max", "--scenario", "api-5xx", "--config", filepath.Join(folder, "config.toml"))
	if run.code != 8 || run.summary.Verdict != rules.Unknown || !strings.Contains(run.summary.Headline, "never seen") {
		t.Errorf("exit %d, verdict %s: %s", run.code, run.summary.Verdict, run.summary.Headline)
	}
}

func planStart(t *testing.T) time.Time {
	t.Helper()
	return time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
}

func TestDemoGivesTheSameEventsAtEverySpeed(t *testing.T) {
	t.Parallel()
	want := runDemo(t, "--speed", "max", "--scenario", "api-5xx")
	for _, speed := range []string{"600", "3600"} {
		got := runDemo(t, "--speed", speed, "--scenario", "api-5xx")
		if diff := cmp.Diff(want.events, got.events); diff != "" {
			t.Errorf("--speed %s gives other events than --speed max (-max +%s):\n%s", speed, speed, diff)
		}
	}
}

// What a demo leaves on a terminal that is rolled back by a plan without a way back is what
// happened, what to do, who does it and the whole rehearsed command.
func TestARolledBackDemoEndsWithWhatToDo(t *testing.T) {
	t.Parallel()
	code, out, errs := command(t, "demo", "--exit-when-done", "--speed", "max", "--scenario", "api-5xx", "--config", unanswered(t))
	if code != exitRollback {
		t.Fatalf("exit %d: %s", code, errs)
	}
	_, last, found := strings.Cut(out, "\n\n"+"ROLLBACK: API 5xx ")
	if !found {
		t.Fatalf("it does not end with the rollback:\n%s", out)
	}
	flat := strings.Join(strings.Fields(last), " ")
	for _, want := range []string{"do now pause the rollout, revert the alias who DevSecOps command " + theCommand + " why API 5xx "} {
		if !strings.Contains(flat, want) {
			t.Errorf("it lacks %q:\n%s", want, last)
		}
	}
	for line := range strings.Lines(last) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("a line has %d columns: %q", n, line)
		}
	}
}

// After a demo of failing requests whose way back no one takes, explain says on its first three
// lines what happened, what to do and who does it, and nothing twice.
func TestExplainAfterARollback(t *testing.T) {
	t.Parallel()
	url := ended(t, "api-5xx")
	code, out, errs := command(t, "explain", "--url", url)
	if code != exitPass {
		t.Fatalf("exit %d: %s", code, errs)
	}
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) >= 40 {
		t.Errorf("it has %d lines:\n%s", len(lines), out)
	}
	for i, want := range []string{"ROLLBACK: API 5xx 4.9 % > 3 % for ", "do now    pause the rollout, revert the alias", "who       DevSecOps"} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %d is %q, want %q", i+1, lines[i], want)
		}
	}
	if flat := strings.Join(strings.Fields(out), " "); !strings.Contains(flat, "command "+theCommand+" then relgate rollback-done --plan REL-2025-06-04 --run REL-2025-06-04@1.0.0 --by WHO --why HOW why ") {
		t.Errorf("it lacks the command %q, or how to report that it is done:\n%s", theCommand, out)
	}
	for _, line := range lines {
		// What a source said may hold a word that cannot be broken.
		if n := utf8.RuneCountInString(line); n > 80 && strings.Contains(strings.TrimSpace(line), " ") {
			t.Errorf("a line has %d columns: %q", n, line)
		}
	}
	var body wire.PlanBody
	_, raw, _ := command(t, "explain", "-o", "json", "--url", url)
	if err := json.Unmarshal([]byte(raw), &body); err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	_, headline, _ := strings.Cut(body.Headline, ": ")
	flat := strings.Join(strings.Fields(out), " ")
	for _, text := range append([]string{headline, body.Sentence, body.Do.Action, body.Do.Command}, body.Detail...) {
		for sentence := range strings.SplitSeq(text, ". ") {
			sentence = strings.TrimSuffix(sentence, ".")
			if n := strings.Count(flat, strings.Join(strings.Fields(sentence), " ")); n != 1 || said[sentence] {
				t.Errorf("%q is said %d times:\n%s", sentence, n, out)
			}
			said[sentence] = true
		}
	}
}

// One rollback is said with its numbers by the rule and by the run; the phases and
// their gates name the rule.
func TestTheEventsOfARollbackSayItsNumbersOnce(t *testing.T) {
	t.Parallel()
	said := map[string]int{} // :: headline and kind → events
	numbers := 0
	for _, e := range wireEvents(t, runDemo(t, "--speed", "max", "--scenario", "api-5xx")) {
		if e.To != "rollback" && e.To != "rolled_back" && e.To != "fired" {
			continue
		}
		if said[e.Headline+e.Kind]++; said[e.Headline+e.Kind] > 1 {
			t.Errorf("%s events say %q again", e.Kind, e.Headline)
		}
		if strings.Contains(e.Headline, "552 of 11,325") {
			numbers++
		}
		if !strings.HasPrefix(e.Headline, "ROLLBACK: ") || !strings.Contains(e.Headline, "API 5xx") {
			t.Errorf("the %s event of %s says %q", e.Kind, e.Subject, e.Headline)
		}
	}
	if numbers != 2 || len(said) < 9 {
		t.Errorf("%d of %d headlines have the numbers, want 2: %v", numbers, len(said), said)
	}
}

// What a demo writes can be read on a terminal of 80 columns, and nothing of it is cut off.
func TestADemosLinesFitATerminal(t *testing.T) {
	t.Parallel()
	code, out, errs := execute(t, "demo", "--exit-when-done", "--speed", "max", "--scenario", "shared-outage")
	if code != exitPending {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if want := "canary requests took\n          longer than 3 s"; !strings.Contains(out, want) {
		t.Errorf("the demo lacks %q:\n%s", want, out)
	}
}

// A run's story fits 80 columns: headlines have as many themselves.
func TestARunsStoryFitsATerminal(t *testing.T) {
	t.Parallel()
	url := ended(t, "api-5xx")
	code, out, errs := command(t, "runs", "REL-2025-06-04@1.0.0", "--url", url)
	_, story, found := strings.Cut(out, "\nwhat happened\n")
	if code != exitPass || !found {
		t.Fatalf("exit %d, %s%s", code, out, errs)
	}
	for line := range strings.Lines(story) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if want := "  2025-06-04 02:18 UTC  PASS: phase lambda-10: its success rules hold; 2\n                        rollback rules are clear\n"; !strings.Contains(story, want) {
		t.Errorf("the story lacks %q:\n%s", want, story)
	}
}
