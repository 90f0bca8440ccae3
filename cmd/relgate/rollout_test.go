package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/wire"
)

// seenConfig is a plan whose first phase sees the alias, each second, and whose second begins
// by it.
const seenConfig = `
[release]
plan     = "shop"
title    = "The shop"
start    = %s
version  = "1.0.1"
manager  = "Ada"
interval = "1s"

[phases.ten]
traffic      = "10 %%"
start        = "T"
window       = "1h"
owner        = "ops"
success      = ["errors"]
observe      = "weight"
on_mismatch  = "hold"
mismatch_for = "2s"

[success.errors]
signal = "errors"
when   = "< 1 %%"
owner  = "ops"

[signals.errors]
source     = "cw"
kind       = "ratio"
cloudwatch = { namespace = "N", bad = "B", total = "T" }

[signals.weight]
source       = "alias"
kind         = "gauge"
unit         = "%%"
every        = "1s"
lambda-alias = { function = "shop", alias = "live", version = "43" }

[sources.cw]
type   = "cloudwatch"
region = "eu-central-1"
url    = "http://127.0.0.1:1"

[sources.alias]
type   = "lambda-alias"
region = "eu-central-1"
url    = "%s"

[daemon]
public  = "127.0.0.1:0"
private = "127.0.0.1:0"
journal = "relgate.db"
`

// An alias that is moved by hand is seen: in the API, in the metrics, as an event, and by a
// hold that says both numbers. A restart knows it, and a replay of the journal says the same.
func TestAnAliasThatIsMovedByHandIsSeen(t *testing.T) {
	t.Parallel()
	var weight atomic.Value // of version 43, as Lambda writes it
	weight.Store("0.1")
	alias := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"FunctionVersion":"42","RevisionId":"r","RoutingConfig":{"AdditionalVersionWeights":{"43":%s}}}`, weight.Load())
	}))
	defer alias.Close()
	dir := t.TempDir()
	path := writeConfig(t, dir, fmt.Sprintf(seenConfig, time.Now().UTC().Truncate(time.Second).Format(time.RFC3339), alias.URL))
	s := serve(t, path)
	private := s.private(t)
	public := publicPort.FindStringSubmatch(s.log.String())[1]
	run := func() (b wire.RunBody) {
		t.Helper()
		code, text := get(t, "http://"+public+"/v1/runs/shop@1.0.1")
		if code == 200 {
			if err := json.Unmarshal([]byte(text), &b); err != nil {
				t.Fatal(err)
			}
		}
		return b
	}
	percent := func(b wire.RunBody) float64 {
		if len(b.Phases) == 0 || b.Phases[0].Traffic.ObservedPercent == nil {
			return -1
		}
		return *b.Phases[0].Traffic.ObservedPercent
	}
	eventually(t, "the share that was planned", func() bool { return percent(run()) == 10 })
	if b := run(); b.Phases[0].Traffic.MismatchSince != nil || *b.Phases[0].Traffic.TargetPercent != 10 || b.Phases[0].Traffic.ObservedAt == nil {
		t.Errorf("%+v", b.Phases[0].Traffic)
	}
	weight.Store("0.005")
	eventually(t, "the share that was moved by hand", func() bool { return percent(run()) == .5 })
	eventually(t, "the hold", func() bool { return run().Run.Held })
	b := run()
	if h := b.Run.Hold; h.Kind != "traffic" || h.By != "ten" || !strings.Contains(h.Reason, "0.5 % of the traffic has it, 10 % planned") || b.Phases[0].Traffic.MismatchSince == nil {
		t.Errorf("held by %+v", h)
	}
	told := 0
	for _, e := range b.Events {
		if e.Type == "relgate.rollout.mismatch" && e.Severity == "warning" && strings.Contains(e.Sentence, "0.5 % of the traffic has it, 10 % planned") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("the mismatch was told %d times", told)
	}
	_, page := get(t, "http://"+private+"/metrics")
	for _, line := range []string{`relgate_phase_observed_ratio{phase="ten",plan="shop"} 0.005`, `relgate_phase_mismatch{phase="ten",plan="shop"} 1`, `relgate_phase_traffic_ratio{phase="ten",plan="shop"} 0.1`} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if code := s.end(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	s = serve(t, path)
	s.private(t)
	public = publicPort.FindStringSubmatch(s.log.String())[1]
	eventually(t, "the hold after a restart", func() bool { return run().Run.Held })
	if len(run().Events) < told {
		t.Error("events are gone")
	}
	if code := s.end(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	if code, out, errs := command(t, "replay", filepath.Join(dir, "relgate.db"), "--run", "shop@1.0.1"); code != 0 || !strings.Contains(out, "give the same") {
		t.Errorf("replay: exit %d\n%s%s", code, out, errs)
	}
}

// What docs/rollout.md prints is a plan: its phases see their traffic by counts, and its
// levels are signals that could stand in their place.
func TestWhatTheManualOfTheRolloutPrints(t *testing.T) {
	for _, observe := range []string{"requests", "weight", "phased"} {
		text := `[release]
plan    = "bioage"
title   = "BioAge"
manager = "Ada"
[release.previous]
version = "1.0.0"
lambda  = "42"
[parameters]
lambda = "43"
[success.errors]
signal = "requests"
when   = "< 1 %"
owner  = "Ops"
[rollback.errors-high]
signal  = "requests"
when    = "> 3 %"
for     = "5m"
action  = "revert"
command = "make revert"
owner   = "Ops"
[sources.cw]
type   = "cloudwatch"
region = "eu-central-1"
` + strings.ReplaceAll(recipe(t, "docs/rollout.md", "rollout"), `observe     = "requests"`, `observe     = "`+observe+`"`) + recipe(t, "docs/rollout.md", "rollout-levels")
		dir := t.TempDir()
		place(t, filepath.Join(dir, "AuthKey.p8"), "x")
		path := writeConfig(t, dir, text)
		code, out, errs := command(t, "check", path)
		if code != 0 || !strings.Contains(out, "plan bioage: valid") || strings.Contains(errs+out, "phases.") {
			t.Errorf("%s: exit %d\n%s%s", observe, code, out, errs)
		}
	}
}
