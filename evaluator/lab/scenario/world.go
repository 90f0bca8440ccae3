package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// world is what there is to know, and when: it answers as sources would.
type world struct {
	plan    *rules.Plan
	start   int64    // T
	signals []source // as Plan.Signals
	end     int64    // of the newest period
}

// source is what one signal does.
type source struct {
	buckets []bucket // ascending
	faults  []answer
}

// bucket is one period of event time, with every value that it is known by.
type bucket struct {
	at       int64
	line     int
	versions []version // by arrival
}

type version struct {
	arrives int64
	value
}

// answer is a fault in a stretch of time.
type answer struct {
	from, to int64
	fault    rules.Fault
	detail   string
	retry    int64
}

// newWorld binds a file's readings to a plan. It gives all mistakes.
func newWorld(f *File, plan *rules.Plan) (*world, []error) {
	w := &world{plan: plan, start: plan.Start.Unix(), signals: make([]source, len(plan.Signals))}
	var errs []error
	for i := range f.series {
		if err := w.add(&f.series[i]); err != nil {
			errs = append(errs, &Error{f.Name, f.series[i].line, err.Error()})
		}
	}
	for i := range f.faults {
		if err := w.fault(&f.faults[i]); err != nil {
			errs = append(errs, &Error{f.Name, f.faults[i].line, err.Error()})
		}
	}
	for i := range w.signals {
		s := &w.signals[i]
		slices.SortStableFunc(s.buckets, func(a, b bucket) int { return cmp.Compare(a.at, b.at) })
		for k := 1; k < len(s.buckets); k++ {
			if s.buckets[k].at == s.buckets[k-1].at {
				errs = append(errs, &Error{f.Name, s.buckets[k].line, fmt.Sprintf("signal %q has two values at %s", plan.Signals[i].Name, w.clock(s.buckets[k].at))})
			}
		}
	}
	return w, errs
}

func (w *world) clock(unix int64) string {
	return formatTime(time.Duration(unix-w.start) * time.Second)
}

func (w *world) offset(d time.Duration) int64 { return w.start + int64(d/time.Second) }

// signal finds a signal by its name.
func (w *world) signal(name string) (int, error) {
	var names []string
	for i := range w.plan.Signals {
		if w.plan.Signals[i].Name == name {
			return i, nil
		}
		names = append(names, w.plan.Signals[i].Name)
	}
	return 0, fmt.Errorf("unknown signal %q: the plan has %q", name, names)
}

func level(k rules.Kind) bool { return k == rules.Gauge || k == rules.Alarm }

func (w *world) add(s *series) error {
	i, err := w.signal(s.signal)
	if err != nil {
		return err
	}
	sig := &w.plan.Signals[i]
	period := int64(sig.Period / time.Second)
	at := w.start - mod(w.start, period)
	if s.start != nil {
		at = w.offset(*s.start)
		if !level(sig.Kind) && mod(at, period) != 0 {
			return fmt.Errorf("%s is not where a period of %q begins: they are %v long", w.clock(at), s.signal, sig.Period)
		}
	}
	for _, t := range s.tokens {
		if err := suits(sig, &t); err != nil {
			return err
		}
		for range t.times {
			w.bucket(&w.signals[i], sig, &t, at, s.line)
			at += period
		}
	}
	w.end = max(w.end, at)
	return nil
}

func mod(a, b int64) int64 { return (a%b + b) % b }

// suits checks that a token's values are of the signal's kind.
func suits(sig *rules.Signal, t *token) error {
	if t.gap {
		return nil
	}
	values := []value{t.value}
	for _, c := range t.corrects {
		values = append(values, c.value)
	}
	for _, v := range values {
		counts := sig.Kind == rules.Ratio || sig.Kind == rules.Mean
		ofGroups := v.groups == nil || v.stars == (sig.Kind == rules.Mean) && (v.stars || sig.Kind == rules.Gauge)
		switch {
		case counts != v.ratio, !ofGroups, v.stars && v.none:
			return fmt.Errorf("signal %q is a %v: want %s", sig.Name, sig.Kind, example(sig.Kind))
		case v.empty != "" && !v.none:
			return fmt.Errorf("group %q has no samples, so that there is no gap: write _ before the brace", v.empty)
		}
	}
	return nil
}

func example(k rules.Kind) string {
	switch k {
	case rules.Ratio:
		return "bad/total, such as 3/600"
	case rules.Mean:
		return "sum/count, such as 45/10, or stars, such as {5*8, 1*2}"
	case rules.Alarm:
		return "OK or ALARM"
	case rules.Percentile:
		return "value@samples, such as 310ms@600"
	}
	return "a value, such as 0.05 or 0.05@1200, or groups, such as {1: 100/200, 2: 104/200}"
}

// bucket adds one period. Counts are known when their period ends, a level when
// it is there.
func (w *world) bucket(s *source, sig *rules.Signal, t *token, at int64, line int) {
	period := int64(sig.Period / time.Second)
	if t.fault != rules.OK {
		s.faults = append(s.faults, answer{from: at, to: at + period, fault: t.fault})
	}
	if t.gap {
		return
	}
	known := at + period
	if level(sig.Kind) {
		known = at
	}
	b := bucket{at: at, line: line, versions: []version{{known + int64(t.late/time.Second), t.value}}}
	for _, c := range t.corrects {
		b.versions = append(b.versions, version{known + int64(c.after/time.Second), c.value})
	}
	slices.SortStableFunc(b.versions, func(a, b version) int { return cmp.Compare(a.arrives, b.arrives) })
	s.buckets = append(s.buckets, b)
}

func (w *world) fault(f *fault) error {
	a := answer{from: w.offset(f.span.from), to: w.offset(f.span.to), fault: f.fault, detail: f.detail}
	if f.retry != nil {
		a.retry = w.offset(*f.retry)
	}
	if f.signal == "" {
		for i := range w.signals {
			w.signals[i].faults = append(w.signals[i].faults, a)
		}
		return nil
	}
	i, err := w.signal(f.signal)
	if err == nil {
		w.signals[i].faults = append(w.signals[i].faults, a)
	}
	return err
}

// ask answers a question at a time, as a source would.
func (w *world) ask(q fact.Want, now int64) rules.Reading {
	s, sig := &w.signals[q.Signal], &w.plan.Signals[q.Signal]
	rd := rules.Reading{Signal: q.Signal, From: q.From, To: q.To}
	for _, f := range s.faults {
		if f.from <= now && now < f.to {
			rd.Fault, rd.Detail, rd.RetryAt = f.fault, f.detail, f.retry
		}
	}
	switch rd.Fault {
	case rules.OK, rules.PartialData, rules.StaleData:
		s.tell(&rd, sig, now)
	}
	if rd.Fault == rules.OK || rd.Fault == rules.NoData {
		rd.SettledUntil = now - int64(sig.Settle/time.Second)
	}
	return rd
}

// tell puts what is known of a range at a time into its reading. Where the newest
// period has groups and no value, the answer is that there is none.
//
// A period that lacks one of its counts is none, as with CloudWatch: without its
// total always, without its bad ones unless they are counted as 0.
func (s *source) tell(rd *rules.Reading, sig *rules.Signal, now int64) {
	zero := fillsZeros(sig) && rd.Fault == rules.OK
	filled, sent := false, false
	first, _ := slices.BinarySearchFunc(s.buckets, rd.From, func(b bucket, at int64) int { return cmp.Compare(b.at, at) })
	none := false
	for _, b := range s.buckets[first:] {
		if b.at >= rd.To {
			break
		}
		v := b.known(now)
		if v == nil {
			continue
		}
		switch v.missing {
		case totalMissing:
			sent = true
			continue
		case valueMissing:
			if filled = true; !zero {
				continue
			}
		default:
			sent = true
		}
		if none = v.none; !none {
			rd.Points = append(rd.Points, rules.Point{At: b.at, Value: v.v, Samples: v.n})
			if v.missing == valueMissing {
				rd.Filled = append(rd.Filled, b.at)
			}
		}
		if v.groups != nil {
			rd.Parts = append(rd.Parts, rules.Parts{At: b.at, Groups: v.groups})
		}
	}
	if none && rd.Fault == rules.OK {
		rd.Fault, rd.Detail = rules.NoData, "a group is too small for a value"
	}
	if bad := sig.Query.Facts().Zeros; bad != "" && zero && filled && !sent {
		rd.Note = bad + " has sent nothing in this range: counted as 0"
	}
	if fillsZeros(sig) {
		rd.Seen, rd.Looked = s.seen(now)
		if rd.Note != "" && !rd.Seen {
			rd.Note = sig.Query.Facts().Zeros + " was never seen: its zeros prove nothing; is the name right?"
		}
	}
}

// fillsZeros reports whether a missing bad count counts as 0: as the query says, or
// where a plan in a scenario has none.
func fillsZeros(sig *rules.Signal) bool {
	if sig.Query != (rules.Query{}) {
		return sig.Kind == rules.Ratio && sig.Query.Facts().Zeros != ""
	}
	return sig.Kind == rules.Ratio && sig.Of < 0
}

// seen is what a source knows of a name whose missing values are counted as 0:
// whether it had a value at any time until now, and whether there was need to look.
func (s *source) seen(now int64) (seen, looked bool) {
	for i := range s.buckets {
		for k := range s.buckets[i].versions {
			switch v := &s.buckets[i].versions[k]; {
			case v.arrives > now:
			case v.missing == valueMissing:
				looked = true
			default:
				seen = true
			}
		}
	}
	return seen && looked, looked
}

// known is a period's value as it is known at a time, nil while there is none.
func (b *bucket) known(now int64) *version {
	var newest *version
	for i := range b.versions {
		if b.versions[i].arrives <= now {
			newest = &b.versions[i]
		}
	}
	return newest
}
