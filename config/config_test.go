package config

import "testing"

// The config at the root is the product's face: it has no problems at all.
func TestTheProjectsOwnConfigHasNoProblems(t *testing.T) {
	c, problems := Load("../config.toml")
	for _, p := range problems {
		t.Error(p)
	}
	if c == nil || len(c.Plans) != 1 {
		t.Fatalf("got config %v, want one with one plan", c)
	}
}
