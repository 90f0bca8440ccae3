package rules

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What a missing period counts as in a rule with [Datapoints], in AWS's spelling.
const (
	MissingIsMissing      = "missing"      // as nothing: it is skipped while there is enough else
	MissingIsIgnored      = "ignore"       // the rule stays as it was
	MissingIsBreaching    = "breaching"    // as a breach
	MissingIsNotBreaching = "notBreaching" // as a good one
)

// missingModes lists the spellings, the default first.
var missingModes = []string{MissingIsMissing, MissingIsIgnored, MissingIsBreaching, MissingIsNotBreaching}

// ParseDatapoints reads CloudWatch's form of a rule, "3 of 5": M of the newest N
// periods breach, 1 <= M <= N. What a missing period counts as is the default,
// "missing". The error says what was expected.
func ParseDatapoints(text string) (Datapoints, error) {
	words := strings.Fields(text)
	if len(words) != 3 || words[1] != "of" || !digits(words[0]) || !digits(words[2]) {
		return Datapoints{}, fmt.Errorf(`datapoints %q: want how many of how many, such as "3 of 5"`, text)
	}
	m, err := strconv.Atoi(words[0])
	n, err2 := strconv.Atoi(words[2])
	switch {
	case err != nil || err2 != nil || n > mostDatapoints:
		return Datapoints{}, fmt.Errorf("datapoints %q: want at most %d periods", text, mostDatapoints)
	case m < 1:
		return Datapoints{}, fmt.Errorf("datapoints %q: want at least 1 that breaches: with none the rule would always fire", text)
	case m > n:
		return Datapoints{}, fmt.Errorf("datapoints %q: %d of %d can never breach: want no more than all of them", text, m, n)
	}
	return Datapoints{M: m, N: n, Missing: MissingIsMissing}, nil
}

// mostDatapoints is how many periods CloudWatch's alarms look at: a day of
// minutes.
const mostDatapoints = 1440

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// String is the form that ParseDatapoints reads, without what a missing period
// counts as.
func (d Datapoints) String() string { return fmt.Sprintf("%d of %d", d.M, d.N) }

// span is the stretch that a rule looks back on. CloudWatch looks at more than N
// periods when some are missing, and does not say at how many: its one example
// looks at 5 for 3.
func (d Datapoints) span(period time.Duration) time.Duration {
	return time.Duration(2*d.N) * period
}

// datapoints is what a rule says of M out of N, the zero value when it says
// nothing, or nothing that can be read.
func datapoints(s RollbackSpec) Datapoints {
	d, err := ParseDatapoints(s.Datapoints)
	if err == nil && s.Missing != "" {
		d.Missing = s.Missing
	}
	return d
}
