package smtptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// test is what is used of a test: testing.TB has it. No program needs that package for it.
type test interface {
	Helper()
	Fatal(args ...any)
	Errorf(format string, args ...any)
	Cleanup(func())
}

// New starts a server on 127.0.0.1 that ends with the test, which it fails for violations.
func New(tb test, c Config) *Server {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := NewUnreached(tb, c)
	s.Serve(l)
	tb.Cleanup(func() { _ = l.Close() })
	return s
}

// NewUnreached makes a server that is reached by [Server.Dial] only, so that virtual time can
// pass.
func NewUnreached(tb test, c Config) *Server {
	s := Make(c)
	tb.Cleanup(func() {
		s.Close()
		for _, v := range s.Violations() {
			tb.Errorf("mail server: %s", v)
		}
	})
	return s
}

// Make makes a server that cannot be reached yet.
func Make(c Config) *Server {
	if c.Mechanisms == "" {
		c.Mechanisms = "PLAIN LOGIN"
	}
	return &Server{config: c, hung: make(chan Step, 100), conns: map[net.Conn]bool{}}
}

// Serve takes connections until the listener is closed. It returns at once.
func (s *Server) Serve(l net.Listener) {
	s.listener = l
	s.work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.take(c)
		}
	})
}

// Save is what the server keeps, for another one that goes on from it.
func (s *Server) Save() ([]byte, error) { return json.Marshal(s.Messages()) }

// Load goes on from what Save gave.
func (s *Server) Load(saved []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.Unmarshal(saved, &s.messages)
}

// Certificate makes a certificate for a server on 127.0.0.1, which lasts for a day, and gives
// it in PEM too, for who is to trust it.
func Certificate() (c tls.Certificate, text []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return c, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
