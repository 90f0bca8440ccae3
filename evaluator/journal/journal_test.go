package journal_test

import (
	"testing"

	"github.com/relgate/relgate/evaluator/journal/journaltest"
)

func TestConformance(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		journaltest.Run(t, func(t *testing.T) journaltest.Store { return journaltest.NewFile(t) })
	})
	t.Run("memory", func(t *testing.T) {
		journaltest.Run(t, func(t *testing.T) journaltest.Store { return new(journaltest.Memory) })
	})
	t.Run("faulty without faults", func(t *testing.T) {
		journaltest.Run(t, func(t *testing.T) journaltest.Store { return faulty{journaltest.NewFile(t)} })
	})
}

type faulty struct{ journaltest.Store }

func (f faulty) Open(endpoints ...string) (journaltest.Journal, error) {
	j, err := f.Store.Open(endpoints...)
	return &journaltest.Faulty{Journal: j}, err
}
