package rules

// StrongFrom is the share of traffic from which a success rule that weighs evidence
// has to prove its limit.
const StrongFrom = 0.5

// WeakProof reports whether it is enough in a phase that a success rule's evidence
// excludes the trigger. A phase with much traffic, and the last one, has to prove the
// limit, unless the rule says what proof it wants.
func (p *Plan) WeakProof(r *Rule, phase int) bool {
	switch r.Proof {
	case ProofWeak:
		return true
	case ProofStrong:
		return false
	}
	return p.Phases[phase].Traffic < StrongFrom && phase != len(p.Phases)-1
}
