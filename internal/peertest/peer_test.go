package peertest

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAMissingPeerIsWrittenDown(t *testing.T) {
	list := filepath.Join(t.TempDir(), "skipped")
	t.Setenv("RELGATE_SKIPPED_PEERS", list)
	for _, need := range []func(*testing.T){
		func(t *testing.T) { Need(t, "relgate-no-such-program") },
		func(t *testing.T) { NeedFile(t, "relgate-no-such-module", "no/such/module") },
		func(t *testing.T) { NeedRun(t, "a-right", "false") },
	} {
		t.Run("peer", func(t *testing.T) {
			need(t)
			t.Error("a test goes on without its peer")
		})
	}
	NeedFile(t, "this test", "peer_test.go")
	NeedRun(t, "nothing", "true")
	if got, err := os.ReadFile(list); err != nil || string(got) != "relgate-no-such-program\nrelgate-no-such-module\na-right\n" {
		t.Errorf("the list is %q, %v", got, err)
	}
}
