package format

import (
	"slices"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// Some receivers wait for one decision: whether a phase, or the whole run, has passed.

// decisionTypes are the types of events that decide.
var decisionTypes = []string{
	"relgate.phase.passed", "relgate.phase.failed", "relgate.phase.rolled_back", "relgate.phase.superseded",
	"relgate.run.passed", "relgate.run.failed", "relgate.run.rolled_back", "relgate.run.superseded",
}

var phaseKey = rules.AccountKey{Key: "phase", Doc: "Formats azure and codepipeline: name of the phase whose pass is waited for. Default: the whole run."}

// verdict is what a decision says.
type verdict string

const (
	undecided verdict = ""
	passed    verdict = "passed"
	failed    verdict = "failed"
)

// decides is what an event says of a phase, or of the run where that is empty. A run that
// ends without a pass ends the wait for each of its phases.
func decides(e *wire.EventBody, phase string) verdict {
	mine := e.Kind == "run" || e.Kind == "phase" && e.Subject == phase
	switch {
	case !mine:
		return undecided
	case e.To == "passed" && (e.Kind == "phase" || phase == ""):
		return passed
	case e.To == "failed", e.To == "rolled_back", e.To == "superseded":
		return failed
	}
	return undecided
}

// decision is what is to be told of an event; undecided where it is nothing, or was told
// before. A pass is told once, and not when it does not hold any more: a rollback is an
// order, which overtakes what waits. A failure is told even after a pass.
func decision(f Facts, phase string) verdict {
	v := decides(&f.Event, phase)
	says := func(what verdict) func(wire.EventBody) bool {
		return func(e wire.EventBody) bool { return decides(&e, phase) == what }
	}
	if slices.ContainsFunc(f.Earlier, says(failed)) || v == passed && (slices.ContainsFunc(f.Earlier, says(passed)) || slices.ContainsFunc(f.Later, says(failed))) {
		return undecided
	}
	return v
}
