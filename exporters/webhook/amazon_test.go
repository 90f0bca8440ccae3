package webhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/rules"
)

// bus plays the part of EventBridge: it takes what is signed with one key.
type bus struct {
	t                  *testing.T
	key, secret, token string
	asked              int
}

func (b *bus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.asked++
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Error(err)
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		b.t.Error(err)
	}
	again, err := http.NewRequest(r.Method, "https://"+r.Host+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, name := range []string{"Content-Type", "X-Amz-Target", "User-Agent"} {
		again.Header.Set(name, r.Header.Get(name))
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(r.Context(), aws.Credentials{AccessKeyID: b.key, SecretAccessKey: b.secret, SessionToken: b.token}, again, hex.EncodeToString(sum[:]), "events", "eu-central-1", at); err != nil {
		b.t.Fatal(err)
	}
	if got, want := r.Header.Get("Authorization"), again.Header.Get("Authorization"); got != want {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type":"InvalidSignatureException","message":"`+want+`"}`)
		return
	}
	fmt.Fprint(w, `{"FailedEntryCount":0,"Entries":[{"EventId":"e-1"}]}`)
}

// A request to AWS is signed with the credentials that the SDK finds. Keys that were
// changed count with the next attempt.
func TestRequestsToAWSAreSigned(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "", "AWS_SESSION_TOKEN": "",
		"AWS_ACCESS_KEY_ID": "AKIDOLD", "AWS_SECRET_ACCESS_KEY": "hunter2-old",
	} {
		t.Setenv(name, value)
	}
	b := &bus{t: t, key: "AKIDNEW", secret: "hunter2-new"}
	e := Endpoint{Name: "bus", URL: "https://events.eu-central-1.amazonaws.com", Keys: rules.FormatKeys{Texts: map[string]string{"region": "eu-central-1"}}}
	sink := formatted(t, Config{Transport: handler{b}}, e, "eventbridge", rolledBack())
	m := messageOf(t, rolledBack()[5])
	if got, want := sink.Send(t.Context(), m), (outbox.Outcome{Reason: "answered 400 InvalidSignatureException"}); got != want {
		t.Errorf("with the old key: got %+v, want %+v", got, want)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", b.key)
	t.Setenv("AWS_SECRET_ACCESS_KEY", b.secret)
	for range 2 {
		if got, want := sink.Send(t.Context(), m), (outbox.Outcome{OK: true, Kept: "event e-1"}); got != want {
			t.Errorf("with the new key: got %+v, want %+v", got, want)
		}
	}
}

// Without credentials nothing is sent, and the reason says so in one line.
func TestWithoutAWSCredentialsNothingIsSent(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "",
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
	} {
		t.Setenv(name, value)
	}
	b := &bus{t: t}
	e := Endpoint{Name: "bus", URL: "https://events.eu-central-1.amazonaws.com", Keys: rules.FormatKeys{Texts: map[string]string{"region": "eu-central-1"}}}
	got := formatted(t, Config{Transport: handler{b}}, e, "eventbridge", rolledBack()).Send(t.Context(), messageOf(t, rolledBack()[5]))
	if got.OK || got.Refused || !strings.HasPrefix(got.Reason, "finding AWS credentials: ") || strings.Contains(got.Reason, "\n") || b.asked != 0 {
		t.Errorf("got %+v after %d requests", got, b.asked)
	}
}

// roles plays the part of STS: it lends the credentials of a role to who has its external
// id, and signs with the key that the environment has.
type roles struct {
	asked  []string // role, session, external id and key of each request
	denied bool
}

func (s *roles) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="), "/")
	s.asked = append(s.asked, strings.Join([]string{r.PostFormValue("Action"), r.PostFormValue("RoleArn"), r.PostFormValue("RoleSessionName"), r.PostFormValue("ExternalId"), key}, " "))
	w.Header().Set("Content-Type", "text/xml")
	if s.denied {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>`)
		return
	}
	fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>hunter2-role</SecretAccessKey><SessionToken>hunter2-session</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
		time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

// With role_arn a request is signed with the credentials of the role, which STS lends to
// the external id, once for many requests. Where STS refuses, nothing is sent, and the
// next attempt asks again.
func TestRequestsToAWSAreSignedAsTheRole(t *testing.T) {
	sts := &roles{denied: true}
	server := httptest.NewServer(sts)
	defer server.Close()
	for name, value := range map[string]string{
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "", "AWS_SESSION_TOKEN": "",
		"AWS_ACCESS_KEY_ID": "AKIDOWN", "AWS_SECRET_ACCESS_KEY": "hunter2-own", "AWS_ENDPOINT_URL_STS": server.URL,
	} {
		t.Setenv(name, value)
	}
	b := &bus{t: t, key: "ASIAROLE", secret: "hunter2-role", token: "hunter2-session"}
	e := Endpoint{
		Name: "bus", URL: "https://events.eu-central-1.amazonaws.com", Own: map[string]string{"external_id": "hunter2-external"},
		Keys: rules.FormatKeys{Texts: map[string]string{"region": "eu-central-1", "role_arn": "arn:aws:iam::123456789012:role/relgate"}},
	}
	sink := formatted(t, Config{Transport: handler{b}}, e, "eventbridge", rolledBack())
	m := messageOf(t, rolledBack()[5])
	got := sink.Send(t.Context(), m)
	if got.OK || got.Refused || !strings.HasPrefix(got.Reason, "finding AWS credentials: ") || !strings.Contains(got.Reason, "AccessDenied") || strings.Contains(got.Reason, "hunter2") || b.asked != 0 {
		t.Errorf("where STS refuses: got %+v after %d requests", got, b.asked)
	}
	sts.denied = false
	for range 2 {
		if got, want := sink.Send(t.Context(), m), (outbox.Outcome{OK: true, Kept: "event e-1"}); got != want {
			t.Errorf("as the role: got %+v, want %+v", got, want)
		}
	}
	const asked = "AssumeRole arn:aws:iam::123456789012:role/relgate relgate hunter2-external AKIDOWN"
	if want := []string{asked, asked}; !slices.Equal(sts.asked, want) {
		t.Errorf("STS was asked for\n%q, want\n%q", sts.asked, want)
	}
}
