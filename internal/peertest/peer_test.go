package peertest

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAMissingPeerIsWrittenDown(t *testing.T) {
	list := filepath.Join(t.TempDir(), "skipped")
	t.Setenv("RELGATE_SKIPPED_PEERS", list)
	for range 2 {
		t.Run("peer", func(t *testing.T) {
			Need(t, "relgate-no-such-program")
			t.Error("a test goes on without its peer")
		})
	}
	if got, err := os.ReadFile(list); err != nil || string(got) != "relgate-no-such-program\nrelgate-no-such-program\n" {
		t.Errorf("the list is %q, %v", got, err)
	}
}
