package signing_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/relgate/relgate/exporters/signing"
)

// published are the keys that Public shows.
func published(t *testing.T, k *signing.Keys) []map[string]string {
	t.Helper()
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(k.Public(), &set); err != nil {
		t.Fatal(err)
	}
	return set.Keys
}

func must(t *testing.T) func(k *signing.Keys, err error) *signing.Keys {
	return func(k *signing.Keys, err error) *signing.Keys {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
}

func TestKeysAreMadeOnceRotatedAndStayListed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relgate.db.keys")
	if _, err := signing.Open(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before they are made: got %v", err)
	}
	made := must(t)(signing.OpenOrMake(path))
	again := must(t)(signing.OpenOrMake(path))
	if made.ID() != again.ID() {
		t.Errorf("made twice: %s and %s", made.ID(), again.ID())
	}
	rotated := must(t)(signing.Rotate(path))
	opened := must(t)(signing.Open(path))
	list := published(t, opened)
	if rotated.ID() == made.ID() || opened.ID() != rotated.ID() || len(list) != 2 || list[0]["kid"] != rotated.ID() || list[1]["kid"] != made.ID() {
		t.Errorf("rotated %s to %s: got %v", made.ID(), rotated.ID(), list)
	}
	for _, key := range list {
		if key["d"] != "" || key["kty"] != "OKP" || key["crv"] != "Ed25519" || key["use"] != "sig" || key["alg"] != "EdDSA" {
			t.Errorf("got %v", key)
		}
	}
	x, err := base64.RawURLEncoding.DecodeString(list[0]["x"])
	if err != nil || !ed25519.Verify(x, []byte("m"), opened.Sign([]byte("m"))) || ed25519.Verify(x, []byte("m"), made.Sign([]byte("m"))) {
		t.Errorf("the first key must be the one that signs: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v", info.Mode(), err)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func TestAFileThatIsNotSoundIsRefusedWithoutASecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	must(t)(signing.OpenOrMake(path))
	must(t)(signing.Rotate(path))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(good, &set); err != nil {
		t.Fatal(err)
	}
	secret := set.Keys[0]["d"]
	other := strings.Repeat("A", len(secret))
	for name, text := range map[string]string{
		"no JSON":                         secret,
		"no keys":                         `{"keys":[]}`,
		"an unknown field":                strings.Replace(string(good), `"kty"`, `"`+secret+`": "x", "kty"`, 1),
		"no private part":                 strings.Replace(string(good), `"d"`, `"D2"`, 1),
		"an empty private part":           strings.Replace(string(good), secret, "", 1),
		"another private part":            strings.Replace(string(good), secret, other, 1),
		"a private part of an old one":    strings.Replace(string(good), `"kid": "`+set.Keys[1]["kid"], `"d": "`+secret+`", "kid": "`+set.Keys[1]["kid"], 1),
		"another name":                    strings.ReplaceAll(string(good), set.Keys[0]["kid"], other),
		"another algorithm":               strings.Replace(string(good), "EdDSA", "RS256", 1),
		"a public part of another length": strings.Replace(string(good), set.Keys[1]["x"], "AAAA", 1),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			for what, call := range map[string]func(string) (*signing.Keys, error){"Open": signing.Open, "OpenOrMake": signing.OpenOrMake, "Rotate": signing.Rotate} {
				if _, err := call(path); err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), other) {
					t.Errorf("%s: got %v, want an error without a secret", what, err)
				}
			}
			if kept, err := os.ReadFile(path); err != nil || string(kept) != text {
				t.Errorf("it was changed: %v", err)
			}
		})
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := errors.Join(os.WriteFile(path, good, 0o600), os.Chmod(path, 0o640)); err != nil {
		t.Fatal(err)
	}
	if _, err := signing.Open(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("others may read it: got %v", err)
	}
}

func TestKeysThatCannotBeWrittenLeaveTheOldOnes(t *testing.T) {
	if _, err := signing.Rotate(filepath.Join(t.TempDir(), "no folder", "keys")); err == nil {
		t.Error("no folder: got no error")
	}
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := signing.OpenOrMake(path); err == nil {
		t.Error("a folder: got no error")
	}
}
