package gate

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

const (
	maxID       = 200
	maxBy       = 200
	maxWhy      = 2000
	commandTime = 30 * time.Second // for the tick that takes the command
)

// serveCommand takes a command: 200 with its event when it was applied, 409 when
// it was refused.
func (g *Gate) serveCommand(w http.ResponseWriter, r *http.Request) {
	if err := g.cross.Check(r); err != nil {
		problem(w, http.StatusForbidden, "cross-origin request", "commands are not taken from pages of other sites")
		return
	}
	plan := r.PathValue("plan")
	who, ok := g.admit(w, r, Command, plan)
	if !ok {
		return
	}
	c, ok := g.readCommand(w, r, plan)
	if !ok {
		return
	}
	if who != nil {
		// The name is the sender's word, the token is proof: the trail has both.
		c.By = fmt.Sprintf("%s (token %s)", c.By, who.name)
	}
	g.command(w, r, plan, c)
}

func (g *Gate) command(w http.ResponseWriter, r *http.Request, plan string, c evaluator.Command) {
	if g.commander == nil {
		wait503(w, "commands are not taken", "this daemon has nobody to take them")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), commandTime)
	defer cancel()
	event, err := g.commander.Command(ctx, plan, c)
	if err != nil {
		g.log.Warn("command not committed", "plan", plan, "kind", c.Kind, "by", c.By, "err", err)
		wait503(w, "the command was not committed", "it may or may not be applied: send it again with the id "+c.ID)
		return
	}
	status := http.StatusOK
	if event.To != "applied" {
		status = http.StatusConflict
	}
	body, err := json.Marshal(finite(&event))
	if err != nil {
		g.log.Error("answer not sent", "plan", plan, "err", err)
		problem(w, http.StatusInternalServerError, "no answer", "the event has no JSON form")
		return
	}
	h := w.Header()
	h.Set("Content-Type", jsonType)
	h.Set("Cache-Control", notStored)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that is gone asks again with the same id
}

// readCommand reads and checks a command, or answers and returns false.
func (g *Gate) readCommand(w http.ResponseWriter, r *http.Request, plan string) (evaluator.Command, bool) {
	var c evaluator.Command
	if !isJSON(r) {
		problem(w, http.StatusUnsupportedMediaType, "not JSON", "want Content-Type: application/json")
		return c, false
	}
	body, ok := readBody(w, r)
	if !ok {
		return c, false
	}
	b := g.board.Load()
	p := b.plans[plan]
	if p == nil || !p.started() {
		g.missing(w, where{plan: plan})
		return c, false
	}
	c, err := decodeCommand(body, r.Header.Values("Idempotency-Key"))
	if err == nil && c.Phase != "" {
		if _, known := p.phase(c.Phase); !known {
			err = fmt.Errorf("phase %q is not in the plan", c.Phase)
		}
	}
	if err != nil {
		problem(w, http.StatusBadRequest, "bad command", err.Error())
		return c, false
	}
	if _, named := p.phases[c.Phase]; !named {
		c.Phase = "" // "current": the run knows better than a snapshot which one that is
	}
	return c, true
}

// decodeCommand reads a command strictly and gives it an id if it has none.
func decodeCommand(body []byte, keys []string) (evaluator.Command, error) {
	var c evaluator.Command
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("reading the command: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return c, errors.New("reading the command: there is more behind it")
	}
	if err := identifyCommand(&c, keys); err != nil {
		return c, err
	}
	return c, checkCommand(&c)
}

func identifyCommand(c *evaluator.Command, keys []string) error {
	switch {
	case len(keys) > 1:
		return errors.New("there is more than one Idempotency-Key")
	case len(keys) == 1 && c.ID != "" && c.ID != keys[0]:
		return errors.New("the id differs from the Idempotency-Key")
	case len(keys) == 1:
		c.ID = keys[0]
	}
	if c.ID == "" {
		c.ID = rand.Text()
	}
	return nil
}

func checkCommand(c *evaluator.Command) error {
	switch c.Kind {
	case evaluator.Hold, evaluator.Resume, evaluator.Abort, evaluator.RollbackDone:
		if c.Phase != "" {
			return fmt.Errorf("%s is for the whole run: want no phase", c.Kind)
		}
	case evaluator.StartPhase:
	case evaluator.Override:
		if c.Verdict != rules.Pass && c.Verdict != rules.Fail {
			return errors.New("override: want verdict pass or fail")
		}
	default:
		return fmt.Errorf("unknown kind %q: want start, hold, resume, override, abort or rollback_done", c.Kind)
	}
	if c.Kind != evaluator.Override && c.Verdict != rules.Unknown {
		return fmt.Errorf("%s takes no verdict", c.Kind)
	}
	c.By, c.Why = strings.TrimSpace(c.By), strings.TrimSpace(c.Why)
	switch {
	case c.By == "" || c.Why == "":
		return errors.New("by and why are required: who wants it, and for what reason")
	case len(c.ID) > maxID || len(c.By) > maxBy || len(c.Why) > maxWhy:
		return fmt.Errorf("too long: want at most %d bytes of id, %d of by and %d of why", maxID, maxBy, maxWhy)
	}
	return nil
}
