// Package appstore reads what Apple tells of an app's release: the customer
// reviews of one version, the day of its phased release, and the star ratings
// of the public storefronts.
//
// No API of Apple's gives the ratings of a version. Reviews (fact "reviews") are
// of exactly one version and have a date, but they are the few ratings that came
// with a text; they appear after moderation, hours later. The storefronts' totals
// (fact "lookup") hold every rating, but of all time: new ratings are the
// difference of two snapshots, so the source needs to have seen an earlier one
// in this process, and the difference must be large enough to stand above the
// rounding of the published average. Until then there is no data.
//
// App Store Connect is asked one request at a time, at least 200 ms apart: it
// answers bursts with 429 however much of the hourly budget is left.
package appstore
