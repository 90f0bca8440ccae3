package config

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestGrafana(t *testing.T) {
	const full = `
[grafana]
url = "https://example.com/grafana"
token = { env = "GRAFANA_TOKEN" }
`
	for _, tt := range []struct{ name, text, want string }{ // want: what is said of it; empty: nothing
		{"least", full, ""},
		{"all", full + "folder = \"releases\"\ndatasource = \"prom\"\nsync = true\nalerts = true\nannotations = false\ntimeout = \"30s\"\nca = \"ca.pem\"\n", ""},
		{"no url", "\n[grafana]\ntoken = { env = \"GRAFANA_TOKEN\" }\n", "grafana.url"},
		{"no token", "\n[grafana]\nurl = \"https://example.com\"\n", "grafana.token"},
		{"token in the file", strings.ReplaceAll(full, `{ env = "GRAFANA_TOKEN" }`, `"glsa_hidden"`), "the secret stands in the config itself"},
		{"not an address", strings.ReplaceAll(full, "https://", ""), "want an absolute URL"},
		{"credentials", strings.ReplaceAll(full, "https://", "https://u:hidden@"), "the URL holds credentials"},
		{"query", strings.ReplaceAll(full, "/grafana\"", "/grafana?x=1\""), "grafana.url"},
		{"folder", full + "folder = \"../admin\"\n", `"../admin": want at most 40 letters`},
		{"long uid", full + "datasource = \"" + strings.Repeat("a", 41) + "\"\n", "want at most 40 letters"},
		{"alerts without a source", full + "alerts = true\n", "grafana.datasource"},
		{"timeout", full + "timeout = \"1h\"\n", "want 1s to 5m"},
		{"unknown key", full + "tokn = 1\n", "unknown key"},
		{"webhook of that name", full + "\n[webhooks.grafana]\nurl = \"https://x.example.com/\"\n", `under the name "grafana"`},
		{"webhook of that name, no annotations", full + "annotations = false\n\n[webhooks.grafana]\nurl = \"https://x.example.com/\"\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, problems := Decode("config.toml", []byte(minimalText+tt.text), os.ReadFile)
			var said []string
			for _, p := range problems {
				if strings.HasPrefix(p.Path, "grafana") {
					said = append(said, p.Path+": "+p.String())
				}
			}
			text := strings.Join(said, "\n")
			if tt.want == "" && text != "" || !strings.Contains(text, tt.want) || strings.Contains(text, "hidden") {
				t.Errorf("got %q, want %q", text, tt.want)
			}
			if tt.want == "" && (cfg == nil || cfg.Grafana == nil || cfg.Grafana.Timeout.Duration < time.Second) {
				t.Errorf("got %+v", cfg)
			}
		})
	}
	cfg, _ := Decode("config.toml", []byte(minimalText+full), os.ReadFile)
	if g := cfg.Grafana; g.Folder != "relgate" || !g.Annotates() || g.Alerts || g.Sync {
		t.Errorf("defaults: %+v", g)
	}
	if (*GrafanaSpec)(nil).Annotates() {
		t.Error("no Grafana, and annotations")
	}
}
