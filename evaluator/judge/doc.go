// Package judge is where a rule is judged. There is one [Judge] for each way of judging,
// each in a file of its own:
//
//   - [Threshold], threshold.go: periods, and whole windows, beside a threshold
//   - [Gauge], gauge.go: the same for levels
//   - [Datapoints], datapoints.go: M of N periods, missing ones as the plan says
//   - [Counts], counts.go: how many of all were bad, by the evidence
//   - [Stars], stars.go: the mean of ratings, by the evidence
//   - [Gap], gap.go: the greatest gap between groups, by the evidence
//
// [NewLayout] chooses the judge of each rule, once. A judge sees a [Scene], what is known
// of the run's signals, and a [Watch], what the run has to do with the rule. It says where
// a rollback rule stands ([Standing]) and what a success rule makes of its window
// ([Finding]). What follows from that, package evaluator decides.
//
// Like evaluator it is pure: no clock, no I/O, no randomness.
package judge
