package cloudwatch_test

import (
	"context"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/cloudwatch"
)

var (
	_ sources.Source  = (*cloudwatch.Source)(nil)
	_ sources.Metered = (*cloudwatch.Source)(nil)
)

// alone keeps the machine's own AWS configuration out of a test.
func alone(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func TestEndpointAndCredentialsFromTheEnvironment(t *testing.T) {
	alone(t)
	f := &fake{answer: byStat(map[string][]float64{"Count Sum": {at(1), 9}})}
	server := httptest.NewServer(f)
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	t.Setenv("AWS_REGION", "us-west-2")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hidden")
	s, err := cloudwatch.New(t.Context(), cloudwatch.Config{Name: "cloudwatch"})
	if err != nil {
		t.Fatal(err)
	}
	if got := fetch(t, s, want(errorRate(), 0, 10))[0]; got.Fault != rules.OK {
		t.Errorf("fault %d %q", got.Fault, got.Detail)
	}
	calls := f.seen()
	if len(calls) != 1 || !strings.Contains(calls[0].Header.Get("Authorization"), "Credential=AKIDENV/") ||
		!strings.Contains(calls[0].Header.Get("Authorization"), "/us-west-2/monitoring/") {
		t.Errorf("asked %+v", calls)
	}
}

func TestNoCredentials(t *testing.T) {
	alone(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	f := &fake{answer: byStat(nil)}
	server := httptest.NewServer(f)
	defer server.Close()
	s, err := cloudwatch.New(t.Context(), cloudwatch.Config{Name: "cloudwatch", Region: "eu-central-1", BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if got := fetch(t, s, want(errorRate(), 0, 10))[0]; got.Fault != rules.AuthFault || got.Detail == "" {
		t.Errorf("fault %d %q, want auth", got.Fault, got.Detail)
	}
	if n := len(f.seen()); n != 0 {
		t.Errorf("%d unsigned requests", n)
	}
}

// A role is assumed through STS; without one STS is never called.
func TestRole(t *testing.T) {
	alone(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hidden")
	f := &fake{answer: byStat(map[string][]float64{"Count Sum": {at(1), 9}, "5XXError Sum": {at(1), 0}})}
	sts := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/service/") {
			f.ServeHTTP(w, r)
			return
		}
		sts++
		if body, _ := io.ReadAll(r.Body); !strings.Contains(string(body), "ExternalId=between-us") {
			t.Errorf("STS was asked without the external id: %s", body)
		}
		w.Header().Set("Content-Type", "text/xml")
		_, _ = w.Write([]byte(`<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>` +
			`<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>hidden</SecretAccessKey><SessionToken>hidden</SessionToken>` +
			`<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`))
	}))
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	for _, role := range []string{"", "arn:aws:iam::123456789012:role/relgate"} {
		s, err := cloudwatch.New(t.Context(), cloudwatch.Config{Name: "cloudwatch", Region: "eu-central-1", RoleARN: role, ExternalID: sources.Fixed("between-us")})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := fetch(t, s, want(errorRate(), 0, 10))[0]; got.Fault != rules.OK {
				t.Errorf("role %q: fault %d %q", role, got.Fault, got.Detail)
			}
		}
		if w := map[bool]int{true: 1, false: 0}[role != ""]; sts != w {
			t.Errorf("role %q: %d calls of STS for two fetches, want %d", role, sts, w)
		}
		if n := s.Stats().Requests; n != 2 {
			t.Errorf("role %q: %d requests counted, want 2", role, n)
		}
	}
	calls := f.seen()
	if last := calls[len(calls)-1].Header.Get("Authorization"); !strings.Contains(last, "Credential=ASIAROLE/") {
		t.Errorf("signed with %q, not with the role", last)
	}
}

func TestOwnCA(t *testing.T) {
	alone(t)
	server := httptest.NewUnstartedServer(&fake{answer: byStat(map[string][]float64{"Count Sum": {at(1), 9}})})
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a client that does not trust it is expected
	server.StartTLS()
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	creds := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "hidden"}, nil
	})
	for _, tt := range []struct {
		ca    string
		fault rules.Fault
	}{{file, rules.OK}, {"", rules.Unavailable}} {
		s, err := cloudwatch.New(t.Context(), cloudwatch.Config{
			Name: "cloudwatch", Region: "eu-central-1", BaseURL: server.URL, CAFile: tt.ca, Credentials: creds, MaxAttempts: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := fetch(t, s, want(errorRate(), 0, 10))[0]; got.Fault != tt.fault {
			t.Errorf("CA %q: fault %d %q, want %d", tt.ca, got.Fault, got.Detail, tt.fault)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	alone(t)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		cfg  cloudwatch.Config
		want string
	}{
		{cloudwatch.Config{}, "no region"},
		{cloudwatch.Config{Region: "r", BaseURL: "ftp://x"}, "want http"},
		{cloudwatch.Config{Region: "r", BaseURL: "https://user:hidden@x"}, "no user"},
		{cloudwatch.Config{Region: "r", BaseURL: "https://x/?token=hidden"}, "no user, query"},
		{cloudwatch.Config{Region: "r", BaseURL: "http://[::1"}, "not a URL"},
		{cloudwatch.Config{Region: "r", CAFile: "/does/not/exist"}, "CA file"},
		{cloudwatch.Config{Region: "r", CAFile: empty}, "no PEM"},
	} {
		tt.cfg.Name = "prod"
		s, err := cloudwatch.New(t.Context(), tt.cfg)
		if err == nil || s != nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), `source "prod"`) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("New(%+v) = %v, want an error with %q", tt.cfg, err, tt.want)
		}
	}
}
