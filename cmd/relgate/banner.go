package main

import (
	"net/http"
	"slices"
	"sync"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/exporters/banner"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/rules"
)

// boards are the banners that apps ask for: of the config in force, and of one that is
// about to be.
type boards struct {
	mu  sync.Mutex
	all map[*config.SinkSpec]*banner.Board // :: sink of a config → its board
}

// use adds the board of a sink, and forgets those of configs that are not in force any more.
func (b *boards) use(s *config.SinkSpec, board *banner.Board, inForce *config.Config) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := map[*config.SinkSpec]*banner.Board{s: board}
	if old := bannerOf(inForce); old != nil && b.all[old] != nil {
		kept[old] = b.all[old]
	}
	b.all = kept
}

func (b *boards) of(s *config.SinkSpec) *banner.Board {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all[s]
}

// bannerOf is the sink of a config that is a banner, nil where there is none.
func bannerOf(cfg *config.Config) *config.SinkSpec {
	if cfg == nil {
		return nil
	}
	if i := slices.IndexFunc(cfg.Sinks, func(s config.SinkSpec) bool { return s.Type == "banner" }); i >= 0 {
		return &cfg.Sinks[i]
	}
	return nil
}

func bannerEndpoint(d *daemon, s *config.SinkSpec, common webhook.Config, _ webhook.Endpoint, e outbox.Endpoint) (outbox.Endpoint, error) {
	c := banner.Config{
		Name: s.Name, Severity: s.Texts["severity"], Locale: s.Texts["locale"], External: common.External,
		Runs: desk{runner: d.runner, journal: d.journal}.Runs, Events: d.encoder.earlierFor(s, externalBase(d.config)), Now: d.clock.Now, Log: d.log,
	}
	if text := s.Texts["show_for"]; text != "" {
		var shown rules.Duration
		if err := shown.UnmarshalText([]byte(text)); err != nil {
			return e, err // unreachable: the config was checked
		}
		c.For = shown.Duration
	}
	board, err := banner.New(c)
	if err != nil {
		return e, err // unreachable: the config was checked
	}
	d.boards.use(s, board, d.inForce.Load())
	e.Sink, e.Overhears, e.Types = board, true, banner.Types()
	return e, nil
}

// serveBanner answers an app: everyone, where the config says so of the plan.
func (d *daemon) serveBanner(w http.ResponseWriter, r *http.Request) {
	board := d.boards.of(bannerOf(d.inForce.Load()))
	plan := r.PathValue("plan")
	public := slices.Contains(d.config.Daemon.PublicBanners, plan)
	switch {
	case board == nil: // no app is told whether there is such a plan
		banner.NotFound(w, r)
	case public:
		board.Handler(true).ServeHTTP(w, r)
	default:
		d.gate.Require(gate.Read, board.Handler(false)).ServeHTTP(w, r)
	}
}
