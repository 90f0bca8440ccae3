// Package chain makes the links of the hash chain of a run: each tick's link is a hash
// over the link before and all that the journal keeps of the tick. So the newest link
// stands for the whole history: nothing in it can be changed, left out, added or put in
// another order without changing every link after it. docs/proof.md says what that proves.
package chain

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// Link is the link of a tick of a run: hex SHA-256. Before is the link of the tick before,
// empty for the first. The others are what the journal keeps of the tick: its sequence, the
// digest of the plan in force, its JSON, and that of each of its events, byte for byte.
func Link(before, run string, seq uint64, digest string, tick []byte, events [][]byte) string {
	h := sha256.New()
	var length [8]byte
	// The length goes before each part, so that nothing can move from one to the next.
	add := func(part []byte) {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	add([]byte(before))
	add([]byte(run))
	add(strconv.AppendUint(nil, seq, 10))
	add([]byte(digest))
	add(tick)
	for _, e := range events {
		add(e)
	}
	return hex.EncodeToString(h.Sum(nil))
}
