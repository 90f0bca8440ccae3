package evaluator

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// FuzzStep draws a plan and a run from the fuzzer's bytes and holds it to the
// laws that need no oracle.
func FuzzStep(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		r := newDrawnRun(t)
		for range rapid.IntRange(1, 60).Draw(t, "ticks") {
			var events []fact.Event
			r.state, events = checkedStep(t, r.plan, r.state, r.next(t, true))
			for i := range events {
				r.sent(&events[i])
			}
		}
	}))
}

// FuzzUnmarshal reads any bytes: an error, or a state that is stored as the same
// bytes and that every function can work with.
func FuzzUnmarshal(f *testing.F) {
	p := smallPlan()
	s := Begin(p)
	seed := func() {
		b, _ := s.MarshalBinary()
		f.Add(b)
	}
	seed()
	w := world{plan: p, state: s, now: T, value: func(int, int64) (float64, float64, bool) { return 90, 1000, true }}
	for range 24 {
		tick := fact.Tick{At: w.now}
		for _, q := range Wants(p, s, w.now) {
			tick.Readings = append(tick.Readings, w.answer(q))
		}
		s, _ = Step(p, s, tick)
		w.now = w.now.Add(time.Minute)
	}
	seed()
	f.Add([]byte(storedForm))
	f.Fuzz(func(t *testing.T, b []byte) {
		if new(State).UnmarshalBinary(b) == nil {
			work(t, b)
		}
		if len(b) < 8 {
			return
		}
		// The checksum keeps the fuzzer out: give it a right one.
		fixed := binary.LittleEndian.AppendUint32(bytes.Clone(b[:len(b)-4]), crc32.ChecksumIEEE(b[:len(b)-4]))
		if new(State).UnmarshalBinary(fixed) == nil {
			work(t, fixed)
		}
	})
}

func work(t *testing.T, b []byte) {
	s := new(State)
	if err := s.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	again := new(State)
	if err := again.UnmarshalBinary(store(t, s)); err != nil {
		t.Fatalf("reading what was stored: %v", err)
	}
	p := smallPlan()
	now := T.Add(30 * time.Minute)
	Look(p, s)
	Wants(p, s, now)
	Adopt(p, smallPlan(), s)
	next, _ := Step(p, s, fact.Tick{At: now, Readings: []rules.Reading{{Points: []rules.Point{{At: now.Unix() - 60, Value: 1, Samples: 2}}}}})
	Look(p, next)
}
