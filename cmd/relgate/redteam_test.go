package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// withTokens is plainConfig with tokens: "read-1" reads, "all-1" also commands,
// "else-1" does both for another plan.
func withTokens() string {
	text := plainConfig
	for _, token := range []struct{ secret, scopes, plans string }{
		{"read-1", `["read"]`, ""}, {"all-1", `["read", "command"]`, ""}, {"else-1", `["read", "command"]`, `plans = ["Q-1"]`},
	} {
		sum := sha256.Sum256([]byte(token.secret))
		text += fmt.Sprintf("[daemon.tokens.%s]\nhash = \"sha256:%s\"\nscopes = %s\n%s\n", strings.TrimSuffix(token.secret, "-1"), hex.EncodeToString(sum[:]), token.scopes, token.plans)
	}
	return text
}

// housed runs a daemon in this process until the test ends and waits for its first tick.
// Its webhooks go over a transport; nil is the network.
func housed(t *testing.T, text string, hooks http.RoundTripper, log io.Writer) *daemon {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	c, problems := configs().Load(writeConfig(t, t.TempDir(), text))
	if c == nil {
		t.Fatal(problems)
	}
	logger := slog.New(slog.NewTextHandler(log, nil))
	d, err := newDaemon(t.Context(), assembly{config: c, clock: newWallClock(logger), upstreams: upstreams{log: logger}, transport: hooks, log: logger})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the first tick", func() bool {
		plans := d.runner.Published().Plans
		return len(plans) > 0 && len(plans[0].Runs) > 0 && d.runner.Ready() == nil // without a run it is ready before
	})
	return d
}

const (
	holdBody = `{"kind":"hold","by":"Mallory","why":"x"}`
	command1 = "/v1/plans/P-1/commands"
	gate1    = "/v1/gates/P-1/one/verdict" // 200 for whoever may read
)

// asks is a request without a body; lines are its headers.
func asks(method, path string, lines ...string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: gate\r\n" + headers(lines) + "\r\n"
}

// posts is a command; lines are its headers.
func posts(lines ...string) string {
	return "POST " + command1 + " HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n" + headers(lines) +
		fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(holdBody), holdBody)
}

func headers(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line + "\r\n")
	}
	return b.String()
}

// inChunks is a body in one chunk.
func inChunks(body string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body) }

func basic(text string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(text))
}

const (
	reads  = "Authorization: Bearer read-1" // a token that may read
	rules1 = "Authorization: Bearer all-1"  // one that may do all
	json1  = "Content-Type: application/json"
)

// attack is one shape of a request, and what comes of it.
type attack struct {
	about  string
	send   string
	status string // of the answers, in order
	reason string // that the refusal is counted under; empty: it is no refusal of access
	after  string // the connection: "closed", or "open" for the next request
}

// attacks are the shapes that an attacker tries who has no right to get in, or who wants a proxy in
// front to see another request than relgate does.
func attacks() []attack {
	long := strings.Repeat("a", 8000)
	post := "POST " + command1 + " HTTP/1.1\r\nHost: gate\r\n" + json1 + "\r\n"
	n := fmt.Sprintf("Content-Length: %d\r\n", len(holdBody))
	smuggled := posts(rules1)
	return []attack{
		// Who asks.
		{"no token", asks("GET", gate1), "401", "no_token", "open"},
		{"no token, a command", posts(), "401", "no_token", "open"},
		{"no token, a start", strings.Replace(posts(), "/commands", "/runs", 1), "401", "no_token", "open"},
		{"no token, deliveries", asks("GET", "/v1/deliveries"), "401", "no_token", "open"},
		{"no token, a retry", asks("POST", "/v1/deliveries/x/retry"), "401", "no_token", "open"},
		{"no token, a replay", asks("POST", "/v1/deliveries/x/replay?since=2025-01-01T00:00:00Z"), "401", "no_token", "open"},
		{"a wrong token", asks("GET", gate1, "Authorization: Bearer read-2"), "401", "unknown_token", "open"},
		{"a token that begins right", asks("GET", gate1, "Authorization: Bearer read-"), "401", "unknown_token", "open"},
		{"a token that goes on", asks("GET", gate1, "Authorization: Bearer read-11"), "401", "unknown_token", "open"},
		{"a token in another case", asks("GET", gate1, "Authorization: Bearer READ-1"), "401", "unknown_token", "open"},
		{"a token's name", asks("GET", gate1, "Authorization: Bearer read"), "401", "unknown_token", "open"},
		{"a token's hash", asks("GET", gate1, "Authorization: Bearer "+fmt.Sprintf("%x", sha256.Sum256([]byte("read-1")))), "401", "unknown_token", "open"},
		{"two tokens, both good", asks("GET", gate1, reads, rules1), "401", "no_token", "open"},
		{"a wrong token and a good one", posts("Authorization: Bearer x", rules1), "401", "no_token", "open"},
		{"two tokens in one header", posts("Authorization: Bearer all-1, Bearer all-1"), "401", "unknown_token", "open"},
		{"an empty token", asks("GET", gate1, "Authorization: Bearer "), "401", "no_token", "open"},
		{"an empty header", asks("GET", gate1, "Authorization:"), "401", "no_token", "open"},
		{"no scheme", asks("GET", gate1, "Authorization: read-1"), "401", "no_token", "open"},
		{"another scheme", asks("GET", gate1, "Authorization: Digest read-1"), "401", "no_token", "open"},
		{"Negotiate", asks("GET", gate1, "Authorization: Negotiate cmVhZC0x"), "401", "no_token", "open"},
		{"a tab behind the scheme", asks("GET", gate1, "Authorization: Bearer\tread-1"), "401", "no_token", "open"},
		{"a colon behind the scheme", asks("GET", gate1, "Authorization: Bearer: read-1"), "401", "no_token", "open"},
		{"Basic with the token as its user", asks("GET", gate1, basic("read-1:")), "401", "no_token", "open"},
		{"Basic with a wrong password", asks("GET", gate1, basic("ci:read-2")), "401", "unknown_token", "open"},
		{"Basic that is no base64", asks("GET", gate1, "Authorization: Basic read-1"), "401", "no_token", "open"},
		{"Basic without a colon", asks("GET", gate1, basic("read-1")), "401", "no_token", "open"},
		{"the token in the query", asks("GET", gate1+"?token=read-1"), "401", "no_token", "open"},
		{"the token as access_token", asks("GET", gate1+"?access_token=read-1"), "401", "no_token", "open"},
		{"the token in the URL's user", asks("GET", "http://ci:read-1@gate"+gate1), "401", "no_token", "open"},
		{"the token in a cookie", asks("GET", gate1, "Cookie: Authorization=Bearer read-1; token=read-1"), "401", "no_token", "open"},
		{"the token for a proxy", asks("GET", gate1, "Proxy-Authorization: Bearer read-1"), "401", "no_token", "open"},
		{"the token in other headers", asks("GET", gate1, "X-Api-Key: read-1", "X-Authorization: Bearer read-1", "Authorization_: Bearer read-1"), "401", "no_token", "open"},
		{"a large token", asks("GET", gate1, "Authorization: Bearer "+long), "401", "unknown_token", "open"},
		{"a token that is too large", asks("GET", gate1, "Authorization: Bearer "+strings.Repeat(long, 3)), "431", "", "closed"},
		{"a token with a NUL", asks("GET", gate1, "Authorization: Bearer read-1\x00"), "400", "", "closed"},
		{"claims of who it is", posts("X-Forwarded-User: all", "X-Remote-User: all", "X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1"), "401", "no_token", "open"},
		{"a token that may not command", posts(reads), "403", "scope", "open"},
		{"a token for another plan", asks("GET", gate1, "Authorization: Bearer else-1"), "403", "plan", "open"},
		{"a command with a token for another plan", posts("Authorization: Bearer else-1"), "403", "plan", "open"},
		{"all plans with a token for one", asks("GET", "/v1/deliveries", "Authorization: Bearer else-1"), "403", "plan", "open"},
		{"a page of another site", posts(rules1, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"), "403", "cross_origin", "open"},

		// Smuggling: two readings of where a request ends.
		{"length and chunks", post + n + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "401", "no_token", "closed"},
		{"two lengths", post + n + "Content-Length: 0\r\n\r\n" + holdBody, "400", "", "closed"},
		{"two lengths in one header", post + "Content-Length: 5, 5\r\n\r\nhello", "400", "", "closed"},
		{"a negative length", post + "Content-Length: -1\r\n\r\n", "400", "", "closed"},
		{"a length with a sign", post + "Content-Length: +5\r\n\r\nhello", "400", "", "closed"},
		{"a length in hex", post + "Content-Length: 0x5\r\n\r\nhello", "400", "", "closed"},
		{"identity", post + "Transfer-Encoding: identity\r\n\r\n" + holdBody, "501", "", "closed"},
		{"chunked twice", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "501", "", "closed"},
		{"chunked behind something", post + "Transfer-Encoding: xchunked, chunked\r\n\r\n0\r\n\r\n" + smuggled, "501", "", "closed"},
		{"chunked behind a vertical tab", post + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n" + smuggled, "400", "", "closed"},
		{"a space before the colon", post + n + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + smuggled, "400", "", "closed"},
		{"a header that goes on in the next line", asks("GET", gate1, "X-A: b", " Authorization: Bearer read-1"), "401", "no_token", "open"},
		{"lines that end without CR", strings.ReplaceAll(asks("GET", gate1), "\r", ""), "401", "no_token", "open"},
		{"a CR alone", asks("GET", gate1, "X-A: b\rAuthorization: Bearer read-1"), "400", "", "closed"},
		{"a NUL in a header's name", asks("GET", gate1, "X\x00A: b"), "400", "", "closed"},
		{"a chunk of an odd size", post + "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", "401", "no_token", "closed"},
		{"a chunk larger than it says", post + rules1 + "\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n" + holdBody + "\r\n0\r\n\r\n", "400", "", "closed"},
		{"a command behind a GET's body", asks("GET", gate1, fmt.Sprintf("Content-Length: %d", len(holdBody))) + holdBody, "401", "no_token", "open"},
		{"a trailer as a header", post + "Transfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n" + strings.TrimSuffix(inChunks(holdBody), "\r\n") + rules1 + "\r\n\r\n", "401", "no_token", "closed"},

		// Requests that are odd as such.
		{"a whole address", asks("GET", "http://gate"+gate1), "401", "no_token", "open"},
		{"the address of another host", asks("GET", "http://evil.example/v1/plans"), "401", "no_token", "open"},
		{"an address of another scheme", asks("GET", "file:///etc/passwd"), "404", "", "open"},
		{"a host and a port alone", asks("GET", "gate:80"), "404", "", "open"},
		{"HTTP/0.9", "GET " + gate1 + "\r\n\r\n", "400", "", "closed"},
		{"HTTP/1.0", "GET " + gate1 + " HTTP/1.0\r\n\r\n", "401", "no_token", "closed"},
		{"HTTP/1.2", strings.Replace(asks("GET", gate1), "1.1", "1.2", 1), "401", "no_token", "open"},
		{"HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "404", "", "closed"},
		{"an upgrade to HTTP/2", asks("GET", gate1, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"), "401", "no_token", "open"},
		{"an upgrade to WebSocket", asks("GET", gate1, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x"), "401", "no_token", "open"},
		{"CONNECT", asks("CONNECT", "evil.example:443", rules1), "404", "", "open"},
		{"TRACE", asks("TRACE", gate1, reads), "405", "", "open"},
		{"OPTIONS *", asks("OPTIONS", "*", rules1), "404", "", "open"},
		{"OPTIONS from a page", asks("OPTIONS", command1, "Origin: https://evil.example", "Access-Control-Request-Method: POST"), "405", "", "open"},
		{"a method of its own", asks("GeT", gate1, reads), "405", "", "open"},
		{"GET for a command", asks("GET", command1, rules1), "405", "", "open"},
		{"another method by header", asks("GET", command1, rules1, "X-HTTP-Method-Override: POST", "X-Method-Override: POST"), "405", "", "open"},
		{"another path by header", asks("GET", "/nothing", rules1, "X-Original-URL: "+command1, "X-Rewrite-URL: "+command1), "404", "", "open"},
		{"no host", "GET " + gate1 + " HTTP/1.1\r\n" + reads + "\r\n\r\n", "400", "", "closed"},
		{"two hosts", asks("GET", gate1, reads, "Host: evil.example"), "400", "", "closed"},
		{"a host with a path", "GET " + gate1 + " HTTP/1.1\r\nHost: gate/../x\r\n" + reads + "\r\n\r\n", "400", "", "closed"},

		// Paths and queries; the token may read, so that it is the path that is refused.
		{"two slashes before", asks("GET", "/"+gate1, reads), "404", "", "open"},
		{"two slashes within", asks("GET", "/v1//gates/P-1/one/verdict", reads), "404", "", "open"},
		{"a dot", asks("GET", "/v1/./gates/P-1/one/verdict", reads), "404", "", "open"},
		{"two dots", asks("GET", "/v1/x/../gates/P-1/one/verdict", reads), "404", "", "open"},
		{"two dots, escaped", asks("GET", "/v1/x/%2e%2e/gates/P-1/one/verdict", reads), "404", "", "open"},
		{"two dots, escaped twice", asks("GET", "/v1/x/%252e%252e/gates/P-1/one/verdict", reads), "404", "", "open"},
		{"two dots and a semicolon", asks("GET", "/v1/x/..;/gates/P-1/one/verdict", reads), "404", "", "open"},
		{"out of health", asks("GET", "/-/../v1/plans"), "404", "", "open"},
		{"out of health, escaped", asks("GET", "/-/%2e%2e/v1/plans"), "404", "", "open"},
		{"out of the description", asks("GET", "/v1/openapi.json/../plans"), "404", "", "open"},
		{"a slash, escaped", asks("GET", "/v1/gates/P-1%2fone/verdict", reads), "404", "", "open"},
		{"a slash in a phase, escaped", asks("GET", "/v1/gates/P-1/one%2Fverdict", reads), "404", "", "open"},
		{"a slash, escaped twice", asks("GET", "/v1/gates/P-1%252fone/verdict", reads), "404", "", "open"},
		{"a backslash", asks("GET", `/v1/gates\P-1\one\verdict`, reads), "404", "", "open"},
		{"a backslash, escaped", asks("GET", "/v1/x/..%5cgates/P-1/one/verdict", reads), "404", "", "open"},
		{"a NUL, escaped", asks("GET", "/v1/gates/P-1/one/verdict%00", reads), "404", "", "open"},
		{"a line end, escaped", asks("GET", "/v1/gates/P-1/one/verdict%0d%0aX:y", reads), "404", "", "open"},
		{"a broken escape", asks("GET", "/v1/gates/P-1/one/verdict%", reads), "400", "", "closed"},
		{"a slash at the end", asks("GET", gate1+"/", reads), "404", "", "open"},
		{"a slash at the end of a command", strings.Replace(posts(rules1), "/commands", "/commands/", 1), "404", "", "open"},
		{"a parameter in the path", asks("GET", gate1+";x=y", reads), "404", "", "open"},
		{"an extension", asks("GET", gate1+".json", reads), "404", "", "open"},
		{"another case", asks("GET", "/V1/Gates/P-1/one/verdict", reads), "404", "", "open"},
		{"a plan in another case", asks("GET", "/v1/gates/p-1/one/verdict", reads), "404", "", "open"},
		{"no plan", asks("GET", "/v1/gates//one/verdict", reads), "404", "", "open"},
		{"no phase", asks("GET", "/v1/gates/P-1//verdict", reads), "404", "", "open"},
		{"a phase of a space", asks("GET", "/v1/gates/P-1/%20/verdict", reads), "404", "", "open"},
		{"a letter that looks alike", asks("GET", "/v1/gates/P-1/\u03bfne/verdict", reads), "404", "", "open"},
		{"an invisible letter", asks("GET", "/v1/gates/P-1/one%E2%80%8B/verdict", reads), "404", "", "open"},
		{"bytes that are no text", asks("GET", "/v1/gates/P-1/\xff\xfe/verdict", reads), "404", "", "open"},
		{"a long path", asks("GET", gate1+long, reads), "404", "", "open"},
		{"a path that is too long", asks("GET", gate1+strings.Repeat(long, 3), reads), "431", "", "closed"},
		{"a key twice", asks("GET", gate1+"?version=1.0.0&version=2.0.0", reads), "400", "", "open"},
		{"a key twice, escaped", asks("GET", gate1+"?version=1.0.0&%76ersion=2.0.0", reads), "400", "", "open"},
		{"keys with semicolons", asks("GET", gate1+"?version=1.0.0;version=2.0.0", reads), "400", "", "open"},
		{"a key that there is not", asks("GET", gate1+"?admin=true", reads), "400", "", "open"},
		{"pending as success", asks("GET", "/v1/gates/P-1/one/gate?pending=200", reads), "400", "", "open"},
	}
}

// TestNobodyGetsIn sends every shape to a daemon with tokens, over a connection of its own.
// None is let in, none is redirected, none changes anything, and the connection is then
// closed or good for the next request.
func TestNobodyGetsIn(t *testing.T) {
	log := &syncBuffer{}
	d := housed(t, withTokens(), nil, log)
	addr := d.public.Addr().String()
	events := func() string {
		_, answers, _ := exchange(t, addr, asks("GET", "/v1/runs/P-1@1.0.0/events", reads), 1)
		return strings.Join(answers, "")
	}
	before := events()
	shapes := attacks()
	counted, want := refusals(d), map[string]int{}
	for _, tt := range shapes {
		if tt.reason != "" {
			want[tt.reason]++
		}
	}
	t.Run("shapes", func(t *testing.T) {
		for _, tt := range shapes {
			t.Run(tt.about, func(t *testing.T) {
				t.Parallel()
				statuses, _, after := exchange(t, addr, tt.send, 1)
				if statuses != tt.status || after != tt.after {
					t.Errorf("%s, and then %s; want %s, and then %s", statuses, after, tt.status, tt.after)
				}
				if statuses == "" || statuses[0] < '4' {
					t.Errorf("%s: let in", statuses)
				}
			})
		}
	})
	if after := events(); after != before {
		t.Errorf("something changed: %s, before it was %s", after, before)
	}
	for reason, n := range refusals(d) {
		if n -= counted[reason]; n > 0 || want[reason] > 0 {
			counted[reason] = n
		} else {
			delete(counted, reason)
		}
	}
	if diff := cmp.Diff(want, counted); diff != "" {
		t.Errorf("refusals by their reason (-want +counted):\n%s", diff)
	}
	for reason := range want {
		if !strings.Contains(log.String(), "reason="+reason) {
			t.Errorf("the log has no line for the reason %s", reason)
		}
	}
	if len(shapes) < 70 {
		t.Errorf("%d shapes only", len(shapes))
	}
	for _, secret := range []string{"read-1", "all-1", "else-1", "read-2"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	// The same command with the right token is taken: what was seen above is no accident.
	if statuses, _, after := exchange(t, addr, posts(rules1), 1); statuses != "200" || after != "open" {
		t.Errorf("with the right token: %s, and then %s", statuses, after)
	}
	if after := events(); after == before {
		t.Error("a command that was taken changed nothing")
	}
}

// refusals is what the daemon counts, by reason.
func refusals(d *daemon) map[string]int {
	counts := map[string]int{}
	for _, r := range d.gate.Stats().Refusals {
		counts[r.Reason] = int(r.Count)
	}
	return counts
}

// exchange sends bytes over a connection of their own and reads n answers. Then it asks
// for the daemon's health over the same connection: after is "open" if that is answered,
// "closed" if the connection has ended, and the answer if it is another one.
func exchange(t *testing.T, addr, send string, n int) (statuses string, bodies []string, after string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(c, send); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	var got []string
	for range n {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return strings.Join(got, " "), bodies, "no answer: " + err.Error()
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return strings.Join(got, " "), bodies, "half an answer: " + err.Error()
		}
		got, bodies = append(got, fmt.Sprint(resp.StatusCode)), append(bodies, string(b))
	}
	statuses = strings.Join(got, " ")
	_, _ = io.WriteString(c, asks("GET", "/-/healthy"))
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return statuses, bodies, "closed"
	}
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || string(b) != "healthy\n" {
		return statuses, bodies, fmt.Sprintf("answered %d: %s", resp.StatusCode, b)
	}
	return statuses, bodies, "open"
}
