package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/kinds"
)

// upstreamKinds are the kinds of sources that configs may have.
func upstreamKinds() rules.Kinds { return kinds.All().Kinds() }

// configs reads configs with sources of these kinds.
func configs() config.Reader { return configsOf(kinds.All()) }

// configsOf reads configs with sources of some kinds.
func configsOf(list kinds.List) config.Reader {
	return config.Reader{Kinds: list.Kinds(), Formats: format.Specs()}
}

// upstreams makes sources of what a config says.
type upstreams struct {
	list      kinds.List    // the kinds that there are; nil: all
	simulated bool          // they are the simulator's
	pause     sources.Pause // what retries wait through; nil: real time
	pushes    sources.Pushes
	log       *slog.Logger
}

// connect makes every source of a config. A secret that cannot be read is an
// error here: a daemon that cannot ask must not look as if it could.
func (u upstreams) connect(ctx context.Context, specs []config.SourceSpec) (map[string]sources.Source, error) {
	made := make(map[string]sources.Source, len(specs))
	for i := range specs {
		src, err := u.source(ctx, &specs[i])
		if err != nil {
			return nil, fmt.Errorf("source %q: %w", specs[i].Name, err)
		}
		made[specs[i].Name] = src
	}
	return made, nil
}

func (u upstreams) all() kinds.List {
	if u.list != nil {
		return u.list
	}
	return kinds.All()
}

func (u upstreams) source(ctx context.Context, s *config.SourceSpec) (sources.Source, error) {
	return u.all().Open(ctx, s.Type, sources.Opening{
		Name: s.Name, BaseURL: s.URL, CAFile: s.CA, MaxAttempts: *s.MaxAttempts, Account: s,
		Simulated: u.simulated, Pause: u.pause, Log: u.log, Pushes: u.pushes,
	})
}

// either is the first text that is not empty.
func either(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
