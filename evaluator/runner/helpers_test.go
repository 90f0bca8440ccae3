package runner_test

import (
	"context"
	"math"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/rules"
)

type kept = fact.Kept

var (
	zero float64
	nan  = math.NaN()
)

// mute is a fetcher that answers nothing at all.
type mute struct{}

func (mute) Fetch(context.Context, time.Time, []runner.Want) []rules.Reading { return nil }

func setAll(r *rules.Reading, value, samples float64) {
	for i := range r.Points {
		r.Points[i].Value, r.Points[i].Samples = value, samples
	}
}
