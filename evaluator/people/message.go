package people

import (
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// stateOf is the state of the run, or of a phase.
func (w *work) stateOf(phase string) rules.State {
	if k := phaseOf(w.Plan, phase); k >= 0 {
		return w.Phases[k].State
	}
	return w.Run
}

// tickMessage sends a message that is due, or says that it is not sent.
func (w *work) tickMessage(i int) {
	m, c := &w.st.messages[i], &w.Plan.Communications[i]
	if !c.On.IsZero() {
		w.onMessage(i)
		return
	}
	at, known := w.dueAt(i)
	if m.is == waiting && !known && w.Over {
		w.say(i, never, fact.Why{Code: fact.WhyMessageNever, State: w.Run.String(), Phase: c.Phase})
		return
	}
	if !m.waits(w.Over) || !known || w.At < at {
		return
	}
	end := at + secs(grace(c))
	met := c.OnlyIf.IsZero() || c.OnlyIf.Holds(w.stateOf(c.OnlyIf.Phase))
	switch v := w.Verdict; {
	case c.OnlyIf.IsZero() && (v == rules.Rollback || v == rules.Fail):
		w.say(i, skipped, fact.Why{Code: fact.WhyMessageSkipped, Verdict: v})
	case w.At > end && !met:
		w.say(i, skipped, fact.Why{Code: fact.WhyMessageUnmet, Since: when(at), Text: c.OnlyIf.String()})
	case w.At > end:
		w.say(i, late, fact.Why{Code: fact.WhyMessageTooLate, Since: when(at)})
	case met:
		w.send(i, fact.Why{Code: fact.WhyMessageDue})
	}
}

// onMessage sends a message for what has happened in this tick.
func (w *work) onMessage(i int) {
	c := &w.Plan.Communications[i]
	if w.st.messages[i].is == skipped {
		return // a person does not want it sent
	}
	for k := range w.Since {
		e := &w.Since[k]
		var to rules.State
		ours := e.Kind == fact.RunEvent && c.On.Phase == "" || e.Kind == fact.PhaseEvent && e.Subject == c.On.Phase
		if !ours || to.UnmarshalText([]byte(e.To)) != nil || !c.On.Holds(to) {
			continue
		}
		if c.OnlyIf.IsZero() || c.OnlyIf.Holds(w.stateOf(c.OnlyIf.Phase)) {
			w.own().messages[i].again()
			w.send(i, fact.Why{Code: fact.WhyMessageDue})
		}
		return
	}
}

// again keeps of a message that falls due again what became of it before.
func (m *message) again() {
	if (m.is == due || m.is == failed) && m.sink != "" {
		m.earlier = append(slices.Clone(m.earlier), sending{m.event, m.sink, m.is == failed})
	}
}

func grace(c *rules.Communication) time.Duration {
	if c.Grace == 0 {
		return rules.DefaultGrace
	}
	return c.Grace
}

// dueAt is when a message falls due, as far as that is known.
func (w *work) dueAt(i int) (at int64, known bool) { return dueAt(w.Plan, i, w.Start, w.Phases) }

func dueAt(plan *rules.Plan, i int, start int64, phases []Phase) (at int64, known bool) {
	c := &plan.Communications[i]
	if c.Phase != "" {
		k := phaseOf(plan, c.Phase)
		if k < 0 || phases[k].Started == 0 {
			return 0, false
		}
		start = phases[k].Started
	}
	return c.Quiet.Over(start + secs(c.At)), true
}

// send says that a message is due. What its text tells of the run goes along.
func (w *work) send(i int, why fact.Why) {
	w.own().messages[i].kept = ""
	n := w.say(i, due, why)
	m := &w.st.messages[i]
	m.event, m.sink = n, w.Plan.Communications[i].To.Sink
}

// answered takes in what became of an earlier sending of a message that fell due again.
func (w *work) answered(i, k int, r *fact.Result) {
	s := w.st.messages[i].earlier[k]
	e := fact.Event{Kind: fact.CommunicationEvent, Subject: w.Plan.Communications[i].Name, From: fact.Due, Because: r.Event, Notify: w.Plan.Communications[i].Notify}
	if s.lost {
		e.From = fact.Failed
	}
	switch m := &w.own().messages[i]; {
	case r.OK:
		m.earlier = slices.Delete(slices.Clone(m.earlier), k, k+1)
		e.To, e.Kept, e.Why = fact.Sent, r.Kept, fact.Why{Code: fact.WhyMessageSent}
	case s.lost:
		return // it is known already
	default:
		m.earlier = slices.Clone(m.earlier)
		m.earlier[k].lost = true
		e.To, e.Why = fact.Failed, fact.Why{Code: fact.WhyMessageFailed, Text: r.Reason}
	}
	w.Emit(e)
}

// told is what the texts of a message tell of the run, nil where they tell nothing.
func (w *work) told(c *rules.Communication) *fact.Told {
	fields := w.Plan.MessageFields(c.Subject + " " + c.Text)
	if len(fields) == 0 {
		return nil
	}
	run := w.Look()
	t := &fact.Told{State: run.State, Verdict: run.Verdict, Cause: run.Cause, Why: run.Why}
	if run.Current < len(run.Phases) {
		p := &run.Phases[run.Current]
		t.Phase, t.Traffic = p.Name, p.Traffic
		if p.Observed != nil && p.Observed.Known {
			t.Observed = &p.Observed.Share
		}
	}
	for _, name := range fields {
		if rule, _ := w.Plan.MessageField(name); rule != "" {
			t.Values = append(t.Values, measure(w.Plan, &run, rule))
		}
	}
	return t
}

// measure is what a rule measures now: a rollback rule, or a success rule over the window
// of the newest phase that names it.
func measure(plan *rules.Plan, run *fact.Snapshot, rule string) fact.Measure {
	m := fact.Measure{Rule: rule}
	take := func(views []fact.RuleView) {
		for i := range views {
			if v := &views[i]; v.Name == rule && v.State != fact.RuleIdle {
				m.Known, m.Value = v.Evidence.Known, v.Evidence.Value
				if q := v.Evidence.Quantile; q != nil {
					m.Value = q.Value
				}
			}
		}
	}
	for i := range plan.Rules {
		if plan.Rules[i].Name == rule {
			m.Unit = plan.Rules[i].ShownWhen.Unit
		}
	}
	take(run.Rollback)
	for k := range run.Phases {
		take(run.Phases[k].Success)
	}
	return m
}

func (w *work) say(i int, to course, why fact.Why) uint64 {
	c, m := &w.Plan.Communications[i], &w.own().messages[i]
	e := fact.Event{Kind: fact.CommunicationEvent, Subject: c.Name, From: m.is.String(), To: to.String(), Why: why, Notify: c.Notify}
	if to == due {
		e.Told = w.told(c)
		if c.To.Sink != "" {
			e.Tell = []string{c.To.Sink}
		}
	}
	if to == sent || to == failed {
		e.Kept = m.kept
	}
	e.Because = w.because
	m.is, m.at = to, w.At
	return w.Emit(e)
}
