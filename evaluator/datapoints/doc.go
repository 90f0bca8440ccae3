// Package datapoints is CloudWatch's rule that M of the newest N periods breach,
// with its treatment of missing data. It is pure: [Evaluate] looks at one
// evaluation range, [Slide] at one after the other.
//
// CloudWatch reads more periods than it evaluates, so that real data further back
// can stand in for a gap. Amazon publishes no formula for how many: the one
// example has N = 3 and reads 5. [Spec.Range] takes N + 2 for every N, which is a
// choice of this package.
//
// The rule, over one evaluation range, oldest period first:
//
//  1. Without a gap the newest N periods are evaluated.
//  2. With gaps and at least N real points, the newest N real ones are.
//  3. With fewer, all of them are, and as many gaps as are lacking are filled as
//     the mode says, with as few as possible.
//  4. M breaching points make an ALARM.
//  5. In the modes missing and ignore there is the premature alarm: no point that
//     is evaluated is good, and the oldest breaching one among the newest N
//     periods is at least M periods old, the newest period counting as 1. It is an
//     ALARM under missing and keeps the state under ignore.
//  6. Without any real point, missing gives INSUFFICIENT_DATA and ignore keeps the
//     state.
//  7. Everything else is OK.
//
// Source: "Using Amazon CloudWatch alarms", Amazon CloudWatch User Guide, the
// section on missing data with its two tables. The clause of step 5 that no
// evaluated point is good is what the third row of the second table needs; the
// prose alone would make it an ALARM.
//
// Amazon says nothing about a range shorter than N, because its alarms see the
// metric's past. A rule that only counts data since a release began has such
// ranges. They fill no more gaps than they have, so a release does not begin with
// an alarm; without a real point only notBreaching makes them OK.
package datapoints
