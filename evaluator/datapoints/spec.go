package datapoints

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxPeriods bounds N: a day of minutes.
const MaxPeriods = 1440

// Spec says how many of how many periods breach, written "3 of 5". The zero Spec
// is not valid.
type Spec struct {
	M int // datapoints to alarm, 1..N
	N int // evaluation periods, 1..MaxPeriods
}

// ParseSpec reads "3 of 5". The error says what is wrong with it.
func ParseSpec(text string) (Spec, error) {
	words := strings.Fields(text)
	if len(words) != 3 || words[1] != "of" {
		return Spec{}, fmt.Errorf("datapoints %q: want how many of how many, such as \"3 of 5\"", text)
	}
	m, okM := number(words[0])
	n, okN := number(words[2])
	if !okM || !okN {
		return Spec{}, fmt.Errorf("datapoints %q: want whole numbers, such as \"3 of 5\"", text)
	}
	s := Spec{m, n}
	if err := s.Validate(); err != nil {
		return Spec{}, err
	}
	return s, nil
}

// number reads digits only. A number that is too big becomes one beyond every bound.
func number(text string) (int, bool) {
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// Validate says what is wrong with a Spec: M is not in 1..N, or N beyond
// [MaxPeriods].
func (s Spec) Validate() error {
	switch {
	case s.N < 1 || s.M < 1:
		return fmt.Errorf("datapoints %q: want at least 1 of at least 1", s)
	case s.M > s.N:
		return fmt.Errorf("datapoints %q: %d periods cannot have %d breaching ones", s, s.N, s.M)
	case s.N > MaxPeriods:
		return fmt.Errorf("datapoints %q: want at most %d periods", s, MaxPeriods)
	}
	return nil
}

// Range is how many periods are read to evaluate N of them: N + 2. See the
// package's documentation for why.
func (s Spec) Range() int { return s.N + 2 }

// String is the form that ParseSpec reads.
func (s Spec) String() string { return fmt.Sprintf("%d of %d", s.M, s.N) }
