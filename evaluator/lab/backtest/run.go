package backtest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/rules"
)

// Config says what is tried on what.
type Config struct {
	Plan    *rules.Plan   // required
	History *History      // required
	From    time.Time     // start of the first release; required
	To      time.Time     // no tick comes after it; required
	Every   time.Duration // between the starts of two releases; the plan's length, at least an hour, if zero
	Marks   []Mark        // periods in which the service was bad; without any no firing is called right or false

	// Tolerance is how long after a marked period a firing still counts as right;
	// zero is none.
	Tolerance time.Duration

	// Spread calls do for every index below n and gives the first error; it may
	// do so at the same time for several, and the report is the same. Nil does one
	// after another.
	Spread func(n int, do func(i int) error) error
}

// maxReleases bounds a run.
const maxReleases = 100_000

// run is a backtest under way.
type run struct {
	plan    *rules.Plan
	history *History
	series  []*Series // as Plan.Signals; nil where nothing was fetched
	from    int64
	to      int64
	every   int64
	length  int64
	marks   marked
	watched []int // the rollback rules that a phase names

	everyTick bool // leave no tick out: what leaving out is tested against
}

// Run tries a plan on a history. The error says what is missing, or is that of
// Spread.
func Run(cfg Config) (*Report, error) {
	r, err := newRun(cfg)
	if err != nil {
		return nil, err
	}
	n := int((r.to - r.from + r.every - 1) / r.every)
	done := make([]tried, n)
	spread := cfg.Spread
	if spread == nil {
		spread = inTurn
	}
	if err := spread(n, func(i int) error {
		done[i] = r.release(i+1, r.from+int64(i)*r.every)
		return nil
	}); err != nil {
		return nil, err
	}
	report := r.begin()
	for i := range done {
		report.Releases = append(report.Releases, done[i].release)
		report.Firings = append(report.Firings, done[i].firings...)
		report.Ticks += done[i].ticks
	}
	r.finish(report)
	return report, nil
}

func inTurn(n int, do func(i int) error) error {
	for i := range n {
		if err := do(i); err != nil {
			return err
		}
	}
	return nil
}

// tried is what came of one virtual release.
type tried struct {
	release Release
	firings []Firing
	ticks   int
}

func newRun(cfg Config) (*run, error) {
	if cfg.Plan == nil || cfg.History == nil {
		return nil, errors.New("a backtest needs a plan and a history")
	}
	r := &run{plan: cfg.Plan, history: cfg.History, from: cfg.From.Unix(), to: cfg.To.Unix()}
	r.length = seconds(Length(r.plan))
	r.every = seconds(cfg.Every)
	if r.every == 0 {
		r.every = max(r.length, 3600)
	}
	switch {
	case r.from >= r.to:
		return nil, fmt.Errorf("the range ends at %s, which is not after its start %s", when(r.to).Format(time.RFC3339), when(r.from).Format(time.RFC3339))
	case len(r.plan.Phases) == 0 || r.length == 0:
		return nil, fmt.Errorf("plan %q has no phase with a window", r.plan.Name)
	case (r.to-r.from)/r.every >= maxReleases:
		return nil, fmt.Errorf("a release every %s over %s gives more than %d releases", since(0, r.every), since(r.from, r.to), maxReleases)
	}
	if h := r.history; r.from < h.From.Unix() || r.to > h.To.Unix() {
		return nil, fmt.Errorf("the history goes from %s to %s, asked for is %s to %s", h.From.UTC().Format(time.RFC3339),
			h.To.UTC().Format(time.RFC3339), when(r.from).Format(time.RFC3339), when(r.to).Format(time.RFC3339))
	}
	for i := range cfg.Marks {
		if err := cfg.Marks[i].Check(r.plan); err != nil {
			return nil, fmt.Errorf("bad period %d: %w", i+1, err)
		}
	}
	r.marks = newMarked(cfg.Marks, cfg.Tolerance)
	r.series = make([]*Series, len(r.plan.Signals))
	for i := range r.plan.Signals {
		r.series[i] = r.history.find(&r.plan.Signals[i])
	}
	for i := range r.plan.Rules {
		if r.plan.Rules[i].Kind == rules.RollbackRule && firstPhase(r.plan, i) < len(r.plan.Phases) {
			r.watched = append(r.watched, i)
		}
	}
	return r, nil
}

// release runs one virtual release: whole, and each rollback rule alone.
func (r *run) release(n int, start int64) tried {
	end := min(start+r.length, r.to)
	of := make([]coverage, len(r.plan.Rules))
	for i := range r.plan.Rules {
		of[i] = r.ruleCoverage(i, start, end)
	}
	d := r.drive(r.judged(start, of))
	out := tried{release: r.told(n, start, &d, of), ticks: d.ticks}
	for _, i := range r.watched {
		w := r.begins(start, i, of[i])
		var fired *Firing
		switch {
		case w.Extent == None || !w.From.Before(w.To):
		case r.ranThrough(&out.release, i):
			fired = r.watch(&w, &d, start)
		default:
			alone := r.drive(r.alone(i, start, of[i]))
			out.ticks += alone.ticks
			fired = r.watch(&w, &alone, start)
		}
		if fired != nil {
			fired.Release = n
			out.firings = append(out.firings, *fired)
		}
		out.release.Watches = append(out.release.Watches, w)
	}
	return out
}

// ranThrough reports whether a release was itself a run of a rollback rule in
// which nothing else could end or hold it: nothing did, its first phase that
// names the rule began when it was due, and no phase passed without it.
func (r *run) ranThrough(rel *Release, rule int) bool {
	rl := &r.plan.Rules[rule]
	whole := rel.Outcome == OutcomePass || rel.Outcome == OutcomePart || rel.Outcome == OutcomeCut
	if r.everyTick || !whole || !rel.Held.IsZero() || rl.OnNoData == rules.PolicyIgnore || rl.OnError == rules.PolicyIgnore {
		return false
	}
	k := firstPhase(r.plan, rule)
	due := rel.Start.Add(r.plan.Phases[k].Start)
	began := rel.Phases[k].Started
	return began.Equal(due) || began.IsZero() && !due.Before(when(r.to))
}

// ruleCoverage is what the history holds for a rule in a release: from the start
// of what it judges to the end of the run.
func (r *run) ruleCoverage(rule int, start, end int64) coverage {
	k := firstPhase(r.plan, rule)
	if k == len(r.plan.Phases) {
		return coverage{extent: Whole} // nothing names it
	}
	p := &r.plan.Phases[k]
	from := start + seconds(p.Start)
	if r.plan.Rules[rule].Kind == rules.Success {
		from = min(from, from+seconds(p.Window)-seconds(r.plan.Rules[rule].Over))
	}
	return r.covers(rule, from, max(end, from+1))
}

// begins is the watch of a rollback rule in a release, before anything is known
// of it.
func (r *run) begins(start int64, rule int, c coverage) Watch {
	from := start + seconds(r.plan.Phases[firstPhase(r.plan, rule)].Start)
	return Watch{
		Rule: r.plan.Rules[rule].Name, Extent: c.extent, Why: c.why,
		From: when(from), To: when(max(from, min(start+r.length, r.to))),
	}
}

// watch reads what became of a rollback rule out of a run.
func (r *run) watch(w *Watch, d *driven, start int64) *Firing {
	var f *Firing
	mark := -1
	w.follow(d.events, min(d.at, w.To.Unix()))
	if e := fired(d.events, w.Rule); e != nil {
		f = &Firing{
			Rule: w.Rule, At: e.At, After: e.At.Unix() - start, Cause: e.Cause, Reason: words.Event(d.plan, e, nil).Sentence, Evidence: e.Evidence,
		}
		f.Judgement, mark = r.marks.judge(w.Rule, e.At.Unix())
		if mark >= 0 {
			f.Mark = mark + 1
			f.Delay = e.At.Unix() - max(w.From.Unix(), r.marks.list[mark].From.Unix())
		}
		w.To, w.Fired = e.At, true
	}
	for i := range r.marks.list {
		m := &r.marks.list[i]
		if i != mark && m.concerns(w.Rule) && m.From.Before(w.To) && m.To.After(w.From) {
			w.Missed = append(w.Missed, i+1)
		}
	}
	return f
}

// fired finds the event of a rule that fired.
func fired(events []fact.Event, rule string) *fact.Event {
	i := slices.IndexFunc(events, func(e fact.Event) bool {
		return e.Kind == fact.RuleEvent && e.Subject == rule && (e.To == string(fact.RuleFired) || e.To == string(fact.RuleWouldFire))
	})
	if i < 0 {
		return nil
	}
	return &events[i]
}

// follow notes when a rule was first in each state, and how long it was silent.
func (w *Watch) follow(events []fact.Event, end int64) {
	w.First = map[string]time.Time{}
	silent := int64(-1)
	for i := range events {
		e := &events[i]
		if e.Kind != fact.RuleEvent || e.Subject != w.Rule {
			continue
		}
		if _, seen := w.First[e.To]; !seen {
			w.First[e.To] = e.At
		}
		if silent >= 0 {
			w.Silent += e.At.Unix() - silent
			silent = -1
		}
		if e.To == string(fact.RuleSilent) {
			silent = e.At.Unix()
		}
	}
	if silent >= 0 && end > silent {
		w.Silent += end - silent
	}
}
