package main

import (
	"context"
	"strings"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/exporters/report"
)

// receipts is how far every endpoint has been told of every run.
type receipts struct {
	endpoints []string
	pending   map[string]fact.RunCursor   // :: endpoint and run
	waiting   map[string][]report.Waiting // :: endpoint and run
	givenUp   map[string][]report.GivenUp // :: endpoint and run
}

func receiptKey(endpoint, run string) string { return strings.Join([]string{endpoint, run}, "\n") }

func readReceipts(ctx context.Context, j *journal.Journal) (*receipts, error) {
	t := &receipts{pending: map[string]fact.RunCursor{}, waiting: map[string][]report.Waiting{}, givenUp: map[string][]report.GivenUp{}}
	var err error
	if t.endpoints, err = j.Endpoints(ctx); err != nil {
		return nil, err
	}
	for _, name := range t.endpoints {
		pending, err := j.Pending(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, p := range pending {
			t.pending[receiptKey(name, p.Run)] = p
		}
		orders, err := j.Orders(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, o := range orders {
			k := receiptKey(name, o.Run)
			t.waiting[k] = append(t.waiting[k], report.Waiting{Event: o.Event.ID, Attempts: o.Attempts, LastError: o.LastError})
		}
		letters, err := j.DeadLetters(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, l := range letters {
			k := receiptKey(name, l.Run)
			t.givenUp[k] = append(t.givenUp[k], report.GivenUp{Event: l.Event.ID, At: l.At.UTC(), Reason: l.Reason, Again: l.Again})
		}
	}
	return t, nil
}

// of is how far each endpoint has been told of a run that has so many events.
func (t *receipts) of(run string, newest uint64) []report.Delivery {
	list := []report.Delivery{}
	for _, name := range t.endpoints {
		k := receiptKey(name, run)
		d := report.Delivery{Endpoint: name, Done: newest, Newest: newest, Waiting: append([]report.Waiting{}, t.waiting[k]...), GivenUp: append([]report.GivenUp{}, t.givenUp[k]...)}
		if p, ok := t.pending[k]; ok {
			d.Done, d.Newest, d.Attempts, d.LastError = p.N, p.End, p.Attempts, p.LastError
		}
		list = append(list, d)
	}
	return list
}
