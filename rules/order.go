package rules

import "reflect"

// Clocked reports whether the plan's clock starts phase k. The first phase has none
// before it whose pass it could wait for.
func (p *Plan) Clocked(k int) bool {
	a := p.Phases[k].Advance
	return a == Scheduled || a == OnPass && k == 0
}

// Follows reports whether phase k was planned to begin after the window of an earlier one:
// then it waits for that one's pass, however late it began.
func (p *Plan) Follows(k, earlier int) bool {
	e := &p.Phases[earlier]
	return p.Phases[k].Start >= e.Start+e.Window
}

// SameQuestion reports whether the points of two signals mean the same.
func (s *Signal) SameQuestion(o *Signal) bool {
	return s.Source == o.Source && s.Kind == o.Kind && s.Unit == o.Unit && s.Good == o.Good &&
		s.Quant == o.Quant && s.Period == o.Period && s.Above == o.Above && reflect.DeepEqual(s.Query, o.Query)
}
