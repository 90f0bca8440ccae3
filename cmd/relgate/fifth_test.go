package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/kinds"
)

// almanac is a kind of source that does not exist: it counts ships, and which of them
// were late. It is all that a new source has to bring.
type almanac struct{}

func (almanac) Name() string             { return "almanac" }
func (almanac) Title() string            { return "the Almanac" }
func (almanac) Query() rules.SourceQuery { return new(ships) }

func (almanac) Account() rules.Account {
	return rules.Account{Timeout: time.Minute, Keys: []rules.AccountKey{
		{Key: "harbour", Doc: "The harbour's name. Required.", Example: `"Kiel"`, Required: true},
		{Key: "pass", Doc: "The pass.", Secret: true},
	}}
}

type ships struct {
	Quay  string   `json:"quay" toml:"quay"`                        // Name of the quay. Required.
	Flags []string `json:"flags,omitempty" toml:"flags" text:"sql"` // Which flags.
}

func (*ships) Source() string { return "almanac" }

func (*ships) Facts() rules.Facts {
	return rules.Facts{
		Every: 2 * time.Second, Dimension: "quay",
		Nouns: rules.Nouns{All: "ships", Verb: "were late", Good: rules.Noun{One: "ship in time", Many: "ships in time"}, Bad: rules.Noun{One: "late ship", Many: "late ships"}},
	}
}

func (q *ships) Implied(*rules.Signal) rules.SourceQuery { return q }

func (q *ships) Lint(at rules.Checker, _ *rules.Signal) {
	at.At("almanac").Required("quay", q.Quay == "", `"North"`)
}

func (*ships) LintForms(rules.Checker) {}

func (q *ships) Line() string { return "ships at " + q.Quay }

func (q *ships) Price(*rules.Signal) []rules.Question {
	return []rules.Question{{API: "Log", What: q.Quay, Unit: rules.Noun{One: "page", Many: "pages"}, USD: 0.25}}
}

func (*ships) Past(*rules.Signal) rules.Past { return rules.Past{None: "the harbour keeps no log"} }

func (q *ships) Apart() map[string]string { return map[string]string{"quay": q.Quay} }

func (q *ships) Beside(_, quay string) rules.SourceQuery { return &ships{Quay: quay, Flags: q.Flags} }

// harbour is its client.
type harbour struct {
	mu    sync.Mutex
	asked map[string]bool // :: quay and flags → whether it was asked
	told  string          // what the account said
}

func (h *harbour) open(_ context.Context, o sources.Opening) (sources.Source, error) {
	pass, err := o.Account.Secret("pass")
	h.told = o.Account.Text("harbour") + " " + pass
	return h, err
}

func (h *harbour) Fetch(_ context.Context, now time.Time, wants []sources.Want) []rules.Reading {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []rules.Reading
	for _, w := range wants {
		q := w.Signal.Query.Ask.(*ships)
		h.asked[fmt.Sprint(q.Quay, q.Flags)] = true
		r := rules.Reading{Signal: w.Index, From: w.From, To: w.To, SettledUntil: now.Unix()}
		for at := w.From; at < w.To && at+60 <= now.Unix(); at += 60 {
			r.Points = append(r.Points, rules.Point{At: at, Samples: 100})
		}
		all = append(all, r)
	}
	return all
}

const fifth = `
[release]
plan     = "P"
title    = "A release"
version  = "1.0.0"
start    = %s
manager  = "Ada"
interval = "1s"
evidence = "sequential"

[phases.one]
traffic = "10 %%"
start   = "T"
window  = "10m"
owner   = "ops"
success = ["late"]

[success.late]
signal = "late"
when   = "< 20 %%"
owner  = "ops"

[signals.late]
source   = "kiel"
kind     = "ratio"
baseline = { dimension = "quay", value = "South" }
almanac  = { quay = "North", flags = ["'{version}'"] }

[sources.kiel]
type    = "almanac"
harbour = "Kiel"
pass    = "sesame"

[daemon]
public  = "127.0.0.1:0"
private = "127.0.0.1:0"
journal = "relgate.db"
`

// A fifth source touches its own folder and one list, and everything knows it: the
// config, check, prices, the plan, a run with its placeholders and its baseline, the
// client with its account, words, and a journal that is read again.
func TestAFifthSource(t *testing.T) {
	h := &harbour{asked: map[string]bool{}}
	list := append(kinds.All(), kinds.Entry{Kind: almanac{}, Open: h.open})
	text := fmt.Sprintf(fifth, time.Now().Add(-30*time.Minute).UTC().Truncate(time.Minute).Format(time.RFC3339))
	cfg := loadWith(t, list, writeConfig(t, t.TempDir(), text))
	if got := config.Price(cfg.Plans); len(got) != 1 || got[0].What != "Log, 2 pages every 2s" || got[0].USD != 0.25*got[0].Units {
		t.Errorf("got prices %+v", got)
	}
	if *cfg.Sources[0].Timeout != (rules.Duration{Duration: time.Minute}) {
		t.Errorf("got timeout %v", cfg.Sources[0].Timeout)
	}
	passed := func(v runner.PlanView) bool {
		run := v.Runs[0]
		rule := &run.Snapshot.Phases[0].Success[0]
		return run.Snapshot.Verdict == rules.Pass && rule.Query == "kiel: ships at North" &&
			strings.Contains(words.Rule(run.Plan, rule, run.Snapshot.At).Sentence, "ships were late")
	}
	runWith(t, list, cfg, passed)
	h.mu.Lock()
	if want := map[string]bool{"North['1.0.0']": true, "South['1.0.0']": true}; fmt.Sprint(h.asked) != fmt.Sprint(want) || h.told != "Kiel sesame" {
		t.Errorf("asked %v as %q, want %v", h.asked, h.told, want)
	}
	h.mu.Unlock()

	runWith(t, list, cfg, passed) // by the journal's plan
}

// loadWith loads a config that has no problems but that its secret stands in it.
func loadWith(t *testing.T, list kinds.List, path string) *config.Config {
	t.Helper()
	cfg, problems := config.Reader{Kinds: list.Kinds()}.Load(path)
	problems = slices.DeleteFunc(problems, func(p config.Problem) bool { return p.Severity != rules.SeverityError })
	if cfg == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	return cfg
}

// runWith runs a daemon until one of its plans is as wanted, and stops it.
func runWith(t *testing.T, list kinds.List, cfg *config.Config, as func(runner.PlanView) bool) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	d, err := newDaemon(t.Context(), assembly{config: cfg, clock: newWallClock(log), upstreams: upstreams{list: list, log: log}, log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	eventually(t, "the plan", func() bool {
		return slices.ContainsFunc(d.runner.Published().Plans, func(v runner.PlanView) bool { return len(v.Runs) > 0 && as(v) })
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
}

// What is wrong with its part of a config is said as of any other.
func TestWhatAFifthSourceFindsWrong(t *testing.T) {
	list := append(kinds.All(), kinds.Entry{Kind: almanac{}, Open: new(harbour).open})
	text := fmt.Sprintf(fifth, "2100-01-01T00:00:00Z")
	for _, tt := range []struct{ old, new, want string }{
		{`quay = "North", `, ``, `signals.late.almanac.quay: missing: write quay = "North"`},
		{`quay = "North"`, `key = "North"`, `signals.late.almanac.key: unknown key "key"`},
		{`harbour = "Kiel"`, ``, `sources.kiel.harbour: missing: write harbour = "Kiel"`},
		{`harbour = "Kiel"`, "harbour = \"Kiel\"\nregion = \"x\"", `sources.kiel.region: not a key of a source of type "almanac"`},
		{`almanac  = {`, `almanak = {`, `did you mean "almanac"?`},
		{`almanac  = {`, `# {`, `signals.late: the signal has no query: add [signals.late.cloudwatch], .sentry, .appstore, .athena, .lambda-alias, .inbox or .almanac`},
		{`value = "South"`, `value = "North"`, `signals.late.baseline.value: "North" is the release's own quay`},
		{`"almanac"`, `"sentry"`, `signals.late.almanac: a query for "almanac", but source "kiel" is of type "sentry"`},
	} {
		_, problems := config.Reader{Kinds: list.Kinds()}.Load(writeConfig(t, t.TempDir(), strings.Replace(text, tt.old, tt.new, 1)))
		if !slices.ContainsFunc(problems, func(p config.Problem) bool { return strings.Contains(p.String(), tt.want) }) {
			t.Errorf("%s: got %v, want %s", tt.new, problems, tt.want)
		}
	}
}

// Without its kind, a journal that names it is still read.
func TestAQueryOfALaterVersion(t *testing.T) {
	plan, err := rules.ReadPlan([]byte(`{"signals":[{"name":"late","query":{"almanac":{"quay":"North"}}}]}`), upstreamKinds())
	if err != nil || plan.Signals[0].Query.Ask != nil {
		t.Errorf("got %+v (%v), want a query that is left unread", plan, err)
	}
}
