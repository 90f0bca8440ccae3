// Package evidence turns counts into evidence: the mathematics of a release gate
// that has few samples and decides again at every look.
//
// Nothing here compares a ratio with a threshold. Two whole numbers, the events
// and the bad ones among them, are weighed against a hypothesis about the true
// rate. The result is an e-value: the wealth of a gambler who began with 1 and
// bet against that hypothesis. If the hypothesis is true, the probability that
// the wealth ever reaches 1/alpha is at most alpha, however often one looks and
// whenever one stops (Ville 1939). All e-values are natural logarithms, because
// in a day of traffic they fall below e^-5000.
//
// [Test] with its [Track] is the running test of one rule, [Pair] with
// [PairTrack] the running comparison of a canary with its baseline. The rest
// are functions of counts: intervals for people, the size of sample that a
// verdict needs, and the verdicts on deciles and ratings.
//
// All functions are total: none panics, and none returns NaN, because NaN
// compares false with every threshold and so would look like "no evidence". Each
// documents its result for arguments that make no sense; such a result never
// fires and never passes.
package evidence
