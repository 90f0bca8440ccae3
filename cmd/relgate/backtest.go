package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/relgate/relgate"
	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/lab/backtest"
	"github.com/relgate/relgate/rules"
)

type backtestCommand struct {
	File      string         `arg:"" optional:"" help:"Config file; config.toml when left out, with --demo the one inside the binary."`
	From      string         `help:"Start of the range: RFC 3339, a date, or how long ago (30d). With --load the history's own when left out."`
	To        string         `help:"End of the range, as --from, or now (the default)."`
	Every     rules.Duration `help:"Between the starts of two virtual releases; the plan's length when left out, at least 1h."`
	Plan      string         `help:"Plan id; may be left out when the config has one plan."`
	Compare   string         `type:"path" help:"Another config whose plan is tried on the same history, side by side."`
	Bad       []string       `sep:"none" aliases:"marks" placeholder:"FILE|FROM/TO" help:"When the service was bad: a file, or one period FROM/TO. May be repeated."`
	Tolerance rules.Duration `default:"15m" help:"How long after a bad period a firing still counts as right."`
	Save      string         `type:"path" help:"Keep what was fetched, or joined, in this file."`
	Load      []string       `type:"path" sep:"none" placeholder:"FILE" help:"Use what --save kept, and ask no source. May be repeated: the histories are joined."`
	Demo      string         `placeholder:"SCENARIO" help:"Ask simulated upstreams instead: ${scenarios}, or a scenario file. Times may be offsets from T, such as T+4d."`
	Format    string         `short:"o" name:"format" enum:"table,json,html," default:"" help:"table, json or html; what the ending of --output says when left out, else table."`
	Output    string         `type:"path" help:"Write the report to this file; the table still goes to stdout."`
}

// Help is printed by --help.
func (backtestCommand) Help() string {
	return `Tries the plan on the past: fetches what the sources say of a range, lets virtual
releases begin in it one after another, and says when each rule would have fired,
how long each verdict took and, if you say when the service was bad, which alarms
were false and what was missed. docs/backtest.md has the rest.

  relgate backtest --demo api-5xx --from T --to T+4d --bad T+1h/T+4d
  relgate backtest config.toml --from 14d --bad incidents.txt --output report.html
  relgate backtest config.toml --from 14d --save june.history
  relgate backtest other.toml --load june.history --compare config.toml

Exit codes: 0 done, 1 no history could be fetched, 2 wrong usage or config.`
}

// trial is a backtest under way.
type trial struct {
	backtestCommand
	con     console
	configs []*config.Config // the config, and the one to compare with
	plans   []*rules.Plan    // of each the plan that is tried
	now     time.Time
	from    time.Time
	to      time.Time
	marks   []backtest.Mark
	history *backtest.History
	reports []*backtest.Report
	took    time.Duration // of running the plans
}

func (c backtestCommand) Run(ctx context.Context, con console) error {
	t := &trial{backtestCommand: c, con: con, now: time.Now().UTC().Truncate(time.Second)}
	if err := t.prepare(); err != nil {
		return exit(exitUsage, err)
	}
	if err := t.obtain(ctx); err != nil {
		return err
	}
	if err := t.run(ctx); err != nil {
		return err
	}
	return t.show()
}

// prepare reads everything that is not history.
func (t *trial) prepare() error {
	if err := t.checkFlags(); err != nil {
		return err
	}
	files := []string{t.File}
	if t.Compare != "" {
		files = append(files, t.Compare)
	}
	for i, file := range files {
		if err := t.load(file, i == 0); err != nil {
			return err
		}
	}
	if err := t.read(); err != nil {
		return err
	}
	if err := t.period(); err != nil {
		return err
	}
	return t.readMarks()
}

func (t *trial) checkFlags() error {
	switch {
	case slices.Contains([]string{"table", "json", "html"}, filepath.Base(t.Output)):
		return fmt.Errorf("--output %s: wants a file; the format is -o %s", filepath.Base(t.Output), filepath.Base(t.Output))
	case len(t.Load) == 1 && t.Save != "":
		return errors.New("--load and --save: what was loaded is saved already")
	case len(t.Load) > 0 && t.Demo != "":
		return errors.New("--load and --demo: a history is either loaded or fetched")
	case t.Every.Duration < 0 || t.Every.Duration > 0 && t.Every.Duration < time.Minute:
		return fmt.Errorf("--every %s: want at least 1m", t.Every)
	case t.Tolerance.Duration < 0:
		return fmt.Errorf("--tolerance %s: want 0 or more", t.Tolerance)
	}
	if t.Format == "" {
		t.Format = "table"
		switch ending := filepath.Ext(t.Output); {
		case t.Output == "":
		case ending == ".html" || ending == ".htm":
			t.Format = "html"
		case ending == ".json":
			t.Format = "json"
		case ending != ".txt" && ending != "":
			return fmt.Errorf("--output %s: the report has no form %q: want .html, .json or .txt, or say which with -o", t.Output, ending)
		}
	}
	return errors.Join(writable("--output", t.Output), writable("--save", t.Save))
}

// writable says why a file could not be written, before anybody has waited for what
// is to go into it. It leaves nothing behind, and a file that is there as it is.
func writable(flag, path string) error {
	create := 0
	switch info, err := os.Stat(path); {
	case path == "":
		return nil
	case err == nil && info.IsDir():
		return fmt.Errorf("%s %s: is a directory", flag, path)
	case err == nil && !info.Mode().IsRegular():
		return nil // a device or a pipe: to open it is to use it
	case errors.Is(err, os.ErrNotExist):
		if _, err := os.Lstat(path); err == nil {
			return nil // a link to what will be made
		}
		create = os.O_CREATE | os.O_EXCL
	}
	f, err := os.OpenFile(path, os.O_WRONLY|create, 0o644)
	if err == nil {
		err = f.Close()
		if create != 0 {
			err = errors.Join(err, os.Remove(path))
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	return nil
}

// load reads a config and chooses its plan.
func (t *trial) load(file string, main bool) error {
	cfg, problems := t.decode(file)
	if config.Errors(problems) > 0 {
		complain(t.con.err, problems)
		return fmt.Errorf("config %q has %s", either(file, "config.toml"), amount(config.Errors(problems), "problem"))
	}
	plan := cfg.Plans[0]
	if main && t.Plan != "" || len(cfg.Plans) > 1 {
		i := slices.IndexFunc(cfg.Plans, func(p *rules.Plan) bool { return p.Name == t.Plan })
		if i < 0 {
			var names []string
			for _, p := range cfg.Plans {
				names = append(names, p.Name)
			}
			return fmt.Errorf("config %q has the plans %q: name one with --plan", either(file, "config.toml"), names)
		}
		plan = cfg.Plans[i]
	}
	t.configs, t.plans = append(t.configs, cfg), append(t.plans, plan.Example())
	return nil
}

func (t *trial) decode(file string) (*config.Config, []config.Problem) {
	if file != "" || t.Demo == "" {
		return configs().Load(either(file, "config.toml"))
	}
	text, err := relgate.Files.ReadFile("config.toml")
	if err != nil {
		return nil, []config.Problem{} // unreachable unless the build lost the file
	}
	return configs().Decode("config.toml", text, relgate.Files.ReadFile)
}

// read loads and joins kept histories.
func (t *trial) read() error {
	var list []*backtest.History
	for _, file := range t.Load {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading history: %w", err)
		}
		h := new(backtest.History)
		if err := h.UnmarshalText(text); err != nil {
			return fmt.Errorf("reading history %q: %w", file, err)
		}
		list = append(list, h)
	}
	t.history = backtest.Join(list...)
	return nil
}

// period finds out from when to when.
func (t *trial) period() (err error) {
	switch {
	case t.From != "":
		if t.from, err = t.time(t.From); err != nil {
			return fmt.Errorf("--from: %w", err)
		}
	case t.history != nil:
		t.from = t.history.From
	case t.Demo != "":
		t.from = t.plans[0].Start
	default:
		return errors.New("--from is missing: give the start of the range (30d, 2025-06-01, 2025-06-01T10:00:00Z)")
	}
	switch {
	case t.To != "":
		if t.to, err = t.time(t.To); err != nil {
			return fmt.Errorf("--to: %w", err)
		}
	case t.history != nil:
		t.to = t.history.To
	case t.Demo != "":
		t.to = t.from.Add(2 * max(backtest.Length(t.plans[0]), time.Hour))
	default:
		t.to = t.now
	}
	if t.Demo == "" && t.to.After(t.now) {
		t.to = t.now // no source has history of the future
	}
	if !t.from.Before(t.to) {
		return fmt.Errorf("the range ends at %s, which is not after its start %s", t.to.Format(time.RFC3339), t.from.Format(time.RFC3339))
	}
	return nil
}

// time reads a time: RFC 3339, a date, now, how long ago, or an offset from the
// plan's T.
func (t *trial) time(text string) (time.Time, error) {
	if text == "now" {
		return t.now, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC().Truncate(time.Second), nil
		}
	}
	if strings.HasPrefix(text, "T") {
		o, err := rules.ParseOffset(text)
		return t.plans[0].Start.Add(o.Duration), err
	}
	if d, err := rules.ParseDuration(text); err == nil && d.Duration > 0 {
		return t.now.Add(-d.Duration), nil
	}
	return time.Time{}, fmt.Errorf("time %q: want RFC 3339 (2025-06-01T10:00:00Z), a date, how long ago (30d), an offset from the plan's T (T+2h), or now", text)
}

// run tries the plans on the history.
func (t *trial) run(ctx context.Context) error {
	defer roomy()()
	begun := time.Now()
	shown := newCounter(t.con.err)
	defer shown.end()
	for _, plan := range t.plans {
		report, err := backtest.Run(backtest.Config{
			Plan: plan, History: t.history, From: t.from, To: t.to, Every: t.Every.Duration,
			Marks: t.marksFor(plan), Tolerance: t.Tolerance.Duration,
			Spread: func(n int, do func(int) error) error { return spread(ctx, n, shown.count(plan.Name, n, do)) },
		})
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return exit(exitUsage, fmt.Errorf("plan %q: %w", plan.Name, err))
		}
		t.reports = append(t.reports, report)
	}
	t.took = time.Since(begun)
	return nil
}

// roomy lets the heap grow larger between two collections: each tick leaves a
// little behind, and what lives is small. The result puts it back.
func roomy() (restore func()) {
	was := debug.SetGCPercent(400)
	return func() { debug.SetGCPercent(was) }
}

// spread does n things on all processors.
func spread(ctx context.Context, n int, do func(i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return do(i)
		})
	}
	return group.Wait()
}
