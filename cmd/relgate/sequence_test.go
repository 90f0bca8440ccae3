package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sentry "github.com/relgate/relgate/sources/sentry/kind"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal/journaltest"
	"github.com/relgate/relgate/evaluator/replay"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// step is one thing that happens to a house, as it is drawn.
type step struct {
	Do      string
	Plan    string // stall is a template, launch has its version in [release]
	Version string
	Phase   string // of an override
	Offset  int    // of T from now, in minutes
	Flag    bool   // --again, --supersede, an immediate reload, a command to the run of Version
	Minutes int    // that go by afterwards
}

func (s step) String() string {
	return fmt.Sprintf("%s %s %s %s T%+d flag=%t, %d min", s.Do, s.Plan, s.Version, s.Phase, s.Offset, s.Flag, s.Minutes)
}

// The worlds of a house: what the data of each version says.
var worlds = map[string]float64{"1.0": 0, "1.1+a": 5, "2.0": 2, "2.1": 0} // :: version → bad of a hundred samples; below 1 passes, above 3 rolls back

var drawnStep = rapid.Custom(func(t *rapid.T) step {
	return step{
		Do: rapid.SampledFrom([]string{
			"start", "start", "start", "start", "start", "late", "wait", "wait", "version", "edit", "vanish", "return", "break", "reload",
			"crashed", "survived", "failed", "happened", "kill", "stop", "hold", "resume", "abort", "done", "override", "override",
		}).Draw(t, "do"),
		Plan:    rapid.SampledFrom([]string{"stall", "stall", "launch"}).Draw(t, "plan"),
		Version: rapid.SampledFrom(slices.Sorted(maps.Keys(worlds))).Draw(t, "version"),
		Phase:   rapid.SampledFrom([]string{"", "canary", "half"}).Draw(t, "phase"),
		Offset:  rapid.SampledFrom([]int{0, 2, -10}).Draw(t, "offset"), Flag: rapid.Bool().Draw(t, "flag"), Minutes: rapid.IntRange(0, 9).Draw(t, "minutes"),
	}
})

// sequencePlan has two phases one after the other, and one that was planned to
// overlap the second.
func sequencePlan(name string) *rules.Plan {
	below, _ := rules.ParseCondition("< 1 %")
	above, _ := rules.ParseCondition("> 3 %")
	return &rules.Plan{
		Name: name, Title: "A plan", Interval: time.Minute, Length: time.Hour,
		Signals: []rules.Signal{{
			Name: "errors", Source: "s", Kind: rules.Ratio, Unit: rules.Percent, Period: time.Minute, Every: time.Minute, Keep: 30, Of: -1,
			Query: rules.Query{Ask: &sentry.Query{Project: "1", Release: name + "@{version}"}},
		}},
		Rules: []rules.Rule{
			{Name: "few", Kind: rules.Success, When: below, ShownWhen: below, Coverage: 0.8, Alarm: -1},
			{Name: "many", Kind: rules.RollbackRule, When: above, ShownWhen: above, For: 2 * time.Minute, Coverage: 0.8, Alarm: -1, Action: "revert"},
		},
		Phases: []rules.Phase{
			{Name: "canary", Window: 3 * time.Minute, Extend: 5 * time.Minute, Success: []int{0}, Rollback: []int{1}},
			{Name: "half", Start: 3 * time.Minute, Window: 3 * time.Minute, Extend: 5 * time.Minute, Success: []int{0}, Rollback: []int{1}},
			{Name: "beside", Start: 4 * time.Minute, Window: 3 * time.Minute, Extend: 5 * time.Minute, Success: []int{0}, Rollback: []int{1}},
		},
	}
}

// house is a daemon without its network: runner, gate and journal, through any
// number of lives.
type house struct {
	t     *testing.T
	store journaltest.Memory
	world map[string]float64

	files  map[string]*rules.Plan // :: plan → what its file has; nil: it is broken
	taken  map[string]string      // :: plan → version that its file named when it was last read in this life
	seen   map[string]bodySeen    // :: answer → what is looked at of it
	uids   atomic.Int64
	life   int
	broken string // the first law that was broken

	journal journaltest.Journal
	runner  *runner.Runner
	clock   *runner.Steady
	gate    *gate.Gate
	desk    desk
	mu      sync.Mutex
	fault   journaltest.Fault // of the next commit
	dead    bool              // no write works any more
	cancel  context.CancelFunc
	done    chan error
}

// Fetch answers from the version that the run's query names.
func (h *house) Fetch(_ context.Context, now time.Time, wants []runner.Want) []rules.Reading {
	readings := make([]rules.Reading, len(wants))
	for i, want := range wants {
		_, version, _ := strings.Cut(sentry.Of(want.Signal.Query).Release, "@")
		bad, ok := h.world[version]
		if !ok || version != versionOf(want.Run) {
			h.breaks("run %s asked for version %q", want.Run, version)
		}
		r := rules.Reading{Signal: want.Index, From: want.From, To: want.To, SettledUntil: now.Unix() / 60 * 60}
		for at := (want.From + 59) / 60 * 60; at+60 <= want.To && at+60 <= now.Unix(); at += 60 {
			r.Points = append(r.Points, rules.Point{At: at, Value: bad, Samples: 100})
		}
		readings[i] = r
	}
	return readings
}

// versionOf is the version in a run's id.
func versionOf(run string) string {
	_, version, _ := strings.Cut(run, "@")
	version, _, _ = strings.Cut(version, "~")
	return version
}

// breaks notes the first law that was broken. A run of the sequence ends there.
func (h *house) breaks(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken == "" {
		h.broken = fmt.Sprintf(format, args...)
	}
}

// policies is the config as its files are now.
func (h *house) policies() runner.Policies {
	p := runner.Policies{Broken: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(h.files)) {
		if plan := h.files[name]; plan != nil {
			p.Plans = append(p.Plans, plan)
		} else {
			p.Broken[name] = name + ".toml has 1 problem"
		}
	}
	return p
}

// read notes what the files name, when they are read.
func (h *house) read() {
	for name, plan := range h.files {
		if plan != nil {
			h.taken[name] = plan.Version
		}
	}
}

func (h *house) reopen() journaltest.Journal {
	j, err := h.store.Open()
	if err != nil {
		h.t.Fatal(err)
	}
	return j
}

func (h *house) begin() {
	h.life++
	h.journal = h.reopen()
	h.clock, h.dead, h.fault = new(runner.Steady), false, journaltest.Sound
	faulty := &journaltest.Faulty{Journal: h.journal, Fault: func(method string) journaltest.Fault {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.dead {
			return journaltest.Crashed
		}
		if method != "Commit" {
			return journaltest.Sound
		}
		fault := h.fault
		h.fault = journaltest.Sound
		if fault == journaltest.Crashed || fault == journaltest.Survived {
			h.cancel()
		}
		return fault
	}}
	var err error
	h.runner, err = runner.New(runner.Config{
		Kinds: upstreamKinds(), Policies: h.policies(), Journal: faulty, Fetcher: h, Clock: h.clock, SnapshotEvery: 1 + h.life%4,
		NewUID: func() string { return fmt.Sprintf("u%d", h.uids.Add(1)) },
	})
	if err != nil {
		h.t.Fatal(err)
	}
	clear(h.taken)
	h.read()
	h.desk = desk{runner: h.runner, journal: h.journal}
	h.gate, err = gate.New(gate.Config{OpenCommands: true, Commander: h.desk, Starter: h.desk, Past: h.desk, Now: h.clock.Now})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel, h.done = cancel, make(chan error, 1)
	go func() { h.done <- h.runner.Run(ctx) }()
	synctest.Wait()
}

// end ends a life, as a SIGTERM or as a kill does.
func (h *house) end(kill bool) {
	h.mu.Lock()
	h.dead = kill
	h.mu.Unlock()
	h.cancel()
	if err := <-h.done; err != nil && !kill {
		h.breaks("the runner ended with %v", err)
	}
}

var faults = map[string]journaltest.Fault{
	"crashed": journaltest.Crashed, "survived": journaltest.Survived, "failed": journaltest.Failed, "happened": journaltest.Happened,
}

func (h *house) do(s step) {
	ctx := context.Background()
	act := func(c fact.Command) {
		c.ID, c.By, c.Why = fmt.Sprintf("c%d", h.uids.Add(1)), "ann", "reason"
		run := ""
		if s.Flag {
			run = s.Plan + "@" + s.Version
		}
		_, _ = h.desk.Command(ctx, s.Plan, run, c) // what came of it is in the journal
	}
	at := h.clock.Now().Truncate(time.Second).Add(time.Duration(s.Offset) * time.Minute)
	switch s.Do {
	case "start":
		_, _ = h.desk.StartRun(ctx, s.Plan, gate.StartRequest{Version: s.Version, At: at, Again: s.Flag, Supersede: s.Flag, By: "ann", Why: "hotfix"})
	case "late": // a hold over T: the first phase begins late
		begin := h.clock.Now().Truncate(time.Second).Add(time.Minute)
		_, _ = h.desk.StartRun(ctx, s.Plan, gate.StartRequest{Version: s.Version, At: begin, Again: true, Supersede: true, By: "ann", Why: "hotfix"})
		act(fact.Command{Kind: fact.Hold})
		time.Sleep(5 * time.Minute)
		act(fact.Command{Kind: fact.Resume})
	case "version", "return", "edit":
		p := sequencePlan(s.Plan)
		if s.Plan == "launch" {
			sentry.Of(p.Signals[0].Query).Release = "launch@" + s.Version // the version is written out in its query
			p.Version, p.Start, p.Completion, p.Length = s.Version, at, at.Add(time.Hour), 0
		}
		if s.Do == "edit" {
			if was := h.files[s.Plan]; was != nil {
				p.Version, p.Start, p.Completion, p.Signals = was.Version, was.Start, was.Completion, was.Signals
			}
			p.Rules[1].Action = "revert at " + at.Format(time.TimeOnly)
			p.Phases[0].Window = time.Duration(3+s.Minutes%2) * time.Minute
			p.Phases[1].Start = p.Phases[0].Window
			p.Phases[2].Start = p.Phases[0].Window + time.Minute
		}
		h.files[s.Plan] = p
	case "vanish":
		delete(h.files, s.Plan)
	case "break":
		h.files[s.Plan] = nil
	case "crashed", "survived", "failed", "happened":
		h.mu.Lock()
		h.fault = faults[s.Do]
		h.mu.Unlock()
	case "kill", "stop":
		h.end(s.Do == "kill")
		h.begin()
	case "hold":
		act(fact.Command{Kind: fact.Hold})
	case "resume":
		act(fact.Command{Kind: fact.Resume})
	case "abort":
		act(fact.Command{Kind: fact.Abort})
	case "done":
		act(fact.Command{Kind: fact.RollbackDone})
	case "override":
		act(fact.Command{Kind: fact.Override, Phase: s.Phase, Verdict: rules.Pass})
	}
	changed := slices.Contains([]string{"version", "return", "edit", "vanish", "break"}, s.Do)
	if s.Do == "reload" || changed && s.Flag {
		if err := h.runner.Reload(ctx, h.policies()); err == nil {
			h.read()
		}
	}
}

// revive begins the next life where the last one met a fault that it does not
// outlive.
func (h *house) revive() {
	synctest.Wait()
	select {
	case err := <-h.done:
		h.done <- err
		h.begin()
	default:
	}
}

// chronicle is what the journal's events say of a run, apart from its state.
type chronicle struct {
	record     fact.RunRecord
	held       bool
	rolledBack bool            // a rollback is ordered, or was carried out
	superseded bool            //
	passed     map[string]bool // :: phase → it has passed
	begun      map[string]bool // :: phase → it has begun
	overridden map[string]bool // :: phase → a person let it pass
}

// gather reads a run's events.
func (h *house) gather(rec fact.RunRecord) *chronicle {
	f := &chronicle{record: rec, passed: map[string]bool{}, begun: map[string]bool{}, overridden: map[string]bool{}}
	stored, err := h.journal.Events(context.Background(), rec.ID, 0, 1_000_000)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := range stored {
		e := &stored[i].Event
		if n := uint64(i) + 1; e.N != n || !strings.HasPrefix(e.ID, rec.ID+".") || e.Run != rec.ID || e.Version != rec.Version {
			h.breaks("event %d of run %s has n %d, id %s, run %s and version %s", n, rec.ID, e.N, e.ID, e.Run, e.Version)
		}
		switch e.Kind {
		case fact.PhaseEvent:
			f.passed[e.Subject] = e.To == rules.Passed.String()
			f.begun[e.Subject] = f.begun[e.Subject] || e.To == rules.Monitoring.String()
		case fact.RunEvent:
			f.held = e.To == rules.Held.String()
			f.superseded = e.To == rules.Superseded.String()
			f.rolledBack = e.To == rules.RolledBack.String()
		case fact.CommandEvent:
			if e.Subject == string(fact.Override) && e.To == "applied" {
				for _, phase := range []string{"canary", "half", "beside"} {
					// Without a phase the current one is meant: any may be it.
					f.overridden[phase] = f.overridden[phase] || e.Phase == "" || e.Phase == phase
				}
			}
		}
	}
	return f
}

// bodySeen is what is looked at of an answer.
type bodySeen struct {
	APIVersion string `json:"apiVersion"`
	Plan       string `json:"plan"`
	Phase      string `json:"phase"`
	Version    string `json:"version"`
	Pass       bool   `json:"pass"`
	Verdict    string `json:"verdict"`
	Sentence   string `json:"sentence"`
	Subject    struct {
		Version string `json:"version"`
	} `json:"subject"`
	Run struct {
		ID      string `json:"id"`
		Version string `json:"version"`
	} `json:"run"`
}

// ask asks every gate about everything and compares with the journal.
func (h *house) ask() {
	pub := h.runner.Published()
	h.gate.Update(gateViews(pub))
	records, err := h.journal.Runs(context.Background(), fact.RunFilter{})
	if err != nil {
		h.t.Fatal(err)
	}
	runs := map[string]*chronicle{} // :: id → run
	newest := map[string]string{}
	for _, rec := range records { // the newest first
		runs[rec.ID] = h.gather(rec)
		if key := rec.Plan + "@" + rec.Version; newest[key] == "" || runs[newest[key]].record.Try < rec.Try {
			newest[key] = rec.ID
		}
		if u, ok := pub.Run(rec.ID); pub.Trouble == nil && !rec.Over && (!ok || u.Record.Seq != rec.Seq) {
			h.breaks("run %s is not over (%s) and nothing watches it", rec.ID, rec.State)
		}
	}
	for _, plan := range []string{"stall", "launch"} {
		view, known := pub.Plan(plan)
		underWay := 0
		for id, f := range runs {
			if f.record.Plan == plan {
				h.question(pub, runs, plan, url.Values{"run": {id}}, id, f.record.Version)
				if !evaluator.Decided(f.record.State) {
					underWay++
				}
			}
		}
		if underWay > 1 {
			h.breaks("%d runs of plan %s are under way", underWay, plan)
		}
		for version := range worlds {
			h.question(pub, runs, plan, url.Values{"version": {version}}, newest[plan+"@"+version], version)
		}
		if !known {
			continue
		}
		if plan == "stall" {
			if status, b := h.get("/v1/gates/stall/run/gate"); status != http.StatusBadRequest {
				h.breaks("a template without a version: %d %s, want 400", status, b)
			}
			continue
		}
		if last, ok := h.taken[plan]; ok && view.Version != last {
			h.breaks("plan %s speaks of version %q, its file named %q last", plan, view.Version, last)
		}
		if view.Version != "" {
			h.question(pub, runs, plan, nil, newest[plan+"@"+view.Version], view.Version)
		}
	}
}

func (h *house) get(path string) (int, string) {
	w := httptest.NewRecorder()
	h.gate.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

// body reads an answer. Many questions have the same one.
func (h *house) body(raw string) (b bodySeen, err error) {
	b, ok := h.seen[raw]
	if !ok {
		err = json.Unmarshal([]byte(raw), &b)
		h.seen[raw] = b
	}
	return b, err
}

// question asks every view of every phase about one run.
func (h *house) question(pub *runner.Published, runs map[string]*chronicle, plan string, pin url.Values, id, version string) {
	for _, phase := range []string{"canary", "half", "beside", wire.WholeRun, wire.Current} {
		for _, view := range []string{"gate", "entry", "verdict", "rollback"} {
			if view == "entry" && phase == wire.Current || view == "verdict" && phase != wire.WholeRun || view == "rollback" && phase != wire.Current {
				continue
			}
			path := fmt.Sprintf("/v1/gates/%s/%s/%s?%s", plan, phase, view, pin.Encode())
			status, raw := h.get(path)
			b, err := h.body(raw)
			if b.APIVersion == "" {
				if _, known := pub.Plan(plan); status != http.StatusServiceUnavailable && (status != http.StatusNotFound || known || id != "") {
					h.breaks("%s: %d %s", path, status, raw)
				}
				continue
			}
			switch {
			case err != nil:
				h.breaks("%s: %v", path, err)
			case b.Version != version || b.Run.ID != "" && b.Run.Version != version || b.Subject.Version != version || b.Plan != plan:
				h.breaks("%s speaks of plan %s, version %s, run %s, subject %s: %s", path, b.Plan, b.Version, b.Run.ID, b.Subject.Version, b.Sentence)
			case b.Run.ID != id && pub.Trouble == nil:
				h.breaks("%s speaks of run %q, want %q", path, b.Run.ID, id)
			case (view == "gate" || view == "entry") && (status == http.StatusOK) != b.Pass:
				h.breaks("%s: status %d with pass %t", path, status, b.Pass)
			case b.Pass && pub.Trouble != nil:
				h.breaks("%s passes though the journal cannot be written", path)
			case b.Pass && runs[b.Run.ID] == nil:
				h.breaks("%s passes for run %q, which is not in the journal", path, b.Run.ID)
			case b.Pass:
				if why := h.wrongPass(runs[b.Run.ID], phase, view); why != "" {
					h.breaks("%s passes: %s; it says %s", path, why, b.Sentence)
				}
			case pub.Trouble != nil: // an order stands, and whether a command has ended it is not known yet
			case view == "rollback" && status == http.StatusOK && (runs[b.Run.ID] == nil || !runs[b.Run.ID].rolledBack):
				h.breaks("%s orders a rollback that the journal does not know", path)
			}
		}
	}
}

// wrongPass says why a gate may not be open, empty when it may.
func (h *house) wrongPass(f *chronicle, phase, view string) string {
	switch {
	case f.held:
		return "the run is held"
	case f.superseded:
		return "the run was superseded"
	case f.rolledBack:
		return "the run was rolled back"
	}
	// What must have passed before.
	need := map[string][]string{"canary": {"canary"}, "half": {"half"}, "beside": {"beside"}}[phase]
	switch {
	case view == "entry" && f.passed[phase] && f.overridden[phase]: // a person let it pass before its turn
		return ""
	case view == "entry" && (phase == "half" || phase == "beside"):
		need = []string{"canary"}
		if phase == "beside" && !f.begun["half"] && !f.passed["half"] {
			return "half has not begun"
		}
	case view == "entry":
		need = nil
	case phase == wire.WholeRun || phase == wire.Current:
		need = []string{"canary", "half", "beside"}
	}
	ends := map[string]time.Duration{"canary": 3 * time.Minute, "half": 6 * time.Minute, "beside": 7 * time.Minute}
	for _, name := range need {
		switch {
		case !f.passed[name]:
			return "phase " + name + " has not passed"
		case f.overridden[name]:
		case h.world[f.record.Version] >= 1:
			return "the data of version " + f.record.Version + " is bad"
		case h.clock.Now().Before(f.record.Start.Add(ends[name])):
			return "the window of phase " + name + " has not ended"
		}
	}
	return ""
}

// replays runs every run of the journal again.
func (h *house) replays() {
	ctx := context.Background()
	records, _ := h.journal.Runs(ctx, fact.RunFilter{})
	for _, rec := range records {
		report, err := replay.Replay(ctx, h.journal, rec.ID, replay.Options{Kinds: upstreamKinds()})
		if err != nil || report.Differs != nil || report.Events != int(rec.N) {
			h.breaks("replay of %s: %d of %d events, %+v, %v", rec.ID, report.Events, rec.N, report.Differs, err)
		}
	}
}

// live goes through the steps and gives the first law that was broken.
func live(t *testing.T, steps []step) (broken string, passes, runs int) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, world: worlds, files: map[string]*rules.Plan{}, taken: map[string]string{}, seen: map[string]bodySeen{}}
		launch := sequencePlan("launch")
		launch.Version, launch.Start, launch.Length = "1.0", time.Now().UTC().Add(time.Minute), 0
		launch.Completion = launch.Start.Add(time.Hour)
		h.files["stall"], h.files["launch"] = sequencePlan("stall"), launch
		h.begin()
		for _, s := range steps {
			if h.do(s); h.broken == "" {
				h.revive()
				h.ask()
			}
			for range s.Minutes {
				if h.broken != "" {
					break
				}
				time.Sleep(time.Minute)
				h.revive()
			}
			if h.broken == "" && s.Minutes > 0 {
				h.ask()
			}
			if h.broken != "" {
				h.broken = fmt.Sprintf("after %q: %s", s, h.broken)
				break
			}
		}
		h.end(false)
		if h.broken == "" {
			h.replays()
		}
		broken = h.broken
		records, _ := h.journal.Runs(context.Background(), fact.RunFilter{})
		runs = len(records)
		for _, rec := range records {
			if rec.State == rules.Passed {
				passes++
			}
		}
	})
	return broken, passes, runs
}

// TestWhateverHappensAGateSpeaksOfOneVersion: no answer for one run speaks of
// another, none is a pass without grounds, and nothing ends a watch.
func TestWhateverHappensAGateSpeaksOfOneVersion(t *testing.T) {
	var draws, passes, runs int
	rapid.Check(t, func(rt *rapid.T) {
		broken, passed, began := live(t, rapid.SliceOfN(drawnStep, 1, 25).Draw(rt, "steps"))
		if broken != "" {
			rt.Fatal(broken)
		}
		draws, passes, runs = draws+1, passes+passed, runs+began
	})
	if runs < draws || passes < draws/4 {
		t.Errorf("%d runs began and %d passed in %d sequences: they try too little", runs, passes, draws)
	}
}
