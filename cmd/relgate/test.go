package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/lab/scenario"
	"github.com/relgate/relgate/rules"
)

type testCommand struct {
	Files  []string `arg:"" help:"Scenario files." type:"path"`
	Update bool     `help:"Write what came out into the files as what is expected. Read the difference before you commit it."`
}

// Help is printed by --help.
func (testCommand) Help() string {
	return `A file holds a plan, what its signals did over time, commands, and the events and
verdicts that must come of it. Exit 0 when all files agree, 1 when one differs,
2 when one cannot be read or expects nothing.

  relgate test plans/*.txtar`
}

func (c testCommand) Run(con console) error {
	differ, broken := 0, 0
	for _, path := range c.Files {
		same, err := c.file(con, path)
		switch {
		case err != nil:
			broken++
			fmt.Fprintln(plainLines{con.err}, err)
		case !same:
			differ++
		}
	}
	switch {
	case broken > 0:
		return exit(exitUsage, fmt.Errorf("%d of %d files cannot be run", broken, len(c.Files)))
	case differ > 0:
		return exit(exitFail, fmt.Errorf("%d of %d files differ", differ, len(c.Files)))
	}
	return nil
}

func (c testCommand) file(con console, path string) (same bool, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	f, err := scenario.Parse(path, text)
	if err != nil {
		return false, err
	}
	if !f.Expects() {
		return false, &scenario.Error{File: path, Line: 1, Text: "it expects nothing: add a section events or verdicts"}
	}
	result, err := f.Run(compilePlan(path))
	if err != nil {
		return false, err
	}
	switch {
	case result.OK():
		fmt.Fprintf(con.out, "ok    %s\n", path)
		return true, nil
	case c.Update:
		text, err := scenario.Update(text, result)
		if err != nil {
			return false, err
		}
		fmt.Fprintf(con.out, "wrote %s\n", path)
		return true, os.WriteFile(path, text, 0o644)
	}
	fmt.Fprintf(con.out, "FAIL  %s\n", path)
	for _, d := range result.Differences {
		fmt.Fprintln(plainLines{con.out}, d)
	}
	return false, nil
}

// compilePlan reads a scenario's plan as a config is read; files that it names
// are looked for beside the scenario.
func compilePlan(path string) scenario.Compile {
	return func(name string, text []byte) (*rules.Plan, error) {
		if text != nil {
			plan, problems := configs().DecodePlan(name, text, os.ReadFile)
			if plan == nil {
				return nil, joined(problems)
			}
			return plan.Example(), nil
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		cfg, problems := configs().Load(name)
		if config.Errors(problems) > 0 {
			return nil, joined(problems)
		}
		if len(cfg.Plans) != 1 {
			return nil, fmt.Errorf("%s has %d plans: a scenario tests one", name, len(cfg.Plans))
		}
		return cfg.Plans[0].Example(), nil
	}
}

// joined makes one error of the problems that keep a plan from being used.
func joined(problems []config.Problem) error {
	var errs []error
	for _, p := range problems {
		if p.Severity == rules.SeverityError {
			errs = append(errs, errors.New(p.String()))
		}
	}
	return errors.Join(errs...)
}
