package main

import (
	"fmt"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/exporters/gate"
)

// gateTokens is the tokens of a config as the gate takes them; those that are kept in
// the environment or a file are read there, now. An error names the place, and never the
// secret.
func gateTokens(specs []config.TokenSpec) ([]gate.Token, error) {
	tokens := make([]gate.Token, len(specs))
	for i, t := range specs {
		digest, err := t.Digest()
		if err != nil {
			return nil, err
		}
		tokens[i] = gate.Token{Name: t.Name, SHA256: fmt.Sprintf("%x", digest), Plans: t.Plans}
		for _, s := range t.Scopes {
			tokens[i].Scopes = append(tokens[i].Scopes, gate.Scope(s))
		}
	}
	return tokens, nil
}
