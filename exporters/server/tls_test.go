package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/internal/certtest"
	"github.com/relgate/relgate/internal/peertest"
)

// lines is a log that a test reads while a server writes it.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// secured serves with TLS on loopback until the test ends.
func secured(t *testing.T, files Files) (addr string, s *Server, log *lines) {
	t.Helper()
	certificates, err := NewCertificates(files)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log = &lines{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "pass over", r.Proto) })
	s = New(h, Config{Limit: 20, TLS: certificates, Log: slog.New(slog.NewTextHandler(log, nil))})
	run(t, s, l)
	return l.Addr().String(), s, log
}

// written is a folder with an authority and a pair of its own, as files.
func written(t *testing.T, ends time.Time) (*certtest.Authority, Files) {
	t.Helper()
	dir := t.TempDir()
	ca := certtest.NewAuthority(t, "relgate test")
	f := Files{Cert: filepath.Join(dir, "gate.pem"), Key: filepath.Join(dir, "gate.key")}
	ca.Issue(t, "gate", ends).Write(t, f.Cert, f.Key)
	certtest.Write(t, filepath.Join(dir, "ca.pem"), ca.PEM())
	return ca, f
}

func inDays(n int) time.Time { return time.Now().Add(time.Duration(n) * 24 * time.Hour) }

func TestOnlyAClientWithATrustedCertificateGetsIn(t *testing.T) {
	ca, files := written(t, inDays(90))
	files.ClientCA = filepath.Join(filepath.Dir(files.Cert), "ca.pem")
	addr, s, log := secured(t, files)
	other := certtest.NewAuthority(t, "relgate test") // of the same name
	refused := uint64(0)
	for _, tt := range []struct {
		about string
		pair  *certtest.Pair
		least uint16
		most  uint16
		says  string // in the log; empty: it gets in
	}{
		{"none", nil, tls.VersionTLS13, 0, "didn't provide a certificate"},
		{"none, TLS 1.2", nil, 0, tls.VersionTLS12, "didn't provide a certificate"},
		{"of another authority", new(other.Issue(t, "ci", inDays(1))), tls.VersionTLS13, 0, "failed to verify certificate"},
		{"one that has ended", new(ca.Issue(t, "ci", inDays(-1))), tls.VersionTLS13, 0, "expired"},
		{"TLS 1.1", new(ca.Issue(t, "ci", inDays(1))), tls.VersionTLS10, tls.VersionTLS11, "unsupported versions"},
		{"the right one", new(ca.Issue(t, "ci", inDays(1))), tls.VersionTLS13, 0, ""},
		{"the right one, TLS 1.2", new(ca.Issue(t, "ci", inDays(1))), 0, tls.VersionTLS12, ""},
	} {
		config := &tls.Config{RootCAs: ca.Pool(), MinVersion: tt.least, MaxVersion: tt.most}
		if tt.pair != nil {
			config.Certificates = []tls.Certificate{tt.pair.TLS(t)}
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: true}, Timeout: 10 * time.Second}
		resp, err := client.Get("https://" + addr)
		if (err == nil) != (tt.says == "") {
			t.Errorf("%s: %v", tt.about, err)
		}
		if err == nil {
			if b, _ := io.ReadAll(resp.Body); string(b) != "pass over HTTP/2.0\n" {
				t.Errorf("%s: %q", tt.about, b)
			}
			resp.Body.Close()
			continue
		}
		refused++
		waitFor(t, func() bool { return s.Stats().Handshakes == refused })
		if refused == 1 && !(strings.Contains(log.String(), "TLS handshake refused") && strings.Contains(log.String(), tt.says)) {
			t.Errorf("%s: the log says %s", tt.about, log)
		}
	}
	if n := strings.Count(log.String(), "TLS handshake refused"); n >= int(refused) {
		t.Errorf("%d lines of %d refusals, want one a second at most: %s", n, refused, log)
	}
}

// waitFor waits for real connections, ten seconds at most.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("gave up waiting")
		}
	}
}

func TestPlainHTTPOnATLSPortIsToldSo(t *testing.T) {
	_, files := written(t, inDays(90))
	addr, s, _ := secured(t, files)
	resp, err := http.Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(b), "HTTPS") {
		t.Errorf("got %d %q", resp.StatusCode, b)
	}
	waitFor(t, func() bool { return s.Stats().Handshakes == 1 })
}

// A certificate that was replaced is taken without a restart; a new one that is no good
// leaves the old one.
func TestFilesAreReadAgainWhenTheyChange(t *testing.T) {
	dir := t.TempDir()
	f := Files{Cert: filepath.Join(dir, "c"), Key: filepath.Join(dir, "k"), ClientCA: filepath.Join(dir, "ca")}
	one, two := certtest.NewAuthority(t, "one"), certtest.NewAuthority(t, "two")
	synctest.Test(t, func(t *testing.T) {
		ends := inDays(365)
		first, second := one.Issue(t, "first", ends), one.Issue(t, "second", ends)
		first.Write(t, f.Cert, f.Key)
		certtest.Write(t, f.ClientCA, one.PEM())
		c, err := NewCertificates(f)
		if err != nil {
			t.Fatal(err)
		}
		log := &lines{}
		logger := slog.New(slog.NewTextHandler(log, nil))
		step := func(about, name string, clients *certtest.Authority, errors, infos int) {
			t.Helper()
			for range 3 { // nothing is read or said twice
				time.Sleep(lookTime)
				config := c.now(logger)
				if got := config.Certificates[0].Leaf.Subject.CommonName; got != name || !config.ClientCAs.Equal(clients.Pool()) {
					t.Errorf("%s: certificate %q with the wrong authority or name, want %q", about, got, name)
				}
			}
			if e, i := strings.Count(log.String(), "not taken"), strings.Count(log.String(), "certificate taken"); e != errors || i != infos {
				t.Errorf("%s: %d errors and %d changes in the log, want %d and %d: %s", about, e, i, errors, infos, log)
			}
		}
		step("as it was", "first", one, 0, 0)
		certtest.Write(t, f.Cert, second.Cert)
		step("the key does not fit yet", "first", one, 1, 0)
		certtest.Write(t, f.Key, second.Key)
		step("both are new", "second", one, 1, 1)
		certtest.Write(t, f.ClientCA, []byte("soon"))
		step("authorities that are none", "second", one, 2, 1)
		certtest.Write(t, f.ClientCA, two.PEM())
		step("other authorities", "second", two, 2, 2)
		if err := os.Remove(f.Key); err != nil {
			t.Fatal(err)
		}
		step("a key that is gone", "second", two, 3, 2)
		first.Write(t, f.Cert, f.Key)
		step("the first again", "first", two, 3, 3)
		// At most one look a second: a change is not seen at once.
		second.Write(t, f.Cert, f.Key)
		if got := c.now(logger).Certificates[0].Leaf.Subject.CommonName; got != "first" {
			t.Errorf("a second look within a second: %q", got)
		}
		if strings.Contains(log.String(), "PRIVATE KEY") {
			t.Errorf("the log holds a key: %s", log)
		}
	})
}

func TestACertificateThatEndsSoonIsSaidOnceADay(t *testing.T) {
	_, f := written(t, inDays(30))
	synctest.Test(t, func(t *testing.T) {
		pair := certtest.NewAuthority(t, "one").Issue(t, "gate", inDays(20))
		pair.Write(t, f.Cert, f.Key)
		c, err := NewCertificates(f)
		if err != nil {
			t.Fatal(err)
		}
		log := &lines{}
		for range 25 * 24 {
			time.Sleep(time.Hour)
			c.now(slog.New(slog.NewTextHandler(log, nil)))
		}
		if soon, over := strings.Count(log.String(), "ends soon"), strings.Count(log.String(), "has ended"); soon != 14 || over != 5 {
			t.Errorf("said %d times before the end and %d times after, want 14 and 5", soon, over)
		}
	})
}

func TestFilesThatAreNoGoodAreNamed(t *testing.T) {
	_, good := written(t, inDays(30))
	_, other := written(t, inDays(30))
	for about, tt := range map[string]struct {
		files Files
		says  string
	}{
		"no certificate":      {Files{Cert: "no-such-file", Key: good.Key}, "no-such-file"},
		"no key":              {Files{Cert: good.Cert, Key: "no-such-file"}, "no-such-file"},
		"the key of another":  {Files{Cert: good.Cert, Key: other.Key}, good.Cert},
		"a key as its own":    {Files{Cert: good.Key, Key: good.Key}, good.Key},
		"no authorities":      {Files{Cert: good.Cert, Key: good.Key, ClientCA: "no-such-file"}, "no-such-file"},
		"a key as authority":  {Files{Cert: good.Cert, Key: good.Key, ClientCA: good.Key}, good.Key},
		"a folder as its key": {Files{Cert: good.Cert, Key: filepath.Dir(good.Key)}, filepath.Dir(good.Key)},
	} {
		if _, err := NewCertificates(tt.files); err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "MII") {
			t.Errorf("%s: got %v, want an error that names %s", about, err, tt.says)
		}
	}
}

// The time limits hold on HTTP/2, and a long poll is not cut.
func TestABodyThatNeverComesEndsOnHTTP2(t *testing.T) {
	_, files := written(t, inDays(30))
	for _, tt := range []struct {
		path   string
		comes  bool // the body
		status int
		took   time.Duration
	}{
		{"/read", false, 400, bodyTime},
		{"/refuse", false, 401, 0},
		{"/read-wait", true, 503, longest},
		{"/wait", false, 503, longest},
	} {
		synctest.Test(t, func(t *testing.T) {
			ca := certtest.NewAuthority(t, "one")
			ca.Issue(t, "gate", inDays(20)).Write(t, files.Cert, files.Key)
			certificates, err := NewCertificates(files)
			if err != nil {
				t.Fatal(err)
			}
			in := newPipes()
			s := New(routes(), Config{Limit: 2, Wait: longest, TLS: certificates})
			run(t, s, in)
			transport := &http.Transport{
				TLSClientConfig: &tls.Config{RootCAs: ca.Pool()}, ForceAttemptHTTP2: true,
				DialContext: func(context.Context, string, string) (net.Conn, error) { return in.dial(), nil },
			}
			body, sender := io.Pipe()
			if tt.comes {
				go func() { sender.Close() }()
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://localhost"+tt.path, body)
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			resp, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); resp.StatusCode != tt.status || resp.ProtoMajor != 2 || took != tt.took {
				t.Errorf("%s: %s %d after %v, want %d after %v", tt.path, resp.Proto, resp.StatusCode, took, tt.status, tt.took)
			}
			resp.Body.Close()
			sender.Close()
			time.Sleep(idleTime + time.Minute)
			if st := s.Stats(); st.Open != 0 {
				t.Errorf("%s: %d connections after the idle time, want none", tt.path, st.Open)
			}
		})
	}
}

// Other people's clients: curl and openssl.
func TestCurlAndOpenSSLGetInWithACertificate(t *testing.T) {
	curl, openssl := peertest.Need(t, "curl"), peertest.Need(t, "openssl")
	ca, files := written(t, inDays(30))
	dir := filepath.Dir(files.Cert)
	files.ClientCA = filepath.Join(dir, "ca.pem")
	addr, _, _ := secured(t, files)
	cert, key := filepath.Join(dir, "ci.pem"), filepath.Join(dir, "ci.key")
	ca.Issue(t, "ci", inDays(1)).Write(t, cert, key)
	certtest.NewAuthority(t, "other").Issue(t, "ci", inDays(1)).Write(t, cert+"2", key+"2")
	for _, tt := range []struct {
		about string
		args  []string
		out   string // empty: it fails
	}{
		{"curl", []string{curl, "-sS", "--cacert", files.ClientCA, "--cert", cert, "--key", key, "https://" + addr}, "pass over HTTP/2"},
		{"curl over HTTP/1.1", []string{curl, "-sS", "--http1.1", "--cacert", files.ClientCA, "--cert", cert, "--key", key, "https://" + addr}, "pass over HTTP/1.1"},
		{"curl without a certificate", []string{curl, "-sS", "--cacert", files.ClientCA, "https://" + addr}, ""},
		{"curl with one of another authority", []string{curl, "-sS", "--cacert", files.ClientCA, "--cert", cert + "2", "--key", key + "2", "https://" + addr}, ""},
		{"curl that does not trust the server", []string{curl, "-sS", "--cert", cert, "--key", key, "https://" + addr}, ""},
		{"openssl", []string{openssl, "s_client", "-connect", addr, "-CAfile", files.ClientCA, "-verify_return_error", "-cert", cert, "-key", key, "-quiet", "-no_ign_eof"}, "pass over HTTP/1.1"},
		{"openssl, TLS 1.2", []string{openssl, "s_client", "-tls1_2", "-connect", addr, "-CAfile", files.ClientCA, "-verify_return_error", "-cert", cert, "-key", key, "-quiet", "-no_ign_eof"}, "pass over HTTP/1.1"},
		{"openssl without a certificate", []string{openssl, "s_client", "-connect", addr, "-CAfile", files.ClientCA, "-quiet", "-no_ign_eof"}, ""},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		cmd := exec.CommandContext(ctx, tt.args[0], tt.args[1:]...)
		in, err := cmd.StdinPipe() // stays open: openssl ends with the server
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(in, "GET / HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n") }()
		out, err := cmd.Output()
		cancel()
		if tt.out == "" && strings.Contains(string(out), "pass") || tt.out != "" && !strings.Contains(string(out), tt.out) {
			t.Errorf("%s: %v, %q, want %q", tt.about, err, out, tt.out)
		}
	}
}
