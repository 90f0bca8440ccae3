package rules

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mostChanges is how many changes Diff tells apart.
const mostChanges = 50

// Diff lists what differs between two plans, by key path and as the plan file
// writes it, in the order of the new file and then of the old one. A phase, a rule
// or a signal that came or went is one change. What makes a run of a plan, and
// what only follows from other keys, is left out. There are at most 50; the last
// one says how many more.
func Diff(old, new *Plan) []Change {
	oldTables, newTables := old.tables(), new.tables()
	before, after := byPath(oldTables), byPath(newTables)
	changes := orderChange(old.Phases, new.Phases)
	for _, t := range newTables {
		if was := before[t.path]; was != nil {
			changes = append(changes, was.diff(t)...)
		} else {
			changes = append(changes, Change{Path: t.path, To: t.summary})
		}
	}
	for _, t := range oldTables {
		if after[t.path] == nil {
			changes = append(changes, Change{Path: t.path, From: t.summary})
		}
	}
	if len(changes) > mostChanges {
		more := len(changes) - mostChanges + 1
		changes = append(changes[:mostChanges-1], Change{Path: "…", To: fmt.Sprintf("%d more changes", more)})
	}
	return changes
}

// orderChange tells of phases that both plans have in another order.
func orderChange(old, new []Phase) []Change {
	names := func(phases, others []Phase) []string {
		var list []string
		for _, p := range phases {
			if slices.ContainsFunc(others, func(o Phase) bool { return o.Name == p.Name }) {
				list = append(list, p.Name)
			}
		}
		return list
	}
	from, to := names(old, new), names(new, old)
	if slices.Equal(from, to) {
		return nil
	}
	return []Change{{Path: "phases", From: strings.Join(from, ", "), To: strings.Join(to, ", ")}}
}

func byPath(tables []*table) map[string]*table {
	found := make(map[string]*table, len(tables))
	for _, t := range tables {
		found[t.path] = t
	}
	return found
}

// table is a table of a plan file.
type table struct {
	path    string
	summary string // the table in one line
	keys    []keyValue
}

type keyValue struct{ path, value string }

// set adds a key, unless its value is not there.
func (t *table) set(key, value string) {
	if value != "" {
		t.keys = append(t.keys, keyValue{t.path + "." + key, value})
	}
}

func (t *table) value(path string) string {
	for _, k := range t.keys {
		if k.path == path {
			return k.value
		}
	}
	return ""
}

func (t *table) diff(next *table) []Change {
	var changes []Change
	for _, k := range next.keys {
		if was := t.value(k.path); was != k.value {
			changes = append(changes, Change{k.path, was, k.value})
		}
	}
	for _, k := range t.keys {
		if next.value(k.path) == "" {
			changes = append(changes, Change{k.path, k.value, ""})
		}
	}
	return changes
}

// tables are the plan as its file writes it, defaults filled in.
func (p *Plan) tables() []*table {
	all := []*table{p.releaseTable()}
	for _, d := range p.Parameters {
		t := &table{path: Path("parameters", d.Name), summary: d.Default}
		if d.Required {
			t.summary = "required"
		}
		t.set("default", d.Default)
		t.set("required", yes(d.Required))
		t.set("pattern", d.Pattern)
		t.set("description", d.Description)
		all = append(all, t)
	}
	for i := range p.Phases {
		all = append(all, p.phaseTable(&p.Phases[i]))
	}
	for i := range p.Rules {
		all = append(all, p.ruleTable(&p.Rules[i]))
	}
	for i := range p.Signals {
		if s := &p.Signals[i]; s.Of < 0 && s.BaselineOf == "" {
			all = append(all, p.signalTable(s))
		}
	}
	return append(all, p.remainingTables()...)
}

func (p *Plan) remainingTables() []*table {
	rehearsal := &table{path: "rehearsal"}
	rehearsal.set("date", p.Rehearsal.Date)
	rehearsal.set("environment", p.Rehearsal.Environment)
	rehearsal.set("note", p.Rehearsal.Note)
	rehearsal.set("max_age", length(p.Rehearsal.MaxAge))
	rehearsal.set("unproven", map[bool]string{true: unprovenObstacle}[p.Rehearsal.Obstacle])
	return append([]*table{rehearsal}, p.peopleTables()...)
}

func (p *Plan) releaseTable() *table {
	t := &table{path: "release"}
	t.set("plan", p.Name)
	t.set("title", p.Title)
	t.set("version", p.Version)
	t.set("start", instant(p.Start))
	if t.set("expected_completion", instant(p.Completion)); p.Length != 0 {
		t.set("expected_completion", Offset{p.Length}.String())
	}
	t.set("manager", p.Manager)
	t.set("author", p.Author)
	t.set("interval", length(p.Interval))
	t.set("false_rollback", share(p.FalseRollback))
	t.set("false_pass", share(p.FalsePass))
	t.set("previous.version", p.GivenPrevious.Version)
	for _, name := range sortedKeys(p.GivenPrevious.Parameters) {
		t.set(Path("previous", name), p.GivenPrevious.Parameters[name])
	}
	return t
}

func (p *Plan) phaseTable(ph *Phase) *table {
	t := &table{path: Path("phases", ph.Name)}
	t.summary = fmt.Sprintf("%s from %v for %s", Percent.Format(ph.Traffic), Offset{ph.Start}, Duration{ph.Window})
	t.set("title", ph.Title)
	t.set("target", ph.Target)
	t.set("traffic", Percent.Format(ph.Traffic))
	t.set("start", Offset{ph.Start}.String())
	t.set("window", Duration{ph.Window}.String())
	t.set("extend", Duration{ph.Extend}.String())
	t.set("advance", ph.Advance.String())
	if t.set("observe", ph.Observe); ph.Observe != "" {
		t.set("on_mismatch", ph.OnMismatch.String())
		t.set("mismatch_for", Duration{ph.MismatchFor}.String())
	}
	t.set("owner", ph.Owner)
	t.set("success", list(p.ruleNames(ph.Success)))
	t.set("rollback", list(p.ruleNames(ph.Rollback)))
	return t
}

func (p *Plan) ruleNames(rules []int) []string {
	names := make([]string, 0, len(rules))
	for _, i := range rules {
		names = append(names, p.Rules[i].Name)
	}
	return names
}

func (p *Plan) signalName(i int) string {
	if i < 0 {
		return ""
	}
	return p.Signals[i].Name
}

func (p *Plan) ruleTable(r *Rule) *table {
	t := &table{path: Path(r.Kind.String(), r.Name), summary: p.signalName(r.ShownSignal) + " " + r.ShownWhen.String()}
	way := p.Way(r)
	if text := way.String(); text != "" {
		t.summary += ", " + text
	}
	t.set("title", r.Title)
	t.set("signal", p.signalName(r.ShownSignal))
	t.set("when", r.ShownWhen.String())
	t.set("for", length(r.For))
	t.set("over", length(r.Over))
	t.set("coverage", Percent.Format(r.Coverage))
	if r.MinSamples > 0 {
		t.set("min_samples", Number.Format(r.MinSamples))
	}
	if way.Aggregate == Pooled {
		way.Aggregate = r.Aggregate // the only one that it has
	}
	t.set("aggregate", way.Aggregate.String())
	t.set("min_share", share(r.MinShare))
	t.set("alarm", p.signalName(r.Alarm))
	t.set("on_no_data", r.OnNoData.String())
	t.set("on_error", r.OnError.String())
	t.set("grace", Duration{r.Grace}.String())
	if r.Datapoints != (Datapoints{}) {
		t.set("datapoints", r.Datapoints.String())
		t.set("missing", r.Datapoints.Missing)
	}
	t.set("keep_firing_for", length(r.KeepFiring))
	t.set("evidence", r.Method.String())
	if r.Method == Sequential {
		p.setEvidence(t, r)
	}
	if r.Shadow {
		t.set("mode", Shadow.String())
	}
	if r.ResumeAfter > 0 {
		t.set("resume", ResumeAuto.String())
		t.set("resume_after", Duration{r.ResumeAfter}.String())
	}
	t.set("gate", r.Gate.String())
	t.set("owner", r.Owner)
	t.set("action", r.Action)
	t.set("command", r.Command)
	for i := range r.Effects {
		t.set("effects."+r.Effects[i].Name, r.Effects[i].String())
	}
	t.set("notify", list(r.Notify))
	return t
}

// setEvidence adds the keys of a rule that weighs evidence. The bound beside its
// own condition is written only where it does not follow from another rule.
func (p *Plan) setEvidence(t *table, r *Rule) {
	sig := &p.Signals[r.Signal]
	burst := DefaultRideOut
	if r.RideOut != nil {
		burst = *r.RideOut
	}
	t.set("ride_out", Duration{burst}.String())
	if r.Kind == RollbackRule {
		t.set("weight", Number.Format(r.Weight))
		if r.Limit != p.pairedLimit(r) {
			t.set("limit", sig.boundText(r.Limit, true))
		}
		return
	}
	t.set("proof", r.Proof.String())
	if r.Trigger != p.pairedTrigger(r) {
		t.set("trigger", sig.boundText(r.Trigger, false))
	}
}

// boundText writes a bound on what is bad as a condition: one that good releases
// keep, or one that bad ones break.
func (s *Signal) boundText(bad float64, good bool) string {
	if s.Kind == Ratio && s.Good {
		bad = rest(bad)
	}
	return Condition{Op: s.side(good), Threshold: bad, Unit: s.Unit}.String()
}

func (p *Plan) signalTable(s *Signal) *table {
	t := &table{path: Path("signals", s.Name), summary: s.Kind.String() + " from " + s.Source}
	t.set("source", s.Source)
	t.set("kind", s.Kind.String())
	t.set("unit", s.Unit.String())
	t.set("good", yes(s.Good))
	t.set("quantile", share(s.Quant))
	t.set("period", length(s.Period))
	t.set("every", length(s.Every))
	t.set("settle", Duration{s.Settle}.String())
	t.set("maturity", Duration{s.Maturity}.String())
	if s.Cluster > 0 {
		t.set("cluster", Number.Format(s.Cluster))
	}
	if s.Rate > 0 {
		t.set("expected_rate", Number.Short(s.Rate)+"/s")
	}
	t.set("assume_seen", yes(s.AssumeSeen))
	t.setQuery(s.Query)
	if s.Baseline > 0 {
		t.set("baseline", baselineText(s.Query, p.Signals[s.Baseline].Query))
	}
	return t
}

// setQuery adds the keys of a query.
func (t *table) setQuery(q Query) {
	if q.Ask == nil {
		return
	}
	t.setFields(q.Ask.Source(), reflect.ValueOf(q.Ask).Elem())
	if file, ok := q.Ask.(FileQuery); ok {
		name, text := file.FileText()
		h := fnv.New32a()
		h.Write([]byte(text))
		t.set(q.Ask.Source()+".file", fmt.Sprintf("%s, checksum %08x", name, h.Sum32()))
	}
}

func (t *table) setFields(source string, query reflect.Value) {
	for i := range query.NumField() {
		key := query.Type().Field(i).Tag.Get("toml")
		if key == "-" || key == "file" {
			continue
		}
		key = source + "." + key
		switch v := query.Field(i).Interface().(type) {
		case string:
			t.set(key, v)
		case bool:
			t.set(key, yes(v))
		case int:
			t.set(key, strconv.Itoa(v))
		case []string:
			t.set(key, list(v))
		case Several:
			if len(v) == 1 {
				t.set(key, v[0])
			} else {
				t.set(key, list(v))
			}
		case map[string]string:
			t.set(key, inline(v))
		case Duration:
			t.set(key, length(v.Duration))
		default:
			if list := query.Field(i); namedTables(list.Type()) {
				for k := range list.Len() {
					t.setFields(key+"."+Path(list.Index(k).FieldByName("Name").String()), list.Index(k))
				}
			}
		}
	}
}

// baselineText says how the query of what runs beside the release differs from
// the release's own.
func baselineText(own, beside Query) string {
	dimension := besideDimension(own, beside)
	return fmt.Sprintf("{ dimension = %q, value = %q }", dimension, beside.apart()[dimension])
}

// The forms of values: empty where the file would not write the key. A key whose
// default is not zero is always written: there zero is a value.

func yes(b bool) string {
	if b {
		return "true"
	}
	return ""
}

func length(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return Duration{d}.String()
}

func share(v float64) string {
	if v == 0 {
		return ""
	}
	return Percent.Format(v)
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

func list(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	quoted := make([]string, 0, len(texts))
	for _, text := range texts {
		quoted = append(quoted, strconv.Quote(text))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func inline(values map[string]string) string {
	if len(values) == 0 {
		return ""
	}
	pairs := make([]string, 0, len(values))
	for _, name := range sortedKeys(values) {
		pairs = append(pairs, Path(name)+" = "+strconv.Quote(values[name]))
	}
	return "{ " + strings.Join(pairs, ", ") + " }"
}
