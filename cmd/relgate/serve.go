package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"

	"github.com/relgate/relgate/config"
)

type serveCommand struct {
	File      string `arg:"" optional:"" default:"config.toml" help:"Config file." type:"path"`
	LogLevel  string `enum:"debug,info,warn,error" default:"info" help:"debug, info, warn or error."`
	LogFormat string `enum:"text,json" default:"text" help:"text or json."`
}

// Help is printed by --help.
func (serveCommand) Help() string {
	return `The config is read again when it changes or on SIGHUP; a bad one leaves the old
one running. SIGTERM stops gracefully.

  relgate serve config.toml`
}

func (c serveCommand) Run(ctx context.Context, con console) error {
	// net/http tells Go's standard logger what it finds odd, and quotes answers, which
	// may repeat a secret.
	stdlog.SetOutput(io.Discard)
	cfg, problems := configs().Load(c.File)
	complain(con.err, problems)
	if cfg == nil {
		return exit(exitUsage, fmt.Errorf("%s: %s; nothing was started", c.File, amount(config.Errors(problems), "problem")))
	}
	log := newLog(con.err, c.LogLevel, c.LogFormat)
	for _, b := range cfg.Broken {
		log.Error("plan not used: its file has problems; a run of it that is under way goes on by the plan in the journal", "file", b.File, "plan", b.Plan, "problems", config.Errors(b.Problems))
	}
	d, err := newDaemon(ctx, assembly{config: cfg, path: c.File, clock: newWallClock(log), upstreams: upstreams{log: log}, log: log})
	if stopped(ctx, err) {
		return nil
	}
	if err != nil {
		return exit(exitUsage, err)
	}
	if idle, err := d.idle(ctx); stopped(ctx, err) {
		return d.close()
	} else if err != nil || idle {
		err = cmp.Or(err, fmt.Errorf("%s: no plan can be used and no run is under way (%s); nothing was started", c.File, amount(config.Errors(problems), "problem")))
		return exit(exitUsage, errors.Join(err, d.close()))
	}
	err = d.Run(ctx)
	if closed := d.close(); err == nil {
		err = closed
	}
	log.Info("stopped")
	return err
}

// stopped reports whether a start ended because it was told to stop, as a supervisor may
// at any moment. That is no error.
func stopped(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}

func newLog(w io.Writer, level, format string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo // unreachable unless the flag's enum is wrong
	}
	w = plainLines{w}
	options := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
