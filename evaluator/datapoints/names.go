package datapoints

import (
	"fmt"
	"slices"
	"strings"
)

// Slot is what one period says.
type Slot uint8

const (
	Absent Slot = iota // there is no point
	Good               // a point that does not breach
	Breach             // a point that breaches
)

// State is an alarm's state, spelled as CloudWatch does.
type State uint8

const (
	InsufficientData State = iota
	OK
	Alarm
)

// Mode is how periods without a point are treated, spelled as CloudWatch does.
type Mode uint8

const (
	Missing      Mode = iota // they say nothing
	Ignore                   // the state stays as it is
	Breaching                // they breach
	NotBreaching             // they are good
)

var (
	slotNames  = []string{"-", "0", "X"}
	stateNames = []string{"INSUFFICIENT_DATA", "OK", "ALARM"}
	modeNames  = []string{"missing", "ignore", "breaching", "notBreaching"}
)

func name[T ~uint8](names []string, v T) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("invalid(%d)", uint8(v))
}

func parse[T ~uint8](what string, names []string, text []byte, into *T) error {
	i := slices.Index(names, string(text))
	if i < 0 {
		return fmt.Errorf("unknown %s %q (want %s)", what, text, strings.Join(names, ", "))
	}
	*into = T(i)
	return nil
}

// Modes lists every Mode in order.
func Modes() []Mode { return []Mode{Missing, Ignore, Breaching, NotBreaching} }

// String is the sign of Amazon's tables: "0" for a good point, "X" for a
// breaching one, "-" for none.
func (s Slot) String() string { return name(slotNames, s) }

func (s State) String() string { return name(stateNames, s) }
func (m Mode) String() string  { return name(modeNames, m) }

func (s Slot) MarshalText() ([]byte, error)  { return []byte(s.String()), nil }
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
func (m Mode) MarshalText() ([]byte, error)  { return []byte(m.String()), nil }

func (s *Slot) UnmarshalText(b []byte) error  { return parse("point", slotNames, b, s) }
func (s *State) UnmarshalText(b []byte) error { return parse("alarm state", stateNames, b, s) }
func (m *Mode) UnmarshalText(b []byte) error {
	return parse("treatment of missing data", modeNames, b, m)
}
