package evidence

// Clustered is the test for samples of which c together carry the information
// of one, because they come from the same user: their log likelihood ratios are
// divided by c, the design effect (Kish 1965, "Survey sampling"), which is the
// same as to count n/c events with x/c bad ones. Betting on minutes stays as it
// is: it is valid whatever the dependence inside a minute. A c that is not
// above 1 changes nothing.
func (t *Test) Clustered(c float64) *Test {
	if !(c > 1) {
		return t
	}
	d := *t
	for j := range d.rates {
		d.bad[j] /= c
		d.good[j] /= c
		d.badMid[j] /= c
		d.goodMid[j] /= c
	}
	return &d
}
