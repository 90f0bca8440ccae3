package config

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	athena "github.com/relgate/relgate/sources/athena/kind"

	"github.com/relgate/relgate/rules"
)

// minimalText is the smallest config with nothing wrong.
//
//go:embed testdata/minimal.toml
var minimalText string

// planNamed is minimal's plan under another name, without what only a main file
// may have.
func planNamed(name string) string {
	plan, _, _ := strings.Cut(minimalText, "[sources.cw]")
	return strings.Replace(plan, `"launch"`, `"`+name+`"`, 1)
}

// The config at the root is the product's face: it has no problems at all.
func TestTheProjectsOwnConfigHasNoProblems(t *testing.T) {
	c, problems := Load("../config.toml")
	for _, p := range problems {
		t.Error(p)
	}
	if c == nil || len(c.Plans) != 1 {
		t.Fatalf("got config %v, want one with one plan", c)
	}
	p := c.Plans[0]
	if p.Version != "1.0.0" || p.Template() || c.FileOf(p) != "../config.toml" || c.FileOf(new(rules.Plan)) != "" {
		t.Errorf("got version %q, template %v, file %q", p.Version, p.Template(), c.FileOf(p))
	}
	if p.Name != "REL-2025-06-04" || len(p.Phases) != 5 || len(p.Rules) != 9 || len(p.Communications) != 4 || len(p.Approvals) != 1 {
		t.Errorf("got plan %q with %d phases, %d rules, %d messages, %d approvals", p.Name, len(p.Phases), len(p.Rules), len(p.Communications), len(p.Approvals))
	}
	if end := p.Phases[4].Start + p.Phases[4].Window; !p.Start.Add(end).Equal(p.Completion) {
		t.Errorf("the last window ends %v after %v, want at %v", end, p.Start, p.Completion)
	}
	gap := athena.Of(p.Signals[6].Query)
	if sql, err := os.ReadFile("../sql/bias_by_age_decile.sql"); err != nil || gap.SQL != string(sql) {
		t.Errorf("got SQL %q (%v), want the file's", gap.SQL, err)
	}
	if len(c.Files) != 3 || c.Files[0].Path != "../config.toml" || c.Files[1].Path != "/etc/relgate/AuthKey_release.p8" || c.Files[2].Path != filepath.Join("..", "sql", "bias_by_age_decile.sql") {
		t.Errorf("got files %v", c.Files)
	}
}

func TestMinimalConfigAndDefaults(t *testing.T) {
	c, problems := Decode("dir/config.toml", []byte(minimalText+`
[webhooks.ci]
url_from = { file = "url" }
secrets  = [{ env = "A" }, { file = "b" }]
hub_secret = { file = "hub" }
proxy    = { file = "proxy" }
headers  = { X-Team = "a", Authorization = { file = "c" } }
allow    = ["10.1.2.3", "10.9.9.9/8"]
ca       = "ca.pem"

[daemon.tokens.ci]
token  = { file = "/abs/token" }
scopes = ["read", "command"]
plans  = ["launch"]
`), os.ReadFile)
	if c == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	d := c.Daemon
	if d.Journal != filepath.Join("dir", "relgate.db") || d.Public != "127.0.0.1:8080" || d.Private != "127.0.0.1:9091" ||
		d.Retention.Duration != 90*24*time.Hour || *d.SnapshotEvery != 100 || *d.History != 5 {
		t.Errorf("got daemon %+v", d)
	}
	s := c.Sources[0]
	if s.Name != "cw" || s.Timeout.Duration != 20*time.Second || *s.MaxAttempts != 3 {
		t.Errorf("got source %+v", s)
	}
	w := c.Webhooks[0]
	if w.Class != "notify" || w.Timeout.Duration != 15*time.Second || w.CA != filepath.Join("dir", "ca.pem") {
		t.Errorf("got webhook %+v", w)
	}
	paths := []string{w.URLFrom.file, w.Secrets[1].file, w.HubSecret.file, w.Proxy.file, w.Headers["Authorization"].file, d.Tokens[0].Token.file}
	if want := fmt.Sprint([]string{filepath.Join("dir", "url"), filepath.Join("dir", "b"), filepath.Join("dir", "hub"), filepath.Join("dir", "proxy"), filepath.Join("dir", "c"), "/abs/token"}); fmt.Sprint(paths) != want {
		t.Errorf("secrets are in %v, want %v", paths, want)
	}
	if w.Secrets[0].env != "A" || w.Allow[0].String() != "10.1.2.3/32" || w.Allow[1].String() != "10.0.0.0/8" {
		t.Errorf("got secrets %v, networks %v", w.Secrets[0].env, w.Allow)
	}
}

func TestLoadOfAMissingFile(t *testing.T) {
	c, problems := Load(filepath.Join(t.TempDir(), "none.toml"))
	if c != nil || len(problems) != 1 || problems[0].ID != "unreadable" || !strings.Contains(problems[0].String(), "none.toml:1:1: ") {
		t.Errorf("got %v and %v, want that it cannot be read", c, problems)
	}
}

func TestIncludedPlansComeByName(t *testing.T) {
	dir := t.TempDir()
	f := &watching{t: t, dir: dir}
	main := minimalText
	f.write("config.toml", `include = ["b.toml", "*.toml", "./b.toml"]`+"\n"+main)
	f.write("b.toml", planNamed("b"))
	f.write("a.toml", planNamed("a"))
	c, problems := Load(filepath.Join(dir, "config.toml"))
	if c == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	var names []string
	for _, p := range c.Plans {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "launch a b" {
		t.Errorf("got plans %s, want the main file's, then the others by name, each once", got)
	}
	if len(c.Files) != 3 || len(c.Patterns) != 3 {
		t.Errorf("got files %v and patterns %v, want three of each", c.Files, c.Patterns)
	}
}

// A main file may hold what its plans share and no plan of its own.
func TestIncludedPlansShareSignals(t *testing.T) {
	dir := t.TempDir()
	f := &watching{t: t, dir: dir}
	main := minimalText
	at := strings.Index(main, "[signals.error_rate]")
	f.write("config.toml", "include = [\"plans/*\"]\n"+main[at:])
	defer func() {
		// And one that has a plan of its own shares signals that only others use.
		f.write("config.toml", "include = [\"plans/*\"]\n"+strings.Replace(main, `"launch"`, `"main"`, 1)+shared)
		f.write("plans/b.toml", strings.NewReplacer(`"launch"`, `"b"`, `"error_rate"`, `"shared"`).Replace(main[:at]))
		if c, problems := Load(filepath.Join(dir, "config.toml")); c == nil || len(problems) != 1 || problems[0].Path != "signals.alone" {
			t.Errorf("got %v, want a warning of the signal that no rule uses", problems)
		}
	}()
	f.write("plans/a.toml", main[:at])
	f.write("plans/b.toml", strings.Replace(main[:at], `"launch"`, `"b"`, 1))
	c, problems := Load(filepath.Join(dir, "config.toml"))
	if c == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	if len(c.Plans) != 2 || c.Plans[0].Signals[0].Name != "error_rate" || c.Plans[1].Signals[0].Name != "error_rate" {
		t.Errorf("got plans %+v, want two that share a signal", c.Plans)
	}
}

const shared = `
[signals.shared]
source = "cw"
kind   = "ratio"
[signals.shared.cloudwatch]
namespace = "N"
bad       = "B"
total     = "T"

[signals.alone]
source = "cw"
kind   = "alarm"
cloudwatch.alarm = "A"
`

// A scenario gives the readings itself: its signals need no source.
func TestDecodePlanNeedsNoSources(t *testing.T) {
	plan, problems := DecodePlan("plan.toml", []byte(`
[release]
plan    = "launch"
title   = "The launch"
start   = 2025-06-04T02:00:00Z
manager = "Kim"

[phases.canary]
traffic  = "10 %"
start    = "T"
window   = "15m"
owner    = "Ops"
success  = ["errors"]
rollback = ["errors-high"]

[success.errors]
signal = "error_rate"
when   = "< 1 %"
owner  = "Ops"
notify = ["anyone"]

[rollback.errors-high]
signal  = "error_rate"
when    = "> 3 %"
action  = "revert"
command = "revert --now"
owner   = "Ops"

[signals.error_rate]
kind = "ratio"
`), nil)
	if plan == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	if s := plan.Signals[0]; s.Name != "error_rate" || s.Period != time.Minute || s.Settle != 0 {
		t.Errorf("got signal %+v, want minutes that settle at once", s)
	}
	for _, text := range []string{"x", "[release]\nplan = 3\n"} {
		if plan, problems := DecodePlan("plan.toml", []byte(text), nil); plan != nil || Errors(problems) == 0 {
			t.Errorf("%q: got plan %v and %v, want errors", text, plan, problems)
		}
	}
}

// What a broken pattern or an unreadable file is told as, without a file system.
func TestFilesThatCannotBeRead(t *testing.T) {
	gone := func(string) ([]byte, error) { return nil, &os.PathError{Op: "open", Path: "x", Err: fs.ErrPermission} }
	_, problems := Decode("config.toml", []byte("include = [\"[\", \"config_test.go\"]\n"+minimalText), gone)
	var got []string
	for _, p := range problems {
		got = append(got, p.Path+" "+p.ID)
	}
	if want := "include[0] bad-value;  unreadable"; strings.Join(got, "; ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProblemsAreWarningsOrErrors(t *testing.T) {
	warning := Problem{File: "f", Line: 2, Col: 3, Path: "a.b", ID: "x", Severity: rules.SeverityWarning, Message: "odd", Fix: "mend it"}
	if got := warning.String(); got != "f:2:3: warning: a.b: odd: mend it [x]" {
		t.Errorf("got %q", got)
	}
	plain := Problem{File: "f", Line: 1, Col: 1, ID: "syntax", Message: "no TOML"}
	if got := plain.String(); got != "f:1:1: no TOML [syntax]" {
		t.Errorf("got %q", got)
	}
	if got := Errors([]Problem{warning, plain}); got != 1 {
		t.Errorf("got %d errors, want 1", got)
	}
}

func TestParent(t *testing.T) {
	for path, want := range map[string]string{
		"a.b.c": "a.b", "a.b[3]": "a.b", "a": "", `a."b.c"`: "a", `a."b\".c"`: "a", `a."x\\".d`: `a."x\\"`, `"a.b"`: "", "a[0][1]": "a[0]",
	} {
		if got := parent(path); got != want {
			t.Errorf("parent(%s) = %s, want %s", path, got, want)
		}
	}
}

// Whatever the text: no panic, and every problem has a place and a path. A
// config comes only without errors.
func FuzzDecode(f *testing.F) {
	f.Add(minimalText)
	paths, err := filepath.Glob("testdata/broken/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		broken, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		_, text, _ := strings.Cut(string(broken), "-- config.toml --\n")
		text, _, _ = strings.Cut(text, "\n-- ")
		f.Add(text)
	}
	none := func(string) ([]byte, error) { return nil, errors.New("none") }
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") {
			t.Skip() // no file system here
		}
		lines := 1 + strings.Count(text, "\n")
		c, problems := Decode("config.toml", []byte(text), none)
		usable(t, c, problems)
		for i, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Col < 1 {
				t.Errorf("%v: not in the file's %d lines", p, lines)
			}
			if p.Path == "" && p.ID != "syntax" || p.ID == "" || p.Message == "" {
				t.Errorf("%v: lacks a path, an id or a message", p)
			}
			if i > 0 && problems[i-1].Line > p.Line {
				t.Errorf("%v: stands behind line %d", p, problems[i-1].Line)
			}
		}
	})
}

// What a signal says for rules that weigh evidence is of use where an included
// plan has them, also when the main file's own plan compares.
func TestKeysOfEvidenceThatOnlyAnIncludedPlanReads(t *testing.T) {
	dir := t.TempDir()
	f := &watching{t: t, dir: dir}
	main := strings.Replace(minimalText, "kind   = \"ratio\"\n", "kind   = \"ratio\"\nmaturity = \"5m\"\n", 1)
	at := strings.Index(main, "[signals.error_rate]")
	f.write("config.toml", "include = [\"plans/*\"]\n"+main)
	plain := strings.Replace(main[:at], `"launch"`, `"b"`, 1)
	f.write("plans/b.toml", strings.Replace(plain, "manager = \"Kim\"\n", "manager = \"Kim\"\nevidence = \"sequential\"\n", 1))
	c, problems := Load(filepath.Join(dir, "config.toml"))
	if c == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	if own, other := c.Plans[0].Rules[0].Method, c.Plans[1].Rules[0].Method; own != rules.ByThreshold || other != rules.Sequential {
		t.Errorf("got plans that judge by %v and %v", own, other)
	}
	_ = os.Remove(filepath.Join(dir, "plans", "b.toml"))
	f.write("config.toml", main)
	if _, problems := Load(filepath.Join(dir, "config.toml")); len(problems) != 1 || problems[0].ID != "no-effect" {
		t.Errorf("got %v, want that the maturity changes nothing", problems)
	}
}
