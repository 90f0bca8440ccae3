package bench

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	svr "github.com/in-toto/attestation/go/predicates/svr/v01"
	result "github.com/in-toto/attestation/go/predicates/test_result/v0"
	intoto "github.com/in-toto/attestation/go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/secure-systems-lab/go-securesystemslib/signerverifier"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// believer is who verifies envelopes with a key of relgate's.
func believer(t *testing.T, kid string, public ed25519.PublicKey) *dsse.EnvelopeVerifier {
	t.Helper()
	key, err := signerverifier.NewED25519SignerVerifierFromSSLibKey(&signerverifier.SSLibKey{KeyID: kid, KeyVal: signerverifier.KeyVal{Public: hex.EncodeToString(public)}})
	if err != nil {
		t.Fatal(err)
	}
	v, err := dsse.NewEnvelopeVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestOthersReadAProof: the library of DSSE takes the envelopes of a bundle and no changed
// ones, and that of in-toto reads the statements in them.
func TestOthersReadAProof(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), build(t, "..", "./cmd/relgate"), "demo", "--exit-when-done", "--speed", "max", "--scenario", "api-5xx", "--keep", dir)
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 3 {
		t.Fatalf("the demo: %v\n%s", err, out)
	}
	var bundle struct{ SVR, TestResult dsse.Envelope }
	var keys struct{ Keys []struct{ Kid, X string } }
	for name, into := range map[string]any{"bundle.json": &bundle, "keys.json": &keys} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	x, err := base64.RawURLEncoding.DecodeString(keys.Keys[0].X)
	if err != nil {
		t.Fatal(err)
	}
	right := believer(t, keys.Keys[0].Kid, x)
	wrong := believer(t, keys.Keys[0].Kid, make(ed25519.PublicKey, ed25519.PublicKeySize))
	for name, tt := range map[string]struct {
		envelope  dsse.Envelope
		predicate proto.Message
	}{
		"svr":        {bundle.SVR, new(svr.SimpleVerificationResult)},
		"testResult": {bundle.TestResult, new(result.TestResult)},
	} {
		accepted, payload, err := right.VerifyAndDecode(context.Background(), &tt.envelope)
		if err != nil || len(accepted) != 1 {
			t.Errorf("%s: got %v, %v", name, accepted, err)
			continue
		}
		if _, err := wrong.Verify(context.Background(), &tt.envelope); err == nil {
			t.Errorf("%s: another key is accepted", name)
		}
		changed := tt.envelope
		changed.Payload = base64.StdEncoding.EncodeToString(append(payload, ' '))
		if _, err := right.Verify(context.Background(), &changed); err == nil {
			t.Errorf("%s: another payload is accepted", name)
		}
		var s intoto.Statement
		if err := protojson.Unmarshal(payload, &s); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		predicate, err := protojson.Marshal(s.Predicate)
		if err == nil {
			err = s.Validate()
		}
		if err == nil { // verifier.policies is newer than the library
			err = protojson.UnmarshalOptions{DiscardUnknown: name == "svr"}.Unmarshal(predicate, tt.predicate)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		switch p := tt.predicate.(type) {
		case *svr.SimpleVerificationResult:
			if p.Verifier.Id == "" || len(p.Properties) > 0 {
				t.Errorf("%s: %v; want that nothing has passed", name, p)
			}
		case *result.TestResult:
			if p.Result != "FAILED" || len(p.FailedTests) != 1 || p.FailedTests[0] != "api-5xx-high" {
				t.Errorf("%s: %v", name, p)
			}
		}
	}
}
