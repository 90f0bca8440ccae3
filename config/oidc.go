package config

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/relgate/relgate/rules"
)

// ciSystem is a CI system whose tokens are known.
type ciSystem struct {
	name   string
	issuer func(u *url.URL) bool
	ids    []string // claims that never change and never come to mean another, of which a token must be asked for one
	fix    string
}

var ciSystems = []ciSystem{
	{"GitHub", func(u *url.URL) bool {
		return u.Host == "token.actions.githubusercontent.com" || strings.HasPrefix(u.Host, "token.actions.") || strings.HasSuffix(u.Path, "/_services/token")
	}, []string{"repository_id", "repository_owner_id"}, `claims = { repository_id = "…" }: the number that "gh api repos/OWNER/NAME --jq .id" prints`},
	{"GitLab", func(u *url.URL) bool { return u.Host == "gitlab.com" }, []string{"project_id", "namespace_id"}, `claims = { project_id = "…" }: the number on the project's page`},
	{"CircleCI", func(u *url.URL) bool { return u.Host == "oidc.circleci.com" }, []string{"oidc.circleci.com/project-id"}, `claims = { "oidc.circleci.com/project-id" = "…" }: from the project's settings`},
	{"Buildkite", func(u *url.URL) bool { return u.Host == "agent.buildkite.com" }, []string{"organization_id", "pipeline_id"}, `claims = { organization_id = "…", pipeline_id = "…" }, and have the job ask for both: buildkite-agent oidc request-token --claim organization_id,pipeline_id`},
}

// checked are the claims that relgate verifies of every token.
var checked = []string{"iss", "aud", "exp", "nbf", "iat"}

func checkOIDC(c rules.Checker, o *OIDCSpec, all []OIDCSpec) {
	u := checkIssuer(c.At("issuer"), o.Issuer)
	c.Required("audience", o.Audience == "", `"https://relgate.example.com", and have the CI system make its tokens for it`)
	checkClaims(c.At("claims"), o, u)
	checkScopes(c, o.Scopes, o.Plans)
	if len(o.Name) > 80 {
		c.Fail("bad-name", "", "want a name of at most 80 bytes")
	}
	for _, other := range all {
		if other.Name == o.Name {
			break
		}
		if other.Issuer == o.Issuer && other.CA != o.CA {
			c.At("ca").Fail("conflict", "give both the same", "%q has the same issuer and other authorities", other.Name)
			break
		}
	}
	for _, other := range all {
		if other.Name == o.Name {
			break
		}
		if other.Issuer == o.Issuer && other.Audience == o.Audience && maps.Equal(other.Claims, o.Claims) {
			c.At("claims").Fail("conflict", "ask for more in one of them, or make them one", "%q asks for the same: who a job is would be either's", other.Name)
		}
	}
}

// checkIssuer reports an issuer that keys cannot be had from safely.
func checkIssuer(c rules.Checker, text string) *url.URL {
	const example = `"https://token.actions.githubusercontent.com"`
	if text == "" {
		c.Fail("missing", "write issuer = "+example, "missing")
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		c.Fail("bad-url", "", "want the issuer to the letter as its tokens have it in iss, such as "+example)
		return nil
	case u.Scheme == "http" && u.Hostname() == "127.0.0.1":
	case u.Scheme != "https":
		c.Fail("bad-url", "write https", "who is between could put keys of their own in its place: http is for 127.0.0.1 alone")
		return nil
	}
	return u
}

func checkClaims(c rules.Checker, o *OIDCSpec, u *url.URL) {
	for name, value := range o.Claims {
		if slices.Contains(checked, name) {
			c.At(name).Fail("conflict", "leave it out", "relgate verifies it of every token, by issuer and audience")
		}
		if value == "" || strings.TrimSpace(value) != value {
			c.At(name).Fail("bad-value", "write the value to the letter as tokens have it", "it is empty, or has space around it")
		}
	}
	ids, of, fix := []string(nil), "", `an id beside it, such as repository_id (GitHub), project_id (GitLab), "oidc.circleci.com/project-id" or pipeline_id (Buildkite)`
	for _, s := range ciSystems {
		if u != nil && s.issuer(u) {
			ids, of, fix = s.ids, " of "+s.name, s.fix
		}
	}
	named := slices.Sorted(maps.Keys(o.Claims))
	// Of an issuer that is not known, what is called an id is taken for one.
	isID := func(name string) bool {
		return slices.Contains(ids, name) || ids == nil && strings.HasSuffix(strings.ToLower(name), "id")
	}
	switch {
	case len(named) == 0:
		c.Fail("missing", "write "+fix, "missing: every job%s would be let in", of)
	case !slices.ContainsFunc(named, isID):
		c.Fail("claim-renamed", "write "+fix, "%s: no id%s that stays is among them: a name can be changed, and another take it", strings.Join(named, ", "), of)
	}
}

// checkScopes reports what a bearer may do that is nothing or unknown.
func checkScopes(c rules.Checker, scopes, plans []string) {
	c.Required("scopes", len(scopes) == 0, `["read"]`)
	if plans != nil && len(plans) == 0 {
		c.At("plans").Fail("bad-value", "name a plan, or leave the key out for all plans", "an empty list would let the token into every plan")
	}
	for i, scope := range scopes {
		if role, ok := strings.CutPrefix(scope, "approve:"); ok && role != "" {
			continue
		}
		c.At("scopes").Index(i).OneOf("unknown-scope", "scope", scope, tokenScopes)
	}
}
