// Package cloudwatch turns CloudWatch metrics and alarms into readings.
//
// All questions of one Fetch go out together: one GetMetricData for every 500
// different metric statistics, whatever the number of plans that ask, and one
// DescribeAlarms for every 100 alarms. A statistic that several wants need is
// asked for, and paid for, once. Nothing else is called: no List, no Tag, and
// no STS unless a role is configured.
//
// What a point holds:
//
//   - a ratio: the Sum of Bad and the Sum of Total, as counts, or what expressions make of
//     the sums of named metrics. They are calculated here, and not by CloudWatch's metric
//     math: its results have no further pages and do not say which metric was missing, so
//     that a zero could stand for failures that another metric counts;
//   - a percentile: the percentile, and SampleCount as its samples;
//   - a ratio derived from a percentile: how many samples lay above the
//     threshold, as the complement of the percentile rank PR(:x), and SampleCount.
//     CloudWatch interpolates, so it may have a fraction; it is kept as it is. An
//     endpoint that refuses PR is asked for the trimmed count TC(:x) instead, from
//     then on. TC(x:) would say it directly, but may have no value in a period in
//     which nothing exceeds: a healthy release would never pass;
//   - a gauge: the statistic, and SampleCount; a mean: Sum and SampleCount;
//   - an alarm: 0 for OK and 1 for ALARM, for every period since the state was
//     entered. Periods before that are absent: DescribeAlarms knows only now.
//     Metric, composite and log alarms are looked for alike.
//
// CloudWatch gives the same answer for a misspelt metric, a wrong dimension and a
// metric without traffic: Complete, with no values. All of them are NoData here.
// With MissingBadIsZero a misspelt Bad looks like a service without errors; the
// reading's Note says if Bad has sent nothing at all.
package cloudwatch
