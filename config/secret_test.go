package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretIsReadWhereItIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RELGATE_TEST_TOKEN", " from-env ")
	for _, tt := range []struct {
		value any
		want  string
	}{
		{map[string]any{"file": file}, "from-file"},
		{map[string]any{"env": "RELGATE_TEST_TOKEN"}, "from-env"},
		{"inline", "inline"},
	} {
		var s Secret
		if err := s.UnmarshalTOML(tt.value); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Value(); err != nil || got != tt.want {
			t.Errorf("%v gives %q (%v), want %q", tt.value, got, err, tt.want)
		}
	}
	// Editors on Windows put a mark before the text, and end lines their way.
	windows := filepath.Join(t.TempDir(), "windows")
	if err := os.WriteFile(windows, []byte("\ufefffrom-windows\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := (Secret{file: windows}).Value(); err != nil || got != "from-windows" {
		t.Errorf("got %q (%v), want it without the mark", got, err)
	}
	// A file that was replaced gives the new secret.
	s := Secret{file: file}
	if err := os.WriteFile(file, []byte("rotated"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Value(); err != nil || got != "rotated" {
		t.Errorf("got %q (%v), want the rotated secret", got, err)
	}
}

func TestSecretThatIsNotThere(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, maxFile+1); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		secret Secret
		want   string
	}{
		{Secret{}, "none is configured"},
		{Secret{env: "RELGATE_TEST_NOT_SET"}, `environment variable "RELGATE_TEST_NOT_SET" is empty or not set`},
		{Secret{file: empty}, "is empty or not set"},
		{Secret{file: empty + "-gone"}, "no such file"},
		{Secret{file: os.DevNull}, "it is not a regular file"}, // nor is a pipe, which could keep a reload waiting
		{Secret{file: filepath.Dir(empty)}, "it is not a regular file"},
		{Secret{file: large}, "it is larger than 16 MiB"},
		{Secret{inline: " "}, "is empty or not set"},
	} {
		if got, err := tt.secret.Value(); err == nil || got != "" || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %q, %v, want an error with %q", got, err, tt.want)
		}
	}
}

// systemd puts what LoadCredential= names into a folder, and says where.
func TestSecretIsACredentialOfTheUnit(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sentry-token"), []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ dir, name, want, err string }{
		{dir, "sentry-token", "hunter2", ""},
		{dir, "other", "", "no such file"},
		{"", "sentry-token", "", "add LoadCredential=sentry-token:PATH to the systemd unit"},
	} {
		t.Setenv("CREDENTIALS_DIRECTORY", tt.dir)
		var s Secret
		if err := s.UnmarshalTOML(map[string]any{"credential": tt.name}); err != nil {
			t.Fatal(err)
		}
		got, err := s.Value()
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q in %q: got %q, %v; want %q, %q", tt.name, tt.dir, got, err, tt.want, tt.err)
		}
	}
}

func TestSecretNeverShowsItself(t *testing.T) {
	s := Secret{inline: "hunter2"}
	text, _ := s.MarshalText()
	inJSON, _ := json.Marshal(map[string]any{"s": s, "p": &s})
	shown := []string{
		s.String(), s.GoString(), string(text), string(inJSON), fmt.Sprint(s), fmt.Sprint(&s), fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s),
		fmt.Sprintf("%+v", SourceSpec{Secrets: map[string]Secret{"token": s}}), fmt.Sprintf("%#v", []Secret{s}), fmt.Sprintf("%v", WebhookSpec{Headers: map[string]Secret{"a": s}}),
	}
	for _, text := range shown {
		if strings.Contains(text, "hunter2") || strings.Contains(text, fmt.Sprintf("%x", "hunter2")) || !strings.Contains(text, "[secret]") {
			t.Errorf("got %s, want [secret]", text)
		}
	}
}

func TestSecretForms(t *testing.T) {
	for _, value := range []any{
		"", int64(7), map[string]any{}, map[string]any{"env": ""}, map[string]any{"env": "A", "file": "b"}, map[string]any{"var": "A"},
		map[string]any{"env": int64(1)}, map[string]any{"env": "A", "more": "x"}, map[string]any{"env": "A", "credential": "b"},
		map[string]any{"credential": ""}, map[string]any{"credential": "../b"}, map[string]any{"credential": "/b"}, map[string]any{"credential": ".."},
	} {
		var s Secret
		if err := s.UnmarshalTOML(value); err == nil || !s.IsZero() {
			t.Errorf("%v reads as a secret, want an error", value)
		} else if strings.Contains(err.Error(), "7") {
			t.Errorf("the error shows the value: %v", err)
		}
	}
}

func TestTokenDigest(t *testing.T) {
	// echo -n hello | sha256sum
	const hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	for _, token := range []TokenSpec{{Hash: "sha256:" + hello}, {Token: Secret{inline: "hello"}}} {
		if got, err := token.Digest(); err != nil || fmt.Sprintf("%x", got) != hello {
			t.Errorf("got %x (%v), want %s", got, err, hello)
		}
	}
	for _, token := range []TokenSpec{{}, {Hash: hello}, {Hash: "sha256:" + hello[1:]}, {Hash: "sha256:" + hello + "00"}, {Hash: "md5:" + hello}, {Token: Secret{inline: "one\ntwo"}}} {
		if _, err := token.Digest(); err == nil {
			t.Errorf("%+v: got no error", token)
		}
	}
}

func TestWebhookTarget(t *testing.T) {
	if got, err := (WebhookSpec{URL: "https://a"}).Target(""); err != nil || got != "https://a" {
		t.Errorf("got %q (%v)", got, err)
	}
	if got, err := (WebhookSpec{}).Target("https://c"); err != nil || got != "https://c" {
		t.Errorf("got %q (%v), want the format's own", got, err)
	}
	if got, err := (WebhookSpec{URLFrom: Secret{inline: "https://b"}}).Target("https://c"); err != nil || got != "https://b" {
		t.Errorf("got %q (%v)", got, err)
	}
	if got, err := (WebhookSpec{}).Target("https://c"); err != nil || got != "https://c" {
		t.Errorf("got %q (%v), want the format's own", got, err)
	}
}
