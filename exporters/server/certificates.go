package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// SoonTime is how long before its end a certificate is warned of.
const SoonTime = 14 * 24 * time.Hour

const (
	lookTime   = time.Second    // between two looks at the files
	remindTime = 24 * time.Hour // between two warnings of the same certificate
)

// Files are the PEM files of a port with TLS.
type Files struct {
	Cert     string // the certificate, and those between it and its authority; required
	Key      string // its private key; required
	ClientCA string // authorities of client certificates, which are then required; empty: none are asked for
}

// Load reads the files. It gives the certificate, whose Leaf is filled in, and the
// authorities of clients, nil if there are to be none. A certificate whose time is over
// is no error. The error names the file, and holds nothing of a key.
func (f Files) Load() (*tls.Certificate, *x509.CertPool, error) {
	cert, err := os.ReadFile(f.Cert)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the certificate: %w", err)
	}
	key, err := os.ReadFile(f.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the private key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the certificate %s and the private key %s: %w", f.Cert, f.Key, err)
	}
	if f.ClientCA == "" {
		return &pair, nil, nil
	}
	pool, err := Authorities(f.ClientCA)
	if err != nil {
		return nil, nil, err
	}
	return &pair, pool, nil
}

// Authorities reads a PEM file of certificate authorities. It is an error if it
// holds none.
func Authorities(path string) (*x509.CertPool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading certificate authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("reading certificate authorities: %s holds no PEM certificate", path)
	}
	return pool, nil
}

// Certificates are the files of a port, as they are now. They are read again when one
// of them has changed; a new set that is no good leaves the old one in force.
type Certificates struct {
	files Files

	mu       sync.Mutex
	current  *tls.Config
	leaf     *x509.Certificate
	read     [3]os.FileInfo // of Cert, Key, ClientCA, as they were read last
	looked   time.Time
	reminded time.Time // when the log said that the certificate ends soon
}

// NewCertificates reads the files; see [Files.Load] for the error.
func NewCertificates(files Files) (*Certificates, error) {
	c := &Certificates{files: files, read: files.stat(), looked: time.Now()}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// load reads the files and puts them in force.
func (c *Certificates) load() error {
	pair, clients, err := c.files.Load()
	if err != nil {
		return err
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{*pair},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	}
	if clients != nil {
		config.ClientCAs, config.ClientAuth = clients, tls.RequireAndVerifyClientCert
		// A client is verified at each connection, by the authorities of now.
		config.SessionTicketsDisabled = true
	}
	c.current, c.leaf, c.reminded = config, pair.Leaf, time.Time{}
	return nil
}

// config is what a server listens with.
func (c *Certificates) config(log *slog.Logger) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return c.now(log), nil
		},
	}
}

// now looks at the files, at most once a second, and gives what is in force.
func (c *Certificates) now(log *slog.Logger) *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.looked) < lookTime {
		return c.current
	}
	c.looked = now
	// What the files are is noted before they are read: a change in between is seen
	// at the next look.
	if is := c.files.stat(); !same(is, c.read) {
		c.read = is
		if err := c.load(); err != nil {
			log.Error("certificate not taken: the old one stays in force", "err", err)
		} else {
			log.Info("certificate taken", "cert", c.files.Cert, "expires", c.leaf.NotAfter.UTC().Format(time.RFC3339))
		}
	}
	if left := c.leaf.NotAfter.Sub(now); left < SoonTime && now.Sub(c.reminded) >= remindTime {
		c.reminded = now
		said := "the certificate ends soon: replace its files"
		if left < 0 {
			said = "the certificate has ended: clients refuse it; replace its files"
		}
		log.Error(said, "cert", c.files.Cert, "expires", c.leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return c.current
}

// stat is what the files are; nil for one that cannot be looked at.
func (f Files) stat() (is [3]os.FileInfo) {
	for i, path := range []string{f.Cert, f.Key, f.ClientCA} {
		if info, err := os.Stat(path); err == nil {
			is[i] = info
		}
	}
	return is
}

// same reports whether files are the same and have the same time and size.
func same(a, b [3]os.FileInfo) bool {
	for i := range a {
		if (a[i] == nil) != (b[i] == nil) {
			return false
		}
		if a[i] != nil && (!os.SameFile(a[i], b[i]) || !a[i].ModTime().Equal(b[i].ModTime()) || a[i].Size() != b[i].Size()) {
			return false
		}
	}
	return true
}
