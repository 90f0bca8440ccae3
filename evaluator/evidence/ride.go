package evidence

import "math"

// MostAside is the greatest number of periods that a burst may touch: ten minutes,
// beginning anywhere in a minute.
const MostAside = 11

// What must be left of a stretch without its worst burst, in nats, before anything is
// held or rolled back.
const (
	restAt     = 2.0  // of the stretches of the alternatives, a minute being one witness
	missRestAt = 3.5  // of the stretch that speaks of a missed limit
	stormAt    = 20.0 // from this on, each event being a witness, the burst is a storm:
	rideAt     = 7.0  // then this is needed beside it
)

// Of the evidence against a release so much is betting on minutes. The rest takes
// events as independent, as far as the minutes before have shown that they are.
var (
	logMinutes = math.Log(.95)
	logEvents  = math.Log(.05)
)

const (
	mostBet   = .99 // of the wealth is staked on a period, at most
	boldFrom  = .6  // square of the bad events of a good release from which a bet is bold
	calmLooks = 10  // periods before a stretch from which on they say how much it swings
	calmSigma = 2.0 // how sure that must be, in standard errors
)

// Rider is a Test that rides out bursts: what a burst of some periods shows is set
// aside, and the rest of the stretch must speak by itself. It finds a fault sooner
// than Test.Hold where a period has many events, since it bets more on such a
// period. It has no state and may be shared.
type Rider struct {
	test   *Test
	span   int64 // of the periods that a burst touches
	aside  int   // how many they are
	logBet [bets]float64
}

// Ride is the running evidence of one Rider. It has a fixed size, is comparable with
// ==, and its zero value has seen nothing. Its numbers are finite.
type Ride struct {
	Looks     uint32
	MB        [bets]float64             // log S_j of the betting on minutes, see Rider.Hold
	Seen      Spread                    // all periods
	Recent    [MostAside]Witness        // the newest periods, the newest first
	Stretches [alternatives + 1]Stretch // of each alternative; the last is of a missed limit
}

// Witness is what one period says.
type Witness struct {
	At     int64
	N, Bad float64 // whole bad events
	Most   float64 // log(share/limit), at least 0: the most that it may weigh against the release
	Miss   float64 // its weight in the stretch of a missed limit
}

// Stretch is a stretch of periods that ends at the last look: the restart of a
// cumulative sum (Page 1954), in which a period is one witness and weighs at most
// log(share/limit).
type Stretch struct {
	LLR, N, Bad float64
	Start       int64
	BadLooks    uint32  // periods with a bad event
	Looks       uint32  // periods
	Square      float64 // sum of Bad²/N
	Events      float64 // log likelihood ratio in which every event is a witness
	Omega       float64 // log of the prior that a fault begins with its first period

	// Of all bursts that the stretch can be cut from, the greatest LLR, Events and bad
	// events. They need not be of the same burst.
	Burst, BurstEvents, BurstBad float64

	// What the periods before it show: by how much bad events come in clusters, and a
	// bound for how much they could at the limit. 0 for Calm: too little is known.
	Swing, Calm float64
}

// NewRider is the test t for bursts that touch so many periods, at least 1 and at most
// MostAside: ride_out/period + 1. period is the length of a period in the unit of the
// times given to Look.
func NewRider(t *Test, aside int, period int64) *Rider {
	r := &Rider{test: t, aside: min(max(aside, 1), MostAside)}
	r.span = int64(r.aside) * max(period, 1)
	for j, w := range betWeights {
		r.logBet[j] = math.Log(w)
	}
	return r
}

// Look adds one period to tr, as [Test.Look] does. The cost is constant, and nothing
// is allocated.
func (r *Rider) Look(tr *Ride, at int64, m Minute, omega float64) {
	m, ok := m.counted()
	if !ok || r.test.perLimit == 0 {
		return
	}
	if tr.Looks == 0 {
		tr.MB = [bets]float64{logZero, logZero, logZero}
	}
	bad, start := wholeDown(m.Bad), logWeight(omega)
	edge := bad/m.N*r.test.perLimit - 1
	wary := wariness(m.N / r.test.perLimit)
	for j := range tr.MB {
		tr.MB[j] = logAdd(tr.MB[j], start) + math.Log1p(bold(r.test.fracs[j], wary)*edge)
	}
	now := Witness{At: at, N: m.N, Bad: bad, Most: math.Log(max(edge+1, 1)), Miss: math.Log1p(bold(r.test.fracs[missBet], wary) * edge)}
	copy(tr.Recent[1:], tr.Recent[:])
	tr.Recent[0] = now
	fresh := Stretch{Start: at, Omega: start, Swing: tr.Seen.Phi(), Calm: r.calm(&tr.Seen)}
	for j := range tr.Stretches {
		s := &tr.Stretches[j]
		if !(s.LLR > 0) {
			*s = fresh
		}
		llr, events := r.weight(j, &now)
		s.LLR += llr
		s.Events += events
		s.N += m.N
		s.Bad += bad
		s.Looks++
		s.Square += bad * bad / m.N
		if bad >= 1 {
			s.BadLooks++
		}
		r.burst(tr, j)
	}
	tr.Seen.Add(m)
	tr.Looks++
}

// wariness is how much of what a Test does not stake on a period is kept back, for a
// period in which a good release has at most so many bad events on average. If they
// are many, chance is small and a bold bet wins most.
func wariness(bad float64) float64 { return 1 / (1 + bad*bad/boldFrom) }

func bold(frac, wary float64) float64 { return min(1-(1-frac)*wary, mostBet) }

// weight is what a period weighs in the j-th stretch, as one witness and as many.
func (r *Rider) weight(j int, w *Witness) (llr, events float64) {
	if j == alternatives {
		return w.Miss, w.Miss
	}
	events = w.Bad*r.test.bad[j] + (w.N-w.Bad)*r.test.good[j]
	return min(events, w.Most), events
}

// burst notes what the newest periods of the j-th stretch add up to, which one burst
// could have touched.
func (r *Rider) burst(tr *Ride, j int) {
	s := &tr.Stretches[j]
	var llr, events, bad float64
	for k := range tr.Recent[:r.aside] {
		w := &tr.Recent[k]
		if w.N == 0 || w.At < s.Start || w.At <= tr.Recent[0].At-r.span {
			break
		}
		l, e := r.weight(j, w)
		llr, events, bad = llr+l, events+e, bad+w.Bad
	}
	s.Burst, s.BurstEvents, s.BurstBad = max(s.Burst, llr), max(s.BurstEvents, events), max(s.BurstBad, bad)
}

// calm is a bound for the factor by which bad events would come in clusters in a
// release at its limit, as far as periods show. Pearson's dispersion of k periods has a
// standard error of its value times sqrt(2/(k-1)). What it is above 1 grows with the
// rate: in proportion to it if the coefficient of variation stays the same, not at all
// if the correlation of the events does; the square root is between the two.
func (r *Rider) calm(s *Spread) float64 {
	if s.Looks < calmLooks {
		return 0
	}
	phi := s.Phi() * (1 + calmSigma*math.Sqrt(2/float64(s.Looks-1)))
	grow := s.N / (s.Bad + 1) / r.test.perLimit
	return 1 + (phi-1)*math.Sqrt(max(grow, 1))
}

// Hold is the log e-value against a release, 0 before the first look: a mixture, 95
// to 5, of two.
//
// The first is that of [Test.Hold], and rests on the same: that the expected bad share
// of each period keeps the limit. Its stakes depend on the number of events of the
// period, which says nothing of how many are bad: nearly all is staked on a period in
// which a good release would have several bad events, so that the wealth is multiplied
// by nearly share/limit.
//
// The second takes events as independent. It is the likelihood ratio of a stretch,
// times the prior that a fault began there, without the burst that speaks most: a term of
// Warn's sum. It is divided by Calm, and is 0 while too little is known of the periods
// before. So a release that was steady is held for a second or third bad minute with
// many events, and one that always swung is not.
func (r *Rider) Hold(tr *Ride) (logE float64) {
	if tr.Looks == 0 {
		return 0
	}
	most := logZero
	for j := range r.test.logW {
		if s := &tr.Stretches[j]; s.LLR > 0 && s.Calm > 0 {
			most = max(most, r.test.logW[j]+s.Omega+(s.Events-s.BurstEvents)/s.Calm)
		}
	}
	return logAdd(logMinutes+mixed(tr.Looks, r.logBet[:], tr.MB[:]), logEvents+most)
}

// Persists reports whether a stretch speaks against the release without the burst that
// speaks most: whatever a burst of the periods that are ridden out was like, it neither
// holds nor rolls back. A burst with more evidence than low traffic or a moderate fault
// give is a storm, and more must be left beside it.
func (r *Rider) Persists(tr *Ride) bool {
	for j := range tr.Stretches {
		s := &tr.Stretches[j]
		if !(s.LLR > 0) || s.Bad-s.BurstBad < leastBad || s.BadLooks < leastLooks {
			continue
		}
		rest := s.LLR - s.Burst
		if j == alternatives && rest >= missRestAt {
			return true
		}
		if j < alternatives && rest >= restAt && (s.BurstEvents < stormAt || s.Events-s.BurstEvents >= rideAt) {
			return true
		}
	}
	return false
}

// Suspect is the stretch of the alternatives with the greatest LLR, and its index: it
// is for display, and for what is compared over its time. LLR is 0 or less if no
// stretch is likely.
func (r *Rider) Suspect(tr *Ride) (s *Stretch, j int) {
	for k := range tr.Stretches[:alternatives] {
		if tr.Stretches[k].LLR > tr.Stretches[j].LLR {
			j = k
		}
	}
	return &tr.Stretches[j], j
}

// swing is by how much bad events come in clusters: before the stretch, or in it,
// whichever is more. Of what was before it, the part above 1 counts one and a half times:
// failures that spill over into the next period, as retries do, come in larger clusters
// than single periods show.
func (s *Stretch) swing() float64 {
	within := Spread{N: s.N, Bad: s.Bad, Square: s.Square, Looks: int64(s.Looks)}
	return max(s.Swing+max(s.Swing-1, 0)*spillOver, within.Phi())
}

const (
	mostPrior = 12.0 // bounds the prior of a stretch that begins after all of it is spent
	spillOver = .5
)

// Clear reports whether what takes events as independent still speaks for a rollback
// when they are not: warn and midpoint are those of the Test, bound the log e-value at
// which the rule acts. Hold and Persists are asked besides.
//
// Warn is divided by the clusters in which bad events come. The prior of a fault's start is no evidence
// and is not divided. A release whose failures come one by one reaches it sooner than
// Hold, so that it hardly costs anything there.
//
// Midpoint is divided by the clusters before the suspect stretch: a service whose rate
// drifts has minutes beyond the middle of limit and trigger that are no fault of the
// release.
func (r *Rider) Clear(tr *Ride, warn, midpoint, bound float64) bool {
	s, _ := r.Suspect(tr)
	prior := min(-s.Omega, mostPrior)
	return (warn+prior)/s.swing()-prior >= bound && midpoint/max(s.Swing, 1) >= MidpointAt
}
