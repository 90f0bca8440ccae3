package evidence

// Clustered is the test for samples of which c together carry the information
// of one, for example because they come from one user. Their log likelihood
// ratios are divided by c, the design effect (Kish 1965, "Survey sampling"): that
// is the same as counting n/c events with x/c bad ones. Betting on minutes is not
// changed: it is valid for any dependence inside a minute. A c of 1 or less
// changes nothing.
func (t *Test) Clustered(c float64) *Test {
	if !(c > 1) {
		return t
	}
	d := *t
	for j := range d.bad {
		d.bad[j] /= c
		d.good[j] /= c
		d.badMid[j] /= c
		d.goodMid[j] /= c
	}
	return &d
}
