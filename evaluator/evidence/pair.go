package evidence

import "math"

// pairBets is the number of bets of a Pair.
const pairBets = 3

// The ratios of the canary's rate to the baseline's that are bet on, and the
// weights of the bets.
var (
	pairRatios  = [pairBets]float64{2, 5, 15}
	pairWeights = [pairBets]float64{.4, .35, .25}
)

// The fractions that are staked on a minute's bad events being the canary's, and
// their weights. 0.3 is about the best if the canary gets a tenth of few events,
// 0.7 if it gets half of them.
var (
	pairFracs       = [bets]float64{.1, .3, .7}
	pairFracWeights = [bets]float64{.15, .5, .35}
)

// A rollback is confirmed mostly by the betting on minutes. The rest is the
// likelihood ratio, computed as if bad events came in groups of at least this
// size: a minute in which nearly all events are the canary's says little, while
// many bad events say much.
var (
	logMost = math.Log(.95)
	logRest = math.Log(.05)
)

const leastGroup = 10.0

const (
	// pairFloor times half the ratio is the least rate that is bet on: below
	// half a per cent a difference is not worth finding.
	pairFloor = .005

	// pairPrior is the number of events, half a bad one among them, that the
	// estimate of the baseline begins with: the bets of the first minutes are
	// on rates of some per cent, and an hour of any traffic outweighs it.
	pairPrior = 100.0
)

// pairKeep is what a look leaves of the earlier ones in the estimate of the
// baseline: a half-life of 60 looks.
var pairKeep = math.Exp2(-1. / 60)

// Pair is the sequential test of a canary against the baseline beside it: its
// null hypothesis is "in every minute the canary's bad rate is at most delta
// above the baseline's", whatever that rate is and however it changes. What
// hits both, such as an outage of something they share, is not evidence.
//
// It is the two-sample e-variable of Turner, Ly and Grünwald (2024, "Generic
// e-variables for exact sequential k-sample tests that allow for optional
// stopping"), with bets that follow the baseline of earlier minutes and an
// unknown start. More bad events of the canary never lower the evidence; more
// of the baseline lower that of their minute, but the bets of later minutes
// follow them, so nothing is promised then. A Pair has no state; it may be
// shared.
//
// LogE takes the events as independent. Retries and crash loops are not: if both
// sides fail in clusters, each cluster falls on one side, and chance looks like a
// difference. Confirm is misled far less.
type Pair struct {
	delta float64
	logW  [pairBets]float64
	logB  [bets]float64
	phi   float64 // bad events of a group, at least, that Confirm allows for
}

// PairTrack is the running evidence of one Pair. It has a fixed size, is
// comparable with ==, and its zero value has seen nothing. Its numbers are
// finite; those in LR and MB are meaningless while Looks is 0.
type PairTrack struct {
	Looks            uint32            // minutes in which both sides had events
	LR               [pairBets]float64 // log S_j of each bet
	MB               [bets]float64     // log S_j of the betting on minutes, see Pair.Confirm
	BaseN, BaseBad   float64           // baseline, leaky: halved in 60 looks
	CanaryN, CanaryX float64           // canary's events and bad events over the looks
	BaselineN, BaseX float64           // baseline's over the same looks
}

// NewPair returns the test against a difference of rates of at most delta,
// which is 0 for "no worse" and positive for "worse by no more than". It is
// moved into [-0.99, 0.99]. NaN becomes 0.99, against which there is hardly ever
// evidence.
func NewPair(delta float64) *Pair {
	if math.IsNaN(delta) {
		delta = 1
	}
	p := &Pair{delta: clamp(delta, -.99, .99), phi: leastGroup}
	for j, w := range pairWeights {
		p.logW[j] = math.Log(w)
	}
	for j, w := range pairFracWeights {
		p.logB[j] = math.Log(w)
	}
	return p
}

// Clustered is the test for bad events of which cluster carry the information of
// one: Confirm allows for groups of twice as many. Below 1, or NaN, it is 1.
func (p *Pair) Clustered(cluster float64) *Pair {
	c := *p
	if cluster > 1 {
		c.phi = max(leastGroup, 2*min(cluster, maxCount))
	}
	return &c
}

// Look adds one minute of both sides. omega is the part of the prior
// probability that the fault begins with it, as in [Test.Look]. A minute in
// which either side has no events, or impossible counts, changes nothing.
// The canary's fractional count is rounded down and the baseline's up, against
// the evidence.
func (p *Pair) Look(tr *PairTrack, canary, baseline Minute, omega float64) {
	c, okC := canary.counted()
	b, okB := baseline.counted()
	if !okC || !okB {
		return
	}
	if tr.Looks == 0 {
		tr.LR = [pairBets]float64{logZero, logZero, logZero}
		tr.MB = [bets]float64{logZero, logZero, logZero}
	}
	c.Bad, b.Bad = wholeDown(c.Bad), min(wholeUp(b.Bad), b.N)
	start := logWeight(omega)
	for j, bet := range p.bets(tr) {
		logE, _, _ := LogTwoSample(c, b, bet.canary, bet.baseline, p.delta)
		tr.LR[j] = logAdd(tr.LR[j], start) + logE
	}
	edge := 0.
	if all := c.Bad + b.Bad; all > 0 {
		edge = c.Bad/c.N*((c.N+b.N)/all) - 1
	}
	for j, frac := range pairFracs {
		tr.MB[j] = logAdd(tr.MB[j], start) + math.Log1p(frac*edge)
	}
	tr.learn(c, b)
}

// learn adds a minute to the counts, for the bets of later ones.
func (tr *PairTrack) learn(c, b Minute) {
	tr.Looks++
	tr.BaseN = tr.BaseN*pairKeep + b.N
	tr.BaseBad = tr.BaseBad*pairKeep + b.Bad
	tr.CanaryN += c.N
	tr.CanaryX += c.Bad
	tr.BaselineN += b.N
	tr.BaseX += b.Bad
}

// bet is a pair of rates.
type bet struct{ canary, baseline float64 }

// bets are the rates that the next minute is bet on, from earlier minutes
// only: that is what makes the product of the minutes an e-process.
func (p *Pair) bets(tr *PairTrack) [pairBets]bet {
	base := clamp((tr.BaseBad+.5)/(tr.BaseN+pairPrior), 1e-9, 1-1e-9)
	var out [pairBets]bet
	for j, ratio := range pairRatios {
		rate := max(min(ratio*base, 1-(1-base)/ratio), pairFloor*ratio/2)
		out[j] = bet{canary: min(rate+max(p.delta, 0), 1-1e-9), baseline: base}
	}
	return out
}

// LogE is the log e-value against the null hypothesis, 0 before the first look.
func (p *Pair) LogE(tr *PairTrack) float64 { return mixed(tr.Looks, p.logW[:], tr.LR[:]) }

// Confirm is the log e-value against "the canary is no worse" that a rollback
// needs, 0 before the first look. It is at most LogE, and at most a weighted mean,
// 95 to 5, of two e-values that bad events in groups do not mislead.
//
// The first bets on the canary's part of a minute's bad events (as [Test.Hold]
// bets on the bad share). If the canary is no worse, that part is on average at
// most its part of all events, even if bad events come in groups of any size, each
// group on one side. A minute without bad events says nothing, and one minute can
// multiply the e-value by at most 1 + .7 times the events of the baseline for each
// of the canary's. So it is slow if the canary has most of the traffic.
//
// The second is LogE divided by 10, or by twice the cluster: E^(1/phi) is a
// supermartingale too (Jensen 1906), and wins no more than independent groups of phi
// would. Larger groups mislead it.
//
// Both are for a delta of 0. With another one, Confirm is LogE.
func (p *Pair) Confirm(tr *PairTrack) float64 {
	if p.delta != 0 {
		return p.LogE(tr)
	}
	lr, mb := p.LogE(tr), mixed(tr.Looks, p.logB[:], tr.MB[:])
	return min(lr, logAdd(logMost+mb, logRest+lr/p.phi))
}

// LogTwoSample is the log e-value of one block of a canary and a baseline
// against "the canary's rate is at most delta above the baseline's", betting on
// the rates pcAlt and pbAlt: the likelihood ratio of the bet against its
// projection (a, b) in Kullback-Leibler divergence, weighted by the numbers of
// events, on the line a - b = delta (Turner, Ly and Grünwald 2024, with delta
// in Turner and Grünwald 2023, "Exact anytime-valid confidence intervals for
// contingency tables and beyond"). The product of blocks is an e-value, if
// each block's bet was chosen before it.
//
// It is 0 for a bet that does not claim a difference above delta (it is its own
// projection), for a bet that is not two rates in (0, 1), and for a block without
// events. A side with impossible counts is treated as without events.
func LogTwoSample(canary, baseline Minute, pcAlt, pbAlt, delta float64) (logE, a, b float64) {
	c, okC := canary.counted()
	d, okD := baseline.counted()
	if !inside(pcAlt) || !inside(pbAlt) || !(pcAlt-pbAlt > delta) || (!okC && !okD) {
		return 0, pcAlt, pbAlt
	}
	if delta == 0 {
		a = (c.N*pcAlt + d.N*pbAlt) / (c.N + d.N)
		b = a
	} else {
		a, b = project(c.N, d.N, pcAlt, pbAlt, delta)
	}
	if !inside(a) || !inside(b) { // the bet is at the very edge
		return 0, pcAlt, pbAlt
	}
	return logRatio(c.Bad, c.N, pcAlt, a) + logRatio(d.Bad, d.N, pbAlt, b), a, b
}

// project returns the point with a - b = delta that is nearest to the bet. The
// divergence is convex along the line, and its slope changes its sign between
// where b, and where a, is the bet's own rate.
func project(nc, nb, pc, pb, delta float64) (a, b float64) {
	b = bisect(max(pb, -delta), min(pc-delta, 1), func(b float64) bool {
		a := b + delta
		return nc*(a-pc)*b*(1-b)+nb*(b-pb)*a*(1-a) >= 0
	})
	return b + delta, b
}
