// Package power says before a release what its plan will be able to decide: from
// the traffic that is expected, the share of each phase and the length of its
// window it forecasts for every rule whether a healthy release can pass it, and
// whether it notices a fault that is as bad as its trigger.
//
// [Forecast] gives the numbers and [Lint] the warnings. Both are functions of the
// plan alone: the few simulations behind them are seeded and give the same for the
// same plan, always.
//
// How the numbers come about, and how far they can be trusted:
//
//   - Samples come as a Poisson stream at the signal's expected rate times the
//     phase's traffic, each bad with the same probability. Real failures come in
//     clusters, which makes everything slower.
//   - To pass by evidence: exact for the first look at which it passes
//     (evidence.Ladder.Samples), but for limits below 0.1 %, which are scaled from
//     0.1 %; that is off by less than 1 %. The evaluator looks from the window's end
//     on, and a bad sample just before it can put the pass off.
//   - A ratio against a threshold at the window's end, and rollback rules that judge
//     single periods: exact. So are percentiles by their periods, if the source takes
//     the nearest rank.
//   - Rollback rules that look back over several periods, or want several in a row or
//     M out of N, and those that weigh evidence: by simulation of at least 40 and at
//     most 400 runs in pairs of twins, so that a probability is good to about 8
//     percentage points near 50 %, better towards 0 and 100 %, and a median to about a
//     fifth. Late in a long run it looks less often than the evaluator does.
//   - What a baseline does to a rollback rule that weighs evidence: by simulation of 20
//     to 200 runs, as the evaluator judges them look for look (package simulation), each
//     with its baseline and without. It is taken to have what the phase's traffic leaves
//     and to be at the rule's limit, and failures to come in groups of the signal's cluster;
//     what earlier phases have shown is left out.
//   - How often empty periods leave a window without its coverage: exact; of a phase that
//     may wait for more than 2000 periods only its first look and its last count. That a gap
//     is longer than a rule puts up with: as if gaps began at random, good to a few per cent.
//   - Ratings: the size of sample at which the mean drift of the evidence arrives,
//     for ratings that are mostly fives and ones: up to a third above the median.
//   - Gaps between groups: normal approximation at a rate of one half, the worst
//     case, and no gap at all in truth.
package power
