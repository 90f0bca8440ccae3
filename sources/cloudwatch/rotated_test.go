package cloudwatch_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/cloudwatch"
)

// keys are the access keys that requests were signed with.
func keys(calls []call) (list []string) {
	for _, c := range calls {
		_, after, _ := strings.Cut(c.Header.Get("Authorization"), "Credential=")
		key, _, _ := strings.Cut(after, "/")
		list = append(list, key)
	}
	return list
}

// accepts answers requests that are signed with one key, and refuses others.
func accepts(key *string) func(call) (int, map[string]string, any) {
	good := byStat(map[string][]float64{"Count Sum": {at(1), 9}})
	return func(c call) (int, map[string]string, any) {
		if keys([]call{c})[0] != *key {
			return 403, nil, m{"__type": "ExpiredTokenException", "message": "The security token included in the request is expired"}
		}
		return good(c)
	}
}

// A shared credentials file that is replaced counts at the next question, and one
// that is replaced while a question is out counts at once. One that is just being
// written does no harm.
func TestRotatedCredentialsFile(t *testing.T) {
	alone(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	file := filepath.Join(t.TempDir(), "credentials")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	profile := func(key string) string {
		return fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = hidden\n", key)
	}
	valid := "ONE"
	late := "" // what is written while the first request is out
	answer := accepts(&valid)
	f := &fake{answer: func(c call) (int, map[string]string, any) {
		if late != "" {
			write(late)
			late = ""
		}
		return answer(c)
	}}
	server := httptest.NewServer(f)
	defer server.Close()
	write(profile("ONE"))
	p := new(pauses)
	s, err := cloudwatch.New(t.Context(), cloudwatch.Config{Name: "cloudwatch", Region: "eu-central-1", BaseURL: server.URL, Pause: p.pause})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(fault rules.Fault, signed ...string) {
		t.Helper()
		before := len(f.seen())
		if got := fetch(t, s, want(errorRate(), 0, 10))[0]; got.Fault != fault || strings.Contains(got.Detail, "hidden") {
			t.Errorf("fault %v %q, want %v", got.Fault, got.Detail, fault)
		}
		if got := keys(f.seen()[before:]); !slices.Equal(got, signed) {
			t.Errorf("signed with %q, want %q", got, signed)
		}
	}
	ask(rules.OK, "ONE")
	write(profile("TWO"))
	valid = "TWO"
	ask(rules.OK, "TWO")
	write("[default\nhalf a fi")
	ask(rules.OK, "TWO")
	late, valid = profile("THREE"), "THREE"
	ask(rules.OK, "TWO", "THREE")
	valid = "FOUR"
	ask(rules.AuthFault, "THREE") // there is no other: asking again would be refused again
}

// What a role gave is asked for anew when it is refused before its time.
func TestExpiredRole(t *testing.T) {
	alone(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hidden")
	valid, given := "ROLE1", 0
	f := &fake{answer: accepts(&valid)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/service/") {
			f.ServeHTTP(w, r)
			return
		}
		given++
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>`+
			`<AccessKeyId>ROLE%d</AccessKeyId><SecretAccessKey>hidden</SecretAccessKey><SessionToken>hidden</SessionToken>`+
			`<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, given)
	}))
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	p := new(pauses)
	s, err := cloudwatch.New(t.Context(), cloudwatch.Config{Name: "cloudwatch", Region: "eu-central-1", RoleARN: "arn:aws:iam::123456789012:role/relgate", Pause: p.pause})
	if err != nil {
		t.Fatal(err)
	}
	for _, valid = range []string{"ROLE1", "ROLE2"} {
		if got := fetch(t, s, want(errorRate(), 0, 10))[0]; got.Fault != rules.OK {
			t.Errorf("%s: fault %v %q", valid, got.Fault, got.Detail)
		}
	}
	if got := keys(f.seen()); !slices.Equal(got, []string{"ROLE1", "ROLE1", "ROLE2"}) {
		t.Errorf("signed with %q", got)
	}
}

// account is what the config says of an AWS account, with an external id that may change.
type account struct {
	texts    map[string]string
	external func() (string, error)
}

func (a account) Text(key string) string        { return a.texts[key] }
func (a account) Secret(string) (string, error) { return a.external() }

// An external id that is replaced counts when the role is assumed again. While it cannot be
// read the former one stays, and the log says whose it is.
func TestRotatedExternalID(t *testing.T) {
	alone(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hidden")
	kept, keptErr := "first-one", error(nil)
	valid, given := "ROLE1", 0
	var ids []string
	f := &fake{answer: func(c call) (int, map[string]string, any) { return accepts(&valid)(c) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/service/") {
			f.ServeHTTP(w, r)
			return
		}
		ids = append(ids, r.FormValue("ExternalId"))
		given++
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>`+
			`<AccessKeyId>ROLE%d</AccessKeyId><SecretAccessKey>hidden</SecretAccessKey><SessionToken>hidden</SessionToken>`+
			`<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, given)
	}))
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	var log bytes.Buffer
	opened, err := cloudwatch.Open(t.Context(), sources.Opening{
		Name: "shop", Pause: new(pauses).pause, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Account: account{map[string]string{"region": "eu-central-1", "role_arn": "arn:aws:iam::123456789012:role/relgate"}, func() (string, error) { return kept, keptErr }},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*cloudwatch.Source)
	defer s.CloseIdleConnections()
	ask := func() {
		t.Helper()
		if got := fetch(t, s, want(errorRate(), 0, 10))[0]; got.Fault != rules.OK {
			t.Errorf("fault %v %q", got.Fault, got.Detail)
		}
	}
	ask()
	kept, valid = "second-one", "ROLE2"
	ask()
	keptErr, valid = errors.New("no such file"), "ROLE3"
	ask()
	if !slices.Equal(ids, []string{"first-one", "second-one", "second-one"}) {
		t.Errorf("the role was assumed with %q", ids)
	}
	if !strings.Contains(log.String(), "source=shop") || strings.Contains(log.String(), "-one") {
		t.Errorf("log: %s", log.String())
	}
}
