package simulator

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// stamp is a time on AWS's wires: a number of seconds since the epoch, in CBOR
// under tag 1. Its JSON form is a bare number.
type stamp struct{ time.Time }

func at(unix int64) stamp { return stamp{time.Unix(unix, 0).UTC()} }

func (s stamp) seconds() float64 { return float64(s.UnixMilli()) / 1000 }

// MarshalCBOR writes tag 1 and a float.
func (s stamp) MarshalCBOR() ([]byte, error) {
	return cbor.Marshal(cbor.Tag{Number: 1, Content: s.seconds()})
}

// UnmarshalCBOR reads tag 1 with a whole or a floating number.
func (s *stamp) UnmarshalCBOR(b []byte) error {
	var raw cbor.RawTag
	if err := cbor.Unmarshal(b, &raw); err != nil {
		return fmt.Errorf("reading timestamp: %w", err)
	}
	if raw.Number != 1 {
		return fmt.Errorf("reading timestamp: tag %d, want 1", raw.Number)
	}
	var f float64
	if err := cbor.Unmarshal(raw.Content, &f); err != nil {
		return fmt.Errorf("reading timestamp: %w", err)
	}
	return s.set(f)
}

// MarshalJSON writes seconds.
func (s stamp) MarshalJSON() ([]byte, error) { return json.Marshal(s.seconds()) }

// UnmarshalJSON reads seconds.
func (s *stamp) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return fmt.Errorf("reading timestamp: %w", err)
	}
	return s.set(f)
}

func (s *stamp) set(f float64) error {
	if math.IsNaN(f) || math.Abs(f) > 1e11 {
		return fmt.Errorf("reading timestamp: %v is out of range", f)
	}
	s.Time = time.UnixMilli(int64(math.Round(f * 1000))).UTC()
	return nil
}
