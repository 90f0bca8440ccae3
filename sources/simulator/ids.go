package simulator

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
)

// uuid is an identifier that depends on the name only.
func uuid(thing string) string {
	h := sha256.Sum256([]byte(thing))
	h[6], h[8] = h[6]&0x0f|0x40, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	out, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "encoding the answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(out) // the client may be gone
}

// jsonNumber writes digits as a number, anything else as a string.
func jsonNumber(s string) any {
	if json.Valid([]byte(s)) {
		return json.RawMessage(s)
	}
	return s
}
