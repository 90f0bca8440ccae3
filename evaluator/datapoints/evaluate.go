package datapoints

// Result is the outcome of one evaluation range, and its counts.
type Result struct {
	State     State
	Filled    int  // gaps that the mode had to fill
	Real      int  // real points that were evaluated, at most N
	Breaching int  // breaching ones among the Real
	Premature bool // by step 5: too few points, but old enough
	Retained  bool // State is the previous one
}

// Evaluate gives the state of an alarm after an evaluation range, oldest period
// first. The range is what is passed: [Spec.Range] says how long it should be, a
// longer one reaches further back for real points, a shorter one is all that is
// known of a series that has just begun. An invalid Spec gives INSUFFICIENT_DATA;
// an invalid Slot or Mode counts as the zero one.
func Evaluate(slots []Slot, spec Spec, missing Mode, previous State) Result {
	if spec.Validate() != nil {
		return Result{}
	}
	r := count(slots, spec)
	lacking := min(spec.N-r.Real, len(slots)-r.Real)
	r.Filled = max(0, lacking)
	breaching := r.Breaching
	if missing == Breaching {
		breaching += r.Filled
	}
	silent := missing != Breaching && missing != NotBreaching
	switch {
	case breaching >= spec.M:
		r.State = Alarm
	case silent && r.Real == r.Breaching && aged(slots, spec):
		r.State, r.Premature = Alarm, true
		r.retain(missing, previous)
	case r.Real > 0, missing == NotBreaching && len(slots) > 0:
		r.State = OK
	default:
		r.State = InsufficientData
		r.retain(missing, previous)
	}
	return r
}

// retain keeps the previous state if the mode says so.
func (r *Result) retain(missing Mode, previous State) {
	if missing != Ignore {
		return
	}
	r.State, r.Retained = previous, true
	if previous > Alarm {
		r.State = InsufficientData
	}
}

// count counts the newest N real points. Without a gap among the newest N periods
// these are the points of those periods.
func count(slots []Slot, spec Spec) Result {
	var r Result
	for i := len(slots) - 1; i >= 0 && r.Real < spec.N; i-- {
		switch slots[i] {
		case Good:
			r.Real++
		case Breach:
			r.Real++
			r.Breaching++
		}
	}
	return r
}

// aged reports whether a breaching point among the newest N periods is at least M
// periods old.
func aged(slots []Slot, spec Spec) bool {
	for age := spec.M; age <= min(spec.N, len(slots)); age++ {
		if slots[len(slots)-age] == Breach {
			return true
		}
	}
	return false
}

// Slide evaluates the range that ends at each period of a series, oldest first,
// each with the state of the one before; previous is the state before the first.
// It appends to states.
func Slide(states []Result, slots []Slot, spec Spec, missing Mode, previous State) []Result {
	for end := 1; end <= len(slots); end++ {
		r := Evaluate(slots[max(0, end-spec.Range()):end], spec, missing, previous)
		states, previous = append(states, r), r.State
	}
	return states
}
