package config

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// githubAPI is the API of github.com.
const githubAPI = "https://api.github.com"

// versionMark stands for the version in a ref.
const versionMark = "{version}"

func checkGitHub(c rules.Checker, g *GitHubSpec) {
	c.Name(g.Name)
	c.Required("app_id", g.AppID == "", `"123456"`)
	c.Required("key", g.Key.IsZero(), `{ file = "relgate.private-key.pem" }`)
	c.Required("secret", g.Secret.IsZero(), `{ env = "GITHUB_WEBHOOK_SECRET" }`)
	checkSecret(c.At("key"), g.Key)
	checkSecret(c.At("secret"), g.Secret)
	g.URL = strings.TrimSuffix(cmp.Or(g.URL, githubAPI), "/")
	checkURL(c.At("url"), g.URL)
	if strings.ContainsAny(g.URL, "?#") {
		c.At("url").Fail("bad-url", "leave out what begins with ? or #", "want the address below which the API is")
	}
	if g.Comments == nil {
		g.Comments = new(true)
	}
	g.Timeout = between(c.At("timeout"), g.Timeout, 10*time.Second, time.Second, time.Minute)
	checkProxy(c.At("proxy"), g.Proxy)
	if u, err := url.Parse(g.URL); err == nil && u.Scheme == "http" && u.Hostname() != "127.0.0.1" {
		c.At("url").Fail("bad-url", "write https", "tokens would travel in the clear")
	}
	if len(g.Gates) == 0 {
		c.Fail("missing", "add ["+rules.Path("github", g.Name, "gates")+".ENVIRONMENT]", "no environment waits for anything")
	}
	for i := range g.Gates {
		gate := &g.Gates[i]
		gate.Environment = cmp.Or(gate.Environment, gate.Name)
		gate.Question = cmp.Or(gate.Question, "entry")
		at := c.At("gates", gate.Name)
		checkGitHubGate(at, gate)
		// GitHub tells neither of the two apart by case.
		for _, other := range g.Gates[:i] {
			if strings.EqualFold(other.Repository, gate.Repository) && strings.EqualFold(other.Environment, gate.Environment) {
				at.Fail("duplicate", "leave one out", "%s waits for the gate %q already", gate.Environment, other.Name)
				break
			}
		}
	}
}

var githubRepository = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9_.-]+$`)

func checkGitHubGate(c rules.Checker, g *GitHubGateSpec) {
	c.Required("repository", g.Repository == "", `"acme/shop"`)
	if r := g.Repository; r != "" && (!githubRepository.MatchString(r) || strings.HasSuffix(r, "/.") || strings.HasSuffix(r, "/..")) {
		c.At("repository").Fail("bad-value", "", `want OWNER/NAME, such as "acme/shop"`)
	}
	c.Required("plan", g.Plan == "", `"shop"`)
	c.Required("phase", g.Phase == "", `"ten"`)
	c.At("question").OneOf("unknown-question", "question", g.Question, []string{"entry", "passed"})
	c.Required("ref", g.Ref == "" && g.Parameter == "", `"v{version}"`)
	if g.Ref != "" && strings.Count(g.Ref, versionMark) != 1 {
		c.At("ref").Fail("bad-value", `write "v{version}"`, "want {version} once: without it a deployment of one version would be answered for another")
	}
}

// settleGitHub makes the file names of an App paths.
func (l *loader) settleGitHub(f *file, g *GitHubSpec) {
	g.CA = f.beside(g.CA)
	for _, s := range []*Secret{&g.Key, &g.Secret, &g.Proxy} {
		l.settleSecret(f, s)
	}
}

// checkGitHubGates reports gates of plans, phases and parameters that no file has. plans are
// the names of all plans, nil where those are not known.
func (l *loader) checkGitHubGates(c rules.Checker, g *GitHubSpec, plans []string) {
	if plans == nil {
		return
	}
	for i := range g.Gates {
		gate := &g.Gates[i]
		at := c.At("gates", gate.Name)
		if gate.Plan == "" || !at.At("plan").OneOf("unknown-plan", "plan", gate.Plan, plans) {
			continue
		}
		f := l.files[slices.IndexFunc(l.files, func(f *file) bool { return f.doc.Release.Plan == gate.Plan })]
		phases := []string{"run"}
		for _, p := range f.doc.Phases {
			phases = append(phases, p.Name)
		}
		if gate.Phase != "" {
			at.At("phase").OneOf("unknown-phase", "phase", gate.Phase, phases)
		}
		var parameters []string
		for _, p := range f.doc.Parameters {
			parameters = append(parameters, p.Name)
		}
		if gate.Parameter != "" {
			at.At("parameter").OneOf("unknown-parameter", "parameter", gate.Parameter, parameters)
		}
	}
}

// gatesUse reports whether a run of a plan is found by a parameter, given by its path.
func gatesUse(main *file, plan, path string) bool {
	for i := range main.doc.GitHubs {
		for _, g := range main.doc.GitHubs[i].Gates {
			if g.Plan == plan && g.Parameter != "" && rules.Path("parameters", g.Parameter) == path {
				return true
			}
		}
	}
	return false
}
