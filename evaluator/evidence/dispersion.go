package evidence

// Spread is the sums over periods that Pearson's dispersion needs, so that the
// periods themselves need not be kept. The zero value has seen none.
type Spread struct {
	N, Bad float64 // events and bad events
	Square float64 // sum of Bad²/N
	Looks  int64   // periods with events
}

// Add adds one period. A period without events, or with impossible counts,
// changes nothing.
func (s *Spread) Add(m Minute) {
	m, ok := m.counted()
	if !ok {
		return
	}
	s.N += m.N
	s.Bad += m.Bad
	s.Square += m.Bad * m.Bad / m.N
	s.Looks++
}

// Raw is Pearson's chi-squared over its degrees of freedom: about 1 for
// independent events, 5 where failures come in groups of five (Pearson 1900;
// as the dispersion of binomial data McCullagh and Nelder 1989, 4.5). Without
// two periods, a good and a bad event it is not defined, and 0.
func (s Spread) Raw() float64 {
	if s.Looks < 2 || !(s.Bad > 0) || !(s.Bad < s.N) {
		return 0
	}
	p := s.Bad / s.N
	raw := (s.Square - s.Bad*p) / (p * (1 - p)) / float64(s.Looks-1)
	return clamp(raw, 0, maxCount)
}

// Phi is Raw, at least 1: a release gets no credit for failing evenly.
func (s Spread) Phi() float64 { return max(1, s.Raw()) }
