// Package sentry reads release health from Sentry: how many sessions of a
// release there were in each period of time, and how many of them crashed.
//
// It asks for counts by session status and never for Sentry's own rates: counts
// of two periods can be added, rates cannot. Sentry's statuses are disjoint, so
// a period's sessions are the sum over all of them. Only the status "crashed" is
// a crash: an "abnormal" session ended without saying how, an "errored" or
// "unhandled" one met an error and went on.
//
// Young data is too optimistic, for three reasons: a native crash is reported
// when the app is started again, the newest period is not over yet, and updates
// of a session come in for days. So a period settles only after the signal's
// Settle.
//
// Many Sentry installations have no periods below one hour. They refuse the
// signal's period with a 400; the source then asks for hours, says so in the
// reading's Width, and tries the finer period again a day later.
package sentry
