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

// serveStart begins a run: 201 when it was begun, 200 when it was there already.
func (g *Gate) serveStart(w http.ResponseWriter, r *http.Request) {
	plan := r.PathValue("plan")
	who, ok := g.admitChange(w, r, plan)
	if !ok || !g.has(w, r, who, "start", Start) {
		return
	}
	body, ok := readJSON(w, r)
	if !ok {
		return
	}
	s, err := decodeStart(body)
	if err != nil {
		problem(w, http.StatusBadRequest, "bad start", err.Error())
		return
	}
	if s.Supersede && !g.has(w, r, who, "supersede", Override) {
		return
	}
	if err := who.checkAuthor(s.By); err != nil {
		problem(w, http.StatusBadRequest, "bad start", err.Error())
		return
	}
	s.Principal = who.name()
	if g.starter == nil {
		wait503(w, "runs are not begun here", "starts are disabled on this daemon")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), commandTime)
	defer cancel()
	a, err := g.starter.StartRun(ctx, plan, s)
	if err != nil {
		g.refuseStart(w, plan, &s, err)
		return
	}
	g.answerStart(w, r, &a)
}

func (g *Gate) refuseStart(w http.ResponseWriter, plan string, s *StartRequest, err error) {
	if refused, ok := errors.AsType[*Refused](err); ok {
		writeProblem(w, wire.Problem{Title: "the run was refused", Status: http.StatusConflict, Detail: refused.Reason, Run: refused.Run})
		return
	}
	if bad, ok := errors.AsType[*BadStart](err); ok {
		problem(w, http.StatusBadRequest, "bad start", bad.Reason)
		return
	}
	if errors.Is(err, ErrNoRun) {
		noPlan(plan).write(w)
		return
	}
	g.log.Warn("run not committed", "plan", plan, "version", s.Version, "by", s.By, "token", s.Principal, "err", err)
	wait503(w, "the run was not committed", "it may or may not have begun: send the same start again")
}

func (g *Gate) answerStart(w http.ResponseWriter, r *http.Request, a *StartAnswer) {
	run := newRunBoard(a.Run, g.base, g.board.Load().trouble)
	body, err := g.runBody(r.Context(), run)
	if err != nil {
		unreadable.write(w) // the run stands: the same start finds it
		return
	}
	status := http.StatusOK
	if a.Created {
		status = http.StatusCreated
	}
	w.Header().Set("Location", run.site.Link("v1", "runs", a.Run.ID()))
	writeJSON(w, status, body)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	p := jsonPayload(v)
	h := w.Header()
	h["Cache-Control"] = headerNotStored
	p.set(h)
	w.WriteHeader(status)
	_, _ = w.Write(p.body) // a client that is gone asks again
}

// startBody is the body of POST /v1/plans/{plan}/runs.
type startBody struct {
	Version   string            `json:"version"`
	At        string            `json:"at"` // RFC 3339, or now
	Set       map[string]string `json:"set"`
	Again     bool              `json:"again"`
	Supersede bool              `json:"supersede"`
	Previous  struct {
		Version    string            `json:"version"`
		Parameters map[string]string `json:"parameters"`
	} `json:"previous"`
	By  string `json:"by"`
	Why string `json:"why"`
}

// decodeStart reads a start strictly.
func decodeStart(body []byte) (StartRequest, error) {
	var b startBody
	if err := decodeStrictly(body, &b); err != nil {
		return StartRequest{}, fmt.Errorf("reading the start: %w", err)
	}
	s := StartRequest{
		Version: b.Version, Set: b.Set, Again: b.Again, Supersede: b.Supersede,
		Previous: rules.Previous{Version: b.Previous.Version, Parameters: b.Previous.Parameters},
		By:       strings.TrimSpace(b.By), Why: strings.TrimSpace(b.Why),
	}
	if b.At != "" && b.At != "now" {
		at, err := time.Parse(time.RFC3339, b.At)
		if err != nil {
			return s, fmt.Errorf("at: %q: want a time as 2025-06-04T02:00:00Z, or now", b.At)
		}
		s.At = at.UTC()
	}
	return s, checkStart(&s)
}

func checkStart(s *StartRequest) error {
	if s.Version == "" {
		return errors.New("version is required")
	}
	if err := rules.CheckVersion(s.Version); err != nil {
		return err
	}
	if err := rules.CheckVersion(s.Previous.Version); s.Previous.Version != "" && err != nil {
		return fmt.Errorf("previous: %w", err)
	}
	if s.Supersede && (s.By == "" || s.Why == "") {
		return errors.New("by and why are required with supersede: who ends the run under way, and for what reason")
	}
	return errors.Join(cleanSettings(s.Set), cleanSettings(s.Previous.Parameters), clean("by", s.By, maxBy), clean("why", s.Why, maxWhy))
}

// cleanSettings reports a parameter that cannot be shown as it is.
func cleanSettings(set map[string]string) error {
	for name, value := range set {
		if err := clean("parameter "+fmt.Sprintf("%q", name), name+value, maxWhy); err != nil {
			return err
		}
	}
	return nil
}
