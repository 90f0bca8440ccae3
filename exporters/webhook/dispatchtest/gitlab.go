package dispatchtest

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// GitLab is a project at GitLab with a pipeline trigger token. Its fields are set before it is
// used. One without a project is any, and has whatever ref and inputs it is asked for.
type GitLab struct {
	Desk
	Token   string // any if empty
	Project string // path or id
	Refs    []string
	Inputs  []string // of the pipeline's spec
}

// gitlabBusy is how GitLab answers that it is asked too much.
var gitlabBusy = answer{http.StatusTooManyRequests, object{"message": "429 Too Many Requests"}}

var (
	gitlabPath   = regexp.MustCompile(`^/api/v4/projects/([^/]+)/(?:ref/([^/]+)/)?trigger/pipeline$`)
	gitlabField  = regexp.MustCompile(`^(variables|inputs)\[([^\]]+)\]$`)
	variableName = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
)

// ServeHTTP runs a pipeline.
func (g *GitLab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.serve(w, r, "pipeline", gitlabBusy, func(body []byte) answer { return g.trigger(r, string(body)) })
}

func (g *GitLab) any() bool { return g.Project == "" }

func (g *GitLab) trigger(r *http.Request, body string) answer {
	path := gitlabPath.FindStringSubmatch(r.URL.EscapedPath())
	project := ""
	if path != nil {
		project, _ = url.PathUnescape(path[1])
	}
	form, err := url.ParseQuery(body)
	bad := func(message any) answer {
		return g.refuse(http.StatusBadRequest, object{"message": message}, "%v", message)
	}
	switch {
	case path == nil || r.Method != http.MethodPost:
		return g.refuse(http.StatusNotFound, object{"error": "404 Not Found"}, "%s %s", r.Method, r.URL.Path)
	case r.URL.RawQuery != "": // it would be in the logs of proxies
		return g.refuse(http.StatusBadRequest, object{"error": "the token belongs into the body"}, "a query")
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		return g.refuse(http.StatusUnsupportedMediaType, object{"error": "The provided content-type is not supported."}, "Content-Type: %q", r.Header.Get("Content-Type"))
	case err != nil:
		return bad("the form cannot be read")
	case form.Get("token") == "":
		return g.refuse(http.StatusBadRequest, object{"error": "token is missing"}, "no token")
	case form.Get("ref") == "":
		return g.refuse(http.StatusBadRequest, object{"error": "ref is missing"}, "no ref")
	case !g.any() && project != g.Project || g.Token != "" && form.Get("token") != g.Token:
		return g.refuse(http.StatusNotFound, object{"message": "404 Not Found"}, "project %q, or its token", project)
	case strings.ContainsAny(form.Get("ref"), " ~^:"): // no ref has one of these: it is asked whether the token is the project's
		return answer{http.StatusBadRequest, object{"message": object{"base": []string{"Reference not found"}}}}
	case !g.any() && !slices.Contains(g.Refs, form.Get("ref")):
		return bad(object{"base": []string{"Reference not found"}})
	}
	given := map[string]string{}
	for key, values := range form {
		field := gitlabField.FindStringSubmatch(key)
		switch {
		case key == "token" || key == "ref":
			continue
		case field == nil || len(values) != 1:
			return bad(fmt.Sprintf("%s is invalid", key))
		case field[1] == "variables" && !variableName.MatchString(field[2]):
			return bad("variables needs to be a map of key-valued strings")
		case field[1] == "inputs" && !g.any() && !slices.Contains(g.Inputs, field[2]):
			return bad(object{"base": []string{fmt.Sprintf("Given inputs not defined in the `spec` section of the included configuration file: `%s`", field[2])}})
		}
		given[field[2]] = values[0]
	}
	p := g.start(Started{What: form.Get("ref"), Given: given})
	page := fmt.Sprintf("https://gitlab.com/%s/-/pipelines/%d", project, p.ID)
	return answer{http.StatusCreated, object{"id": p.ID, "iid": p.ID, "ref": p.What, "status": "created", "source": "trigger", "web_url": page}}
}
