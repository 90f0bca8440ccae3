package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/config"
)

// bannerApp is an app that shows its users what the banner says. It is strict about the answer.
type bannerApp struct {
	path string // file of what it has shown
	base string // URL of the daemon; empty: the config has no banner
	plan string
	etag string

	shown []bannerShown
	wrong []string
}

// bannerShown is one message that the app has shown.
type bannerShown struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// newBannerApp gives an app that asks the daemon at an address, where the config has a banner.
func newBannerApp(dir, plan string, cfg *config.Config) (*bannerApp, error) {
	a := &bannerApp{path: filepath.Join(dir, "receiver-app.json"), plan: plan}
	if bannerOf(cfg) == nil {
		return a, nil
	}
	saved, err := os.ReadFile(a.path)
	if os.IsNotExist(err) {
		return a, nil
	}
	if err == nil {
		err = json.Unmarshal(saved, &a.shown)
	}
	return a, err
}

// look asks for the banner and shows what is new.
func (a *bannerApp) look(ctx context.Context) error {
	if a.base == "" {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+"/v1/plans/"+a.plan+"/banner.json", nil)
	if err != nil {
		return err
	}
	if a.etag != "" {
		req.Header.Set("If-None-Match", a.etag)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && a.etag != "" {
		return nil
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		return err
	}
	if why := a.read(resp, body.Bytes()); why != "" && !slices.Contains(a.wrong, why) {
		a.wrong = append(a.wrong, why)
	}
	text, err := json.Marshal(a.shown)
	if err != nil {
		return err
	}
	return replaceFile(a.path, text)
}

// read takes an answer, and says what is wrong with it.
func (a *bannerApp) read(resp *http.Response, body []byte) string {
	var list struct {
		APIVersion string `json:"apiVersion"`
		Banners    []struct {
			ID       string            `json:"id"`
			Severity string            `json:"severity"`
			StartsAt time.Time         `json:"startsAt"`
			EndsAt   time.Time         `json:"endsAt"`
			Text     map[string]string `json:"text"`
			Version  string            `json:"version"`
		} `json:"banners"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(&list)
	switch {
	case resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json"):
		return fmt.Sprintf("status %d, %q", resp.StatusCode, resp.Header.Get("Content-Type"))
	case err != nil || list.Banners == nil || list.APIVersion != "gate/v1":
		return fmt.Sprintf("apiVersion %q: %v", list.APIVersion, err)
	case resp.Header.Get("ETag") == "" || !strings.Contains(resp.Header.Get("Cache-Control"), "max-age="):
		return fmt.Sprintf("ETag %q, Cache-Control %q", resp.Header.Get("ETag"), resp.Header.Get("Cache-Control"))
	}
	a.etag = resp.Header.Get("ETag")
	for _, b := range list.Banners {
		if b.ID == "" || !b.EndsAt.After(b.StartsAt) || len(b.Text) == 0 || !slices.Contains([]string{"info", "warning", "critical"}, b.Severity) {
			return fmt.Sprintf("banner %q of severity %q from %s to %s in %d languages", b.ID, b.Severity, b.StartsAt, b.EndsAt, len(b.Text))
		}
		if slices.ContainsFunc(a.shown, func(s bannerShown) bool { return s.ID == b.ID }) {
			continue
		}
		languages := slices.Sorted(maps.Keys(b.Text))
		a.shown = append(a.shown, bannerShown{b.ID, either(b.Text["en"], b.Text[languages[0]])})
	}
	return ""
}
