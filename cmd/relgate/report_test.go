package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/exporters/audit"
	"github.com/relgate/relgate/exporters/report"
	"github.com/relgate/relgate/exporters/wire"
)

// says runs a command and gives what it printed.
func says(t *testing.T, want int, args ...string) (out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	if code := run(t.Context(), args, console{in: strings.NewReader(""), out: &o, err: &e}); code != want {
		t.Fatalf("%q: exit %d, want %d: %s%s", args, code, want, &o, &e)
	}
	return o.String(), e.String()
}

const demoRunID = "REL-2025-06-04@1.0.0"

// rolledBackJournal is the journal of a demo that is rolled back at 03:11, and whose way back no
// one takes.
func rolledBackJournal(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	runDemo(t, "--speed", "max", "--scenario", "api-5xx", "--config", unanswered(t), "--dir", dir)
	return filepath.Join(dir, "relgate.db")
}

func TestReportsOfAJournal(t *testing.T) {
	t.Parallel()
	path := rolledBackJournal(t)
	text, _ := says(t, exitPass, "report", demoRunID, "--journal", path)
	for _, part := range []string{
		"**ROLLBACK: API 5xx", "| no rollback triggered | not met | a rollback was ordered at 2025-06-04 03:11 UTC |", "| API 5xx rate | lambda-10 | \\< 1 % | 0.22 % | 45 of 20,187 | met |",
		"- Fault began: 2025-06-04 03:00 UTC", "- Found: 2025-06-04 03:02 UTC, 2m after it began", "- Ordered: 2025-06-04 03:11 UTC, 11m after it began", "it was not reported as carried out",
		"| the start of the release | CTO | approved | cto@<!-- -->bioage.example | mail:cto@<!-- -->bioage.example | approval | read the plan and its rehearsal |", "| all approvals signed before what they allow | met |", "| mobile-10 | api-5xx-high | finds 3 % in 20m", "| 20m | 11m |", "message ops was sent to slack \\#ops",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("the report does not say %q", part)
		}
	}
	if again, _ := says(t, exitPass, "report", demoRunID, "--journal", path); again != text {
		t.Error("the same journal gives another report")
	}

	page, _ := says(t, exitPass, "report", demoRunID, "--journal", path, "-o", "html")
	for _, part := range []string{"<!DOCTYPE html>", `class="limit success"`, `class="limit rollback"`, `class="fired"`, "@media print", "prefers-color-scheme: dark"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page does not have %q", part)
		}
	}
	// An address may be read in it, such as that of the archive.
	if strings.Contains(page, "<script") || regexp.MustCompile(`(?i)(src|href|action|data)\s*=\s*"?'?\s*(https?:|//)|url\(|@import`).MatchString(page) {
		t.Error("the page needs something else")
	}

	raw, _ := says(t, exitPass, "report", demoRunID, "--journal", path, "-o", "json")
	var r report.Report
	if err := json.Unmarshal([]byte(raw), &r); err != nil || r.APIVersion != "report/v1" || len(r.Everything) < 40 || len(r.Timeline) >= len(r.Everything) {
		t.Errorf("%v: version %q, %d events, %d in the timeline", err, r.APIVersion, len(r.Everything), len(r.Timeline))
	}
}

// What check said before the release is what it says of the plan as the run began, whatever
// was edited since.
func TestForecastsAreThoseOfTheBeginning(t *testing.T) {
	p := newPeopled(t, `kind = "ratio"`, "kind = \"ratio\"\nexpected_rate = \"2/s\"")
	samples := func() float64 {
		source, err := reportSource(t.Context(), p.journal, "P-1@1.0.0")
		if err != nil {
			t.Fatal(err)
		}
		r := report.Make(source)
		if len(r.Forecasts) != 1 || r.Forecasts[0].ForecastSamples == nil {
			t.Fatalf("forecasts %+v, want one", r.Forecasts)
		}
		return *r.Forecasts[0].ForecastSamples
	}
	before := samples()
	p.edits(`window = "10m"`, `window = "40m"`)
	eventually(t, "the edit", func() bool {
		return slices.ContainsFunc(p.run().Events, func(e wire.EventBody) bool { return e.Kind == "plan" && e.To == "edited" })
	})
	if after := samples(); before != 108 || after != before {
		t.Errorf("%v samples are forecast after the edit, and %v before; want 108", after, before)
	}
}

func TestReportsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	path := rolledBackJournal(t)
	_, errs := says(t, exitUsage, "report", "nothing@1.0", "--journal", path)
	wants(t, errs, `no run "nothing@1.0"`)
	_, errs = says(t, exitUsage, "report", demoRunID, "--journal", path+"x")
	wants(t, errs, path+"x")
	_, errs = says(t, exitUsage, "plan", "nothing", "--config", filepath.Join(root, "config.toml"))
	wants(t, errs, `no plan "nothing"`, "REL-2025-06-04")
	_, errs = says(t, exitUsage, "plan", "nothing@1.0", "--journal", path)
	wants(t, errs, `no run "nothing@1.0"`)
	_, errs = says(t, exitUsage, "plan", "--config", path)
	wants(t, errs, "no plan that can be used")
	for _, tt := range []struct{ says, args string }{
		{"--from", "--from yesterday --to 2025-06-30"}, {"--to", "--from 2025-06-01 --to 2025-13-01"}, {"not after", "--from 2025-06-02 --to 2025-06-01"},
		{"--sample", "--from 2025-06-01 --to 2025-06-30 --sample -1"}, {"--seed", "--from 2025-06-01 --to 2025-06-30 --seed x"},
	} {
		_, errs = says(t, exitUsage, append([]string{"audit", "--journal", path}, strings.Fields(tt.args)...)...)
		wants(t, errs, tt.says)
	}
}

func TestThePlanOfARunHasTheDigestOfTheJournal(t *testing.T) {
	t.Parallel()
	path := rolledBackJournal(t)
	j, err := journal.Open(t.Context(), journal.Config{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	record, err := j.Run(t.Context(), demoRunID)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := says(t, exitPass, "plan", demoRunID, "--journal", path)
	wants(t, text, record.Digest, "## 1. Overview", "## 7. Review, approvals and pass criteria", "--function-version 42", "| the start of the release | CTO |")
	plan, err := loadPlan(t.Context(), j, record.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := digestOf(plan); err != nil || again != record.Digest {
		t.Errorf("the digest of the journal's plan is %s, want %s (%v)", again, record.Digest, err)
	}
	text, _ = says(t, exitPass, "plan", "--config", filepath.Join(root, "config.toml"))
	wants(t, text, "{previous.lambda}", "the plan of a run has another digest")
	page, _ := says(t, exitPass, "plan", "REL-2025-06-04", "--config", filepath.Join(root, "config.toml"), "-o", "html")
	wants(t, page, "<!DOCTYPE html>", "7. Review, approvals and pass criteria", `class="signature"`)
}

func TestAuditOfAJournal(t *testing.T) {
	t.Parallel()
	path := rolledBackJournal(t)
	j, err := journal.Open(t.Context(), journal.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	// The receiver was given up after all.
	if err := j.Bury(t.Context(), "ops", demoRunID, 5, time.Date(2025, 6, 4, 4, 0, 0, 0, time.UTC), "answered 410"); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	out, errs := says(t, exitPass, "audit", "--from", "2025-06-03", "--to", "2025-06-03", "--journal", path)
	wants(t, errs, "population: 1 run of 1 in the journal")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 2 || rows[1][0] != demoRunID {
		t.Fatalf("%v: %q", err, rows)
	}
	wants(t, strings.Join(rows[1], "\n"), "no-requester", "the start of the release, CTO by cto@bioage.example (mail:cto@bioage.example) at 2025-06-03T02:00:00Z: approval, plan ", "rollback-not-acknowledged", "delivery-given-up: ops never took event "+demoRunID+".demo/5: answered 410", "mobile-10 rolled_back at 2025-06-04T03:11:00Z")

	out, errs = says(t, exitPass, "audit", "--from", "2025-06-05", "--to", "2025-06-30", "--journal", path)
	wants(t, errs, "population: 0 runs of 1")
	if strings.Count(out, "\n") != 1 {
		t.Errorf("a stretch without runs has rows: %s", out)
	}
	_, errs = says(t, exitPass, "audit", "--from", "2025-06-01", "--to", "2025-06-04T03:00:00Z", "--journal", path)
	wants(t, errs, "the journal's oldest run began at 2025-06-03 01:59:00 UTC")

	out, errs = says(t, exitPass, "audit", "--from", "2025-06-01", "--to", "2025-06-30", "--sample", "3", "--journal", path, "-o", "json")
	var l audit.List
	if err := json.Unmarshal([]byte(out), &l); err != nil || l.Seed == "" || l.Sample != 1 || len(l.Rows) != 1 {
		t.Fatalf("%v: %+v", err, l)
	}
	wants(t, errs, "seed "+l.Seed)
}

// A report can be made while a daemon holds the journal. It changes nothing.
func TestAReportWhileTheJournalIsHeld(t *testing.T) {
	t.Parallel()
	path := rolledBackJournal(t)
	j, err := journal.Open(t.Context(), journal.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := says(t, exitPass, "report", demoRunID, "--journal", path)
	wants(t, text, "**ROLLBACK: API 5xx")
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the journal was changed (%v)", err)
	}
}
