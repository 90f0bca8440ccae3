package sentry

import (
	"fmt"
	"math"
)

// users checks a body that tells of users, or says what is wrong with it. It has one
// group, of all of them, with their number and the share of those without a crash. Both
// are Sentry's estimates, so the number of those with a crash is the nearest whole one.
func (b *body) users() (s *sessions, wrong string) {
	if s, wrong = b.frame(); wrong != "" {
		return nil, wrong
	}
	if n := len(b.Groups.list); n > 1 {
		return nil, fmt.Sprintf("the answer has %d groups of users, not one", n)
	}
	for _, g := range b.Groups.list {
		if wrong = s.addUsers(g); wrong != "" {
			return nil, wrong
		}
	}
	return s, ""
}

func (s *sessions) addUsers(g group) (wrong string) {
	s.seen = append(s.seen, "users") // a further page would have them again
	users, rates := g.Series[fieldUser], g.Series[fieldRate]
	if len(users) != len(s.starts) || len(rates) != len(s.starts) {
		return fmt.Sprintf("the answer has %d periods of users and %d of rates for %d intervals", len(users), len(rates), len(s.starts))
	}
	sum := 0.0
	for i, n := range users {
		rate := rates[i]
		switch {
		case n == nil, *n != 0 && rate == nil:
			s.unknown[i] = true
			continue
		case *n < 0 || math.IsNaN(*n) || math.IsInf(*n, 0):
			return fmt.Sprintf("the answer has %v users", *n)
		case *n == 0:
			continue
		case !(*rate >= 0 && *rate <= 1):
			return fmt.Sprintf("the answer has a share of %v crash-free users", *rate)
		}
		s.total[i] = *n
		s.crashed[i] = min(math.Round(*n*(1-*rate)), *n)
		sum += *n
	}
	// Who came in several periods is one of the total: it is never more than the sum.
	if total := g.Totals[fieldUser]; total != nil && *total > sum*1.1+10 {
		return fmt.Sprintf("the series hold %v of %v users", sum, *total)
	}
	return ""
}
