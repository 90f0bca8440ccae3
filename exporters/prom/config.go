package prom

import (
	"maps"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// Config is what an Exporter needs. Every function is called at each scrape and
// must be quick; one that is nil leaves its series out.
type Config struct {
	Now      func() time.Time       // the clock that ages a verdict; nil: time.Now
	Build    Build                  // of this binary; empty fields are shown as "unknown"
	Runner   func() RunnerStats     // what the ticks took and gave
	Sources  func() []SourceStats   // what was asked of the sources
	Webhooks func() []EndpointStats // what was delivered
	Reload   func() ReloadStats     // the newest reading of the config
	Gate     func() GateStats       // what CI asked
	HTTP     func() HTTPStats       // the connections of the public port
	Inboxes  func() []InboxStats    // what was pushed to inboxes
	Alerts   func() []PusherStats   // what was posted to Alertmanagers
	GitHubs  func() []GitHubStats   // deployments at GitHub that wait for a gate
	Clock    func() ClockStats      // what the wall clock did
	Journal  func() JournalStats    // whether the journal takes what is written
	BaseURL  string                 // external URL, in relgate_plan_info; empty: no url is shown
	Process  bool                   // show the go_ and process_ series too
}

// Views is everything that the page shows.
type Views struct {
	Plans    []View
	Trouble  bool                     // the journal cannot be written: no verdict is known but an ordered rollback
	Timeouts map[string]time.Duration // :: source → how long a question to it may take; zero for one that is not named
}

// View is a plan, with its newest live run as it stands after a committed tick.
type View struct {
	Name string
	File string        // how its file stands: ok, gone, broken, waiting
	Run  *wire.RunView // nil: it has none

	Decided time.Time // when the run was decided; zero while it is not
}

// FileStates lists what View.File may say, in order.
func FileStates() []string { return []string{"ok", "gone", "broken", "waiting"} }

// RunnerStats is what the ticks took and gave. Counters only grow.
type RunnerStats struct {
	Ticks    uint64 // committed, one for every plan that ticked
	Missed   uint64 // that fell out, because the one before took too long
	Commands uint64 // committed, refused ones included
	Events   []EventCount
	Evaluate Took // one Step
	Commit   Took // making a batch of ticks durable
	Fetch    Took // all sources of one tick
}

// EventCount counts the events of one kind. What it names and the plans shown
// do not hold is left out; what it does not name is 0.
type EventCount struct {
	Plan  string
	Kind  fact.EventKind
	Count uint64
}

// Took is how often something was done, how long it took in all, and the last
// time, in seconds.
type Took struct {
	Count         uint64
	Seconds, Last float64
}

// Build names a binary.
type Build struct{ Version, Revision, GoVersion string }

// SourceStats is what one source has done. Counters only grow.
type SourceStats struct {
	Source        string
	Fetches       uint64                 // batches asked
	Readings      map[rules.Fault]uint64 // by fault, rules.OK among them
	Points        uint64
	Dropped       uint64        // points that could not be true
	Timeouts      uint64        // batches not answered in time
	Refused       uint64        // batches not asked, an earlier one being still out
	Panics        uint64        // batches in which the source panicked
	Took          time.Duration // in all batches
	LeftAlone     time.Time     // until when it asked not to be asked; zero when it did not
	LastSuccess   time.Time     // zero when there was none
	Requests      uint64        // HTTP requests, retries included
	Retries       uint64
	Throttled     uint64
	Billed        uint64 // units that the upstream charges for
	BytesScanned  uint64
	RateRemaining float64 // of the upstream's own window; negative when it does not say
}

// Key names the source.
func (s SourceStats) Key() string { return s.Source }

// Plus adds what the same source has counted under an earlier config.
func (s SourceStats) Plus(before SourceStats) SourceStats {
	if s.Requests == 0 {
		s.RateRemaining = before.RateRemaining // the upstream has said nothing newer
	}
	sums := maps.Clone(before.Readings)
	if sums == nil {
		sums = map[rules.Fault]uint64{}
	}
	for f, n := range s.Readings {
		sums[f] += n
	}
	s.Readings = sums
	s.Fetches += before.Fetches
	s.Points += before.Points
	s.Dropped += before.Dropped
	s.Timeouts += before.Timeouts
	s.Refused += before.Refused
	s.Panics += before.Panics
	s.Took += before.Took
	s.Requests += before.Requests
	s.Retries += before.Retries
	s.Throttled += before.Throttled
	s.Billed += before.Billed
	s.BytesScanned += before.BytesScanned
	s.LastSuccess = later(s.LastSuccess, before.LastSuccess)
	return s
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// EndpointStats is what one webhook endpoint was told. Counters only grow.
type EndpointStats struct {
	Endpoint  string
	Class     string // action, notify
	Attempts  uint64
	Delivered uint64
	Failures  uint64
	Dead      uint64 // events given up
	Escalated uint64 // events told to the second endpoint
	Pending   int
	Lag       time.Duration // age of the oldest event that is not delivered; zero when there is none

	OrdersPending int       // orders that are not delivered
	LastSuccess   time.Time // of the newest request that was accepted; zero before the first
}

// Key names the endpoint and its class: together they are its series.
func (s EndpointStats) Key() string { return s.Class + "/" + s.Endpoint }

// Plus adds what the same endpoint was told under an earlier config. What is pending
// is in the journal, and counted once.
func (s EndpointStats) Plus(before EndpointStats) EndpointStats {
	s.Attempts += before.Attempts
	s.Delivered += before.Delivered
	s.Failures += before.Failures
	s.Dead += before.Dead
	s.Escalated += before.Escalated
	s.LastSuccess = later(s.LastSuccess, before.LastSuccess)
	return s
}

// PusherStats is what was posted to one instance of an Alertmanager. Counters only grow.
type PusherStats struct {
	Alertmanager string // of `[alertmanager.NAME]`
	Address      string // of the instance
	Attempts     uint64
	Failures     uint64
	Refused      uint64        // alerts that it refused
	Lag          time.Duration // since it has not taken all that it should have; zero when it has
	LastSuccess  time.Time     // of the newest request that was accepted; zero before the first
}

// Key names the instance.
func (s PusherStats) Key() string { return s.Alertmanager + "/" + s.Address }

// Plus adds what was posted to the same instance under an earlier config. What it lacks
// now the newer one knows.
func (s PusherStats) Plus(before PusherStats) PusherStats {
	s.Attempts += before.Attempts
	s.Failures += before.Failures
	s.Refused += before.Refused
	s.LastSuccess = later(s.LastSuccess, before.LastSuccess)
	return s
}

// ReloadStats is how the newest reading of the config went.
type ReloadStats struct {
	OK      bool
	Success time.Time // of the newest that went well
}

// GateStats is how often the gate was asked. Counters only grow.
type GateStats struct {
	Answers  []GateAnswers
	Waiting  int // long polls now
	Refusals []GateRefusals
}

// GateRefusals counts the requests that were refused for one reason.
type GateRefusals struct {
	Reason string // of a fixed list
	Count  uint64
}

// HTTPStats is how many connections the public port has. Counters only grow.
type HTTPStats struct {
	Open, Limit int
	Closed      uint64 // to make room, because Limit were open
	Handshakes  uint64 // of TLS that were refused
}

// InboxStats is what was pushed to one inbox.
type InboxStats struct {
	Source string
	Pushes []InboxPushes // of each result; counters only grow
	Last   time.Time     // when the newest push was taken; zero: none was
}

// InboxPushes counts pushes by what became of them.
type InboxPushes struct {
	Result string
	Count  uint64
}

// GitHubStats is what one App of GitHub's has sent, and what waits for an answer.
type GitHubStats struct {
	App      string        // as the config calls it
	Requests []InboxPushes // of each result; counters only grow
	Waiting  int           // deployments without an answer
	Untold   int           // of those, that GitHub could not be told of at the last attempt
}

// GateAnswers counts the answers of one view with one status.
type GateAnswers struct {
	View   string
	Status int
	Count  uint64
}

// ClockStats is what the wall clock did to the daemon. Counters only grow.
type ClockStats struct {
	Forward time.Duration // steps forward, all together
	Back    time.Duration // steps back, all together
	Ahead   time.Duration // how far the stamps of ticks are ahead of the wall clock now
}

// JournalStats is how the journal is.
type JournalStats struct {
	OK bool // the newest write went well, and the file is where it was
}
