// Package backtest runs a plan over the past: a [History] of what its sources
// say of a range of time, virtual releases that begin in it one after another,
// and each of them driven through evaluator.Step as the daemon would have driven
// it. It is pure: whoever calls it has fetched the history, and shows the
// [Report].
//
// # What was known when
//
// A history holds the values that stand now. When the daemon would have seen
// them is not recorded anywhere, so a rule is made for it that errs late: a
// period is known when it has ended and its signal's settle has passed. A
// rollback rule of a daemon may see a period earlier, by up to the settle, and
// may see a value that was corrected later; a backtest sees neither.
//
// # Releases
//
// A plan is about one release at one time. The range is therefore covered by
// virtual releases, one every Every, each of them the whole plan with its start
// moved; the ticks, the questions (evaluator.Wants) and the judgement are those
// of the daemon. Phases that a signal from CI starts are taken to start on their
// forecast. A release that reaches the end of the range is cut there, and what
// was not decided by then counts as nothing.
//
// In a release the first rule that fires ends the run and hides the others. So
// where a release was rolled back, failed or was held, every rollback rule is
// also run alone over it, in a plan in which only it can roll back; a release
// that ran through is itself such a run of each of its rules. What a [Firing]
// says is of that run.
//
// Ticks at which nothing can change, by evaluator.Quiet, are left out; a test
// holds that to what every tick gives.
//
// # What is not known is no pass
//
// A source may not be able to answer for the past, or for a part of it. A rule
// that rests on such a signal is left out, or its companion is, and whatever
// would have passed without it is reported as judged in part, never as passed.
// The policies of a rule (on_no_data, on_error) are put to hold where the
// history has a hole of its own making: a hole in what was fetched is not a
// silence that the daemon would have met.
//
// # Right and false
//
// Only the user knows when the service was bad. A firing within a marked period,
// or within Tolerance after its end, is right; any other is false; without any
// mark none is called either. A marked period that overlapped a watch in which
// nothing fired for it is missed.
package backtest
