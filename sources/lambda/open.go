package lambda

import (
	"context"

	"github.com/relgate/relgate/internal/amazon"
	"github.com/relgate/relgate/sources"
)

// Open makes a source of Lambda.
func Open(ctx context.Context, o sources.Opening) (sources.Source, error) {
	cfg, err := amazon.Opened(o)
	if err != nil {
		return nil, err
	}
	return New(ctx, cfg)
}
