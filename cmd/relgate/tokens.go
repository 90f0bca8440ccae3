package main

import (
	"fmt"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/oidc"
	"github.com/relgate/relgate/exporters/server"
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

// gateJobs is whose jobs of CI systems a config lets in, as the gate takes them. The files of
// authorities are read here, now.
func gateJobs(specs []config.OIDCSpec) ([]gate.Job, error) {
	jobs := make([]gate.Job, len(specs))
	for i, o := range specs {
		jobs[i] = gate.Job{Trust: oidc.Trust{Name: o.Name, Issuer: o.Issuer, Audience: o.Audience, Claims: o.Claims}, Plans: o.Plans}
		for _, s := range o.Scopes {
			jobs[i].Scopes = append(jobs[i].Scopes, gate.Scope(s))
		}
		if o.CA == "" {
			continue
		}
		var err error
		if jobs[i].Roots, err = server.Authorities(o.CA); err != nil {
			return nil, fmt.Errorf("oidc %q: ca: %w", o.Name, err)
		}
	}
	return jobs, nil
}
