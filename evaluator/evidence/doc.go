// Package evidence turns counts into evidence: it is the mathematics of a
// release gate that looks at few samples, and at every look.
//
// Nothing here compares a ratio with a threshold. Two whole numbers, how many
// events and how many of them were bad, are weighed against a hypothesis about
// the true rate, and the result is an e-value: the wealth of a gambler who
// began with 1 and bet against that hypothesis. If the hypothesis is true, the
// probability that the wealth ever reaches 1/alpha is at most alpha, however
// often one looks and whenever one stops (Ville 1939). All e-values are
// natural logarithms, since a day of traffic takes them below e^-5000.
//
// [Test] with its [Track] is the running test of one rule, [Pair] with
// [PairTrack] the running comparison of a canary with its baseline. The rest
// are functions of counts: intervals for people, the size of sample that a
// verdict needs, and the verdicts on deciles and ratings.
//
// All functions are total: none panics, and none returns NaN, which would
// compare false with every threshold and so look like "no evidence". Each says
// what it gives where its arguments make no sense; such an answer never fires
// and never passes.
package evidence
