package grafana

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	gapi "github.com/grafana/grafana-api-golang-client"
)

// Wanted is what is to be in Grafana.
type Wanted struct {
	Board
	Folder    string   // uid of the folder; [UID] if empty
	Alerts    bool     // a group of alert rules for each plan, too; it takes Datasource
	Plans     []string // names of the plans
	Overwrite bool     // what a person has changed as well
}

// Did is what became of one thing.
type Did string

const (
	Made        Did = "made"
	Unchanged   Did = "unchanged"
	Updated     Did = "updated"
	Kept        Did = "kept as a person changed it"
	Overwritten Did = "overwritten"
	Provisioned Did = "left alone: Grafana has it from a file"
)

// Change is what became of the folder, the dashboard or a rule group.
type Change struct {
	What string // folder, dashboard, alerts
	Name string
	Did  Did
}

// Sync brings what is wanted to Grafana, one after the other, and says what became of
// each. An error ends it, and comes with what was done before. It may be called again at any
// time, also after it was killed anywhere: it looks at what is there, and makes what is not.
func (c *Client) Sync(ctx context.Context, w Wanted) (done []Change, err error) {
	if w.Folder == "" {
		w.Folder = UID
	}
	note := func(what, name string, did Did, err error) error {
		if err != nil {
			return fmt.Errorf("%s %q: %w", what, name, err)
		}
		done = append(done, Change{what, name, did})
		return nil
	}
	if err := c.health(ctx); err != nil {
		return nil, err
	}
	did, err := c.folder(ctx, w.Folder)
	if err := note("folder", w.Folder, did, err); err != nil {
		return done, err
	}
	did, err = c.dashboard(ctx, w)
	if err := note("dashboard", UID, did, err); err != nil || !w.Alerts {
		return done, err
	}
	for _, plan := range w.Plans {
		did, err := c.group(ctx, group(plan, w.Folder, w.Datasource), w.Overwrite)
		if err := note("alerts", groupOf(plan), did, err); err != nil {
			return done, err
		}
	}
	return done, nil
}

// health asks whether a Grafana is there at all.
func (c *Client) health(ctx context.Context) error {
	var h gapi.HealthResponse
	_, err := c.call(ctx, func(api *gapi.Client) (err error) { h, err = api.Health(); return err })
	const noGrafana = "what answers there is no Grafana: check the url, with the path below which Grafana is served"
	if err == nil && h.Database == "" {
		return &Error{Reason: noGrafana}
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusNotFound {
		return &Error{Status: e.Status, Reason: noGrafana + "; " + strings.Replace(e.Reason, "Grafana answered", "it answered", 1)}
	}
	return err
}

// folder makes the folder unless it is there. Its title is a person's matter.
func (c *Client) folder(ctx context.Context, uid string) (Did, error) {
	there := func() error {
		_, err := c.call(ctx, func(api *gapi.Client) error { _, err := api.FolderByUID(uid); return err })
		return err
	}
	err := there()
	if statusOf(err) != http.StatusNotFound {
		return Unchanged, err
	}
	_, err = c.call(ctx, func(api *gapi.Client) error { _, err := api.NewFolder(uid, uid); return err })
	if s := statusOf(err); s == http.StatusConflict || s == http.StatusPreconditionFailed {
		if there() == nil { // it was made meanwhile
			return Unchanged, nil
		}
		return "", fmt.Errorf("a folder of that title is there with another uid; write that uid as folder, or rename it: %w", err)
	}
	return Made, err
}

// mark is the name of the dashboard's hidden variable in which relgate keeps what it
// wrote: as which version of the dashboard, and a digest of it.
const mark = "relgate_written"

// signed is a dashboard with the mark that it is relgate's, as one version.
func signed(model object, version int64) object {
	model["templating"].(object)["list"] = append(model["templating"].(object)["list"].([]object), object{
		"type": "constant", "name": mark, "label": "", "hide": 2, "skipUrlSync": true, "query": written(version, fingerprint(model)),
	})
	return model
}

func written(version int64, print string) string {
	return fmt.Sprintf("version %d, sha256 %s", version, print)
}

// fingerprint is of a dashboard without what Grafana and the mark add.
func fingerprint(model object) string {
	text, _ := json.Marshal(model) // it is made of what JSON has
	var m map[string]any
	_ = json.Unmarshal(text, &m)
	for _, key := range []string{"id", "version"} {
		delete(m, key)
	}
	if t, ok := m["templating"].(map[string]any); ok {
		var rest []any
		for _, v := range variables(m) {
			if v["name"] != mark {
				rest = append(rest, v)
			}
		}
		t["list"] = rest
	}
	text, _ = json.Marshal(m)
	return fmt.Sprintf("%x", sha256.Sum256(text))[:16]
}

// variables are those of a dashboard as Grafana has it.
func variables(m object) []object {
	t, _ := m["templating"].(map[string]any)
	list, _ := t["list"].([]any)
	var out []object
	for _, v := range list {
		if v, ok := v.(map[string]any); ok {
			out = append(out, v)
		}
	}
	return out
}

// found is a dashboard that is there.
type found struct {
	version     int64
	folder      string
	print       string // fingerprint of what relgate wrote; empty where it wrote nothing
	now         string // fingerprint of what is there
	touched     bool   // a person has changed it since
	provisioned bool   // it comes from a file
}

// find reads the dashboard, nil when there is none.
func (c *Client) find(ctx context.Context) (*found, error) {
	var d *gapi.Dashboard
	body, err := c.call(ctx, func(api *gapi.Client) (err error) { d, err = api.DashboardByUID(UID); return err })
	if statusOf(err) == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f := &found{folder: d.Meta.FolderUID, touched: true, now: fingerprint(d.Model)}
	version, _ := d.Model["version"].(float64)
	f.version = int64(version)
	var more struct{ Meta struct{ Provisioned bool } } // gapi does not read it
	_ = json.Unmarshal(body, &more)
	f.provisioned = more.Meta.Provisioned
	for _, v := range variables(d.Model) {
		text, _ := v["query"].(string)
		if v["name"] != mark {
			continue
		}
		_, f.print, _ = strings.Cut(text, ", sha256 ")
		// Each save makes it one version more. The digest is for a Grafana that counts
		// otherwise, the version for one that stores another form than it was given.
		f.touched = text != written(f.version, f.print) && f.now != f.print
	}
	return f, nil
}

// dashboard brings the dashboard to Grafana. One that is there stays in the folder that a
// person has put it into.
func (c *Client) dashboard(ctx context.Context, w Wanted) (Did, error) {
	there, err := c.find(ctx)
	if err != nil {
		return "", err
	}
	model, did, folder, version := w.model(), Made, w.Folder, int64(0)
	if there != nil {
		did, folder, version = Updated, there.folder, there.version
		switch print := fingerprint(model); {
		case there.now == print:
			return Unchanged, nil
		case there.provisioned:
			return Provisioned, nil
		case there.touched && !w.Overwrite:
			return Kept, nil
		case there.touched:
			did = Overwritten
		case there.print == print:
			return Unchanged, nil
		}
		model["version"] = version
	}
	save := gapi.Dashboard{Model: signed(model, version+1), FolderUID: folder, Overwrite: w.Overwrite, Message: "relgate " + c.config.Version}
	_, err = c.call(ctx, func(api *gapi.Client) error { _, err := api.NewDashboard(save); return err })
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusPreconditionFailed {
		if e.code == "name-exists" {
			return "", fmt.Errorf("another dashboard of the same title is in the folder: rename or remove it: %w", err)
		}
		now, failed := c.find(ctx)
		switch {
		case failed != nil:
			return "", failed
		case now == nil || there != nil && now.version == there.version:
			return "", fmt.Errorf("it was not saved: %w", err) // and none was quicker
		case now.now == fingerprint(model):
			return Unchanged, nil // another relgate was quicker
		}
		return Kept, nil // a person was quicker
	}
	return did, err
}

// group brings a rule group to Grafana, and reads it back: a whole group is replaced, or
// left alone.
func (c *Client) group(ctx context.Context, want gapi.RuleGroup, overwrite bool) (Did, error) {
	there, err := c.readGroup(ctx, want)
	if err != nil {
		return "", err
	}
	did := Made
	if there != nil {
		did = Updated
		switch {
		case there.touched() && !overwrite:
			return Kept, nil
		case there.touched():
			did = Overwritten
		case there.holds(want):
			return Unchanged, nil
		}
		uids := map[string]string{} // :: title → uid
		for _, r := range there.Rules {
			uids[r.Title] = r.UID
		}
		for i := range want.Rules {
			want.Rules[i].UID = uids[want.Rules[i].Title] // the same rule goes on, with its history
		}
	}
	if _, err := c.call(ctx, func(api *gapi.Client) error { return api.SetAlertRuleGroup(want) }); err != nil {
		return "", err
	}
	there, err = c.readGroup(ctx, want)
	if err == nil && (there == nil || !there.holds(want)) {
		err = &Error{Reason: "Grafana took the rules and does not have them"}
	}
	return did, err
}

// readGroup reads a rule group, nil when there is none.
func (c *Client) readGroup(ctx context.Context, of gapi.RuleGroup) (*stored, error) {
	var g gapi.RuleGroup
	body, err := c.call(ctx, func(api *gapi.Client) (err error) { g, err = api.AlertRuleGroup(of.FolderUID, of.Title); return err })
	if statusOf(err) == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := readGroup(g, body)
	if len(s.Rules) == 0 {
		return nil, nil
	}
	return &s, nil
}
