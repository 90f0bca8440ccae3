package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/exporters/archive"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/report"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/wire"
)

// archiveEndpoint is an endpoint that keeps the report of a run.
func (d *daemon) archiveEndpoint(a archive.Archive, err error, e outbox.Endpoint) (outbox.Endpoint, error) {
	e.Sink = &archive.Sink{Archive: a, Report: func(ctx context.Context, event *wire.EventBody) (archive.Report, error) {
		return d.reportOf(ctx, event, e.Name)
	}}
	return e, err
}

func folderEndpoint(d *daemon, s *config.SinkSpec, _ webhook.Config, _ webhook.Endpoint, e outbox.Endpoint) (outbox.Endpoint, error) {
	a, err := archive.NewFolder(s.Texts["path"])
	return d.archiveEndpoint(a, err, e)
}

func githubEndpoint(d *daemon, s *config.SinkSpec, common webhook.Config, net webhook.Endpoint, e outbox.Endpoint) (outbox.Endpoint, error) {
	token, err := s.Secret("token")
	if err != nil {
		return e, fmt.Errorf("token: %w", err)
	}
	a, err := archive.NewGitHub(archive.GitHubConfig{
		URL: s.Texts["api"], Token: token, Repository: s.Texts["repository"], Branch: s.Texts["branch"], Folder: s.Texts["path"], PullRequest: s.Texts["by"] == "pull-request",
		Network: archive.Network{Common: common, To: net},
	})
	return d.archiveEndpoint(a, err, e)
}

func confluenceEndpoint(d *daemon, s *config.SinkSpec, common webhook.Config, net webhook.Endpoint, e outbox.Endpoint) (outbox.Endpoint, error) {
	token, err := s.Secret("token")
	if err != nil {
		return e, fmt.Errorf("token: %w", err)
	}
	a, err := archive.NewConfluence(archive.ConfluenceConfig{
		URL: s.Texts["site"], Email: s.Texts["email"], Token: token, Space: s.Texts["space"], Parent: s.Texts["parent"], Network: archive.Network{Common: common, To: net},
	})
	return d.archiveEndpoint(a, err, e)
}

// reportOf writes what is archived of a run: its report, in every form. Of is the archive
// that it is a copy for, empty where it is none.
func (d *daemon) reportOf(ctx context.Context, e *wire.EventBody, of string) (archive.Report, error) {
	source, err := reportSource(ctx, d.journal, e.Run)
	if err != nil {
		return archive.Report{}, err
	}
	source.Archive = of
	made := report.Make(source)
	var text, page, data bytes.Buffer
	if err := errors.Join(made.Markdown(&text), made.HTML(&page), showJSON(&data, made, "  ")); err != nil {
		return archive.Report{}, err
	}
	return archive.Report{
		Run: e.Run, UID: source.Plan.Binding.UID, Event: e.N, Plan: e.Plan, Version: e.Version, Title: strings.TrimSpace("Review of " + e.Plan + " " + e.Version), Markdown: text.Bytes(), HTML: page.Bytes(), JSON: data.Bytes(),
	}, nil
}
