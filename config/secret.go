package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Secret says where a secret is kept: `{ env = "NAME" }`, `{ file = "path" }`,
// `{ credential = "name" }` of the systemd unit, or, with a warning, the secret
// itself as a string. It never shows itself.
type Secret struct {
	env, file, credential, inline string
}

// Value reads the secret where it is kept, now: a file that was replaced gives
// the new one. White space around it is dropped. The error names the place and
// never the secret; a secret that is empty or not set is an error.
func (s Secret) Value() (string, error) {
	var text, where string
	switch {
	case s.env != "":
		text, where = os.Getenv(s.env), fmt.Sprintf("environment variable %q", s.env)
	case s.file != "" || s.credential != "":
		path := s.file
		if s.credential != "" {
			dir := os.Getenv("CREDENTIALS_DIRECTORY")
			if dir == "" {
				return "", fmt.Errorf("reading a secret: credential %q: CREDENTIALS_DIRECTORY is not set: add LoadCredential=%s:PATH to the systemd unit", s.credential, s.credential)
			}
			path = filepath.Join(dir, s.credential)
		}
		where = fmt.Sprintf("file %q", path)
		data, err := readFile(path)
		if err != nil {
			return "", fmt.Errorf("reading a secret: %w", err)
		}
		text = strings.TrimPrefix(string(data), "\ufeff") // as editors on Windows begin a file
	case s.inline != "":
		text, where = s.inline, "the config"
	default:
		return "", errors.New("reading a secret: none is configured")
	}
	if text = strings.TrimSpace(text); text == "" {
		return "", fmt.Errorf("reading a secret: %s is empty or not set", where)
	}
	return text, nil
}

// IsZero reports whether no secret is configured.
func (s Secret) IsZero() bool { return s == Secret{} }

// Inline reports whether the secret stands in the config itself.
func (s Secret) Inline() bool { return s.inline != "" }

// String is "[secret]".
func (s Secret) String() string { return "[secret]" }

// GoString is "[secret]".
func (s Secret) GoString() string { return "[secret]" }

// Format writes "[secret]", whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[secret]")) }

// MarshalText is "[secret]".
func (s Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

var errSecret = errors.New(`want { env = "NAME" }, { file = "path" } or { credential = "name" }`)

// UnmarshalTOML takes a table with env, file or credential, or the secret itself.
func (s *Secret) UnmarshalTOML(value any) error {
	switch v := value.(type) {
	case string:
		if v == "" {
			return errSecret
		}
		*s = Secret{inline: v}
		return nil
	case map[string]any:
		env, _ := v["env"].(string)
		file, _ := v["file"].(string)
		credential, _ := v["credential"].(string)
		if len(v) != 1 || env+file+credential == "" {
			return errSecret
		}
		// A credential is a file of one folder.
		if credential != "" && (filepath.Base(credential) != credential || strings.HasPrefix(credential, ".")) {
			return errSecret
		}
		*s = Secret{env: env, file: file, credential: credential}
		return nil
	}
	return errSecret
}

// Plain is a secret that a program holds already, for configs that are made
// rather than read.
func Plain(text string) Secret { return Secret{inline: text} }
