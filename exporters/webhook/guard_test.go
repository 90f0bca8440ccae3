package webhook

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/internal/peertest"
)

func TestAdmits(t *testing.T) {
	for _, tt := range []struct {
		ip    string
		allow string
		named bool
		want  bool
	}{
		{"93.184.215.14", "", false, true},
		{"2606:2800:21f:cb07:6820:80da:af6b:8b2c", "", false, true},
		{"127.0.0.1", "", false, false},
		{"127.0.0.1", "127.0.0.0/8", false, true},
		{"127.0.0.1", "", true, true},
		{"::1", "", false, false},
		{"::1", "::1", false, true},
		{"10.1.2.3", "", false, false},
		{"10.1.2.3", "10.1.0.0/16", false, true},
		{"10.2.2.3", "10.1.0.0/16", false, false},
		{"10.1.2.3", "", true, true},
		{"172.16.0.1", "", false, false},
		{"192.168.1.1", "", false, false},
		{"100.64.0.1", "", false, false},
		{"169.254.169.254", "", false, false},
		{"169.254.169.254", "", true, false}, // metadata is never reached by a name
		{"169.254.169.254", "169.254.169.254", false, true},
		{"fd00:ec2::254", "", true, false},
		{"fd00::1", "", true, true},
		{"fe80::1%eth0", "", true, false},
		{"0.0.0.0", "", true, false},
		{"::", "", true, false},
		{"224.0.0.1", "", true, false},
		{"255.255.255.255", "", true, false},
		{"::ffff:127.0.0.1", "", false, false}, // IPv4 in IPv6's clothes
		{"::ffff:10.0.0.1", "10.0.0.0/8", false, true},
		{"64:ff9b::7f00:1", "", false, false}, // through a translator to 127.0.0.1
		{"2002:7f00:1::", "", false, false},
		{"198.18.0.1", "", false, false},
		{"240.0.0.1", "", false, false},
	} {
		var list []string
		if tt.allow != "" {
			list = []string{tt.allow}
		}
		a, err := parseAllow(list)
		if err != nil {
			t.Fatalf("parseAllow(%q): %v", list, err)
		}
		if got := a.admits(netip.MustParseAddr(tt.ip), tt.named); got != tt.want {
			t.Errorf("with %q, named %v: admits %s = %v, want %v", tt.allow, tt.named, tt.ip, got, tt.want)
		}
	}
}

func FuzzParseAllow(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8", "localhost", "[::1]", "::ffff:1.2.3.4", "", "a b", "fe80::1%en0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAllow([]string{s})
		if err == nil && len(a.nets)+len(a.names) != 1 {
			t.Errorf("parseAllow(%q) took it and made nothing of it", s)
		}
	})
}

// dns is a name server on loopback that gives every name one address, which may
// change.
func dns(t *testing.T, address *atomic.Value) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := dnsReply(buf[:n], netip.MustParseAddr(address.Load().(string))); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func dnsReply(query []byte, ip netip.Addr) []byte {
	end := 12
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the last label, type and class
	if end > len(query) {
		return nil
	}
	reply := append([]byte(nil), query[:end]...)
	binary.BigEndian.PutUint16(reply[2:], 0x8180)
	clear(reply[6:12])
	if binary.BigEndian.Uint16(query[end-4:]) == 1 { // an A record is asked for
		reply[7] = 1
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		reply = append(reply, ip.AsSlice()...)
	}
	return reply
}

// The address is checked when it is dialled, whatever name it came by, and again
// when the name has moved.
func TestAddressIsCheckedWhenDialled(t *testing.T) {
	var hits atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer server.Close()
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	var address atomic.Value
	resolver := dns(t, &address)
	for _, tt := range []struct {
		name  string
		host  string
		dns   string
		allow []string
		want  string // reason, empty when it arrives
	}{
		{"loopback by IP", "127.0.0.1", "", nil, "address is not allowed"},
		{"loopback by IP, allowed", "127.0.0.1", "", []string{"127.0.0.1"}, ""},
		{"a public name that leads inside", "hooks.example.com", "127.0.0.1", nil, "address is not allowed"},
		{"a name on the list that leads inside", "hooks.example.com", "127.0.0.1", []string{"Hooks.Example.com"}, ""},
		{"another name on the list", "hooks.example.com", "127.0.0.1", []string{"example.com"}, "address is not allowed"},
		{"a name on the list that leads to metadata", "hooks.example.com", "169.254.169.254", []string{"hooks.example.com"}, "address is not allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address.Store(tt.dns)
			before := hits.Load()
			e := endpoint()
			e.URL = "http://" + net.JoinHostPort(tt.host, target.Port()) + "/hook"
			s := mustNew(t, Config{Allow: tt.allow, Resolver: resolver}, e)
			o := s.Send(t.Context(), outbox.Message{ID: "1", Data: []byte("{}")})
			if o.OK != (tt.want == "") || !strings.Contains(o.Reason, tt.want) || (hits.Load() > before) != o.OK {
				t.Errorf("outcome %+v after %d requests, want reason %q", o, hits.Load()-before, tt.want)
			}
		})
	}
}

func TestRebinding(t *testing.T) {
	var hits atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer server.Close()
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	var address atomic.Value
	e := endpoint()
	e.URL = "http://" + net.JoinHostPort("hooks.example.com", target.Port())
	s := mustNew(t, Config{Allow: []string{"127.0.0.1/32"}, Resolver: dns(t, &address)}, e)
	address.Store("127.0.0.1")
	if o := s.Send(t.Context(), outbox.Message{ID: "1", Data: []byte("{}")}); !o.OK {
		t.Fatalf("the first address: %+v, want delivered", o)
	}
	s.CloseIdleConnections()
	address.Store("127.0.0.2") // where the same server does not listen, and which may not be called
	if o := s.Send(t.Context(), outbox.Message{ID: "1", Data: []byte("{}")}); o.OK || !strings.Contains(o.Reason, errRefused.Error()) {
		t.Errorf("the second address: %+v, want %v", o, errRefused)
	}
	if got := hits.Load(); got != 1 {
		t.Errorf("%d requests arrived, want 1", got)
	}
}

// A receiver behind an authority of its own is reached with that one only.
func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	for _, tt := range []struct {
		trust *tls.Config
		want  bool
	}{{nil, false}, {&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, true}} {
		e := endpoint()
		e.URL, e.TLS, e.Allow = server.URL, tt.trust, []string{"127.0.0.1"}
		s := mustNew(t, Config{}, e)
		o := s.Send(t.Context(), outbox.Message{ID: "1", Data: []byte("{}")})
		if o.OK != tt.want {
			t.Errorf("trusting %v: %+v, want delivered: %v", tt.trust != nil, o, tt.want)
		}
		s.CloseIdleConnections()
	}
}

// proxyTo is a proxy on loopback that takes every name and address for one server, and
// whoever has the password. It notes what it was asked for.
func proxyTo(t *testing.T, server *httptest.Server) (address string, asked func() []string) {
	t.Helper()
	inner := server.Listener.Addr().String()
	var mu sync.Mutex
	var targets []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		targets = append(targets, r.Method+" "+r.RequestURI)
		mu.Unlock()
		if r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("relgate:pa55word")) {
			http.Error(w, "s3cret", http.StatusProxyAuthRequired)
			return
		}
		if r.Method != http.MethodConnect {
			r.Header.Del("Proxy-Authorization")
			r.RequestURI, r.URL.Host = "", inner
			resp, err := server.Client().Do(r)
			if err != nil {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			w.WriteHeader(resp.StatusCode)
			_ = resp.Body.Close()
			return
		}
		out, err := net.Dial("tcp", inner)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer out.Close()
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer in.Close()
		_, _ = io.WriteString(in, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(out, in); _ = out.(*net.TCPConn).CloseWrite() }()
		_, _ = io.Copy(in, out)
	}))
	t.Cleanup(proxy.Close)
	return proxy.Listener.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(targets)
	}
}

// A delivery goes through the endpoint's proxy: what is dialled and checked is the
// proxy's address, and the target's name is left to the proxy.
func TestDeliveriesGoThroughTheProxy(t *testing.T) {
	for _, tt := range []struct {
		name   string
		target string
		proxy  string // ADDRESS is where it listens
		allow  []string
		asked  string // of the proxy
		want   string // reason, empty when it arrives
	}{
		{"an http target is asked for in full", "http://hooks.example.com/a?b=c", "http://relgate:pa55word@ADDRESS", []string{"127.0.0.1"}, "POST http://hooks.example.com/a?b=c", ""},
		{"an https target is tunnelled to", "https://example.com/a", "http://relgate:pa55word@ADDRESS", []string{"127.0.0.1"}, "CONNECT example.com:443", ""},
		{"the target's address is not checked", "http://169.254.169.254/", "http://relgate:pa55word@ADDRESS", []string{"127.0.0.1"}, "POST http://169.254.169.254/", ""},
		{"the proxy's address is", "http://hooks.example.com/", "http://relgate:pa55word@ADDRESS", nil, "", "127.0.0.1: address is not allowed"},
		{"a target that may be called admits no proxy", "http://hooks.example.com/", "http://relgate:pa55word@ADDRESS", []string{"hooks.example.com"}, "", "127.0.0.1: address is not allowed"},
		{"a wrong password, tunnelled", "https://example.com/", "http://relgate:s3cret@ADDRESS", []string{"127.0.0.1"}, "CONNECT example.com:443", "the proxy answered 407 Proxy Authentication Required"},
		{"a wrong password, in full", "http://example.com/", "http://relgate:s3cret@ADDRESS", []string{"127.0.0.1"}, "POST http://example.com/", "answered 407 Proxy Authentication Required"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var hits atomic.Int64
			count := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Proxy-Authorization") != "" {
					t.Error("the target is told the proxy's password")
				}
				hits.Add(1)
			})
			server := httptest.NewUnstartedServer(count)
			if strings.HasPrefix(tt.target, "https:") {
				server.StartTLS()
			} else {
				server.Start()
			}
			defer server.Close()
			address, asked := proxyTo(t, server)
			e := endpoint()
			e.URL, e.Proxy = tt.target, strings.Replace(tt.proxy, "ADDRESS", address, 1)
			if server.Certificate() != nil {
				pool := x509.NewCertPool()
				pool.AddCert(server.Certificate())
				e.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
			}
			s := mustNew(t, Config{Allow: tt.allow}, e)
			defer s.CloseIdleConnections()
			o := s.Send(t.Context(), outbox.Message{ID: "1", Data: []byte("{}")})
			if o.OK != (tt.want == "") || !strings.Contains(o.Reason, tt.want) || (hits.Load() == 1) != o.OK {
				t.Errorf("outcome %+v after %d requests, want reason %q", o, hits.Load(), tt.want)
			}
			if o.Refused {
				t.Errorf("outcome %+v: an answer that may be the proxy's own gives nothing up", o)
			}
			if strings.Contains(o.Reason, "pa55word") || strings.Contains(o.Reason, "s3cret") {
				t.Errorf("reason %q shows a secret", o.Reason)
			}
			if got := strings.Join(asked(), ", "); got != tt.asked {
				t.Errorf("the proxy was asked for %q, want %q", got, tt.asked)
			}
		})
	}
}

// The same through a proxy that is not ours.
func TestDeliveriesGoThroughTinyproxy(t *testing.T) {
	path := peertest.Need(t, "tinyproxy")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().(*net.TCPAddr)
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tinyproxy.conf")
	text := fmt.Sprintf("Port %d\nListen 127.0.0.1\nAllow 127.0.0.1\nBasicAuth relgate pa55word\nLogLevel Info\n", address.Port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "-d", "-c", file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	for said.Scan() && !strings.Contains(said.Text(), "Accepting connections") {
	}
	if err := said.Err(); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	t.Cleanup(func() { _ = cmd.Wait() }) // it was killed with the test's context

	var hits atomic.Int64
	count := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	plain, secure := httptest.NewServer(count), httptest.NewTLSServer(count)
	defer plain.Close()
	defer secure.Close()
	pool := x509.NewCertPool()
	pool.AddCert(secure.Certificate())
	for _, tt := range []struct {
		target, password string
		want             string // how the reason begins, empty when it arrives; 1.11 says 401 where 407 is due
	}{
		{plain.URL, "pa55word", ""},
		{secure.URL, "pa55word", ""},
		{plain.URL, "s3cret", "answered 40"},
		{secure.URL, "s3cret", "the proxy answered 40"},
	} {
		e, before := endpoint(), hits.Load()
		e.URL, e.Proxy = tt.target, fmt.Sprintf("http://relgate:%s@%v", tt.password, address)
		e.Allow, e.TLS = []string{"127.0.0.1"}, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		s := mustNew(t, Config{}, e)
		o := s.Send(t.Context(), outbox.Message{ID: "1", Data: []byte("{}")})
		if o.OK != (tt.want == "") || !strings.HasPrefix(o.Reason, tt.want) || (hits.Load() > before) != o.OK {
			t.Errorf("%s with password %q: outcome %+v after %d requests, want a reason that begins with %q", tt.target, tt.password, o, hits.Load()-before, tt.want)
		}
		s.CloseIdleConnections()
	}
}

// The proxies of the environment are not used: their addresses are in no config.
func TestTheEnvironmentsProxyIsNotUsed(t *testing.T) {
	var hits atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer server.Close()
	proxy, asked := proxyTo(t, server)
	t.Setenv("HTTP_PROXY", "http://relgate:pa55word@"+proxy)
	t.Setenv("HTTPS_PROXY", "http://relgate:pa55word@"+proxy)
	var address atomic.Value
	address.Store("127.0.0.1")
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	e := endpoint()
	e.URL = "http://" + net.JoinHostPort("hooks.example.com", port)
	o := mustNew(t, Config{Allow: []string{"127.0.0.1"}, Resolver: dns(t, &address)}, e).Send(t.Context(), outbox.Message{ID: "1", Data: []byte("{}")})
	if !o.OK || hits.Load() != 1 || len(asked()) > 0 {
		t.Errorf("outcome %+v, the proxy was asked for %q; want the target called directly", o, asked())
	}
}

// What dials a mail server reaches one inside, and nothing that only a cloud's own tools are
// meant to reach.
func TestADialerReachesPrivateNetworksButNoMetadata(t *testing.T) {
	dial, err := Dialer(nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if c, err := dial(t.Context(), "tcp", l.Addr().String()); err != nil {
		t.Errorf("loopback: %v", err)
	} else {
		_ = c.Close()
	}
	for _, address := range []string{"169.254.169.254:25", "[fe80::1]:25", "[fd00:ec2::254]:25", "224.0.0.1:25", "0.0.0.0:25"} {
		if c, err := dial(t.Context(), "tcp", address); !errors.Is(err, errRefused) {
			t.Errorf("%s: %v, want it refused", address, err)
			if err == nil {
				_ = c.Close()
			}
		}
	}
	if _, err := Dialer([]string{"a b"}); err == nil {
		t.Error("a list that is none is taken")
	}
}
