package evaluator

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// Past is a release that passed before this one, as the journal told of it.
type Past struct {
	Run    string    `json:"run"` // its id
	At     time.Time `json:"at"`  // when it passed
	Totals []Total   `json:"totals"`
}

// Total is what a release had counted of a signal when it passed.
type Total struct {
	Signal  string  `json:"signal"`
	Bad     float64 `json:"bad"`
	Samples float64 `json:"samples"`
}

// Earlier is what the releases counted that passed before, beside what this one
// counts. They ran at other times, so that it warns and does no more.
type Earlier struct {
	Looked   int     `json:"looked"`   // releases that passed before, as far as was looked
	Releases int     `json:"releases"` // of them, those that counted the signal; zero: there is no baseline yet
	Bad      float64 `json:"bad"`
	Samples  float64 `json:"samples"`
	Worse    float64 `json:"worse"` // log e-value against "the release is no worse": warns from the bound; 0 where it is not
}

// mostPast bounds the earlier releases of a run against an absurd tick.
const mostPast = 100

// mostSamples bounds what a release can have counted: up to it, numbers are exact.
const mostSamples = 1 << 46

// pooled is what earlier releases counted of one signal.
type pooled struct {
	looked int32   // earlier releases that passed; meaningful if known
	had    int32   // of them, those that counted the signal
	known  bool    // the signal was there when earlier releases were looked for
	sum    tally   // over those that counted it
	bound  float64 // upper 97.5 % bound of their rate; 1 when nothing was counted
}

// recall takes in the earlier releases, at the first tick of a run.
func (st *State) recall(plan *rules.Plan, past []Past) {
	if past == nil {
		return
	}
	past = past[:min(len(past), mostPast)]
	st.past = make([]pooled, len(plan.Signals))
	for i := range plan.Signals {
		st.past[i] = pool(&plan.Signals[i], past)
	}
}

func pool(sig *rules.Signal, past []Past) pooled {
	p := pooled{looked: int32(len(past)), known: true, bound: 1}
	if sig.Kind != rules.Ratio {
		return p
	}
	for i := range past {
		for _, t := range past[i].Totals {
			if t.Signal == sig.Name && t.Bad >= 0 && t.Bad <= t.Samples && t.Samples > 0 && t.Samples < mostSamples {
				p.had++
				p.sum.bad, p.sum.n = p.sum.bad+t.Bad, p.sum.n+t.Samples
				break
			}
		}
	}
	if p.had > 0 {
		c := max(sig.Cluster, 1)
		_, p.bound = evidence.ClopperPearson(p.sum.bad/c, p.sum.n/c, .95)
	}
	return p
}

// pastOf is what a rule on a signal is compared with: nil where earlier releases were
// not looked for, and where something better runs beside this one.
func (st *State) pastOf(plan *rules.Plan, signal int) *pooled {
	sig := &plan.Signals[signal]
	if st.past == nil || !st.past[signal].known || sig.Kind != rules.Ratio || sig.Baseline > 0 {
		return nil
	}
	return &st.past[signal]
}

// leastBad and leastBuckets are what there must be to see before earlier releases
// are reason to warn.
const (
	leastBad     = 3
	leastBuckets = 2
)

// worse is the log e-value of all that a watch has seen against "the rate is no
// greater than that of the earlier releases". Its alternatives lie above twice
// that rate: what differs less may be the hour or the weekday. It is 0 for a rate
// that is no greater than the bound of theirs.
func (w *watch) worse(z *weighed) float64 {
	if w.past == nil || w.past.had == 0 || z.track.Bad < leastBad || z.track.BadLooks < leastBuckets {
		return 0
	}
	if z.track.Bad <= w.past.bound*z.track.N {
		return 0 // it would not be above it, and most looks end here
	}
	weights := [...]float64{.4, .3, .2, .1}
	rates := evidence.Alternatives(2 * w.past.bound)
	return evidence.LogGrid(math.Floor(z.track.Bad), z.track.N, w.past.bound, rates[:], weights[:]) / max(w.sig.Cluster, 1)
}

// lingers reports whether a warning stays although nothing new gives it: while
// what it rests on still speaks against the release.
func (old *ruleState) lingers(v *weighing) bool {
	switch {
	case old.state != codeWarning:
		return false
	case v.past != nil && old.cause == rules.CauseBaseline:
		return v.worse > 0
	}
	return v.warn > 0
}

// totals is what a run that passes has counted of the signals that its rules
// weigh. A signal that a rule found at fault, so that a person had to decide, is
// no example to later releases.
func (s *stepper) totals() []Total {
	var list []Total
	for i := range s.plan.Signals {
		sig := &s.plan.Signals[i]
		if sig.Kind != rules.Ratio || sig.BaselineOf != "" {
			continue
		}
		sum, sound := s.st.rollbackTotal(s.lay, i)
		inPhases, passed := s.st.successTotal(s.lay, i)
		if sum.n == 0 {
			sum = inPhases
		}
		if sound && passed && sum.n > 0 {
			list = append(list, Total{Signal: sig.Name, Bad: sum.bad, Samples: sum.n})
		}
	}
	return list
}

// rollbackTotal is what the rollback rule has counted that saw most of a signal.
func (st *State) rollbackTotal(lay *layout, signal int) (sum tally, ok bool) {
	for _, i := range lay.weighing {
		rs := &st.rules[i]
		if lay.plan.Rules[i].Signal != signal || !rs.active {
			continue
		}
		if rs.acked || rs.state == codeHolding || rs.state == codeFired {
			return tally{}, false
		}
		w := st.rollbackWatch(lay, int(i))
		if z := st.now(&w, rs.ev, nil, math.MaxInt64, 0); z.track.N > sum.n {
			sum = tally{bad: z.track.Bad, n: z.track.N}
		}
	}
	return sum, true
}

// successTotal adds up what the success rules have counted in their phases, the
// largest count first. What overlaps a larger one is left out: no period
// counts twice.
func (st *State) successTotal(lay *layout, signal int) (sum tally, ok bool) {
	var counts []*Evidence
	for k := range st.phases {
		for _, ss := range st.phases[k].success {
			f := ss.frozen
			if f == nil || lay.plan.Rules[f.rule].Signal != signal || f.evidence.Weighed == nil {
				continue
			}
			if ss.verdict == rules.Fail {
				return tally{}, false
			}
			counts = append(counts, &f.evidence)
		}
	}
	slices.SortStableFunc(counts, func(a, b *Evidence) int { return cmp.Compare(b.Samples, a.Samples) })
	for i, e := range counts {
		if !slices.ContainsFunc(counts[:i], func(o *Evidence) bool { return o.From.Before(e.To) && e.From.Before(o.To) }) {
			sum.bad, sum.n = sum.bad+e.Weighed.Bad, sum.n+e.Samples
		}
	}
	return sum, true
}

// earlier is what earlier releases counted, beside what this one does.
func (w *watch) earlier(v *weighing) *Earlier {
	if w.past == nil {
		return nil
	}
	return &Earlier{Looked: int(w.past.looked), Releases: int(w.past.had), Bad: w.past.sum.bad, Samples: w.past.sum.n, Worse: v.worse}
}
