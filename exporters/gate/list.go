package gate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
)

const (
	defaultRuns = 50
	mostRuns    = 1000
	mostEvents  = 1000 // in one answer
)

// servePlans lists the plans that the token is good for.
func (g *Gate) servePlans(w http.ResponseWriter, r *http.Request) {
	who, ok := g.reader(w, r)
	if !ok || !withoutQuery(w, r) {
		return
	}
	b, now := g.board.Load(), g.now()
	site := wire.Site{Base: g.base}
	list := wire.PlanList{APIVersion: wire.APIVersion, Plans: []wire.PlanSummary{}}
	for _, name := range b.names {
		if !who.sees(name) {
			continue
		}
		p := &b.plans[name].view
		file := wire.File{State: string(p.File.State), Reason: p.File.Reason}
		var run *wire.RunView
		stale := false
		if live := b.plans[name].live; len(live) > 0 {
			run, stale = &live[0].view, live[0].started() && live[0].stale(now)
		}
		list.Plans = append(list.Plans, site.Summary(name, p.Title, p.Version, p.Template, file, run, stale))
	}
	writePage(w, r, new(jsonPayload(list)))
}

// withoutQuery refuses any query key, or reports that there is none.
func withoutQuery(w http.ResponseWriter, r *http.Request) bool {
	err := eachKey(r.URL.RawQuery, func(key, _ string) error { return fmt.Errorf("unknown query key %q: want none", key) })
	if err != nil {
		problem(w, http.StatusBadRequest, "bad query", err.Error())
	}
	return err == nil
}

// servePlan answers a whole run of a plan: the newest, or the one that is asked for.
func (g *Gate) servePlan(w http.ResponseWriter, r *http.Request) {
	plan := r.PathValue("plan")
	if _, ok := g.admit(w, r, plan); !ok {
		return
	}
	var at pin
	err := eachKey(r.URL.RawQuery, func(key, value string) (err error) {
		switch key {
		case "version":
			at.version, err = parseVersion(value)
		case "run":
			at.run, err = parseRun(value)
		default:
			err = fmt.Errorf("unknown query key %q: want version or run", key)
		}
		return err
	})
	if err != nil {
		problem(w, http.StatusBadRequest, "bad query", err.Error())
		return
	}
	run, refused := g.shown(r.Context(), plan, at)
	if refused != nil {
		refused.write(w)
		return
	}
	writePage(w, r, run.page(g.now()))
}

var (
	unreadable = &refusal{http.StatusServiceUnavailable, "the journal cannot be read", "ended runs are not known now; ask again"}
	noRun      = &refusal{http.StatusNotFound, "no such run", "no run of this plan was begun yet, or none of this version"}
)

// shown gives the run of a plan's page.
func (g *Gate) shown(ctx context.Context, plan string, at pin) (*runBoard, *refusal) {
	b := g.board.Load()
	if at == (pin{}) {
		p := b.plans[plan]
		if p != nil && len(p.live) > 0 {
			f := found{run: p.live[0]}
			return f.run, f.start(plan)
		}
		newest, err := g.past.newest(ctx, plan)
		switch {
		case err != nil:
			return nil, unreadable
		case newest != nil:
			return newest, nil
		case len(b.plans) == 0:
			return nil, &refusal{http.StatusServiceUnavailable, "starting", "no plan has been evaluated yet"}
		case p == nil:
			return nil, noPlan(plan)
		}
		return nil, noRun
	}
	f, refused := g.find(ctx, b, plan, at)
	switch {
	case refused != nil:
		return nil, refused
	case f.unreadable:
		return nil, unreadable
	case f.run == nil:
		return nil, noRun
	}
	return f.run, nil
}

// newest is the newest run of a plan, nil if it has none.
func (p *past) newest(ctx context.Context, plan string) (*runBoard, error) {
	list, err := p.runs(ctx, plan, 1)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return p.run(ctx, list[0].ID)
}

func (p *past) runs(ctx context.Context, plan string, limit int) ([]fact.RunRecord, error) {
	if p.from == nil {
		return nil, nil
	}
	limited, cancel := context.WithTimeout(ctx, pastTime)
	defer cancel()
	list, err := p.from.Runs(limited, plan, limit)
	if err != nil {
		warn(ctx, p.log, "listing runs", "plan", plan, "err", err)
	}
	return list, err
}

// serveRuns lists runs, newest first.
func (g *Gate) serveRuns(w http.ResponseWriter, r *http.Request) {
	plan, limit := "", defaultRuns
	err := eachKey(r.URL.RawQuery, func(key, value string) (err error) {
		switch key {
		case "plan":
			if plan = value; plan == "" {
				err = errors.New("query key \"plan\" is empty: leave it out for the runs of all plans")
			}
		case "limit":
			limit, err = parseLimit(value, mostRuns)
		default:
			err = fmt.Errorf("unknown query key %q: want plan or limit", key)
		}
		return err
	})
	who, ok := g.reader(w, r)
	switch {
	case !ok:
		return
	case err != nil:
		problem(w, http.StatusBadRequest, "bad query", err.Error())
		return
	case plan != "" && !g.covers(w, r, who, plan):
		return
	}
	plans := []string{plan}
	if plan == "" && who.token != nil && len(who.token.plans) > 0 {
		plans = who.token.plans
	}
	list := wire.RunList{APIVersion: wire.APIVersion, Runs: []wire.RunSummary{}}
	var records []fact.RunRecord
	for _, plan := range plans {
		some, err := g.past.runs(r.Context(), plan, limit)
		if err != nil {
			unreadable.write(w)
			return
		}
		records = append(records, some...)
	}
	if len(plans) > 1 { // of one plan the journal gives them in order
		slices.SortStableFunc(records, func(a, b fact.RunRecord) int { return b.Begun.Compare(a.Begun) })
	}
	site := wire.Site{Base: g.base}
	for i := range records[:min(limit, len(records))] {
		list.Runs = append(list.Runs, site.Record(&records[i]))
	}
	writePage(w, r, new(jsonPayload(list)))
}

func parseLimit(value string, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("query key \"limit\": %q: want 1 to %d", value, most)
	}
	return n, nil
}

// runNamed gives the run in a path, or answers and returns nil.
func (g *Gate) runNamed(w http.ResponseWriter, r *http.Request) *runBoard {
	id := r.PathValue("id")
	plan := planOf(id)
	if _, ok := g.admit(w, r, plan); !ok {
		return nil
	}
	if plan == "" {
		problem(w, http.StatusNotFound, "no such run", fmt.Sprintf("%q is no id of a run: want PLAN@VERSION or PLAN@VERSION~TRY", id))
		return nil
	}
	f, refused := g.find(r.Context(), g.board.Load(), plan, pin{run: id})
	if refused == nil && f.unreadable {
		refused = unreadable
	}
	if refused != nil {
		refused.write(w)
		return nil
	}
	return f.run
}

// serveRun answers a run with what has happened in it.
func (g *Gate) serveRun(w http.ResponseWriter, r *http.Request) {
	run := g.runNamed(w, r)
	if run == nil || !withoutQuery(w, r) {
		return
	}
	body, err := g.runBody(r.Context(), run)
	if err != nil {
		unreadable.write(w)
		return
	}
	writePage(w, r, new(jsonPayload(body)))
}

func (g *Gate) runBody(ctx context.Context, run *runBoard) (wire.RunBody, error) {
	events, more, err := g.events(ctx, run, 0, mostEvents)
	if err != nil {
		return wire.RunBody{}, err
	}
	return run.site.Run(run.pageBody(wire.AgeOf(&run.view.Snapshot, g.now())), run.view.Plan, events, more), nil
}

// serveEvents answers the events of a run.
func (g *Gate) serveEvents(w http.ResponseWriter, r *http.Request) {
	run := g.runNamed(w, r)
	if run == nil {
		return
	}
	after, limit := uint64(0), mostEvents
	err := eachKey(r.URL.RawQuery, func(key, value string) (err error) {
		switch key {
		case "after":
			after, err = parseAfter(value)
		case "limit":
			limit, err = parseLimit(value, mostEvents)
		default:
			err = fmt.Errorf("unknown query key %q: want after or limit", key)
		}
		return err
	})
	if err != nil {
		problem(w, http.StatusBadRequest, "bad query", err.Error())
		return
	}
	events, more, err := g.events(r.Context(), run, after, limit)
	if err != nil {
		unreadable.write(w)
		return
	}
	writePage(w, r, new(jsonPayload(wire.EventList{APIVersion: wire.APIVersion, Run: run.view.ID(), Events: events, More: more})))
}

// events gives events of a run with N > after, each with the words that its cause
// gives it; more tells that there are later ones.
func (g *Gate) events(ctx context.Context, run *runBoard, after uint64, limit int) (out []wire.EventBody, more bool, err error) {
	out = []wire.EventBody{}
	if g.past.from == nil {
		return out, false, nil
	}
	limited, cancel := context.WithTimeout(ctx, pastTime)
	defer cancel()
	stored, err := g.past.from.Events(limited, run.view.ID(), after, limit+1)
	if err != nil {
		warn(ctx, g.log, "reading events", "run", run.view.ID(), "err", err)
		return nil, false, fmt.Errorf("reading the events of run %q: %w", run.view.ID(), err)
	}
	more = len(stored) > limit
	stored = stored[:min(limit, len(stored))]
	known := map[string]*fact.Event{} // :: id → event of this answer
	for i := range stored {
		e := &stored[i].Event
		known[e.ID] = e
		var root *fact.Event
		if e.Because != "" && e.Because != e.ID {
			if root, err = g.root(limited, run.view.ID(), e.Because, known); err != nil {
				return nil, false, err
			}
		}
		event := wire.Event(run.view.Plan, e, root)
		event.Chain = wire.ChainOf(stored[i].Seq, stored[i].Link)
		out = append(out, event)
	}
	return out, more, nil
}

// root gives the event of an id, nil if it is gone.
func (g *Gate) root(ctx context.Context, run, id string, known map[string]*fact.Event) (*fact.Event, error) {
	if e, ok := known[id]; ok {
		return e, nil
	}
	n, err := strconv.ParseUint(id[strings.LastIndexByte(id, '/')+1:], 10, 64)
	if err != nil || n == 0 {
		return nil, nil
	}
	stored, err := g.past.from.Events(ctx, run, n-1, 1)
	if err != nil {
		return nil, fmt.Errorf("reading event %q: %w", id, err)
	}
	if len(stored) == 1 && stored[0].Event.ID == id {
		known[id] = &stored[0].Event
	}
	return known[id], nil
}

func writePage(w http.ResponseWriter, r *http.Request, p *payload) {
	h := w.Header()
	h["Cache-Control"] = headerRevalidate
	h["Etag"] = p.entity
	if matches(r.Header["If-None-Match"], p.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	p.set(h)
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(p.body) // a client that is gone misses nothing
	}
}
