package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"

	"github.com/relgate/relgate/rules"
)

// document is the shape of a config file. An included file has a plan only.
type document struct {
	Include []string `toml:"include"` // Files that hold further plans, as patterns beside this file: ["plans/*.toml"]. One for each depth of folders, without "**". A name with a leading dot is matched only by a pattern with one. A plan with an error keeps no other from running. Main file only.
	rules.Spec
	Sources  []SourceSpec  `toml:"sources"`  // Where the numbers live. Main file only.
	Webhooks []WebhookSpec `toml:"webhooks"` // Who is told. Main file only.
	Daemon   DaemonSpec    `toml:"daemon"`   // The daemon itself. Main file only.
}

// SourceSpec is one account of one upstream.
type SourceSpec struct {
	Name        string          `toml:"-" key:"name"`
	Type        string          `toml:"type"`         // "cloudwatch", "sentry", "appstore" or "athena". Required.
	Region      string          `toml:"region"`       // AWS region. Default: what the AWS SDK finds in its environment.
	RoleARN     string          `toml:"role_arn"`     // AWS role to assume. Default: the credentials that the AWS SDK finds.
	ExternalID  Secret          `toml:"external_id"`  // AWS external id to assume the role with.
	URL         string          `toml:"url"`          // Base URL of the API. Default: the upstream's own.
	CA          string          `toml:"ca"`           // PEM file of the certificate authorities to trust instead of the system's, beside the config file.
	Timeout     *rules.Duration `toml:"timeout"`      // How long one fetch may take, retries included. Default: 20s; 5m for Athena.
	MaxAttempts *int            `toml:"max_attempts"` // How often one request is tried in a fetch, 1 to 10. Default: 3.
	Org         string          `toml:"org"`          // Sentry: slug of the organization. Required there.
	Token       Secret          `toml:"token"`        // Sentry: auth token with the scope org:read. Required there.
	Issuer      string          `toml:"issuer"`       // App Store: issuer id of the team's key. Empty for an individual key.
	KeyID       string          `toml:"key_id"`       // App Store: id of the key. Required there.
	Key         Secret          `toml:"key"`          // App Store: the private key, the text of AuthKey_XXXX.p8. Required there.
	LookupURL   string          `toml:"lookup_url"`   // App Store: base URL of the public lookup. Default: Apple's.
	Budget      *float64        `toml:"budget"`       // What the source's requests may cost a month, in US dollars, as `relgate check` reckons. Default: no limit.
}

// WebhookSpec is one endpoint that is told of events.
type WebhookSpec struct {
	Name       string            `toml:"-" key:"name"`
	URL        string            `toml:"url"`         // Where events are posted. Required, unless url_from is given.
	URLFrom    Secret            `toml:"url_from"`    // The URL where it is a secret in itself, as Slack's are.
	Class      string            `toml:"class"`       // "action" is retried until it arrives, "notify" for a day. Default: notify.
	Events     []string          `toml:"events"`      // Kinds of events it wants: "run", "phase", "verdict", "rule", "signal", "communication", "command", "plan" (an edit under way). Default: all.
	Types      []string          `toml:"types"`       // Types of events it wants, "relgate.run.rolled_back", beside those kinds. Default: all, where events is left out too.
	Severity   string            `toml:"severity"`    // The least severity that it wants: "info", "warning" or "critical". Default: info.
	Plans      []string          `toml:"plans"`       // Names of the plans whose events it wants. Default: all.
	Secrets    []Secret          `toml:"secrets"`     // Keys that sign a delivery: "whsec_" and the base64 of random bytes, or text. Each gives a signature, so that a new one can be rolled out before the old one goes. At least one for class action, unless hub_secret is given.
	HubSecret  Secret            `toml:"hub_secret"`  // Key of X-Hub-Signature-256, for receivers that verify as GitHub's do. Its text is the key, as it is written. Default: the text of the first of secrets, "whsec_" included.
	EscalateTo string            `toml:"escalate_to"` // Name of the webhook that is told of what does not arrive: of an order after its third failure or 15 seconds, of the rest after the third failure.
	Timeout    *rules.Duration   `toml:"timeout"`     // How long one attempt may take. Default: 15s.
	Headers    map[string]Secret `toml:"headers"`     // Headers to send along: strings, or secrets as { env = "NAME" }.
	Proxy      Secret            `toml:"proxy"`       // URL of an HTTP proxy that deliveries go through, http or https; it may hold a user and a password. relgate then checks the proxy's address and cannot check the target's. Default: none; HTTP_PROXY and HTTPS_PROXY are not used.
	Allow      []Network         `toml:"allow"`       // Networks that the target may be in, or its proxy where it has one: "10.0.0.0/8" or one address, beside the daemon's webhook_allow.
	CA         string            `toml:"ca"`          // PEM file of the certificate authorities to trust instead of the system's, beside the config file. An https proxy is verified by them as well.
}

// DaemonSpec is the daemon itself.
type DaemonSpec struct {
	Journal       string          `toml:"journal"`        // File of the journal. A relative path is below $STATE_DIRECTORY, which the systemd unit and the image set; without that, beside the config file. Default: relgate.db.
	Public        string          `toml:"public"`         // Address of the gate and of commands. Default: 127.0.0.1:8080.
	Private       string          `toml:"private"`        // Address of metrics, health and pprof. Default: 127.0.0.1:9091.
	TLS           *TLSSpec        `toml:"tls"`            // Certificate of the public address, `tls = { cert = "gate.pem", key = "gate.key" }`. Default: none, plain HTTP.
	Tokens        []TokenSpec     `toml:"tokens"`         // Bearer tokens of the HTTP API, `[daemon.tokens.ci]`. Without any, reading is open, and commands are taken from this machine only: on a loopback address, from no proxy.
	Retention     *rules.Duration `toml:"retention"`      // How long ticks and events are kept; what an endpoint has yet to be told is kept longer, and so is the event with which a run passed. Default: 90d.
	SnapshotEvery *int            `toml:"snapshot_every"` // Ticks between two snapshots of the state. Default: 100.
	History       *int            `toml:"history"`        // How many releases that passed before a run is compared with by rules that weigh evidence; those may warn, and do no more. 0 to 100; 0 compares with none. Default: 5.
	WebhookAllow  []Network       `toml:"webhook_allow"`  // Networks beside the public internet that webhooks may be in. Default: none; loopback, private and link-local targets are refused.
	ExternalURL   string          `toml:"external_url"`   // Where people reach the public address from outside, for links. Default: none.
}

// TLSSpec is the certificate of the public address. The files are read again when
// they change, without a restart. TLS 1.2 is the least that is spoken.
type TLSSpec struct {
	Cert     string `toml:"cert"`      // PEM file of the certificate and of those between it and its authority, beside the config file. Required.
	Key      string `toml:"key"`       // PEM file of its private key, beside the config file. Required.
	ClientCA string `toml:"client_ca"` // PEM file of certificate authorities. With it every client needs a certificate of one of them. Default: no client certificates are asked for.
}

// TokenSpec is a bearer token of the HTTP API. Tokens are read again at every reload,
// and when the file of one changes: one that is left out is not known from then on.
type TokenSpec struct {
	Name   string   `toml:"-" key:"name"`
	Hash   string   `toml:"hash"`   // "sha256:" and the hex digest of the token. One of hash and token is required.
	Token  Secret   `toml:"token"`  // The token itself, in the environment or a file.
	Scopes []string `toml:"scopes"` // What it may do: "read"; "start" a run; say that a "phase" has begun; "stop": hold, resume after a person's hold, abort, rollback_done, and send deliveries again; "override": override, resume against evidence, and supersede together with start. "command" is all of them but read. Required.
	Plans  []string `toml:"plans"`  // Names of the plans that it is good for. Default: all.
}

const hashPrefix = "sha256:"

// Digest is the SHA-256 of the token: what is kept of it. The error names where
// the token is kept.
func (t TokenSpec) Digest() (sum [sha256.Size]byte, err error) {
	if t.Hash == "" {
		token, err := t.Token.Value()
		if err != nil {
			return sum, fmt.Errorf("token %q: %w", t.Name, err)
		}
		if strings.ContainsFunc(token, unicode.IsControl) {
			return sum, fmt.Errorf("token %q: what is kept in its place has more than one line, or a control character: keep the token alone there", t.Name)
		}
		return sha256.Sum256([]byte(token)), nil
	}
	digest, ok := strings.CutPrefix(t.Hash, hashPrefix)
	raw, err := hex.DecodeString(digest)
	if !ok || err != nil || len(raw) != len(sum) {
		return sum, fmt.Errorf(`token %q: want a hash such as "sha256:" and 64 hex digits`, t.Name)
	}
	return [sha256.Size]byte(raw), nil
}

// Target is the endpoint's URL. The error names where it is kept.
func (w WebhookSpec) Target() (string, error) {
	if w.URL != "" {
		return w.URL, nil
	}
	return w.URLFrom.Value()
}

// Network is a range of addresses: "10.0.0.0/8", or one address.
type Network struct{ netip.Prefix }

// UnmarshalText reads a prefix or an address.
func (n *Network) UnmarshalText(text []byte) error {
	if p, err := netip.ParsePrefix(string(text)); err == nil {
		n.Prefix = p.Masked()
		return nil
	}
	if a, err := netip.ParseAddr(string(text)); err == nil {
		n.Prefix = netip.PrefixFrom(a.WithZone(""), a.BitLen())
		return nil
	}
	return errors.New(`want a network such as "10.0.0.0/8" or an address`)
}
