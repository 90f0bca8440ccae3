package journal_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/journal"
)

func TestSmoke(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "a?b c.db")
	j, err := journal.Open(ctx, journal.Config{Path: path, Endpoints: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1000, 0).UTC()
	seq, err := j.Commit(ctx, 0, evaluator.Batch{{Plan: "p", Digest: "d", Document: []byte("{}"), Tick: evaluator.Tick{At: at}, Events: []evaluator.Event{{ID: "p/1", N: 1, At: at}}}})
	t.Log(seq, err)
	_, err = journal.Open(ctx, journal.Config{Path: path})
	t.Log(err)
	c, err := j.Cursor(ctx, "a")
	t.Log(c, err)
	t.Log(j.Delivered(ctx, "a", 1))
	c, err = j.Cursor(ctx, "a")
	t.Log(c, err)
	t.Log(j.Commit(ctx, 0, nil))
	t.Log(j.Recover(ctx, "p"))
	t.Log(j.Deliveries(ctx))
	t.Log(j.Prune(ctx, at))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
