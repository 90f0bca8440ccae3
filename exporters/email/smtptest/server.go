// Package smtptest is a mail server on loopback for tests and demonstrations. It is strict: what RFC 5321 does
// not allow is noted as a violation. It can refuse, hang, close the connection, and take a
// message without saying so.
package smtptest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// Step is where in the conversation a client is.
type Step string

const (
	Connect  Step = "connect" // before the greeting
	Hello    Step = "EHLO"
	StartTLS Step = "STARTTLS"
	Auth     Step = "AUTH"
	Mail     Step = "MAIL"
	Rcpt     Step = "RCPT"
	Data     Step = "DATA"
	End      Step = "."
	Reset    Step = "RSET"
	Quit     Step = "QUIT"
)

// Mode is how a step is answered.
type Mode struct {
	Reply string        // "451 4.3.0 try later": this instead, and nothing is done; empty: as a server would
	Take  bool          // at End: the message is taken, whatever is answered
	Drop  bool          // the connection is closed without an answer
	Hang  bool          // there is no answer until the client is gone
	Late  time.Duration // with Hang, at End: the message is taken so much later
	Flood bool          // there is no end of the answer
}

// Message is one that was taken.
type Message struct {
	From string
	To   []string
	Data []byte // without dot stuffing
	User string // who has authenticated
	TLS  bool
}

// Config is what a server does.
type Config struct {
	TLS        *tls.Config // with a certificate; nil: no STARTTLS is offered
	Implicit   bool        // TLS from the first byte on
	User       string      // who may send; empty: AUTH is not offered
	Password   string
	Mechanisms string // "PLAIN LOGIN" if empty
	No8Bit     bool   // 8BITMIME is not offered
	AuthEarly  bool   // AUTH is offered before TLS too
	// Answer says how a step is answered; of a step of a recipient with their address.
	// Nil: as a server would.
	Answer func(step Step, address string) Mode
	// Taken runs when a message was taken, before that is answered; nil does nothing.
	Taken func()
}

// Server is a mail server.
type Server struct {
	config   Config
	listener net.Listener // nil: there is none
	work     sync.WaitGroup
	hung     chan Step // tells each step that hangs

	mu         sync.Mutex
	conns      map[net.Conn]bool
	messages   []Message
	steps      []Step
	violations []string
	secrets    int // how often a password came over a connection without TLS
}

// Close ends all connections.
func (s *Server) Close() {
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
}

// Dial makes a connection within the process.
func (s *Server) Dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	s.take(server)
	return client, nil
}

// take serves a connection.
func (s *Server) take(c net.Conn) {
	s.mu.Lock()
	s.conns[c] = true
	s.mu.Unlock()
	s.work.Go(func() { s.serve(c) })
}

// Port is where it listens.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// Hung gives each step that hangs, when it does.
func (s *Server) Hung() <-chan Step { return s.hung }

// Answer sets how steps are answered from now on; nil: as a server would.
func (s *Server) Answer(how func(step Step, address string) Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.Answer = how
}

// Messages are those that were taken, in order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Steps are those that clients have come to, in order.
func (s *Server) Steps() []Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.steps)
}

// Violations are what clients did that the protocol does not allow.
func (s *Server) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

// Exposed is how often a client sent a password over a connection without TLS.
func (s *Server) Exposed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.secrets
}

// peer is one connection.
type peer struct {
	*Server
	conn    net.Conn
	in      *bufio.Reader
	secured bool
	hello   bool
	user    string
	from    *string // of the transaction; nil: there is none
	to      []string
	eight   bool // the client has said BODY=8BITMIME
}

func (s *Server) serve(c net.Conn) {
	p := &peer{Server: s, conn: c}
	defer func() {
		_ = p.conn.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	if s.config.Implicit {
		secured := tls.Server(c, s.config.TLS)
		if secured.Handshake() != nil {
			return
		}
		p.conn, p.secured = secured, true
	}
	p.in = bufio.NewReader(p.conn)
	if !p.answer(Connect, "", "220 mail.test ESMTP") {
		return
	}
	for p.command() {
	}
}

func (p *peer) violation(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.violations = append(p.violations, fmt.Sprintf(format, args...))
}

// answer says how a step went, and reports whether the connection goes on. done runs if the
// step is done.
func (p *peer) answer(step Step, address, reply string, done ...func()) bool {
	p.mu.Lock()
	p.steps = append(p.steps, step)
	how := p.config.Answer
	p.mu.Unlock()
	mode := Mode{}
	if how != nil {
		mode = how(step, address)
	}
	if mode.Reply == "" && !mode.Drop && !mode.Hang && !mode.Flood || mode.Take {
		for _, do := range done {
			do()
		}
	}
	switch {
	case mode.Drop:
		return false
	case mode.Hang:
		for _, do := range done {
			if mode.Late > 0 {
				time.AfterFunc(mode.Late, do)
			}
		}
		p.hung <- step
		_, _ = p.in.ReadByte() // until the client is gone
		return false
	case mode.Flood:
		for {
			if _, err := fmt.Fprintf(p.conn, "250-%s\r\n", strings.Repeat("x", 1000)); err != nil {
				return false
			}
		}
	case mode.Reply != "":
		reply = mode.Reply
	}
	_, err := fmt.Fprintf(p.conn, "%s\r\n", reply)
	return err == nil && !strings.HasPrefix(reply, "421")
}

// line reads one line of at most so many bytes with its end, and gives it without.
func (p *peer) line(most int) (string, bool) {
	text, err := p.in.ReadString('\n')
	if err != nil {
		return "", false
	}
	if strings.HasPrefix(text, "\x16\x03") { // a TLS handshake where there is no TLS
		return "", false
	}
	if !strings.HasSuffix(text, "\r\n") || strings.Contains(strings.TrimSuffix(text, "\r\n"), "\r") {
		p.violation("a line ends with a bare CR or LF: %q", text)
	}
	if len(text) > most {
		p.violation("a line of %d bytes, at most %d are allowed", len(text), most)
	}
	return strings.TrimRight(text, "\r\n"), true
}

// command answers one command, and reports whether the connection goes on.
func (p *peer) command() bool {
	line, ok := p.line(512)
	if !ok {
		return false
	}
	verb, rest, _ := strings.Cut(line, " ")
	if verb = strings.ToUpper(verb); verb != "EHLO" && verb != "HELO" && verb != "QUIT" && verb != "*" && !p.hello {
		p.violation("%s before EHLO", verb)
		return p.answer(Step(verb), "", "503 5.5.1 EHLO first")
	}
	switch verb {
	case "EHLO":
		return p.ehlo(rest)
	case "HELO":
		return p.answer(Hello, "", "250 mail.test", func() { p.hello, p.from, p.to = true, nil, nil })
	case "*": // Go's client ends AUTH by it even where AUTH has ended
		return p.answer("*", "", "500 5.5.2 AUTH has ended")
	case "STARTTLS":
		return p.startTLS()
	case "AUTH":
		return p.auth(rest)
	case "MAIL":
		return p.mail(rest)
	case "RCPT":
		return p.rcpt(rest)
	case "DATA":
		return p.data()
	case "RSET":
		return p.answer(Reset, "", "250 2.0.0 flushed", func() { p.from, p.to = nil, nil })
	case "NOOP":
		return p.answer("NOOP", "", "250 2.0.0 ok")
	case "QUIT":
		p.answer(Quit, "", "221 2.0.0 bye")
		return false
	}
	p.violation("unknown command %q", line)
	return p.answer(Step(verb), "", "500 5.5.2 unknown command")
}

func (p *peer) ehlo(name string) bool {
	if name == "" || strings.ContainsAny(name, " \t<>@") {
		p.violation("EHLO %q is no host name", name)
	}
	lines := []string{"mail.test greets " + name, "ENHANCEDSTATUSCODES", "PIPELINING"}
	if !p.config.No8Bit {
		lines = append(lines, "8BITMIME")
	}
	if p.config.TLS != nil && !p.secured {
		lines = append(lines, "STARTTLS")
	}
	if p.config.User != "" && (p.secured || p.config.AuthEarly) {
		lines = append(lines, "AUTH "+p.config.Mechanisms)
	}
	reply := ""
	for i, l := range lines {
		reply += map[bool]string{true: "250 ", false: "250-"}[i == len(lines)-1] + l
		if i < len(lines)-1 {
			reply += "\r\n"
		}
	}
	return p.answer(Hello, "", reply, func() { p.hello, p.from, p.to = true, nil, nil })
}

func (p *peer) startTLS() bool {
	if p.config.TLS == nil || p.secured {
		return p.answer(StartTLS, "", "502 5.5.1 not offered")
	}
	upgrade := false
	if !p.answer(StartTLS, "", "220 2.0.0 ready", func() { upgrade = true }) {
		return false
	}
	if !upgrade {
		return true
	}
	secured := tls.Server(p.conn, p.config.TLS)
	if secured.Handshake() != nil {
		return false
	}
	// What was said before is forgotten.
	p.conn, p.in, p.secured, p.hello, p.user = secured, bufio.NewReader(secured), true, false, ""
	return true
}

// auth is PLAIN with an initial response, or LOGIN.
func (p *peer) auth(rest string) bool {
	if !p.secured {
		p.mu.Lock()
		p.secrets++
		p.mu.Unlock()
		p.violation("AUTH without TLS")
	}
	mechanism, initial, _ := strings.Cut(rest, " ")
	if p.user != "" || !slices.Contains(strings.Fields(p.config.Mechanisms), mechanism) {
		p.violation("AUTH %s was not offered", mechanism)
		return p.answer(Auth, "", "504 5.5.4 unknown mechanism")
	}
	ask := func(what string) string {
		_, _ = fmt.Fprintf(p.conn, "334 %s\r\n", base64.StdEncoding.EncodeToString([]byte(what)))
		line, _ := p.line(12288)
		text, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			p.violation("AUTH: %q is no base64", line)
		}
		return string(text)
	}
	var user, password string
	if mechanism == "LOGIN" {
		user, password = ask("Username:"), ask("Password:")
	} else {
		text, err := base64.StdEncoding.DecodeString(initial)
		parts := strings.Split(string(text), "\x00")
		if err != nil || len(parts) != 3 {
			p.violation("AUTH PLAIN %q", initial)
			parts = make([]string, 3)
		}
		user, password = parts[1], parts[2]
	}
	if user != p.config.User || password != p.config.Password {
		return p.answer(Auth, "", "535 5.7.8 authentication failed")
	}
	return p.answer(Auth, "", "235 2.7.0 welcome", func() { p.user = user })
}

// path reads "FROM:<address> PARAMETERS".
func (p *peer) path(rest, word string) (address string, parameters []string) {
	upper := strings.ToUpper(rest)
	open, end := strings.Index(rest, "<"), strings.Index(rest, ">")
	if !strings.HasPrefix(upper, word+":<") || end < open {
		p.violation("want %s:<address>, got %q", word, rest)
		return "", nil
	}
	address = rest[open+1 : end]
	if strings.ContainsAny(address, " <>\t,") || strings.Count(address, "@") != 1 {
		p.violation("%s: %q is no address", word, address)
	}
	return address, strings.Fields(rest[end+1:])
}

func (p *peer) mail(rest string) bool {
	address, parameters := p.path(rest, "FROM")
	if p.from != nil {
		p.violation("MAIL in a transaction")
		return p.answer(Mail, address, "503 5.5.1 nested MAIL")
	}
	p.eight = false
	for _, parameter := range parameters {
		if parameter != "BODY=8BITMIME" || p.config.No8Bit {
			p.violation("MAIL parameter %q was not offered", parameter)
		}
		p.eight = true
	}
	if p.config.User != "" && p.user == "" {
		return p.answer(Mail, address, "530 5.7.0 authentication required")
	}
	return p.answer(Mail, address, "250 2.1.0 ok", func() { p.from = &address })
}

func (p *peer) rcpt(rest string) bool {
	address, parameters := p.path(rest, "TO")
	if p.from == nil {
		p.violation("RCPT without MAIL")
		return p.answer(Rcpt, address, "503 5.5.1 MAIL first")
	}
	if len(parameters) > 0 {
		p.violation("RCPT parameters %q", parameters)
	}
	return p.answer(Rcpt, address, "250 2.1.5 ok", func() { p.to = append(p.to, address) })
}

func (p *peer) data() bool {
	if len(p.to) == 0 {
		p.violation("DATA without a recipient")
		return p.answer(Data, "", "503 5.5.1 RCPT first")
	}
	begun := false
	if !p.answer(Data, p.to[0], "354 go on", func() { begun = true }) {
		return false
	}
	if !begun {
		return true
	}
	var data bytes.Buffer
	for {
		line, ok := p.line(1000)
		if !ok {
			return false
		}
		if line == "." {
			break
		}
		line = strings.TrimPrefix(line, ".")
		if !p.eight && strings.ContainsFunc(line, func(r rune) bool { return r >= 0x80 }) {
			p.violation("a line of 8 bits without BODY=8BITMIME: %q", line)
		}
		data.WriteString(line + "\r\n")
	}
	m := Message{From: *p.from, To: p.to, Data: data.Bytes(), User: p.user, TLS: p.secured}
	p.from, p.to = nil, nil
	return p.answer(End, m.To[0], "250 2.0.0 queued", func() {
		p.mu.Lock()
		p.messages = append(p.messages, m)
		p.mu.Unlock()
		if p.config.Taken != nil {
			p.config.Taken()
		}
	})
}
