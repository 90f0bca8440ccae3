package backtest

import (
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Report is what a backtest found. Durations are in whole seconds; times are
// UTC; what is zero or absent did not happen.
type Report struct {
	Plan       string           `json:"plan"`
	Title      string           `json:"title"`
	Version    string           `json:"version,omitempty"`
	From       time.Time        `json:"from"`
	To         time.Time        `json:"to"`
	Every      int64            `json:"every_seconds"`     // between the starts of two releases
	Length     int64            `json:"length_seconds"`    // of the plan
	Tolerance  int64            `json:"tolerance_seconds"` // after a marked period within which firing is right
	Visibility string           `json:"visibility"`        // what was taken to be known when, in a sentence
	Ticks      int              `json:"ticks"`             // of all runs
	Signals    []SignalReport   `json:"signals"`
	Rollback   []RollbackReport `json:"rollback"`
	Phases     []PhaseReport    `json:"phases"`
	Runs       RunTotals        `json:"runs"`
	Marks      []MarkReport     `json:"bad_periods"`
	Firings    []Firing         `json:"firings"` // of every rollback rule judged alone, by time
	Releases   []Release        `json:"releases"`
}

// SignalReport says what the history holds of a signal that is judged.
type SignalReport struct {
	Signal string `json:"signal"`
	Source string `json:"source"`
	None   string `json:"no_history,omitempty"` // why there is none at all
	Points int    `json:"points"`
	Gaps   []Hole `json:"gaps,omitempty"`
	Width  int64  `json:"width_seconds"` // of a period
	Settle int64  `json:"settle_seconds"`
	Note   string `json:"note,omitempty"`
}

// Hole is a Gap, for people.
type Hole struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Detail string    `json:"detail"`
}

// Spread is how long something took, over all times that it happened.
type Spread struct {
	N      int   `json:"n"`
	Median int64 `json:"median_seconds"`
	Most   int64 `json:"most_seconds"`
}

// RollbackReport is what became of a rollback rule that was judged alone.
type RollbackReport struct {
	Rule     string            `json:"rule"`
	Title    string            `json:"title"`
	Signal   string            `json:"signal"`
	When     string            `json:"when"`
	Extent   Extent            `json:"history"`       // whole, partly or none, over all releases
	Why      string            `json:"why,omitempty"` // not whole
	Releases int               `json:"releases"`      // in which it was watched and could be judged
	Unjudged int               `json:"unjudged"`      // in which the history could not answer for it
	Watched  int64             `json:"watched_seconds"`
	Silent   int64             `json:"silent_seconds"` // of those could it not be judged
	Fired    int               `json:"fired"`
	Right    int               `json:"right"`       // firings within a marked period, or soon after
	False    int               `json:"false"`       // firings outside
	Overlaps int               `json:"bad_periods"` // marked periods that overlapped a watch, counted for each watch
	Found    int               `json:"found"`       // of those it fired on
	Missed   int               `json:"missed"`
	After    Spread            `json:"after_start"` // from the release's start to firing
	Delay    Spread            `json:"after_bad"`   // from the bad period's start, or the watch's, to firing
	Stages   map[string]Spread `json:"stages"`      // state → from the release's start to the first time in it: warning, holding, breaching
}

// Watch is one rollback rule alone in one release.
type Watch struct {
	Rule   string               `json:"rule"`
	Extent Extent               `json:"history"`
	Why    string               `json:"why,omitempty"`
	From   time.Time            `json:"from"`
	To     time.Time            `json:"to"` // it fired, the run was over, or the range ended
	Silent int64                `json:"silent_seconds"`
	First  map[string]time.Time `json:"first,omitempty"` // state → when it was first in it
	Fired  bool                 `json:"fired"`
	Missed []int                `json:"missed,omitempty"` // marks, from 1, that overlapped the watch and were not fired on
}

// Firing is a rollback rule that fired, alone, in a release.
type Firing struct {
	Release   int            `json:"release"` // from 1
	Rule      string         `json:"rule"`
	At        time.Time      `json:"at"`
	After     int64          `json:"after_start_seconds"`
	Judgement string         `json:"judgement"`            // right, false or unmarked
	Mark      int            `json:"bad_period,omitempty"` // from 1
	Delay     int64          `json:"after_bad_seconds,omitempty"`
	Cause     rules.Cause    `json:"cause"`
	Reason    string         `json:"reason"`
	Evidence  *fact.Evidence `json:"evidence,omitempty"`
}

// PhaseReport is what became of a phase over all releases.
type PhaseReport struct {
	Phase    string         `json:"phase"`
	Title    string         `json:"title"`
	Outcomes map[string]int `json:"outcomes"`     // outcome → releases; all outcomes are present
	OverBad  int            `json:"passed_bad"`   // passes whose window overlapped a marked period
	FailGood int            `json:"failed_good"`  // failures whose window overlapped none, where there are marks
	Took     Spread         `json:"took"`         // from the phase's start to pass or fail
	Late     Spread         `json:"after_window"` // and from the window's end
	Rules    []SuccessCount `json:"rules"`
}

// SuccessCount is what a success rule said of a phase over all releases.
type SuccessCount struct {
	Rule     string `json:"rule"`
	Pass     int    `json:"pass"`
	Fail     int    `json:"fail"`
	Unknown  int    `json:"unknown"`
	Unjudged int    `json:"unjudged"` // the history could not answer for it
}

// Outcomes of a phase in a release.
const (
	OutcomePass     = "pass"
	OutcomePart     = "part" // what could be judged passed; the history cannot answer for the rest
	OutcomeFail     = "fail"
	OutcomeRollback = "rollback"
	OutcomeHeld     = "held"       // a rule held the run, and no command resumed it
	OutcomeUnknown  = "unknown"    // its data did not suffice by its deadline
	OutcomeNone     = "no_history" // not decided, and the history lacks some of what it rests on
	OutcomeCut      = "cut"        // the range ended first
	OutcomeIdle     = "not_begun"  // what came before kept it from starting
)

// Outcomes lists the outcomes of a phase in order.
func Outcomes() []string {
	return []string{OutcomePass, OutcomePart, OutcomeFail, OutcomeRollback, OutcomeHeld, OutcomeUnknown, OutcomeNone, OutcomeCut, OutcomeIdle}
}

// RunTotals counts the whole releases by how they ended.
type RunTotals struct {
	Releases   int    `json:"releases"`
	Passed     int    `json:"passed"`
	Part       int    `json:"part"` // all that could be judged passed
	Failed     int    `json:"failed"`
	RolledBack int    `json:"rolled_back"`
	Held       int    `json:"held"`
	Unknown    int    `json:"unknown"`
	NoHistory  int    `json:"no_history"`
	Cut        int    `json:"cut"`
	False      int    `json:"false"` // failed, held or rolled back outside every marked period
	Right      int    `json:"right"`
	Took       Spread `json:"took"` // from start to the end of the run
}

// MarkReport is what became of a marked period.
type MarkReport struct {
	Mark
	Releases int      `json:"releases"` // undecided runs that it overlapped
	Found    int      `json:"found"`    // of those were rolled back, held or failed for it
	Missed   int      `json:"missed"`
	By       []string `json:"by,omitempty"` // rollback rules that fired on it, alone
}

// Release is one virtual release.
type Release struct {
	N         int           `json:"n"` // from 1
	Start     time.Time     `json:"start"`
	State     rules.State   `json:"state"`
	Verdict   rules.Verdict `json:"verdict"`
	Outcome   string        `json:"outcome"` // as of a phase
	Reason    string        `json:"reason"`
	Ended     time.Time     `json:"ended"` // the last tick
	Took      int64         `json:"took_seconds"`
	Rule      string        `json:"rule,omitempty"`       // that rolled it back
	Judgement string        `json:"judgement,omitempty"`  // of a rollback, a hold or a failure: right, false or unmarked
	Mark      int           `json:"bad_period,omitempty"` // from 1
	Held      time.Time     `json:"held,omitzero"`        // when a rule first held it
	Unjudged  []Unjudged    `json:"unjudged,omitempty"`
	Phases    []PhaseRun    `json:"phases"`
	Watches   []Watch       `json:"watches"`
}

// Unjudged is a rule that the history cannot answer for, or not in full.
type Unjudged struct {
	Rule   string `json:"rule"`
	Extent Extent `json:"history"`
	Why    string `json:"why"`
}

// PhaseRun is a phase in a release.
type PhaseRun struct {
	Phase     string       `json:"phase"`
	Outcome   string       `json:"outcome"`
	Reason    string       `json:"reason"`
	Started   time.Time    `json:"started,omitzero"`
	WindowEnd time.Time    `json:"window_end,omitzero"`
	Decided   time.Time    `json:"decided,omitzero"` // pass, fail or rollback
	Rules     []SuccessRun `json:"rules"`
}

// SuccessRun is a success rule in a phase of a release.
type SuccessRun struct {
	Rule     string         `json:"rule"`
	Verdict  rules.Verdict  `json:"verdict"`
	Extent   Extent         `json:"history"`
	Reason   string         `json:"reason"`
	Evidence *fact.Evidence `json:"evidence,omitempty"`
}
