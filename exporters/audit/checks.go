package audit

import (
	"cmp"
	"fmt"
	"time"

	"github.com/relgate/relgate/exporters/report"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// phases lists evidence, deployment and checks, and names what is missing of them.
func (x *examiner) phases() {
	shown, began := map[string]bool{}, map[string]bool{} // :: phase
	x.each("rule", func(_ int, e *wire.EventBody) {
		var v rules.Verdict
		if v.UnmarshalText([]byte(e.To)) != nil || e.To == "pending" {
			return // a rollback rule's state
		}
		x.row.Evidence = append(x.row.Evidence, fmt.Sprintf("%s in %s: %s at %s", e.Subject, e.Phase, e.To, stamp(e.At)))
		shown[e.Phase] = shown[e.Phase] || e.To == "pass"
	})
	x.each("phase", func(_ int, e *wire.EventBody) {
		switch e.To {
		case "monitoring":
			if !began[e.Subject] {
				x.row.Deployment = append(x.row.Deployment, fmt.Sprintf("%s at %s", e.Subject, stamp(e.At)))
			}
			began[e.Subject] = true
		case "passed", "failed", "rolled_back", "superseded":
			x.row.Checks = append(x.row.Checks, fmt.Sprintf("%s %s at %s", e.Subject, e.To, stamp(e.At)))
			if e.To == "passed" && !shown[e.Subject] {
				x.gap("passed-without-evidence", e.At, "phase %s passed and none of its rules did", e.Subject)
			}
		}
	})
	for _, r := range report.Rollbacks(x.Events) {
		x.row.Rollbacks = append(x.row.Rollbacks, Rollback{r.Ordered, cmp.Or(r.Acknowledged, r.WayTaken)})
	}
	if n := len(x.row.Rollbacks); x.Record.State == "rolled_back" && (n == 0 || x.row.Rollbacks[n-1].AcknowledgedAt == nil) {
		var ordered *time.Time
		if n > 0 {
			ordered = x.row.Rollbacks[n-1].OrderedAt
		}
		x.gap("rollback-not-acknowledged", ordered, "the rollback was not reported as carried out")
	}
	if x.Record.State == "passed" {
		for i := range x.plan.Phases {
			if name := x.plan.Phases[i].Name; !began[name] {
				x.gap("phase-never-begun", nil, "the run passed and phase %s never began", name)
			}
		}
	}
	switch {
	case x.Record.Verdict == "unknown":
		x.gap("verdict-unknown", nil, "the run could not be judged")
	case x.Record.DecidedAt == nil:
		x.gap("undecided", nil, "the run is not decided: it is %s", x.Record.State)
	}
}

func (x *examiner) messages() {
	state := map[string]*wire.EventBody{}
	x.each("communication", func(_ int, e *wire.EventBody) {
		state[e.Subject] = e
		switch e.To {
		case "skipped":
			x.exception("message-skipped", e.At, "message %s: %s", e.Subject, e.Sentence)
		case "failed":
			x.exception("message-failed", e.At, "message %s: %s", e.Subject, e.Sentence)
		}
	})
	for i := range x.plan.Communications {
		c := &x.plan.Communications[i]
		e := state[c.Name]
		switch {
		case e == nil && c.On.IsZero() && c.Phase == "" && x.due(c.Quiet.Over(x.planned(c.At))):
			x.gap("message-missing", nil, "message %s fell due, and no event says what became of it", c.Name)
		case e != nil && e.To == "due" && c.To.Sink != "":
			x.gap("message-without-answer", e.At, "message %s was handed over, and no answer is known", c.Name)
		}
	}
}

// planned is a time on the run's clock, in Unix seconds; 0 where T is not known.
func (x *examiner) planned(after time.Duration) int64 {
	if x.Record.Start == nil {
		return 0
	}
	return x.Record.Start.Add(after).Unix()
}

// due reports whether a time came while the run was under way.
func (x *examiner) due(at int64) bool {
	return at > 0 && x.Record.EvaluatedAt != nil && at <= x.Record.EvaluatedAt.Unix()
}

func (x *examiner) deliveries() {
	for i := range x.Deliveries {
		d := &x.Deliveries[i]
		for _, g := range d.GivenUp {
			x.gap("delivery-given-up", &g.At, "%s never took event %s: %s", d.Endpoint, g.Event, g.Reason)
		}
		for _, o := range d.Waiting {
			x.gap("delivery-waiting", nil, "%s has not taken order %s", d.Endpoint, o.Event)
		}
		if d.Done < d.Newest && d.Attempts > 0 {
			x.gap("delivery-behind", nil, "%s has taken events up to %d of %d, %d attempts at the next failed: %s", d.Endpoint, d.Done, d.Newest, d.Attempts, d.LastError)
		}
	}
}

// whole names what is missing of the record itself.
func (x *examiner) whole(known map[string]bool) {
	var last *time.Time
	order := true
	for i := range x.Events {
		e := &x.Events[i]
		if e.N != uint64(i)+1 && order {
			order = false
			x.gap("events-missing", e.At, "events are missing before event %d", e.N)
		}
		if last != nil && e.At != nil && e.At.Before(*last) {
			x.gap("times-out-of-order", e.At, "event %d is older than the one before it", e.N)
		}
		last = e.At
	}
	if order && x.N != uint64(len(x.Events)) {
		x.gap("events-missing", nil, "the record says %d events, and there are %d", x.N, len(x.Events))
	}
	for try := 1; try < x.Record.Try; try++ {
		if id := rules.RunID(x.Record.Plan, x.Record.Version, try); !known[id] {
			x.gap("earlier-try-missing", nil, "run %s is not in the journal", id)
		}
	}
}
