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
		func(t *testing.T) { t.Setenv("RELGATE_SPECS", t.TempDir()); GitHub(t) },
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

// A schema is found by its operation, with what it refers to.
func TestAPublishedDescriptionIsRead(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("RELGATE_SPECS", dir)
	const text = `{"openapi":"3.1.0","paths":{"/r/{id}/x":{"post":{"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/x"}}}}}}},
		"components":{"schemas":{"x":{"type":"object","required":["a"],"properties":{"a":{"type":"string"}}}}}}`
	if err := os.WriteFile(filepath.Join(dir, "api.github.com.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := GitHub(t)("POST /r/{id}/x", "requestBody")
	Keeps(t, s, []byte(`{"a":"b"}`))
	Lacks(t, s, `{}`)
	Lacks(t, s, `{"a":1}`)
}
