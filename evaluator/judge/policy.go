package judge

import "github.com/relgate/relgate/rules"

// PolicyFor is what a rule wants done for a cause of silence. It is to hold for data that
// has not settled, or is as bad beside the release, and for what goes on against it: it has come, and is
// waited for.
func PolicyFor(r *rules.Rule, c rules.Cause) rules.Policy {
	switch c {
	case rules.CauseSourceError, rules.CauseConfig:
		return r.OnError
	case rules.CauseBaseline, rules.CauseUnsettled, rules.CauseEvidence:
		return rules.PolicyHold
	}
	return r.OnNoData
}

// Ignores reports whether a phase may be judged without a rule for a cause of silence:
// where nothing was counted at all, and not where that is thin.
func Ignores(r *rules.Rule, c rules.Cause, empty bool) bool {
	return PolicyFor(r, c) == rules.PolicyIgnore && (empty || c != rules.CauseInsufficientSamples)
}

// Ignored reports whether a phase may be judged without a success rule for a cause of
// silence: nothing is known of its signal, and the alarm that it names is known.
func (v *Finding) Ignored(c rules.Cause) bool {
	return !v.Against && !v.alarm && Ignores(v.Rule, c, v.Empty)
}
