// Package appstore reads what Apple publishes about an app's release: the customer
// reviews of one version, the day of its phased release, and the star ratings
// of the public storefronts.
//
// Apple has no API for the ratings of a version. Reviews (fact "reviews") are
// of exactly one version and have a date, but only few ratings come with a text,
// and they appear after moderation, hours later. The storefronts' totals (fact
// "lookup") hold every rating of all time. New ratings are the difference of two
// snapshots, so the source must have seen an earlier one in this process, and
// the difference must be larger than the rounding of the published average.
// Until then there is no data.
//
// App Store Connect gets one request at a time, at least 200 ms apart: it answers
// bursts with 429 even when much of the hourly budget is left.
package appstore
