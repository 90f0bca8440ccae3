package config

import (
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources/kinds"
)

// The tests read configs with the kinds of sources that the daemon has.
func reader() Reader { return Reader{Kinds: kinds.All().Kinds(), Formats: format.Specs()} }

func Load(path string) (*Config, []Problem) { return reader().Load(path) }

func Decode(name string, data []byte, readFile func(string) ([]byte, error)) (*Config, []Problem) {
	return reader().Decode(name, data, readFile)
}

func DecodePlan(name string, data []byte, readFile func(string) ([]byte, error)) (*rules.Plan, []Problem) {
	return reader().DecodePlan(name, data, readFile)
}
