package gate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// DrillTime is the longest that a drill takes, what it writes down included: below the 60 s
// after which proxies give up.
const DrillTime = 50 * time.Second

// DrillRequest asks for a rehearsal of the way back of a plan.
type DrillRequest struct {
	Environment string            // name of a table of [environments]
	Version     string            // what is released there; empty: what the plan's file says, or the newest run
	Set         map[string]string // parameters by name; "previous.NAME" sets one of the release before
	By, Why     string            // in the sender's words; By is required
	Principal   string            // name of the token; empty without tokens
}

// Driller rehearses the way back of plans.
type Driller interface {
	// Drill returns when the drill is over and kept, whether or not every step was taken. It
	// returns ErrNoRun if there is no such plan, a *BadStart if the request cannot be carried
	// out as it is; any other error is for a drill that was not kept.
	Drill(ctx context.Context, plan string, d DrillRequest) (wire.Drill, error)
	// Drills lists the drills of a plan that are known, the newest first.
	Drills(ctx context.Context, plan string) ([]wire.Drill, error)
}

// drillBody is the body of POST /v1/plans/{plan}/drills.
type drillBody struct {
	Environment string            `json:"environment"`
	Version     string            `json:"version"`
	Set         map[string]string `json:"set"`
	By          string            `json:"by"`
	Why         string            `json:"why"`
}

// drillList is the answer of GET /v1/plans/{plan}/drills.
type drillList struct {
	APIVersion string       `json:"apiVersion"`
	Plan       string       `json:"plan"`
	Drills     []wire.Drill `json:"drills"`
}

func (g *Gate) serveDrills(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		g.serveDrill(w, r)
		return
	}
	plan := r.PathValue("plan")
	if _, ok := g.admit(w, r, plan); !ok {
		return
	}
	if err := eachKey(r.URL.RawQuery, func(key, _ string) error { return fmt.Errorf("unknown query key %q: there are none here", key) }); err != nil {
		problem(w, http.StatusBadRequest, "bad query", err.Error())
		return
	}
	if g.board.Load().plans[plan] == nil {
		noPlan(plan).write(w)
		return
	}
	list := drillList{APIVersion: wire.APIVersion, Plan: plan, Drills: []wire.Drill{}}
	if g.driller != nil {
		found, err := g.driller.Drills(r.Context(), plan)
		if err != nil {
			unreadable.write(w)
			return
		}
		list.Drills = append(list.Drills, found...)
	}
	writeJSON(w, http.StatusOK, list)
}

// serveDrill rehearses: 200 when every step was taken, 409 when one was not. Both are kept.
func (g *Gate) serveDrill(w http.ResponseWriter, r *http.Request) {
	plan := r.PathValue("plan")
	who, ok := g.admitChange(w, r, plan)
	if !ok || !g.has(w, r, who, "drill", Start) {
		return
	}
	body, ok := readJSON(w, r)
	if !ok {
		return
	}
	d, err := decodeDrill(body)
	if err == nil {
		err = who.checkAuthor(d.By)
	}
	if err != nil {
		problem(w, http.StatusBadRequest, "bad drill", err.Error())
		return
	}
	d.Principal = who.name()
	if g.driller == nil {
		wait503(w, "nothing is rehearsed here", "drills are disabled on this daemon")
		return
	}
	// A drill that was begun is kept, whoever waits for its answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), DrillTime)
	defer cancel()
	done, err := g.driller.Drill(ctx, plan, d)
	bad, isBad := errors.AsType[*BadStart](err)
	switch {
	case isBad:
		problem(w, http.StatusBadRequest, "bad drill", bad.Reason)
		return
	case errors.Is(err, ErrNoRun):
		noPlan(plan).write(w)
		return
	case err != nil:
		g.log.Warn("drill not kept", "plan", plan, "environment", d.Environment, "by", d.By, "token", d.Principal, "err", err)
		wait503(w, "the drill was not kept", "its steps may have been sent, and it does not count: rehearse again")
		return
	}
	status := http.StatusOK
	for _, s := range done.Steps {
		if !s.OK {
			status = http.StatusConflict
		}
	}
	writeJSON(w, status, done)
}

func decodeDrill(body []byte) (DrillRequest, error) {
	var b drillBody
	if err := decodeStrictly(body, &b); err != nil {
		return DrillRequest{}, fmt.Errorf("reading the drill: %w", err)
	}
	d := DrillRequest{Environment: b.Environment, Version: b.Version, Set: b.Set, By: strings.TrimSpace(b.By), Why: strings.TrimSpace(b.Why)}
	if d.Environment == "" {
		return d, errors.New("environment is required: the name of a table of [environments]")
	}
	if d.Version != "" {
		if err := rules.CheckVersion(d.Version); err != nil {
			return d, err
		}
	}
	if d.By == "" {
		return d, errors.New("by is required: who rehearses")
	}
	return d, errors.Join(clean("environment", d.Environment, maxBy), cleanSettings(d.Set), clean("by", d.By, maxBy), clean("why", d.Why, maxWhy))
}
