package evidence

import "math"

// Sway is what a Pair knows beside its PairTrack of a baseline that swings by itself. It
// has a fixed size, is comparable with ==, and its zero value has seen nothing; its
// numbers are finite.
type Sway struct {
	MB     [bets]float64 // log S_j of the betting on minutes
	Beside Spread        // the baseline over the same minutes
}

const (
	swaySigma = 4.0 // how far the baseline's mean may lie above what was seen, in standard errors
	swayNoise = 1.0 // how much of the measured swing may be chance, in standard errors
)

// Sway adds one minute of both sides, as [Pair.Look] does for the same minute.
func (p *Pair) Sway(s *Sway, canary, baseline Minute, omega float64) {
	c, okC := canary.counted()
	b, okB := baseline.counted()
	if !okC || !okB {
		return
	}
	if s.Beside.Looks == 0 {
		s.MB = [bets]float64{logZero, logZero, logZero}
	}
	c.Bad, b.Bad = wholeDown(c.Bad), min(wholeUp(b.Bad), b.N)
	s.Beside.Add(b)
	edge, start := 0., logWeight(omega)
	if c.Bad+b.Bad > 0 {
		edge = c.Bad/c.N/max((c.Bad+b.Bad)/(c.N+b.N), s.usual()) - 1
	}
	for j, frac := range pairFracs {
		s.MB[j] = logAdd(s.MB[j], start) + math.Log1p(frac*edge)
	}
}

// usual is a bad rate that the mean of a baseline that swings does not exceed, as far as
// its minutes show: as many standard errors above what was seen as the swing, by Pearson's
// dispersion less its own standard error, adds. It is 0 for one that does not swing.
func (s *Sway) usual() float64 {
	b := &s.Beside
	excess := b.Phi() - 1 - swayNoise*math.Sqrt(2/float64(max(b.Looks-1, 1)))
	if !(excess > 0) {
		return 0
	}
	return (b.Bad + swaySigma*math.Sqrt(excess*(b.Bad+1))) / b.N
}

// Confirms is the log e-value against "the canary is no worse" that a rollback needs,
// 0 before the first look. It is [Pair.Confirm] for sides that also swing each on its
// own, minute by minute, so that in a single minute one of them is worse by chance.
//
// Confirm compares a minute's canary with the same minute of both. If the canary is no
// worse in any minute, its factor has a mean of at most 1. If both have the same mean and
// swing independently, it has not: 1/rate has a greater mean than 1/(mean rate). So here
// the canary's share is divided by the rate of both in that minute or by what is usual for
// the baseline (usual), whichever is greater. A shared outage is still no evidence, because
// the first is then the greater; and neither is a quiet minute of the baseline, because the
// mean of share/usual is at most 1 as long as usual is not below the mean of both.
//
// The likelihood ratio beside it is divided by twice the baseline's dispersion, if that is
// more than the groups that Confirm allows for.
func (p *Pair) Confirms(tr *PairTrack, s *Sway) float64 {
	if p.delta != 0 || tr.Looks == 0 {
		return p.LogE(tr)
	}
	lr, mb := p.LogE(tr), mixed(tr.Looks, p.logB[:], s.MB[:])
	return min(lr, logAdd(logMost+mb, logRest+lr/max(p.phi, 2*s.Beside.Phi())))
}
