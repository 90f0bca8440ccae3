// Package athena runs the SQL of a signal on Amazon Athena and turns its rows
// into one reading: the largest gap between the rates of two groups.
//
// The SQL returns one row per group with the columns
//
//	decile     the group's name
//	n          how many there are in the group
//	positives  how many of them are positive
//	newest     the time of the group's newest event, UTC
//	kpi        optional: the gap as the SQL computes it, for comparison
//
// Columns are found by name, in any order, and others are ignored. The gap is
// max(positives/n) - min(positives/n), and it is a reading only when every
// group is there, once, with enough samples and without a NULL.
//
// # Time and money
//
// A signal is asked once in a slot of its Every. The query of a slot has a
// token that is made of the question and the slot. So a second question in the
// slot, also after a crash, finds the query that is running or done, and Athena
// bills it once. A query that is still running when the context ends is stopped.
// Asking again in the slot starts another one under the next token, at most
// three times. The point of a query belongs to the last period that ended before
// the question. If a want begins after that period, it gets no points and no
// fault, and no query is started.
package athena
