package bench

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/alerting"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/relgate/relgate/exporters/grafana"
	"github.com/relgate/relgate/exporters/grafana/grafanatest"
)

// Grafana's own strict decoder takes the dashboard: it refuses fields that it does not
// know and misses those that are required, down into the options of every panel.
func TestGrafanasStrictDecoderTakesTheDashboard(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	for name, board := range map[string]grafana.Board{
		"plain": {}, "with links": {BaseURL: "https://relgate.example.com", Datasource: "prom"},
	} {
		text, err := board.JSON()
		if err != nil {
			t.Fatal(err)
		}
		d, err := strictly(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(d.Panels) < 20 {
			t.Errorf("%s: %d panels, want 20 or more", name, len(d.Panels))
		}
		// The decoder is strict, or this test says nothing.
		if _, err := strictly([]byte(strings.Replace(string(text), `"graphMode"`, `"graphMood"`, 1))); err == nil {
			t.Errorf("%s: the decoder takes an option that there is not", name)
		}
	}
}

// strictly decodes a dashboard. The decoder's error is never nil, but may hold nothing.
func strictly(text []byte) (d dashboard.Dashboard, err error) {
	err = d.UnmarshalJSONStrict(text)
	if found, ok := errors.AsType[cog.BuildErrors](err); ok && len(found) == 0 {
		err = nil
	}
	return d, err
}

// So does it take what relgate brings to a server, with the mark of who wrote it.
func TestGrafanasStrictDecoderTakesWhatIsSynced(t *testing.T) {
	fake := grafanatest.New("token", "")
	server := httptest.NewServer(fake)
	defer server.Close()
	c, err := grafana.New(grafana.Config{URL: server.URL, Token: "token"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	if _, err := c.Sync(t.Context(), grafana.Wanted{Alerts: true, Plans: []string{"shop"}, Board: grafana.Board{Datasource: "prom"}}); err != nil {
		t.Fatal(err)
	}
	stored, _ := fake.Dashboard("relgate")
	text, err := json.Marshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := strictly(text); err != nil {
		t.Error(err)
	}
	for _, r := range fake.Group("relgate", "relgate-shop") {
		expr := r["data"].([]any)[0].(map[string]any)["model"].(map[string]any)["expr"].(string)
		if _, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err != nil {
			t.Errorf("%v: %v", r["title"], err)
		}
		delete(r, "guid") // newer than the decoder
		delete(r, "folderUid")
		delete(r, "orgId")
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var rule alerting.Rule
		if err := rule.UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
			t.Errorf("%v: %v", r["title"], err)
		}
	}
}

// Every expression of the dashboard is PromQL.
func TestTheDashboardsExpressionsParse(t *testing.T) {
	text, err := grafana.Board{}.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	parsed := 0
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "1m").Replace(target.Expr)
			if _, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err != nil {
				t.Errorf("%s: %s: %v", p.Title, expr, err)
			}
			parsed++
		}
	}
	if parsed < 30 {
		t.Errorf("%d expressions, want 30 or more", parsed)
	}
}
