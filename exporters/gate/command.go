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
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

const (
	maxID       = 200
	maxBy       = 200
	maxWhy      = 2000
	commandTime = 30 * time.Second // for the tick that takes the command
)

// commandBody is the body of POST /v1/plans/{plan}/commands.
type commandBody struct {
	ID      string           `json:"id"`
	Kind    fact.CommandKind `json:"kind"`
	Phase   string           `json:"phase"`
	Verdict rules.Verdict    `json:"verdict"`
	Subject string           `json:"subject"` // what is signed for, sent, skipped or written in; the step of the way back
	Role    string           `json:"role"`    // approve, reject, sign_review: for which role
	Meaning string           `json:"meaning"` // of a signature: review, approval, responsibility; left out: what the plan says
	Read    string           `json:"read"`    // digest of the plan that the signer has read; left out: not said
	Run     *string          `json:"run"`     // id of the run that is meant; left out: the one that is under way
	Version *string          `json:"version"` // the same, by its version: its newest try
	By      string           `json:"by"`
	Why     string           `json:"why"`
}

// serveCommand takes a command: 200 with its event when it was applied, 409 when
// it was refused.
func (g *Gate) serveCommand(w http.ResponseWriter, r *http.Request) {
	plan := r.PathValue("plan")
	who, ok := g.admitChange(w, r, plan)
	if !ok {
		return
	}
	body, ok := readJSON(w, r)
	if !ok {
		return
	}
	c, at, err := decodeCommand(body, r.Header.Values("Idempotency-Key"))
	if err != nil {
		problem(w, http.StatusBadRequest, "bad command", err.Error())
		return
	}
	if !g.has(w, r, who, string(c.Kind), scopesFor(&c)...) {
		return
	}
	if err := who.checkAuthor(c.By); err != nil {
		problem(w, http.StatusBadRequest, "bad command", err.Error())
		return
	}
	c.Principal = who.name()
	c.PersonsHold = c.Kind == fact.Resume && !who.may(Override)
	c.EvidenceHold = c.Kind == fact.Resume && !who.may(Stop)
	run, refused := g.commanded(r.Context(), plan, at, &c)
	if refused != nil {
		refused.write(w)
		return
	}
	g.command(w, r, plan, at, run, c)
}

// commanded gives the run that a command is for, and reads its phase. It is nil for
// the run that is under way where the gate does not show one.
func (g *Gate) commanded(ctx context.Context, plan string, at pin, c *fact.Command) (*runBoard, *refusal) {
	b := g.board.Load()
	p := b.plans[plan]
	var run *runBoard
	switch {
	case at != (pin{}):
		f, refused := g.find(ctx, b, plan, at)
		if refused == nil && f.unreadable {
			refused = unreadable
		}
		if refused == nil && f.run == nil {
			refused = &refusal{http.StatusNotFound, "no such run", f.absentWords()}
		}
		if refused != nil {
			return nil, refused
		}
		run = f.run
	case len(b.plans) == 0:
		return nil, &refusal{http.StatusServiceUnavailable, "starting", "no plan has been evaluated yet"}
	case p == nil:
		return nil, noPlan(plan)
	default:
		if run = p.underWay(); run == nil && len(p.live) > 0 {
			run = p.live[0]
		}
	}
	if c.Phase == wire.Current {
		c.Phase = "" // the run knows better than a snapshot which one that is
	}
	if c.Phase != "" && run != nil {
		if i, ok := run.index[c.Phase]; !ok || i >= len(run.view.Snapshot.Phases) {
			return nil, &refusal{http.StatusBadRequest, "bad command", fmt.Sprintf("phase %q is not in the plan", c.Phase)}
		}
	}
	if run != nil {
		f := found{run: run}
		return run, f.start(plan)
	}
	return nil, nil
}

func (g *Gate) command(w http.ResponseWriter, r *http.Request, plan string, at pin, run *runBoard, c fact.Command) {
	if g.commander == nil {
		wait503(w, "commands are not taken", "commands are disabled on this daemon")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), commandTime)
	defer cancel()
	id := ""
	if at != (pin{}) {
		id = run.view.ID()
	}
	event, err := g.commander.Command(ctx, plan, id, c)
	refused, isRefused := errors.AsType[*Refused](err)
	switch {
	case isRefused:
		writeProblem(w, wire.Problem{Title: "name the run", Status: http.StatusBadRequest, Detail: refused.Reason, Run: refused.Run})
		return
	case errors.Is(err, ErrNoRun):
		noRun.write(w)
		return
	case err != nil:
		g.log.Warn("command not committed", "plan", plan, "kind", c.Kind, "by", c.By, "token", c.Principal, "err", err)
		wait503(w, "the command was not committed", "it may or may not be applied: send it again with the id "+c.ID)
		return
	}
	status := http.StatusOK
	if event.To != "applied" {
		status = http.StatusConflict
	}
	judged := &rules.Plan{Name: plan} // of a run that has begun since the newest Update
	if hit := g.board.Load().runs[event.Run]; hit != nil {
		judged = hit.view.Plan
	} else if run != nil && run.view.ID() == event.Run {
		judged = run.view.Plan
	}
	writeJSON(w, status, wire.Event(judged, &event, nil))
}

// readJSON reads the body of a change, or answers and returns false.
func readJSON(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	if !isJSON(r) {
		problem(w, http.StatusUnsupportedMediaType, "not JSON", "want Content-Type: application/json")
		return nil, false
	}
	return readBody(w, r)
}

// decodeStrictly reads one JSON value without unknown fields.
func decodeStrictly(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the JSON object")
	}
	return nil
}

// decodeCommand reads a command strictly and gives it an id if it has none.
func decodeCommand(body []byte, keys []string) (fact.Command, pin, error) {
	var b commandBody
	if err := decodeStrictly(body, &b); err != nil {
		return fact.Command{}, pin{}, fmt.Errorf("reading the command: %w", err)
	}
	c := fact.Command{ID: b.ID, Kind: b.Kind, Phase: b.Phase, Verdict: b.Verdict, Subject: b.Subject, Role: b.Role, Meaning: b.Meaning, Read: b.Read, By: strings.TrimSpace(b.By), Why: strings.TrimSpace(b.Why)}
	var at pin
	if b.Version != nil {
		at.version = *b.Version
		if err := rules.CheckVersion(at.version); err != nil {
			return c, at, err
		}
	}
	if b.Run != nil {
		at.run = *b.Run
		if err := checkRun(at.run); err != nil {
			return c, at, err
		}
	}
	if err := identifyCommand(&c, keys); err != nil {
		return c, at, err
	}
	return c, at, checkCommand(&c)
}

func identifyCommand(c *fact.Command, keys []string) error {
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

// peoples are the commands of people's part. They alone have a subject, a role, a meaning
// and what was read.
var peoples = []fact.CommandKind{
	fact.Approve, fact.Reject, fact.SignReview, fact.BreakGlass, fact.SendMessage, fact.SkipMessage, fact.EditReview,
	fact.AckEffect, fact.EffectDone, fact.EffectFailed, fact.SkipEffect,
}

// named are those of them that need a subject.
var named = []fact.CommandKind{fact.SendMessage, fact.SkipMessage, fact.EditReview, fact.AckEffect, fact.EffectDone, fact.EffectFailed, fact.SkipEffect}

func checkCommand(c *fact.Command) error {
	switch c.Kind {
	case fact.Hold, fact.Resume, fact.Abort, fact.RollbackDone:
		if c.Phase != "" {
			return fmt.Errorf("%s is for the whole run: want no phase", c.Kind)
		}
	case fact.StartPhase:
	case fact.Override:
		if c.Verdict != rules.Pass && c.Verdict != rules.Fail {
			return errors.New("override: want verdict pass or fail")
		}
	default:
		if slices.Contains(peoples, c.Kind) {
			if err := checkPeople(c); err != nil {
				return err
			}
			break
		}
		return fmt.Errorf("unknown kind %q: want start, hold, resume, override, abort, rollback_done, approve, reject, break_glass, send_message, skip_message, edit_review, sign_review, ack_effect, effect_done, effect_failed or skip_effect", c.Kind)
	}
	if !slices.Contains(peoples, c.Kind) && c.Subject+c.Role+c.Meaning+c.Read != "" {
		return fmt.Errorf("%s takes no subject, role, meaning or read", c.Kind)
	}
	if c.Kind != fact.Override && c.Verdict != rules.Unknown {
		return fmt.Errorf("%s takes no verdict", c.Kind)
	}
	if c.By == "" || c.Why == "" {
		return errors.New("by and why are required: who wants it, and for what reason")
	}
	return errors.Join(clean("id", c.ID, maxID), clean("by", c.By, maxBy), clean("why", c.Why, maxWhy))
}

// checkPeople checks a command of people's part.
func checkPeople(c *fact.Command) error {
	signs := c.Kind == fact.Approve || c.Kind == fact.Reject || c.Kind == fact.SignReview
	switch {
	case c.Phase != "":
		return fmt.Errorf("%s takes no phase: write what is meant as the subject", c.Kind)
	case signs && c.Role == "":
		return fmt.Errorf("%s: the role is required", c.Kind)
	case !signs && c.Role+c.Meaning+c.Read != "":
		return fmt.Errorf("%s takes no role, meaning or read", c.Kind)
	case c.Subject == "" && slices.Contains(named, c.Kind):
		return fmt.Errorf("%s: the subject is required", c.Kind)
	case c.Meaning != "" && !slices.Contains(rules.Meanings(), c.Meaning):
		return fmt.Errorf("meaning %q: want one of %q", c.Meaning, rules.Meanings())
	}
	return errors.Join(clean("subject", c.Subject, maxBy), clean("role", c.Role, maxBy), clean("read", c.Read, maxBy))
}

// clean refuses text that would show as something else in a terminal or a log.
func clean(field, text string, most int) error {
	if len(text) > most {
		return fmt.Errorf("%s: %d bytes are too long: want at most %d", field, len(text), most)
	}
	if class := rules.UnsafeIn(text); class != "" {
		return fmt.Errorf("%s: it holds %s: want plain text", field, class)
	}
	return nil
}
