package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/internal/certtest"
)

// tlsDir is a folder with certificates: of the daemon (gate.pem, gate.key), of their
// authority (ca.pem), and of clients: ci, ended, and strange, of another authority.
func tlsDir(t *testing.T) (dir string, ca *certtest.Authority) {
	t.Helper()
	dir = t.TempDir()
	ca = certtest.NewAuthority(t, "relgate test")
	for name, issued := range map[string]certtest.Pair{
		"gate":    ca.Issue(t, "gate", time.Now().Add(90*24*time.Hour)),
		"ci":      ca.Issue(t, "ci", time.Now().Add(time.Hour)),
		"ended":   ca.Issue(t, "ci", time.Now().Add(-time.Hour)),
		"strange": certtest.NewAuthority(t, "relgate test").Issue(t, "ci", time.Now().Add(time.Hour)),
	} {
		issued.Write(t, filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"))
	}
	certtest.Write(t, filepath.Join(dir, "ca.pem"), ca.PEM())
	return dir, ca
}

// withTLS is a config with TLS; more is added to daemon.tls.
func withTLS(dir, more string) string {
	return withTokens() + fmt.Sprintf("[daemon.tls]\ncert = %q\nkey = %q\n%s\n", filepath.Join(dir, "gate.pem"), filepath.Join(dir, "gate.key"), more)
}

func TestTheCommandLineTalksToADaemonWithTLS(t *testing.T) {
	dir, _ := tlsDir(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	log := &syncBuffer{}
	open := housed(t, withTLS(dir, ""), nil, log).public.Addr().String()
	closed := housed(t, withTLS(dir, fmt.Sprintf("client_ca = %q", file("ca.pem"))), nil, log)
	check := func(about, addr string, args []string, code int, says string) {
		t.Helper()
		args = append([]string{"--url", addr, "--token", "read-1"}, args...)
		for _, tt := range []struct {
			args []string
			code int // where the daemon answers
		}{
			{[]string{"gate", "check", "P-1", "one"}, exitPending},
			{[]string{"gate", "wait", "P-1", "one", "--timeout", "1s", "--unreachable-for", "0s"}, exitTimeout},
			{[]string{"runs"}, exitPass},
			{[]string{"deliveries", "list"}, exitPass},
		} {
			want := code
			if code == exitPass {
				want = tt.code
			}
			got, out, errs := command(t, append(tt.args, args...)...)
			if got != want || code != exitPass && !strings.Contains(out+errs, says) {
				t.Errorf("%s: %q: exit %d, %q %q; want %d and %q", about, tt.args, got, out, errs, want, says)
			}
		}
	}
	trust := []string{"--ca", file("ca.pem")}
	own := func(name string) []string {
		return append([]string{"--cert", file(name + ".pem"), "--key", file(name + ".key")}, trust...)
	}
	check("with its authority", "https://"+open, trust, exitPass, "")
	check("with a client certificate that is not asked for", "https://"+open, own("ci"), exitPass, "")
	check("without its authority", "https://"+open, nil, exitUnreachable, "not trusted: name its authority with --ca")
	check("with another authority", "https://"+open, []string{"--ca", file("strange.pem")}, exitUnreachable, "not trusted")
	check("by another name", "https://"+strings.Replace(open, "127.0.0.1", "127.0.0.2", 1), trust, exitUnreachable, "cannot be reached")
	check("plain HTTP", "http://"+open, nil, exitUnreachable, "HTTPS")
	check("no such file", "https://"+open, []string{"--ca", file("none")}, exitUsage, "--ca: reading certificate authorities")
	check("no PEM", "https://"+open, []string{"--ca", file("ci.key")}, exitUsage, "holds no PEM certificate")
	check("a certificate without a key", "https://"+open, []string{"--cert", file("ci.pem")}, exitUsage, "give both")
	check("a key of another", "https://"+open, []string{"--cert", file("ci.pem"), "--key", file("gate.key")}, exitUsage, "--cert and --key")
	strict := "https://" + closed.public.Addr().String()
	check("with a client certificate", strict, own("ci"), exitPass, "")
	check("without a client certificate", strict, trust, exitUnreachable, "--cert and --key")
	check("with one that has ended", strict, own("ended"), exitUnreachable, "--cert and --key")
	check("with one of another authority", strict, own("strange"), exitUnreachable, "--cert and --key")
	if st := closed.public.server.Stats(); st.Handshakes == 0 {
		t.Error("no refused handshake is counted")
	}
	if !strings.Contains(log.String(), "TLS handshake refused") {
		t.Errorf("no refused handshake is in the log: %s", log)
	}
	// The environment gives the same as the flags.
	t.Setenv("RELGATE_URL", strict)
	t.Setenv("RELGATE_TOKEN", "read-1")
	t.Setenv("RELGATE_CA", file("ca.pem"))
	t.Setenv("RELGATE_CERT", file("ci.pem"))
	t.Setenv("RELGATE_KEY", file("ci.key"))
	if code, out, errs := command(t, "gate", "check", "P-1", "one"); code != exitPending {
		t.Errorf("from the environment: exit %d, %q %q", code, out, errs)
	}
	// The private port speaks plain HTTP, and needs no certificate.
	if status, body := get(t, "http://"+closed.private.Addr().String()+"/-/healthy"); status != http.StatusOK {
		t.Errorf("the private port: %d %s", status, body)
	}
}

func TestCheckReadsTheCertificates(t *testing.T) {
	dir, ca := tlsDir(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	ca.Issue(t, "gate", time.Now().Add(13*24*time.Hour)).Write(t, file("soon.pem"), file("soon.key"))
	for _, tt := range []struct {
		about, old, new string
		code            int
		says            string
	}{
		{"all is well", "", "", exitPass, ""},
		{"no certificate", "gate.pem", "none.pem", exitUsage, "daemon.tls.cert: reading the certificate: open " + file("none.pem")},
		{"no key", "gate.key", "none.key", exitUsage, "reading the private key: open " + file("none.key")},
		{"a key of another", "gate.key", "ci.key", exitUsage, "private key does not match public key: name PEM files of a certificate and of its own private key [bad-certificate]"},
		{"no authorities", "ca.pem", "none.pem", exitUsage, "daemon.tls.client_ca: reading certificate authorities: open " + file("none.pem")},
		{"authorities that are none", "ca.pem", "ci.key", exitUsage, "daemon.tls.client_ca: reading certificate authorities: " + file("ci.key") + " holds no PEM certificate: name a PEM file with the certificates of the authorities [bad-certificate]"},
		{"it has ended", "/gate.", "/ended.", exitPass, "replace it [certificate-time]"},
		{"it ends soon", "/gate.", "/soon.", exitPass, "replace it [certificate-time]"},
	} {
		text := strings.Replace(withTLS(dir, fmt.Sprintf("client_ca = %q", file("ca.pem"))), `plans = ["Q-1"]`, "", 1)
		path := writeConfig(t, t.TempDir(), strings.ReplaceAll(text, tt.old, tt.new))
		code, _, errs := command(t, "check", path)
		if code != tt.code || !strings.Contains(errs, tt.says) {
			t.Errorf("%s: exit %d, %q; want %d and %q", tt.about, code, errs, tt.code, tt.says)
		}
		if tt.says != "" && !strings.Contains(errs, path+":") {
			t.Errorf("%s: %q names no place in the file", tt.about, errs)
		}
		if tt.code == exitUsage {
			if code, errs := refuse(t, path); code != exitUsage || !strings.Contains(errs, "daemon.tls") {
				t.Errorf("%s: serve: exit %d, %q", tt.about, code, errs)
			}
		}
	}
}

// Authorities by which relgate knows others are read too: a daemon would not start with a
// file that is missing, or empty.
func TestCheckReadsTheAuthoritiesOfOthers(t *testing.T) {
	t.Setenv("X_TOKEN", "a secret")
	dir, _ := tlsDir(t)
	empty := filepath.Join(dir, "empty.pem")
	place(t, empty, "")
	for path, lines := range map[string]string{
		"sources.other.ca":    "[sources.other]\ntype = \"sentry\"\norg = \"acme\"\ntoken = { env = \"X_TOKEN\" }\n",
		"webhooks.ops.ca":     "[webhooks.ops]\nurl = \"https://ops.example.com\"\n",
		"alertmanager.am.ca":  "[alertmanager.am]\nurls = [\"https://am.example.com\"]\n",
		"daemon.oidc.jobs.ca": "[daemon.oidc.jobs]\nissuer = \"https://ci.example.com\"\naudience = \"relgate\"\nclaims = { project_id = \"7\" }\nscopes = [\"read\"]\n",
		"grafana.ca":          "[grafana]\nurl = \"https://grafana.example.com\"\ntoken = { env = \"X_TOKEN\" }\n",
		"otlp.ca":             "[otlp]\nendpoint = \"https://otlp.example.com\"\n",
	} {
		for file, says := range map[string]string{
			"ca.pem": "", "none.pem": "reading certificate authorities: open " + filepath.Join(dir, "none.pem") + ": no such file or directory",
			"empty.pem": "reading certificate authorities: " + empty + " holds no PEM certificate",
		} {
			text := strings.TrimRight(plainConfig, "\n") + "\n" + lines
			config := writeConfig(t, dir, text+fmt.Sprintf("ca = %q\n", file))
			code, _, errs := command(t, "check", config)
			want, place := exitPass, ""
			if says != "" {
				want, place = exitUsage, fmt.Sprintf("%s:%d:6: %s: %s: name a PEM file with the certificates of the authorities [bad-certificate]", config, strings.Count(text, "\n")+1, path, says)
			}
			if code != want || !strings.Contains(errs, place) {
				t.Errorf("%s of %s: exit %d, %q; want %d and %q", file, path, code, errs, want, place)
			}
		}
	}
}

// Whoever probes the public port learns yes or no; why not is for the private one.
func TestHealthOnThePublicPortNeedsNoTokenAndSaysNoMore(t *testing.T) {
	log := &syncBuffer{}
	d := housed(t, withTokens(), nil, log)
	public, private := "http://"+d.public.Addr().String(), "http://"+d.private.Addr().String()
	check := func(path string, status int, public1, private1 string) {
		t.Helper()
		if got, body := get(t, public+path); got != status || body != public1 {
			t.Errorf("public %s: %d %q, want %d %q", path, got, body, status, public1)
		}
		if got, body := get(t, private+path); got != status || !strings.HasPrefix(body, private1) {
			t.Errorf("private %s: %d %q, want %d %q", path, got, body, status, private1)
		}
	}
	check("/-/healthy", 200, "healthy\n", "healthy\n")
	check("/-/ready", 200, "ready\n", "ready\n")
	if err := os.Rename(d.config.Daemon.Journal, d.config.Daemon.Journal+".away"); err != nil {
		t.Fatal(err)
	}
	check("/-/healthy", 200, "healthy\n", "healthy\n")
	check("/-/ready", 503, "not ready\n", "not ready: ")
	if err := os.Rename(d.config.Daemon.Journal+".away", d.config.Daemon.Journal); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/-/", "/-/metrics", "/metrics", "/debug/pprof/", "/-/healthy/"} {
		if got, body := get(t, public+path); got != http.StatusNotFound {
			t.Errorf("public %s: %d %s, want 404", path, got, body)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		if statuses, _, after := exchange(t, d.public.Addr().String(), asks(method, "/-/healthy"), 1); statuses != "404" || after != "open" {
			t.Errorf("%s: %s, and then %s", method, statuses, after)
		}
	}
}
