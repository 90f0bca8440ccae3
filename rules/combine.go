package rules

// And is the verdict of two that both count: the worse one. A known failure
// outranks missing data, and missing data outranks waiting: Rollback, Fail,
// Unknown, Pending, Pass. What is not a verdict counts as Unknown.
func (v Verdict) And(w Verdict) Verdict {
	if v.rank() >= w.rank() {
		return v.known()
	}
	return w.known()
}

// rank orders verdicts from good to bad.
func (v Verdict) rank() int {
	switch v {
	case Rollback:
		return 4
	case Fail:
		return 3
	case Pending:
		return 1
	case Pass:
		return 0
	}
	return 2
}

// known is the verdict itself; Unknown for a number outside the list of verdicts.
func (v Verdict) known() Verdict {
	if v > Rollback {
		return Unknown
	}
	return v
}
