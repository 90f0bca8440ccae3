// Package sentry reads release health from Sentry: how many sessions of a
// release there were in each period of time, and how many of them crashed; or how many
// users it had, and how many of them met a crash.
//
// It asks for counts by session status and never for Sentry's own rates: counts
// of two periods can be added, rates cannot. Sentry's statuses are disjoint, so
// a period's sessions are the sum over all of them. Only the status "crashed" is
// a crash: an "abnormal" session ended without saying how, an "errored" or
// "unhandled" one met an error and went on.
//
// Of users it asks how many there were and which share had no crash, as Sentry reckons
// both. A user counts once in a period. Unique numbers of two periods cannot be added to
// that of both: a window holds as many user-periods, and its share of those with a crash
// is mostly smaller than what Sentry's page says of the whole window. Where the signal's
// period is as long as the window, it is the same.
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
