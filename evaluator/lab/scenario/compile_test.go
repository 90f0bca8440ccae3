package scenario_test

import (
	"fmt"
	"os"

	"github.com/BurntSushi/toml"

	"github.com/relgate/relgate/rules"
	cloudwatch "github.com/relgate/relgate/sources/cloudwatch/kind"
)

// document is a plan's tables as TOML has them; their order is in the metadata.
type document struct {
	Release        rules.ReleaseSpec                  `toml:"release"`
	Phases         map[string]rules.PhaseSpec         `toml:"phases"`
	Success        map[string]rules.SuccessSpec       `toml:"success"`
	Rollback       map[string]rules.RollbackSpec      `toml:"rollback"`
	Signals        map[string]signalDocument          `toml:"signals"`
	Communications map[string]rules.CommunicationSpec `toml:"communications"`
}

// signalDocument is a signal that may have a query of the kind whose missing values can
// count as zero.
type signalDocument struct {
	rules.SignalSpec
	Ask *cloudwatch.Query `toml:"cloudwatch"`
}

// compile makes a plan of TOML without sources. The daemon's own way, package
// config, stands above this package and cannot be imported here.
func compile(name string, text []byte) (*rules.Plan, error) {
	if text == nil {
		var err error
		if text, err = os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	var d document
	meta, err := toml.Decode(string(text), &d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("%s: unknown keys %v", name, unknown)
	}
	spec := rules.Spec{Release: d.Release, Bare: true}
	for _, k := range named(meta, "phases") {
		s := d.Phases[k]
		s.Name = k
		spec.Phases = append(spec.Phases, s)
	}
	for _, k := range named(meta, "success") {
		s := d.Success[k]
		s.Name = k
		spec.Success = append(spec.Success, s)
	}
	for _, k := range named(meta, "rollback") {
		s := d.Rollback[k]
		s.Name = k
		spec.Rollback = append(spec.Rollback, s)
	}
	for _, k := range named(meta, "signals") {
		s := d.Signals[k].SignalSpec
		s.Name = k
		if ask := d.Signals[k].Ask; ask != nil {
			s.Query = ask
		}
		spec.Signals = append(spec.Signals, s)
	}
	for _, k := range named(meta, "communications") {
		s := d.Communications[k]
		s.Name = k
		spec.Communications = append(spec.Communications, s)
	}
	plan, problems := rules.Compile(spec)
	if plan == nil {
		return nil, fmt.Errorf("%s: %w", name, problems)
	}
	return plan, nil
}

// named lists the tables inside a table, in the order of the file.
func named(meta toml.MetaData, table string) []string {
	var names []string
	seen := map[string]bool{}
	for _, key := range meta.Keys() {
		if len(key) >= 2 && key[0] == table && !seen[key[1]] {
			seen[key[1]] = true
			names = append(names, key[1])
		}
	}
	return names
}
