package backtest

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// History is what sources said of a range of the past. It is not changed by a
// run.
type History struct {
	From    time.Time // start of the range in which releases may begin; series begin a little earlier
	To      time.Time // exclusive; no tick may come after it
	Fetched time.Time // when they were asked
	Series  []Series  // of one question each
}

// Series is what a source said to one question.
type Series struct {
	Key    string        `json:"key"`    // of the question, as KeyOf says: another plan that asks the same finds it
	Signal string        `json:"signal"` // name in the plan that it was fetched for, for people
	Source string        `json:"source"`
	None   string        `json:"none,omitempty"`   // why the source cannot answer for the past at all; empty when it can
	From   int64         `json:"from,omitempty"`   // event time that was asked for, Unix seconds
	To     int64         `json:"to,omitempty"`     // exclusive
	Width  int64         `json:"width,omitempty"`  // of the periods in seconds where it is not the signal's period
	Gaps   []Gap         `json:"gaps,omitempty"`   // what was not answered, ascending, apart
	Note   string        `json:"note,omitempty"`   // the newest reading's
	Unseen bool          `json:"unseen,omitempty"` // its points are zeros that stand for values of a name that was never seen
	Points []rules.Point `json:"-"`                // ascending
	Parts  []rules.Parts `json:"-"`                // the groups of those that have any, ascending
}

// Gap is a stretch of event time of which nothing is known, and why.
type Gap struct {
	From   int64  `json:"from"` // Unix seconds, inclusive
	To     int64  `json:"to"`   // exclusive
	Detail string `json:"detail"`
}

// Question is one signal's need: the event time that a backtest judges.
type Question struct {
	Signal int // index in Plan.Signals
	From   int64
	To     int64
}

// Questions lists what has to be fetched for a plan over a range: every signal
// that a rule of a phase rests on, in the plan's order.
func Questions(plan *rules.Plan, from, to time.Time) []Question {
	begin := from.Unix() - int64(lookback(plan)/time.Second)
	needed := make([]bool, len(plan.Signals))
	for _, p := range plan.Phases {
		for _, list := range [...][]int{p.Success, p.Rollback} {
			for _, r := range list {
				for _, s := range signalsOf(plan, r) {
					needed[s] = true
				}
			}
		}
	}
	var list []Question
	for i, want := range needed {
		if want {
			width := seconds(plan.Signals[i].Period)
			list = append(list, Question{Signal: i, From: floor(begin, width), To: to.Unix()})
		}
	}
	return list
}

// lookback is how far before its start a release reads: success rules may judge
// a stretch that is longer than their phase's window.
func lookback(plan *rules.Plan) time.Duration {
	var most time.Duration
	for _, p := range plan.Phases {
		for _, i := range p.Success {
			most = max(most, plan.Rules[i].Over-p.Window-p.Start)
		}
	}
	return most + 10*time.Minute // the first question reaches back over its settle
}

// signalsOf lists the signals that a rule rests on.
func signalsOf(plan *rules.Plan, rule int) []int {
	r := &plan.Rules[rule]
	var list []int
	for _, i := range [...]int{r.Signal, r.Alarm, baseline(plan, r.Signal)} {
		if i >= 0 && i < len(plan.Signals) {
			list = append(list, i)
		}
	}
	return list
}

// baseline is the index of a signal's baseline, -1 when it has none.
func baseline(plan *rules.Plan, signal int) int {
	if signal < 0 || signal >= len(plan.Signals) || plan.Signals[signal].Baseline == 0 {
		return -1
	}
	return plan.Signals[signal].Baseline
}

// KeyOf names the question that a signal asks. Signals that ask the same of
// sources of the same name have the same key, whatever they are called and
// however fast they settle.
func KeyOf(s *rules.Signal) string {
	query, err := json.Marshal(&s.Query)
	if err != nil {
		return s.Source + " " + s.Name // unreachable unless a query holds what JSON cannot say
	}
	key := s.Source + " " + s.Kind.String() + " " + s.Period.String()
	if s.Quant != 0 {
		key += " p" + strconv.FormatFloat(s.Quant*100, 'g', -1, 64)
	}
	if s.Of >= 0 {
		key += " > " + strconv.FormatFloat(s.Above, 'g', -1, 64)
	}
	return key + " " + string(query)
}

// find gives the series of a signal, nil when it was never fetched.
func (h *History) find(s *rules.Signal) *Series {
	key := KeyOf(s)
	for i := range h.Series {
		if h.Series[i].Key == key {
			return &h.Series[i]
		}
	}
	return nil
}

// Points gives what is known of a signal, ascending, nil when it was never
// fetched. It is not to be changed.
func (h *History) Points(s *rules.Signal) []rules.Point {
	if found := h.find(s); found != nil {
		return found.Points
	}
	return nil
}

// Unavailable gives the series of a signal that a source cannot answer for the
// past: why says so to people.
func Unavailable(s *rules.Signal, why string) Series {
	return Series{Key: KeyOf(s), Signal: s.Name, Source: s.Source, None: why}
}

// Assemble puts the readings of one signal, fetched in slices, into its series.
// What a reading had a fault for, and what lies beyond its watermark, is a gap.
// A level of which only the newest stretch is known has a gap before that.
func Assemble(s *rules.Signal, readings []rules.Reading) Series {
	out := Series{Key: KeyOf(s), Signal: s.Name, Source: s.Source}
	for i := range readings {
		if w := readings[i].Width; len(readings[i].Points) > 0 && w > out.Width && w != seconds(s.Period) {
			out.Width = w
		}
	}
	for i := range readings {
		if i == 0 || readings[i].From < out.From {
			out.From = readings[i].From
		}
		out.To = max(out.To, readings[i].To)
		out.add(s, &readings[i])
	}
	out.sort()
	out.Unseen = len(out.Points) > 0 && !slices.ContainsFunc(readings, sees)
	return out
}

// sees reports whether a name that zeros may stand for has had a value. Where it was seen
// at any time, zeros are as good as values.
func sees(rd rules.Reading) bool {
	return rd.Seen || slices.ContainsFunc(rd.Points, func(p rules.Point) bool { return !rd.Fills(p.At) })
}

func (s *Series) add(sig *rules.Signal, rd *rules.Reading) {
	period := seconds(sig.Period)
	own, all := rd.Width, s.Width
	if own == 0 {
		own = period
	}
	if all == 0 {
		all = period
	}
	if len(rd.Points) > 0 && own != all {
		s.gap(rd.From, rd.To, "periods of another length than the rest")
		return
	}
	if rd.Note != "" {
		s.Note = rd.Note
	}
	known := rd.From // up to where the answer is complete
	switch rd.Fault {
	case rules.OK, rules.NoData:
		known = rd.To
	}
	if sig.Kind == rules.Alarm && rd.Fault != rules.OK { // "no data" of a state is no knowledge
		known = rd.From
	}
	detail := rd.Detail
	if detail == "" {
		detail = rd.Fault.String()
	}
	if sig.Kind == rules.Alarm && rd.Fault == rules.OK && len(rd.Points) > 0 {
		s.gap(rd.From, rd.Points[0].At, "the state is known only since it was entered")
	}
	s.gap(known, rd.To, detail)
	s.Points = append(s.Points, rd.Points...)
	s.Parts = append(s.Parts, rd.Parts...)
}

func (s *Series) gap(from, to int64, detail string) {
	if from < to {
		s.Gaps = append(s.Gaps, Gap{From: from, To: to, Detail: detail})
	}
}

// sort orders points and gaps; of two points of one period the later answer
// stays, and gaps that touch with the same words are one.
func (s *Series) sort() {
	slices.SortStableFunc(s.Points, func(a, b rules.Point) int { return cmp.Compare(a.At, b.At) })
	kept := s.Points[:0]
	for i, p := range s.Points {
		if i+1 == len(s.Points) || s.Points[i+1].At != p.At {
			kept = append(kept, p)
		}
	}
	s.Points = kept
	slices.SortStableFunc(s.Parts, func(a, b rules.Parts) int { return cmp.Compare(a.At, b.At) })
	s.Parts = slices.CompactFunc(s.Parts, func(a, b rules.Parts) bool { return a.At == b.At })
	slices.SortFunc(s.Gaps, func(a, b Gap) int { return cmp.Compare(a.From, b.From) })
	var gaps []Gap
	for _, g := range s.Gaps {
		if n := len(gaps); n > 0 && g.From <= gaps[n-1].To {
			gaps[n-1].To = max(gaps[n-1].To, g.To)
			continue
		}
		gaps = append(gaps, g)
	}
	s.Gaps = gaps
}

// What lies outside of a series is a gap too.
const (
	begins = "the history begins later"
	ends   = "the history ends earlier"
)

// hole gives the first gap that touches a stretch.
func (s *Series) hole(from, to int64) (Gap, bool) {
	if from < s.From {
		return Gap{From: from, To: s.From, Detail: begins}, true
	}
	if to > s.To {
		return Gap{From: max(from, s.To), To: to, Detail: ends}, true
	}
	for _, g := range s.Gaps {
		if g.From < to && g.To > from {
			return g, true
		}
	}
	return Gap{}, false
}

// width is the width of the periods in seconds.
func (s *Series) width(period int64) int64 {
	if s.Width > 0 {
		return s.Width
	}
	return period
}

// answer is what the source would have said at a time: the periods that had
// ended and settled by then. The points are a part of the series, not a copy.
func (s *Series) answer(sig *rules.Signal, w fact.Want, at int64) rules.Reading {
	width := s.width(seconds(sig.Period))
	known := min(floor(at-seconds(sig.Settle), width), floor(w.To, width)) // ends of known periods
	rd := rules.Reading{Signal: w.Signal, From: w.From, To: w.To, Width: s.Width, Looked: s.Unseen}
	lo := s.from(w.From - width + 1)
	if s.Width == 0 {
		lo = s.from(w.From)
	}
	hi := max(lo, s.from(known-width+1))
	rd.Points = s.Points[lo:hi:hi]
	if s.Unseen {
		for _, p := range rd.Points {
			rd.Filled = append(rd.Filled, p.At)
		}
	}
	if len(s.Parts) > 0 {
		rd.Parts = s.parts(w.From, known-width+1)
	}
	rd.SettledUntil = known
	if g, holed := s.hole(w.From, known); holed {
		rd.SettledUntil = max(0, floor(g.From, width))
		if g.From <= w.From {
			rd.SettledUntil = 0
		}
		return rd
	}
	if len(rd.Points) == 0 && known > w.From {
		rd.Fault, rd.Detail = rules.NoData, "nothing in the history"
	}
	return rd
}

// from is the index of the first point at or after a time.
func (s *Series) from(at int64) int {
	i, _ := slices.BinarySearchFunc(s.Points, at, func(p rules.Point, at int64) int { return cmp.Compare(p.At, at) })
	return i
}

func (s *Series) parts(from, to int64) []rules.Parts {
	at := func(p rules.Parts, at int64) int { return cmp.Compare(p.At, at) }
	lo, _ := slices.BinarySearchFunc(s.Parts, from, at)
	hi, _ := slices.BinarySearchFunc(s.Parts, to, at)
	hi = max(lo, hi)
	return s.Parts[lo:hi:hi]
}

func seconds(d time.Duration) int64 { return max(int64(d/time.Second), 0) }

func floor(t, width int64) int64 {
	if width < 1 {
		return t
	}
	r := t % width
	if r < 0 {
		r += width
	}
	return t - r
}

func when(unix int64) time.Time { return time.Unix(unix, 0).UTC() }
