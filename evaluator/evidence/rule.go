package evidence

import "math"

// Rung is how far the evidence against a release has come.
type Rung uint8

// The rungs, each with what the ones below it have.
const (
	NoRung  Rung = iota
	Warning      // worth a message: it may be a burst
	Holding      // the release misses its limit: nothing goes on
	Firing       // and by so much that it is rolled back
)

// Rule is how a rule with evidence climbs from rung to rung. It is what the evaluator,
// the simulations and the forecasts judge by. It has no state and may be shared.
type Rule struct {
	Test  *Test
	Rider *Rider // rides out bursts; nil: they are not ridden out beyond the worst period
	Pair  *Pair  // against a baseline; nil: there is none
	Limit float64
	Bound float64 // log e-value at which it acts: ln(1/alpha)
	Least float64 // events that the suspect stretch must have for a rollback
	Floor int64   // how long it must be for one
	Grace int64   // how far the baseline may be behind the release before it counts as gone
}

// Terms are what a Rule is made of. Times are in any one unit.
type Terms struct {
	Limit   float64 // bad share that a good release keeps
	Trigger float64 // bad share from which it is rolled back
	Alpha   float64 // how likely a good release may be held
	Cluster float64 // bad events that carry the information of one; below 1 it is 1
	Aside   int     // periods that a burst touches, see NewRider; 0: bursts are not ridden out
	Period  int64   // length of one
	Beside  bool    // there is a baseline
	Least   float64 // see Rule
	Floor   int64
	Grace   int64
}

// NewRule is the rule on these terms.
func NewRule(t Terms) *Rule {
	r := &Rule{
		Test: NewTest(t.Limit, t.Trigger).Clustered(t.Cluster), Limit: t.Limit, Bound: -math.Log(t.Alpha),
		Least: t.Least, Floor: t.Floor, Grace: t.Grace,
	}
	if t.Aside > 0 && t.Aside <= MostAside {
		r.Rider = NewRider(r.Test, t.Aside, t.Period)
	}
	if t.Beside {
		r.Pair = NewPair(0).Clustered(t.Cluster)
	}
	return r
}

// Case is what a rule has seen of a release. Its zero value has seen nothing.
type Case struct {
	Track  Track
	Ride   Ride
	Lasts  [alternatives]Lasting // for how long; nothing where the rule has no Floor
	Beside *Versus               // what runs beside the release; nil where nothing does. It is changed in place
}

// Versus is a release against what runs beside it.
type Versus struct {
	Pair  PairTrack
	Sway  Sway
	Over  [alternatives + 1]Minute // the baseline over each stretch; the last is that of a missed limit
	Until int64                    // end of the newest period with a baseline
}

// Scope is what a case is judged in.
type Scope struct {
	From   int64   // since when the rule watches
	Newest int64   // end of the newest period that is known
	Deaf   bool    // the source of the baseline cannot be asked
	Filled float64 // how many of the newest events are only plausible
	Past   float64 // log e-value against "no worse than earlier releases"; 0 where there are none
}

// Standing is where a rule stands.
type Standing struct {
	Rung     Rung
	Baseline bool // it rests on the baseline, or on earlier releases: a warning, or a hold because the baseline is as bad
	Compared bool // there is a baseline to confirm a rollback

	Warn, Hold, Mid float64 // log e-values against the limit, and against the middle of limit and trigger
	Pair, Confirm   float64 // the same against "no worse than the baseline"

	Suspect bool    // a stretch stands out
	LLR     float64 // by so much
	Bad, N  float64 // of the suspect stretch, of all where none stands out
	Start   int64   // of it
	Over    Minute  // the baseline over it

	Miss Part // what speaks most clearly of a missed limit
}

// Part is a stretch of what was seen.
type Part struct {
	LLR    float64 // what it weighs; 0 or less if it does not speak against the release
	Start  int64
	Bad, N float64
	Over   Minute // the baseline over it
}

// Look adds one period, from at to end, and what the baseline counted in it. See
// [Test.Look] for omega.
func (r *Rule) Look(c *Case, at, end int64, canary, baseline Minute, omega float64) {
	r.Test.Look(&c.Track, at, canary, omega)
	if r.Rider != nil {
		r.Rider.Look(&c.Ride, at, canary, omega)
	}
	r.last(c, at, end, canary)
	v := c.Beside
	if r.Pair == nil || v == nil {
		return
	}
	for j := range v.Over {
		if r.stretch(c, j).Start == at {
			v.Over[j] = Minute{}
		}
	}
	if !(baseline.N > 0) {
		return
	}
	r.Pair.Look(&v.Pair, canary, baseline, omega)
	r.Pair.Sway(&v.Sway, canary, baseline, omega)
	v.Until = end
	for j := range v.Over {
		v.Over[j].Bad += baseline.Bad
		v.Over[j].N += baseline.N
	}
}

// stretch is the j-th stretch. The last is that of a missed limit.
func (r *Rule) stretch(c *Case, j int) Part {
	if r.Rider != nil {
		s := &c.Ride.Stretches[j]
		return Part{LLR: s.LLR, Start: s.Start, N: s.N, Bad: s.Bad}
	}
	s := &c.Track.Miss
	if j < alternatives {
		s = &c.Track.Segments[j]
	}
	return Part{LLR: s.LLR, Start: s.Start, N: s.N, Bad: s.Bad}
}

// suspect is the index of the stretch that speaks most clearly of a fault, and whether
// it does.
func (r *Rule) suspect(c *Case) (j int, speaks bool) {
	if r.Rider != nil {
		s, j := r.Rider.Suspect(&c.Ride)
		return j, s.LLR > 0
	}
	for k := range c.Track.Segments {
		if c.Track.Segments[k].LLR > c.Track.Segments[j].LLR {
			j = k
		}
	}
	return j, c.Track.Segments[j].LLR > 0
}

// Standing says on which rung a case stands: see docs/deciding.md.
func (r *Rule) Standing(c *Case, in Scope) Standing {
	s := Standing{Warn: r.Test.Warn(&c.Track), Mid: r.Test.Midpoint(&c.Track), Bad: c.Track.Bad, N: c.Track.N, Start: in.From}
	j := r.describe(c, in, &s)
	seen, clear := r.persists(c, &s)
	long := in.Newest-s.Start >= r.Floor && r.lasts(c, j) && s.N-in.Filled >= r.Least
	confirmed := !s.Compared || s.Confirm >= ConfirmAt
	held := seen && s.Hold >= r.Bound
	switch {
	case held && long && confirmed && clear:
		s.Rung = Firing
	case held:
		beside := s.Over
		if !s.Suspect && s.Miss.LLR > 0 {
			beside = s.Miss.Over // the stretch that holds
		}
		s.Rung, s.Baseline = Holding, !confirmed && beside.Bad > r.Limit*beside.N
	case s.Warn >= r.Bound:
		s.Rung = Warning
	case s.Compared && s.Pair >= r.Bound, in.Past >= r.Bound:
		s.Rung, s.Baseline = Warning, true
	}
	return s
}

// describe fills in the suspect stretch, whose index it gives, and what the baseline
// says of it.
func (r *Rule) describe(c *Case, in Scope, s *Standing) int {
	j, speaks := r.suspect(c)
	worst := r.stretch(c, j)
	if s.Suspect = speaks; speaks {
		s.LLR, s.Start, s.Bad, s.N = worst.LLR, worst.Start, worst.Bad, worst.N
	}
	s.Miss = r.stretch(c, alternatives)
	v := c.Beside
	if r.Pair == nil || v == nil {
		return j
	}
	s.Over, s.Miss.Over = Minute{N: v.Pair.BaselineN, Bad: v.Pair.BaseX}, v.Over[alternatives]
	if speaks {
		s.Over = v.Over[j]
	}
	// A baseline that may only be behind is waited for. If it has ended, the limit alone
	// decides, unless it was seen to fail as well: a known outage is not forgotten.
	awaited := in.Deaf || max(v.Until, in.From)+r.Grace > in.Newest
	if s.Compared = awaited || v.Until > worst.Start+(in.Newest-worst.Start)/2 || s.Over.Bad > r.Limit*s.Over.N; s.Compared {
		s.Pair, s.Confirm = r.Pair.LogE(&v.Pair), r.Pair.Confirms(&v.Pair, &v.Sway)
	}
	return j
}

// persists fills in Hold, and reports whether there is enough to hold, and whether what
// takes events as independent speaks for a rollback.
func (r *Rule) persists(c *Case, s *Standing) (seen, clear bool) {
	if r.Rider == nil {
		s.Hold = r.Test.Hold(&c.Track)
		return r.Test.Persists(&c.Track), s.Mid >= MidpointAt
	}
	s.Hold = r.Rider.Hold(&c.Ride)
	return r.Rider.Persists(&c.Ride), r.Rider.Clear(&c.Ride, s.Warn, s.Mid, r.Bound)
}

// Earlier fills in what a case lacks that was stored before there were rides: what was
// bet on minutes goes on with the stakes of now, which may change from minute to minute.
// The stretches, and what a burst of theirs showed, begin anew.
func (c *Case) Earlier() {
	t := &c.Track
	c.Ride = Ride{Looks: t.Looks, MB: t.MB, Seen: Spread{N: t.N, Bad: t.Bad, Square: t.Square, Looks: int64(t.Looks)}}
	if v := c.Beside; v != nil && v.Pair.Looks > 0 {
		p := &v.Pair // how its minutes differed is not known: they count as one that was steady
		v.Sway = Sway{MB: p.MB, Beside: Spread{N: p.BaselineN, Bad: p.BaseX, Square: p.BaseX * p.BaseX / p.BaselineN, Looks: 1}}
	}
}
