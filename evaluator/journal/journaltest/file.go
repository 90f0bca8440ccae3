package journaltest

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/relgate/relgate/evaluator/journal"
)

// File is a Store that is a journal's file.
type File struct{ Config journal.Config }

// NewFile names a file that does not exist, in a folder of the test's own.
func NewFile(t testing.TB) *File {
	return &File{journal.Config{Path: filepath.Join(t.TempDir(), "a journal?.db")}}
}

// Open opens the file. The journal that was opened before must have been closed.
func (f *File) Open(endpoints ...string) (Journal, error) {
	c := f.Config
	c.Endpoints = endpoints
	return journal.Open(context.Background(), c)
}
