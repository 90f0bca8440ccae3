package appstore_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/appstore"
	"github.com/relgate/relgate/sources/appstore/kind"
)

// A key file that is replaced signs the next request, and one that is no key, because
// it is just being written, does no harm.
func TestRotatedKey(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	var sent []string
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Get("Authorization"))
		say(reviewsJSON(""))(w, r)
	})
	kept := string(keyPEM)
	cfg := f.config()
	cfg.KeyPEM, cfg.ReadKey = nil, func() (string, error) { return kept, nil }
	s, err := appstore.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.CloseIdleConnections)
	for _, kept = range []string{string(keyPEM), string(keyPEM), "half a fi", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))} {
		s.Fetch(t.Context(), noon, []sources.Want{want(0, kind.Query{Fact: "reviews", VersionID: "v"}, noon.Add(-time.Hour), noon)})
	}
	if len(sent) != 4 || sent[0] != sent[1] || sent[0] != sent[2] || sent[3] == sent[0] || slices.Contains(sent, "Bearer ") {
		t.Errorf("%d requests; the replaced key was taken: %t", len(sent), len(sent) > 3 && sent[3] != sent[0])
	}
}
