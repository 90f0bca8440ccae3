package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"unicode"

	"github.com/relgate/relgate/rules"
)

// document is the shape of a config file. An included file has a plan only.
type document struct {
	Include []string `toml:"include"` // Files that hold further plans, as patterns beside this file: ["plans/*.toml"]. One for each depth of folders, without "**". A name with a leading dot is matched only by a pattern with one. A plan with an error keeps no other from running. Main file only.
	rules.Spec
	Sources       []SourceSpec       `toml:"sources"`      // Where the numbers live. Main file only.
	Webhooks      []WebhookSpec      `toml:"webhooks"`     // Who is told. Main file only.
	Alertmanagers []AlertmanagerSpec `toml:"alertmanager"` // Who is told of alerts until they are over. Main file only.
	Sinks         []SinkSpec         `toml:"sinks"`        // Where the messages of plans are sent: chat, e-mail, status page, pager, an app, and where reviews are kept. Main file only.
	Environments  []EnvironmentSpec  `toml:"environments"` // Where the way back is rehearsed: what stands in there for the receivers of its steps. Main file only.
	Grafana       *GrafanaSpec       `toml:"grafana"`      // The Grafana that relgate writes to. Main file only. Default: none.
	OTLP          *OTLPSpec          `toml:"otlp"`         // Where traces of runs are sent. Main file only. Default: nowhere.
	GitHubs       []GitHubSpec       `toml:"github"`       // The GitHub Apps whose deployment protection rules relgate answers. Main file only.
	Daemon        DaemonSpec         `toml:"daemon"`       // The daemon itself. Main file only.
}

// SourceSpec is one account of one upstream. The keys of its account are those of its
// kind.
type SourceSpec struct {
	Name        string          `toml:"-" key:"name"`
	Type        string          `toml:"type"`         // {kinds}. Required.
	URL         string          `toml:"url"`          // Base URL of the API. Default: the upstream's own.
	CA          string          `toml:"ca"`           // PEM file of the certificate authorities to trust instead of the system's, beside the config file.
	Timeout     *rules.Duration `toml:"timeout"`      // How long one fetch may take, retries included. Default: {timeouts}.
	MaxAttempts *int            `toml:"max_attempts"` // How often one request is tried in a fetch, 1 to 10. Default: 3.
	Budget      *float64        `toml:"budget"`       // What the source's requests may cost a month, in US dollars, as `relgate check` reckons. Default: no limit.

	Texts   map[string]string `toml:"-"` // keys of its account that are no secrets: read them by Text
	Secrets map[string]Secret `toml:"-"` // keys of its account that are
}

// Text is the value of a key of the account, empty where the config has none.
func (s *SourceSpec) Text(key string) string { return s.Texts[key] }

// Secret reads a secret of the account, now; empty where the config has none.
func (s *SourceSpec) Secret(key string) (string, error) {
	if s.Secrets[key].IsZero() {
		return "", nil
	}
	return s.Secrets[key].Value()
}

// With is the source with another value of some keys of its account. The old one stays.
func (s SourceSpec) With(texts map[string]string, secrets map[string]Secret) SourceSpec {
	was, hidden := s.Texts, s.Secrets
	s.Texts, s.Secrets = map[string]string{}, map[string]Secret{}
	maps.Copy(s.Texts, was)
	maps.Copy(s.Texts, texts)
	maps.Copy(s.Secrets, hidden)
	maps.Copy(s.Secrets, secrets)
	return s
}

// WebhookSpec is one endpoint that is told of events.
type WebhookSpec struct {
	Name       string            `toml:"-" key:"name"`
	URL        string            `toml:"url"`         // Where events are posted. Required, unless url_from is given or the format knows where it goes.
	URLFrom    Secret            `toml:"url_from"`    // The URL where it is a secret in itself, as Slack's are.
	Format     string            `toml:"format"`      // Form of what is sent: {formats}. Each has keys of its own here. Default: standard.
	Class      string            `toml:"class"`       // "action" is retried until it arrives, "notify" for a day. Default: notify.
	Events     []string          `toml:"events"`      // Kinds of events it wants: "run", "phase", "verdict", "rule", "signal", "communication", "command", "plan" (an edit under way), "approval", "review", "rollout" (another share of the traffic than planned), "effect" (a step of the way back). Default: all.
	Types      []string          `toml:"types"`       // Types of events it wants, "relgate.run.rolled_back", beside those kinds. Default: all, where events is left out too.
	Severity   string            `toml:"severity"`    // The least severity that it wants: "info", "warning" or "critical". Default: info.
	Plans      []string          `toml:"plans"`       // Names of the plans whose events it wants. Default: all.
	Secrets    []Secret          `toml:"secrets"`     // Keys that sign a delivery: "whsec_" and the base64 of random bytes, or text. Each gives a signature, so that a new one can be rolled out before the old one goes. At least one for class action, unless hub_secret is given or the format has credentials of its own.
	HubSecret  Secret            `toml:"hub_secret"`  // Key of X-Hub-Signature-256, for receivers that verify as GitHub's do. Its text is the key, as it is written. Default: the text of the first of secrets, "whsec_" included.
	EscalateTo string            `toml:"escalate_to"` // Name of the webhook that is told of what does not arrive: of an order after its third failure or 15 seconds, of the rest after the third failure.
	Timeout    *rules.Duration   `toml:"timeout"`     // How long one attempt may take. Default: 15s.
	Headers    map[string]Secret `toml:"headers"`     // Headers to send along: strings, or secrets as { env = "NAME" }.
	Proxy      Secret            `toml:"proxy"`       // URL of an HTTP proxy that deliveries go through, http or https; it may hold a user and a password. relgate then checks the proxy's address and cannot check the target's. Default: none; HTTP_PROXY and HTTPS_PROXY are not used.
	Allow      []Network         `toml:"allow"`       // Networks that the target may be in, or its proxy where it has one: "10.0.0.0/8" or one address, beside the daemon's webhook_allow.
	CA         string            `toml:"ca"`          // PEM file of the certificate authorities to trust instead of the system's, beside the config file. An https proxy is verified by them as well.

	Keys rules.FormatKeys  `toml:"-"` // keys of its format that are no secrets
	Own  map[string]Secret `toml:"-"` // keys of its format that are
}

// AlertmanagerSpec is one Alertmanager, or one cluster of them, that alerts are posted to
// by its API v2.
type AlertmanagerSpec struct {
	Name    string            `toml:"-" key:"name"`
	URLs    []string          `toml:"urls"`    // Each instance of the cluster, not what shares them out: ["https://am-1.example.com:9093", "https://am-2.example.com:9093"]. Required.
	Plans   []string          `toml:"plans"`   // Names of the plans whose alerts it gets. Default: all.
	Labels  map[string]string `toml:"labels"`  // Labels of every alert, beside its own, by which it is routed: `{ team = "mobile" }`.
	Resend  *rules.Duration   `toml:"resend"`  // How often what has not changed is posted again, 10s to 10m. Default: 1m.
	Timeout *rules.Duration   `toml:"timeout"` // How long one post may take. Default: 10s.
	Headers map[string]Secret `toml:"headers"` // Headers to send along: strings, or secrets as { env = "NAME" }.
	Proxy   Secret            `toml:"proxy"`   // URL of an HTTP proxy, as of a webhook. Default: none.
	Allow   []Network         `toml:"allow"`   // Networks that the instances may be in, beside the daemon's webhook_allow.
	CA      string            `toml:"ca"`      // PEM file of the certificate authorities to trust instead of the system's, beside the config file.
}

// SinkSpec is one place where people are told: of the messages of a plan that name it, and of
// what a rule tells it. Its other keys are those of its type.
type SinkSpec struct {
	Name    string          `toml:"-" key:"name"`
	Type    string          `toml:"type"`    // What it is: {sinks}. Default: its name, where that is one of them.
	Plans   []string        `toml:"plans"`   // Names of the plans that may use it. Default: all.
	Timeout *rules.Duration `toml:"timeout"` // How long one request may take. Default: 15s.
	Proxy   Secret          `toml:"proxy"`   // URL of an HTTP proxy, as of a webhook. Default: none.
	Allow   []Network       `toml:"allow"`   // Networks that it may be in, beside the daemon's webhook_allow.
	CA      string          `toml:"ca"`      // PEM file of the certificate authorities to trust instead of the system's, beside the config file.

	Texts map[string]string `toml:"-"` // keys of its type that are no secrets
	Own   map[string]Secret `toml:"-"` // keys of its type that are
}

// EnvironmentSpec is where drills send the steps of a way back. Its webhooks and sinks have the
// names of those that they stand in for, and are told of nothing else.
type EnvironmentSpec struct {
	Name     string        `toml:"-" key:"name"`
	Webhooks []WebhookSpec `toml:"webhooks"` // What stands in for receivers and is a webhook: `[environments.staging.webhooks.pipeline]`, with the keys of [webhooks].
	Sinks    []SinkSpec    `toml:"sinks"`    // What stands in for receivers and is a sink that acts: `[environments.staging.sinks.alias]`, with the keys of [sinks].
}

// GrafanaSpec is the Grafana that relgate writes to: annotations of what was decided, and,
// by `relgate grafana sync` or at every start, a folder, a dashboard and alert rules.
type GrafanaSpec struct {
	URL         string          `toml:"url"`         // Address of Grafana, with its path where it is below one: "https://example.com/grafana". Required.
	Token       Secret          `toml:"token"`       // Token of a service account with the role Editor, of a Grafana of your own or of a Cloud stack. Required.
	Folder      string          `toml:"folder"`      // Uid of the folder for the dashboard and the alert rules, at most 40 letters, digits, "-" and "_". It is made where there is none. Default: relgate.
	Datasource  string          `toml:"datasource"`  // Uid of the Prometheus that scrapes relgate. Required with alerts. Default: in the dashboard, Grafana's default.
	Sync        bool            `toml:"sync"`        // Whether every start and reload does what `relgate grafana sync` does. Default: false.
	Alerts      bool            `toml:"alerts"`      // Whether a group of alert rules is written for each plan. Not where Prometheus has relgate's own: one rollback would page twice. Default: false.
	Annotations *bool           `toml:"annotations"` // Whether the daemon writes annotations: a region for each phase, a point for each verdict, hold, rollback and superseded run. Default: true.
	Timeout     *rules.Duration `toml:"timeout"`     // How long one request may take. Default: 10s.
	CA          string          `toml:"ca"`          // PEM file of the certificate authorities to trust instead of the system's, beside the config file.
}

// GrafanaEndpoint is the name under which annotations are delivered: beside the names of
// the webhooks, in metrics and in `relgate deliveries`.
const GrafanaEndpoint = "grafana"

// OTLPSpec is where the trace of each run is sent when it ends: OpenTelemetry's protocol over
// HTTP, in JSON.
type OTLPSpec struct {
	Endpoint string            `toml:"endpoint"` // Address below which /v1/traces is, or that itself: "http://otel-collector.example.com:4318". Required.
	Headers  map[string]Secret `toml:"headers"`  // Headers to send along: strings, or secrets as { env = "NAME" }.
	Plans    []string          `toml:"plans"`    // Names of the plans whose runs are sent. Default: all.
	Timeout  *rules.Duration   `toml:"timeout"`  // How long one attempt may take. Default: 10s.
	Proxy    Secret            `toml:"proxy"`    // URL of an HTTP proxy, as of a webhook. Default: none.
	Allow    []Network         `toml:"allow"`    // Networks that the receiver may be in, beside the daemon's webhook_allow.
	CA       string            `toml:"ca"`       // PEM file of the certificate authorities to trust instead of the system's, beside the config file.
}

// OTLPEndpoint is the name under which traces are delivered, as GrafanaEndpoint is.
const OTLPEndpoint = "otlp"

// GitHubSpec is a GitHub App that is a deployment protection rule of environments: jobs that
// deploy to them wait until a gate of relgate's says that they may. Its webhook is
// /v1/github/NAME on the public address.
type GitHubSpec struct {
	Name     string           `toml:"-" key:"name"`
	AppID    string           `toml:"app_id"`   // Id of the App, or its client id, in quotes: "123456". Required.
	Key      Secret           `toml:"key"`      // Private key of the App, the .pem file that GitHub made. It is read whenever it is needed, so that it can be replaced. Required.
	Secret   Secret           `toml:"secret"`   // Secret of the App's webhook, which signs what GitHub sends. Required.
	URL      string           `toml:"url"`      // Address of the API: "https://HOST/api/v3" of a GitHub Enterprise Server. Nothing else is called, whatever a request names. Default: https://api.github.com.
	Comments *bool            `toml:"comments"` // Whether a deployment that waits is commented on when what it waits for changes, ten times at most. Default: true.
	Timeout  *rules.Duration  `toml:"timeout"`  // How long one request to GitHub may take. Default: 10s.
	Proxy    Secret           `toml:"proxy"`    // URL of an HTTP proxy, as of a webhook. Default: none.
	Allow    []Network        `toml:"allow"`    // Networks that the API may be in, beside the daemon's webhook_allow.
	CA       string           `toml:"ca"`       // PEM file of the certificate authorities to trust instead of the system's, beside the config file.
	Gates    []GitHubGateSpec `toml:"gates"`    // What each environment waits for, `[github.NAME.gates.production]`. At least one.
}

// GitHubGateSpec is what an environment of a repository waits for. A deployment belongs to one
// run: that of the version in its ref, or that with its commit. Without such a run it waits.
type GitHubGateSpec struct {
	Name        string `toml:"-" key:"name"`
	Repository  string `toml:"repository"`  // The repository, as OWNER/NAME. Required.
	Environment string `toml:"environment"` // Name of the environment. Default: the name of the table.
	Plan        string `toml:"plan"`        // Name of the plan. Required.
	Phase       string `toml:"phase"`       // Name of the phase that is asked about, or "run" for the whole run. Required.
	Question    string `toml:"question"`    // "entry": may the phase begin? "passed": has it passed? Default: entry.
	Ref         string `toml:"ref"`         // What the branch or tag that is deployed looks like, with {version} where the version stands: "v{version}", "release/{version}". One of ref and parameter is required; with both, both must be right.
	Parameter   string `toml:"parameter"`   // Parameter of the plan that has the commit which is deployed, in full: the run was begun with it, by `--set commit=SHA`.
}

// DaemonSpec is the daemon itself.
type DaemonSpec struct {
	Journal       string          `toml:"journal"`        // File of the journal. A relative path is below $STATE_DIRECTORY, which the systemd unit and the image set; without that, beside the config file. Default: relgate.db.
	SigningKeys   string          `toml:"signing_keys"`   // File of the keys that proofs are signed with, made at the first start (docs/proof.md). A relative path is where that of the journal would be. Default: the journal's with .keys behind it.
	Public        string          `toml:"public"`         // Address of the gate and of commands. Default: 127.0.0.1:8080.
	Private       string          `toml:"private"`        // Address of metrics, health and pprof. Default: 127.0.0.1:9091.
	TLS           *TLSSpec        `toml:"tls"`            // Certificate of the public address, `tls = { cert = "gate.pem", key = "gate.key" }`. Default: none, plain HTTP.
	Tokens        []TokenSpec     `toml:"tokens"`         // Bearer tokens of the HTTP API, `[daemon.tokens.ci]`. Without any, reading is open, and commands are taken from this machine only: on a loopback address, from no proxy.
	OIDC          []OIDCSpec      `toml:"oidc"`           // Jobs of CI systems that are let in beside tokens, by the ID tokens that their CI system signs, `[daemon.oidc.github]`. Default: none.
	PublicBadges  []string        `toml:"public_badges"`  // Names of the plans whose badge and status everyone may see who reaches the public address, without a token: for README files. Default: none.
	PublicBanners []string        `toml:"public_banners"` // Names of the plans whose banner everyone may see who reaches the public address, without a token: for apps. Default: none.
	Retention     *rules.Duration `toml:"retention"`      // How long ticks and events are kept; what an endpoint has yet to be told is kept longer, and so is the event with which a run passed. Default: 90d.
	SnapshotEvery *int            `toml:"snapshot_every"` // Ticks between two snapshots of the state. Default: 100.
	History       *int            `toml:"history"`        // How many releases that passed before a run is compared with by rules that weigh evidence; those may warn, and do no more. 0 to 100; 0 compares with none. Default: 5.
	WebhookAllow  []Network       `toml:"webhook_allow"`  // Networks beside the public internet that webhooks may be in. Default: none; loopback, private and link-local targets are refused.
	ExternalURL   string          `toml:"external_url"`   // Where people reach the public address from outside, for links. Default: none.
	LinkSecrets   []Secret        `toml:"link_secrets"`   // Secrets that sign the links by which people approve from an e-mail, at least 32 characters each. The first signs, all are believed. Default: no links.
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
	Scopes []string `toml:"scopes"` // What it may do: "read"; "start" a run; say that a "phase" has begun; "stop": hold, resume after a person's hold, abort, rollback_done, and send deliveries again; "override": override, resume against evidence, supersede together with start, and break_glass; "approve": sign for any role, send and skip messages, write the review, or "approve:ROLE" to sign for one. "command" is all of them but read and approve. Required.
	Plans  []string `toml:"plans"`  // Names of the plans that it is good for. Default: all.
}

// OIDCSpec lets in the jobs of a CI system by the OpenID Connect ID tokens that it signs for
// them. They are read again at every reload. Where a token meets several of them, the one with
// the most claims counts.
type OIDCSpec struct {
	Name     string            `toml:"-" key:"name"`
	Issuer   string            `toml:"issuer"`   // Who signs, to the letter as tokens have it in iss: "https://token.actions.githubusercontent.com", "https://gitlab.com", "https://oidc.circleci.com/org/ID", "https://agent.buildkite.com". http is for 127.0.0.1 alone. Required.
	Audience string            `toml:"audience"` // Whom tokens must be for (aud): what the CI system is told to make them for, and for no other receiver. Required.
	Claims   map[string]string `toml:"claims"`   // What a token must say, each with this value to the letter: `{ repository_id = "123" }`. At least one must be an id that never changes: "repository_id" or "repository_owner_id" (GitHub), "project_id" or "namespace_id" (GitLab), "oidc.circleci.com/project-id", "organization_id" or "pipeline_id" (Buildkite). Required.
	Scopes   []string          `toml:"scopes"`   // What it may do, as of a token. Required.
	Plans    []string          `toml:"plans"`    // Names of the plans that it is good for. Default: all.
	CA       string            `toml:"ca"`       // PEM file of the certificate authorities to trust instead of the system's, beside the config file.
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

// Target is the endpoint's URL, otherwise where the config has none. The error names
// where it is kept.
func (w WebhookSpec) Target(otherwise string) (string, error) {
	if w.URL != "" {
		return w.URL, nil
	}
	if w.URLFrom.IsZero() && otherwise != "" {
		return otherwise, nil
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
