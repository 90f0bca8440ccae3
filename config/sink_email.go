package config

import (
	"errors"
	"net"
	"net/mail"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/relgate/relgate/rules"
)

var emailSink = sinkType{
	name: "email", doc: "e-mail over SMTP, one message for each recipient",
	keys: []rules.AccountKey{
		{Key: "server", Required: true, Example: `"smtp.example.com:587"`, Doc: "Type email: the server that takes the mail, and its port: 587 where none is given, 465 with encryption implicit, 25 with none. Required there."},
		{Key: "encryption", Doc: "Type email: `starttls`, which the server must offer, `implicit`, or `none`, on this machine only and without a password. Default: `starttls`, and `implicit` on port 465."},
		{Key: "username", Doc: "Type email: the account that sends, with password. Default: none."},
		{Key: "password", Secret: true, Doc: "Type email: password of the account. It is sent over TLS only."},
		{Key: "from", Required: true, Example: `"relgate <relgate@example.com>"`, Doc: "Type email: who sends. Required there."},
		{Key: "to", Doc: "Type email: who gets what names no address, with commas between them. Default: no one."},
		{Key: "reply_to", Doc: "Type email: where answers go. Default: from."},
		{Key: "hello", Doc: "Type email: the host name that relgate gives the server. Default: the part of from behind the @."},
	},
	check: func(c rules.Checker, s *SinkSpec) {
		host, _, err := MailServer(s.Texts["server"])
		if err != nil {
			c.At("server").Fail("bad-value", "", "%v", err)
		}
		encryption := s.Texts["encryption"]
		if encryption != "" {
			c.At("encryption").OneOf("bad-value", "encryption", encryption, []string{"starttls", "implicit", "none"})
		}
		if encryption == "none" {
			ip, err := netip.ParseAddr(host)
			if host != "localhost" && (err != nil || !ip.IsLoopback()) {
				c.At("encryption").Fail("bad-value", "", "without encryption mail is sent to this machine only, such as 127.0.0.1")
			}
			c.Excess("password", s.given("password"), "a password is sent over TLS only")
		}
		c.Required("password", s.given("username") && !s.given("password"), `{ env = "SMTP_PASSWORD" }`)
		c.Required("username", !s.given("username") && s.given("password"), `"relgate@example.com"`)
		for _, key := range []string{"from", "reply_to", "to"} {
			texts := []string{s.Texts[key]}
			if key == "to" {
				texts = strings.Split(s.Texts[key], ",")
			}
			bad := slices.ContainsFunc(texts, func(text string) bool {
				_, err := mail.ParseAddress(text)
				return s.Texts[key] != "" && err != nil
			})
			if bad {
				c.At(key).Fail("bad-value", "", `want an address, such as "relgate@example.com"`)
			}
		}
		c.Excess("proxy", !s.Proxy.IsZero(), "mail goes through no HTTP proxy")
	},
}

// MailServer reads the address of a mail server: its host, and its port, which is 0 where none
// is given.
func MailServer(text string) (host string, port int, err error) {
	host = text
	if h, p, wrong := net.SplitHostPort(text); wrong == nil {
		number, wrong := strconv.ParseUint(p, 10, 16)
		if host, port = h, int(number); wrong != nil || port == 0 || host == "" {
			err = errMailServer
		}
	}
	if strings.ContainsAny(host, " /@<>\\") {
		err = errMailServer
	}
	return host, port, err
}

var errMailServer = errors.New(`want a host and a port, such as "smtp.example.com:587"`)
