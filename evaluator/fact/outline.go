package fact

import (
	"time"

	"github.com/relgate/relgate/rules"
)

// Outline is where a run as a whole stands: what a list of runs shows.
type Outline struct {
	At      time.Time     // newest tick; zero before the first
	N       uint64        // events so far
	State   rules.State   //
	Verdict rules.Verdict //
	Over    bool          // nothing is expected of anyone any more: see Snapshot.Over
	Idle    bool          // no tick can change the run, unless a command comes with it
}
