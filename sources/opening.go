package sources

import (
	"context"
	"log/slog"
)

// Open makes a source. A secret that cannot be read is an error: a source that cannot
// ask must not look as if it could.
type Open func(context.Context, Opening) (Source, error)

// Opening is what a source is made of.
type Opening struct {
	Name        string
	BaseURL     string // empty: the upstream's own
	CAFile      string // empty: the system's authorities
	MaxAttempts int
	Account     Account
	Simulated   bool         // it asks the simulator, which takes any credentials
	Pause       Pause        // what retries wait through; nil: real time
	Log         *slog.Logger // none if nil
	Pushes      Pushes       // what was pushed to it; nil: nothing can be
}

// Account is what the config says below the keys that the source's kind has declared.
type Account interface {
	Text(key string) string            // empty where the config has none
	Secret(key string) (string, error) // read now, where it is kept; empty where the config has none
}
