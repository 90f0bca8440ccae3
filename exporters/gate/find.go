package gate

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// pin names the run that a question is about. The zero pin is a question about
// whatever the plan's file names.
type pin struct{ version, run string }

// found is what a pin leads to.
type found struct {
	plan       *planBoard // nil where only the journal knows the plan
	run        *runBoard  // nil where there is no such run yet
	version    string
	id         string // of the run that was asked for by its id
	unreadable bool   // the journal could not be asked
}

// refusal is an answer without a verdict.
type refusal struct {
	status        int
	title, detail string
}

// find gives the run that a question is about, and never another one.
func (g *Gate) find(ctx context.Context, b *board, plan string, at pin) (found, *refusal) {
	f := found{plan: b.plans[plan], version: at.version}
	if len(b.plans) == 0 {
		return f, &refusal{http.StatusServiceUnavailable, "starting", "no plan has been evaluated yet"}
	}
	if at.run != "" {
		return g.findRun(ctx, b, plan, at, f)
	}
	if f.version == "" && f.plan != nil {
		f.version = f.plan.view.Version
	}
	switch {
	case f.plan == nil && f.version == "":
		return f, noPlan(plan)
	case f.version == "":
		return f, &refusal{http.StatusBadRequest, "name the version", fmt.Sprintf("the runs of plan %q begin by a start command: add ?version=VERSION or ?run=ID", plan)}
	}
	if f.plan != nil {
		f.run = f.plan.of[f.version]
	}
	if f.run == nil || f.run.endedOpen() {
		tried, err := g.past.version(ctx, plan, f.version)
		switch {
		case err != nil:
			f.unreadable = true
		case tried != nil && (f.run == nil || f.run.try() < tried.try()):
			f.run = tried
		}
	}
	if f.run == nil && f.plan == nil && !f.unreadable {
		return f, noPlan(plan)
	}
	return f, f.start(plan)
}

func (g *Gate) findRun(ctx context.Context, b *board, plan string, at pin, f found) (found, *refusal) {
	none := &refusal{http.StatusNotFound, "no such run", fmt.Sprintf("plan %q has no run %q", plan, at.run)}
	of, version, _, ok := rules.ParseRunID(at.run)
	switch {
	case !ok || of != plan:
		return f, none
	case at.version != "" && at.version != version:
		return f, &refusal{http.StatusBadRequest, "two versions", fmt.Sprintf("run %q is of version %s, not of %s", at.run, version, at.version)}
	}
	f.id, f.version = at.run, version
	if f.run = b.runs[at.run]; f.run == nil {
		past, err := g.past.run(ctx, at.run)
		f.run, f.unreadable = past, err != nil
	}
	switch {
	case f.unreadable:
		return f, nil
	case f.run == nil:
		return f, none
	}
	return f, f.start(plan)
}

// start refuses a run that no tick was committed of.
func (f *found) start(plan string) *refusal {
	if f.run != nil && !f.run.started() {
		return &refusal{http.StatusServiceUnavailable, "starting", fmt.Sprintf("run %q of plan %q has not been evaluated yet", f.run.view.ID(), plan)}
	}
	return nil
}

func noPlan(plan string) *refusal {
	return &refusal{http.StatusNotFound, "no such plan", fmt.Sprintf("no plan is called %q", plan)}
}

// place gives the place of a phase in the run's answers.
func (f *found) place(name string, q wire.Question) (int, *refusal) {
	if q == wire.Entry && name == wire.Current {
		return 0, &refusal{http.StatusBadRequest, "name the phase", "entry asks whether a phase may begin: name it, or run for the first"}
	}
	if f.run != nil {
		if i, ok := f.run.index[name]; ok {
			return i, nil
		}
	} else if name == wire.WholeRun || name == wire.Current || f.plan == nil || f.plan.view.Phases == nil || slices.Contains(f.plan.view.Phases, name) {
		return 0, nil
	}
	return 0, &refusal{http.StatusNotFound, "no such phase", fmt.Sprintf("the plan has no phase %q", name)}
}

// absent answers for a run that there is not, or that cannot be read.
func (g *Gate) absent(f *found, plan, phase string, q wire.Question, t Trouble) *gateAnswer {
	const index = 0 // of the phase: there are no views of phases without a run
	said := wire.Absent(q, index, f.absentWords())
	if f.unreadable {
		said = wire.Unreadable(q, index, "the journal cannot be read")
	}
	if t != (Trouble{}) {
		said = said.Troubled(t.Cause, t.Says)
	}
	first := ""
	if f.plan != nil && len(f.plan.view.Phases) > 0 {
		first = f.plan.view.Phases[0]
	}
	if phase == wire.Current && first != "" {
		phase = first
	}
	site := wire.Site{Base: g.base}
	body := site.AbsentBody(plan, phase, f.version, f.id, &said)
	if body.Current = first; first == "" {
		body.Current = phase
	}
	if f.plan != nil {
		body.Subject.Name = f.plan.view.Title
	}
	a := &gateAnswer{}
	a.fill(&said, body, 5*time.Second)
	a.gateVersion = []string{f.version}
	if f.id != "" {
		a.gateRun = []string{f.id}
	}
	return a
}

func (f *found) absentWords() string {
	none := fmt.Sprintf("no run of version %s yet", f.version)
	if f.plan == nil {
		return none
	}
	other := f.plan.underWay()
	switch {
	case other == nil:
		return none
	case f.version == f.plan.view.Version:
		return fmt.Sprintf("%s waits: %s is under way", f.version, other.version)
	}
	return fmt.Sprintf("%s; %s is under way", none, other.version)
}

// past reads ended runs and keeps what it has read until the next Update. After that
// a command may have changed a run, or another may have begun.
type past struct {
	from Past // nil: nothing is known of ended runs
	base string
	log  *slog.Logger

	mu      sync.Mutex
	found   map[string]*runBoard // :: run id, or plan and version → its newest try; nil: there is none
	epoch   uint64               // counts Updates: what was read before one is not kept after it
	trouble Trouble              // of the newest Update
}

const (
	pastKept = 256             // answers; more are read again
	pastTime = 5 * time.Second // for the journal to answer
)

// warn logs a failure to read for a request; one that has ended itself is none.
func warn(request context.Context, log *slog.Logger, what string, args ...any) {
	if request.Err() == nil {
		log.Warn(what, args...)
	}
}

func (p *past) forget(t Trouble) {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.found)
	p.epoch, p.trouble = p.epoch+1, t
}

func (p *past) run(ctx context.Context, id string) (*runBoard, error) {
	return p.read(ctx, id, func(ctx context.Context) (*wire.RunView, error) { return p.from.Run(ctx, id) })
}

func (p *past) version(ctx context.Context, plan, version string) (*runBoard, error) {
	return p.read(ctx, plan+" "+version, func(ctx context.Context) (*wire.RunView, error) { return p.from.Find(ctx, plan, version) })
}

func (p *past) read(ctx context.Context, key string, ask func(context.Context) (*wire.RunView, error)) (*runBoard, error) {
	if p.from == nil {
		return nil, nil
	}
	p.mu.Lock()
	r, ok := p.found[key]
	epoch, trouble := p.epoch, p.trouble
	p.mu.Unlock()
	if ok {
		return r, nil
	}
	limited, cancel := context.WithTimeout(ctx, pastTime)
	defer cancel()
	v, err := ask(limited)
	if err != nil {
		warn(ctx, p.log, "reading an ended run", "key", key, "err", err)
		return nil, err
	}
	if v != nil {
		r = newRunBoard(*v, p.base, trouble)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if epoch == p.epoch {
		if len(p.found) >= pastKept {
			clear(p.found)
		}
		p.found[key] = r
	}
	return r, nil
}
