package gate

import (
	"net/http"
	"sync/atomic"
)

// Answers is how often a view was answered with a status.
type Answers struct {
	View   string // gate, entry, verdict, rollback, rollback?on=fail
	Status int
	Count  uint64
}

// Stats is what the gate has done since it was made.
type Stats struct {
	Answers  []Answers      // every view and status there is, also those of zero
	Waiting  int            // long polls now
	Refusals []RefusalCount // every reason there is, also those of zero
}

var countedStatuses = [...]int{
	http.StatusOK, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusServiceUnavailable,
}

// counts counts the answers that hold a verdict, by view and status.
type counts [len(viewNames)][len(countedStatuses)]atomic.Uint64

func (c *counts) add(v view, status int) {
	for j, s := range countedStatuses {
		if s == status {
			c[v][j].Add(1)
		}
	}
}

// Stats is a copy of the counts.
func (g *Gate) Stats() Stats {
	s := Stats{Waiting: g.waiters.count(), Refusals: g.refused.counts()}
	for i, v := range viewNames {
		for j, status := range countedStatuses {
			s.Answers = append(s.Answers, Answers{View: v, Status: status, Count: g.counts[i][j].Load()})
		}
	}
	return s
}
