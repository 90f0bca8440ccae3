package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// simulated runs simulate-rule and gives what it wrote and its exit code.
func simulated(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), append([]string{"simulate-rule"}, args...), console{out: &o, err: &e})
	return o.String(), e.String(), code
}

var flagsOfARule = []string{"--limit", "1%", "--trigger", "3%", "--traffic", "2/s", "--share", "10%", "--window", "2h", "--runs", "200"}

func rowsOfARule(t *testing.T, args ...string) studyJSON {
	t.Helper()
	out, errs, code := simulated(t, append(append([]string{}, args...), "-o", "json")...)
	if code != exitPass {
		t.Fatalf("%v: exit %d: %s", args, code, errs)
	}
	var s studyJSON
	dec := json.NewDecoder(strings.NewReader(out))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		t.Fatalf("%v: %v in %s", args, err, out)
	}
	return s
}

func TestSimulateRuleSaysHowARuleDecides(t *testing.T) {
	s := rowsOfARule(t, append(flagsOfARule, "--rates", "5%,0.1%", "--compare")...)
	if s.Events != 12 || s.Window != 7200 || s.Look != 60 || s.Limit != .01 || s.Trigger != .03 || s.Alpha != .01 || s.Seed != 1 || s.Runs != 200 {
		t.Errorf("it simulates something else than was asked for: %+v", s)
	}
	if len(s.Cells) != 2 || s.Cells[0].Rate != .001 || s.Cells[1].Rate != .05 {
		t.Fatalf("cells %+v, want those of 0.1 %% and 5 %%", s.Cells)
	}
	if n := len(s.Cells[0].Rules); n != 9 {
		t.Errorf("%d rules, want the one and eight to compare with", n)
	}
	for i, c := range s.Cells {
		rungs := c.Rules[0].Rungs
		if len(rungs) != 3 || rungs[0].Rung != "warned" || rungs[1].Rung != "held" || rungs[2].Rung != "rolled back" {
			t.Fatalf("rungs %+v", rungs)
		}
		for _, r := range rungs {
			good := i == 0
			if good && (r.Count != 0 || r.Median != nil || r.Low != 0 || r.High > .02) || !good && (r.Share < .98 || r.Median == nil || *r.Median > 20*60) {
				t.Errorf("at %v: %+v", c.Rate, r)
			}
		}
	}
	minute := s.Cells[0].Rules[1]
	if minute.Name != "every minute" || len(minute.Rungs) != 1 || minute.Rungs[0].Share < .5 {
		t.Errorf("a rule that fires at any bad minute: %+v, want it to roll back most healthy releases", minute)
	}
}

func TestSimulateRuleOfAFile(t *testing.T) {
	config := filepath.Join(root, "config.toml")
	s := rowsOfARule(t, config, "--rule", "api-5xx-high", "--traffic", "2/s", "--runs", "50")
	if s.Rule != "api-5xx-high" || s.Phase != "lambda-10" || s.Limit != .01 || s.Trigger != .03 || s.Window != 900 || s.Events != 12 {
		t.Errorf("%+v is not the rule in the file", s)
	}
	names := map[string]bool{}
	for _, r := range s.Cells[0].Rules {
		names[r.Name] = true
	}
	if !names["evidence"] || len(names) != 2 {
		t.Errorf("rules %v, want it by evidence and by its threshold", names)
	}
	later := rowsOfARule(t, config, "--rule", "api-5xx-high", "--phase", "mobile-50", "--traffic", "2/s", "--share", "50%", "--runs", "2", "--rates", "1%")
	if later.Phase != "mobile-50" || later.Window != 4*3600 || later.Events != 60 {
		t.Errorf("%+v is not the rule in phase mobile-50", later)
	}
	all := rowsOfARule(t, config, "--rule", "api-5xx-high", "--phase", "mobile-100", "--traffic", "2/s", "--runs", "2", "--rates", "1%")
	if all.Events != 120 || all.Baseline != 0 {
		t.Errorf("%+v: where the release has all of the traffic nothing runs beside it", all)
	}
}

// TestSimulateRuleOfGoodEvents: a rule written "< 98 %" is asked and answered for in
// shares of good events; JSON has those of bad ones, and says so.
func TestSimulateRuleOfGoodEvents(t *testing.T) {
	args := []string{filepath.Join(root, "config.toml"), "--rule", "crash-free-low", "--traffic", "2/s", "--runs", "50", "--rates", "99.95%,96%"}
	out, errs, code := simulated(t, append(args, "--late", "10m", "--before", "99.9%", "--baseline", "99.8%")...)
	for _, want := range []string{
		"limit 99.5 %, trigger 98 %\n", "\nlimit, trigger and true rates are shares of good events, as the plan writes them\n", "at 99.95 % ", "at 96 %\n",
		"before it 99.9 % are good;", " 99.8 % of them good\n",
	} {
		if code != exitPass || !strings.Contains(out, want) {
			t.Errorf("exit %d %s, without %q:\n%s", code, errs, want, out)
		}
	}
	if strings.Contains(out, " 0.5 %") || strings.Contains(out, " 2 %") || strings.Contains(out, "0.05 %") {
		t.Errorf("shares of bad events are among them:\n%s", out)
	}
	s := rowsOfARule(t, args...)
	if s.Of != "bad" || s.Limit != .005 || s.Trigger != .02 || len(s.Cells) != 2 || s.Cells[0].Rate != .0005 || s.Cells[1].Rate != .04 {
		t.Errorf("%+v: want shares of bad events", s)
	}
	if good, bad := s.Cells[0].Rules[0].Rungs[2].Share, s.Cells[1].Rules[0].Rungs[2].Share; good != 0 || bad < .9 {
		t.Errorf("rolled back: %v of releases at 99.95 %%, %v at 96 %%; want none and nearly all", good, bad)
	}
	if s := rowsOfARule(t, append(args, "--limit", "99%", "--trigger", "95%")...); s.Limit != .01 || s.Trigger != .05 {
		t.Errorf("limit %v, trigger %v: want those of 99 %% and 95 %% good ones", s.Limit, s.Trigger)
	}
	if s := rowsOfARule(t, append(flagsOfARule, "--rates", "1%")...); s.Of != "bad" {
		t.Errorf("shares of %q events, want bad ones", s.Of)
	}
	picture, _, _ := simulated(t, append(args, "-o", "svg")...)
	if !strings.Contains(picture, "true rate 99.95 %") {
		t.Error("the drawing has no panel for 99.95 %")
	}
}

func TestSimulateRuleWithALateFaultAndABaseline(t *testing.T) {
	s := rowsOfARule(t, append(flagsOfARule, "--late", "60m", "--baseline", "0.2%", "--rates", "5%")...)
	if s.Late != 3600 || s.Before != .001 || s.Baseline != 108 || s.BaseRate != .002 {
		t.Errorf("%+v is not what was asked for", s)
	}
	r := s.Cells[0].Rules[0].Rungs[2]
	if r.Share < .9 || r.Median == nil || *r.Median < 60 || *r.Median > 40*60 {
		t.Errorf("rolled back: %+v, want it soon after the fault", r)
	}
}

func TestSimulateRuleDraws(t *testing.T) {
	text, _, code := simulated(t, append(flagsOfARule, "--compare", "--cv", "0.5")...)
	for _, want := range []string{
		"limit 1 %, trigger 3 %", "12 events in each look of 1m", "200 releases for each rate, seed 1", "coefficient of variation 0.5",
		"rolled back", "burn rate, budget 1 %", "share of releases by then", "1m", "1h",
	} {
		if code != exitPass || !strings.Contains(text, want) {
			t.Errorf("exit %d, without %q:\n%s", code, want, text)
		}
	}
	again, _, _ := simulated(t, append(flagsOfARule, "--compare", "--cv", "0.5")...)
	if again != text {
		t.Error("the same seed gives another table")
	}
	picture, _, code := simulated(t, append(flagsOfARule, "-o", "svg")...)
	dec := xml.NewDecoder(strings.NewReader(picture))
	curves := 0
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the drawing is not XML: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "path" {
			curves++
		}
	}
	if code != exitPass || curves < 4*3 {
		t.Errorf("exit %d and %d lines, want at least one for each rung and rate", code, curves)
	}
}

func TestSimulateRuleSaysWhatItLacks(t *testing.T) {
	config := filepath.Join(root, "config.toml")
	broken := filepath.Join(t.TempDir(), "broken.toml")
	if err := os.WriteFile(broken, []byte("[release]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, want string }{
		{"", "no rule is given"},
		{"--limit 1%", "--limit and --trigger"},
		{"--rule x", "name the file"},
		{"--limit 1% --trigger 3%", "the traffic is not known"},
		{"--limit 3% --trigger 1% --traffic 2/s", "limit 3 % and trigger 1 %"},
		{"--limit 0% --trigger 1% --traffic 2/s", "0 < limit"},
		{"--limit 1% --trigger 3% --alpha 0% --traffic 2/s", "alpha 0 %"},
		{"--limit 1% --trigger 3% --traffic 2", "--traffic: rate \"2\""},
		{"--limit 1% --trigger 3% --traffic -2/s", "--traffic: rate \"-2/s\": want a number"},
		{"--limit 1% --trigger 3% --traffic 2/s --rates -1%", "--rates: share \"-1%\": want a part"},
		{"--limit 1% --trigger 3% --traffic 2/s --cv -1", "coefficient of variation"},
		{"--limit 1% --trigger 3% --traffic --share 5%", "relgate: --traffic: wants a value\n"},
		{"--limit 1% --trigger 3% --traffic 2/s --share 0%", "no traffic"},
		{"--limit 1% --trigger 3% --traffic 2/s --baseline 1%", "give --share"},
		{"--limit 1% --trigger 3% --traffic 2/s --late 3h --window 2h", "--late 3h: the window of 2h is over"},
		{"--limit 1% --trigger 3% --traffic 2/s --before 0.5%", "needs --late"},
		{"--limit 1% --trigger 3% --traffic 2/s --window 10s", "shorter than one look, 1m"},
		{"--limit 1% --trigger 3% --traffic 2/s --cv=-1", "coefficient of variation"},
		{"--limit 1% --trigger 3% --traffic 2/s --runs 0", "no releases"},
		{"--limit 1% --trigger 3% --traffic 2/s --runs 2000000", "at most 1000000"},
		{config, "no rule of"},
		{config + " --rule nothing", `no rollback rule "nothing"`},
		{config + " --rule bias-high", "not on counts"},
		{config + " --rule crash-free-low --traffic 2/s --limit 0.5%", "limit 0.5 % and trigger 98 %: want 100 % > limit >= trigger > 0 %, shares of good events"},
		{config + " --rule api-5xx-high --phase nowhere", `no phase "nowhere"`},
		{config + " --rule api-5xx-high --plan other", `has no plan "other"`},
		{broken + " --rule x", "relgate check"},
		{"missing.toml --rule x", "missing.toml"},
	} {
		out, errs, code := simulated(t, strings.Fields(tt.args)...)
		if code != exitUsage || !strings.Contains(errs, tt.want) || out != "" {
			t.Errorf("%s: exit %d, %q on stdout, %q; want exit 2 and %q", tt.args, code, out, errs, tt.want)
		}
	}
}
