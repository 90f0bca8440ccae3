package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/exporters/oidc/oidctest"
)

// TestAJobIsLetInByItsCISystem: by the config, from a daemon that runs, with what it did in
// the journal, and not any more once its entry is another.
func TestAJobIsLetInByItsCISystem(t *testing.T) {
	is := oidctest.New(t)
	entry := func(id string) string {
		return fmt.Sprintf("\n[daemon.oidc.ci]\nissuer = %q\naudience = \"relgate\"\nclaims = { project_id = %q }\nscopes = [\"read\", \"stop\"]\n", is.URL, id)
	}
	dir := t.TempDir()
	path := writeConfig(t, dir, plainConfig+entry("20"))
	s := serve(t, path)
	s.private(t)
	url := "http://" + publicPort.FindStringSubmatch(s.log.String())[1]
	now := time.Now().Unix()
	token := is.Token(t, map[string]any{"iss": is.URL, "aud": "relgate", "exp": now + 3600, "project_id": "20", "pipeline_id": "574"})
	status := func(token string) int { code, _ := asksAs(t, "GET", url+"/v1/plans", token, "", ""); return code }
	eventually(t, "the job", func() bool { return status(token) == 200 })
	if got := status(""); got != 401 {
		t.Errorf("without a token: %d, want 401", got)
	}
	_, plans := asksAs(t, "GET", url+"/v1/plans", token, "", "")
	name := strings.Split(strings.SplitN(plans, `"plan":"`, 2)[1], `"`)[0]
	code, text := asksAs(t, "POST", url+"/v1/plans/"+name+"/commands", token, "", `{"kind":"hold","by":"ci","why":"b"}`)
	if want := `"principal":"oidc:ci project_id=20 pipeline_id=574"`; code != 200 || !strings.Contains(text, want) {
		t.Errorf("a command: %d %s, want %s", code, text, want)
	}
	writeConfig(t, dir, plainConfig+entry("21"))
	eventually(t, "the end of the job", func() bool { return status(token) == 401 })
	s.says(t, "its claim project_id is not what [daemon.oidc] asks for")
	if strings.Contains(s.log.String(), token[len(token)-40:]) {
		t.Error("the log holds the token")
	}
}

// The configs of the pages are right, and without an id the first is not.
func TestTheRecipesOfOIDCAndTracesLoad(t *testing.T) {
	t.Setenv("OTLP_AUTHORIZATION", "x")
	jobs := strings.ReplaceAll(recipe(t, "docs/operations.md", "oidc"), `"shop"`, `"P-1"`)
	for _, tt := range []struct {
		text, says string
	}{
		{jobs + recipe(t, "docs/integrations.md", "otlp-config"), ""},
		{strings.ReplaceAll(jobs, `repository_id = "123"`, `repository = "octo/repo"`), "claim-renamed"},
	} {
		c, problems := configs().Load(writeConfig(t, t.TempDir(), plainConfig+tt.text))
		if tt.says == "" && (c == nil || config.Errors(problems) > 0 || len(c.Daemon.OIDC) != 1 || c.OTLP == nil) || !strings.Contains(fmt.Sprint(problems), tt.says) {
			t.Errorf("%v, want %q", problems, tt.says)
		}
	}
}
