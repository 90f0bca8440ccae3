package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/lab/simulation"
	"github.com/relgate/relgate/rules"
)

type simulateRuleCommand struct {
	File string `arg:"" optional:"" help:"Config file that has the rule; without it, the flags say the rule."`

	Rule    string          `help:"A rollback rule of the file."`
	Phase   string          `help:"The phase that it is watched in; the first that names it when left out."`
	Plan    string          `help:"Plan id, where the file has several with such a rule."`
	Limit   *rules.Fraction `help:"The share that a good release keeps; the file's when left out."`
	Trigger *rules.Fraction `help:"The share from which a release is to be rolled back; the file's when left out."`
	Alpha   *rules.Fraction `help:"How likely a good release may be held; the file's, or 1 %, when left out."`
	Traffic string          `help:"Events of the whole service: 2/s, 120/min, 5000/h; the file's when left out." placeholder:"RATE"`
	Share   *rules.Fraction `help:"Share of them that the release gets; the phase's, or all, when left out."`
	Window  *rules.Duration `help:"How long it is watched; the phase's, or 24h, when left out."`

	Rates    []rules.Fraction `help:"True shares to try; when left out, some from a good release's to a bad one's."`
	Late     rules.Duration   `help:"The fault begins so long after the start; before it the release is at --before."`
	Before   *rules.Fraction  `help:"With --late: the share before the fault; when left out, a tenth of the limit's bad events."`
	CV       float64          `name:"cv" help:"How much the share of bad events changes from minute to minute: its coefficient of variation."`
	Baseline *rules.Fraction  `help:"What runs beside the release has this share, and must confirm a rollback."`

	Compare bool   `help:"Show the rules that others decide by, on the same releases."`
	Runs    int    `default:"1000" help:"Releases for each rate."`
	Seed    uint64 `default:"1" help:"The same seed gives the same releases."`
	Output  string `short:"o" enum:"text,json,svg" default:"text" help:"text (a table and a chart), json, or svg (the chart)."`
}

// Help is printed by --help.
func (simulateRuleCommand) Help() string {
	return `How a rule decides: releases with a known true rate run past it, and what it
does is counted. docs/deciding.md says what the rungs are.

Shares (--limit, --trigger, --rates, --before, --baseline) are of bad events. Of a
file's rule on a signal that counts good ones, such as "< 98 %" crash-free, they are of
good events, here and in the answer: as the plan writes them. In -o json all shares are
of bad events.

  relgate simulate-rule --limit 1% --trigger 3% --traffic 2/s --share 10% --rates 0.1%,1%,2%,5%
  relgate simulate-rule config.toml --rule api-5xx-high --traffic 2/s --compare
  relgate simulate-rule config.toml --rule crash-free-low --traffic 2/s --rates 99.9%,99%,97%
  relgate simulate-rule config.toml --rule api-5xx-high --late 60m -o svg > rule.svg`
}

// study is a rule's operating characteristics: what was asked, and the outcomes.
type study struct {
	simulation.Setting
	traffic simulation.Traffic
	runs    int
	seed    uint64
	late    time.Duration
	before  float64
	cv      float64
	base    float64 // of the baseline
	own     int     // of the outcomes, how many are of the rule itself: by evidence, by threshold
	cells   []cell
}

// cell is the outcomes at one true rate: of the rule first, of what it is
// compared with after it.
type cell struct {
	rate     float64
	outcomes []simulation.Outcome
}

func (c simulateRuleCommand) Run(ctx context.Context, con console) error {
	s, err := c.setting(con)
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return exit(exitUsage, err)
	}
	list := s.Rules()
	s.own = len(list)
	if c.Compare && s.Period == time.Minute {
		list = append(list, simulation.Plain(s.Trigger, s.Limit)...)
	}
	for _, rate := range c.rates(s) {
		out, err := simulation.Run(ctx, simulation.Config{
			Release: s.release(rate), Traffic: s.traffic, Looks: s.Looks, Runs: s.runs, Seed: s.seed, Rules: list,
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return exit(exitUsage, err)
		}
		s.cells = append(s.cells, cell{rate, out})
	}
	switch c.Output {
	case "json":
		return s.json(con.out)
	case "svg":
		return s.svg(con.out)
	}
	return s.text(plainLines{con.out})
}

// setting is what is to be simulated: the file's rule, with what the flags say
// in place of what the file says.
func (c simulateRuleCommand) setting(con console) (*study, error) {
	s := &study{
		Setting: simulation.Setting{Period: time.Minute, Looks: 24 * 60, Share: 1, Method: rules.Sequential},
		runs:    c.Runs, seed: c.Seed, late: c.Late.Duration, cv: c.CV,
	}
	switch {
	case c.File != "":
		found, err := c.fromFile(con)
		if err != nil {
			return nil, err
		}
		s.Setting = *found
	case c.Rule != "" || c.Phase != "" || c.Plan != "":
		return nil, errors.New("--rule, --phase and --plan name parts of a config file: name the file too")
	case c.Limit == nil || c.Trigger == nil:
		return nil, errors.New("no rule is given: name a file and --rule, or give --limit and --trigger")
	}
	if err := c.override(s); err != nil {
		return nil, err
	}
	if c.Before != nil && s.late <= 0 {
		return nil, errors.New("--before needs --late: it is the share before a late fault")
	}
	s.before = s.Limit / 10
	if c.Before != nil {
		s.before = s.badShare(c.Before)
	}
	switch {
	case c.Baseline != nil:
		s.base, s.Beside = s.badShare(c.Baseline), true
	case s.Share >= 1:
		s.Beside = false // nothing is left to run beside it
	case s.Beside:
		s.base = s.before
	}
	s.traffic = simulation.PerLook(s.Rate, s.Share, s.Period.Seconds(), s.Beside)
	if s.Sequential != nil {
		s.Sequential.Beside = s.Beside
	}
	return s, nil
}

// fromFile finds the rule in the file's plans.
func (c simulateRuleCommand) fromFile(con console) (*simulation.Setting, error) {
	if c.Rule == "" {
		return nil, fmt.Errorf("no rule of %s is named: give --rule with the name of a rollback rule", c.File)
	}
	cfg, problems := configs().Load(c.File)
	if config.Errors(problems) > 0 {
		complain(con.err, problems)
		return nil, fmt.Errorf("%s cannot be used: run `relgate check %s`", c.File, c.File)
	}
	var found *simulation.Setting
	var errs []error
	for _, p := range cfg.Plans {
		if c.Plan != "" && p.Name != c.Plan {
			continue
		}
		s, err := simulation.OfPlan(p.Example(), c.Rule, c.Phase)
		switch {
		case err != nil:
			errs = append(errs, err)
		case found != nil:
			return nil, fmt.Errorf("plans %s and %s both have rule %s: say which with --plan", found.Plan, s.Plan, c.Rule)
		default:
			found = s
		}
	}
	if found == nil {
		return nil, errors.Join(append(errs, c.noPlan(len(errs)))...)
	}
	return found, nil
}

func (c simulateRuleCommand) noPlan(tried int) error {
	if tried > 0 {
		return nil
	}
	return fmt.Errorf("%s has no plan %q", c.File, c.Plan)
}

// override puts what the flags say in place of what the file says.
func (c simulateRuleCommand) override(s *study) error {
	if c.Traffic != "" {
		rate, err := rules.ParseRate(c.Traffic)
		if err != nil {
			return fmt.Errorf("--traffic: %w", err)
		}
		s.Rate = rate
	}
	if c.Share != nil {
		s.Share = c.Share.Value
	}
	if c.Window != nil {
		s.Looks = int(c.Window.Duration / s.Period)
	}
	bounds := c.Limit != nil || c.Trigger != nil
	if c.Limit != nil {
		s.Limit = s.badShare(c.Limit)
	}
	if c.Trigger != nil {
		s.Trigger = s.badShare(c.Trigger)
	}
	if s.Sequential == nil && (bounds || c.File == "") {
		s.Sequential = &simulation.Sequential{Label: "evidence", Alpha: simulation.DefaultAlpha, Aside: simulation.UsualAside(s.Period)}
	}
	if q := s.Sequential; q != nil {
		q.Limit, q.Trigger = s.Limit, s.Trigger
		if c.File == "" || c.Window != nil {
			q.Looks = s.Looks
		}
		if c.Alpha != nil {
			q.Alpha = c.Alpha.Value
		}
	}
	return nil
}

// check reports what cannot be simulated.
func (s *study) check() error {
	switch {
	case !(s.Limit > 0) || !(s.Trigger >= s.Limit) || !(s.Trigger < 1):
		return s.wrongBounds()
	case s.Sequential != nil && !(s.Sequential.Alpha > 0 && s.Sequential.Alpha < 1):
		return fmt.Errorf("alpha %s: want more than 0 %% and less than 100 %%", percent(s.Sequential.Alpha))
	case s.Rate <= 0:
		return errors.New(`the traffic is not known: give --traffic, such as "2/s", or expected_rate in the file`)
	case s.Share <= 0:
		return errors.New("the release gets no traffic: nothing can be said about it")
	case s.Beside && s.Share >= 1:
		return errors.New("the release gets all of the traffic, so that nothing runs beside it: give --share")
	case s.Looks < 1:
		return fmt.Errorf("the window is shorter than one look, %s: give a longer --window", lasting(s.Period))
	case s.late >= time.Duration(s.Looks)*s.Period:
		return fmt.Errorf("--late %s: the window of %s is over by then", lasting(s.late), lasting(time.Duration(s.Looks)*s.Period))
	case s.late < 0:
		return errors.New("--late: a fault cannot begin before the release")
	case s.runs > 1_000_000:
		return fmt.Errorf("--runs %d: want at most 1000000", s.runs)
	}
	return nil
}

// rates are the true rates to try: what was asked for, or a good release's, one
// at the limit, one half way to the trigger, and one well beyond it.
func (c simulateRuleCommand) rates(s *study) []float64 {
	var list []float64
	for i := range c.Rates {
		list = append(list, s.badShare(&c.Rates[i]))
	}
	if len(list) == 0 {
		bad := min(s.Trigger*5/3, (1+s.Trigger)/2)
		list = []float64{s.Limit / 10, s.Limit, (s.Limit + s.Trigger) / 2, bad, bad}
		if s.Limit == s.Trigger {
			list[4] = min(s.Trigger*3, (1+bad)/2)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// release is one that is at a true rate, from the beginning or from late on.
func (s *study) release(rate float64) simulation.Release {
	r := simulation.Release{Rate: rate, CV: s.cv, Baseline: s.base}
	if s.late > 0 {
		r.Since, r.Before = int(s.late/s.Period), s.before
	}
	return r
}

// subject is what is simulated, in a line.
func (s *study) subject() string {
	if s.Setting.Rule == "" {
		return fmt.Sprintf("limit %s, trigger %s", s.share(s.Limit), s.share(s.Trigger))
	}
	how := "weighs evidence"
	if s.Method == rules.ByThreshold {
		how = "compares with a threshold"
	}
	return fmt.Sprintf("%s in %s of %s, which %s: limit %s, trigger %s", s.Setting.Rule, s.Phase, s.Plan, how, s.share(s.Limit), s.share(s.Trigger))
}

// circumstances is under what it is simulated, in a line each.
func (s *study) circumstances() []string {
	lines := []string{fmt.Sprintf("%s events in each look of %s on average, window %s", short(s.traffic.Canary), lasting(s.Period), lasting(time.Duration(s.Looks)*s.Period))}
	if s.Sequential != nil {
		lines[0] += ", budget " + percent(s.Sequential.Alpha)
	}
	which := "bad"
	if s.Good {
		which = "good"
		lines = append(lines, "limit, trigger and true rates are shares of good events, as the plan writes them")
	}
	if s.traffic.Baseline > 0 {
		lines = append(lines, fmt.Sprintf("a baseline of %s events a look, %s of them %s", short(s.traffic.Baseline), s.share(s.base), which))
	}
	if s.late > 0 {
		lines = append(lines, fmt.Sprintf("the fault begins after %s, before it %s are %s; times count from its beginning", lasting(s.late), s.share(s.before), which))
	}
	if s.cv > 0 {
		lines = append(lines, fmt.Sprintf("the rate changes from look to look, coefficient of variation %s", short(s.cv)))
	}
	return append(lines, fmt.Sprintf("%s for each rate, seed %d", amount(s.runs, "release"), s.seed))
}

// badShare reads a share as the rule is written: what is simulated is bad events.
func (s *study) badShare(f *rules.Fraction) float64 {
	if s.Good {
		return others(f.Value)
	}
	return f.Value
}

// share writes a share of bad events as the rule is written.
func (s *study) share(bad float64) string {
	if !s.Good {
		return percent(bad)
	}
	few, err := strconv.ParseFloat(strconv.FormatFloat(bad, 'g', 4, 64), 64)
	if err != nil {
		return percent(1 - bad) // unreachable: what was formatted is a number
	}
	return rules.Percent.Format(others(few))
}

// others is the share of the others, without what subtracting has added.
func others(share float64) float64 { return math.Round((1-share)*1e9) / 1e9 }

func (s *study) wrongBounds() error {
	want := "0 < limit <= trigger < 100 %"
	if s.Good {
		want = "100 % > limit >= trigger > 0 %, shares of good events as the plan writes them"
	}
	return fmt.Errorf("limit %s and trigger %s: want %s", s.share(s.Limit), s.share(s.Trigger), want)
}

func percent(share float64) string { return rules.Percent.Short(share) }

func short(v float64) string { return rules.Number.Short(v) }

// lasting writes a time without what is nought.
func lasting(d time.Duration) string {
	return strings.TrimSuffix(rules.Duration{Duration: d}.String(), "0s")
}
