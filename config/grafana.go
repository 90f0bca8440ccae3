package config

import (
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// Annotates reports whether the daemon writes annotations.
func (g *GrafanaSpec) Annotates() bool { return g != nil && *g.Annotations }

func checkGrafana(c rules.Checker, g *GrafanaSpec, hooks []WebhookSpec) {
	if g.Folder == "" {
		g.Folder = "relgate"
	}
	if g.Annotations == nil {
		g.Annotations = new(true)
	}
	c.Required("url", g.URL == "", `"https://grafana.example.com"`)
	checkURL(c.At("url"), g.URL)
	if strings.ContainsAny(g.URL, "?#") {
		c.At("url").Fail("bad-url", "leave out what begins with ? or #", "want the address below which the API is")
	}
	c.Required("token", g.Token.IsZero(), `{ env = "GRAFANA_TOKEN" }`)
	checkSecret(c.At("token"), g.Token)
	checkUID(c.At("folder"), g.Folder)
	checkUID(c.At("datasource"), g.Datasource)
	c.Required("datasource", g.Alerts && g.Datasource == "", `"prometheus", the uid that its page in Grafana has in its address`)
	g.Timeout = between(c.At("timeout"), g.Timeout, 10*time.Second, time.Second, 5*time.Minute)
	if g.Annotates() && slices.ContainsFunc(hooks, func(w WebhookSpec) bool { return w.Name == GrafanaEndpoint }) {
		c.At("annotations").Fail("conflict", "rename the webhook, or write annotations = false", "annotations are delivered under the name %q, and a webhook has it", GrafanaEndpoint)
	}
}

// checkUID reports what cannot be the uid of something in Grafana. It goes into a path.
func checkUID(c rules.Checker, uid string) {
	if len(uid) > 40 || strings.Trim(uid, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		c.Fail("bad-name", "", `%q: want at most 40 letters, digits, "-" and "_"`, uid)
	}
}
