package fact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// Difference is a tick that gave other events than it did the first time: other
// facts. How events are put into words is no part of them.
type Difference struct {
	Seq  uint64
	At   time.Time
	N    int    // index of the first event that differs among those of the tick
	Was  []byte // its JSON in the journal; nil when there was none
	Gave []byte // its JSON now; nil when there is none

	// Older says that the tick was stepped by an older judging: a difference is to be
	// expected, and what was decided then stands.
	Older bool
}

// String names the tick and both decisions.
func (d *Difference) String() string {
	said := func(b []byte) string {
		if b == nil {
			return "no event"
		}
		return string(b)
	}
	return fmt.Sprintf("tick %d at %s, event %d: it was %s, now it is %s", d.Seq, d.At.Format(time.RFC3339), d.N+1, said(d.Was), said(d.Gave))
}

// Differs compares what a tick gave with what was kept of it, fact for fact: nil where
// they are the same.
func Differs(k *Kept, events []Event) (*Difference, error) {
	for i := range max(len(events), len(k.Raw)) {
		var was, gave []byte
		if i < len(k.Raw) {
			was = k.Raw[i]
		}
		if i < len(events) {
			var err error
			if gave, err = json.Marshal(&events[i]); err != nil { // unreachable unless evidence holds a number that is not finite
				return nil, fmt.Errorf("encoding event %q: %w", events[i].ID, err)
			}
		}
		if !sameFacts(was, gave) {
			return &Difference{Seq: k.Seq, At: k.Tick.At, N: i, Was: was, Gave: gave}, nil
		}
	}
	return nil, nil
}

// sameFacts reports whether two events in JSON say the same, however their
// encoding differs.
func sameFacts(was, gave []byte) bool {
	if bytes.Equal(was, gave) {
		return true
	}
	var a, b *Event
	if json.Unmarshal(was, &a) != nil || json.Unmarshal(gave, &b) != nil {
		return false
	}
	return reflect.DeepEqual(a, b)
}
