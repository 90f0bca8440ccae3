package cloudwatch

import (
	"context"

	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/internal/amazon"
)

// Open makes a source of CloudWatch.
func Open(ctx context.Context, o sources.Opening) (sources.Source, error) {
	cfg, err := amazon.Opened(o)
	if err != nil {
		return nil, err
	}
	return New(ctx, cfg)
}
