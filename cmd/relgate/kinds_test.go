package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator"
)

// A webhook may ask for every kind of event that there is.
func TestEveryKindOfEventCanBeAskedFor(t *testing.T) {
	var kinds []string
	for _, k := range evaluator.EventKinds() {
		kinds = append(kinds, fmt.Sprintf("%q", k))
	}
	path := filepath.Join(t.TempDir(), "config.toml")
	place(t, path, plainConfig+fmt.Sprintf("\n[webhooks.ops]\nurl = \"https://ops.example.com/\"\nevents = [%s]\n", strings.Join(kinds, ", ")))
	if _, problems := config.Load(path); config.Errors(problems) != 0 {
		t.Errorf("events = %v: %v", kinds, problems)
	}
}
