package inbox

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/inbox/kind"
)

// sns reads what SNS posts of topics that are configured. It signs each message, with its
// id and time, by a key whose certificate it serves itself.
type sns struct {
	topics []string
	sha1   bool // signatures of version 1 are taken too
	client *http.Client
	log    *slog.Logger

	mu    sync.Mutex
	certs map[string]*x509.Certificate // :: URL → certificate
}

// mostCerts is how many certificates are remembered: SNS has one for each region, and a
// newer one now and then.
const mostCerts = 64

// fetchTime is how long a certificate, or the confirmation of a subscription, may take.
const fetchTime = 5 * time.Second

// snsAge is how old a message may be: SNS tries for an hour.
const snsAge = 75 * time.Minute

func newSNS(o sources.Opening, log *slog.Logger, transport http.RoundTripper) (*sns, error) {
	f := &sns{
		topics: kind.List(o.Account.Text(kind.Topics)), sha1: o.Account.Text(kind.SHA1) == "1", log: log, certs: map[string]*x509.Certificate{},
		client: &http.Client{Transport: transport, Timeout: fetchTime, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // its host was checked, and that of a redirect was not
		}},
	}
	if len(f.topics) == 0 {
		return nil, errors.New("topics: missing")
	}
	return f, nil
}

type snsMessage struct {
	Type             string  `json:"Type"`
	MessageID        string  `json:"MessageId"`
	Token            string  `json:"Token"`
	TopicArn         string  `json:"TopicArn"`
	Subject          *string `json:"Subject"`
	Message          string  `json:"Message"`
	SubscribeURL     string  `json:"SubscribeURL"`
	Timestamp        string  `json:"Timestamp"`
	SignatureVersion string  `json:"SignatureVersion"`
	Signature        string  `json:"Signature"`
	SigningCertURL   string  `json:"SigningCertURL"`
}

// Types of messages.
const (
	snsNotification = "Notification"
	snsSubscribe    = "SubscriptionConfirmation"
	snsUnsubscribe  = "UnsubscribeConfirmation"
)

func (f *sns) read(ctx context.Context, h http.Header, body []byte, now time.Time) (message, error) {
	var m snsMessage
	if raw := h.Get("x-amz-sns-rawdelivery"); strings.EqualFold(raw, "true") {
		return message{}, refuse(Unsigned, "raw message delivery has no signature: turn it off for this subscription")
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return message{}, refuse(Malformed, "it cannot be read: %v", err)
	}
	if err := f.verify(ctx, &m, now); err != nil {
		return message{}, err
	}
	switch m.Type {
	case snsSubscribe:
		return message{control: true}, f.subscribe(ctx, &m)
	case snsUnsubscribe:
		f.log.Warn("the subscription of a topic has ended", "topic", m.TopicArn)
		return message{control: true}, nil
	}
	got := message{key: "sns " + digest(m.TopicArn+" "+m.MessageID)}
	a, err := m.alarm(now)
	if a != nil {
		got.alerts = []sources.Alert{*a}
	}
	return got, err
}

// verify checks a message before anything in it is used: the topic first, so that only
// messages of those that are configured have relgate fetch anything.
func (f *sns) verify(ctx context.Context, m *snsMessage, now time.Time) error {
	switch {
	case !slices.Contains([]string{snsNotification, snsSubscribe, snsUnsubscribe}, m.Type):
		return refuse(Unsigned, "it is no message of SNS, or one with raw message delivery, which has no signature")
	case m.Signature == "":
		return refuse(Unsigned, "it has no signature")
	case !slices.Contains(f.topics, m.TopicArn):
		return refuse(Topic, "topic %.200q is not among the topics of the inbox", m.TopicArn)
	case m.MessageID == "":
		return refuse(Malformed, "it has no MessageId")
	case m.SignatureVersion != "2" && (m.SignatureVersion != "1" || !f.sha1):
		return refuse(Forged, "SignatureVersion %.10q: set it to 2 for the topic", m.SignatureVersion)
	}
	at, err := awsTime(m.Timestamp)
	if err != nil {
		return refuse(Malformed, "its Timestamp %.40q is no time", m.Timestamp)
	}
	signed, err := base64.StdEncoding.DecodeString(m.Signature)
	if err != nil {
		return refuse(Forged, "its signature is not base64")
	}
	cert, err := f.certificate(ctx, m, now)
	if err != nil {
		return err
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || key.Size() < 256 {
		return refuse(Certificate, "its certificate has no RSA key of 2048 bits or more")
	}
	method, sum := crypto.SHA256, sha256.Sum256([]byte(m.signed()))
	hashed := sum[:]
	if m.SignatureVersion == "1" {
		old := sha1.Sum([]byte(m.signed()))
		method, hashed = crypto.SHA1, old[:]
	}
	if rsa.VerifyPKCS1v15(key, method, hashed, signed) != nil {
		return refuse(Forged, "its signature is not that of its certificate")
	}
	return fresh(at, now, snsAge)
}

// signed is what SNS signs of a message.
func (m *snsMessage) signed() string {
	pairs := []string{"Message", m.Message, "MessageId", m.MessageID}
	if m.Type != snsNotification {
		pairs = append(pairs, "SubscribeURL", m.SubscribeURL)
	} else if m.Subject != nil {
		pairs = append(pairs, "Subject", *m.Subject)
	}
	pairs = append(pairs, "Timestamp", m.Timestamp)
	if m.Type != snsNotification {
		pairs = append(pairs, "Token", m.Token)
	}
	pairs = append(pairs, "TopicArn", m.TopicArn, "Type", m.Type)
	return strings.Join(pairs, "\n") + "\n"
}

// snsHost is the host of SNS in a region.
var snsHost = regexp.MustCompile(`^sns\.([a-z0-9-]{3,})\.amazonaws\.com(\.cn)?$`)

// ownURL reads a URL of a message that must lead to SNS itself, in the region of the topic.
func (m *snsMessage) ownURL(name, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Opaque != "" || u.Port() != "" || u.Fragment != "" {
		return nil, refuse(Certificate, "its %s is no https URL of SNS", name)
	}
	host := snsHost.FindStringSubmatch(u.Host)
	if host == nil || host[1] != kind.Region(m.TopicArn) {
		return nil, refuse(Certificate, "its %s leads to %.100q, which is not SNS in the region of the topic", name, u.Host)
	}
	return u, nil
}

// certificate is that of a message.
func (f *sns) certificate(ctx context.Context, m *snsMessage, now time.Time) (*x509.Certificate, error) {
	u, err := m.ownURL("SigningCertURL", m.SigningCertURL)
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" || !strings.HasSuffix(u.Path, ".pem") {
		return nil, refuse(Certificate, "its SigningCertURL is no file of a certificate")
	}
	f.mu.Lock()
	cert := f.certs[u.String()]
	f.mu.Unlock()
	if cert == nil {
		if cert, err = f.fetchCertificate(ctx, u); err != nil {
			return nil, err
		}
	}
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return nil, refuse(Certificate, "its certificate is valid from %s to %s only", cert.NotBefore.UTC().Format(time.DateOnly), cert.NotAfter.UTC().Format(time.DateOnly))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.certs) >= mostCerts {
		clear(f.certs)
	}
	f.certs[u.String()] = cert
	return cert, nil
}

func (f *sns) fetchCertificate(ctx context.Context, u *url.URL) (*x509.Certificate, error) {
	text, err := f.get(ctx, u)
	if err != nil {
		f.log.Warn("the certificate of a message cannot be fetched", "url", u.String(), "err", err)
		return nil, refuse(Unavailable, "its certificate cannot be fetched now")
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, refuse(Certificate, "at its SigningCertURL there is no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, refuse(Certificate, "its certificate cannot be read")
	}
	return cert, nil
}

// get asks SNS for something small.
func (f *sns) get(ctx context.Context, u *url.URL) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err // unreachable: the URL was parsed
	}
	resp, err := f.client.Do(req)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // the URL of a confirmation has its token
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %s", resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 64<<10))
}

// subscribe confirms the subscription of a topic. The topic is one that is configured, and
// the message is signed.
func (f *sns) subscribe(ctx context.Context, m *snsMessage) error {
	u, err := m.ownURL("SubscribeURL", m.SubscribeURL)
	if err != nil {
		return err
	}
	if q := u.Query(); q.Get("Action") != "ConfirmSubscription" || q.Get("TopicArn") != m.TopicArn {
		return refuse(Certificate, "its SubscribeURL does not confirm a subscription of the topic")
	}
	if _, err := f.get(ctx, u); err != nil {
		f.log.Warn("a subscription cannot be confirmed", "topic", m.TopicArn, "err", err)
		return refuse(Unavailable, "the subscription cannot be confirmed now")
	}
	f.log.Info("the subscription of a topic is confirmed", "topic", m.TopicArn)
	return nil
}

// alarm is what a notification says of an alarm; nil where it is about something else,
// which shows that messages come.
func (m *snsMessage) alarm(now time.Time) (*sources.Alert, error) {
	var said struct {
		Name    string `json:"AlarmName"`
		Arn     string `json:"AlarmArn"`
		Account string `json:"AWSAccountId"`
		Value   string `json:"NewStateValue"`
		At      string `json:"StateChangeTime"`
	}
	if json.Unmarshal([]byte(m.Message), &said) != nil || said.Name == "" || said.Value == "" {
		return nil, nil
	}
	region := kind.Region(m.TopicArn)
	if parts := strings.Split(said.Arn, ":"); len(parts) > 4 {
		region = parts[3] // Region of the message is a name for people
	}
	a, err := alarm(said.Arn, said.Name, region, said.Account, said.Value, said.At, now)
	return &a, err
}
