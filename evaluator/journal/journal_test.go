package journal_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/evaluator/journal/journaltest"
)

// file is a Store that is a journal's file.
type file struct{ config journal.Config }

func newFile(t testing.TB) *file {
	return &file{journal.Config{Path: filepath.Join(t.TempDir(), "a journal?.db")}}
}

func (f *file) Open(endpoints ...string) (journaltest.Journal, error) {
	c := f.config
	c.Endpoints = endpoints
	return journal.Open(context.Background(), c)
}

func TestConformance(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		journaltest.Run(t, func(t *testing.T) journaltest.Store { return newFile(t) })
	})
	t.Run("memory", func(t *testing.T) {
		journaltest.Run(t, func(t *testing.T) journaltest.Store { return new(journaltest.Memory) })
	})
	t.Run("faulty without faults", func(t *testing.T) {
		journaltest.Run(t, func(t *testing.T) journaltest.Store { return faulty{newFile(t)} })
	})
}

type faulty struct{ journaltest.Store }

func (f faulty) Open(endpoints ...string) (journaltest.Journal, error) {
	j, err := f.Store.Open(endpoints...)
	return &journaltest.Faulty{Journal: j}, err
}
