package evidence

// Lasting is for how long a release has failed at the rate of one alternative, as it
// must for the Floor of a Rule: without a break, and until now. It is a cumulative sum
// that runs the other way: what has come since the newest period that speaks for the
// alternative is weighed against it.
type Lasting struct {
	On    bool    // it has not ended
	Start int64   // of the first period
	End   int64   // of the newest period after which nothing spoke against it
	Down  float64 // what has spoken against it since then, nats
}

// A fault has ended when what came since speaks so clearly against it: one that goes on
// looks like that at any one time with a probability of about e^-endedAt. A period is
// one witness, and weighs at most quietMost: with much traffic it takes three clean ones
// in a row, so that a fault which shows in every second or third minute is one fault.
const (
	endedAt   = 4.0
	quietMost = 1.3862943611198906 // ln 4
)

// add takes in one period that weighs llr for the alternative.
func (l *Lasting) add(at, end int64, llr float64) {
	switch l.Down = max(l.Down-max(llr, -quietMost), 0); {
	case !l.On && llr > 0:
		*l = Lasting{On: true, Start: at, End: end}
	case !l.On:
		*l = Lasting{}
	case l.Down > endedAt:
		*l = Lasting{}
	case l.Down == 0:
		l.End = end
	}
}

// last notes a period of a rule that wants a fault to last.
func (r *Rule) last(c *Case, at, end int64, m Minute) {
	m, ok := m.counted()
	if !ok || r.Floor <= 0 {
		return
	}
	bad := wholeDown(m.Bad)
	for j := range c.Lasts {
		c.Lasts[j].add(at, end, bad*r.Test.bad[j]+(m.N-bad)*r.Test.good[j])
	}
}

// lasts reports whether a fault at the rate of the j-th alternative has lasted for the
// rule's Floor, and lasts still.
func (r *Rule) lasts(c *Case, j int) bool {
	l := &c.Lasts[j]
	return r.Floor <= 0 || l.On && l.End-l.Start >= r.Floor
}
