package inbox

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relgate/relgate/sources/inbox/kind"
)

const (
	topic   = "arn:aws:sns:eu-central-1:111122223333:alarms"
	certURL = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem"
)

// nothing is a network on which there is nothing.
type nothing struct{}

func (nothing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("there is no network")
}

// amazon stands in for SNS: it serves a certificate over TLS under the name of SNS, and
// takes confirmations. Whoever asks it knows its authority.
type amazon struct {
	key                 *rsa.PrivateKey
	cert                []byte // PEM
	transport           *http.Transport
	fetched, subscribed atomic.Int64
	status              atomic.Int64 // of answers
	redirect            string
}

// certified makes a key with a certificate for a host that ends at a time.
func certified(t testing.TB, host string, ends time.Time) (*rsa.PrivateKey, []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	made := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotBefore: ends.Add(-365 * 24 * time.Hour), NotAfter: ends,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, made, made, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

func newAmazon(t *testing.T) *amazon {
	t.Helper()
	a := &amazon{}
	key, der := certified(t, "sns.eu-central-1.amazonaws.com", noon.Add(24*time.Hour))
	a.key, a.cert = key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	a.status.Store(http.StatusOK)
	hostKey, hostCert := certified(t, "sns.eu-central-1.amazonaws.com", time.Now().Add(24*time.Hour))
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case a.redirect != "" && r.URL.Path != "/moved.pem":
			http.Redirect(w, r, a.redirect, http.StatusFound)
		case strings.HasSuffix(r.URL.Path, ".pem"):
			a.fetched.Add(1)
			w.WriteHeader(int(a.status.Load()))
			_, _ = w.Write(a.cert)
		case r.URL.Query().Get("Action") == "ConfirmSubscription":
			a.subscribed.Add(1)
			w.WriteHeader(int(a.status.Load()))
		}
	}))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{hostCert}, PrivateKey: hostKey}}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	leaf, err := x509.ParseCertificate(hostCert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	var dialer net.Dialer
	a.transport = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, srv.Listener.Addr().String())
		},
	}
	t.Cleanup(a.transport.CloseIdleConnections)
	return a
}

// message is a signed message with an edit before it is signed.
func (a *amazon) message(t *testing.T, edit func(*snsMessage)) string {
	t.Helper()
	m := &snsMessage{
		Type: snsNotification, MessageID: "m1", TopicArn: topic, Message: "it works", Timestamp: noon.Format("2006-01-02T15:04:05.000Z"),
		SignatureVersion: "2", SigningCertURL: certURL,
	}
	edit(m)
	a.sign(t, m)
	return m.text(t)
}

func (a *amazon) sign(t *testing.T, m *snsMessage) {
	t.Helper()
	method, sum := crypto.SHA256, sha256.Sum256([]byte(m.signed()))
	hashed := sum[:]
	if m.SignatureVersion == "1" {
		old := sha1.Sum([]byte(m.signed()))
		method, hashed = crypto.SHA1, old[:]
	}
	signed, err := rsa.SignPKCS1v15(rand.Reader, a.key, method, hashed)
	if err != nil {
		t.Fatal(err)
	}
	m.Signature = base64.StdEncoding.EncodeToString(signed)
}

func (m *snsMessage) text(t *testing.T) string {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// alarmMessage is what CloudWatch has SNS send of an alarm.
const alarmMessage = `{"AlarmName":"api","AWSAccountId":"111122223333","NewStateValue":"ALARM","StateChangeTime":"2025-06-04T11:59:30.472+0000","Region":"Europe (Frankfurt)","AlarmArn":"arn:aws:cloudwatch:eu-central-1:111122223333:alarm:api","OldStateValue":"OK","Trigger":{"MetricName":"5XXError"}}`

// The signature of SNS covers id, time and topic; its certificate is fetched from SNS in
// the topic's own region, and from nowhere else.
func TestPushesOfSNS(t *testing.T) {
	a := newAmazon(t)
	in, kept := inboxOf(t, account{kind.Format: kind.SNS, kind.Topics: "arn:aws:sns:eu-central-1:111122223333:other, " + topic}, a.transport)
	none := func(*snsMessage) {}
	alarm := a.message(t, func(m *snsMessage) {
		subject := `ALARM: "api" <x> & é`
		m.Message, m.Subject, m.MessageID = alarmMessage, &subject, "m2"
	})
	at := func(url string) string { return a.message(t, func(m *snsMessage) { m.SigningCertURL = url }) }
	pushAll(t, in, []pushCase{
		{"raw delivery", headers("x-amz-sns-rawdelivery", "true"), alarmMessage, noon, Unsigned, "turn it off"},
		{"raw delivery that does not say so", headers(), alarmMessage, noon, Unsigned, "raw"},
		{"no JSON", headers(), "x", noon, Malformed, "cannot be read"},
		{"another topic", headers(), a.message(t, func(m *snsMessage) { m.TopicArn = topic + "x" }), noon, Topic, "alarmsx"},
		{"no signature", headers(), (&snsMessage{Type: snsNotification, MessageID: "m", TopicArn: topic}).text(t), noon, Unsigned, "no signature"},
		{"no id", headers(), a.message(t, func(m *snsMessage) { m.MessageID = "" }), noon, Malformed, "MessageId"},
		{"version 1", headers(), a.message(t, func(m *snsMessage) { m.SignatureVersion = "1" }), noon, Forged, `SignatureVersion "1"`},
		{"no time", headers(), a.message(t, func(m *snsMessage) { m.Timestamp = "soon" }), noon, Malformed, "Timestamp"},
		{"a foreign certificate", headers(), at("https://sns.eu-central-1.amazonaws.com.evil.example/x.pem"), noon, Certificate, "not SNS"},
		{"a certificate of a foreign service", headers(), at("https://s3.eu-central-1.amazonaws.com/x.pem"), noon, Certificate, "not SNS"},
		{"a certificate of another region", headers(), at("https://sns.us-east-1.amazonaws.com/x.pem"), noon, Certificate, "region of the topic"},
		{"a certificate without TLS", headers(), at("http://sns.eu-central-1.amazonaws.com/x.pem"), noon, Certificate, "https"},
		{"a certificate at a port", headers(), at("https://sns.eu-central-1.amazonaws.com:8443/x.pem"), noon, Certificate, "https"},
		{"a certificate behind a user", headers(), at("https://sns.eu-central-1.amazonaws.com@evil.example/x.pem"), noon, Certificate, "https"},
		{"a certificate by a query", headers(), at(certURL + "?x=.pem"), noon, Certificate, "no file"},
		{"a certificate that is no file", headers(), at("https://sns.eu-central-1.amazonaws.com/x"), noon, Certificate, "no file"},
	})
	if n := a.fetched.Load(); n != 0 {
		t.Errorf("%d certificates were fetched for what cannot be of SNS", n)
	}
	pushAll(t, in, []pushCase{
		{"another message under its signature", headers(), strings.Replace(a.message(t, none), "it works", "it burns", 1), noon, Forged, "not that of its certificate"},
		{"no base64", headers(), strings.Replace(a.message(t, none), `"Signature":"`, `"Signature":"?`, 1), noon, Forged, "base64"},
		{"replayed later", headers(), alarm, noon.Add(snsAge + time.Second), Replayed, "ago"},
		{"a message", headers(), a.message(t, none), noon, Accepted, ""},
		{"an alarm", headers("Content-Type", "text/plain; charset=UTF-8"), alarm, noon.Add(time.Minute), Accepted, ""},
		{"an alarm, sent again", headers(), alarm, noon.Add(time.Minute), Duplicate, ""},
		{"an alarm in no state", headers(), a.message(t, func(m *snsMessage) { m.Message = strings.Replace(alarmMessage, `"ALARM"`, `"MAYBE"`, 1) }), noon, Malformed, "MAYBE"},
	})
	checkLines(t, kept, "on map[account:111122223333 alarm:api arn:arn:aws:cloudwatch:eu-central-1:111122223333:alarm:api region:eu-central-1]")
	if len(kept.list) != 2 || a.fetched.Load() != 1 {
		t.Errorf("%d pushes are kept, %d certificates were fetched; want 2 and 1", len(kept.list), a.fetched.Load())
	}
	pushAll(t, in, []pushCase{{"a certificate that has ended", headers(), a.message(t, func(m *snsMessage) { m.MessageID = "m3" }), noon.Add(25 * time.Hour), Certificate, "2025-06-05 only"}})
}

func TestWhatServesNoCertificate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*amazon)
		want   Result
		said   string
	}{
		{"it is not there", func(a *amazon) { a.status.Store(http.StatusNotFound) }, Unavailable, "cannot be fetched"},
		{"it leads elsewhere", func(a *amazon) { a.redirect = "https://sns.eu-central-1.amazonaws.com/moved.pem" }, Unavailable, "cannot be fetched"},
		{"a page", func(a *amazon) { a.cert = []byte("<html>") }, Certificate, "no certificate"},
		{"no certificate", func(a *amazon) { a.cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}) }, Certificate, "cannot be read"},
		{"one of another key", func(a *amazon) {
			_, der := certified(t, "sns.eu-central-1.amazonaws.com", noon.Add(time.Hour))
			a.cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		}, Forged, "not that of its certificate"},
		{"a server that an unknown authority certifies", func(a *amazon) { a.transport.TLSClientConfig.RootCAs = x509.NewCertPool() }, Unavailable, "cannot be fetched"},
	} {
		a := newAmazon(t)
		tt.change(a)
		in, _ := inboxOf(t, account{kind.Format: kind.SNS, kind.Topics: topic}, a.transport)
		pushAll(t, in, []pushCase{{tt.name, headers(), a.message(t, func(*snsMessage) {}), noon, tt.want, tt.said}})
	}
}

func TestSignaturesOfVersion1(t *testing.T) {
	a := newAmazon(t)
	in, _ := inboxOf(t, account{kind.Format: kind.SNS, kind.Topics: topic, kind.SHA1: "1"}, a.transport)
	old := a.message(t, func(m *snsMessage) { m.SignatureVersion = "1" })
	pushAll(t, in, []pushCase{
		{"another message", headers(), strings.Replace(old, "it works", "it burns", 1), noon, Forged, ""},
		{"version 1", headers(), old, noon, Accepted, ""},
		{"version 2", headers(), a.message(t, func(m *snsMessage) { m.MessageID = "m2" }), noon, Accepted, ""},
		{"version 3", headers(), a.message(t, func(m *snsMessage) { m.SignatureVersion = "3" }), noon, Forged, ""},
	})
}

// A subscription is confirmed for a topic that is configured, at SNS itself.
func TestSubscriptionsOfSNS(t *testing.T) {
	a := newAmazon(t)
	in, kept := inboxOf(t, account{kind.Format: kind.SNS, kind.Topics: topic}, a.transport)
	subscribe := func(url string) string {
		return a.message(t, func(m *snsMessage) { m.Type, m.Token, m.SubscribeURL = snsSubscribe, "t", url })
	}
	own := "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=t"
	pushAll(t, in, []pushCase{
		{"a foreign URL", headers(), subscribe("https://evil.example/?Action=ConfirmSubscription&TopicArn=" + topic), noon, Certificate, "evil.example"},
		{"another action", headers(), subscribe(strings.Replace(own, "ConfirmSubscription", "DeleteTopic", 1)), noon, Certificate, "does not confirm"},
		{"another topic", headers(), subscribe(strings.Replace(own, ":alarms", ":others", 1)), noon, Certificate, "does not confirm"},
		{"under another signature", headers(), strings.Replace(subscribe(own), `"Token":"t"`, `"Token":"u"`, 1), noon, Forged, ""},
		{"of a topic that is not configured", headers(), a.message(t, func(m *snsMessage) { m.Type, m.TopicArn, m.SubscribeURL = snsSubscribe, topic+"x", own }), noon, Topic, ""},
	})
	pushAll(t, in, []pushCase{
		{"its own", headers(), subscribe(own), noon, Control, ""},
		{"an end", headers(), a.message(t, func(m *snsMessage) { m.Type, m.SubscribeURL = snsUnsubscribe, own }), noon, Control, ""},
	})
	if n := a.subscribed.Load(); n != 1 || len(kept.list) != 0 {
		t.Errorf("%d subscriptions were confirmed, %d pushes kept; want 1 and none", n, len(kept.list))
	}
	a.status.Store(http.StatusInternalServerError)
	pushAll(t, in, []pushCase{{"one that SNS does not confirm", headers(), subscribe(own), noon, Unavailable, "cannot be confirmed"}})
}
