package fact

import (
	"strconv"
	"strings"

	"github.com/relgate/relgate/rules"
)

// Ordinal is the place of an event in its run, by its id; 0 for none.
func Ordinal(id string) uint64 {
	n, _ := strconv.ParseUint(id[strings.LastIndexByte(id, '/')+1:], 10, 64)
	return n
}

// SignalWhy is the ground of a signal's event.
func SignalWhy(rd *rules.Reading) Why {
	if rd.Fault == rules.OK {
		return Why{Code: WhySignalBack}
	}
	return Why{Code: WhySignalFault, Text: rd.Detail}
}

// FaultName is the health of a signal as events have it.
func FaultName(f rules.Fault) string {
	if f == rules.OK {
		return "ok"
	}
	return f.String()
}

// VerdictOf is the verdict that goes with the state of a run or a phase.
func VerdictOf(s rules.State) rules.Verdict {
	switch s {
	case rules.Waiting, rules.Monitoring:
		return rules.Pending
	case rules.Passed:
		return rules.Pass
	case rules.Failed:
		return rules.Fail
	case rules.RolledBack:
		return rules.Rollback
	}
	return rules.Unknown
}
