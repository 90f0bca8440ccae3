package signing

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Keys are the keys of a file.
type Keys struct {
	path string
	list []jwk // the first signs; of the others there is no private part
}

// jwk is a key as RFC 8037 writes it.
type jwk struct {
	Alg string `json:"alg"` // EdDSA
	Crv string `json:"crv"` // Ed25519
	D   string `json:"d,omitempty"`
	Kid string `json:"kid"` // its thumbprint by RFC 7638
	Kty string `json:"kty"` // OKP
	Use string `json:"use"` // sig
	X   string `json:"x"`
}

// set is a JWK set.
type set struct {
	Keys []jwk `json:"keys"`
}

var encoding = base64.RawURLEncoding.Strict()

// Open reads the keys of a file. It returns fs.ErrNotExist where there is none.
func Open(path string) (*Keys, error) {
	k := &Keys{path: path}
	if err := k.read(); err != nil {
		return nil, fmt.Errorf("reading the signing keys %q: %w", path, err)
	}
	return k, nil
}

// OpenOrMake is Open, and makes a file with a new key where there is none.
func OpenOrMake(path string) (*Keys, error) {
	k, err := Open(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	return Rotate(path)
}

// Rotate puts a new key in the place of the one that signs, whose public part stays. Where
// there is no file it makes one. The file is replaced as a whole: whoever is killed
// meanwhile leaves the old one.
func Rotate(path string) (*Keys, error) {
	k := &Keys{path: path}
	if err := k.read(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the signing keys %q: %w", path, err)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err // unreachable: the system's randomness does not fail
	}
	next := jwk{Alg: "EdDSA", Crv: "Ed25519", Kty: "OKP", Use: "sig", X: encoding.EncodeToString(public), D: encoding.EncodeToString(private.Seed())}
	next.Kid = thumbprint(next.X)
	k.list = append([]jwk{next}, k.public()...)
	if err := k.write(); err != nil {
		return nil, fmt.Errorf("writing the signing keys %q: %w", path, err)
	}
	return k, nil
}

// ID names the key that signs.
func (k *Keys) ID() string { return k.list[0].Kid }

// Sign signs with it.
func (k *Keys) Sign(message []byte) []byte {
	seed, _ := encoding.DecodeString(k.list[0].D) // it was read
	return ed25519.Sign(ed25519.NewKeyFromSeed(seed), message)
}

// Public is the public part of all keys as a JWK set, the one that signs first.
func (k *Keys) Public() []byte {
	b, _ := json.MarshalIndent(set{k.public()}, "", "  ") // they are texts
	return append(b, '\n')
}

func (k *Keys) public() []jwk {
	list := append([]jwk{}, k.list...)
	for i := range list {
		list[i].D = ""
	}
	return list
}

// thumbprint is that of a key by its x, by RFC 7638: over what the key needs, in the order
// of the alphabet.
func thumbprint(x string) string {
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + x + `"}`))
	return encoding.EncodeToString(sum[:])
}

// read never says what stands in the file: it is secret.
func (k *Keys) read() error {
	info, err := os.Stat(k.path)
	if err != nil {
		return err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("others may read it (mode %04o): a key that others know proves nothing; if no one has read it, chmod 600 it, else run `relgate keys rotate` after that", info.Mode().Perm())
	}
	b, err := os.ReadFile(k.path)
	if err != nil {
		return err
	}
	var s set
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil || len(s.Keys) == 0 {
		return errors.New("it is not a JWK set with a key that signs; restore a backup of it, or move it away: `relgate keys rotate` makes a new one")
	}
	for i := range s.Keys {
		if err := s.Keys[i].check(i == 0); err != nil {
			return fmt.Errorf("key %d: %w", i+1, err)
		}
	}
	k.list = s.Keys
	return nil
}

func (j *jwk) check(signs bool) error {
	x, err := encoding.DecodeString(j.X)
	if err != nil || len(x) != ed25519.PublicKeySize || j.Alg != "EdDSA" || j.Crv != "Ed25519" || j.Kty != "OKP" || j.Use != "sig" || j.Kid != thumbprint(j.X) {
		return errors.New("it is not an Ed25519 key that relgate has written")
	}
	if !signs {
		if j.D != "" {
			return errors.New("it has a private part, and only the first may")
		}
		return nil
	}
	seed, err := encoding.DecodeString(j.D)
	if err != nil || len(seed) != ed25519.SeedSize || !bytes.Equal(ed25519.NewKeyFromSeed(seed)[ed25519.SeedSize:], x) {
		return errors.New("its private part is missing, or not that of its public part")
	}
	return nil
}

// write replaces the file. The new one is on disk before it takes the name.
func (k *Keys) write() error {
	b, err := json.MarshalIndent(set{k.list}, "", "  ")
	if err != nil {
		return err // unreachable: they are texts
	}
	f, err := os.CreateTemp(filepath.Dir(k.path), filepath.Base(k.path)+".*") // its mode is 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), k.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
