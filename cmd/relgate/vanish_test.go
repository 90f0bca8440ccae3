package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/wire"
)

// launchPlan is the text of a plan that names its version and start, so that its
// run begins by itself. Its signals come from newCrashes.
func launchPlan(name, version string, start time.Time, window string) string {
	return fmt.Sprintf(`
[release]
plan     = %q
title    = "A launch"
version  = %q
start    = %s
manager  = "Ada"
interval = "1s"

[phases.canary]
traffic  = "10 %%"
start    = "T"
window   = %q
owner    = "ops"
success  = ["crashes"]
rollback = ["crashes-high"]

[success.crashes]
title  = "crash-free sessions"
signal = "crash_free"
when   = ">= 99 %%"
owner  = "mobile"

[rollback.crashes-high]
title   = "crash-free sessions"
signal  = "crash_free"
when    = "< 90 %%"
for     = "2m"
action  = "revert"
owner   = "mobile"

[signals.crash_free]
source   = "sentry"
kind     = "ratio"
good     = true
settle   = "0s"
every    = "1s"
sentry   = { project = "1", release = "shop@{version}" }
`, name, version, start.UTC().Format(time.RFC3339), window)
}

// place writes a file in one step: a reader sees the old text or the new one.
func place(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// plans is /v1/plans by name.
func (s *shopkeeper) plans() map[string]wire.PlanSummary {
	s.t.Helper()
	_, body := get(s.t, s.url+"/v1/plans")
	var list wire.PlanList
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		s.t.Fatalf("%v: %s", err, body)
	}
	plans := map[string]wire.PlanSummary{}
	for _, p := range list.Plans {
		plans[p.Plan] = p
	}
	return plans
}

// gate is the status of a gate and its body.
func (s *shopkeeper) gate(path string) (int, wire.Body) {
	s.t.Helper()
	status, text := get(s.t, s.url+"/v1/gates/"+path)
	var b wire.Body
	_ = json.Unmarshal([]byte(text), &b) // what is no body stays empty
	return status, b
}

func (s *shopkeeper) metric(line string) bool {
	s.t.Helper()
	_, page := get(s.t, "http://"+s.private(s.t)+"/metrics")
	return strings.Contains(page, line+"\n")
}

// watched waits until a run of each plan was evaluated after now.
func (s *shopkeeper) watched(names ...string) {
	s.t.Helper()
	since := time.Now()
	for _, name := range names {
		eventually(s.t, "a tick of "+name, func() bool {
			p := s.plans()[name]
			return p.EvaluatedAt != nil && p.EvaluatedAt.After(since) && !p.Stale
		})
	}
}

// states waits until the files of all plans are in their states.
func (s *shopkeeper) states(want map[string]string) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("file states %v", want), func() bool {
		plans := s.plans()
		for name, state := range want {
			if plans[name].File.State != state || !s.metric(fmt.Sprintf(`relgate_plan_file_state{plan=%q,state=%q} 1`, name, state)) {
				return false
			}
		}
		return true
	})
}

func (s *shopkeeper) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	_ = s.cmd.Wait()
}

// TestPlanFilesVanish: what becomes of the files of plans changes nothing of the
// runs under way, and is said everywhere.
func TestPlanFilesVanish(t *testing.T) {
	t.Parallel()
	sentry, dir := newCrashes(t), t.TempDir()
	config := writeConfig(t, dir, `include = ["plans/*.toml"]`+strings.ReplaceAll(fmt.Sprintf(shopDaemon, sentry.URL), `{ env = "SHOP_SENTRY_TOKEN" }`, `{ file = "token" }`))
	place(t, filepath.Join(dir, "token"), "secret")
	folder, away := filepath.Join(dir, "plans"), filepath.Join(dir, "away")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	begun := time.Now().Add(-2 * time.Minute).Truncate(time.Second)
	names := []string{"one", "two", "three"}
	file := func(name string) string { return filepath.Join(folder, name+".toml") }
	for _, name := range names {
		place(t, file(name), launchPlan(name, "1.0.0", begun, "2h"))
	}
	s := openShop(t, dir)
	s.watched(names...)
	s.states(map[string]string{"one": "ok", "two": "ok", "three": "ok"})
	ids := func() string { return s.relgate(0, "runs") }

	// The folder is moved away.
	if err := os.Rename(folder, away); err != nil {
		t.Fatal(err)
	}
	gone := map[string]string{"one": "gone", "two": "gone", "three": "gone"}
	s.states(gone)
	s.watched(names...)
	s.says(t, "config reloaded in part")
	s.says(t, "state=gone")
	if !s.metric("relgate_config_last_reload_successful 0") {
		t.Error("a reload that lost all plans counts as successful")
	}
	if status, b := s.gate("two/run/gate"); status != http.StatusServiceUnavailable || b.Version != "1.0.0" || b.Verdict != "pending" {
		t.Errorf("the gate of a plan whose file is gone: %d %+v", status, b)
	}
	if code, _, errs := command(t, "check", config); code != exitUsage || !strings.Contains(errs, "no file matches") {
		t.Errorf("check: exit %d, %s; want %d", code, errs, exitUsage)
	}

	// A restart with the folder away.
	s.kill()
	s = openShop(t, dir)
	s.states(gone)
	s.watched(names...)
	s.says(t, "goes on by the plan in the journal")

	// It comes back.
	if err := os.Rename(away, folder); err != nil {
		t.Fatal(err)
	}
	s.states(map[string]string{"one": "ok", "two": "ok", "three": "ok"})
	eventually(t, "a good reload", func() bool { return s.metric("relgate_config_last_reload_successful 1") })
	if got := strings.Count(ids(), "@1.0.0"); got != 3 {
		t.Errorf("%d runs, want the three that there were:\n%s", got, ids())
	}

	// One of three is broken: live, and at a start.
	place(t, file("two"), strings.Replace(launchPlan("two", "1.0.0", begun, "2h"), `when   = ">= 99 %"`, `when   = "a lot"`, 1))
	broken := map[string]string{"one": "ok", "two": "broken", "three": "ok"}
	s.states(broken)
	s.watched(names...)
	s.kill()
	s = openShop(t, dir)
	s.states(broken)
	s.watched(names...)
	s.says(t, "plan not used")
	if code, _, errs := command(t, "check", config); code != exitUsage || !strings.Contains(errs, "two.toml") {
		t.Errorf("check: exit %d, %s; want %d and the file", code, errs, exitUsage)
	}

	// It is mended, with another threshold: the edit is in the run's history.
	place(t, file("two"), strings.Replace(launchPlan("two", "1.0.0", begun, "3h"), `">= 99 %"`, `">= 98 %"`, 1))
	s.states(map[string]string{"one": "ok", "two": "ok", "three": "ok"})
	eventually(t, "the edit in the history", func() bool { return strings.Contains(s.relgate(0, "runs", "two@1.0.0"), "98 %") })
	wants(t, s.relgate(0, "runs", "two@1.0.0"), "the plan was edited: 3 changes", "success.crashes.when was >= 99 %, is >= 98 %", "phases.canary.window was 2h, is 3h")
	s.watched(names...)

	// A start that is moved after the run began is refused.
	place(t, file("one"), launchPlan("one", "1.0.0", begun.Add(time.Hour), "2h"))
	s.states(map[string]string{"one": "broken"})
	wants(t, s.plans()["one"].File.Reason, "start was moved", "one@1.0.0", begun.UTC().Format(time.RFC3339))
	s.says(t, "start was moved")
	if r := s.plans()["one"].Run; r == nil || !r.Start.Equal(begun) {
		t.Errorf("the run is %+v, want it to start at %s", r, begun)
	}

	// A version that is edited waits.
	place(t, file("three"), launchPlan("three", "2.0.0", begun, "2h"))
	s.states(map[string]string{"three": "waiting"})
	wants(t, s.plans()["three"].File.Reason, "2.0.0", "three@1.0.0")
	for _, pin := range []string{"", "?version=2.0.0"} {
		if status, b := s.gate("three/canary/gate" + pin); status != http.StatusServiceUnavailable || b.Version != "2.0.0" || b.Verdict != "pending" || b.Run.ID != "" {
			t.Errorf("gate of the version that waits, asked %q: %d %+v", pin, status, b)
		}
	}
	if status, b := s.gate("three/canary/gate?version=1.0.0"); status != http.StatusServiceUnavailable || b.Version != "1.0.0" || b.Run.ID != "three@1.0.0" {
		t.Errorf("gate of the version under way: %d %+v", status, b)
	}
	s.watched(names...)
	s.relgate(0, "abort", "--plan", "three", "--by", "ada", "--why", "make room")
	eventually(t, "the run of the version that waited", func() bool {
		p := s.plans()["three"]
		return p.Run != nil && p.Run.ID == "three@2.0.0" && p.File.State == "ok"
	})
	if status, b := s.gate("three/canary/gate?version=1.0.0"); status != http.StatusConflict || b.Verdict != "rollback" {
		t.Errorf("gate of the version that was aborted: %d %+v", status, b)
	}
	if code := s.end(t); code != 0 {
		t.Errorf("exit %d after SIGTERM", code)
	}
}

// TestAVanishedFolderBesideAPlanInTheMainFile: that one plan is left makes the
// reload no success.
func TestAVanishedFolderBesideAPlanInTheMainFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := writeConfig(t, dir, `include = ["plans/*.toml"]`+plainConfig)
	folder := filepath.Join(dir, "plans")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	other, _, _ := strings.Cut(strings.Replace(plainConfig, `"P-1"`, `"P-2"`, 1), "[sources.cw]")
	place(t, filepath.Join(folder, "other.toml"), other)
	if code, _, errs := command(t, "check", config); code != 0 {
		t.Fatalf("check: exit %d, %s", code, errs)
	}
	s := openShop(t, dir)
	s.states(map[string]string{"P-1": "ok", "P-2": "ok"})
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	s.states(map[string]string{"P-1": "ok", "P-2": "gone"})
	eventually(t, "a reload that is no success", func() bool { return s.metric("relgate_config_last_reload_successful 0") })
	if code, _, errs := command(t, "check", config); code != exitUsage || !strings.Contains(errs, "include[0]") {
		t.Errorf("check: exit %d, %s; want %d and the pattern", code, errs, exitUsage)
	}
}
