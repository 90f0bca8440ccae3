package evaluator

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/relgate/relgate/rules"
)

func TestStoredForm(t *testing.T) {
	w := after(t, 18, func(w *world) { w.value = func(int, int64) (float64, float64, bool) { return 90, 1000, true } })
	good := store(t, w.state)
	for _, tt := range []struct{ name, bytes, want string }{
		{"empty", "", "not a stored state"},
		{"another kind", "SQLite format 3\x00", "not a stored state"},
		{"a later version", "RGr\x07" + string(good[4:]), "form 7, this program reads forms 2 to 6"},
		{"an earlier version", "RGr\x01" + string(good[4:]), "form 1, this program reads forms 2 to 6"},
		{"a bit", string(good[:20]) + "?" + string(good[21:]), "the checksum differs"},
	} {
		err := new(State).UnmarshalBinary([]byte(tt.bytes))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	sum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }
	body := good[:len(good)-4]
	for i := 4; i < len(body); i++ {
		if new(State).UnmarshalBinary(sum(body[:i:i])) == nil {
			t.Errorf("the first %d bytes of %d are read", i, len(body))
		}
	}
	if new(State).UnmarshalBinary(sum(append(body[:len(body):len(body)], 0))) == nil {
		t.Error("a byte too many is read")
	}
	// Any byte at all, in any place, is an error or a state that works.
	for i := 4; i < len(body); i++ {
		for _, v := range []byte{0, 1, 2, 9, 0x7f, 0x80, 0xff} {
			b := []byte(string(body))
			b[i] = v
			if b = sum(b); new(State).UnmarshalBinary(b) == nil {
				work(t, b)
			}
		}
	}
	s := *w.state
	if s.UnmarshalBinary([]byte("nonsense")) == nil || string(store(t, &s)) != string(good) {
		t.Error("an error changed the state")
	}
}

// The state is stored at every snapshot: a ground that is not there costs a byte.
func TestWhatIsNotThereCostsAByte(t *testing.T) {
	size := func(phases int) int {
		p := smallPlan()
		for len(p.Phases) < phases {
			p.Phases = append(p.Phases, rules.Phase{Name: fmt.Sprint(len(p.Phases))})
		}
		return len(store(t, Begin(p)))
	}
	if got := size(102) - size(2); got != 100*13 {
		t.Errorf("100 phases that wait take %d bytes, want 13 each", got)
	}
}
