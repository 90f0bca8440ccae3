package evidence

import "math"

// alternatives and bets are the sizes of the mixtures of a Test. Four rates
// and three fractions cost little against the best one in hindsight (log 10
// nats at most) and need no tuning to a service.
const (
	alternatives = 4
	bets         = 3
)

// missBet is the size of bet, of a Test, that follows Track.Miss: the middle one.
const missBet = 1

// The weights of the mixtures: most of the wealth on what is hardest to see.
var (
	rateWeights = [alternatives]float64{.4, .3, .2, .1}
	betFracs    = [bets]float64{.06, .30, .95}
	betWeights  = [bets]float64{.4, .3, .3}
)

// Minute is what one period of event time counted.
type Minute struct {
	N   float64 // events
	Bad float64 // how many of them were bad; fractional where the source interpolates
}

// counted returns the minute as a valid pair, and false if it says nothing: no
// events, or impossible counts.
func (m Minute) counted() (Minute, bool) {
	x, n, ok := counts(m.Bad, m.N)
	return Minute{N: n, Bad: x}, ok
}

// Test is the sequential test of one rule on counts, fixed for a release: its
// null hypothesis is "the bad rate is at most the limit", its alternatives lie
// above the trigger. Between the two is Wald's zone of indifference (Wald 1945,
// "Sequential tests of statistical hypotheses"), which makes the test
// fast: a release that meets its limit is protected, one beyond its trigger is
// found, and one in between may end either way.
//
// More bad events, instead of good ones or in addition, in any period, never
// lower Warn, Hold, Midpoint or the LLR of Suspect at that look or a later one.
//
// A Test has no state; it may be shared.
type Test struct {
	logW     [alternatives]float64
	bad      [alternatives]float64 // log(p_j/limit): what a bad event adds
	good     [alternatives]float64 // log((1-p_j)/(1-limit)): what a good event adds
	badMid   [alternatives]float64 // the same against the middle of limit and trigger
	goodMid  [alternatives]float64
	fracs    [bets]float64
	logB     [bets]float64
	perLimit float64 // 1/limit
}

// Segment is a stretch of periods that ends at the last look: the restart of
// one alternative's cumulative sum (Page 1954, "Continuous inspection
// schemes"). The one with the greatest LLR is the best estimate of when a release
// began to fail, and at what rate.
type Segment struct {
	LLR      float64 // sum of the log likelihood ratio, nats
	N, Bad   float64 // events and bad events
	Start    int64   // time of its first period, as given to Look
	Most     float64 // bad events of its worst period
	BadLooks uint32  // periods with at least one whole bad event
}

// The least that is needed for an action, however strong the evidence is.
const (
	leastBad   = 3 // bad events beside the worst period
	leastLooks = 2 // periods with a bad event
)

// The log e-values that a rollback needs in addition to the one of its rule's
// share of the budget.
const (
	MidpointAt = 1.6094379124341003 // ln 5, of Test.Midpoint
	ConfirmAt  = 2.995732273553991  // ln 20, of Pair.Confirm if there is a baseline
)

// Persists reports whether there are enough bad events to hold or roll back: at
// least three beside those of the worst period, in at least two periods. One
// burst with a single failure after it is not enough. It looks at the suspect
// segment, or at all periods if no alternative is likely: a release between limit
// and trigger has no such segment, and may still clearly miss its limit.
func (t *Test) Persists(tr *Track) bool {
	if s := t.Suspect(tr); s.LLR > 0 {
		return persists(s.Bad, s.Most, s.BadLooks)
	}
	return persists(tr.Bad, tr.Most, tr.BadLooks)
}

func persists(bad, most float64, looks uint32) bool {
	return bad-most >= leastBad && looks >= leastLooks
}

// Track is the running evidence of one Test. It has a fixed size whatever the
// length of the window, is comparable with ==, and its zero value has seen
// nothing. Its numbers are finite, so that any encoding can keep them; those
// in LR, MB and Mid are meaningless while Looks is 0.
type Track struct {
	Looks    uint32                // periods with events
	BadLooks uint32                // periods with at least one whole bad event
	N, Bad   float64               // events and bad events, as counted
	Most     float64               // bad events of the worst period
	Square   float64               // sum of Bad²/N over the periods; part of the stored form
	LR       [alternatives]float64 // log S_j of the likelihood ratio against the limit
	MB       [bets]float64         // log S_j of the betting on minutes
	Mid      [alternatives]float64 // log S_j of the likelihood ratio against the middle of limit and trigger
	Segments [alternatives]Segment

	// Miss is the stretch that speaks most clearly of a release that misses its
	// limit, by the betting of Hold: a rate between limit and trigger is too low
	// for any of Segments.
	Miss Segment
}

// NewTest returns the test of a rule whose target is a bad rate of at most
// limit and which rolls back from trigger on, 0 < limit <= trigger < 1.
//
// Out of range, a limit or trigger is moved to the nearest rate of
// [1e-9, 0.999], and a trigger below the limit becomes the limit. If one is NaN
// the test is inert: it never has any evidence.
func NewTest(limit, trigger float64) *Test {
	if math.IsNaN(limit) || math.IsNaN(trigger) {
		return inert()
	}
	limit = clamp(limit, 1e-9, .999)
	trigger = clamp(trigger, limit, .999)
	t := &Test{fracs: betFracs, perLimit: 1 / limit}
	for j, p := range Alternatives(trigger) {
		t.logW[j] = math.Log(rateWeights[j])
		t.bad[j], t.good[j] = steps(p, limit)
		t.badMid[j], t.goodMid[j] = steps(p, limit+(trigger-limit)/2)
	}
	for j, w := range betWeights {
		t.logB[j] = math.Log(w)
	}
	return t
}

// inert returns a test whose factors are all 1.
func inert() *Test {
	t := &Test{}
	for j, w := range rateWeights {
		t.logW[j] = math.Log(w)
	}
	for j, w := range betWeights {
		t.logB[j] = math.Log(w)
	}
	return t
}

// steps returns what a bad and a good event add to the log likelihood ratio of
// p against p0.
func steps(p, p0 float64) (bad, good float64) {
	return math.Log(p / p0), math.Log1p(-p) - math.Log1p(-p0)
}

// Alternatives returns the rates that a Test bets on for a trigger T: 7/6 T,
// 2 T, the smaller of 5 T and 40 %, and 50 %. Above T = 15 %, where these
// would meet, the same distances are kept as shares of what is left up to 1:
// T + (1-T)·{1/34, 6/34, 10/34, 14/34}, which is the same at 15 %. So they
// are strictly increasing, above T and below 1 for every T in (0, 1).
func Alternatives(trigger float64) [alternatives]float64 {
	t := clamp(trigger, 1e-12, .9999)
	if t <= .15 {
		return [alternatives]float64{7 * t / 6, 2 * t, min(5*t, .4), .5}
	}
	left := (1 - t) / 34
	return [alternatives]float64{t + left, t + 6*left, t + 10*left, t + 14*left}
}

// Look adds one period to tr. omega is the part of the prior probability, one
// for a whole window, that the fault begins with this period; it may be 0, and
// is not negative. at is the period's time in any unit, and only kept.
//
// A period without events changes nothing, and neither does one with impossible
// counts (NaN, negative, above 2^53). A fractional Bad is rounded down. The cost
// is constant and nothing is allocated.
func (t *Test) Look(tr *Track, at int64, m Minute, omega float64) {
	m, ok := m.counted()
	if !ok {
		return
	}
	tr.begin()
	bad := wholeDown(m.Bad)
	good, start := m.N-bad, logWeight(omega)
	for j := range tr.LR {
		llr := bad*t.bad[j] + good*t.good[j]
		tr.LR[j] = logAdd(tr.LR[j], start) + llr
		tr.Mid[j] = logAdd(tr.Mid[j], start) + bad*t.badMid[j] + good*t.goodMid[j]
		tr.Segments[j].add(at, m, bad, llr)
	}
	edge := bad/m.N*t.perLimit - 1
	tr.Miss.add(at, m, bad, math.Log1p(t.fracs[missBet]*edge))
	for j := range tr.MB {
		tr.MB[j] = logAdd(tr.MB[j], start) + math.Log1p(t.fracs[j]*edge)
	}
	tr.count(m, bad)
}

// begin sets the logarithms of a track that has seen nothing to logZero.
func (tr *Track) begin() {
	if tr.Looks > 0 {
		return
	}
	for j := range tr.LR {
		tr.LR[j], tr.Mid[j] = logZero, logZero
	}
	for j := range tr.MB {
		tr.MB[j] = logZero
	}
}

// count adds a period to the sums.
func (tr *Track) count(m Minute, bad float64) {
	tr.Looks++
	tr.N += m.N
	tr.Bad += m.Bad
	tr.Most = max(tr.Most, m.Bad)
	tr.Square += m.Bad * m.Bad / m.N
	if bad >= 1 {
		tr.BadLooks++
	}
}

// add continues the segment with a period, or restarts it there if what it has
// seen so far speaks against its alternative.
func (s *Segment) add(at int64, m Minute, bad, llr float64) {
	if !(s.LLR > 0) {
		*s = Segment{Start: at}
	}
	s.LLR += llr
	s.N += m.N
	s.Bad += m.Bad
	s.Most = max(s.Most, m.Bad)
	if bad >= 1 {
		s.BadLooks++
	}
}

// logWeight is the logarithm of a start weight.
func logWeight(omega float64) float64 {
	if !(omega > 0) {
		return logZero
	}
	return math.Log(min(omega, 1))
}

// Warn is the log e-value against "the rate is at most the limit" that takes the
// events as independent: the mixture of likelihood ratios over the rates of
// Alternatives, each with an unknown start (Shiryaev 1963, Roberts 1966,
// Pollak 1985; with weights that sum to at most 1 it is an e-process, and
// Ville's inequality of 1939 bounds it at all times). It is the fastest of the
// three and the least robust: it takes bursts of failures for evidence.
//
// Before the first look it is 0.
func (t *Test) Warn(tr *Track) (logE float64) { return mixed(tr.Looks, t.logW[:], tr.LR[:]) }

// Hold is the log e-value against "in every minute the mean of the bad share
// is at most the limit": betting on the share of each minute (Waudby-Smith and
// Ramdas 2024, "Estimating means of bounded random variables by betting"),
// with three sizes of bet and an unknown start. It is valid for any dependence
// inside a minute. One minute can multiply it by at most 1 + .95(1-limit)/limit,
// so one burst is not evidence.
//
// Before the first look it is 0.
func (t *Test) Hold(tr *Track) (logE float64) { return mixed(tr.Looks, t.logB[:], tr.MB[:]) }

// Midpoint is as Warn, but against "the rate is at most the middle of limit and
// trigger": whether a release that misses its target does so by enough to be
// rolled back.
//
// Before the first look it is 0.
func (t *Test) Midpoint(tr *Track) (logE float64) { return mixed(tr.Looks, t.logW[:], tr.Mid[:]) }

// mixed is the log of the weighted sum of e^s, at least logZero.
func mixed(looks uint32, logW, s []float64) float64 {
	if looks == 0 {
		return 0
	}
	var terms [alternatives]float64
	for j := range s {
		terms[j] = logW[j] + s[j]
	}
	return max(logSum(terms[:len(s)]), logZero)
}

// Suspect is the segment with the greatest log likelihood ratio: the stretch
// of periods that speaks most clearly for a failing release. It was selected
// because its rate is high, so it is for display and not for deciding. It is the
// zero Segment before the first look.
func (t *Test) Suspect(tr *Track) Segment {
	best := tr.Segments[0]
	for _, s := range tr.Segments[1:] {
		if s.LLR > best.LLR {
			best = s
		}
	}
	return best
}
