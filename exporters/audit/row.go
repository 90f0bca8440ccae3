package audit

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// examiner makes the row of one run.
type examiner struct {
	*Run
	row     Row
	byID    map[string]*wire.EventBody
	started int         // index of the event that began the first phase; -1: none has
	plan    *rules.Plan // in force as the first phase began; before that, the newest
	by      string      // who began the run
	token   string
	claimed map[string]bool // :: name → that it is not proven was said
}

func rowOf(r *Run, known map[string]bool) Row {
	x := &examiner{Run: r, started: -1, claimed: map[string]bool{}, byID: map[string]*wire.EventBody{}}
	for i := range r.Events {
		x.byID[r.Events[i].ID] = &r.Events[i]
	}
	s := &r.Record
	x.row = Row{
		Run: s.ID, Plan: s.Plan, Version: s.Version, Try: s.Try, State: s.State, Verdict: s.Verdict, RequestedAt: s.Begun, Start: s.Start,
		Roles: []string{}, Approvals: []Signature{}, Evidence: []string{}, Deployment: []string{}, Checks: []string{},
		DecidedAt: s.DecidedAt, Rollbacks: []Rollback{}, Review: "none", Exceptions: []Finding{}, Gaps: []Finding{},
	}
	if d := s.Digest.SHA256; d != nil {
		x.row.PlanNow = *d
	}
	for i := range r.Events {
		if e := &r.Events[i]; e.Kind == "phase" && e.To == "monitoring" {
			x.started, x.row.StartedAt, x.row.PlanAtStart = i, e.At, r.Digests[e.N]
			break
		}
	}
	x.plan = r.Plans[x.row.PlanNow]
	if p := r.Plans[x.row.PlanAtStart]; p != nil {
		x.plan = p
	}
	if x.plan == nil {
		x.plan = &rules.Plan{}
	}
	x.request()
	x.approvals()
	x.edits()
	x.commands()
	x.phases()
	x.messages()
	x.deliveries()
	x.review()
	x.whole(known)
	return x.row
}

func (x *examiner) exception(code string, at *time.Time, format string, args ...any) {
	x.row.Exceptions = append(x.row.Exceptions, Finding{code, fmt.Sprintf(format, args...), at})
}

func (x *examiner) gap(code string, at *time.Time, format string, args ...any) {
	x.row.Gaps = append(x.row.Gaps, Finding{code, fmt.Sprintf(format, args...), at})
}

// each calls f with every event of a kind.
func (x *examiner) each(kind string, f func(i int, e *wire.EventBody)) {
	for i := range x.Events {
		if e := &x.Events[i]; e.Kind == kind {
			f(i, e)
		}
	}
}

// before reports whether the i-th event was there as the first phase began.
func (x *examiner) before(i int) bool { return x.started < 0 || i < x.started }

// proven names whom no token proves, each person once.
func (x *examiner) proven(e *wire.EventBody, what string) {
	if e.By == "" || e.Principal != "" || x.claimed[e.By] {
		return
	}
	x.claimed[e.By] = true
	x.gap("unproven-identity", e.At, "%s by %s: no token proves who that was", what, e.By)
}

func (x *examiner) request() {
	found := false
	x.each("run", func(_ int, e *wire.EventBody) {
		if e.Begun == nil || found {
			return
		}
		found = true
		x.by, x.token = e.By, e.Principal
		x.row.RequestedBy, x.row.RequestedToken, x.row.RequestedWhy = e.By, e.Principal, e.Why
		switch {
		case e.By == "":
			x.gap("no-requester", e.At, "the plan's file began the run: no person is named")
		case strings.TrimSpace(e.Why) == "":
			x.gap("no-reason", e.At, "%s began the run and gave no reason", e.By)
		}
		x.proven(e, "the run was begun")
	})
	if !found {
		x.gap("no-begin", nil, "no event says how the run began")
	}
}

func (x *examiner) edits() {
	signed := false
	for i := range x.Events {
		e := &x.Events[i]
		switch {
		case e.Kind == "approval" && e.To == "approved":
			signed = true
		case e.Kind != "plan":
		case e.To != "edited":
			x.exception("upgraded-under-way", e.At, "relgate was upgraded while the run was under way")
		case !x.before(i):
			x.exception("edit-after-start", e.At, "%s", changed(e))
		case signed:
			x.exception("edit-after-signature", e.At, "%s", changed(e))
		default:
			x.exception("plan-edited", e.At, "%s", changed(e))
		}
	}
}

// changed says what was edited.
func changed(e *wire.EventBody) string {
	var list []string
	for _, c := range e.Changes {
		list = append(list, fmt.Sprintf("%s from %q to %q", c.Path, c.From, c.To))
	}
	return "the plan was edited: " + strings.Join(list, ", ")
}

func (x *examiner) commands() {
	holder := "" // what holds the run, where that is no person
	for i := range x.Events {
		e := &x.Events[i]
		if e.Kind == "run" && e.To == "held" {
			root := x.byID[e.Because]
			switch {
			case root != nil && root.Kind == "rule":
				holder = "a rule"
			case root != nil && root.Kind == "rollout":
				holder = "the traffic of phase " + root.Phase
			default:
				holder = ""
			}
		}
		if e.Kind != "command" || e.To != "applied" {
			continue
		}
		what := strings.ReplaceAll(e.Subject, "_", "-")
		x.proven(e, what)
		reason := strings.TrimSpace(e.Why)
		switch e.Subject {
		case "override":
			x.exception("override", e.At, "%s overrode %s: %s", who(e.By), cmp.Or(e.Phase, "the run"), cmp.Or(reason, "no reason"))
		case "abort":
			x.exception("abort", e.At, "%s rolled the run back: %s", who(e.By), cmp.Or(reason, "no reason"))
		case "resume":
			if holder != "" {
				x.exception("resumed-against-evidence", e.At, "%s resumed the run, which %s held: %s", who(e.By), holder, cmp.Or(reason, "no reason"))
			}
		case "supersede":
			x.exception("superseded", e.At, "%s ended the run for another: %s", who(e.By), cmp.Or(reason, "no reason"))
		}
		if reason != "" {
			continue
		}
		if e.Subject == "override" {
			x.gap("override-without-reason", e.At, "%s overrode %s and gave no reason", who(e.By), cmp.Or(e.Phase, "the run"))
		} else {
			x.gap("no-reason", e.At, "%s gave %s and no reason", who(e.By), what)
		}
	}
}

func who(name string) string { return cmp.Or(name, "a person who is not named") }

// stamp writes a time in a sentence.
func stamp(t *time.Time) string { return cmp.Or(at(t), "a time that is not known") }
